"""The only place where a Cerebro is assembled: backtest, optimisation and live differ in feeds and broker alone."""

from __future__ import annotations

import functools

import backtrader as bt
import pandas as pd

import analyzers
from analyzers.sessions import SESSIONS_PER_YEAR
from books.fees import get_schedule
from core.calendar import ExchangeCalendar
from core.errors import UnknownNameError, did_you_mean
from core.naming import REFERENCE_UNIT
from core.settings import Settings, StrategySettings
from engine.cerebro import Cerebro
from engine.progress import ProgressMeter
from feeds import History, bars_in_session, complete, require_bars
from sizers import SIZERS
from strategies import STRATEGIES

TIMEFRAMES = {
    "1d": (bt.TimeFrame.Days, 1),
    "1h": (bt.TimeFrame.Minutes, 60),
    "1m": (bt.TimeFrame.Minutes, 1),
    "1s": (bt.TimeFrame.Seconds, 1),
}  # data.bar -> (timeframe, compression)
CEREBROS = {"fast": Cerebro, "stock": bt.Cerebro}  # settings.engine -> the class that runs the graph
SET_BY_THE_DESK = {"unit", "allotment_eur", "trade_from"}  # parameters of every strategy that ``build`` gives


def build(settings: Settings, feeds: History, broker: bt.BrokerBase) -> bt.Cerebro:
    """Return the Cerebro that the settings describe, not yet run.

    Each (unit, instrument) gets a data of its own over the arrays that ``feeds`` shares, named ``"unit/SYMBOL"``, so
    no strategy can touch another's position. ``cerebro.settings`` are the settings as resolved. Raises
    UnknownNameError for names that do not exist, StrategyError for parameters that are not possible, FeedTooShortError
    where indicators cannot settle.
    """
    settings = resolve(settings)
    _check_periods(settings, feeds)
    cerebro = CEREBROS[settings.engine](stdstats=False)
    cerebro.setbroker(broker)
    cerebro.settings, cerebro.history = settings, feeds
    for symbol in settings.traded_symbols:
        instrument = settings.instruments[symbol]
        get_schedule(instrument.schedule, currency=instrument.currency)
    for unit, (name, symbols) in settings.units.items():
        require_bars(unit, symbols, feeds.frames, _bars_needed(settings.strategies[name]))
        for symbol in symbols:
            _add_data(cerebro, unit, symbol, feeds, settings)
    traded = settings.traded_symbols
    for symbol in feeds.frames:
        if symbol not in traded:
            _add_data(cerebro, REFERENCE_UNIT, symbol, feeds, settings)
    for position, (unit, (name, _)) in enumerate(settings.units.items()):
        chosen = settings.strategies[name]
        desk = {"unit": unit, "allotment_eur": allotment_eur(settings, name, unit), "trade_from": feeds.begin}
        cerebro.addstrategy(STRATEGIES[chosen.strategy], **desk, **chosen.parameters)
        cerebro.addsizer_byidx(position, SIZERS[chosen.sizer], **chosen.sizing)
    cerebro.progress = None
    steps = feeds.steps(feeds.frames)
    indexes = (frame.index for frame in feeds.frames.values())
    cerebro.bars_in_all = len(functools.reduce(pd.Index.union, indexes)) if steps is None else len(steps)
    for analyzer in (analyzers.Equity, analyzers.Trades, analyzers.OrderLog, ProgressMeter):
        cerebro.addanalyzer(analyzer)
    return cerebro


def bars_needed(settings: Settings, name: str = "") -> int:
    """Bars until the indicators of a strategy, or of all, have settled."""
    if not name:
        return max(bars_needed(settings, name) for name in settings.strategies)
    return _bars_needed(_resolved(settings, name))


def _bars_needed(resolved: StrategySettings) -> int:
    return STRATEGIES[resolved.strategy].bars_needed(resolved.parameters)


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


def resolve(settings: Settings) -> Settings:
    """The settings with every parameter of every strategy and sizer, defaults included; resolved ones come back equal.

    Instruments of the catalog get what it knows of them (``feeds.complete``). What a later version or another catalog
    would change thus changes neither what these settings do nor their hash. Raises UnknownNameError and StrategyError
    for names and values that are not possible, CatalogError and SettingsError as ``feeds.complete`` does.
    """
    settings = complete(settings)
    strategies = {name: _resolved(settings, name) for name in settings.strategies}
    return settings.model_copy(update={"strategies": strategies})


def _resolved(settings: Settings, name: str) -> StrategySettings:
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
    for reserved in SET_BY_THE_DESK & set(chosen.parameters):
        raise UnknownNameError(f"{where}.parameters.{reserved} is set by the desk; remove it")
    sizer = SIZERS[chosen.sizer] if chosen.sizer else strategy.default_sizer
    strategy.check_sizer(sizer)
    derived = _derived(settings, chosen)
    known = {key: value for key, value in derived.items() if key in strategy.model.model_fields}
    parameters = strategy.check({**known, **chosen.parameters, "unit": name}).model_dump(exclude=SET_BY_THE_DESK)
    known = {key: value for key, value in derived.items() if key in sizer.model.model_fields}
    sizing = sizer.check({**known, **chosen.sizing}).model_dump()
    return chosen.model_copy(update={"parameters": parameters, "sizer": sizer.__name__, "sizing": sizing})


def _derived(settings: Settings, chosen: StrategySettings) -> dict[str, float]:
    """Defaults that follow from the data, for strategies and sizers that have such a parameter."""
    if settings.data.bar == "1d":
        return {}
    calendar = ExchangeCalendar(settings.instruments[chosen.units[0][0]].exchange)
    return {"bars_per_year": float(SESSIONS_PER_YEAR * bars_in_session(settings.data.bar, calendar))}


def _add_data(cerebro: bt.Cerebro, unit: str, symbol: str, feeds: History, settings: Settings) -> None:
    timeframe, compression = TIMEFRAMES[settings.data.bar]
    data = feeds.data(symbol, timeframe=timeframe, compression=compression)
    data.unit, data.symbol, data.instrument = unit, symbol, settings.instruments[symbol]
    cerebro.adddata(data, name=f"{unit}/{symbol}")
