"""Contracts of the settings, names of OCA groups, who transmits a bracket, timers by name."""

from __future__ import annotations

import datetime as dt
from types import SimpleNamespace
from typing import Any

import pytest
from atibkr.desk import BAR, OPEN, settings

from core.clock import VirtualClock
from core.errors import ContractError
from core.settings import InstrumentSettings
from engine.venue import VenueOrder
from live.deadlines import Deadlines
from live.instruments import qualified, spec_of
from live.pump import EventPump
from live.venue_orders import OcaNames, transmits
from stores import ContractSpec
from stores.events import ConnectionState
from stores.outlet import Outlet


class Known:
    """A store that knows contracts by what is asked."""

    def __init__(self, **known: str) -> None:
        self.known = known  # primary exchange asked for ("any" = none) -> currency of what is found
        self.asked: list[ContractSpec] = []

    def qualify(self, spec: ContractSpec) -> Any:
        self.asked.append(spec)
        currency = self.known.get(spec.primary_exchange or "any")
        if currency is None:
            raise ContractError(f"no contract {spec}")
        return SimpleNamespace(
            currency=currency, con_id=1, local_symbol="SAP", primary_exchange=spec.primary_exchange, market_rule=26,
            long_name="SAP SE",
        )  # fmt: skip


def test_a_contract_that_is_alone_is_taken_wherever_it_is_listed() -> None:
    store: Any = Known(any="USD")
    assert qualified(store, "AAPL", InstrumentSettings()).con_id == 1
    assert [spec.primary_exchange for spec in store.asked] == [""]


def test_an_ambiguous_one_is_that_of_the_settings_exchange() -> None:
    store: Any = Known(IBIS="EUR")
    found = qualified(store, "SAP", InstrumentSettings(currency="EUR", exchange="XETR"))
    assert found.primary_exchange == "IBIS"


def test_one_that_is_not_known_is_named() -> None:
    store: Any = Known()
    with pytest.raises(ContractError, match="instruments.NONE: no contract"):
        qualified(store, "NONE", InstrumentSettings())


def test_another_currency_is_refused_with_the_setting() -> None:
    store: Any = Known(any="MXN")
    with pytest.raises(ContractError, match="correct instruments.A.currency"):
        qualified(store, "A", InstrumentSettings())


def test_an_exchange_without_a_name_at_ibkr_is_left_open() -> None:
    assert spec_of("A", InstrumentSettings(exchange="XBOM")).primary_exchange == ""


def test_oca_names_are_unique_over_runs() -> None:
    names = OcaNames("k7qp")
    assert names.name("g", 12) == names.name("g", 13) == "hl.k7qp.oca.12"
    assert OcaNames("k7qp").name("hl.k7qp.oca.12", 40) == "hl.k7qp.oca.12"  # of an earlier run
    assert names.name("", 1) == ""


def test_the_last_order_of_each_bracket_transmits() -> None:
    def order(ref: int, parent: int | None = None) -> VenueOrder:
        return VenueOrder(
            ref=ref, unit="u", symbol="A", action="BUY", quantity=1, kind="MKT", tif="DAY", bar=BAR, parent=parent
        )

    assert transmits([order(1), order(2, 1), order(3, 1), order(4), order(5, 4)]) == [False, False, True, False, True]
    assert transmits([order(1), order(2)]) == [True, True]


def test_a_deadline_is_kept_unless_it_is_dropped_or_set_anew() -> None:
    clock = VirtualClock(OPEN)
    store: Any = SimpleNamespace(clock=clock, events=Outlet(), state=ConnectionState.READY)
    pump, done = EventPump(store), list[str]()
    deadlines = Deadlines(pump)
    deadlines.set("a", 5, lambda: done.append("first"))
    deadlines.set("a", 10, lambda: done.append("second"))
    deadlines.set("b", 5, lambda: done.append("never"))
    deadlines.drop("b")
    for seconds in (5, 10):
        clock.set(OPEN + dt.timedelta(seconds=seconds))
        pump.pump(0)
    assert done == ["second"] and "a" not in deadlines and settings()
