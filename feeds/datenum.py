"""backtrader's datetime floats for whole arrays, bit for bit as ``bt.date2num`` gives them one by one."""

from __future__ import annotations

import functools
import math

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

_EPOCH_ORDINAL = 719_163  # datetime.date(1970, 1, 1).toordinal()
_DAY_US = 86_400_000_000
_CHUNK = 16_384  # rows at once: the temporaries stay in the cache


def date_numbers(epoch_us: Integers, out: Floats | None = None) -> Floats:
    """Days since 0001-01-01 plus one, from microseconds since 1970-01-01 UTC. Shape (n,) to (n,), in ``out`` if given.

    ``bt.date2num`` is the correctly rounded sum (``math.fsum``) of the day's ordinal and four quotients:
    hour / 24, minute / 1440, second / 86400, microsecond / 86400e6. Here:
      1. the quotients of every second of a day are summed once, exactly, as high + low (two doubles);
      2. ordinal + high + microseconds is summed without error as a double and its remainder;
      3. adding the remainder rounds once. Only where the remainder is within rounding of half a unit in the
         last place can that differ from the exact sum; those rows go through ``math.fsum``.
    """
    numbers = np.empty(len(epoch_us)) if out is None else out
    for start in range(0, len(epoch_us), _CHUNK):
        numbers[start : start + _CHUNK] = _chunk(epoch_us[start : start + _CHUNK])
    return numbers


def _chunk(epoch_us: Integers) -> Floats:
    days = epoch_us // _DAY_US
    of_day = epoch_us - days * _DAY_US
    seconds = of_day // 1_000_000
    micros = of_day - seconds * 1_000_000
    high, low = (table[seconds] for table in _seconds_of_day())
    ordinal = (days + _EPOCH_ORDINAL).astype(np.float64)
    if micros.any():
        high, rest = _two_sum(high, micros / 86_400e6)
        low = low + rest
    total, rest = _two_sum(ordinal, high)
    rest += low
    numbers = total + rest
    # Half the gap to the neighbours: below a power of two the gap is half as wide, hence both are looked at
    half = np.spacing(total) / 2.0
    size = np.abs(rest)
    close = (np.abs(size - half) < 1e-9 * half) | (np.abs(size - half / 2.0) < 1e-9 * half)
    for row in np.flatnonzero(close):
        numbers[row] = _exact(int(days[row]) + _EPOCH_ORDINAL, int(seconds[row]), int(micros[row]))
    return numbers


def _two_sum(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """a + b = s + e exactly (Knuth, *The Art of Computer Programming*, vol. 2, 4.2.2)."""
    s = a + b
    shifted = s - a
    return s, (a - (s - shifted)) + (b - shifted)


@functools.cache
def _seconds_of_day() -> tuple[Floats, Floats]:
    """hour / 24 + minute / 1440 + second / 86400 as high + low for each second of a day."""
    second = np.arange(86_400)
    hours, minutes, seconds = second // 3600 / 24.0, second // 60 % 60 / 1440.0, second % 60 / 86_400.0
    high, low = _two_sum(hours, minutes)
    high, rest = _two_sum(high, seconds)
    return _two_sum(high, low + rest)


def _exact(ordinal: int, second: int, micros: int) -> float:
    hour, minute = second // 3600, second // 60 % 60
    return math.fsum((ordinal, hour / 24.0, minute / 1440.0, second % 60 / 86_400.0, micros / 86_400e6))
