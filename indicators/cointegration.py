"""Rolling test for cointegration."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from core.errors import SettingsError
from indicators.base import Array, WindowIndicator
from indicators.windows import mean, ratio, total, windows

COLLINEAR = 1.0 - 100.0 * np.sqrt(np.finfo(float).eps)  # R^2 from which statsmodels calls two series the same


class Cointegration(WindowIndicator):
    """p-value of the Engle-Granger test that y = data0 and x = data1 are not cointegrated, over common bars.

    Formula, over the last period bars:
      - 1. u = residual of y on x and a constant, ordinary least squares
      - 2. t_stat = t value of g in: u - u[-1] = g * u[-1] + sum over maxlag of c_i * (u[-i] - u[-i-1])
      - 3. p_value = MacKinnon's (1994) approximation for two series and a constant

    Lines: ``p_value`` in [0, 1], small = cointegrated; ``t_stat``. Where y is x times a constant plus a constant
    (R^2 above 1 - 1.5e-6) they are 0 and -inf; NaN where one of them did not vary.
    As statsmodels coint(y, x, trend="c", maxlag=maxlag, autolag=None). See Engle and Granger 1987.
    """

    _mindatas = 2
    lines = ("p_value", "t_stat")
    params = (
        ("period", 252),  # bars in the window
        ("maxlag", 1),  # lagged differences in step 2, >= 0
        ("log", False),  # True: on log prices
    )
    bounds = {"period": (int, 6), "maxlag": (int, 0)}
    inputs = ((0, ""), (1, ""))

    @classmethod
    def check(cls, p: Any) -> None:
        if p.period < 2 * p.maxlag + 6:
            raise SettingsError(f"Cointegration: period {p.period} is below 2 * maxlag + 6 = {2 * p.maxlag + 6}")

    @classmethod
    def kernel(cls, p: Any, *columns: Array) -> tuple[Array, ...]:
        y, x = columns
        t_stat = engle_granger(windows(y, p.period), windows(x, p.period), p.maxlag)
        return mackinnon(t_stat), t_stat


def engle_granger(y: Array, x: Array, maxlag: int) -> Array:
    """t value of the Engle-Granger test for each column of two window matrices."""
    # 1. residual of the cointegrating regression
    y, x = y - mean(y), x - mean(x)
    yy = total(y * y)
    u = y - ratio(total(x * y), total(x * x)) * x
    same = 1.0 - ratio(total(u * u), yy) >= COLLINEAR
    # 2. Dickey-Fuller regression without constant; lagged differences are taken out first (Frisch and Waugh)
    change = u[1:] - u[:-1]
    target, level = change[maxlag:], u[maxlag:-1]
    lags = [change[maxlag - lag : len(change) - lag] for lag in range(1, maxlag + 1)]
    while lags:
        lag, *lags = lags
        size = total(lag * lag)
        target, level, *lags = (part - ratio(total(part * lag), size) * lag for part in (target, level, *lags))
    size = total(level * level)
    slope = ratio(total(level * target), size)
    error = target - slope * level
    free = len(target) - 1 - maxlag
    t_stat = ratio(slope, np.sqrt(total(error * error) / free / size))
    return np.where(same, -np.inf, t_stat)


def mackinnon(t_stat: Array) -> Array:
    """MacKinnon's approximate p-values of the Engle-Granger test with a constant and two series."""
    least, star, most, small, large, ndtr = _surface()
    p_value = ndtr(np.where(t_stat <= star, np.polyval(small, t_stat), np.polyval(large, t_stat)))
    p_value = np.where(t_stat > most, 1.0, np.where(t_stat < least, 0.0, p_value))
    return np.where(np.isnan(t_stat), np.nan, p_value)


@functools.cache
def _surface() -> tuple[Any, ...]:
    """Response surface for two series and a constant; imported late because statsmodels takes a second to load."""
    from scipy.special import ndtr
    from statsmodels.tsa import adfvalues as table

    series = 1  # index of N = 2
    return (
        table.tau_min_c[series],
        table.tau_star_c[series],
        table.tau_max_c[series],
        table.tau_c_smallp[series][::-1],
        table.tau_c_largep[series][::-1],
        ndtr,
    )
