"""What the intent journal holds, record by record, and the broker's facts that it takes in.

Names of fields are IBKR's in Python's spelling (``perm_id`` is permId), so IBKR's manual is the manual. Quantities are
units of the instrument, > 0 unless they say signed; prices are in its currency; times are UTC.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from books.intents_states import HaltCause, OrderState
from core.orders import Role

Action = Literal["BUY", "SELL"]
EPSILON = 1e-9  # units; a smaller difference is a rounding


# -- what is wanted ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Terms:
    """How an order works, in IBKR's words."""

    order_type: str = "MKT"  # MKT, LMT, STP, STP LMT, TRAIL, TRAIL LIMIT, MOC, LOC
    limit_price: float | None = None  # lmtPrice
    aux_price: float | None = None  # auxPrice: trigger of a stop, distance of a trailing stop
    trail_stop_price: float | None = None
    trailing_percent: float | None = None  # percent points
    limit_offset: float | None = None  # lmtPriceOffset of a TRAIL LIMIT
    tif: str = "DAY"
    good_till: dt.datetime | None = None  # goodTillDate
    oca_group: str = ""
    oca_type: int = 0  # 1 cancel, 2 reduce with block, 3 reduce
    outside_rth: bool = False
    transmit: bool = True


@dataclass(frozen=True, slots=True)
class Draft:
    """An order that somebody wants; ``IntentJournal.intend`` gives it its name and number."""

    unit: str  # of the settings: whose book
    trade: str  # what the orders of one trade share
    leg: str  # "entry", "stop", "A", ...
    role: Role
    con_id: int
    symbol: str
    action: Action
    quantity: float
    terms: Terms = Terms()
    currency: str = "USD"
    multiplier: float = 1.0
    parent: int | None = None  # of a bracket: place of the parent in the same call
    reason: str = ""
    bar: dt.datetime | None = None  # stamp of the bar on which it was decided


@dataclass(frozen=True, slots=True)
class Intent:
    """An order as it is written before it is sent."""

    ref: str  # orderRef
    number: int
    order_id: int
    client_id: int
    account: str
    unit: str
    trade: str
    leg: str
    role: Role
    con_id: int
    symbol: str
    action: Action
    quantity: float
    terms: Terms
    currency: str = "USD"
    multiplier: float = 1.0
    parent_ref: str = ""
    reason: str = ""
    bar: dt.datetime | None = None

    @property
    def sign(self) -> int:
        """+1 buys, -1 sells."""
        return 1 if self.action == "BUY" else -1


# -- what the broker says ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BrokerOrder:
    """An order as the broker reports it: openOrder and orderStatus together, or a completed order.

    ``status`` must come from the message: client libraries change theirs on errors that leave an order live.
    """

    order_ref: str
    perm_id: int  # 0 = not known yet
    status: str
    account: str = ""
    con_id: int = 0
    symbol: str = ""
    action: str = ""
    quantity: float = 0.0
    filled: float = 0.0
    remaining: float = 0.0
    avg_fill_price: float = 0.0
    order_id: int = 0
    client_id: int = 0
    order_type: str = ""
    limit_price: float | None = None
    aux_price: float | None = None
    tif: str = ""
    why_held: str = ""
    completed: str = ""  # completedStatus, of a completed order


@dataclass(frozen=True, slots=True)
class Execution:
    """A fill, the correction of one (same execId but for the part after the last dot), or its bust (0 shares)."""

    exec_id: str
    account: str
    con_id: int
    symbol: str
    action: Action
    shares: float  # >= 0
    price: float
    when: dt.datetime
    perm_id: int = 0
    order_ref: str = ""
    order_id: int = 0
    client_id: int = 0
    currency: str = ""
    multiplier: float = 1.0
    exchange: str = ""
    estimated: bool = False  # concluded from a position, not reported by the broker

    @property
    def signed(self) -> float:
        """Shares, bought > 0."""
        return self.shares if self.action == "BUY" else -self.shares

    @property
    def root(self) -> str:
        """What a correction shares with the execution that it corrects."""
        return split_exec_id(self.exec_id)[0]

    @property
    def revision(self) -> int:
        return split_exec_id(self.exec_id)[1]


def split_exec_id(exec_id: str) -> tuple[str, int]:
    """``"0000e1.65.01.02"`` -> ``("0000e1.65.01", 2)``; an id without such an end is its own root, revision 1."""
    root, dot, last = exec_id.rpartition(".")
    return (root, int(last)) if dot and root and last.isascii() and last.isdigit() else (exec_id, 1)


@dataclass(frozen=True, slots=True)
class Commission:
    """What an execution cost; it comes later than the execution and is joined by ``exec_id``."""

    exec_id: str
    amount: float  # paid > 0
    currency: str
    realized_pnl: float | None = None


# -- records ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One line of the journal; it is never changed."""

    kind: ClassVar[str] = ""
    at: dt.datetime  # when it was written
    ref: str = ""  # orderRef, where it speaks of one order of ours


@dataclass(frozen=True, slots=True, kw_only=True)
class Intended(Record):
    kind: ClassVar[str] = "intended"
    intent: Intent


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent(Record):
    kind: ClassVar[str] = "sent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawn(Record):
    """Nothing of it left this process."""

    kind: ClassVar[str] = "withdrawn"
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeIntended(Record):
    """New terms are about to be sent; the order is live with the old or the new ones until it is reported."""

    kind: ClassVar[str] = "change_intended"
    quantity: float
    terms: Terms


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRefused(Record):
    """The original is live."""

    kind: ClassVar[str] = "change_refused"
    code: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TermsSeen(Record):
    """What the broker works is not what the journal had: quantity and prices as reported."""

    kind: ClassVar[str] = "terms_seen"
    quantity: float
    limit_price: float | None
    aux_price: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelIntended(Record):
    kind: ClassVar[str] = "cancel_intended"
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledged(Record):
    kind: ClassVar[str] = "acknowledged"
    perm_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusSeen(Record):
    kind: ClassVar[str] = "status"
    status: str
    filled: float
    avg_fill_price: float = 0.0
    why_held: str = ""
    completed: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused(Record):
    """The broker refused the order with an error (201 and its kin)."""

    kind: ClassVar[str] = "refused"
    code: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionSeen(Record):
    """``ref`` is empty where the execution belongs to no order of ours."""

    kind: ClassVar[str] = "execution"
    execution: Execution


@dataclass(frozen=True, slots=True, kw_only=True)
class CommissionSeen(Record):
    kind: ClassVar[str] = "commission"
    commission: Commission


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeUnknown(Record):
    kind: ClassVar[str] = "unknown"
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved(Record):
    """What asking has found."""

    kind: ClassVar[str] = "resolved"
    state: OrderState
    evidence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried(Record):
    """Units that come into a book without an order of ours. ``unit`` "" = the owner's own, left alone."""

    kind: ClassVar[str] = "carried"
    account: str
    con_id: int
    symbol: str
    unit: str
    quantity: float  # signed
    price: float | None
    why: str  # "first seen", "adopted", "accepted: ..."


@dataclass(frozen=True, slots=True, kw_only=True)
class Halted(Record):
    """No new orders. ``con_id`` 0 = for the whole account."""

    kind: ClassVar[str] = "halted"
    account: str
    con_id: int
    symbol: str
    cause: HaltCause
    why: str
    expected: float | None = None  # signed units
    found: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Released(Record):
    kind: ClassVar[str] = "released"
    account: str
    con_id: int
    why: str
    cause: HaltCause | None = None  # None = whatever the cause


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderIdSeen(Record):
    """Order ids below ``next_id`` are used up."""

    kind: ClassVar[str] = "order_id"
    next_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CashSeen(Record):
    """Balances of the broker at a reconciliation, and what our and the owner's executions had moved by then."""

    kind: ClassVar[str] = "cash"
    account: str
    balances: dict[str, float] = field(default_factory=dict)  # currency -> balance
    flows: dict[str, float] = field(default_factory=dict)  # currency -> sum of all executions and commissions


@dataclass(frozen=True, slots=True, kw_only=True)
class Killed(Record):
    kind: ClassVar[str] = "killed"
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rearmed(Record):
    kind: ClassVar[str] = "rearmed"
    why: str


_KINDS: tuple[type[Record], ...] = (
    Intended, Sent, Withdrawn, ChangeIntended, ChangeRefused, TermsSeen, CancelIntended, Acknowledged,
    StatusSeen, Refused, ExecutionSeen, CommissionSeen, OutcomeUnknown, Resolved, Carried, Halted, Released,
    OrderIdSeen, CashSeen, Killed, Rearmed,
)  # fmt: skip
RECORDS = {record.kind: record for record in _KINDS}  # kind -> class
