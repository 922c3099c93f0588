"""Live, the orders that close a position follow its size: trades that are taken back, units that a person gives a unit.

What was done is replayed alike, and monitoring is told what no order covers.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from backtrader import Order
from lived import desks, runs

from books.intents import IntentJournal
from commands.live_console import in_words
from core.events import Bus, MonitorEvent, ProtectionEvent
from core.orders import Role
from gateway import Gateway
from gateway.data.sample import XMPLA, XMPLB
from gateway.data.tape import Tape
from live.protection import ProtectionWatch
from live.replay import replay as replayed
from live.venue_hearing import Hearing

OPEN = dt.datetime(2024, 6, 12, 13, 30, tzinfo=dt.UTC)
SECOND = dt.timedelta(seconds=1)
ACCOUNT = "DU1234567"
REVERSION = desks.OFTEN["reversion"]
KEEPING = {  # it enters as often, and never leaves
    **REVERSION,
    "parameters": {**REVERSION["parameters"], "zscore_exit": -50.0, "time_stop": 0.0, "stop_atr": 60.0},
}
HELD = OPEN + dt.timedelta(minutes=2, seconds=3)  # by then 94 are short, with a stop


def sample() -> Gateway:
    made = desks.sample(minute_days=1)
    tape, book = Tape({each: made.bars[each] for each in (XMPLA, XMPLB)}, bar_seconds=1), made.book()
    return Gateway(tape, book, made.history(tape, book), speed="max")


def lived(gateway: Gateway, until: dt.datetime, state: Path, **options: Any) -> runs.Lived:
    settings = desks.settings({"reversion": KEEPING}, live={"fx": "settings"})
    return runs.live(settings, gateway, until, state, **options)


def working(gateway: Gateway) -> list[tuple[str, str, float]]:
    orders = gateway.call(lambda tws: list(tws.market.open_orders()))
    return [(order.terms["orderType"], order.terms["action"], order.quantity) for order in orders]


def by_hand(gateway: Gateway, action: str, quantity: float) -> None:
    """The owner trades in TWS."""

    def trade(tws: Any) -> None:
        terms = {
            "action": action, "totalQuantity": quantity, "orderType": "MKT", "tif": "DAY", "transmit": True,
        }  # fmt: skip
        contract = {"conId": XMPLA.con_id, "symbol": XMPLA.symbol, "secType": "STK", "currency": "USD"}
        tws.market.place(tws.market.new_order(0, 900_001, ACCOUNT, XMPLA, contract, terms))

    gateway.call(trade)


def protection(found: runs.Lived) -> list[ProtectionEvent]:
    return [event for event in found.events if isinstance(event, ProtectionEvent)]


def test_units_that_were_adopted_beside_a_bracket_are_stopped_before_the_first_bar_and_replayed_alike(
    tmp_path: Path,
) -> None:
    with sample() as gateway:
        lived(gateway, HELD, tmp_path)
        assert working(gateway) == [("STP", "BUY", 94.0)]
        by_hand(gateway, "SELL", 50.0)
        before = lived(gateway, HELD + 37 * SECOND, tmp_path)  # sees them, and leaves them alone
        with IntentJournal(before.session.places.intents, ACCOUNT, clock=gateway.tws.clock) as journal:
            journal.adopt(XMPLA.con_id, "XMPLA", "reversion", -50.0, 60.0)
        found = lived(gateway, HELD + 55 * SECOND, tmp_path)
        assert working(gateway) == [("STP", "BUY", 94.0), ("STP", "BUY", 50.0)]
        stops = gateway.call(lambda tws: [o.terms for o in tws.market.open_orders()])
    assert not found.heard.equity or max(found.heard.equity) <= HELD
    assert stops[0]["auxPrice"] == stops[1]["auxPrice"] and stops[0]["ocaGroup"] != stops[1]["ocaGroup"]
    assert protection(found) == []
    folder = max(each.parent for each in found.session.places.days.rglob("start.json"))
    again = replayed(folder)
    assert again.is_same and again.orders == 1, again.difference


def test_units_of_a_flat_unit_are_told_as_bare_until_the_stop_of_its_rule_works(tmp_path: Path) -> None:
    with sample() as gateway:
        lived(gateway, OPEN + 10 * SECOND, tmp_path)
        by_hand(gateway, "BUY", 50.0)
        seen = lived(gateway, OPEN + 30 * SECOND, tmp_path)
        with IntentJournal(seen.session.places.intents, ACCOUNT, clock=gateway.tws.clock) as journal:
            journal.accept(XMPLA.con_id, "XMPLA", 50.0, "by halflife reconcile", "reversion")
        found = lived(gateway, OPEN + dt.timedelta(minutes=2, seconds=30), tmp_path)
        assert working(gateway) == [("STP", "SELL", 50.0)]
    bare, covered = protection(found)
    first_bar = OPEN + dt.timedelta(minutes=1)
    assert bare.size == 50.0 and not bare.is_protected and bare.at < first_bar
    assert covered.is_protected and first_bar < covered.at < first_bar + 15 * SECOND
    assert "+50 XMPLA are held without a stop" in in_words(bare)


def test_the_stop_of_a_trade_that_was_taken_back_goes_before_the_next_bar_and_is_replayed_alike(tmp_path: Path) -> None:
    done: list[dt.datetime] = []

    def bust(when: dt.datetime, broker: Any) -> None:
        if not done and any(position.size for position in broker.positions.values()):
            done.append(when)
            gateway.call(lambda tws: tws.market.bust(tws.market.executions[0]))

    with sample() as gateway:
        found = lived(gateway, OPEN + dt.timedelta(minutes=2, seconds=50), tmp_path, each_bar=bust)
        assert working(gateway) == [] and max(found.heard.equity) == done[0]
    assert len(found.heard.cancels) == 1 and protection(found) == []
    (folder,) = [each.parent for each in found.session.places.days.rglob("start.json")]
    again = replayed(folder)
    assert again.is_same, again.difference


def test_a_trade_that_was_taken_back_and_stands_again_is_held_everywhere_and_replayed_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[Hearing, Any]] = []
    held: list[Any] = []
    heard = Hearing.execution

    def execution(self: Hearing, event: Any) -> None:
        seen.append((self, event))
        heard(self, event)

    def revise(when: dt.datetime, broker: Any) -> None:
        if not seen or held:
            return
        hearing, first = seen[0]
        root = first.exec_id.rpartition(".")[0]
        desk = hearing._desk

        def look() -> None:
            (strategy,) = broker.cerebro.runningstrats
            book = desk.journal.book.unit_positions()["reversion", XMPLA.con_id]
            held.append((book, broker.getposition(strategy.data).size, strategy.holding(strategy.data).size))

        def change() -> None:
            hearing.execution(replace(first, exec_id=f"{root}.02", shares=0.0))
            hearing.execution(replace(first, exec_id=f"{root}.03"))
            desk.pump.call_later(6.0, look)

        held.append("changed")
        desk.pump.post(change)

    monkeypatch.setattr(Hearing, "execution", execution)
    with sample() as gateway:
        found = lived(gateway, OPEN + dt.timedelta(minutes=3, seconds=3), tmp_path, each_bar=revise)
        assert working(gateway) == [("STP", "BUY", 94.0)]
    assert held == ["changed", (-94.0, -94.0, -94.0)] and found.heard.cancels == []
    (folder,) = [each.parent for each in found.session.places.days.rglob("start.json")]
    again = replayed(folder)
    assert again.is_same, again.difference


# ---------------------------------------------------------------------- the watch by itself


class Data:
    _name, unit, symbol = "one/A", "one", "A"


class Desk:
    """A broker with one position of 100 that is short, and orders (role, units, OCA group) that buy."""

    def __init__(self, *orders: tuple[Role, float, str], **strategy: Any) -> None:
        self.data = Data()
        self.positions = {self.data: SimpleNamespace(size=-100.0)}
        owner = SimpleNamespace(datas=[self.data], holdings={}, **strategy)
        self.cerebro = SimpleNamespace(runningstrats=[owner])
        self.p = SimpleNamespace(settings=desks.settings())
        self.events: list[MonitorEvent] = []
        self.clock = OPEN
        self.has(*orders)
        bus = Bus()
        bus.subscribe(self.events.append)
        self.watch = ProtectionWatch(self, bus)  # type: ignore[arg-type]

    def has(self, *orders: tuple[Role, float, str]) -> None:
        self.orders = [
            SimpleNamespace(
                ref=ref, data=self.data, isbuy=lambda: True, info={"role": role}, status=Order.Accepted,
                executed=SimpleNamespace(remsize=units), group=group,
            )
            for ref, (role, units, group) in enumerate(orders)
        ]  # fmt: skip

    def working(self) -> list[Any]:
        return self.orders

    def terms_of(self, order: Any) -> Any:
        return SimpleNamespace(oca_group=order.group)

    def after(self, seconds: int) -> list[tuple[float, bool]]:
        """Size and whether it is protected, of what is told meanwhile."""
        for _ in range(seconds):
            self.clock += SECOND
            self.watch.look(self.clock)
        told = [(e.size, e.is_protected) for e in self.events if isinstance(e, ProtectionEvent)]
        self.events.clear()
        return told


@pytest.mark.parametrize(
    ("orders", "bare"),
    [
        ((), 100.0),
        (((Role.STOP, 60.0, "g"),), 40.0),
        (((Role.STOP, 60.0, "g"), (Role.STOP, 40.0, "h")), 0.0),
        (((Role.STOP, 60.0, "g"), (Role.EXIT, 60.0, "g")), 40.0),  # one of both fills
        (((Role.STOP, 60.0, "g"), (Role.EXIT, 40.0, "")), 0.0),
        (((Role.EXIT, 50.0, ""), (Role.EXIT, 40.0, "")), 10.0),
        (((Role.TARGET, 100.0, "g"),), 100.0),
    ],
)
def test_the_units_that_nothing_covers_are_told(orders: Any, bare: float) -> None:
    assert Desk(*orders, has_stops=True).after(12) == ([(-bare, False)] if bare else [])


def test_more_bare_units_are_told_again_and_the_end_once() -> None:
    desk = Desk((Role.STOP, 60.0, "g"), has_stops=True)
    assert desk.after(12) == [(-40.0, False)] and desk.after(60) == []
    desk.has()
    assert desk.after(9) == [] and desk.after(3) == [(-100.0, False)]
    desk.has((Role.STOP, 90.0, "g"))
    assert desk.after(30) == []
    desk.has((Role.STOP, 100.0, "g"))
    assert desk.after(30) == [(-100.0, True)]


@pytest.mark.parametrize(
    ("strategy", "is_told"),
    [
        ({"has_stops": True}, True),
        ({"has_stops": False}, False),
        ({}, True),  # of no base of ours: risk.legs.accept_without_stops says it
    ],
)
def test_whether_stops_are_wanted_is_what_the_strategy_says(strategy: dict[str, Any], is_told: bool) -> None:
    assert bool(Desk(**strategy).after(12)) == is_told


def test_a_holding_without_a_stop_price_is_bare_unless_it_was_entered_so() -> None:
    for is_bare in (False, True):
        desk = Desk(has_stops=True)
        holding = SimpleNamespace(stop_price=None, is_bare=is_bare)
        desk.cerebro.runningstrats[0].holdings = {"one/A": holding}
        assert bool(desk.after(12)) != is_bare
