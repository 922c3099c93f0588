"""Keeps the connection: logs in, synchronises, watches, and tries again with growing pauses for as long as it runs."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import logging
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_exponential, wait_random

from core.logs import log_event
from stores.account import kind_of
from stores.errors import AccountError, NotSentError, RequestError, StoreError, UnansweredError, UnreachableError
from stores.events import ConnectionChanged, ConnectionState
from stores.inbox import Inbox
from stores.library import new_client
from stores.synchronising import look, synchronise

if TYPE_CHECKING:
    from stores.desk import Desk

logger = logging.getLogger(__name__)
S = ConnectionState
TRANSIENT = (UnreachableError, NotSentError, UnansweredError, RequestError)


class Connection:
    """``account`` and ``accounts`` are those of the log-in; ``error`` is what ended it for good."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.state = S.DISCONNECTED
        self.account = ""
        self.accounts: tuple[str, ...] = ()
        self.server_version = 0
        self.port = desk.settings.port
        self.error: Exception | None = None
        self.why = "it has not been started"
        self._degraded = ""
        self._inbox: Inbox | None = None
        self._lost: asyncio.Future[str] | None = None
        self._up = asyncio.Event()  # logged in and synchronised, whether or not IBKR's servers are lost
        self._synchronising: asyncio.Task[None] | None = None
        self._attempt = 0
        self._is_first = True
        self._down_since: dt.datetime | None = desk.now()
        self.settled = asyncio.Event()  # ready for the first time, or ended for good

    # -- what others ask ------------------------------------------------------------------------------------------

    @property
    def is_up(self) -> bool:
        return self._up.is_set()

    async def until_up(self) -> None:
        await self._up.wait()

    def why_not(self) -> str:
        """Why orders cannot go out, with the cure."""
        place = f"{self._desk.settings.host}:{self.port}"
        if self.state is S.BROKEN:
            return f"TWS at {place} has lost IBKR's servers ({self._degraded}); it restores the connection by itself"
        if self.state is S.SYNCHRONISING:
            return f"orders, executions and positions are still being asked for at {place}; wait until it is ready"
        return f"not connected to {place}: {self.why}"

    def require_ready(self) -> None:
        """Raises NotSentError unless orders may go out."""
        if not self._desk.settings.is_trading:
            raise NotSentError("the order was not sent: this store only reads data; make one with is_trading=True")
        if self.state is not S.READY:
            raise NotSentError(f"the order was not sent: {self.why_not()}")

    # -- life -----------------------------------------------------------------------------------------------------

    async def keep(self) -> None:
        """Connect, and connect again, until cancelled."""
        settings = self._desk.settings
        try:
            while True:
                retrying = AsyncRetrying(
                    retry=retry_if_exception_type(TRANSIENT),
                    wait=wait_exponential(settings.backoff_first, settings.backoff_most)
                    + wait_random(0.0, settings.backoff_jitter),
                    sleep=self._desk.pause,
                    before_sleep=self._failed,
                )
                async for attempt in retrying:
                    with attempt:
                        await self._enter()
                began = self._desk.loop_time()
                why = await self._watch()
                self._leave(why)
                if self._desk.loop_time() - began < self._desk.real(settings.backoff_first):
                    await self._desk.pause(settings.backoff_first)  # in and out again at once
        except (StoreError, AccountError) as error:
            self.error = error
            self._leave(str(error))
            self._change(S.STOPPED, str(error))
            self.settled.set()
        finally:
            await self._say_goodbye()

    async def _enter(self) -> None:
        """Log in and synchronise; on failure everything is as before."""
        self._change(S.CONNECTING, f"{self._desk.settings.host}:{self.port}")
        try:
            await self._log_in()
            await self._unless_lost(self._synchronise("connected", resubscribe=True))
        except BaseException as error:
            self._leave(str(error))
            raise

    async def _unless_lost(self, work: Coroutine[Any, Any, None]) -> None:
        """Do it, or raise UnreachableError as soon as the connection is lost."""
        lost, task = self._lost, asyncio.ensure_future(work)
        assert lost is not None  # it was logged in
        try:
            either: list[asyncio.Future[Any]] = [task, lost]
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                task.result()
            else:
                raise UnreachableError(f"the connection was lost while it was synchronised: {lost.result()}")
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _log_in(self) -> None:
        desk, settings = self._desk, self._desk.settings
        desk.faults.refused_login = ""
        inbox = self._inbox = Inbox(desk)
        client = new_client(inbox, desk.broken)
        lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._lost = lost
        client.conn.disconnected += lambda text: self._is_lost(lost, text or "TWS closed the connection")
        login = asyncio.ensure_future(
            client.connectAsync(settings.host, self.port, settings.client_id, desk.patience(settings.login_timeout))
        )
        try:
            await asyncio.wait({login, lost}, return_when=asyncio.FIRST_COMPLETED)
            if login.done() and not login.cancelled() and login.exception() is None:
                desk.client = client
            else:
                raise UnreachableError(self._why_no_login(login, client))
        finally:
            if not login.done():
                login.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await login
            if desk.client is not client:
                inbox.is_closed = True
                _abort(client)
        self.server_version = client.serverVersion()
        self._choose(inbox.accounts)
        if desk.ids.rolled_back:
            log_event(logger, "order_ids_rolled_back", level=logging.WARNING, by=desk.ids.rolled_back)
        if settings.settle:
            await desk.pause(settings.settle)

    def _why_no_login(self, login: asyncio.Future[Any], client: Any) -> str:
        settings = self._desk.settings
        place = f"{settings.host}:{self.port}"
        error = login.exception() if login.done() and not login.cancelled() else None
        if isinstance(error, ConnectionRefusedError):
            if self.port != settings.port:
                self.port = settings.port  # 1300 named another one; it may have been put back
            return (
                f"nothing listens on {place}; start TWS or IB Gateway and log in, or correct the port (TWS has 7496, "
                "paper 7497; IB Gateway 4001, paper 4002)"
            )
        if isinstance(error, TimeoutError):
            if not client.serverVersion():
                return (
                    f"{place} takes the connection but does not answer within {settings.login_timeout:g} s; tick "
                    "'Enable ActiveX and Socket Clients', and add this machine to the trusted addresses of TWS"
                )
            return f"TWS at {place} answers but names no account within {settings.login_timeout:g} s; log in to it"
        if isinstance(error, OSError):
            return f"{place} cannot be reached ({error.strerror or error}); check host, port, tunnel and firewall"
        refused = self._desk.faults.refused_login
        if refused:
            return f"{place} refuses: {refused}; it is tried again with the same id until the old connection is gone"
        return (
            f"{place} closed the connection during log-in: it restarts, wants a person to log in, or does not trust "
            "this machine; look at its window"
        )

    def _choose(self, accounts: tuple[str, ...]) -> None:
        """Which account is traded. Raises AccountError."""
        wanted = self._desk.settings.account
        names = ", ".join(accounts)
        if wanted and wanted not in accounts:
            raise AccountError(
                f"account {wanted} is not one of this log-in ({names}); correct the account in the settings, or log "
                "in with its user"
            )
        if not wanted and len(accounts) != 1:
            raise AccountError(f"this log-in has the accounts {names}; name the one to trade in the settings")
        if self.account and wanted != self.account and accounts[0] != self.account:
            raise AccountError(f"TWS is logged in to {names} now, and was to {self.account} before; restart halflife")
        self.accounts, self.account = accounts, wanted or accounts[0]

    async def _synchronise(self, reason: str, *, resubscribe: bool) -> None:
        desk = self._desk
        self._change(S.SYNCHRONISING, reason)
        event = await synchronise(desk, self.account, reason, self._is_first)
        if self._lost is not None and self._lost.done():  # it was given up while the last answers came
            raise UnreachableError(f"the connection was lost while it was synchronised: {self._lost.result()}")
        self._is_first = False
        self._attempt = 0
        self.state = S.BROKEN if self._degraded else S.READY
        if self.state is S.READY:
            self._down_since = None
        self._up.set()
        desk.outlet.put(event)
        self._tell(self._degraded)
        self.settled.set()
        if resubscribe and desk.streams.streams:
            desk.resubscribe_soon(list(desk.streams.streams), refused=True)

    async def _watch(self) -> str:
        """Wait until the connection is lost; return why."""
        lost = self._lost
        assert lost is not None  # it was logged in
        heartbeat = asyncio.ensure_future(self._beat())
        try:
            await asyncio.wait({lost, heartbeat}, return_when=asyncio.FIRST_COMPLETED)
            return lost.result() if lost.done() else heartbeat.result()
        finally:
            heartbeat.cancel()

    async def _beat(self) -> str:
        """Ask for the time after a silence; return what is wrong when no answer comes."""
        desk, settings = self._desk, self._desk.settings
        if not settings.heartbeat:
            await asyncio.get_running_loop().create_future()
        while True:
            inbox = self._inbox
            silence = desk.loop_time() - (inbox.heard if inbox else 0.0)
            if silence < desk.real(settings.heartbeat):
                await asyncio.sleep(desk.real(settings.heartbeat) - silence)
                continue
            answer = desk.requests.time()
            try:
                await desk.send("reqCurrentTime")
                await asyncio.wait_for(answer, desk.patience(settings.heartbeat_timeout))
            except (TimeoutError, NotSentError, UnansweredError):
                return (
                    f"TWS has said nothing for {settings.heartbeat + settings.heartbeat_timeout:g} s and does not "
                    "answer: the connection is dead"
                )
            finally:
                answer.cancel()

    def _leave(self, why: str) -> None:
        """Give the connection up: what waits for answers is told."""
        desk = self._desk
        client, desk.client = desk.client, None
        self._up.clear()
        self.why = why
        self._degraded = ""
        if self._synchronising is not None:
            self._synchronising.cancel()
            self._synchronising = None
        if self._inbox is not None:
            self._inbox.is_closed = True
        if client is not None:
            _abort(client)
        desk.requests.fail_all(UnansweredError(f"the connection was lost before the answer ({why}); ask again"))
        desk.messages.fail(NotSentError(f"nothing was sent: the connection was lost ({why})"))
        desk.farms.clear()
        desk.history_is_up.set()
        desk.streams.drop_all(why)
        self._change(S.DISCONNECTED, why)

    async def _say_goodbye(self) -> None:
        """Close in order: what was sent goes out first."""
        client, lost = self._desk.client, self._lost
        if client is not None:
            client.disconnect()
            if lost is not None:
                with contextlib.suppress(TimeoutError, asyncio.CancelledError):
                    await asyncio.wait_for(asyncio.shield(lost), 1.0)
        self._leave(self.why if self.error else "the store was stopped")
        self._change(S.STOPPED, self.why)

    # -- what happens to it ---------------------------------------------------------------------------------------

    def give_up(self, why: str) -> None:
        """The connection is of no use any more."""
        if self._lost is not None:
            self._is_lost(self._lost, why)

    def move(self, port: int, why: str) -> None:
        """1300: connect on another port from now on."""
        if 0 < port < 65536:
            self.port = port
        self.give_up(f"1300: {why}")

    def degrade(self, why: str) -> None:
        """1100: no new orders; everything else goes on."""
        self._degraded = why
        self._desk.streams.mark_broken(why)
        if self.state is S.READY:
            self._change(S.BROKEN, why)

    def restored(self, why: str, *, resubscribe: bool) -> None:
        """1101 and 1102: synchronise, then orders may go out again."""
        self._degraded = ""
        if not self.is_up:
            return
        if self._synchronising is not None:
            self._synchronising.cancel()
        self._synchronising = self._desk.spawn(self._again(why, resubscribe))

    async def _again(self, why: str, resubscribe: bool) -> None:
        try:
            await self._synchronise(why, resubscribe=resubscribe)
        except TRANSIENT as error:
            self.give_up(f"it could not be synchronised: {error}")

    async def look(self) -> None:
        """Ask what is true, and tell it unless the connection has changed meanwhile."""
        inbox = self._inbox
        try:
            event = await look(self._desk, self.account)
        except RequestError as error:
            log_event(logger, "look_refused", level=logging.WARNING, why=str(error))
            return
        if self.state is S.READY and self._inbox is inbox:
            self._desk.outlet.put(event)

    @property
    def is_degraded_by_itself(self) -> bool:
        """2110, after which no 1102 comes: a farm that is fine says that it is over."""
        return self._degraded.startswith("2110")

    def _is_lost(self, lost: asyncio.Future[str], why: str) -> None:
        if not lost.done():
            lost.set_result(why)

    # -- telling --------------------------------------------------------------------------------------------------

    def _failed(self, attempt: RetryCallState) -> None:
        error = attempt.outcome.exception() if attempt.outcome else None
        self._attempt = attempt.attempt_number
        self.why = str(error)
        log_event(logger, "not_connected", level=logging.WARNING, attempt=self._attempt, why=str(error))
        self._tell(self.why)

    def _change(self, state: ConnectionState, why: str) -> None:
        if state is self.state:
            return
        self.state = state
        if state in (S.DISCONNECTED, S.BROKEN) and self._down_since is None:
            self._down_since = self._desk.now()
        self._tell(why)

    def _tell(self, why: str) -> None:
        kind = kind_of(self.account) if self.account else ""
        log_event(logger, "connection", state=self.state, why=why, account_kind=kind)
        self._desk.outlet.put(
            ConnectionChanged(self.state, self._desk.now(), why, self._attempt, self._down_since)
        )  # fmt: skip


def _abort(client: Any) -> None:
    """Close a socket at once, though its peer may not read any more."""
    transport = client.conn.transport
    if transport is not None:
        transport.abort()
