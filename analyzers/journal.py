"""Every order, fill, closed trade and refusal of a strategy: one event in the journal and one structured log line."""

from __future__ import annotations

import datetime as dt
import logging
import math
from dataclasses import asdict
from enum import Enum
from typing import Any

import backtrader as bt

from analyzers.trades import Trades
from analyzers.wiring import Executions, info_of, unit_of, utc_time
from books.journal import EventKind, Journal
from core.errors import LedgerError
from core.logs import log_event
from core.naming import symbol_of

_LOGGER = logging.getLogger(__name__)


class JournalWriter(bt.Analyzer):
    """Writes the events of its strategy.

    Params:
      - ``journal`` (None): a ``books.journal.Journal``; None logs only
      - ``batch`` (1): events that are written to the journal together. 1 makes each durable at once, as live trading
        needs; a backtest may take thousands, since it can be repeated. ``stop`` writes what is left
      - ``must_write`` (True): a journal that fails raises LedgerError. False keeps the error in ``failure`` and goes on
        with log lines alone: a disk that fills up must not cost a backtest its result

    Events, by ``books.journal.EventKind``; money and prices in the instrument's currency unless the name says EUR:
      - ``order``: a new status: ref, unit, instrument, role, reason, kind, side, size, price, limit, trade, status
      - ``fill``: ref, unit, instrument, role, reason, trade, size (signed), price, commission
      - ``trade``: a closed trade, the fields of ``books.trades.TradeRow``
      - ``refusal``: ref, unit, instrument, role, side, size, refusal, detail

    ``get_analysis()`` gives the number of events by kind.
    """

    params = (("journal", None), ("batch", 1), ("must_write", True))
    leaps = True  # trades close where something fills, and such bars are not leapt over

    def __init__(self) -> None:
        self._trades = Trades()  # a child: backtrader passes it all that this analyzer is told

    def create_analysis(self) -> None:
        self.rets: dict[str, int] = {}

    def start(self) -> None:
        self._unit = unit_of(self.strategy)
        self._executions = Executions()
        self._status: dict[int, int] = {}  # order.ref -> last status written
        self._trades_seen = 0
        self.failure: LedgerError | None = None
        self._pending: list[tuple[str, dt.datetime, dict[str, Any]]] = []

    def notify_order(self, order: Any) -> None:
        if self.p.journal is None and not _LOGGER.isEnabledFor(logging.INFO):
            self._count_order(order)
            return
        number = order.executed.dt or self.strategy.lines.datetime[0]
        about = {
            "ref": order.ref,
            "unit": self._unit,
            "instrument": symbol_of(order.data),
            "role": str(info_of(order, "role")),
        }
        execution = self._executions.of(order)
        if execution is not None:
            self._write(
                EventKind.FILL,
                utc_time(number),
                about
                | {"reason": info_of(order, "reason"), "trade": info_of(order, "trade")}
                | {"size": execution.size, "price": execution.price, "commission": execution.commission},
            )
        if self._status.get(order.ref) == order.status:
            return
        self._status[order.ref] = order.status
        submitted = order.status in (order.Created, order.Submitted)
        now = utc_time(order.created.dt if submitted else self.strategy.lines.datetime[0])
        asked = {"side": "buy" if order.isbuy() else "sell", "size": abs(order.created.size)}
        refusal = info_of(order, "refusal")
        if refusal:
            detail = info_of(order, "refusal_detail")
            self._write(EventKind.REFUSAL, now, about | asked | {"refusal": refusal, "detail": detail})
            return
        conditional = order.exectype not in (order.Market, order.Close)
        asked |= {
            "reason": info_of(order, "reason"),
            "trade": info_of(order, "trade"),
            "kind": order.getordername(),
            "price": order.created.price if conditional else None,
            "limit": order.created.plimit,
            "status": order.getstatusname(),
        }
        self._write(EventKind.ORDER, now, about | asked)

    def _count_order(self, order: Any) -> None:
        """What ``notify_order`` counts where nobody reads the events."""
        if self._executions.of(order) is not None:
            self._count(EventKind.FILL)
        if self._status.get(order.ref) != order.status:
            self._status[order.ref] = order.status
            self._count(EventKind.REFUSAL if info_of(order, "refusal") else EventKind.ORDER)

    def _count(self, kind: EventKind) -> None:
        self.rets[kind.value] = self.rets.get(kind.value, 0) + 1

    def next(self) -> None:
        self._write_trades()

    def stop(self) -> None:
        self._write_trades()
        self.flush()

    def flush(self) -> None:
        """Write the events that wait for their batch."""
        if self._pending and self.p.journal is not None and self.failure is None:
            journal: Journal = self.p.journal
            try:
                journal.extend(self._pending)
            except LedgerError as error:
                if self.p.must_write:
                    raise
                self.failure = error
        self._pending = []

    def _write_trades(self) -> None:
        rows, self._trades_seen = self._trades.closed_since(self._trades_seen)
        for row in rows:
            self._write(EventKind.TRADE, row.exit_time or utc_time(self.strategy.lines.datetime[0]), asdict(row))

    def _write(self, kind: EventKind, when: dt.datetime, payload: dict[str, Any]) -> None:
        log_event(_LOGGER, kind.value, when=when, **payload)
        self._count(kind)
        if self.p.journal is not None:
            self._pending.append((kind.value, when, {key: _plain(value) for key, value in payload.items()}))
            if len(self._pending) >= self.p.batch:
                self.flush()


def _plain(value: Any) -> Any:
    """Return a value that JSON can hold."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, dt.datetime):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
