"""The store: Interactive Brokers for threads that trade. It owns a thread, an event loop, and the connection."""

from __future__ import annotations

import asyncio
import concurrent.futures
import datetime as dt
import logging
import threading
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, TypeVar

from core.clock import Clock, SystemClock
from stores.account import kind_of
from stores.connection import Connection
from stores.contracts import Contracts
from stores.converting import contract_of, order_of
from stores.desk import Desk
from stores.errors import NotSentError, StoreError, UnansweredError, UnreachableError
from stores.events import (
    AccountKind,
    AccountValueReported,
    ConnectionState,
    Event,
    ExecutionReported,
    OrderReported,
    PositionReported,
)
from stores.library import load
from stores.outlet import Outlet
from stores.pacing import ORDERS
from stores.records import ContractSpec, HistoryBar, Instrument, OrderTerms, PriceStep, WhatIf
from stores.settings import StoreSettings
from stores.streams import QUOTES, REALTIME, UPDATES
from stores.synchronising import ask_completed, ask_executions, ask_open, ask_positions

logger = logging.getLogger(__name__)
T = TypeVar("T")


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
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._desk: Desk | None = None
        self._contracts: Contracts | None = None
        self._is_up = threading.Event()
        self._stop: asyncio.Event | None = None
        self._fault: BaseException | None = None

    # -- life -----------------------------------------------------------------------------------------------------

    def start(self, *, wait: bool = True) -> IBStore:
        """Connect. With ``wait``: until it is ready, at most ``start_timeout``; else it goes on trying by itself.

        Raises UnreachableError with the reason of the last attempt, AccountError, or LibraryError.
        """
        if self._thread is not None:
            raise StoreError("the store was started already; make another IBStore for a second connection")
        load()
        self._thread = threading.Thread(target=self._run, name="halflife-ib", daemon=True)
        self._thread.start()
        self._is_up.wait()
        if wait:
            try:
                self._call(self._first(self._desk_()))
            except BaseException:
                self.stop()
                raise
        return self

    async def _first(self, desk: Desk) -> None:
        connection, wait = desk.connection, self.settings.start_timeout
        try:
            await asyncio.wait_for(connection.settled.wait(), desk.real(wait))
        except TimeoutError:
            raise UnreachableError(f"not connected within {wait:g} s: {connection.why}") from None
        if connection.error is not None:
            raise connection.error

    def stop(self) -> None:
        """Close the connection and end the thread. Orders at IBKR stay as they are."""
        thread, loop, stop = self._thread, self._loop, self._stop
        if thread is None or loop is None or stop is None:
            return
        if thread.is_alive():
            try:
                loop.call_soon_threadsafe(stop.set)
            except RuntimeError:
                logger.debug("the store's loop has ended by itself")
        thread.join()

    def __enter__(self) -> IBStore:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _run(self) -> None:
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        self._loop = loop
        try:
            loop.run_until_complete(self._serve())
        except BaseException as error:  # noqa: BLE001 - calls raise it in their own threads
            self._fault = error
            logger.exception("the store's thread has failed")
        finally:
            self._is_up.set()
            asyncio.set_event_loop(None)
            loop.close()

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        desk = Desk(self.settings, self.clock, self.events)
        desk.connection = Connection(desk)
        self._contracts = Contracts(desk)
        self._desk = desk
        keeper = asyncio.ensure_future(desk.connection.keep())
        self._is_up.set()
        stop = asyncio.ensure_future(self._stop.wait())
        try:
            await asyncio.wait({keeper, stop}, return_when=asyncio.FIRST_COMPLETED)
            if keeper.done():
                keeper.result()  # raises what it failed with
                await stop
        finally:
            stop.cancel()
            keeper.cancel()
            rest = [*desk.tasks, keeper, stop]
            for task in rest:
                task.cancel()
            await asyncio.gather(*rest, return_exceptions=True)
            current = asyncio.current_task()
            others = [task for task in asyncio.all_tasks() if task is not current]
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

    # -- calling into the thread ----------------------------------------------------------------------------------

    def _desk_(self) -> Desk:
        if self._desk is None:
            raise NotSentError(f"the store does not run ({self._fault or 'call start() first'})")
        return self._desk

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        loop, thread = self._loop, self._thread
        if loop is None or thread is None or not thread.is_alive():
            work.close()
            raise StoreError(f"the store has ended ({self._fault or 'it was stopped'}); make another IBStore")
        if threading.current_thread() is thread:
            work.close()
            raise StoreError("the store cannot be called from its own thread; hand the event to another one first")
        try:
            future = asyncio.run_coroutine_threadsafe(work, loop)
        except RuntimeError:
            work.close()
            raise StoreError("the store has ended; make another IBStore") from None
        try:
            return future.result()
        except concurrent.futures.CancelledError:
            if self._fault is not None:
                raise StoreError(f"the store has failed ({self._fault!r}); make another IBStore") from self._fault
            raise UnansweredError("the store was stopped before the answer; start it and ask again") from None
        except KeyboardInterrupt:
            future.cancel()
            raise

    # -- state ----------------------------------------------------------------------------------------------------

    @property
    def state(self) -> ConnectionState:
        return self._desk.connection.state if self._desk is not None else ConnectionState.DISCONNECTED

    @property
    def is_ready(self) -> bool:
        """Whether orders may go out."""
        return self.state is ConnectionState.READY

    def why_not_ready(self) -> str:
        """A sentence with the cure; empty where it is ready."""
        return "" if self.is_ready else self._desk_().connection.why_not()

    @property
    def account(self) -> str:
        """The account that is traded; empty before the first log-in."""
        return self._desk.connection.account if self._desk is not None else ""

    @property
    def accounts(self) -> tuple[str, ...]:
        """All accounts of the log-in (managedAccounts)."""
        return self._desk.connection.accounts if self._desk is not None else ()

    @property
    def account_kind(self) -> AccountKind:
        """Paper or real, by the account's own name. Raises NotSentError before the first log-in."""
        if not self.account:
            raise NotSentError("the account is not known before the first log-in; wait until the store is ready")
        return kind_of(self.account)

    @property
    def port(self) -> int:
        """The port that is used now: IBKR's 1300 can change it."""
        return self._desk.connection.port if self._desk is not None else self.settings.port

    @property
    def server_version(self) -> int:
        return self._desk.connection.server_version if self._desk is not None else 0

    def farms(self) -> dict[tuple[str, str], bool]:
        """(kind, name) -> whether the data farm is up; kinds: market, history, definitions."""
        return dict(self._desk_().farms)

    # -- contracts and history ------------------------------------------------------------------------------------

    def qualify(self, spec: ContractSpec, *, fresh: bool = False) -> Instrument:
        """The one instrument that fits; remembered, unless ``fresh``. Raises ContractError: unknown, or ambiguous."""
        contracts = self._contracts
        if contracts is None:
            raise NotSentError("the store does not run; call start() first")
        return self._call(contracts.qualify(spec, fresh))

    def market_rule(self, number: int) -> tuple[PriceStep, ...]:
        """The price steps of ``Instrument.market_rule``."""
        contracts = self._contracts
        if contracts is None:
            raise NotSentError("the store does not run; call start() first")
        return self._call(contracts.rule(number))

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
        return self._call(self._desk_().history.bars(instrument, end, duration, bar, what, rth))

    def head_timestamp(self, instrument: Instrument, *, what: str = "TRADES", rth: bool = True) -> dt.datetime:
        """The earliest moment for which IBKR has data, UTC."""
        return self._call(self._desk_().history.head(instrument, what, rth))

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
        return self._call(self._subscribe(instrument, kind, options))

    def subscribe_quotes(self, instrument: Instrument, *, generic: str = "") -> int:
        """Subscribe to ticks (``generic``: IBKR's list, such as 236 for shortable shares); returns the handle."""
        return self._call(self._subscribe(instrument, QUOTES, {"generic": generic}))

    async def _subscribe(self, instrument: Instrument, kind: str, options: dict[str, Any]) -> int:
        desk = self._desk_()
        stream = desk.streams.add(instrument, kind, **options)
        if desk.connection.is_up:
            desk.spawn(desk.subscriber.ask(stream))
            await asyncio.sleep(0)
        return stream.handle

    def unsubscribe(self, handle: int) -> None:
        """End a stream."""
        try:
            self._call(self._desk_().subscriber.end(handle))
        except NotSentError:
            logger.debug("stream %s ended without a connection", handle)

    def resubscribe(self, handle: int) -> None:
        """Subscribe a stream anew, as after a silence that the calendar does not explain."""
        self._call(self._desk_().subscriber.again([handle]))

    def last_heard(self, handle: int) -> dt.datetime | None:
        """When a stream delivered last, by the store's clock."""
        stream = self._desk_().streams.streams.get(handle)
        return stream.heard if stream is not None else None

    # -- orders ---------------------------------------------------------------------------------------------------

    def next_order_id(self) -> int:
        """Take an order id: above all that IBKR, the settings or an order seen has named. Raises NotSentError before
        the first log-in."""
        return self._desk_().ids.take()

    def raise_order_ids(self, at_least: int) -> None:
        """Never use an id below this one: the high-water mark of the journal."""
        self._desk_().ids.at_least(at_least)

    def place(self, instrument: Instrument, terms: OrderTerms) -> None:
        """Send a new order; returns when it is handed to the socket.

        Raises NotSentError or RequestError: it has not left this machine. After any other end its outcome is what
        events and, after a reconnect, the ``Synchronised`` snapshot say; it is never sent again by the store.
        """
        self._call(self._desk_().place(instrument, terms))

    def modify(self, instrument: Instrument, terms: OrderTerms) -> None:
        """Change a working order of ours: its id with other terms. Raises NotSentError while not ready: a change over
        a degraded connection can become a second order."""
        self._call(self._modify(instrument, terms))

    async def _modify(self, instrument: Instrument, terms: OrderTerms) -> None:
        desk = self._desk_()
        known = desk.orders.of(self.settings.client_id, terms.order_id)
        if known is None or known.is_done:
            what = "is not known" if known is None else f"is {known.status}"
            raise NotSentError(f"order {terms.order_id} {what}, so it cannot be changed; place a new one")
        await desk.place(instrument, terms)

    def cancel(self, order_id: int) -> None:
        """Ask IBKR to cancel an order of this client. A fill can still come."""
        self._call(self._cancel(order_id))

    async def _cancel(self, order_id: int) -> None:
        await self._desk_().send("cancelOrder", order_id, priority=ORDERS)

    def global_cancel(self) -> None:
        """Ask IBKR to cancel all orders of the log-in, those of other clients and made by hand included."""
        self._call(self._desk_().send("reqGlobalCancel", priority=ORDERS))

    def what_if(self, instrument: Instrument, terms: OrderTerms) -> WhatIf:
        """Margins and fees that an order would have; ``terms.order_id`` is used up. Raises RequestRefused where IBKR
        would not take it."""
        return self._call(self._what_if(instrument, terms))

    async def _what_if(self, instrument: Instrument, terms: OrderTerms) -> WhatIf:
        desk = self._desk_()
        terms.checked()
        desk.connection.require_ready()
        desk.ids.seen(terms.order_id)
        order = order_of(terms, self.account, self.settings.client_id)
        order.whatIf = True
        what = f"what-if of {terms.action} {terms.quantity:g} {instrument.symbol}"
        preview: WhatIf = await desk.ask(
            terms.order_id, what, "placeOrder", terms.order_id, contract_of(instrument), order
        )  # fmt: skip
        return preview

    # -- the account ----------------------------------------------------------------------------------------------

    def open_orders(self) -> tuple[OrderReported, ...]:
        """Ask for the open orders of the whole log-in."""
        return self._call(ask_open(self._desk_()))

    def completed_orders(self) -> tuple[OrderReported, ...]:
        """Ask for the orders of the current day that are done."""
        return self._call(ask_completed(self._desk_()))

    def executions(self) -> tuple[ExecutionReported, ...]:
        """Ask for the executions of the current day; the valid version of each. New ones come out as events, too."""
        return self._call(self._executions())

    async def _executions(self) -> tuple[ExecutionReported, ...]:
        await ask_executions(self._desk_())
        return self._desk_().executions.valid()

    def without_commission(self) -> tuple[str, ...]:
        """execIds whose commission IBKR has not told of."""
        return self._call(self._without_commission())

    async def _without_commission(self) -> tuple[str, ...]:
        return self._desk_().executions.without_commission()

    def positions(self) -> tuple[PositionReported, ...]:
        """Ask for all positions."""
        return self._call(self._positions())

    async def _positions(self) -> tuple[PositionReported, ...]:
        await ask_positions(self._desk_())
        return tuple(self._desk_().account.positions.values())

    def account_values(self) -> tuple[AccountValueReported, ...]:
        """What IBKR has told about the account; it keeps these up to date (every three minutes, and at fills)."""
        return self._call(self._account_values())

    async def _account_values(self) -> tuple[AccountValueReported, ...]:
        return tuple(self._desk_().account.values.values())

    def current_time(self, timeout: float | None = None) -> dt.datetime:
        """IBKR's time, UTC. In lockstep with the paper gateway this is what moves it: the answer comes behind the
        next bars. ``timeout`` 0 waits for ever."""
        return self._call(self._current_time(timeout))

    async def _current_time(self, timeout: float | None) -> dt.datetime:
        desk = self._desk_()
        wait = self.settings.answer_timeout if timeout is None else timeout
        answer = desk.requests.time()
        try:
            await desk.send("reqCurrentTime")
            seconds = await asyncio.wait_for(answer, desk.real(wait) if wait else None)
        except UnansweredError:  # a TimeoutError, too: the connection was lost
            raise
        except TimeoutError:
            raise UnansweredError(f"the time: no answer within {wait:g} s; the heartbeat looks after it") from None
        finally:
            answer.cancel()
        return dt.datetime.fromtimestamp(seconds, dt.UTC)
