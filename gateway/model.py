"""What the rooms of the gateway tell each other: instruments, bars, quotes, orders, executions. Names are IBKR's."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Any, Protocol

Values = dict[str, Any]  # the fields of a message by IBKR's name


@dataclass(frozen=True, slots=True)
class Instrument:
    """A contract that the gateway knows. ``calendar``: ISO code of its exchange; ``schedule``: of books.fees."""

    con_id: int
    symbol: str
    sec_type: str = "STK"  # STK, CASH
    currency: str = "USD"
    exchange: str = "SMART"
    primary_exchange: str = "NYSE"
    local_symbol: str = ""
    trading_class: str = ""
    long_name: str = ""
    min_tick: float = 0.01
    market_rule: int = 26
    calendar: str = "XNYS"
    time_zone: str = "US/Eastern"
    schedule: str = "ibkr_us_fixed"
    shortable: float = 10_000_000.0  # shares that can be borrowed
    isin: str = ""

    def __hash__(self) -> int:  # it is the key of the tape's steps, so of all its fields the one that identifies it
        return self.con_id


@dataclass(frozen=True, slots=True)
class Bar:
    """Prices from ``start`` to ``end``, UTC."""

    start: dt.datetime
    end: dt.datetime
    open: float
    high: float
    low: float
    close: float
    volume: float = 0.0
    wap: float = 0.0
    count: int = 0


@dataclass(frozen=True, slots=True)
class Quote:
    """Bid and ask at ``when``, UTC; sizes in shares. NaN: there is none."""

    when: dt.datetime
    bid: float
    ask: float
    bid_size: float
    ask_size: float


@dataclass(slots=True, eq=False)
class Order:
    """An order as the gateway keeps it.

    ``contract`` and ``terms`` are what the client sent, by IBKR's names (``terms``: action, totalQuantity, orderType,
    lmtPrice, auxPrice, tif, ocaGroup, parentId, ...), so that openOrder gives back every field.
    """

    perm_id: int
    client_id: int
    order_id: int
    account: str
    instrument: Instrument
    contract: Values
    terms: Values
    status: str = "PendingSubmit"
    filled: float = 0.0
    avg_fill_price: float = 0.0
    last_fill_price: float = 0.0
    why_held: str = ""
    placed: dt.datetime | None = None
    ended: dt.datetime | None = None
    end_reason: str = ""  # completedStatus of completed orders
    executions: list[Execution] = field(default_factory=list)

    @property
    def quantity(self) -> float:
        return float(self.terms["totalQuantity"])

    @property
    def remaining(self) -> float:
        return self.quantity - self.filled

    @property
    def sign(self) -> int:
        return 1 if self.terms["action"] == "BUY" else -1

    @property
    def is_working(self) -> bool:
        return self.status in WORKING


WORKING = frozenset({"PendingSubmit", "PreSubmitted", "Submitted", "PendingCancel"})
ENDED = frozenset({"Filled", "Cancelled", "ApiCancelled", "Inactive"})


@dataclass(slots=True)
class Execution:
    """A fill. ``exec_id`` is ``base.NN``, where ``.02`` corrects ``.01``."""

    exec_id: str
    order: Order
    when: dt.datetime
    shares: float  # > 0
    price: float
    side: str  # BOT, SLD
    cum_qty: float
    avg_price: float
    exchange: str = "SMART"
    last_liquidity: int = 2  # 1 added, 2 removed


@dataclass(slots=True)
class CommissionReport:
    """What an execution cost and earned, in ``currency``. ``realized_pnl`` None: it opened."""

    exec_id: str
    commission: float
    currency: str
    realized_pnl: float | None = None


class MarketListener(Protocol):
    """Who hears what the market does, in the order in which it does it."""

    def order_changed(self, order: Order) -> None:
        """Its status, fills or terms are new."""

    def executed(self, execution: Execution) -> None:
        """A fill, its correction, or its bust (``shares`` 0)."""

    def charged(self, execution: Execution, report: CommissionReport) -> None:
        """The commission of a fill is known."""

    def told(self, order: Order, code: int, text: str, reject: Values | None = None) -> None:
        """An error or warning with the order's id; ``reject``: the advanced reject JSON."""
