"""Exchange rates and interest benchmarks: constants from the settings, or series from files, looked up as of a time."""

from __future__ import annotations

import csv
import datetime as dt
import math
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from core.errors import FeedSourceError, RateError
from core.settings import FxSettings, InterestSettings


class Rates:
    """One number for each currency as of a time; the last one stamped at or before it, never a later one.

    ``constants``: currency -> rate. ``files``: currency -> CSV with the header ``date,rate``; a file is preferred to a
    constant. A date is an ISO date (from 00:00 UTC) or an ISO time (naive = UTC), ascending. **A rate that was only
    known later in the day, such as a closing rate, must carry its time**, or bars earlier in that day see it.
    ``base``: the currency whose rate is 1.0 (empty for interest benchmarks). ``setting`` names the table in errors.
    Raises FeedSourceError, with the line, for a file that cannot be used.
    """

    def __init__(
        self,
        base: str = "",
        constants: Mapping[str, float] | None = None,
        files: Mapping[str, str | Path] | None = None,
        *,
        folder: str | Path = "",
        setting: str = "costs.fx",
        bounds: tuple[float, float] = (0.0, math.inf),
    ) -> None:
        self.base = base
        self.setting = setting
        self.constants = dict(constants or {})
        self.series = {  # currency -> (seconds since 1970, rates)
            currency: _read(Path(folder) / name, bounds, setting) for currency, name in (files or {}).items()
        }
        self._still = {c: rate for c, rate in self.constants.items() if c not in self.series}  # those that never move
        if base:
            self._still[base] = 1.0
        self._last: dict[str, tuple[float, float, float]] = {}  # currency -> (valid from, until, rate)

    @classmethod
    def exchange(cls, fx: FxSettings, base: str, folder: str | Path = "") -> Rates:
        """Units of ``base`` for one unit of a currency; ``folder`` is where relative file names begin."""
        return cls(base, fx.rates, fx.files, folder=folder)

    @classmethod
    def benchmarks(cls, interest: InterestSettings, folder: str | Path = "") -> Rates:
        """Annual benchmark rates as fractions (0.05 = 5%)."""
        return cls(
            constants=interest.benchmarks,
            files=interest.files,
            folder=folder,
            setting="costs.interest",
            bounds=(-0.1, 1.0),
        )

    def rate(self, currency: str, when: dt.datetime) -> float:
        """Return the rate of ``currency`` as of ``when`` (naive = UTC).

        Raises RateError where there is none, or where ``when`` precedes the series.
        """
        still = self._still.get(currency)
        if still is not None:
            return still
        series = self.series.get(currency)
        if series is None:
            raise self._unknown(currency)
        moment = _seconds(when)
        start, end, rate = self._last.get(currency, (math.inf, -math.inf, math.nan))
        if start <= moment < end:
            return rate
        times, rates = series
        index = bisect_right(times, moment)
        if index == 0:
            first = dt.datetime.fromtimestamp(times[0], dt.UTC)
            raise RateError(
                f"{currency}: {when:%Y-%m-%d %H:%M} precedes {self.setting}.files.{currency}, which begins "
                f"{first:%Y-%m-%d %H:%M} UTC; extend the file or set data.start to a later day"
            )
        end = times[index] if index < len(times) else math.inf
        self._last[currency] = (times[index - 1], end, rates[index - 1])
        return rates[index - 1]

    def constant(self, currency: str) -> float | None:
        """The rate of ``currency`` where it never moves; None for a series. Raises RateError where there is none."""
        if currency == self.base:
            return 1.0
        if currency in self.series:
            return None
        if currency not in self._still:
            raise self._unknown(currency)
        return self._still[currency]

    def along(self, currency: str, seconds: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """The rate of a series as of many moments, seconds since 1970; NaN before its beginning."""
        times, rates = self.series[currency]
        return np.asarray([math.nan, *rates])[np.searchsorted(times, seconds, side="right")]

    def _unknown(self, currency: str) -> RateError:
        table = "benchmarks" if self.setting == "costs.interest" else "rates"
        return RateError(
            f"no rate of {currency} in {self.setting}; give a constant, {self.setting}.{table}.{currency} = ..., "
            f'or a CSV date,rate, {self.setting}.files.{currency} = "..."'
        )

    def describe(self, currency: str) -> str:
        """Return where the rate comes from, for reports: ``constant 0.9`` or ``file, 1999-01-04 to 2018-12-31``."""
        if currency in self.series:
            first, last = (dt.datetime.fromtimestamp(self.series[currency][0][i], dt.UTC) for i in (0, -1))
            return f"file, {first:%Y-%m-%d} to {last:%Y-%m-%d}"
        return f"constant {self.constants[currency]:g}" if currency in self.constants else "none"


def _seconds(when: dt.datetime) -> float:
    return (when if when.tzinfo else when.replace(tzinfo=dt.UTC)).timestamp()


def _read(path: Path, bounds: tuple[float, float], setting: str) -> tuple[list[float], list[float]]:
    """Read a CSV date,rate into ascending times and rates."""
    times: list[float] = []
    rates: list[float] = []
    for line, row in _rows(path):
        where = f"{path}, line {line}"
        if len(row) != 2:
            raise FeedSourceError(f"{where}: {len(row)} fields instead of date,rate: {','.join(row)!r}")
        try:
            moment = _seconds(dt.datetime.fromisoformat(row[0].strip()))
        except ValueError as error:
            raise FeedSourceError(f"{where}: {row[0]!r} is no date; write YYYY-MM-DD or an ISO time") from error
        try:
            rate = float(row[1])
        except ValueError as error:
            raise FeedSourceError(f"{where}: {row[1]!r} is no number; write the rate with a decimal point") from error
        low, high = bounds
        if not low < rate < high:
            unit = "an annual fraction (0.05 = 5%)" if setting == "costs.interest" else "above zero"
            raise FeedSourceError(f"{where}: rate {row[1].strip()} is impossible; it must be {unit}")
        if times and moment <= times[-1]:
            raise FeedSourceError(
                f"{where}: {row[0]} does not come after the line before; sort the file, one line a date"
            )
        times.append(moment)
        rates.append(rate)
    if not times:
        raise FeedSourceError(f"{path}: not one rate in it; write lines date,rate under that header")
    return times, rates


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield (line, fields) of the data lines; blank lines are skipped."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            header = [name.strip().lower() for name in next(reader, [])]
            if header != ["date", "rate"]:
                raise FeedSourceError(f"{path}, line 1: the header is {','.join(header)!r} instead of 'date,rate'")
            for row in reader:
                if row:
                    yield reader.line_num, row
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        if isinstance(error, FeedSourceError):
            raise
        raise FeedSourceError(f"{path} cannot be read: {error}; give a UTF-8 CSV file date,rate") from error
