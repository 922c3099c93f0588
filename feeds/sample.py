"""The sample source: daily indices that come inside the arch package. No network.

S&P 500 (SPX) and Nasdaq Composite (IXIC), 1999 to 2018; VIX 2014 to 2018. Kevin Sheppard, *arch*, ``arch.data``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from core.calendar import ExchangeCalendar
from core.errors import FeedError, UnknownNameError, did_you_mean
from core.settings import Settings
from feeds.history import SourceBars, session_notes, stamped_with_close

NAMES = {"SPX": "S&P 500", "IXIC": "Nasdaq Composite", "VIX": "CBOE Volatility Index"}
POINTS = 10.0  # index points of one traded share: at a tenth the S&P 500 is priced like an ETF share of it
_PRICES = ["open", "high", "low", "close"]
_STALE_SHARE = 0.5  # a year in which more opens than this repeat the close before is worth a note


class SampleSource:
    """Daily bars of SPX, IXIC and VIX from arch.data, stamped with the session's close."""

    def symbols(self, settings: Settings) -> Sequence[str]:
        return tuple(NAMES)

    def load(self, settings: Settings, symbols: Sequence[str]) -> SourceBars:
        """See ``feeds.history.Source``. Raises FeedError for a bar size other than a day."""
        if settings.data.bar != "1d":
            raise FeedError(f'the sample source has daily bars only, not {settings.data.bar}; set data.bar = "1d"')
        bars, notes = {}, [_tenths(symbols)]
        for symbol in symbols:
            if symbol not in NAMES:
                raise UnknownNameError(f"the sample source has no symbol {symbol!r}{did_you_mean(symbol, NAMES)}")
            calendar = ExchangeCalendar(settings.instruments[symbol].exchange)
            frame, missing = _read(symbol)
            bars[symbol], left_out = stamped_with_close(frame, calendar, settings.data.start, settings.data.end)
            if missing:
                notes.append(f"{symbol}: {missing} rows of the file hold no value and were dropped.")
            notes += session_notes(symbol, bars[symbol], calendar, left_out)
            notes += _defects(symbol, bars[symbol], settings.execution)
        return SourceBars(bars, notes)


def _read(symbol: str) -> tuple[pd.DataFrame, int]:
    """Bars by date as arch has them, and the number of rows without a value that were dropped."""
    from arch.data import nasdaq, sp500, vix  # takes seconds to import: only when the sample is asked for

    if symbol == "VIX":  # one value a day
        values = vix.load()["vix"]
        kept = values.dropna()
        bars = pd.DataFrame({name: kept for name in _PRICES}).assign(volume=0.0)
        return bars, len(values) - len(kept)
    frame = {"SPX": sp500, "IXIC": nasdaq}[symbol].load().rename(columns=str.lower)
    frame = frame[[*_PRICES, "volume"]].astype("float64")
    frame[_PRICES] /= POINTS
    return frame, 0


def _tenths(symbols: Sequence[str]) -> str:
    names = " and ".join(f"{NAMES[s]} ({s})" for s in symbols if s in NAMES and s != "VIX")
    return (
        f"{names or 'The sample'}: a tenth of the index's level is traded as if it were a share, so that whole shares "
        "and commissions by the share have the size that they have for an ETF."
    )


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
