"""What the parts of the store share, all of it touched in the store's thread alone (but for the ids of orders)."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import math
from collections import defaultdict
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from core.clock import Clock, VirtualClock
from stores.account import AccountBook
from stores.codes import Klass, Reaction
from stores.converting import contract_of, order_of, sent
from stores.errors import NotSentError, UnansweredError
from stores.events import ErrorReported, Event, ExecutionReported
from stores.execution_book import ExecutionBook
from stores.faults import Faults
from stores.history import HistoryDesk
from stores.ids import OrderIds, RequestIds
from stores.order_book import OrderBook
from stores.outlet import Outlet
from stores.pacing import ORDERS, QUESTIONS, MessagePacer
from stores.records import Instrument, OrderTerms
from stores.requests import Request, Requests
from stores.settings import StoreSettings
from stores.streams import Streams
from stores.subscribing import Subscriber

if TYPE_CHECKING:
    from stores.connection import Connection

logger = logging.getLogger(__name__)
LEAST_PATIENCE = 5.0  # seconds


class Desk:
    """``client`` is the library's client of the present connection, None where there is none."""

    connection: Connection

    def __init__(self, settings: StoreSettings, clock: Clock, outlet: Outlet[Event]) -> None:
        self.settings = settings
        self.clock = clock
        self.outlet = outlet
        self.factor = float(getattr(clock, "factor", 1.0))
        self.is_virtual = isinstance(clock, VirtualClock)
        self.ids = OrderIds(settings.first_order_id)
        self.request_ids = RequestIds()
        self.requests = Requests()
        self.messages = MessagePacer(settings.messages_per_second)
        self.executions = ExecutionBook(outlet.put)
        self.orders = OrderBook(outlet.put)
        self.account = AccountBook(outlet.put)
        self.streams = Streams(outlet.put, self.now)
        self.subscriber = Subscriber(self)
        self.history = HistoryDesk(self)
        self.faults = Faults(self)
        self.farms: dict[tuple[str, str], bool] = {}  # kind, name -> is up
        self.history_is_up = asyncio.Event()
        self.history_is_up.set()
        self.client: Any = None
        self.tasks: set[asyncio.Task[None]] = set()
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._broken_at = -math.inf
        self._mending = False

    # -- time -----------------------------------------------------------------------------------------------------

    def now(self) -> dt.datetime:
        return self.clock.now()

    def loop_time(self) -> float:
        return asyncio.get_running_loop().time()

    def real(self, seconds: float) -> float:
        """Seconds of the machine for seconds of the settings."""
        return seconds / self.factor

    def patience(self, seconds: float) -> float:
        """Seconds of the machine to wait for an answer: a fast clock does not make the machine faster."""
        return max(seconds / self.factor, min(seconds, LEAST_PATIENCE))

    async def pause(self, seconds: float) -> None:
        await asyncio.sleep(self.real(seconds))

    # -- sending --------------------------------------------------------------------------------------------------

    async def send(self, name: str, *values: Any, priority: int = QUESTIONS) -> None:
        """Send a request of the library's client. Raises NotSentError where that was not possible."""
        client = self._connected()

        def hand_over() -> None:
            if self.client is not client:
                raise NotSentError("the connection was lost before the request was sent; ask again")
            self._connected()
            getattr(client, name)(*values)

        await self.messages.send(hand_over, priority)

    def _connected(self) -> Any:
        client = self.client
        transport = client.conn.transport if client is not None else None
        if transport is None or transport.is_closing():
            raise NotSentError(f"nothing was sent: {self.connection.why_not()}")
        return client

    async def answer(self, request: Request, seconds: float | None = None) -> Any:
        """Wait for an answer. Raises UnansweredError."""
        wait = self.settings.answer_timeout if seconds is None else seconds
        try:
            return await asyncio.wait_for(request.future, self.patience(wait))
        except UnansweredError:  # a TimeoutError, too: the connection was lost
            raise
        except TimeoutError:
            self.requests.forget(request.key)
            raise UnansweredError(f"{request.what}: no answer within {wait:g} s; ask again") from None

    async def ask_named(
        self, key: str, what: str, name: str, *values: Any, before: Callable[[], None] | None = None
    ) -> Any:
        """A request whose answer carries no id: one at a time. ``before`` is called when its turn has come."""
        async with self._locks[key]:
            if before is not None:
                before()
            return await self.ask(key, what, name, *values)

    async def ask(self, key: int | str, what: str, name: str, *values: Any, seconds: float | None = None) -> Any:
        """Send a request and wait for its answer."""
        request = self.requests.open(key, what)
        try:
            await self.send(name, *values)
        except BaseException:
            self.requests.forget(key)
            raise
        return await self.answer(request, seconds)

    # -- orders ---------------------------------------------------------------------------------------------------

    async def place(self, instrument: Instrument, terms: OrderTerms) -> None:
        """Send an order, new or changed. Raises NotSentError: then it has not left this machine."""
        account, client_id = self.connection.account, self.settings.client_id
        terms.checked()
        self.connection.require_ready()
        client = self._connected()
        contract, order = contract_of(instrument), order_of(terms, account, client_id)

        def hand_over() -> None:
            self.connection.require_ready()
            if self._connected() is not client:
                raise NotSentError("the order was not sent: the connection was lost while it waited for its turn")
            self.ids.seen(terms.order_id)
            self.orders.sent(sent(terms, instrument, account, client_id, self.now()))
            client.placeOrder(terms.order_id, contract, order)

        await self.messages.send(hand_over, ORDERS)

    def book(self, execution: ExecutionReported) -> None:
        """Book an execution, and what it says about its order."""
        booked = self.executions.arrived(execution)
        if booked is not None:
            self.orders.executed(booked)

    # -- the rest -------------------------------------------------------------------------------------------------

    def resubscribe_soon(self, handles: list[int], failures: int = 0, *, refused: bool = False) -> None:
        """Subscribe anew after a pause that doubles with each failure in a row. ``refused``: what was refused, too."""
        after = min(self.settings.resubscribe_after * 2**failures, self.settings.backoff_most)
        self.spawn(self.subscriber.again(handles, after, refused=refused))

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run a coroutine beside the rest; what it raises is reported."""
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if isinstance(error, NotSentError | UnansweredError):
            logger.info("left to the next connection: %s", error)
        elif error is not None:
            logger.error("a task of the store failed", exc_info=error)
            self.broken(repr(error))

    def broken(self, what: str) -> None:
        """A message was lost, or something of ours failed: nothing is known for sure any more, so no order goes out
        before the account has been asked for anew without a loss."""
        text = f"halflife could not deal with a message ({what}); the account is reconciled, please report it"
        self.outlet.put(ErrorReported(0, Klass.FATAL, Reaction.RECONCILE, text, self.now()))
        if not self.connection.is_up:
            self.connection.give_up(text)
        elif self.loop_time() - self._broken_at >= self.settings.mending:
            self._broken_at = self.loop_time()
            self.connection.restored(text, resubscribe=False)
        else:  # it has not helped: a message that fails each time must not ask for itself without a pause
            self.connection.degrade(text)
            if not self._mending:
                self._mending = True
                self.spawn(self._mend(text))

    async def _mend(self, text: str) -> None:
        await self.pause(self.settings.mending)
        self._mending = False
        self._broken_at = self.loop_time()
        self.connection.restored(text, resubscribe=False)
