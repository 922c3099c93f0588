"""Rules about one row by itself: prices and volumes that cannot be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from feeds.bars import PRICES, QUOTE_SIZES
from feeds.checks.local import scales_at
from feeds.checks.rows import Rows
from feeds.checks.rule import Flags, Hit, Positions, Rule, hit, live_runs, runs
from feeds.quality import FLOAT_NOISE

PLAUSIBLE = 0.25  # log distance to the price before or after within which open and close are believed
PLAUSIBLE_DEVIATIONS = 10.0
NEAR_ENOUGH = 10  # rows away at most, to be a price before or after
ORDINARY_SPREAD = 3.0  # times the median spread
QUOTES = ("bid", "ask")


class MissingPrice(Rule):
    """Prices that are NaN or infinite. Quotes need no prices, but a series with some of the four needs all.

    An infinite bid or ask beside prices is no quote; NaN there is what the bar does not have.
    """

    name = "missing_price"
    severity = "error"
    repair = "drop"

    def find(self, rows: Rows) -> Iterator[Hit]:
        quotes = {name: column for name in QUOTES if (column := rows.column(name)) is not None}
        needed = rows.prices if "close" in rows.prices else {**rows.prices, **(quotes if rows.quotes else {})}
        if not needed:
            if len(rows.live):
                yield hit(rows, rows.live, f"{len(rows.live)} bars without a price", drop=True)
            return
        lacking = [name for name in rows.lacking if name != "volume"]
        if lacking:
            detail = f"{', '.join(lacking)} missing in all {len(rows.live)} bars; dropped: import bars that have it"
            yield hit(rows, rows.live, detail, drop=True)
            return
        bad = {name: ~np.isfinite(column) for name, column in needed.items()}
        gone = np.logical_or.reduce(list(bad.values()))
        for run in runs(np.flatnonzero(gone)):
            names = ", ".join(name for name, flags in bad.items() if flags[run].any())
            yield hit(rows, rows.live[run], f"{names} missing or infinite", drop=True)
        yield from _no_quotes(rows, {name: np.isinf(column) & ~gone for name, column in quotes.items()}, "infinite")


class NonpositivePrice(Rule):
    """Prices at or below 0, which nothing that is traded here can have.

    A bid or ask of 0 beside prices that are fine says that there was no quote: it is left out, and the bar stays.
    """

    name = "nonpositive_price"
    severity = "error"
    repair = "drop"

    def find(self, rows: Rows) -> Iterator[Hit]:
        columns = {name: column for name in (*PRICES, *QUOTES) if (column := rows.column(name)) is not None}
        below = {name: column <= 0.0 for name, column in columns.items()}
        gone = np.zeros(len(rows.live), dtype=np.bool_)
        for name, flags in below.items():
            gone |= flags & rows.of_quotes if name in QUOTES else flags
        for run in runs(np.flatnonzero(gone)):
            values = np.concatenate([column[run] for column in columns.values()])
            yield hit(rows, rows.live[run], f"a price of {np.nanmin(values):g}", drop=True)
        quotes = {name: flags & ~gone for name, flags in below.items() if name in QUOTES}
        yield from _no_quotes(rows, quotes, "at or below 0")


class NegativeVolume(Rule):
    """Volumes below 0, or missing. The prices of the row are kept; quotes alone need no volume."""

    name = "negative_volume"
    severity = "error"
    repair = "set"

    def find(self, rows: Rows) -> Iterator[Hit]:
        volume = rows.now["volume"][rows.live] if "volume" in rows.lacking else rows.column("volume")
        if volume is None:
            return
        for run in live_runs(rows, ~(np.isfinite(volume) & (volume >= 0.0))):
            value = rows.now["volume"][run[0]]
            had = f"a volume of {value:g}" if np.isfinite(value) else "no number for a volume"
            detail = f"{had}; set to 0, as what was traded is not known"
            yield _changes(rows, run.tolist(), detail, {position: {"volume": 0.0} for position in run.tolist()})


class HighLow(Rule):
    """A high below the low, or an open or close outside of them."""

    name = "high_low"
    severity = "error"
    repair = "set"

    def find(self, rows: Rows) -> Iterator[Hit]:
        if len(rows.prices) < 4:
            return
        opens, highs, lows, closes = rows.prices.values()
        noise = FLOAT_NOISE * np.maximum.reduce([np.abs(column) for column in (opens, highs, lows, closes)])
        top, bottom = np.maximum(opens, closes), np.minimum(opens, closes)
        bad = np.flatnonzero((highs < lows - noise) | (top > highs + noise) | (bottom < lows - noise))
        if not len(bad):
            return
        believed = self._believed(rows, bad).tolist()
        swapped = ((lows >= top) & (highs <= bottom))[bad].tolist()
        reached = zip(highs[bad].tolist(), lows[bad].tolist(), top[bad].tolist(), bottom[bad].tolist(), strict=True)
        for number, (high, low, most, least) in enumerate(reached):
            row = int(bad[number])
            position = int(rows.live[row])
            had = f"open {opens[row]:g}, high {high:g}, low {low:g}, close {closes[row]:g}"
            if not believed[number]:
                detail = f"{had}: impossible, and open or close are far from the bars around: dropped"
                yield hit(rows, rows.live[row : row + 1], detail, drop=True)
                continue
            if swapped[number]:
                change, how = {"high": low, "low": high}, "high and low are swapped"
            else:
                change = {"high": most} if most > high else {}
                change |= {"low": least} if least < low else {}
                how = "high and low are widened to what open and close reached"
            yield _changes(rows, [position], f"{had}: {how}", {position: change})

    def _believed(self, rows: Rows, bad: Positions) -> Flags:
        """Whether open and close are near the close before or the open after, of rows that are possible."""
        logs = {name: np.log(rows.prices[name]) for name in ("open", "close")}
        good = np.setdiff1d(np.arange(len(rows.live)), bad, assume_unique=True)
        if not len(good):
            return np.zeros(len(bad), dtype=np.bool_)
        after = np.searchsorted(good, bad)
        away = np.full(len(bad), np.inf)
        for side, name, there in ((after - 1, "close", after > 0), (after, "open", after < len(good))):
            beside = good[np.where(there, side, 0)]
            level = np.where(there & (np.abs(beside - bad) <= NEAR_ENOUGH), logs[name][beside], np.inf)
            off = np.maximum(np.abs(logs["open"][bad] - level), np.abs(logs["close"][bad] - level))
            away = np.minimum(away, off)
        reach = np.full(len(bad), PLAUSIBLE)
        far = np.flatnonzero((away > PLAUSIBLE) & np.isfinite(away))
        scale = scales_at(np.diff(logs["close"]), bad[far], bad[far] + 1)
        reach[far] = np.maximum(PLAUSIBLE, np.where(np.isfinite(scale), PLAUSIBLE_DEVIATIONS * scale, 0.0))
        return away <= reach


class CrossedQuotes(Rule):
    """A bid above the ask."""

    name = "crossed_quotes"
    severity = "error"
    repair = "set"

    def find(self, rows: Rows) -> Iterator[Hit]:
        """Swapped, with their sizes, where that gives an ordinary spread; else unknown, and a row made of them goes."""
        if rows.quotes is None:
            return
        bid, ask = rows.quotes
        spread = np.abs(ask - bid) / np.maximum(ask, bid)
        crossed = bid > ask
        if not crossed.any():
            return
        usual = float(np.nanmedian(spread[spread > 0.0]))
        sides = [("bid", "ask")] if any(name not in rows.now for name in QUOTE_SIZES) else [("bid", "ask"), QUOTE_SIZES]
        pairs = [pair for one, other in sides for pair in ((one, other), (other, one))]
        for run in live_runs(rows, crossed & (spread <= ORDINARY_SPREAD * usual)):
            change = {at: {name: float(rows.now[other][at]) for name, other in pairs} for at in run.tolist()}
            yield _changes(rows, run.tolist(), "bid above ask by an ordinary spread; the two are swapped", change)
        for gone, what in ((False, "the quotes are left out"), (True, "dropped")):
            for run in live_runs(rows, crossed & (spread > ORDINARY_SPREAD * usual) & (rows.of_quotes == gone)):
                had = f"bid {rows.now['bid'][run[0]]:g} above ask {rows.now['ask'][run[0]]:g}"
                detail = f"{had}, far more than a spread; {what}"
                if gone:
                    yield hit(rows, run, detail, drop=True)
                else:
                    unknown = {at: {"bid": np.nan, "ask": np.nan} for at in run.tolist()}
                    yield _changes(rows, run.tolist(), detail, unknown)


class AdjCloseOdd(Rule):
    """An adj_close that cannot be: at or below 0, or above the close with no reverse split after it."""

    name = "adj_close_odd"
    severity = "warning"

    def find(self, rows: Rows) -> Iterator[Hit]:
        adjusted = rows.column("adj_close")
        if adjusted is None or "close" not in rows.prices:
            return
        reverse = [action.ex_date for action in rows.actions if action.kind == "split" and action.value < 1.0]
        days = rows.local_day[rows.live]
        last = np.datetime64(max(reverse), "us").astype(np.int64) if reverse else np.iinfo(np.int64).min
        above = (adjusted > rows.prices["close"] * (1.0 + 1e-4)) & (days >= last)
        for run in live_runs(rows, above | (adjusted <= 0.0) | np.isinf(adjusted)):
            value, close = rows.now["adj_close"][run[0]], rows.now["close"][run[0]]
            yield hit(rows, run, f"adj_close {value:g} for a close of {close:g}, and no reverse split after it")


def _changes(rows: Rows, positions: list[int], detail: str, change: dict[int, dict[str, float]]) -> Hit:
    first, last = (int(rows.us[position]) for position in (positions[0], positions[-1]))
    return Hit(first, last, len(positions), detail, change=change)


def _no_quotes(rows: Rows, wrong: Mapping[str, Flags], what: str) -> Iterator[Hit]:
    """Bids and asks that are no quotes, in bars whose prices are fine. ``wrong``: name -> a flag for each live row."""
    for run in runs(np.flatnonzero(np.logical_or.reduce(list(wrong.values())))) if wrong else ():
        names = " and ".join(name for name, flags in wrong.items() if flags[run].any())
        change = {
            int(rows.live[row]): {name: np.nan for name, flags in wrong.items() if flags[row]} for row in run.tolist()
        }
        yield _changes(rows, list(change), f"{names} {what}: no quote; left out, and the prices are kept", change)
