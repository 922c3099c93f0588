"""The store: Interactive Brokers for threads that trade. It owns a thread, an event loop, and the connection."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
from types import TracebackType
from typing import Any

from core.clock import Clock, SystemClock
from stores.account import kind_of
from stores.connection import Connection
from stores.converting import contract_of, order_of
from stores.desk import Desk
from stores.errors import NotSentError, UnansweredError
from stores.events import (
    AccountKind,
    AccountValueReported,
    ConnectionState,
    Event,
    ExecutionReported,
    OrderReported,
    PositionReported,
)
from stores.outlet import Outlet
from stores.pacing import ORDERS
from stores.records import ContractSpec, HistoryBar, Instrument, OrderTerms, PriceStep, WhatIf
from stores.settings import StoreSettings
from stores.streams import QUOTES, REALTIME, UPDATES
from stores.synchronising import ask_completed, ask_executions, ask_open, ask_positions
from stores.thread import StoreThread

logger = logging.getLogger(__name__)


class IBStore:
    """Speaks to TWS or IB Gateway. All methods may be called from any thread but the store's own (so: not from a
    listener); they wait for their result and raise a ``StoreError``, ``UnansweredError`` or ``RequestError``.

    ``events``: what IBKR tells, in order of arrival. The connection is kept by itself: while it is lost, calls raise
    NotSentError, subscriptions wait, and after each log-in a ``Synchronised`` event says what is true. Only in state
    READY orders go out.
    """

    def __init__(self, settings: StoreSettings, clock: Clock | None = None) -> None:
        self.settings = settings
        self.clock = clock or SystemClock()
        self.events: Outlet[Event] = Outlet()
        self._thread = StoreThread(settings, self.clock, self.events)

    # -- life -----------------------------------------------------------------------------------------------------

    def start(self, *, wait: bool = True) -> IBStore:
        """Connect. With ``wait``: until it is ready, at most ``start_timeout``; else it goes on trying by itself.

        Raises UnreachableError with the reason of the last attempt, AccountError, or LibraryError.
        """
        self._thread.start(wait)
        return self

    def stop(self) -> None:
        """Close the connection and end the thread. Orders at IBKR stay as they are."""
        self._thread.stop()

    def __enter__(self) -> IBStore:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def _desk(self) -> Desk:
        return self._thread.desk

    # -- state ----------------------------------------------------------------------------------------------------

    @property
    def _connection(self) -> Connection | None:
        desk = self._thread.desk_if_any
        return desk.connection if desk is not None else None

    @property
    def state(self) -> ConnectionState:
        connection = self._connection
        return connection.state if connection is not None else ConnectionState.DISCONNECTED

    @property
    def is_ready(self) -> bool:
        """Whether orders may go out."""
        return self.state is ConnectionState.READY

    def why_not_ready(self) -> str:
        """A sentence with the cure; empty where it is ready."""
        return "" if self.is_ready else self._desk.connection.why_not()

    @property
    def account(self) -> str:
        """The account that is traded; empty before the first log-in."""
        return self._connection.account if self._connection is not None else ""

    @property
    def accounts(self) -> tuple[str, ...]:
        """All accounts of the log-in (managedAccounts)."""
        return self._connection.accounts if self._connection is not None else ()

    @property
    def account_kind(self) -> AccountKind:
        """Paper or real, by the account's own name. Raises NotSentError before the first log-in."""
        if not self.account:
            raise NotSentError("the account is not known before the first log-in; wait until the store is ready")
        return kind_of(self.account)

    @property
    def port(self) -> int:
        """The port that is used now: IBKR's 1300 can change it."""
        return self._connection.port if self._connection is not None else self.settings.port

    @property
    def server_version(self) -> int:
        return self._connection.server_version if self._connection is not None else 0

    def farms(self) -> dict[tuple[str, str], bool]:
        """(kind, name) -> whether the data farm is up; kinds: market, history, definitions."""
        return dict(self._desk.farms)

    # -- contracts and history ------------------------------------------------------------------------------------

    def qualify(self, spec: ContractSpec, *, fresh: bool = False) -> Instrument:
        """The one instrument that fits; remembered, unless ``fresh``. Raises ContractError: unknown, or ambiguous."""
        return self._thread.call(self._thread.contracts.qualify(spec, fresh))

    def market_rule(self, number: int) -> tuple[PriceStep, ...]:
        """The price steps of ``Instrument.market_rule``."""
        return self._thread.call(self._thread.contracts.rule(number))

    def history(
        self,
        instrument: Instrument,
        *,
        duration: str,
        bar: str,
        end: dt.datetime | None = None,
        what: str = "TRADES",
        rth: bool = True,
    ) -> list[HistoryBar]:
        """Bars up to ``end`` (UTC; None: now), as IBKR counts ``duration`` (``"1 D"``, ``"3600 S"``).

        Waits for its turn where IBKR paces, asks again after a pacing violation or an outage of the history farm.
        Empty where IBKR has no data. Raises RequestRefused, UnansweredError, NotSentError, RequestError.
        """
        return self._thread.call(self._desk.history.bars(instrument, end, duration, bar, what, rth))

    def head_timestamp(self, instrument: Instrument, *, what: str = "TRADES", rth: bool = True) -> dt.datetime:
        """The earliest moment for which IBKR has data, UTC."""
        return self._thread.call(self._desk.history.head(instrument, what, rth))

    # -- streams --------------------------------------------------------------------------------------------------

    def subscribe_bars(
        self,
        instrument: Instrument,
        *,
        kind: str = REALTIME,
        what: str = "TRADES",
        rth: bool = True,
        bar: str = "1 min",
        duration: str = "1 D",
        growing: bool = False,
    ) -> int:
        """Subscribe to bars; returns the stream's handle, which stays the same over reconnects.

        ``kind`` realtime: bars of 5 seconds. ``update``: keepUpToDate with bars of ``bar``, which begin with those of
        ``duration`` back; the last of them is told when the next one begins, and while it grows with ``growing``.
        Without a connection the stream waits for the next one.
        """
        options: dict[str, Any] = {"what": what, "rth": rth}
        if kind == UPDATES:
            options |= {"bar": bar, "duration": duration, "growing": growing}
        return self._thread.call(self._subscribe(instrument, kind, options))

    def subscribe_quotes(self, instrument: Instrument, *, generic: str = "") -> int:
        """Subscribe to ticks (``generic``: IBKR's list, such as 236 for shortable shares); returns the handle."""
        return self._thread.call(self._subscribe(instrument, QUOTES, {"generic": generic}))

    async def _subscribe(self, instrument: Instrument, kind: str, options: dict[str, Any]) -> int:
        desk = self._desk
        stream = desk.streams.add(instrument, kind, **options)
        if desk.connection.is_up:
            desk.spawn(desk.subscriber.ask(stream))
            await asyncio.sleep(0)
        return stream.handle

    def unsubscribe(self, handle: int) -> None:
        """End a stream."""
        try:
            self._thread.call(self._desk.subscriber.end(handle))
        except NotSentError:
            logger.debug("stream %s ended without a connection", handle)

    def resubscribe(self, handle: int) -> None:
        """Subscribe a stream anew, as after a silence that the calendar does not explain. It is not waited for, since
        IBKR paces it, but where time is virtual; while one is under way a second one is none."""
        self._thread.call(self._resubscribe(handle))

    async def _resubscribe(self, handle: int) -> None:
        desk = self._desk
        stream = desk.streams.streams.get(handle)
        if stream is not None:
            asking = desk.spawn(desk.subscriber.ask(stream))
            await (asyncio.wait([asking]) if desk.is_virtual else asyncio.sleep(0))

    def last_heard(self, handle: int) -> dt.datetime | None:
        """When a stream delivered last, by the store's clock."""
        stream = self._desk.streams.streams.get(handle)
        return stream.heard if stream is not None else None

    # -- orders ---------------------------------------------------------------------------------------------------

    def next_order_id(self) -> int:
        """Take an order id: above all that IBKR, the settings or an order seen has named. Raises NotSentError before
        the first log-in. Orders have to be placed in the order of their ids: IBKR refuses an id below one that was
        used (103)."""
        return self._desk.ids.take()

    def raise_order_ids(self, at_least: int) -> None:
        """Never use an id below this one: the high-water mark of the journal."""
        self._desk.ids.at_least(at_least)

    def place(self, instrument: Instrument, terms: OrderTerms) -> None:
        """Send a new order; returns when it is handed to the socket.

        Raises NotSentError or RequestError: it has not left this machine. After any other end its outcome is what
        events and, after a reconnect, the ``Synchronised`` snapshot say; it is never sent again by the store.
        """
        self._thread.call(self._desk.place(instrument, terms))

    def modify(self, instrument: Instrument, terms: OrderTerms) -> None:
        """Change a working order of ours: its id with other terms. Raises NotSentError while not ready: a change over
        a degraded connection can become a second order."""
        self._thread.call(self._modify(instrument, terms))

    async def _modify(self, instrument: Instrument, terms: OrderTerms) -> None:
        desk = self._desk
        known = desk.orders.of(self.settings.client_id, terms.order_id)
        if known is None or known.is_done:
            what = "is not known" if known is None else f"is {known.status}"
            raise NotSentError(f"order {terms.order_id} {what}, so it cannot be changed; place a new one")
        await desk.place(instrument, terms)

    def cancel(self, order_id: int) -> None:
        """Ask IBKR to cancel an order of this client. A fill can still come."""
        self._thread.call(self._cancel(order_id))

    async def _cancel(self, order_id: int) -> None:
        await self._desk.send("cancelOrder", order_id, priority=ORDERS)

    def global_cancel(self) -> None:
        """Ask IBKR to cancel all orders of the log-in, those of other clients and made by hand included."""
        self._thread.call(self._desk.send("reqGlobalCancel", priority=ORDERS))

    def what_if(self, instrument: Instrument, terms: OrderTerms) -> WhatIf:
        """Margins and fees that an order would have; ``terms.order_id`` is used up. Raises RequestRefused where IBKR
        would not take it."""
        return self._thread.call(self._what_if(instrument, terms))

    async def _what_if(self, instrument: Instrument, terms: OrderTerms) -> WhatIf:
        desk = self._desk
        terms.checked()
        desk.connection.require_ready()
        desk.ids.seen(terms.order_id)
        order = order_of(terms, self.account, self.settings.client_id)
        order.whatIf = True
        what = f"what-if of {terms.action} {terms.quantity:g} {instrument.symbol}"
        request = desk.requests.open(terms.order_id, what)
        try:
            await desk.send("placeOrder", terms.order_id, contract_of(instrument), order)
            preview: WhatIf = await desk.answer(request)
            return preview
        except UnansweredError:
            if request.rows:  # it came without margins, which some kinds of accounts do not have
                last: WhatIf = request.rows[-1]
                return last
            raise
        finally:
            desk.requests.forget(terms.order_id)

    # -- the account ----------------------------------------------------------------------------------------------

    def look(self, *, wait: bool = False) -> None:
        """Ask anew for open and completed orders, executions and positions, while orders go on going out: a
        ``Synchronised`` event of the reason "look" tells, without values of the account. ``wait`` for it; else it
        comes, or, where the connection or an answer is lost, it does not. Raises NotSentError while not ready."""
        self._thread.call(self._look(wait))

    async def _look(self, wait: bool) -> None:
        desk = self._desk
        desk.connection.require_ready()
        if wait:
            await desk.connection.look()
        else:
            desk.spawn(desk.connection.look())

    def open_orders(self) -> tuple[OrderReported, ...]:
        """Ask for the open orders of the whole log-in."""
        return self._thread.call(ask_open(self._desk))

    def completed_orders(self) -> tuple[OrderReported, ...]:
        """Ask for the orders of the current day that are done."""
        return self._thread.call(ask_completed(self._desk))

    def executions(self) -> tuple[ExecutionReported, ...]:
        """Ask for the executions of the current day; the valid version of each. New ones come out as events, too."""
        return self._thread.call(self._executions())

    async def _executions(self) -> tuple[ExecutionReported, ...]:
        await ask_executions(self._desk)
        return self._desk.executions.valid()

    def without_commission(self) -> tuple[str, ...]:
        """execIds whose commission IBKR has not told of."""
        return self._thread.call(self._without_commission())

    async def _without_commission(self) -> tuple[str, ...]:
        return self._desk.executions.without_commission()

    def positions(self) -> tuple[PositionReported, ...]:
        """Ask for all positions."""
        return self._thread.call(self._positions())

    async def _positions(self) -> tuple[PositionReported, ...]:
        await ask_positions(self._desk)
        return tuple(self._desk.account.positions.values())

    def account_values(self) -> tuple[AccountValueReported, ...]:
        """What IBKR has told about the account; it keeps these up to date (every three minutes, and at fills)."""
        return self._thread.call(self._account_values())

    async def _account_values(self) -> tuple[AccountValueReported, ...]:
        return tuple(self._desk.account.values.values())

    def current_time(self, timeout: float | None = None) -> dt.datetime:
        """IBKR's time, UTC. In lockstep with the paper gateway this is what moves it: the answer comes behind the
        next bars. ``timeout`` 0 waits for ever."""
        return self._thread.call(self._current_time(timeout))

    async def _current_time(self, timeout: float | None) -> dt.datetime:
        desk = self._desk
        wait = self.settings.answer_timeout if timeout is None else timeout
        answer = desk.requests.time()
        try:
            await desk.send("reqCurrentTime")
            seconds = await asyncio.wait_for(answer, desk.patience(wait) if wait else None)
        except UnansweredError:  # a TimeoutError, too: the connection was lost
            raise
        except TimeoutError:
            raise UnansweredError(f"the time: no answer within {wait:g} s; the heartbeat looks after it") from None
        finally:
            answer.cancel()
        return dt.datetime.fromtimestamp(seconds, dt.UTC)
