"""Hedge ratio by a Kalman filter."""

from __future__ import annotations

import math
from typing import Any

from core.errors import SettingsError
from indicators.base import RecursiveIndicator, Row

NAN = math.nan


class HedgeKalman(RecursiveIndicator):
    """Hedge ratio of y = data0 on x = data1 as the state of a Kalman filter, over bars that both have.

    Formula, state b = [beta, alpha] a random walk, h = [x, 1], I the 2 x 2 identity:
      - R = P[-1] + delta / (1 - delta) * I; Q = h R h' + obs_var
      - spread = y - h b[-1]; K = R h' / Q; b = b[-1] + K * spread; P = R - K h R
      - at the start b = 0 and R = 0

    Lines: ``beta``, y units for one x unit (with ``log`` the elasticity) and ``alpha`` in the unit of y, both after
    this bar; ``spread``, the forecast error of this bar given all before it, in the unit of y; ``spread_std`` =
    sqrt(Q), the standard deviation that the filter expects of it.
    delta and obs_var are in the units of the data: with large prices the filter follows every move.
    See Chan, *Algorithmic Trading*, ch. 3, example 3.3.
    """

    _mindatas = 2
    lines = ("beta", "alpha", "spread", "spread_std")
    params = (
        ("delta", 1e-4),  # in (0, 1): 0 = a constant ratio, near 1 = a new ratio on each bar
        ("obs_var", 1e-3),  # variance of the observation error, unit of y squared, > 0
        ("log", False),  # True: on log prices
    )
    bounds = {"delta": (float, 0.0), "obs_var": (float, 0.0)}
    inputs = ((0, ""), (1, ""))

    @classmethod
    def check(cls, p: Any) -> None:
        if not 0.0 < p.delta < 1.0:
            raise SettingsError(f"HedgeKalman: delta = {p.delta} is not between 0 and 1")
        if p.obs_var <= 0.0:
            raise SettingsError(f"HedgeKalman: obs_var = {p.obs_var} is not above 0")

    @classmethod
    def window(cls, p: Any) -> int:
        return 3  # the first forecasts rest on no or one bar

    @classmethod
    def settle(cls, p: Any) -> int:
        return 1000

    @classmethod
    def initial(cls, p: Any) -> tuple[Any, ...]:
        return (0.0, 0.0, 0.0, 0.0, 0.0)  # beta, alpha; R: beta's variance, covariance, alpha's variance

    @classmethod
    def recurse(cls, p: Any, state: tuple[Any, ...], *columns: list[float]) -> tuple[list[Row], tuple[Any, ...]]:
        beta, alpha, var_beta, cov, var_alpha = state
        drift, noise = p.delta / (1.0 - p.delta), p.obs_var
        rows: list[Row] = []
        for y, x in zip(*columns, strict=True):
            if p.log:
                if y <= 0 or x <= 0:
                    rows.append((NAN, NAN, NAN, NAN))
                    continue
                y, x = math.log(y), math.log(x)
            to_beta, to_alpha = var_beta * x + cov, cov * x + var_alpha  # R h'
            var = to_beta * x + to_alpha + noise
            spread = y - (beta * x + alpha)
            gain_beta, gain_alpha = to_beta / var, to_alpha / var
            beta += gain_beta * spread
            alpha += gain_alpha * spread
            var_beta = var_beta - gain_beta * to_beta + drift
            cov = cov - gain_beta * to_alpha
            var_alpha = var_alpha - gain_alpha * to_alpha + drift
            rows.append((beta, alpha, spread, math.sqrt(var)))
        return rows, (beta, alpha, var_beta, cov, var_alpha)
