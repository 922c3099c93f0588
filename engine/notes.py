"""What a reader must know of the settings and the bars before believing a result: sentences for every report."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from core.settings import Settings
from engine.build import bars_needed
from feeds import History


def settings_notes(settings: Settings, history: History) -> list[str]:
    """Sentences on what these settings leave out; only those that apply. The bars' own notes are ``history.notes``."""
    return [
        *_matching(settings, history), *_rates(settings, history), *_costs(settings), *_tradable(settings),
        *_throttle(settings, history),
    ]  # fmt: skip


def _matching(settings: Settings, history: History) -> Iterable[str]:
    if settings.matching != "ibkr":
        return
    quoted = [symbol for symbol in settings.traded_symbols if symbol in history.fine_quotes]
    at = f"; {', '.join(quoted)}: at bid and ask, where they are known" if quoted else ""
    yield (
        f"Orders were filled on bars of {settings.data.matching_bar}, as the paper gateway fills them "
        f'(matching = "ibkr"){at}.'
    )


def _rates(settings: Settings, history: History) -> Iterable[str]:
    base, fx = settings.account.currency, settings.costs.fx
    for currency in dict.fromkeys(settings.instruments[symbol].currency for symbol in settings.traded_symbols):
        if currency != base and currency not in fx.files:
            yield (
                f"The {base}{currency} rate is a constant of the settings ({fx.rates[currency]:g} {base} for one "
                f"{currency}), so results hold no gains or losses from the currency."
            )


def _costs(settings: Settings) -> Iterable[str]:
    if not settings.costs.enabled:
        yield "Costs are off (costs.enabled = false): no fees, no spread, no interest; no account trades for nothing."
        return
    free = [symbol for symbol in settings.traded_symbols if settings.instruments[symbol].schedule == "none"]
    if free:
        yield f'{", ".join(free)}: traded without commission (schedule = "none").'
    if settings.costs.slippage.model == "none":
        yield (
            'No spread is paid (costs.slippage.model = "none"): market and stop orders fill at the price of the bar, '
            "which is better than a real fill."
        )


def _tradable(settings: Settings) -> Iterable[str]:
    barred = [symbol for symbol in settings.traded_symbols if not settings.instruments[symbol].tradable_eu]
    if barred:
        yield (
            f"{', '.join(barred)}: an EU retail account cannot buy {'it' if len(barred) == 1 else 'them'}, since there "
            "is no key information document (KID; tradable_eu = false)."
        )


def _throttle(settings: Settings, history: History) -> Iterable[str]:
    series = settings.risk.throttle.series
    if series in history.frames and settings.risk.enabled and settings.risk.throttle.enabled:
        begin = history.frames[series].index[0]
        if any(history.counted(symbol).index[0] < begin for symbol in settings.traded_symbols):
            yield (
                f"{series} begins on {begin:%Y-%m-%d}; before that the volatility throttle uses realised volatility."
            )


def entries_from(settings: Settings, history: History) -> dict[str, dt.datetime]:
    """Strategy -> the first bar on which one of its units may decide: settled and not before ``history.begin``."""
    found: dict[str, dt.datetime] = {}
    for name, symbols in settings.units.values():
        needed = bars_needed(settings, name)
        indexes = [history.frames[symbol].index for symbol in symbols]
        if min(map(len, indexes)) < needed:
            continue
        possible = indexes[0][indexes[0] >= max(index[needed - 1] for index in indexes)]
        if history.begin is not None:
            possible = possible[possible >= history.begin]
        for index in indexes[1:]:
            possible = possible.intersection(index)
        if len(possible):
            first: dt.datetime = possible[0].to_pydatetime(warn=False)
            found[name] = min(found.get(name, first), first)
    return found


def entry_notes(settings: Settings, history: History) -> list[str]:
    """Sentences on strategies whose indicators settle only within the range, and on periods that end before that."""
    froms = entries_from(settings, history)
    notes = []
    for name, first in froms.items():
        symbols = {symbol for owner, unit in settings.units.values() if owner == name for symbol in unit}
        if first > min(history.counted(symbol).index[0] for symbol in symbols):
            notes.append(
                f"{name}: entries are possible from {first:%Y-%m-%d}; the indicators need "
                f"{bars_needed(settings, name)} bars to settle."
            )
    for period, dates in settings.periods.items():
        if froms and all(dates.end < first.date() for first in froms.values()):
            notes.append(
                f"The period {period} ({dates.start} to {dates.end}) ends before any strategy could enter; its figures "
                "say nothing about them."
            )
    return notes


def signal_notes(settings: Settings, signals: Mapping[str, Mapping[str, Any]], trades: pd.DataFrame) -> list[str]:
    """Why a strategy closed fewer than ``report.min_trades`` trades. ``trades``: closed; ``signals``: its tally."""
    notes = []
    for name, tally in signals.items():
        closed = int(trades.loc[trades["strategy"] == name, ["unit", "trade_id"]].drop_duplicates().shape[0])
        if closed >= settings.report.min_trades:
            continue
        parts = [
            f"{count} {verb} by {reason}"
            for key, verb in (("filtered", "blocked"), ("not_sized", "sized to nothing"), ("refused", "refused"))
            for reason, count in tally[key].items()
        ]
        said = ", ".join([_counted(tally["signals"], "signal"), *parts, f"{tally['entered']} entered"])
        notes.append(
            f"{name} closed {_counted(closed, 'trade')}, fewer than the {settings.report.min_trades} that evidence "
            f"needs: {said}."
        )
    return notes


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
