"""The thread of the store: an event loop that keeps the connection, and the way into it from other threads."""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import re
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from core.clock import Clock
from stores.connection import Connection
from stores.contracts import Contracts
from stores.desk import Desk
from stores.errors import NotSentError, StoreError, UnansweredError, UnreachableError
from stores.events import Event
from stores.library import load
from stores.outlet import Outlet
from stores.settings import StoreSettings

logger = logging.getLogger(__name__)
T = TypeVar("T")
_CODE = re.compile(r"\[HL\d{3}\] ")


class StoreThread:
    """``desk`` and ``contracts`` may be touched in the thread alone; ``call`` runs coroutines there."""

    def __init__(self, settings: StoreSettings, clock: Clock, events: Outlet[Event]) -> None:
        self._settings = settings
        self._clock = clock
        self._events = events
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self.desk_if_any: Desk | None = None
        self._contracts: Contracts | None = None
        self._is_up = threading.Event()
        self._stop: asyncio.Event | None = None
        self._fault: BaseException | None = None

    def start(self, wait: bool) -> None:
        """See ``IBStore.start``."""
        if self._thread is not None:
            raise StoreError("the store was started already; make another IBStore for a second connection")
        load()
        self._thread = threading.Thread(target=self._run, name="halflife-ib", daemon=True)
        self._thread.start()
        self._is_up.wait()
        if wait:
            try:
                self.call(self._first(self.desk))
            except BaseException:
                self.stop()
                raise

    async def _first(self, desk: Desk) -> None:
        connection = desk.connection
        try:
            await asyncio.wait_for(connection.settled.wait(), desk.patience(self._settings.start_timeout))
        except TimeoutError:
            raise UnreachableError(_cause(connection.why, self._settings)) from None
        if connection.error is not None:
            raise connection.error

    def stop(self) -> None:
        """See ``IBStore.stop``."""
        thread, loop, stop = self._thread, self._loop, self._stop
        if thread is None or loop is None or stop is None:
            return
        if thread.is_alive():
            try:
                loop.call_soon_threadsafe(stop.set)
            except RuntimeError:
                logger.debug("the store's loop has ended by itself")
        thread.join()

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
        desk = Desk(self._settings, self._clock, self._events)
        desk.connection = Connection(desk)
        self._contracts = Contracts(desk)
        self.desk_if_any = desk
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

    @property
    def desk(self) -> Desk:
        """Raises NotSentError before ``start``."""
        if self.desk_if_any is None:
            raise NotSentError(f"the store does not run ({self._fault or 'call start() first'})")
        return self.desk_if_any

    @property
    def contracts(self) -> Contracts:
        """Raises NotSentError before ``start``."""
        if self._contracts is None:
            raise NotSentError("the store does not run; call start() first")
        return self._contracts

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Run it in the thread and return what it returns. Raises StoreError where the thread has ended."""
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


def _cause(why: str, settings: StoreSettings) -> str:
    """What the last attempt failed with, without its code: the error that tells it has one. Where no attempt has failed
    yet there is only the time to tell."""
    text, codes = _CODE.subn("", why)
    if codes:
        return text
    return (
        f"{settings.host}:{settings.port} has not completed the log-in within {settings.start_timeout:g} s; look at "
        f"the window of TWS or IB Gateway"
    )
