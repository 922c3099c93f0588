"""From the instruments of the settings to the contracts that IBKR knows."""

from __future__ import annotations

import logging
from dataclasses import replace

from core.errors import ContractError
from core.logs import log_event
from core.settings import InstrumentSettings, Settings
from stores import ContractSpec, IBStore, Instrument

logger = logging.getLogger(__name__)
PRIMARY = {  # ISO 10383 code of the exchange -> IBKR's name of it
    "XNYS": "NYSE", "XNAS": "NASDAQ", "ARCX": "ARCA", "XASE": "AMEX", "BATS": "BATS", "XETR": "IBIS", "XFRA": "FWB",
    "XLON": "LSE", "XPAR": "SBF", "XAMS": "AEB", "XSWX": "EBS", "XMIL": "BVME", "XMAD": "BM", "XBRU": "ENEXT.BE",
    "XSTO": "SFB", "XWBO": "VSE", "XTKS": "TSEJ", "XHKG": "SEHK", "XASX": "ASX",
}  # fmt: skip


def spec_of(symbol: str, instrument: InstrumentSettings, *, primary: bool = True) -> ContractSpec:
    """What to look for at IBKR: a stock that is routed by SMART, with its own exchange if ``primary``; or an index,
    wherever it is reckoned."""
    if instrument.kind == "index":
        return ContractSpec(symbol, "IND", "", instrument.currency)
    home = PRIMARY.get(instrument.exchange, "") if primary else ""
    return ContractSpec(symbol=symbol, currency=instrument.currency, primary_exchange=home)


def qualify(store: IBStore, settings: Settings) -> dict[str, Instrument]:
    """Symbol -> contract, of all that is traded. Raises ContractError where IBKR knows none, or several."""
    return {symbol: qualified(store, symbol, settings.instruments[symbol]) for symbol in settings.traded_symbols}


def references(store: IBStore, settings: Settings) -> tuple[dict[str, Instrument], list[str]]:
    """Contracts of what is wanted beside what is traded, and a sentence on each that IBKR does not know."""
    found: dict[str, Instrument] = {}
    lacking: list[str] = []
    for symbol in settings.wanted_symbols:
        if symbol in settings.traded_symbols:
            continue
        try:
            found[symbol] = qualified(store, symbol, settings.instruments[symbol])
        except ContractError as error:
            lacking.append(f"{error.args[0]}. {without(symbol, settings)}")
    return found, lacking


def without(symbol: str, settings: Settings) -> str:
    """What it means that a reference has no bars."""
    lost = []
    if symbol == settings.risk.throttle.series:
        lost.append("the volatility throttle uses realised volatility")
    if symbol == settings.regimes.benchmark:
        lost.append("results are not told by regimes")
    return f"Without {symbol} {' and '.join(lost)}."


def _cure(store: IBStore, symbol: str, instrument: InstrumentSettings, error: ContractError) -> str:
    """What IBKR has instead of the one contract that was looked for, and the keys that name it."""
    place = f"set instruments.{symbol}.exchange ({instrument.exchange} = {PRIMARY.get(instrument.exchange, 'unknown')})"
    if error.candidates:
        return f"IBKR knows {len(error.candidates)} in {instrument.currency}: {', '.join(error.candidates)}; {place}"
    other = "stock" if instrument.kind == "index" else "index"
    wanted = spec_of(symbol, instrument, primary=False)
    alike = spec_of(symbol, instrument.model_copy(update={"kind": other}), primary=False)
    told = str(error.args[0]).partition(";")[0]
    if found := _known(store, replace(wanted, currency="")):
        return f"{told}, but {', '.join(found)}; {place} and .currency"
    if found := _known(store, replace(alike, currency="")):
        return f"{told}, but as {other}: {', '.join(found)}; set instruments.{symbol}.kind"
    return str(error.args[0])


def _known(store: IBStore, spec: ContractSpec) -> tuple[str, ...]:
    """All contracts that fit."""
    try:
        found = store.qualify(spec)
    except ContractError as error:
        return error.candidates
    return (f"{found.primary_exchange or found.exchange} {found.currency} con_id={found.con_id}",)


def qualified(store: IBStore, symbol: str, instrument: InstrumentSettings) -> Instrument:
    """The contract of one symbol.

    The settings name the exchange whose calendar holds (XNYS is right for NASDAQ, too), so a stock that is not listed
    there is taken where IBKR knows only one of its symbol and currency.
    """
    try:
        found = store.qualify(spec_of(symbol, instrument, primary=False))
    except ContractError as ambiguous:
        try:
            found = store.qualify(spec_of(symbol, instrument))
        except ContractError:
            raise ContractError(f"instruments.{symbol}: {_cure(store, symbol, instrument, ambiguous)}") from ambiguous
    if found.currency != instrument.currency:
        raise ContractError(
            f"instruments.{symbol}: IBKR's {found.local_symbol or symbol} (conId {found.con_id}) trades in "
            f"{found.currency}, the settings say {instrument.currency}; correct instruments.{symbol}.currency"
        )
    log_event(
        logger, "contract", symbol=symbol, con_id=found.con_id, primary_exchange=found.primary_exchange,
        market_rule=found.market_rule, name=found.long_name,
    )  # fmt: skip
    return found
