"""A gateway that runs: its thread, its socket, its clock."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import errno
import ipaddress
import logging
import threading
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Literal, TypeVar

from core.clock import VirtualClock
from core.errors import GatewayError
from core.logs import log_event
from gateway.data.clock import make_clock
from gateway.data.contracts import ContractBook
from gateway.data.history import History
from gateway.data.sample import make_sample
from gateway.data.tape import Tape
from gateway.driver import Driver, Lockstep, Paced, Still, Walk
from gateway.faults.script import Rule
from gateway.hours import hours_of, moment_of, moment_to_datetime
from gateway.market import Accounts
from gateway.session import Session
from gateway.tws import Tws

logger = logging.getLogger(__name__)

LAST_TURNS = 50  # of 10 ms, in which connections may end before they are cut
LOOPBACK = "127.0.0.1"
SAMPLE_DAY = dt.date(2024, 6, 12)
Speed = float | Literal["max", "still"]
T = TypeVar("T")


class Gateway:
    """A TWS on loopback: a context manager that serves a tape from its own thread.

    ``speed``: 1 is real time, 60 sixty times as fast; ``"max"`` is virtual time in lockstep (``driver``), as fast as
    the clients follow; ``"still"`` is virtual time that moves by ``advance`` alone. ``port`` 0 takes a free one, which
    ``port`` then tells. ``start`` and ``end``: which part of the tape is played, UTC; it starts a minute before the
    first session opens where nothing else is said, and what lies before is history. ``expose`` allows a host that is
    not the loopback. ``accounts``: by default one paper account in EUR. ``faults``: names of scenarios, ``*.fault``
    files or scripts; ``seed``: of their chance. ``zone``: the time zone of this TWS. Raises GatewayError where the
    port cannot be had.
    """

    def __init__(
        self,
        tape: Tape,
        book: ContractBook,
        history: History | None = None,
        *,
        speed: Speed = "max",
        host: str = LOOPBACK,
        expose: bool = False,
        port: int = 0,
        start: dt.datetime | None = None,
        end: dt.datetime | None = None,
        accounts: Accounts | None = None,
        faults: Iterable[str] = (),
        seed: int | None = None,
        zone: str = "US/Eastern",
        standing: bool = False,
    ) -> None:
        if not (expose or is_loopback(host)):
            raise GatewayError(
                f"{host} can be reached from other machines, and TWS's protocol asks nobody for a password: whoever "
                f"connects trades; use {LOOPBACK}, or allow it with expose=True (--expose)"
            )
        self.tape = tape
        self.speed = speed
        self.host = host
        self.port = port
        begin = start or before_open(tape)
        clock = VirtualClock(begin) if speed == "still" else make_clock(speed, begin)
        self.tws = Tws(
            clock=clock, book=book, history=history or History(tape, book), accounts=accounts or Accounts(),
            zone=zone, is_lockstep=speed == "max", faults=faults, seed=seed, standing=standing,
        )  # fmt: skip
        self.tws.know_prices()
        self.tws.on_port = lambda wanted: self._soon(self._move(wanted))
        walk = Walk(self.tws, tape.steps(begin, end), is_endless=speed != "max")
        self._walk = walk
        self._driver: Driver
        if isinstance(clock, VirtualClock):
            self._driver = Lockstep(self.tws, walk, clock) if speed == "max" else Still(walk, clock)
        else:
            self._driver = Paced(walk, clock)
            clock.begin()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_up = threading.Event()
        self._end: asyncio.Event | None = None
        self._fault: BaseException | None = None
        self._calls: set[Future[Any]] = set()
        self._calls_lock = threading.Lock()
        self._takes_calls = False

    @classmethod
    def sample(
        cls, day: dt.date = SAMPLE_DAY, *, sessions: int = 1, sample_seed: int = 1, **options: object
    ) -> Gateway:
        """The generated pair, its currency pair and their history; ``options`` as of the class."""
        made = make_sample(day, sample_seed, sessions=sessions)
        tape, book = made.tape(), made.book()
        return cls(tape, book, made.history(tape, book), **options)  # type: ignore[arg-type]

    # -- life -----------------------------------------------------------------------------------------------------

    def start(self) -> Gateway:
        """Open the socket and let time pass."""
        if self._thread is not None:
            raise GatewayError("the gateway runs already; make another Gateway for a second one")
        self._is_up.clear()
        self._thread = threading.Thread(target=self._run, name="halflife-gateway", daemon=True)
        self._thread.start()
        self._is_up.wait()
        self._raise_fault()
        return self

    def stop(self) -> None:
        """Close all connections and the socket.

        Raises what ended the gateway before, if anything did, and GatewayError where it could not answer a request:
        that ended a connection, and is a defect of the gateway.
        """
        if self._thread is None:
            return
        loop, end = self._loop, self._end
        if loop is not None and end is not None and self._thread.is_alive():
            with contextlib.suppress(RuntimeError):  # its loop has just closed by itself
                loop.call_soon_threadsafe(end.set)
        self._thread.join()
        self._thread = None
        self._raise_fault()
        if self.tws.defects:
            first, self.tws.defects = self.tws.defects[0], []
            raise GatewayError(
                f"a request could not be answered ({type(first).__name__}: {first}); this is a defect of the gateway: "
                "please report it with its log"
            ) from first

    def __enter__(self) -> Gateway:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def is_running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    @property
    def has_ended(self) -> bool:
        """Whether the tape has been played to its end; in lockstep, and the rest of its last day."""
        return self._walk.has_ended

    def call(self, what: Callable[[Tws], T]) -> T:
        """Run ``what`` in the gateway's thread and return its result: the way to look into it from outside.

        Raises what it raises, and GatewayError where the gateway does not run, or ends before it comes to it.
        """
        if threading.current_thread() is self._thread:
            raise GatewayError("call() from within the gateway's own thread would wait for itself; use what is given")
        future: Future[T] = Future()

        def run() -> None:
            if future.done():  # the gateway has ended meanwhile
                return
            try:
                future.set_result(what(self.tws))
            except (SystemExit, KeyboardInterrupt) as error:
                future.set_exception(_because(GatewayError(f"what was called has raised {error!r}"), error))
            except BaseException as error:  # noqa: BLE001 - it is raised in the caller's thread
                future.set_exception(error)

        with self._calls_lock:
            if self._loop is None or not self._takes_calls:
                raise GatewayError(_NOT_RUNNING)
            self._calls.add(future)
            # A turn later, so that what has arrived on the sockets by now is dealt with before
            self._loop.call_soon_threadsafe(self._loop.call_soon, run)
        try:
            return future.result()
        finally:
            with self._calls_lock:
                self._calls.discard(future)

    def _end_calls(self) -> None:
        """Nothing is called any more: who waits for an answer is told so."""
        with self._calls_lock:
            self._takes_calls = False
            left, self._calls = self._calls, set()
        for future in left:
            if not future.done():
                future.set_exception(GatewayError(_NOT_RUNNING))

    def struck(self) -> frozenset[Rule]:
        """Rules of the faults that have done something so far."""
        actor = self.tws.actor
        return frozenset() if actor is None else self.call(lambda tws: frozenset(actor.injector.struck))

    def now(self) -> dt.datetime:
        """The gateway's time, UTC."""
        return self.tws.clock.now()

    def advance(self, *, seconds: float = 0.0, to: dt.datetime | None = None, steps: int = 0) -> dt.datetime:
        """At speed ``"still"``: let time pass by ``seconds``, up to ``to``, or over so many steps; return the time."""
        driver = self._driver
        if not isinstance(driver, Still):
            raise GatewayError(f"time passes by itself at speed {self.speed}; advance() is for speed 'still'")
        still = driver

        def move(tws: Tws) -> dt.datetime:
            if steps:
                still.take(steps)
            else:
                still.advance(to or tws.clock.now() + dt.timedelta(seconds=seconds))
            return tws.clock.now()

        return self.call(move)

    # -- the thread -----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001 - it is raised again by start or stop, in the caller's thread
            self._fault = error
        finally:
            self._end_calls()
            self._is_up.set()

    def _raise_fault(self) -> None:
        fault, self._fault = self._fault, None
        if fault is not None:
            self._thread = None
            raise fault

    async def _serve(self) -> None:
        with self._calls_lock:
            self._loop, self._takes_calls = asyncio.get_running_loop(), True
        self._end = asyncio.Event()
        self._server = await self._open(self.port)
        if self.tws.actor is not None:
            self.tws.actor.tick(self.tws.clock.now())
        end = asyncio.create_task(self._end.wait())
        drive = asyncio.create_task(self._driver.run())
        self._is_up.set()
        try:
            await asyncio.wait({end, drive}, return_when=asyncio.FIRST_COMPLETED)
            if drive.done():
                drive.result()  # raises what stopped it
                await end
        finally:
            drive.cancel()
            end.cancel()
            self._server.close()
            for session in list(self.tws.connections):
                session.close()
            for _ in range(LAST_TURNS):  # what is closed tells so
                if not self.tws.connections:
                    break
                await asyncio.sleep(0.01)
            for session in list(self.tws.connections):
                session.abort()
            await asyncio.sleep(0)
            self._end_calls()

    async def _open(self, port: int) -> asyncio.Server:
        loop = asyncio.get_running_loop()
        try:
            server = await loop.create_server(lambda: Session(self.tws), self.host, port)
        except OSError as error:
            raise _unusable(self.host, port, error) from error
        self.port = server.sockets[0].getsockname()[1]
        log_event(logger, "listening", host=self.host, port=self.port)
        return server

    def _soon(self, what: Coroutine[None, None, None]) -> None:
        task = asyncio.ensure_future(what)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _move(self, port: int) -> None:
        """Listen on another port and send all clients there, as TWS does when its port is changed.

        One that cannot be had changes nothing.
        """
        before = self._server
        try:
            self._server = await self._open(port)
        except GatewayError as error:
            log_event(logger, "fault_without_effect", level=logging.WARNING, port=port, why=str(error))
            return
        for session in list(self.tws.connections):
            session.error(
                -1, 1300, "TWS socket port has been reset and this connection is being dropped. "
                f"Please reconnect on the new port - {self.port}",
            )  # fmt: skip
            session.close()
        if before is not None:
            before.close()


_NOT_RUNNING = "the gateway does not run; use it as a context manager, or call start()"


def _because(error: GatewayError, cause: BaseException) -> GatewayError:
    error.__cause__ = cause
    return error


def before_open(tape: Tape) -> dt.datetime:
    """A minute before the first session of the tape's stocks opens; its beginning where it lies later."""
    opens = []
    for instrument in tape.instruments:
        hours = hours_of(instrument)
        number = hours.number_at(moment_of(tape.first), regular=False)
        if instrument.sec_type != "CASH" and number is not None:
            opens.append(moment_to_datetime(hours.session(number).open))
    return max(min(opens) - dt.timedelta(minutes=1), tape.begin) if opens else tape.begin


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _unusable(host: str, port: int, error: OSError) -> GatewayError:
    if error.errno == errno.EADDRINUSE:
        return GatewayError(f"port {port} of {host} is in use; stop the other program, or choose a port with --port")
    return GatewayError(
        f"{host}:{port} cannot be listened on ({error.strerror or error}); choose another --host or --port"
    )
