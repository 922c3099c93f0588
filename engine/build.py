"""The only place where a Cerebro is assembled: backtest, optimisation and live differ in feeds and broker alone."""

from __future__ import annotations

import functools
from typing import Any

import backtrader as bt
import pandas as pd

import analyzers
from books.fees import get_schedule
from core.errors import UnknownNameError, did_you_mean
from core.naming import REFERENCE_UNIT
from core.settings import Settings
from engine.progress import ProgressMeter
from feeds import History, require_bars
from sizers import SIZERS
from strategies import STRATEGIES, BookStrategy

TIMEFRAMES = {
    "1d": (bt.TimeFrame.Days, 1),
    "1h": (bt.TimeFrame.Minutes, 60),
    "1m": (bt.TimeFrame.Minutes, 1),
    "1s": (bt.TimeFrame.Seconds, 1),
}  # data.bar -> (timeframe, compression)


def build(settings: Settings, feeds: History, broker: bt.BrokerBase) -> bt.Cerebro:
    """Return the Cerebro that the settings describe, not yet run.

    Each (unit, instrument) gets a data of its own over the arrays that ``feeds`` shares, named ``"unit/SYMBOL"``, so
    no strategy can touch another's position. Raises UnknownNameError for names that do not exist, StrategyError for
    parameters that are not possible, FeedTooShortError where indicators cannot settle.
    """
    _check_periods(settings, feeds)
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.setbroker(broker)
    cerebro.settings, cerebro.history = settings, feeds
    for symbol in settings.traded_symbols:
        instrument = settings.instruments[symbol]
        get_schedule(instrument.schedule, currency=instrument.currency)
    checked = {name: _checked(settings, name) for name in settings.strategies}
    for unit, (name, symbols) in settings.units.items():
        strategy, parameters = checked[name]
        for symbol in symbols:
            _add_data(cerebro, unit, symbol, feeds, settings)
            require_bars(f"{unit} ({symbol})", feeds.frames[symbol], strategy.bars_needed(parameters))
    traded = settings.traded_symbols
    for symbol in feeds.frames:
        if symbol not in traded:
            _add_data(cerebro, REFERENCE_UNIT, symbol, feeds, settings)
    for unit, (name, _) in settings.units.items():
        strategy, parameters = checked[name]
        cerebro.addstrategy(strategy, unit=unit, allotment_eur=allotment_eur(settings, name, unit), **parameters)
    for position, (name, _) in enumerate(settings.units.values()):
        chosen = settings.strategies[name]
        sizer = SIZERS[chosen.sizer] if chosen.sizer else STRATEGIES[chosen.strategy].default_sizer
        cerebro.addsizer_byidx(position, sizer, **chosen.sizing)
    cerebro.progress = None
    cerebro.bars_in_all = len(functools.reduce(pd.Index.union, (frame.index for frame in feeds.frames.values())))
    for analyzer in (analyzers.Equity, analyzers.Trades, analyzers.OrderLog, ProgressMeter):
        cerebro.addanalyzer(analyzer)
    return cerebro


def allotment_eur(settings: Settings, name: str, unit: str = "") -> float:
    """Capital of a strategy, or of one of its units, in the account's currency."""
    strategy = settings.strategies[name]
    whole = settings.account.capital * strategy.allotment
    return whole / len(strategy.units) if unit else whole


def _check_periods(settings: Settings, feeds: History) -> None:
    """A named period without a bar is a mistake, unless the data were cut on purpose."""
    if settings.data.start or settings.data.end:
        return
    first = min(feeds.frames[symbol].index[0] for symbol in settings.traded_symbols).date()
    last = max(feeds.frames[symbol].index[-1] for symbol in settings.traded_symbols).date()
    for name, period in settings.periods.items():
        if period.end < first or period.start > last:
            raise UnknownNameError(
                f"periods.{name} ({period.start} to {period.end}) has no bar: the data reach from {first} to {last}; "
                "move or remove it"
            )


def _checked(settings: Settings, name: str) -> tuple[type[BookStrategy], dict[str, Any]]:
    """Class and parameters of a strategy; its sizer's parameters are checked on the way."""
    chosen = settings.strategies[name]
    where = f"strategies.{name}"
    if chosen.strategy not in STRATEGIES:
        raise UnknownNameError(
            f"{where}.strategy = '{chosen.strategy}' does not exist{did_you_mean(chosen.strategy, STRATEGIES)}"
        )
    strategy = STRATEGIES[chosen.strategy]
    wanted = 2 if chosen.pairs else 1
    if strategy.data_count != wanted:
        table = "pairs" if strategy.data_count == 2 else "instruments"
        raise UnknownNameError(f"{where}: {chosen.strategy} trades '{table}'; give {table} = [...] for it")
    if chosen.sizer and chosen.sizer not in SIZERS:
        raise UnknownNameError(f"{where}.sizer = '{chosen.sizer}' does not exist{did_you_mean(chosen.sizer, SIZERS)}")
    for reserved in ("unit", "allotment_eur"):
        if reserved in chosen.parameters:
            raise UnknownNameError(f"{where}.parameters.{reserved} is set by the desk; remove it")
    parameters = dict(chosen.parameters)
    strategy.check({**parameters, "unit": name})
    sizer = SIZERS[chosen.sizer] if chosen.sizer else strategy.default_sizer
    strategy.check_sizer(sizer)
    sizer.check(chosen.sizing)
    return strategy, parameters


def _add_data(cerebro: bt.Cerebro, unit: str, symbol: str, feeds: History, settings: Settings) -> None:
    timeframe, compression = TIMEFRAMES[settings.data.bar]
    data = feeds.data(symbol, timeframe=timeframe, compression=compression)
    data.unit, data.symbol, data.instrument = unit, symbol, settings.instruments[symbol]
    cerebro.adddata(data, name=f"{unit}/{symbol}")
