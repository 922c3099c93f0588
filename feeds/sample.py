"""The sample source: daily indices that come inside the arch package. No network.

S&P 500 (SPX) and Nasdaq Composite (IXIC), 1999 to 2018; VIX 2014 to 2018. Kevin Sheppard, *arch*, ``arch.data``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from core.errors import FeedError, UnknownNameError, did_you_mean
from feeds.bars import COLUMNS, PRICES, RawBars, Request
from feeds.history import of_days

NAMES = {"SPX": "S&P 500", "IXIC": "Nasdaq Composite", "VIX": "CBOE Volatility Index"}
POINTS = 10.0  # index points of one traded share: at a tenth the S&P 500 is priced like an ETF share of it
_STALE_SHARE = 0.5  # a year in which more opens than this repeat the close before is worth a note


class SampleSource:
    """Daily bars of SPX, IXIC and VIX from arch.data. A ``feeds.bars.Source``.

    ``execution``: the settings' own, ``together``: all symbols that are asked for; the notes speak of them.
    """

    name = "sample"

    def __init__(self, execution: str = "next_open", together: Sequence[str] = ()) -> None:
        self._execution, self._together = execution, tuple(together)

    def symbols(self) -> Sequence[str]:
        return tuple(NAMES)

    def fetch(self, request: Request) -> RawBars:
        """Raises FeedError for a bar size other than a day, UnknownNameError for a symbol that it does not have."""
        if request.bar != "1d":
            raise FeedError(f'the sample source has daily bars only, not {request.bar}; set data.bar = "1d"')
        symbol = request.symbol
        if symbol not in NAMES:
            raise UnknownNameError(f"source {self.name!r} has no symbol {symbol!r}{did_you_mean(symbol, NAMES)}")
        frame, missing = _read(symbol)
        frame = of_days(frame, request.start, request.end)
        notes = _tenths(self._together or (symbol,))
        if missing:
            notes.append(f"{symbol}: {missing} rows of the file hold no value and were dropped.")
        notes += _defects(symbol, frame, self._execution)
        return RawBars(symbol, "1d", frame, source=self.name, notes=tuple(notes))


def _read(symbol: str) -> tuple[pd.DataFrame, int]:
    """Bars by date as arch has them, and the number of rows without a value that were dropped."""
    from arch.data import nasdaq, sp500, vix  # takes seconds to import: only when the sample is asked for

    if symbol == "VIX":  # one value a day
        values = vix.load()["vix"]
        kept = values.dropna()
        bars = pd.DataFrame({name: kept for name in PRICES}).assign(volume=0.0)
        return _labelled(bars), len(values) - len(kept)
    frame = {"SPX": sp500, "IXIC": nasdaq}[symbol].load().rename(columns=str.lower)
    frame = frame[list(COLUMNS)].astype("float64")
    frame[list(PRICES)] /= POINTS
    return _labelled(frame), 0


def _labelled(bars: pd.DataFrame) -> pd.DataFrame:
    return bars.set_axis(pd.DatetimeIndex(bars.index, name="time").as_unit("us"), axis=0)


def _tenths(symbols: Sequence[str]) -> list[str]:
    names = [f"{NAMES[s]} ({s})" for s in symbols if s in NAMES and s != "VIX"]
    if not names:
        return []
    return [
        f"{' and '.join(names)}: a tenth of the index's level is traded as if it were a share, so that whole shares "
        "and commissions by the share have the size that they have for an ETF."
    ]


def _defects(symbol: str, bars: pd.DataFrame, execution: str) -> list[str]:
    """What is wrong with one series, counted in the bars that are used."""
    if bars.empty:
        return []
    if symbol == "VIX":
        return ["VIX: one value a day, taken as open, high, low and close."]
    notes = []
    year = pd.DatetimeIndex(bars.index).year[1:].to_numpy()
    stale = bars["open"].to_numpy()[1:] == bars["close"].to_numpy()[:-1]
    years = [y for y in np.unique(year) if stale[year == y].mean() > _STALE_SHARE]
    if years:
        notes.append(
            f"{symbol}: the open equals the previous close on {stale[year <= years[-1]].mean():.0%} of days until "
            f"{years[-1]}, so a fill at the next open would be a fill at the close that gave the signal; "
            + (
                "market orders fill at the next close instead."
                if execution == "next_close"
                else 'set execution = "next_close", or the results are too good.'
            )
        )
    silent = int((bars["volume"] == 0.0).sum())
    if silent:
        notes.append(f"{symbol}: {silent} {'bar has' if silent == 1 else 'bars have'} a volume of 0.")
    return notes
