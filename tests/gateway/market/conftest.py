"""A market with a clock and a listener that writes everything down."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest

from core.clock import VirtualClock
from gateway.market import Accounts, Market
from gateway.model import Bar, CommissionReport, Execution, Instrument, Order, Quote, Values

OPEN = dt.datetime(2024, 3, 8, 14, 30, tzinfo=dt.UTC)  # a Friday, New York 09:30
MINUTE = dt.timedelta(minutes=1)


class World:
    """A market of two stocks, EUR account, USD at 0.90 and no third-party fees unless told otherwise.

    ``log`` has what the listener heard: ("status", order id, status, filled), ("fill", order id, shares, price),
    ("fee", order id, commission, realised), ("told", order id, code).
    """

    def __init__(self, capital: float = 1_000_000.0, start: dt.datetime = OPEN, **options: Any) -> None:
        self.clock = VirtualClock(start)
        self.a = options.pop("instrument", None) or Instrument(1, "AAA", primary_exchange="NASDAQ", trading_class="NMS")
        self.b = Instrument(2, "BBB")
        accounts = options.pop("accounts", None) or Accounts({"DU1": capital})
        self.log: list[tuple[Any, ...]] = []
        self.texts: list[str] = []
        self.rejects: list[Values | None] = []
        self.market = Market([self.a, self.b], accounts, self.clock.now, self, **options)

    # what the market tells

    def order_changed(self, order: Order) -> None:
        self.log.append(("status", order.order_id, order.status, order.filled))

    def executed(self, execution: Execution) -> None:
        self.log.append(("fill", execution.order.order_id, execution.shares, execution.price))

    def charged(self, execution: Execution, report: CommissionReport) -> None:
        realized = None if report.realized_pnl is None else round(report.realized_pnl, 6)
        self.log.append(("fee", execution.order.order_id, round(report.commission, 6), realized))

    def told(self, order: Order, code: int, text: str, reject: Values | None = None) -> None:
        self.log.append(("told", order.order_id, code))
        self.texts.append(text)
        self.rejects.append(reject)

    # what a test does

    def place(
        self, order_id: int, action: str = "BUY", kind: str = "MKT", quantity: float = 100, **terms: Any
    ) -> Order:
        instrument = terms.pop("instrument", self.a)
        account, client = terms.pop("account", ""), terms.pop("client", 1)
        wanted = {"action": action, "totalQuantity": quantity, "orderType": kind, "tif": "DAY", **terms}
        contract = {"conId": instrument.con_id, "exchange": "SMART"}
        order = self.market.new_order(client, order_id, account, instrument, contract, wanted)
        self.market.place(order)
        return order

    def modify(self, order: Order, **changes: Any) -> None:
        self.market.modify(order, order.contract, {**order.terms, **changes})

    def bar(self, *prices: float, instrument: Instrument | None = None, step: dt.timedelta = MINUTE) -> None:
        """The next bar: open, high, low, close, and perhaps the volume."""
        start = self.clock.now()
        self.clock.set(start + step)
        self.market.advance(start + step)
        self.market.bar(instrument or self.a, Bar(start, start + step, *prices))

    def quote(self, bid: float, ask: float, bid_size: float = 1e6, ask_size: float = 1e6, seconds: float = 1.0) -> None:
        """A quote one second later."""
        self.go(dt.timedelta(seconds=seconds))
        self.market.quote(self.a, Quote(self.clock.now(), bid, ask, bid_size, ask_size))

    def go(self, by: dt.timedelta) -> None:
        self.clock.sleep(by.total_seconds())
        self.market.advance(self.clock.now())

    def until(self, when: dt.datetime) -> None:
        self.go(when - self.clock.now())

    def fills(self, *order_ids: int) -> list[tuple[float, float]]:
        """Shares and prices, of these orders or of all."""
        return [(e[2], e[3]) for e in self.log if e[0] == "fill" and (not order_ids or e[1] in order_ids)]

    def statuses(self, order_id: int) -> list[str]:
        return [e[2] for e in self.log if e[0] == "status" and e[1] == order_id]

    def codes(self, order_id: int | None = None) -> list[int]:
        return [e[2] for e in self.log if e[0] == "told" and order_id in (None, e[1])]


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture(scope="session")
def make_world() -> Callable[..., World]:
    return World
