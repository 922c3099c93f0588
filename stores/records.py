"""What callers give the store: contracts, orders; and what it tells of instruments. Frozen, in plain types."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace

from stores.errors import RequestError

MOST_OF_A_REF = 64  # characters of an orderRef that survive a TWS


@dataclass(frozen=True, slots=True)
class ContractSpec:
    """What to look for at IBKR. ``con_id`` alone is enough; else symbol, kind, exchange and currency.

    ``sec_type``: STK, CASH, ETF-like stocks are STK, FUT, IND, CFD. ``primary_exchange`` tells apart stocks of one
    symbol that are listed at several places.
    """

    symbol: str = ""
    sec_type: str = "STK"
    exchange: str = "SMART"
    currency: str = "USD"
    primary_exchange: str = ""
    con_id: int = 0
    local_symbol: str = ""
    expiry: str = ""

    def __str__(self) -> str:
        parts = (
            ("symbol", self.symbol), ("sec_type", self.sec_type), ("exchange", self.exchange),
            ("currency", self.currency), ("primary_exchange", self.primary_exchange), ("con_id", self.con_id),
            ("local_symbol", self.local_symbol), ("expiry", self.expiry),
        )  # fmt: skip
        return " ".join(f"{name}={value}" for name, value in parts if value)


@dataclass(frozen=True, slots=True)
class ContractKey:
    """The contract of an order, execution or position, as it came."""

    con_id: int
    symbol: str
    sec_type: str
    currency: str
    exchange: str = ""
    local_symbol: str = ""


@dataclass(frozen=True, slots=True)
class Instrument:
    """A contract that IBKR knows. ``min_tick`` in price; ``market_rule``: its number on the exchange it is routed to.

    ``trading_hours`` and ``liquid_hours``: (open, close) in UTC, for the days ahead that IBKR tells of.
    """

    con_id: int
    symbol: str
    sec_type: str
    exchange: str
    currency: str
    primary_exchange: str
    local_symbol: str
    trading_class: str
    multiplier: float
    min_tick: float
    market_rule: int
    long_name: str
    time_zone: str
    order_types: frozenset[str]
    trading_hours: tuple[tuple[dt.datetime, dt.datetime], ...]
    liquid_hours: tuple[tuple[dt.datetime, dt.datetime], ...]
    min_size: float = 0.0
    size_increment: float = 0.0
    expiry: str = ""

    @property
    def key(self) -> ContractKey:
        return ContractKey(
            self.con_id, self.symbol, self.sec_type, self.currency, self.exchange, self.local_symbol
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class PriceStep:
    """From ``low_edge`` (price) on, prices are multiples of ``increment``."""

    low_edge: float
    increment: float


@dataclass(frozen=True, slots=True)
class HistoryBar:
    """A bar of history. ``start`` in UTC; a daily bar has a date instead, that of its session.

    ``wap`` and ``count`` are None where IBKR has none, as for midpoints.
    """

    start: dt.datetime | dt.date
    open: float
    high: float
    low: float
    close: float
    volume: float
    wap: float | None
    count: int | None


@dataclass(frozen=True, slots=True)
class OrderTerms:
    """An order as it is sent. ``order_id`` comes from ``IBStore.next_order_id``; ``order_ref`` is unique to an intent.

    ``kind``: MKT, LMT, STP, ``STP LMT``, TRAIL, ``TRAIL LIMIT``, MOC, LOC, MIDPRICE. ``aux_price``: the trigger of a
    stop, the distance of a trail. ``good_till``: UTC, needs ``tif`` GTD. ``transmit`` is False on all but the last
    order of a bracket. ``outside_rth``: fills outside regular hours are allowed.
    """

    order_id: int
    order_ref: str
    action: str
    quantity: float
    kind: str
    tif: str = "DAY"
    limit_price: float | None = None
    aux_price: float | None = None
    trail_stop_price: float | None = None
    trailing_percent: float | None = None
    limit_offset: float | None = None
    good_till: dt.datetime | None = None
    good_after: dt.datetime | None = None
    oca_group: str = ""
    oca_type: int = 0
    parent_id: int = 0
    transmit: bool = True
    outside_rth: bool = False
    account: str = ""
    all_or_none: bool = False
    trigger_method: int = 0
    override: str = ""  # advancedErrorOverride: a person's decision about an advanced rejection

    def checked(self) -> OrderTerms:
        """The same order; raises RequestError for what IBKR would refuse, or would understand in another way."""
        where = f"order {self.order_ref or self.order_id}"
        if self.order_id <= 0:
            raise RequestError(f"{where} has the id {self.order_id}; take one from next_order_id()")
        if self.action not in ("BUY", "SELL"):
            raise RequestError(f"{where}: the action {self.action!r} is none; use BUY or SELL")
        if not 0 < self.quantity < float("inf"):
            raise RequestError(f"{where}: a quantity of {self.quantity} cannot be traded; give more than 0")
        if not self.tif:
            raise RequestError(f"{where} has no time in force, so a preset of TWS would choose one; give DAY or GTC")
        if len(self.order_ref) > MOST_OF_A_REF or not self.order_ref.isprintable():
            raise RequestError(f"{where}: an orderRef has at most {MOST_OF_A_REF} printable characters; shorten it")
        if (self.tif == "GTD") != (self.good_till is not None):
            raise RequestError(f"{where}: tif GTD and good_till belong together; give both or neither")
        for name in _NEEDS.get(self.kind, ()):
            if getattr(self, name) is None:
                raise RequestError(f"{where}: a {self.kind} order needs {name}")
        if self.kind.startswith("TRAIL") and (self.aux_price is None) == (self.trailing_percent is None):
            raise RequestError(f"{where}: a trail has a distance (aux_price) or a trailing_percent; give one of both")
        return self

    def with_id(self, order_id: int) -> OrderTerms:
        return replace(self, order_id=order_id)


_NEEDS = {
    "LMT": ("limit_price",),
    "LOC": ("limit_price",),
    "STP": ("aux_price",),
    "STP LMT": ("aux_price", "limit_price"),
    "TRAIL LIMIT": ("limit_offset",),
}


@dataclass(frozen=True, slots=True)
class WhatIf:
    """What an order would do: margins in the account's base currency, fees in theirs; None where IBKR sets none."""

    init_margin_before: float | None
    init_margin_after: float | None
    init_margin_change: float | None
    maint_margin_before: float | None
    maint_margin_after: float | None
    maint_margin_change: float | None
    equity_with_loan_before: float | None
    equity_with_loan_after: float | None
    commission: float | None
    min_commission: float | None
    max_commission: float | None
    commission_currency: str
    warning: str = ""
