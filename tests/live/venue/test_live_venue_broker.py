"""IBBroker beside what IBKR reports: rates, drift, the latch of the kill switch, reasons not to start."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from atibkr.desk import OPEN, Desk, desk, settings

from books.account import Account
from core.events import Bus, DriftEvent
from live.broker import IBBroker
from live.drift import DriftWatch
from live.values import BrokerRates
from risk.events import KillAction

MINUTE = dt.timedelta(minutes=1)


def test_reported_values_are_ibkrs() -> None:
    with desk() as at:
        at.buy()
        at.after(5)
        reported = at.venue.reported
        (held,) = reported.positions.values()
        assert held.position == 100 and held.contract.symbol == "XMPLA"
        worth = reported.net_liquidation
        assert worth is not None and worth == pytest.approx(at.tws.call(_equity), abs=0.01)
        assert reported.cash["USD"] < -5_000 and set(reported.cash) == {"EUR", "USD"}


def _equity(tws: Any) -> float:
    return float(tws.accounts.states["DU1234567"].equity(tws.clock.now()))


def test_rates_are_ibkrs_once_it_has_told_them() -> None:
    with desk() as at:
        rates = BrokerRates(settings().costs.fx, "EUR", at.venue.reported)
        at.buy()
        at.after(5)
        told = at.venue.reported.rates["USD"]
        assert rates.rate("USD", OPEN) == told and told != 0.90
        assert rates.rate("EUR", OPEN) == 1.0 and rates.constant("EUR") == 1.0 and rates.constant("USD") is None
        assert "IBKR" in rates.describe("USD")


def test_rates_are_the_settings_before() -> None:
    with desk() as at:
        at.venue.reported._values.clear()
        assert BrokerRates(settings().costs.fx, "EUR", at.venue.reported).rate("USD", OPEN) == 0.90


class Reported:
    """A ``ReportedAccount`` whose numbers a test sets."""

    def __init__(self, cash: dict[str, float], worth: float | None = None) -> None:
        self.cash = cash
        self.net_liquidation = worth


def watched(reported: Reported) -> tuple[DriftWatch, Account, list[DriftEvent]]:
    bus, told = Bus(), list[DriftEvent]()
    bus.subscribe(told.append)  # type: ignore[arg-type]
    account = Account.from_settings(settings())
    account.fund(OPEN)
    return DriftWatch(reported, bus), account, told  # type: ignore[arg-type]


def test_a_difference_that_was_there_from_the_start_is_no_drift() -> None:
    watch, account, told = watched(Reported({"EUR": 250_000.0}, 250_000.0))
    for minute in range(20):
        watch.look(account, OPEN + minute * MINUTE)
    assert not told and watch.gaps == {"cash EUR": 150_000.0, "equity": 150_000.0}


def test_a_drift_is_told_once_when_it_stays() -> None:
    reported = Reported({"EUR": 100_000.0})
    watch, account, told = watched(reported)
    watch.look(account, OPEN)
    reported.cash["EUR"] -= 7.0  # a fee for market data
    for minute in range(1, 20):
        watch.look(account, OPEN + minute * MINUTE)
    (event,) = told
    assert (event.what, event.moved, event.book, event.reported) == ("cash EUR", -7.0, 100_000.0, 99_993.0)
    assert event.at == OPEN + 5 * MINUTE  # four minutes after it was seen first


def test_a_fill_that_ibkr_tells_later_is_no_drift() -> None:
    reported = Reported({"EUR": 100_000.0})
    watch, account, told = watched(reported)
    watch.look(account, OPEN)
    account.cash.post("EUR", -500.0, OPEN)
    for minute in range(1, 4):
        watch.look(account, OPEN + minute * MINUTE)
    reported.cash["EUR"] -= 500.0
    for minute in range(4, 20):
        watch.look(account, OPEN + minute * MINUTE)
    assert not told


def broker_of(at: Desk, **tables: Any) -> IBBroker:
    return IBBroker(at.venue, settings=at.settings.model_copy(update=tables))


def test_the_kill_switch_of_the_gate_is_latched_on_the_disk() -> None:
    with desk() as at:
        broker_of(at)._on_kill(KillAction("equity fell", flatten=False))
        assert at.journal.killed == "equity fell"


def test_reasons_not_to_start() -> None:
    with desk() as at:
        assert broker_of(at).objections() == []
        account = at.settings.account.model_copy(update={"capital": 1e9})
        (reason,) = broker_of(at, account=account).objections()
        assert "account.capital" in reason and "1,000,000,000" in reason
        at.place(at.order(unit="gone"))
        at.after(5)
        (reason,) = broker_of(at).objections(has_traded=True)
        assert "100 XMPLA of the unit gone" in reason
