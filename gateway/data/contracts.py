"""Which contracts there are: search as TWS does it, matching symbols, and the values of contractDetails."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from core.errors import SettingsError
from gateway.data.rules import MARKET_RULES
from gateway.hours import hours_of
from gateway.model import Instrument, Values
from gateway.refused import NO_DEFINITION, Refused, invalid

SEC_TYPES = frozenset(
    "STK OPT FUT IND FOP CASH BAG WAR BOND CMDTY NEWS FUND CFD CRYPTO CONTFUT FUT+CONTFUT IOPT EVENT BILL".split()
)
MATCHES = 16  # matching symbols are cut here, as at IBKR
_ALIASES = {"ISLAND": "NASDAQ", "ARCA": "NYSEARCA", "IBIS2": "IBIS"}
_US_VENUES = (
    "SMART,AMEX,NYSE,CBOE,PHLX,ISE,CHX,ARCA,NASDAQ,DRCTEDGE,BEX,BATS,EDGEA,BYX,IEX,EDGX,FOXRIVER,PEARL,NYSENAT,LTSE,"
    "MEMX"
)
_ORDER_TYPES = {
    "STK": "ACTIVETIM,AD,ADJUST,ALERT,ALLOC,AON,AVGCOST,BASKET,COND,DAY,DEACT,GAT,GTC,GTD,GTT,HID,ICE,IOC,LMT,LOC,MIT,"
    "MKT,MOC,MTL,NGCOMB,NONALGO,OCA,OPG,OPGREROUT,PEGMID,PREOPGRTH,PRICECHK,REL,RPI,RTH,SCALE,SMARTSTG,SNAPMID,STP,STPLMT,"
    "SWEEP,TRAIL,TRAILLIT,TRAILLMT,TRAILMIT,WHATIF",
    "CASH": "ACTIVETIM,AD,ADJUST,ALERT,ALGO,ALLOC,AVGCOST,BASKET,CASHQTY,COND,CONDORDER,DAY,DEACT,DEACTEOD,GAT,GTC,GTD,"
    "GTT,IOC,LIT,LMT,MIT,MKT,NONALGO,OCA,REL,SCALE,STP,STPLMT,TRAIL,TRAILLIT,TRAILLMT,TRAILMIT,WHATIF",
    "IND": "",
}


class ContractBook:
    """The contracts that the gateway knows.

    ``search`` gives several for an ambiguous description and none for an unknown one; a conId alone identifies.
    Raises SettingsError for a conId that occurs twice and for a market rule that there is not.
    """

    def __init__(self, instruments: Iterable[Instrument]) -> None:
        self.instruments = tuple(instruments)
        self.by_con_id: dict[int, Instrument] = {}  # conId -> Instrument
        for instrument in self.instruments:
            twin = self.by_con_id.setdefault(instrument.con_id, instrument)
            if twin is not instrument:
                raise SettingsError(
                    f"{instrument.symbol} and {twin.symbol} share conId {twin.con_id}; give each a number of its own"
                )
            if instrument.market_rule not in MARKET_RULES:
                raise SettingsError(
                    f"{instrument.symbol}: market rule {instrument.market_rule} does not exist; known: "
                    + ", ".join(map(str, MARKET_RULES))
                )

    def by_id(self, con_id: int) -> Instrument | None:
        return self.by_con_id.get(con_id)

    def search(self, contract: Values) -> list[Instrument]:
        """The instruments that fit a contract. Raises Refused (321) where neither secType nor conId is given."""
        con_id = int(contract.get("conId") or 0)
        sec_type = str(contract.get("secType") or "")
        if not con_id and not contract.get("secId") and sec_type not in SEC_TYPES:
            raise invalid("Please enter a valid security type", "bu")
        if con_id:
            found = self.by_con_id.get(con_id)
            return [found] if found and _listed_at(found, str(contract.get("exchange") or "")) else []
        return [instrument for instrument in self.instruments if _fits(instrument, contract)]

    def one(self, contract: Values) -> Instrument:
        """The instrument of a request. Raises Refused (200) where there is none, or more than one."""
        found = self.search(contract)
        if not found:
            raise Refused(200, NO_DEFINITION)
        if len(found) > 1:
            name = contract.get("symbol") or contract.get("localSymbol")
            raise Refused(200, f"The contract description specified for {name} is ambiguous.")
        return found[0]

    def matching(self, pattern: str) -> list[Instrument]:
        """Stocks and indices whose symbol begins with ``pattern`` or whose name holds it; exact symbols first."""
        wanted = pattern.strip().upper()
        if not wanted:
            return []
        found = [
            each
            for each in self.instruments
            if each.sec_type in ("STK", "IND") and (each.symbol.startswith(wanted) or wanted in each.long_name.upper())
        ]
        found.sort(key=lambda each: (each.symbol != wanted, not each.symbol.startswith(wanted), each.symbol))
        return found[:MATCHES]

    def samples(self, pattern: str) -> list[Values]:
        """The rows ``contractDescriptions`` of symbolSamples."""
        return [
            {
                "contract": contract_values(each, each.primary_exchange)
                | {"description": each.long_name or each.symbol, "issuerId": ""},
                "derivativeSecTypes": [],
            }
            for each in self.matching(pattern)
        ]

    def details(self, instrument: Instrument, now: dt.datetime, exchange: str = "") -> Values:
        """The fields of contractDetails, but reqId. Hours are those of the week that begins on the day of ``now``."""
        hours = hours_of(instrument)
        venues = valid_exchanges(instrument)
        whole = 0.0001 if instrument.sec_type == "STK" else 1.0
        return {
            "contract": contract_values(instrument, exchange),
            "marketName": trading_class(instrument),
            "minTick": instrument.min_tick,
            "mdSizeMultiplier": lot_of(instrument),
            "orderTypes": _ORDER_TYPES.get(instrument.sec_type, ""),
            "validExchanges": ",".join(venues),
            "priceMagnifier": 1,
            "underConId": 0,
            "longName": instrument.long_name or instrument.symbol,
            "contractMonth": "",
            "industry": "",
            "category": "",
            "subcategory": "",
            "timeZoneId": instrument.time_zone,
            "tradingHours": hours.text(now, regular=False),
            "liquidHours": hours.text(now, regular=True),
            "evRule": "",
            "evMultiplier": 0,
            "secIdList": [{"tag": "ISIN", "value": instrument.isin}] if instrument.isin else [],
            "aggGroup": {"STK": 1, "CASH": 4}.get(instrument.sec_type, 2147483647),
            "underSymbol": "",
            "underSecType": "",
            "marketRuleIds": ",".join([str(instrument.market_rule)] * len(venues)),
            "realExpirationDate": "",
            "stockType": "COMMON" if instrument.sec_type == "STK" else "",
            "minSize": whole,
            "sizeIncrement": whole,
            "suggestedSizeIncrement": 100.0 if instrument.sec_type == "STK" else 1.0,
        }


def contract_values(instrument: Instrument, exchange: str = "") -> Values:
    """The contract fields of an answer; ``exchange``: the one that the client named, else the instrument's."""
    return {
        "conId": instrument.con_id,
        "symbol": instrument.symbol,
        "secType": instrument.sec_type,
        "lastTradeDateOrContractMonth": "",
        "strike": 0.0,
        "right": "?",
        "multiplier": "",
        "exchange": exchange or instrument.exchange,
        "primaryExchange": instrument.primary_exchange if instrument.sec_type == "STK" else "",
        "currency": instrument.currency,
        "localSymbol": local_symbol(instrument),
        "tradingClass": trading_class(instrument),
    }


def local_symbol(instrument: Instrument) -> str:
    """``EUR.USD`` of a currency pair, the symbol of everything else, unless the instrument has its own."""
    pair = f"{instrument.symbol}.{instrument.currency}" if instrument.sec_type == "CASH" else instrument.symbol
    return instrument.local_symbol or pair


def trading_class(instrument: Instrument) -> str:
    return instrument.trading_class or local_symbol(instrument)


def valid_exchanges(instrument: Instrument) -> tuple[str, ...]:
    """Where an instrument can be routed to; the first is its usual destination."""
    if instrument.sec_type == "STK" and instrument.currency == "USD":
        venues = tuple(_US_VENUES.split(","))
        return venues if instrument.primary_exchange in venues else (*venues, instrument.primary_exchange)
    both = (
        (instrument.exchange, instrument.primary_exchange) if instrument.sec_type == "STK" else (instrument.exchange,)
    )
    return tuple(dict.fromkeys(name for name in both if name))


def lot_of(instrument: Instrument) -> int:
    """Shares in one unit of the sizes that versions below 163 are sent: 100 for US stocks (mdSizeMultiplier)."""
    return 100 if instrument.sec_type == "STK" and instrument.currency == "USD" else 1


def _fits(instrument: Instrument, contract: Values) -> bool:
    exact = {
        "symbol": instrument.symbol,
        "secType": instrument.sec_type,
        "currency": instrument.currency,
        "localSymbol": local_symbol(instrument),
        "tradingClass": trading_class(instrument),
    }
    if any(contract.get(name) and str(contract[name]).upper() != value.upper() for name, value in exact.items()):
        return False
    if contract.get("secId") and (contract.get("secIdType") != "ISIN" or contract["secId"] != instrument.isin):
        return False
    if not (contract.get("symbol") or contract.get("localSymbol") or contract.get("secId")):
        return False
    primary = str(contract.get("primaryExchange") or contract.get("primaryExch") or "")
    if primary and _plain(primary) not in (_plain(instrument.primary_exchange), _plain(instrument.exchange)):
        return False
    return _listed_at(instrument, str(contract.get("exchange") or ""))


def _listed_at(instrument: Instrument, exchange: str) -> bool:
    return not exchange or _plain(exchange) in {_plain(name) for name in valid_exchanges(instrument)}


def _plain(exchange: str) -> str:
    name = exchange.upper()
    return _ALIASES.get(name, name)
