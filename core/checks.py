"""Checks over several tables of the settings that no single model can make."""

from __future__ import annotations

import math
from collections.abc import Iterator

from core.calendar import calendar_names
from core.errors import did_you_mean
from core.explain import Problem
from core.naming import REFERENCE_UNIT
from core.overrides import dotted
from core.settings import CATALOG, Settings

_YEARS = range(1900, 2101)
_SIZES = ("1d", "1h", "1m", "1s")  # of bars, each finer than the one before


def cross_problems(settings: Settings) -> list[Problem]:
    """Every contradiction between tables, in the order of the file."""
    return [
        *_names(settings),
        *_data(settings),
        *_matching(settings),
        *_instruments(settings),
        *_strategies(settings),
        *_references(settings),
        *_periods(settings),
    ]


def _names(settings: Settings) -> Iterator[Problem]:
    """Names end up in book keys ("unit/SYMBOL"), file names and log lines."""
    for table, names in (("instruments", settings.instruments), ("strategies", settings.strategies)):
        for name in names:
            if not name or name != name.strip() or "/" in name or not name.isprintable():
                yield Problem(f"{dotted((table, name))}: a name is printable text without '/'; rename it")
    if REFERENCE_UNIT in settings.units:
        yield Problem(f"strategies.{REFERENCE_UNIT}: this name is kept for data that nobody trades; rename it")
    if len(settings.units) != sum(len(strategy.units) for strategy in settings.strategies.values()):
        yield Problem("strategies: two units have one name; rename a strategy so that no name contains another's units")


def _data(settings: Settings) -> Iterator[Problem]:
    data, default = settings.data, type(settings.data).model_fields["adjustment"].default
    if data.source != CATALOG and data.adjustment != default:
        yield Problem(
            f'data.adjustment = "{data.adjustment}" is for data.source = "{CATALOG}": bars of source "{data.source}" '
            "are used as they are; delete it, or bring them into the catalog with `halflife data import`"
        )


def _matching(settings: Settings) -> Iterator[Problem]:
    """What ``matching = "ibkr"`` needs: bars that are finer than those of the strategies, and fills as they come."""
    data = settings.data
    if settings.matching != "ibkr":
        return
    if settings.execution == "next_close":
        yield Problem(
            'execution = "next_close" is for matching = "bar": with "ibkr" an order is filled when it meets prices; '
            "delete it"
        )
    if data.source == "sample":
        yield Problem(
            'matching = "ibkr" needs bars that are finer than data.bar, and the sample has daily bars only; '
            f'set matching = "bar", or data.source = "{CATALOG}"'
        )
    elif _SIZES.index(data.matching_bar) <= _SIZES.index(data.bar):
        yield Problem(
            f'data.matching_bar = "{data.matching_bar}" is not finer than data.bar = "{data.bar}", so orders would be '
            'filled on what the strategies have seen; choose a finer one, or matching = "bar"'
        )


def _instruments(settings: Settings) -> Iterator[Problem]:
    base, fx = settings.account.currency, settings.costs.fx
    codes = calendar_names()
    for table, given in (("rates", fx.rates), ("files", fx.files)):
        if base in given and given[base] != 1.0:
            yield Problem(f'costs.fx.{table}.{base} contradicts account.currency = "{base}"; delete the rate')
    for symbol, instrument in settings.instruments.items():
        key = dotted(("instruments", symbol))
        if instrument.exchange not in codes:
            hint = did_you_mean(instrument.exchange, codes)
            hint = hint if hint.startswith("; did") else "; codes are ISO 10383, as XNYS, XLON, XETR"
            yield Problem(f'{key}.exchange = "{instrument.exchange}": unknown exchange{hint}', True)
        if instrument.currency != base and instrument.currency not in fx.rates and instrument.currency not in fx.files:
            yield Problem(
                f'{key}.currency = "{instrument.currency}": no rate against {base}; '
                f"add {instrument.currency} = ({base} for one unit) to [costs.fx.rates] or a file to [costs.fx.files]"
            )


def _strategies(settings: Settings) -> Iterator[Problem]:
    for name, strategy in settings.strategies.items():
        field = "pairs" if strategy.pairs else "instruments"
        for symbol in dict.fromkeys(s for unit in strategy.units for s in unit):
            if symbol not in settings.instruments and settings.data.source != CATALOG:
                hint = did_you_mean(symbol, settings.instruments)
                yield Problem(f"{dotted(('strategies', name, field))}: {symbol!r} is not in [instruments]{hint}", True)
    total = math.fsum(strategy.allotment for strategy in settings.strategies.values())
    if total > 1.0 + 1e-9:
        parts = " + ".join(f"{name} {strategy.allotment:g}" for name, strategy in settings.strategies.items())
        yield Problem(f"allotments add up to {total:g}, more than the capital: {parts}; lower them to 1 in all")


def _references(settings: Settings) -> Iterator[Problem]:
    named = {"risk.throttle.series": settings.risk.throttle.series, "regimes.benchmark": settings.regimes.benchmark}
    for key, symbol in named.items():
        if symbol and symbol not in settings.instruments and settings.data.source != CATALOG:
            hint = did_you_mean(symbol, settings.instruments)
            yield Problem(f'{key} = "{symbol}" is not in [instruments]{hint}', True)


def _periods(settings: Settings) -> Iterator[Problem]:
    for name, period in settings.periods.items():
        if not name.strip():
            yield Problem("periods: a period needs a name")
        if period.start.year not in _YEARS or period.end.year not in _YEARS:
            yield Problem(f"{dotted(('periods', name))}: {period.start} to {period.end} is outside 1900 to 2100")
