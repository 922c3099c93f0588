"""How long recursive averages remember their start."""

from __future__ import annotations

import math

TOLERANCE = 1e-9  # relative start-up effect that counts as settled
MARGIN = 1e3  # a start may be this many times off the settled level: a quiet start before a storm or after one


def decay_bars(factor: float, tolerance: float = TOLERANCE / MARGIN) -> int:
    """Bars until an error that shrinks by ``factor`` on each bar is below the tolerance."""
    return math.ceil(math.log(tolerance) / math.log(factor)) if factor > 0 else 1


def wilder_settle(period: int) -> int:
    """Bars that Wilder's smoothing, weight 1 / period, needs to forget."""
    return decay_bars(1.0 - 1.0 / period)


def ema_settle(period: int) -> int:
    """Bars that an exponential average, weight 2 / (period + 1), needs to forget."""
    return decay_bars((period - 1.0) / (period + 1.0))
