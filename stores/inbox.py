"""What the library's decoder calls, message by message: each goes to the request or the book that it belongs to.

One inbox belongs to one connection; what comes late from a connection that was given up is left alone.
"""

from __future__ import annotations

import datetime as dt
import functools
import logging
from collections.abc import Callable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, TypeVar
from zoneinfo import ZoneInfo

from stores.converting import key_of, number, reported, what_if_of
from stores.events import AccountValueReported, ExecutionReported, PortfolioReported, PositionReported
from stores.execution_book import Fee
from stores.library import UNSET_INTEGER, is_unset
from stores.records import HistoryBar, PriceStep

if TYPE_CHECKING:
    from stores.desk import Desk

logger = logging.getLogger(__name__)
OPEN, COMPLETED, POSITIONS, ACCOUNT = "open orders", "completed orders", "positions", "account"
SHAPES_OF_TICKS = (0, 3, 5, 69, 70, 71, 89)  # sizes: bid, ask, last, their delayed kin, shortable shares
F = TypeVar("F", bound=Callable[..., None])


def message(method: F) -> F:
    """Left alone once the inbox is closed. What fails in it is reported as a fatal error: a lost message is a lost
    fill, and the decoder would only log it."""

    @functools.wraps(method)
    def run(self: Inbox, *values: Any) -> None:
        if self.is_closed:
            return
        try:
            method(self, *values)
        except Exception as error:
            logger.exception("a message of IBKR could not be dealt with")
            self.desk.broken(f"{method.__name__}: {error!r}")

    return run  # type: ignore[return-value]


class Inbox:
    """The wrapper of the library's client. ``zone``: of this TWS, for times without one (server versions < 174)."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.is_closed = False
        self.accounts: tuple[str, ...] = ()
        self.heard = 0.0  # loop time at which anything came last
        self.answering = 0  # id of the request for executions under way
        self.ib = SimpleNamespace(TimezoneTWS="US/Eastern")  # where the libraries look for a zone
        self.defaultTimezone = dt.UTC

    # -- what the library's client expects of a wrapper -----------------------------------------------------------

    def connectAck(self) -> None:
        """The handshake is done."""

    def setEventsDone(self) -> None:
        """The library's own events, which are not used."""

    def connectionClosed(self) -> None:
        """The loss of the socket is seen at the socket itself (``connection``)."""

    def tcpDataArrived(self) -> None:
        self.heard = self.desk.loop_time()

    # -- log-in, time, errors -------------------------------------------------------------------------------------

    @message
    def managedAccounts(self, accounts: str) -> None:
        self.accounts = tuple(name for name in accounts.split(",") if name)

    @message
    def nextValidId(self, order_id: int) -> None:
        self.desk.ids.told(order_id)

    @message
    def currentTime(self, seconds: int) -> None:
        self.desk.requests.time_told(seconds)

    @message
    def error(self, req_id: int, code: int, text: str, reject: str = "") -> None:
        self.desk.faults.arrived(req_id, code, text, reject)

    # -- orders ---------------------------------------------------------------------------------------------------

    @message
    def openOrder(self, order_id: int, contract: Any, order: Any, state: Any) -> None:
        desk = self.desk
        if order.whatIf:
            preview = what_if_of(state)
            request = desk.requests.get(order_id)
            if request is not None:
                request.rows.append(preview)
                if preview.init_margin_change is not None:
                    desk.requests.done(order_id, preview)
            return
        desk.ids.seen(order_id if order.clientId == desk.settings.client_id else 0)
        is_answer = desk.requests.get(OPEN) is not None
        kept = desk.orders.told(reported(order, contract, state, "open", desk.now()), is_answer=is_answer)
        if is_answer:
            desk.requests.row(OPEN, kept.perm_id or (kept.client_id, kept.order_id))

    @message
    def openOrderEnd(self) -> None:
        self.desk.requests.done(OPEN)

    @message
    def completedOrder(self, contract: Any, order: Any, state: Any) -> None:
        kept = self.desk.orders.told(reported(order, contract, state, "completed", self.desk.now()), is_answer=True)
        self.desk.requests.row(COMPLETED, kept.perm_id)

    @message
    def completedOrdersEnd(self) -> None:
        self.desk.requests.done(COMPLETED)

    @message
    def orderStatus(
        self, order_id: int, status: str, filled: float, remaining: float, avg_fill_price: float, perm_id: int,
        parent_id: int, last_fill_price: float, client_id: int, why_held: str, mkt_cap_price: float = 0.0,
    ) -> None:  # fmt: skip
        desk = self.desk
        desk.orders.status(
            client_id, order_id, perm_id, status, filled, remaining, number(avg_fill_price), why_held, parent_id,
            desk.now(), is_answer=desk.requests.get(OPEN) is not None,
        )  # fmt: skip

    # -- executions -----------------------------------------------------------------------------------------------

    @message
    def execDetails(self, req_id: int, contract: Any, told: Any) -> None:
        desk = self.desk
        execution = ExecutionReported(
            exec_id=told.execId, perm_id=int(told.permId), order_id=_order_id(told.orderId),
            client_id=int(told.clientId), order_ref=told.orderRef, account=told.acctNumber,
            contract=key_of(contract), side=told.side, shares=float(told.shares), price=float(told.price),
            cum_qty=float(told.cumQty), avg_price=float(told.avgPrice), exchange=told.exchange,
            when=told.time.astimezone(dt.UTC), is_recovered=desk.requests.get(req_id) is not None,
            liquidation=bool(told.liquidation),
        )  # fmt: skip
        if execution.is_recovered:
            desk.requests.row(req_id, execution)  # they are booked in order of time and version, once all are there
        else:
            desk.book(execution)

    @message
    def execDetailsEnd(self, req_id: int) -> None:
        request = self.desk.requests.get(req_id)
        for execution in sorted(request.rows, key=lambda each: (each.when, each.exec_id)) if request else ():
            self.desk.book(execution)
        self.desk.requests.done(req_id)

    @message
    def commissionReport(self, told: Any) -> None:
        realized = float(told.realizedPNL)
        self.desk.executions.charged(
            Fee(told.execId, float(told.commission), told.currency, None if is_unset(realized) else realized)
        )

    # -- account --------------------------------------------------------------------------------------------------

    @message
    def position(self, account: str, contract: Any, size: float, avg_cost: float) -> None:
        self.desk.account.position(PositionReported(account, key_of(contract), size, avg_cost))

    @message
    def positionEnd(self) -> None:
        self.desk.account.positions_end()
        self.desk.requests.done(POSITIONS)

    @message
    def updateAccountValue(self, tag: str, value: str, currency: str, account: str) -> None:
        self.desk.account.value(AccountValueReported(account, tag, value, currency))

    @message
    def updatePortfolio(
        self, contract: Any, size: float, price: float, value: float, avg_cost: float, unrealized: float,
        realized: float, account: str,
    ) -> None:  # fmt: skip
        self.desk.outlet.put(
            PortfolioReported(account, key_of(contract), size, price, value, avg_cost, unrealized, realized)
        )

    @message
    def accountDownloadEnd(self, account: str) -> None:
        self.desk.requests.done(ACCOUNT)

    # -- contracts ------------------------------------------------------------------------------------------------

    @message
    def contractDetails(self, req_id: int, details: Any) -> None:
        self.desk.requests.row(req_id, details)

    bondContractDetails = contractDetails

    @message
    def contractDetailsEnd(self, req_id: int) -> None:
        self.desk.requests.done(req_id)

    @message
    def marketRule(self, rule: int, steps: Any) -> None:
        self.desk.requests.done(
            f"market rule {rule}", tuple(PriceStep(float(each.lowEdge), float(each.increment)) for each in steps)
        )

    # -- market data ----------------------------------------------------------------------------------------------

    @message
    def realtimeBar(
        self, req_id: int, time: int, open_: float, high: float, low: float, close: float, volume: float, wap: float,
        count: int,
    ) -> None:  # fmt: skip
        start = dt.datetime.fromtimestamp(time, dt.UTC)
        self.desk.streams.real_time(req_id, start, (open_, high, low, close, volume), wap, count)

    @message
    def historicalData(self, req_id: int, bar: Any) -> None:
        stream = self.desk.streams.of(req_id)
        if stream is None:
            self.desk.requests.row(req_id, _history_bar(bar))
        else:
            self._updated(req_id, bar)

    @message
    def historicalDataEnd(self, req_id: int, start: str, end: str) -> None:
        self.desk.requests.done(req_id)

    @message
    def historicalDataUpdate(self, req_id: int, bar: Any) -> None:
        self._updated(req_id, bar)

    def _updated(self, req_id: int, bar: Any) -> None:
        made = _history_bar(bar)
        start = made.start
        if not isinstance(start, dt.datetime):
            start = dt.datetime(start.year, start.month, start.day, tzinfo=dt.UTC)
        self.desk.streams.updated(
            req_id, start, (made.open, made.high, made.low, made.close, made.volume), made.wap or 0.0,
            -1 if made.count is None else made.count,
        )  # fmt: skip

    @message
    def headTimestamp(self, req_id: int, told: str) -> None:
        self.desk.requests.done(req_id, _moment(told))

    @message
    def priceSizeTick(self, req_id: int, kind: int, price: float, size: float) -> None:
        self.desk.streams.ticked(req_id, kind, price, size)

    @message
    def tickSize(self, req_id: int, kind: int, size: float) -> None:
        if kind in SHAPES_OF_TICKS:
            self.desk.streams.ticked(req_id, kind, size, None)

    @message
    def tickGeneric(self, req_id: int, kind: int, value: float) -> None:
        self.desk.streams.ticked(req_id, kind, value, None)

    @message
    def marketDataType(self, req_id: int, kind: int) -> None:
        self.desk.streams.data_type(req_id, kind)


def _order_id(order_id: int) -> int:
    """Executions of orders made by hand have IBKR's mark for none."""
    return 0 if order_id == UNSET_INTEGER else int(order_id)


def _history_bar(bar: Any) -> HistoryBar:
    count, wap = int(bar.barCount), float(bar.average)
    return HistoryBar(
        _moment(str(bar.date)), bar.open, bar.high, bar.low, bar.close, max(float(bar.volume), 0.0),
        wap if wap > 0 else None, count if count >= 0 else None,
    )  # fmt: skip


def _moment(told: str) -> dt.datetime | dt.date:
    """Seconds since 1970, ``yyyymmdd`` (a date), or ``yyyymmdd hh:mm:ss zone``; without a zone it is UTC."""
    if len(told) == 8:
        return dt.datetime.strptime(told, "%Y%m%d").date()  # noqa: DTZ007 - a date
    if told.lstrip("-").isdigit():
        return dt.datetime.fromtimestamp(int(told), dt.UTC)
    day, clock, *zone = told.replace("-", " ").split()
    naive = dt.datetime.strptime(f"{day} {clock}", "%Y%m%d %H:%M:%S")  # noqa: DTZ007 - its zone comes next
    return naive.replace(tzinfo=ZoneInfo(zone[0]) if zone else dt.UTC).astimezone(dt.UTC)
