"""The event log of one run, and how values are written into it: floats by their bits, NaN equal, types kept."""

from __future__ import annotations

import array
from collections.abc import Iterable, Mapping
from typing import Any

import backtrader as bt
import numpy as np

ORDER = (
    "ref", "class", "data", "status", "exectype", "size", "price", "pricelimit", "valid", "tradeid", "dteos",
    "trailamount", "trailpercent", "transmit", "parent", "oco", "triggered", "active", "limitoffset", "plen",
    "created", "executed", "bits", "pending", "pannotated", "comminfo", "broker", "info", "alive", "histnotify",
)  # fmt: skip
DATA = (
    "dt", "size", "price", "pricelimit", "remsize", "pclose", "trailamount", "trailpercent", "plimit", "value", "comm",
    "margin", "pnl", "psize", "pprice", "p1", "p2",
)  # fmt: skip
BIT = (
    "dt", "size", "price", "closed", "closedvalue", "closedcomm", "opened", "openedvalue", "openedcomm", "value",
    "comm", "pnl", "psize", "pprice",
)  # fmt: skip
TRADE = (
    "ref", "data", "tradeid", "status", "size", "price", "value", "commission", "pnl", "pnlcomm", "justopened",
    "isopen", "isclosed", "baropen", "dtopen", "barclose", "dtclose", "barlen", "long", "historyon", "history",
)  # fmt: skip
BAR = ("lens", "dt", "datas", "indicators", "account", "positions", "orders")
ACCOUNT = (
    "cash", "value", "value lever", "value mkt", "fundvalue", "fundshares", "leverage", "unrealized", "credit",
)  # fmt: skip
POSITION = ("data", "size", "price", "price_orig", "adjbase", "upopened", "upclosed", "datetime")
FIELDS = {"order": ORDER, "trade": TRADE, "bar": BAR, "open": BAR, "account": ACCOUNT, "own order": ORDER}


class Floats:
    """Many floats as one value: printed as hexadecimal bits, with one NaN only."""

    def __init__(self, values: Iterable[float]) -> None:
        numbers = np.array(list(values) if not isinstance(values, array.array) else values, dtype=float)
        numbers[np.isnan(numbers)] = np.nan
        self.numbers = numbers

    def __repr__(self) -> str:
        return self.numbers.tobytes().hex()


class Tape:
    """Events as (kind, (strategy, bar), values), in the order in which they happened."""

    def __init__(self) -> None:
        self.events: list[tuple[str, Any, Any]] = []
        self._orders, self._trades = next(bt.Order.refbasis), next(bt.Trade.refbasis)  # the first of the run is 1
        self.at: tuple[int, int] = (-1, 0)

    def add(self, kind: str, *values: Any) -> None:
        self.events.append((kind, self.at, values))

    def order_ref(self, ref: int) -> int:
        return ref - self._orders

    def order(self, order: Any) -> tuple[Any, ...]:
        """Every attribute of an order that stock has, references as numbers from 1."""
        parent = order.parent
        return (
            self.order_ref(order.ref), type(order).__name__, _name(order.data), order.status, order.exectype,
            order.size, order.price, order.pricelimit, order.valid, order.tradeid, order.dteos, order.trailamount,
            order.trailpercent, order.transmit, parent and self.order_ref(parent.ref),
            order.oco and self.order_ref(order.oco.ref), order.triggered, order.active(), order._limitoffset,
            getattr(order, "plen", "none"), order_data(order.created), order_data(order.executed),
            tuple(_bit(bit) for bit in order.executed.exbits),
            tuple(_bit(bit) for bit in order.executed.getpending()), vars(order).get("pannotated", "none"),
            order.comminfo and type(order.comminfo).__name__, order.broker is None,
            tuple((k, plain(v)) for k, v in order.info.items()), order.alive(), order.histnotify,
        )  # fmt: skip

    def trade(self, trade: Any) -> tuple[Any, ...]:
        """Every attribute of a trade, its history included."""
        history = tuple(self._entry(entry) for entry in trade.history)
        return (
            trade.ref - self._trades, _name(trade.data), trade.tradeid, trade.status, trade.size, trade.price,
            trade.value, trade.commission, trade.pnl, trade.pnlcomm, trade.justopened, trade.isopen, trade.isclosed,
            trade.baropen, trade.dtopen, trade.barclose, trade.dtclose, trade.barlen, vars(trade).get("long", "none"),
            trade.historyon, history,
        )  # fmt: skip

    def _entry(self, entry: Any) -> tuple[Any, ...]:
        status, event = entry.status, entry.event
        return (
            status.status, status.dt, status.barlen, status.size, status.price, status.value, status.pnl,
            status.pnlcomm, str(status.tz), self.order_ref(event.order.ref), event.size, event.price, event.commission,
        )  # fmt: skip


def order_data(data: Any) -> tuple[Any, ...]:
    return (
        data.dt, data.size, data.price, data.pricelimit, data.remsize, data.pclose, data.trailamount, data.trailpercent,
        data.plimit, data.value, data.comm, data.margin, data.pnl, data.psize, data.pprice, data.p1, data.p2,
    )  # fmt: skip


def _bit(bit: Any) -> tuple[Any, ...]:
    return (
        bit.dt, bit.size, bit.price, bit.closed, bit.closedvalue, bit.closedcomm, bit.opened, bit.openedvalue,
        bit.openedcomm, bit.value, bit.comm, bit.pnl, bit.psize, bit.pprice,
    )  # fmt: skip


def account(broker: Any) -> tuple[Any, ...]:
    """Of the broker; nothing here changes it."""
    return (
        broker.getcash(), broker.getvalue(), broker.get_value(lever=True), broker.get_value(mkt=True),
        broker.fundvalue, broker.fundshares, broker.get_leverage(), broker._unrealized,
        tuple((_name(data), value) for data, value in broker.d_credit.items() if value),
    )  # fmt: skip


def positions(broker: Any) -> tuple[Any, ...]:
    """In the order of insertion (trap 7), without making one."""
    return tuple(
        (
            _name(data), p.size, p.price, vars(p).get("price_orig", "none"), p.adjbase, p.upopened, p.upclosed,
            str(vars(p).get("datetime", "none")),
        )
        for data, p in broker.positions.items()
    )  # fmt: skip


def plain(value: Any) -> Any:
    """Analyses and the like as tuples, in their order; objects by the name of their class."""
    if isinstance(value, Mapping):
        return (type(value).__name__, *((plain(k), plain(v)) for k, v in value.items()))
    if isinstance(value, (list, tuple)):
        return (type(value).__name__, *(plain(v) for v in value))
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if isinstance(value, bt.AbstractDataBase):
        return _name(value)
    return f"<{type(value).__name__}>"


def _name(data: Any) -> str:
    return str(getattr(data, "_name", None) or type(data).__name__)


def lines_of(thing: Any) -> Iterable[Any]:
    """The lines of an indicator, a data or an operation (which is its own one line)."""
    lines = thing.lines
    return lines if isinstance(lines, list) else lines.itersize()


def analysis(analyzer: Any) -> Any:
    """What it has, or the error that asking gives: some cannot answer before their end."""
    try:
        return plain(analyzer.get_analysis())
    except Exception as error:
        return type(error).__name__, str(error)
