"""What ib_insync, unmodified, makes of the faults: what its users see, and that it decodes all that is sent."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import ib_insync as ibi
import pytest
from faulty.wire import ACCOUNT, gateway

from gateway import Gateway

XMPLA = ibi.Stock("XMPLA", "SMART", "USD")


@dataclass
class Desk:
    """A gateway and an ib_insync client of it."""

    tws: Gateway
    ib: ibi.IB = field(default_factory=ibi.IB)
    errors: list[tuple[int, int]] = field(default_factory=list)  # id, code

    def __post_init__(self) -> None:
        self.ib.RequestTimeout = 10
        self.ib.errorEvent += lambda req_id, code, text, contract: self.errors.append((req_id, code))

    def connect(self, timeout: float = 10) -> None:
        self.ib.connect("127.0.0.1", self.tws.port, clientId=1, timeout=timeout)
        self.errors.clear()  # notices of log-in

    def after(self, seconds: float) -> None:
        """Time passes, and all that comes of it has come."""
        self.settle()
        self.tws.advance(seconds=seconds)
        self.settle()

    def settle(self) -> None:
        self.ib.reqCurrentTime()

    def buy(self, kind: str = "MKT", price: float = 0.0, **terms: Any) -> ibi.Trade:
        order = ibi.Order(
            action="BUY", totalQuantity=100, orderType=kind, lmtPrice=price, account=ACCOUNT, **{"tif": "DAY"} | terms
        )
        return self.ib.placeOrder(XMPLA, order)

    def codes(self) -> list[int]:
        return [code for _, code in self.errors]

    def position(self) -> float:
        return sum(held.position for held in self.ib.reqPositions())


@pytest.fixture
def desk(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[..., contextlib.AbstractContextManager[Desk]]]:
    """Makes desks with faults. Nothing that is sent may fail in the library's decoder."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)

    @contextlib.contextmanager
    def make(*faults: str, connect: bool = True) -> Iterator[Desk]:
        with gateway(*faults) as tws:
            made = Desk(tws)
            try:
                if connect:
                    made.connect()
                yield made
            finally:
                made.ib.disconnect()
                loop.run_until_complete(asyncio.sleep(0.01))

    yield make
    loop.close()
    asyncio.set_event_loop(None)
    wrong = [r for r in caplog.records if r.name == "ib_insync.Decoder" and r.levelno >= logging.ERROR]
    assert not wrong, wrong[0].getMessage()


Make = Callable[..., contextlib.AbstractContextManager[Desk]]


def test_a_dropped_order_stays_pending(desk: Make) -> None:
    with desk("order_dropped") as one:
        trade = one.buy()
        one.after(60)
        assert trade.orderStatus.status == "PendingSubmit" and not trade.fills and one.errors == []
        assert one.ib.reqOpenOrders() == [] and one.position() == 0


def test_an_order_that_it_calls_cancelled_is_filled(desk: Make) -> None:
    with desk("reported_cancelled") as one:
        trade = one.buy("LMT", 10.0)
        one.settle()
        assert trade.orderStatus.status == "Cancelled" and trade.isDone()
        one.after(10)
        assert [fill.execution.shares for fill in trade.fills] == [100] and one.position() == 100


def test_a_notice_about_tif_makes_it_say_cancelled(desk: Make) -> None:
    with desk("tif_preset") as one:
        trade = one.buy("LMT", 10.0)
        said: list[str] = []
        trade.statusEvent += lambda changed: said.append(changed.orderStatus.status)
        one.settle()
        assert "Cancelled" in said and one.errors == [(trade.order.orderId, 10349)]
        assert [live.order_id for live in one.tws.call(lambda t: t.market.open_orders())] == [trade.order.orderId]


@pytest.mark.parametrize(("fault", "code"), [("locate_hold", 404), ("outside_hours_warning", 399)])
def test_a_notice_leaves_the_order_live_whatever_it_says(fault: str, code: int, desk: Make) -> None:
    with desk(f"{fault}") as one:
        order = ibi.MarketOrder("SELL", 100, tif="DAY", account=ACCOUNT)
        trade = one.ib.placeOrder(XMPLA, order)
        one.settle()
        assert code in one.codes()
        one.after(70)
        assert len(trade.fills) == 1 and one.position() == -100


def test_a_refused_modification_makes_it_believe_in_the_new_price(desk: Make) -> None:
    with desk("modify_off_tick") as one:
        trade = one.buy("LMT", 10.0)
        one.settle()
        trade.order.lmtPrice = 10.005
        one.ib.placeOrder(XMPLA, trade.order)
        one.settle()
        assert one.codes() == [110] and trade.orderStatus.status == "Submitted" and trade.order.lmtPrice == 10.005
        (live,) = one.tws.call(lambda t: t.market.open_orders())
        assert live.terms["lmtPrice"] == 10.0


def test_a_rejected_order_is_cancelled_or_inactive(desk: Make) -> None:
    with desk("rejected_margin") as one:
        trade = one.buy()
        one.settle()
        assert 201 in one.codes() and trade.orderStatus.status in ("Inactive", "Cancelled")
        assert "EQUITY WITH LOAN VALUE" in "".join(entry.message for entry in trade.log)


def test_a_corrected_execution_stands_beside_the_first(desk: Make) -> None:
    with desk("execution_corrected") as one:
        trade = one.buy()
        one.after(10)
        ids = [fill.execution.execId for fill in trade.fills]
        assert [each.rsplit(".", 1)[1] for each in ids] == ["01", "02"] and len({each[:-3] for each in ids}) == 1
        assert one.position() == 100


def test_an_execution_that_comes_twice_is_one_fill(desk: Make) -> None:
    with desk("execution_duplicated", "status_duplicated") as one:
        trade = one.buy()
        one.after(5)
        assert len(trade.fills) == 1 and one.position() == 100


def test_a_fill_without_its_commission(desk: Make) -> None:
    with desk("commission_never") as one:
        trade = one.buy()
        one.after(5)
        (fill,) = trade.fills
        assert fill.commissionReport.execId == ""


def test_a_fill_without_any_status(desk: Make) -> None:
    with desk("status_missing") as one:
        trade = one.buy()
        one.after(5)
        assert len(trade.fills) == 1 and trade.orderStatus.filled == 0


@pytest.mark.parametrize("fault", ["drop_before", "drop_after", "drop_middle:message=orderStatus"])
def test_a_drop_is_an_event_and_a_reconnect_brings_the_order_back(fault: str, desk: Make) -> None:
    with desk(fault) as one:
        gone: list[bool] = []
        one.ib.disconnectedEvent += lambda: gone.append(True)
        one.buy("LMT", 10.0)
        with contextlib.suppress(ConnectionError):
            for _ in range(200):
                one.ib.sleep(0.01)
                if gone:
                    break
        assert gone and not one.ib.isConnected()
        one.connect()
        assert [trade.order.lmtPrice for trade in one.ib.openTrades()] == [10.0]


def test_a_half_open_connection_is_found_by_a_timeout_only(desk: Make) -> None:
    with desk("half_open") as one:
        one.buy("LMT", 10.0)
        one.ib.sleep(0.1)
        assert one.ib.isConnected()
        one.ib.RequestTimeout = 0.3
        with pytest.raises(asyncio.TimeoutError):
            one.ib.reqCurrentTime()
        assert one.ib.isConnected()


def test_a_client_id_in_use_is_an_error_and_a_timeout_and_the_same_id_works_later(desk: Make) -> None:
    with desk("client_id_in_use", connect=False) as one:
        with pytest.raises((TimeoutError, asyncio.TimeoutError, ConnectionError)):
            one.connect(timeout=1)
        assert one.codes() == [326]
        one.connect()
        assert one.ib.isConnected()


def test_nobody_gets_in_during_a_restart(desk: Make) -> None:
    with desk("nightly_restart:when=at 10:01 exchange,seconds=60") as one:
        one.tws.advance(seconds=61)
        with contextlib.suppress(ConnectionError):
            one.ib.sleep(0.1)
        assert not one.ib.isConnected()
        with pytest.raises((TimeoutError, asyncio.TimeoutError, ConnectionError)):
            one.connect(timeout=0.5)
        one.tws.advance(seconds=61)
        one.connect()
        assert one.ib.isConnected()


def test_fills_of_an_outage_come_when_it_is_over(desk: Make) -> None:
    with desk("connectivity_restored:after=2,seconds=60") as one:
        trade = one.buy()
        one.after(30)
        assert one.codes() == [1100] and trade.fills == []
        one.after(60)
        assert one.codes() == [1100, 1102] and len(trade.fills) == 1


@pytest.mark.parametrize(("fault", "code"), [("not_subscribed", 354), ("delayed_disabled", 10168)])
def test_a_ticker_without_a_subscription_stays_empty(fault: str, code: int, desk: Make) -> None:
    with desk(fault) as one:
        (contract,) = one.ib.qualifyContracts(XMPLA)
        ticker = one.ib.reqMktData(contract)
        one.after(10)
        assert one.codes() == [code] and ticker.bid != ticker.bid and ticker.last != ticker.last


def test_a_delayed_ticker_says_so(desk: Make) -> None:
    with desk("delayed_shown") as one:
        (contract,) = one.ib.qualifyContracts(XMPLA)
        ticker = one.ib.reqMktData(contract)
        one.after(10)
        assert one.codes() == [10167] and ticker.marketDataType == 3 and ticker.last == ticker.last


def test_history_that_is_refused_is_an_empty_list(desk: Make) -> None:
    with desk("history_pacing") as one:
        (contract,) = one.ib.qualifyContracts(XMPLA)
        assert list(one.ib.reqHistoricalData(contract, "", "600 S", "1 min", "TRADES", True)) == []
        assert one.codes() == [162]


def test_bars_come_out_of_order(desk: Make) -> None:
    with desk("bars_out_of_order:n=3") as one:
        (contract,) = one.ib.qualifyContracts(XMPLA)
        bars = one.ib.reqRealTimeBars(contract, 5, "TRADES", False)
        one.after(30)
        times = [bar.time for bar in bars]
        assert times != sorted(times) and len(times) == len(set(times)) >= 4


def test_all_faults_of_answers_at_once_decode(desk: Make) -> None:
    """Chance on every kind of answer: whatever comes, it can be read."""
    faults = [
        "on orderStatus with probability 0.3: duplicate", "on openOrder with probability 0.3: duplicate",
        "on execDetails with probability 0.3: swap 5", "on commissionReport with probability 0.3: delay 2",
        "on updatePortfolio with probability 0.3: drop", "on tickPrice with probability 0.3: scale price 1.1",
        "on realtimeBar with probability 0.3: swap 10", "on position with probability 0.3: duplicate",
    ]  # fmt: skip
    with desk(*faults) as one:
        (contract,) = one.ib.qualifyContracts(XMPLA)
        one.ib.reqMktData(contract)
        one.ib.reqRealTimeBars(contract, 5, "TRADES", False)
        trades = [one.buy() for _ in range(5)] + [one.buy("LMT", 10.0 + n) for n in range(5)]
        one.after(60)
        for trade in trades[5:]:
            one.ib.cancelOrder(trade.order)
        one.after(60)
        assert one.position() >= 500 and sum(held.position for held in one.ib.positions()) == 500
        assert [len(trade.fills) for trade in trades] == [1] * 5 + [0] * 5
