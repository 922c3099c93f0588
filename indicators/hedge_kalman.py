"""Hedge ratio by a Kalman filter."""

from __future__ import annotations

import collections
import math
from typing import Any

import numpy as np

from core.errors import SettingsError
from indicators.base import Array, RecursiveIndicator, Row
from indicators.windows import windows

ONE_YEAR = 252  # daily bars
UNKNOWN = 2  # the first two forecasts rest on no bar and on one
START = (0.0, 0.0, 0.0, 0.0, 0.0)  # beta, alpha; R: beta's variance, covariance, alpha's variance


class HedgeKalman(RecursiveIndicator):
    """Hedge ratio of y = data0 on x = data1 as the state of a Kalman filter, over bars that both have.

    Formula, state b = [beta, alpha] a random walk, h = [x, 1], I the 2 x 2 identity:
      - R = P[-1] + delta / (1 - delta) * I; Q = h R h' + obs_var
      - spread = y - h b[-1]; K = R h' / Q; b = b[-1] + K * spread; P = R - K h R
      - at the start b = 0 and R = 0

    Lines: ``beta``, y units for one x unit (with ``log`` the elasticity) and ``alpha`` in the unit of y, both after
    this bar; ``spread``, the forecast error of this bar given all before it, in the unit of y; ``spread_std`` =
    sqrt(Q), the standard deviation that the filter expects of it.

    The filter hardly forgets its start: beta and alpha may move together along h = const almost unnoticed, so after
    thousands of bars two starts still differ by some per cent of spread_std. ``forgets`` is therefore False and
    ``settle_bars`` is a convention, a year of daily bars. With ``memory`` the filter is run anew over the last
    ``memory`` bars on each bar: then the values depend on these bars alone, and live equals backtest whatever the
    first bar.
    delta and obs_var are in the units of the data: with large prices the filter follows every move.
    See Chan, *Algorithmic Trading*, ch. 3, example 3.3 (``memory`` is ours).
    """

    _mindatas = 2
    lines = ("beta", "alpha", "spread", "spread_std")
    params = (
        ("delta", 1e-4),  # in (0, 1): 0 = a constant ratio, near 1 = a new ratio on each bar
        ("obs_var", 1e-3),  # variance of the observation error, unit of y squared, > 0
        ("log", False),  # True: on log prices
        ("memory", 0),  # bars that the filter is run over, >= 3; 0 = all since the first
    )
    bounds = {"delta": (float, 0.0), "obs_var": (float, 0.0), "memory": (int, 0)}
    inputs = ((0, ""), (1, ""))

    @classmethod
    def check(cls, p: Any) -> None:
        if not 0.0 < p.delta < 1.0:
            raise SettingsError(f"HedgeKalman: delta = {p.delta} is not between 0 and 1")
        if p.obs_var <= 0.0:
            raise SettingsError(f"HedgeKalman: obs_var = {p.obs_var} is not above 0")
        if p.memory in (1, 2):
            raise SettingsError(f"HedgeKalman: memory = {p.memory} is below 3; 0 = all bars")

    @classmethod
    def window(cls, p: Any) -> int:
        return int(p.memory) or UNKNOWN + 1

    @classmethod
    def settle(cls, p: Any) -> int:
        return int(p.memory) or ONE_YEAR

    @classmethod
    def forgets(cls, params: Any = None) -> bool:
        return bool(cls._filled(params).memory)

    @classmethod
    def initial(cls, p: Any) -> tuple[Any, ...]:
        return (0, START)  # bars seen, state of the filter

    @classmethod
    def recurse(cls, p: Any, state: tuple[Any, ...], *columns: list[float]) -> tuple[list[Row], tuple[Any, ...]]:
        seen, state = state
        drift = p.delta / (1.0 - p.delta)
        rows: list[Row] = []
        for y, x in zip(*columns, strict=True):
            state, spread, var = _filtered(state, y, x, drift, p.obs_var)
            rows.append((state[0], state[1], spread, math.sqrt(max(var, p.obs_var))))
        unknown = min(len(rows), UNKNOWN - seen) if seen < UNKNOWN else 0
        rows[:unknown] = [(math.nan,) * 4] * unknown
        return rows, (seen + len(rows), state)

    # ---- the last ``memory`` bars alone -----------------------------------------------------------

    def _reset(self) -> None:
        super()._reset()
        self._recent: collections.deque[Row] = collections.deque(maxlen=max(self.p.memory - 1, 0))
        self._current: Row | None = None  # observation of the current bar

    def _commit(self) -> None:
        super()._commit()
        if self._current is not None:
            self._recent.append(self._current)
        self._current = None

    def _update(self, row: Row) -> Row | None:
        if not self.p.memory:
            return super()._update(row)
        self._current = row
        if len(self._recent) < self.p.memory - 1:
            return None
        y, x = zip(*self._recent, row, strict=True)
        rows, _ = self.recurse(self.p, self.initial(self.p), list(y), list(x))
        return rows[-1]

    def _batch(self, columns: list[Array]) -> list[Array]:
        p, memory = self.p, self.p.memory
        if not memory:
            return super()._batch(columns)
        out = [np.full(len(columns[0]), np.nan) for _ in range(4)]
        if len(columns[0]) >= memory:  # a filter for each bar, all of them a step forward at a time
            state: tuple[Any, ...] = tuple(np.full(len(columns[0]) - memory + 1, value) for value in START)
            for y, x in zip(*(windows(column, memory) for column in columns), strict=True):
                state, spread, var = _filtered(state, y, x, p.delta / (1.0 - p.delta), p.obs_var)
            for line, values in zip(out, (*state[:2], spread, np.sqrt(np.maximum(var, p.obs_var))), strict=True):
                line[memory - 1 :] = values
        return out


def _filtered(state: tuple[Any, ...], y: Any, x: Any, drift: float, noise: float) -> tuple[tuple[Any, ...], Any, Any]:
    """State after an observation, forecast error and its variance; for numbers, or arrays of filters side by side."""
    beta, alpha, var_beta, cov, var_alpha = state
    to_beta, to_alpha = var_beta * x + cov, cov * x + var_alpha  # R h'
    var = to_beta * x + to_alpha + noise
    spread = y - (beta * x + alpha)
    gain_beta, gain_alpha = to_beta / var, to_alpha / var
    after = (
        beta + gain_beta * spread,
        alpha + gain_alpha * spread,
        var_beta - gain_beta * to_beta + drift,
        cov - gain_beta * to_alpha,
        var_alpha - gain_alpha * to_alpha + drift,
    )
    return after, spread, var
