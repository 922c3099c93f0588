"""Contracts that IBKR knows: asked for once, remembered, and never guessed."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from stores.converting import contract_of
from stores.errors import ContractError, RequestRefused
from stores.records import ContractSpec, Instrument, PriceStep

if TYPE_CHECKING:
    from stores.desk import Desk

ZONES = {"EST": "America/New_York", "CST": "America/Chicago", "MET": "Europe/Berlin", "GB": "Europe/London"}


class Contracts:
    """Qualified instruments and market rules."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._known: dict[ContractSpec, Instrument] = {}
        self._rules: dict[int, tuple[PriceStep, ...]] = {}

    async def qualify(self, spec: ContractSpec, fresh: bool) -> Instrument:
        """The one contract that fits. Raises ContractError."""
        if not fresh and spec in self._known:
            return self._known[spec]
        req_id = self._desk.request_ids.take()
        try:
            found = await self._desk.ask(
                req_id, f"contract {spec}", "reqContractDetails", req_id, contract_of(spec)
            )  # fmt: skip
        except RequestRefused as refused:
            if refused.number != 200:
                raise
            found = []
        self._known[spec] = instrument = _instrument(_only(spec, found), spec)
        return instrument

    async def rule(self, number: int) -> tuple[PriceStep, ...]:
        """The price steps of a market rule."""
        if number not in self._rules:
            self._rules[number] = await self._desk.ask_named(
                f"market rule {number}", f"market rule {number}", "reqMarketRule", number
            )  # fmt: skip
        return self._rules[number]


def _only(spec: ContractSpec, found: list[Any]) -> Any:
    if spec.primary_exchange:
        found = [each for each in found if each.contract.primaryExchange in ("", spec.primary_exchange)] or found
    unique = {each.contract.conId: each for each in found}
    if not unique:
        raise ContractError(
            f"IBKR knows no contract {spec}; check symbol, currency and exchange in TWS, or give its con_id"
        )
    if len(unique) > 1:
        places = tuple(
            sorted(
                f"{each.contract.primaryExchange or each.contract.exchange} {each.contract.currency} "
                f"con_id={each.contract.conId}"
                for each in unique.values()
            )
        )
        ambiguous = ContractError(
            f"{len(unique)} contracts fit {spec}: {', '.join(places)}; give primary_exchange, currency or con_id"
        )
        ambiguous.candidates = places
        raise ambiguous
    return next(iter(unique.values()))


def _instrument(details: Any, spec: ContractSpec) -> Instrument:
    contract = details.contract
    exchange = "SMART" if spec.exchange == "SMART" else contract.exchange or spec.exchange
    exchanges = [name.strip() for name in details.validExchanges.split(",")]
    rules = [name.strip() for name in details.marketRuleIds.split(",")]
    rule_of = dict(zip(exchanges, rules, strict=False))
    rule = rule_of.get(exchange) or next((each for each in rules if each), "0")
    zone = details.timeZoneId.split(" ")[0]
    return Instrument(
        con_id=int(contract.conId), symbol=contract.symbol, sec_type=contract.secType, exchange=exchange,
        currency=contract.currency, primary_exchange=contract.primaryExchange, local_symbol=contract.localSymbol,
        trading_class=contract.tradingClass, multiplier=float(contract.multiplier or 1.0),
        min_tick=float(details.minTick), market_rule=int(rule), long_name=details.longName, time_zone=zone,
        order_types=frozenset(name for name in details.orderTypes.split(",") if name),
        trading_hours=hours(details.tradingHours, zone), liquid_hours=hours(details.liquidHours, zone),
        min_size=float(details.minSize), size_increment=float(details.sizeIncrement),
        expiry=(contract.lastTradeDateOrContractMonth or "").split(" ")[0],
    )  # fmt: skip


def hours(text: str, zone: str) -> tuple[tuple[dt.datetime, dt.datetime], ...]:
    """IBKR's ``20240612:0400-20240612:2000;20240615:CLOSED`` in UTC. Empty where the zone is not known."""
    try:
        info = ZoneInfo(ZONES.get(zone, zone))
    except (ZoneInfoNotFoundError, ValueError):
        return ()
    made = []
    for part in text.split(";"):
        if "CLOSED" in part or "-" not in part:
            continue
        first, last = part.split("-")
        if ":" not in last:
            last = f"{first.split(':')[0]}:{last}"
        opens, closes = (
            dt.datetime.strptime(each, "%Y%m%d:%H%M").replace(tzinfo=info).astimezone(dt.UTC) for each in (first, last)
        )
        made.append((opens, closes))
    return tuple(made)
