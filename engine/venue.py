"""What a broker of backtrader and the place where its orders are filled say to each other.

A venue is the gateway's market within the process (a backtest), IBKR (live), or the record of a day (a replay). The
broker is the same for all three (``engine.venue_broker``), so that an order stream cannot depend on which of them it
is. Names and order types are IBKR's. Prices are in the instrument's currency, times are UTC.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from core.orders import Refusal

Action = Literal["BUY", "SELL"]
End = Literal["cancelled", "expired", "rejected", "margin"]


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueOrder:
    """An order as it is sent. ``ref`` is backtrader's and unique within a run.

    ``kind``: MKT, LMT, STP, ``STP LMT``, TRAIL, ``TRAIL LIMIT``, MOC, LOC. ``aux_price``: the trigger of a stop, the
    distance of a trail. ``parent``: ref of the bracket's parent, which stands before it. Orders of one ``oca_group``
    reduce each other by what they fill.
    """

    ref: int
    unit: str
    symbol: str
    action: Action
    quantity: float  # > 0
    kind: str
    tif: str  # DAY, GTC, GTD
    bar: dt.datetime  # close of the bar on which it was decided
    limit_price: float | None = None
    aux_price: float | None = None
    trail_stop_price: float | None = None
    trailing_percent: float | None = None  # percent: 2.0 = 2%
    limit_offset: float | None = None
    good_till: dt.datetime | None = None
    parent: int | None = None
    oca_group: str = ""
    role: str = ""  # core.orders.Role
    trade: str = ""  # shared by the orders of a trade, both legs of a pair included
    leg: str = ""  # the instrument's place in its unit: "y", "x"; empty with a single instrument
    reason: str = ""

    @property
    def sign(self) -> int:
        return 1 if self.action == "BUY" else -1

    @property
    def decision(self) -> tuple[object, ...]:
        """What must be equal in a backtest and live: everything but ``ref``."""
        return (
            self.bar, self.unit, self.symbol, self.action, self.quantity, self.kind, self.tif, self.limit_price,
            self.aux_price, self.trail_stop_price, self.trailing_percent, self.limit_offset, self.good_till, self.role,
            self.trade, self.reason,
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Something that became of the order ``ref``."""

    ref: int
    when: dt.datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted(Report):
    """The order works at the venue, or waits there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled(Report):
    """A fill of ``quantity`` > 0 units. ``is_quoted``: at a quote that was shown, so no spread is to be added.

    ``volume``: of the bar that filled it, units; 0 = there was none, or it is not known.
    """

    exec_id: str
    quantity: float
    price: float
    adds_liquidity: bool = False
    is_quoted: bool = True
    is_estimate: bool = False  # concluded from a position
    volume: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Corrected(Report):
    """The execution ``corrects`` was ``quantity`` units at ``price`` (0 units: it is taken back)."""

    exec_id: str
    corrects: str
    quantity: float
    price: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Charged(Report):
    """What an execution cost, all fees, in ``currency``."""

    exec_id: str
    fees: float
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Resized(Report):
    """The venue works another total quantity: exits of a bracket, orders of an OCA group."""

    quantity: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRefused(Report):
    """A modification was refused; the terms of before work."""

    code: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended(Report):
    """The order fills no more, unless a late fill comes. ``code``: of the venue, 0 = none."""

    how: End
    code: int = 0
    text: str = ""


@dataclass(frozen=True, slots=True)
class Carried:
    """An order of an earlier run of the process, with all that became of it."""

    order: VenueOrder
    reports: tuple[Report, ...]
    is_working: bool


class VenueRefused(Exception):  # noqa: N818 - not an error of the program: the broker turns it into a rejection
    """``Venue.place`` sent nothing of these orders, for this reason."""

    def __init__(self, refusal: Refusal, detail: str) -> None:
        super().__init__(detail)
        self.refusal = refusal
        self.detail = detail


class Venue(Protocol):
    """A place where orders are filled."""

    def open(self) -> Sequence[Carried]:
        """Begin; what there was before, in the order in which it was sent."""

    def play(
        self, until: dt.datetime | None, wake: Callable[[], dt.datetime | None]
    ) -> Iterator[tuple[dt.datetime, Sequence[Report]]]:
        """Let time pass up to ``until`` (None: a venue whose time passes by itself) and yield what is reported.

        Each item is a moment with its reports, in order of time; the broker may place and cancel between two items.
        An item without reports is yielded at the moment that ``wake`` names, if one is due.
        """

    def place(self, orders: Sequence[VenueOrder]) -> None:
        """Send orders together, all or none: a bracket parent first, the legs of a pair one after the other.

        Raises VenueRefused where nothing was sent.
        """

    def cancel(self, ref: int, why: str) -> None:
        """Ask to cancel an order; a fill can still come. Of an order that has ended it changes nothing."""

    def modify(self, order: VenueOrder) -> None:
        """Ask for other terms of a working order (same ref). Raises VenueRefused where it was not sent."""

    def why_no_entries(self, symbol: str) -> str:
        """Why no position in ``symbol`` may be opened now (blind, delayed data, halted); "" = it may."""

    def close(self) -> None:
        """The run is over. Orders stay as they are."""


class VenueListener(Protocol):
    """Who records what a broker does: a day's record, the parity test."""

    def sent(self, orders: Sequence[VenueOrder]) -> None:
        """These orders are about to be sent."""

    def cancelled(self, ref: int, why: str) -> None:
        """An order is about to be cancelled."""

    def reported(self, when: dt.datetime, reports: Iterable[Report]) -> None:
        """The broker is about to take these in."""

    def marked(self, when: dt.datetime, equity_eur: float) -> None:
        """A bar is over, the account is marked, strategies are about to decide."""
