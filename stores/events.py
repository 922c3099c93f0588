"""What the store puts out: frozen records, in the order in which IBKR told of them.

Times are UTC. Sizes are in units (shares), never signed where there is a ``side`` or ``action``; prices are in the
instrument's currency. A number that IBKR leaves unset is None. Names are IBKR's where IBKR has one.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from enum import StrEnum

from stores.codes import Klass, Reaction
from stores.records import ContractKey


class ConnectionState(StrEnum):
    """Where the connection stands. Orders may go out in READY alone."""

    DISCONNECTED = "disconnected"  # no socket; the store tries again by itself
    CONNECTING = "connecting"
    SYNCHRONISING = "synchronising"  # logged in; open orders, completed, executions, positions, account are asked for
    READY = "ready"
    BROKEN = "broken"  # 1100: the socket is fine, but TWS has lost IBKR's servers
    STOPPED = "stopped"


class AccountKind(StrEnum):
    """Read from the account's own name, never from a port or a setting."""

    PAPER = "paper"
    REAL = "real"


class StreamState(StrEnum):
    """Whether a subscription to market data can be relied on."""

    ASKED = "asked"
    LIVE = "live"
    DELAYED = "delayed"  # IBKR sends delayed data instead
    BROKEN = "broken"  # the farm, the servers or the socket are gone; it is subscribed anew by itself
    NOT_SUBSCRIBED = "not_subscribed"  # no permission; asked for again after each log-in
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class ConnectionChanged:
    """``attempt`` counts failed attempts in a row; ``down_since``: since when no orders can go out."""

    state: ConnectionState
    when: dt.datetime
    why: str = ""
    attempt: int = 0
    down_since: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class FarmChanged:
    """A data farm of IBKR: ``kind`` market, history or definitions; it is apart from the state of the socket."""

    kind: str
    name: str
    is_up: bool
    code: int
    when: dt.datetime


@dataclass(frozen=True, slots=True)
class ErrorReported:
    """An error or notice of IBKR, classified. Which id it is about: a request, an order, a stream, or none."""

    code: int
    klass: Klass
    reaction: Reaction
    text: str
    when: dt.datetime
    order_id: int | None = None
    order_ref: str = ""
    req_id: int | None = None
    stream: int | None = None
    on_modify: bool = False  # the order had been acknowledged and a change of it was under way
    advanced_reject: str = ""  # advancedOrderRejectJson


@dataclass(frozen=True, slots=True)
class BarArrived:
    """A bar of a stream; ``start`` and ``seconds`` say which time it covers.

    ``source``: ``realtime`` (5 seconds) or ``update`` (keepUpToDate). ``is_complete`` is False for a bar that still
    grows, which only streams with ``growing`` deliver. ``wap`` and ``count`` are None where IBKR has none.
    ``grown``: when IBKR told of an ``update`` last before the next one began, by the store's clock.
    """

    stream: int
    con_id: int
    start: dt.datetime
    seconds: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    wap: float | None
    count: int | None
    source: str
    is_complete: bool = True
    grown: dt.datetime | None = None

    @property
    def end(self) -> dt.datetime:
        """The close of the bar."""
        return self.start + dt.timedelta(seconds=self.seconds)


@dataclass(frozen=True, slots=True)
class StreamChanged:
    """The state of a subscription; ``code`` is IBKR's, 0 where it is none of its errors."""

    stream: int
    con_id: int
    state: StreamState
    when: dt.datetime
    code: int = 0
    why: str = ""


@dataclass(frozen=True, slots=True)
class TickArrived:
    """A tick of a quote stream; ``kind`` is IBKR's type: 1 bid, 2 ask, 4 last, 49 halted, 89 shortable shares."""

    stream: int
    con_id: int
    kind: int
    value: float
    size: float | None
    when: dt.datetime


@dataclass(frozen=True, slots=True)
class OrderReported:
    """The state of an order as IBKR has it. A status is a state, not an event: repeats and steps back are left out.

    ``filled`` counts what executions have told, too. ``source``: open, status, completed, or execution (no status
    came, the size says so). Cancelled and Inactive are final only together with executions.
    """

    order_id: int
    perm_id: int
    client_id: int
    order_ref: str
    status: str
    filled: float
    remaining: float | None
    avg_fill_price: float | None
    why_held: str
    account: str
    contract: ContractKey
    action: str
    quantity: float
    order_type: str
    limit_price: float | None
    aux_price: float | None
    trail_stop_price: float | None
    trailing_percent: float | None
    tif: str
    good_till: str
    oca_group: str
    parent_id: int
    outside_rth: bool
    source: str
    when: dt.datetime
    completed_status: str = ""
    warning: str = ""

    @property
    def is_done(self) -> bool:
        return self.status in DONE

    @property
    def is_working(self) -> bool:
        return self.status in WORKING


DONE = frozenset({"Filled", "Cancelled", "ApiCancelled", "Inactive"})
WORKING = frozenset({"ApiPending", "PendingSubmit", "PreSubmitted", "Submitted", "PendingCancel"})


@dataclass(frozen=True, slots=True)
class OrderTwinned:
    """IBKR shows several orders of one orderRef: a change has become a second live order. Both have to be looked at."""

    order_ref: str
    perm_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ExecutionReported:
    """A fill, booked once for each execId.

    ``side`` is BOT or SLD. A correction has ``corrects``, the execId that it replaces (do not add them up); one with
    0 shares takes the execution back (``is_bust``). ``is_recovered``: it came as an answer to reqExecutions.
    """

    exec_id: str
    perm_id: int
    order_id: int
    client_id: int
    order_ref: str
    account: str
    contract: ContractKey
    side: str
    shares: float
    price: float
    cum_qty: float
    avg_price: float
    exchange: str
    when: dt.datetime
    corrects: str = ""
    is_recovered: bool = False
    liquidation: bool = False

    @property
    def signed_shares(self) -> float:
        """Above 0 for a purchase."""
        return self.shares if self.side == "BOT" else -self.shares

    @property
    def is_bust(self) -> bool:
        return bool(self.corrects) and self.shares == 0.0


@dataclass(frozen=True, slots=True)
class CommissionReported:
    """The fee of an execution, which has been reported before; ``realized_pnl`` is None for an opening fill."""

    exec_id: str
    commission: float
    currency: str
    realized_pnl: float | None
    order_id: int
    perm_id: int
    order_ref: str


@dataclass(frozen=True, slots=True)
class PositionReported:
    """A position of an account, signed; ``avg_cost`` per unit with commissions."""

    account: str
    contract: ContractKey
    position: float
    avg_cost: float


@dataclass(frozen=True, slots=True)
class PortfolioReported:
    """A position with IBKR's price and value of it."""

    account: str
    contract: ContractKey
    position: float
    market_price: float
    market_value: float
    avg_cost: float
    unrealized_pnl: float
    realized_pnl: float


@dataclass(frozen=True, slots=True)
class AccountValueReported:
    """A value of the account by IBKR's tag, such as NetLiquidation; ``value`` is IBKR's text."""

    account: str
    tag: str
    value: str
    currency: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that IBKR says about the account at one log-in: what is not in here, IBKR does not know (any more).

    ``executions`` and ``completed_orders`` reach back to the start of the current day only. ``executions`` holds the
    valid version of each; all accounts of the log-in and all clients are in it.
    """

    when: dt.datetime
    account: str
    kind: AccountKind
    client_id: int
    next_order_id: int
    open_orders: tuple[OrderReported, ...]
    completed_orders: tuple[OrderReported, ...]
    executions: tuple[ExecutionReported, ...]
    commissions: tuple[CommissionReported, ...]
    positions: tuple[PositionReported, ...]
    account_values: tuple[AccountValueReported, ...]

    def cash(self) -> dict[str, float]:
        """Currency -> balance (CashBalance), without IBKR's sum in the base currency."""
        return {
            each.currency: float(each.value)
            for each in self.account_values
            if each.tag == "CashBalance" and each.currency not in ("BASE", "") and each.account == self.account
        }

    def value(self, tag: str, currency: str = "") -> float | None:
        """A number of the account by tag; of any currency but BASE where none is given. None where there is none."""
        for each in self.account_values:
            if each.tag == tag and each.account == self.account and each.currency != "BASE":
                if not currency or each.currency == currency:
                    return float(each.value)
        return None


@dataclass(frozen=True, slots=True)
class Synchronised:
    """The state of the account is known again; after this event orders may go out. ``is_first`` of this store."""

    snapshot: Snapshot
    is_first: bool
    reason: str = field(default="connected")
    asked_at: dt.datetime | None = None  # when the first question was sent


Event = (
    ConnectionChanged
    | FarmChanged
    | ErrorReported
    | BarArrived
    | StreamChanged
    | TickArrived
    | OrderReported
    | OrderTwinned
    | ExecutionReported
    | CommissionReported
    | PositionReported
    | PortfolioReported
    | AccountValueReported
    | Synchronised
)
