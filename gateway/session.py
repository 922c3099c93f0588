"""One connection: from the handshake to the last frame. What it asks for is answered by ``handlers``."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, cast

from core.logs import log_event
from gateway.handlers import HANDLERS, NOT_SERVED
from gateway.model import Values
from gateway.refused import Refused
from gateway.wire import Wire, WireError, wire_for
from gateway.wire.frames import MAX_FRAME, FrameReader, Handshake, frame, welcome

if TYPE_CHECKING:
    from gateway.tws import Tws

logger = logging.getLogger(__name__)

MOST_UNSENT = 64 << 20  # bytes that a client may leave unread before it is dropped
MAX_BEFORE_LOG_IN = 1 << 16  # bytes of a frame of who has not sent START_API
AT_ONCE = 1 << 16  # bytes that are collected before they are handed to the socket
FARMS = (
    (2104, "Market data farm connection is OK:usfarm"),
    (2106, "HMDS data farm connection is OK:ushmds"),
    (2158, "Sec-def data farm connection is OK:secdefil"),
)


class Session(asyncio.Protocol):
    """A client's connection.

    ``client_id`` is None until START_API; ``version`` is the negotiated server version, 0 before the handshake.
    """

    def __init__(self, tws: Tws) -> None:
        self.tws = tws
        self.client_id: int | None = None
        self.version = 0
        self.peer = ""
        self.barrier = False  # in lockstep: whether it has asked for the time and waits for the next bars
        self.is_half_open = False
        self.is_closed = False
        self._handshake = Handshake()
        self._frames = FrameReader(MAX_BEFORE_LOG_IN)
        self._waiting: list[bytes] = []  # payloads that came while nothing is read
        self._reads = True
        self._unsent = bytearray()
        self._wire: Wire | None = None
        self._transport: asyncio.Transport | None = None

    # -- the socket -----------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        host, port = (self._transport.get_extra_info("peername") or ("?", 0))[:2]
        self.peer = f"{host}:{port}"
        self.tws.joined(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_closed = True
        self.tws.left(self)

    def data_received(self, data: bytes) -> None:
        if self.is_half_open or self.is_closed:
            return
        try:
            if not self.version:
                data = self._shake_hands(data)
            for payload in self._frames.cut(data):
                self._take(payload)
        except WireError as error:
            self._drop(str(error))

    def _take(self, payload: bytes) -> None:
        """Answer one frame; what is wrong with it, or with its answer, ends this connection alone."""
        if self.is_closed:
            return
        if not self._reads:
            self._waiting.append(payload)
            return
        with self._guarded():
            self._handle(payload)

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except WireError as error:
            self._drop(str(error))
        except Exception as error:  # noqa: BLE001 - kept, and raised by Gateway.stop: the others go on meanwhile
            self.tws.defects.append(error)
            logger.exception("a request of client %s could not be answered", self.client_id)
            self.close()

    def _drop(self, why: str) -> None:
        log_event(logger, "dropped", level=logging.WARNING, peer=self.peer, client=self.client_id, why=why)
        self.close()

    def _shake_hands(self, data: bytes) -> bytes:
        """Answer the first bytes once they are whole; return what came behind them."""
        if not self._handshake.feed(data):
            return b""
        if self.tws.refuses_logins():
            log_event(logger, "login_refused", level=logging.WARNING, peer=self.peer)
            self.close()
            return b""
        self.version = self._handshake.negotiate()
        self._wire = wire_for(self.version)
        self._write(welcome(self.version, self.tws.time_text()))
        return self._handshake.rest

    def pause(self) -> None:
        """Read nothing until ``resume``; what comes waits."""
        self._reads = False
        if self._transport is not None and not self.is_closed:
            self._transport.pause_reading()

    def resume(self) -> None:
        self._reads = True
        if self._transport is not None and not self.is_closed:
            self._transport.resume_reading()
        waiting, self._waiting = self._waiting, []
        for payload in waiting:
            self._take(payload)

    def close(self) -> None:
        """Close the socket once what was written has gone out."""
        if self._transport is not None and not self.is_closed:
            self._flush()
            self.is_closed = True
            self._transport.close()

    def abort(self) -> None:
        """Cut the connection, whatever has not gone out yet."""
        self.is_closed = True
        if self._transport is not None:
            self._transport.abort()

    # -- requests -------------------------------------------------------------------------------------------------

    def _handle(self, payload: bytes) -> None:
        if self._wire is None:
            raise WireError("a frame before the handshake")
        name, values = self._wire.request(payload)
        excess = self.tws.pacing.message(self)
        if excess is not None:
            self.error(-1, *excess)
            if self.tws.pacing.is_over(self):
                self._drop(excess[1])
                return
        barriers = self.tws.barriers
        if barriers.keeps(self, name, values):
            return
        with self.tws.ids.unmoved(self.client_id) if barriers.has_kept(self) else nullcontext():
            self._serve(name, values)  # a what-if order uses up no id that comes after those of orders that are kept

    def _serve(self, name: str, values: Values) -> None:
        if self.tws.actor is None:
            self.handle(name, values)
        else:
            self.tws.actor.incoming(self, name, values)

    def serve(self, name: str, values: Values) -> None:
        """Answer a request that was kept; the connection may have gone since it came."""
        with self._guarded():
            self._serve(name, values)

    def receive(self, name: str, values: Values) -> None:
        """Answer a request that a fault has made up; fields that it has not are as a client leaves them.

        Raises WireError for one that there is not in the client's version.
        """
        assert self._wire is not None  # a fault names a client by its id, which it has from START_API on
        _, usual = self._wire.request(self._wire.write_request(name, {}))
        with self._guarded():
            self.handle(name, _filled(values, usual))

    def handle(self, name: str, values: Values) -> None:
        """Answer a request."""
        if self.client_id is None and name != "startApi":
            self._drop(f"{name} before startApi")
            return
        handler = HANDLERS.get(name)
        try:
            if handler is None:
                raise Refused(*NOT_SERVED.get(name, _unserved(name)))
            handler(self.tws, self, values)
        except Refused as refused:
            self.error(_asked_by(values), refused.number, refused.text)

    @property
    def client(self) -> int:
        """The client id of a client that has started."""
        assert self.client_id is not None  # nothing else is answered before startApi
        return self.client_id

    def start(self, client_id: int) -> None:
        """START_API: a client id has one connection."""
        if self.client_id is not None:
            return
        if client_id in self.tws.clients:
            self.error(-1, 326, "Unable to connect as the client id is already in use. Retry with a unique client id.")
            self.close()
            return
        self.client_id = client_id
        self._frames.limit = MAX_FRAME
        self.tws.logged_in(self)
        self.send("managedAccounts", {"accountsList": ",".join(self.tws.accounts.names)})
        self.send("nextValidId", {"orderId": self.tws.ids.next_of(client_id)})
        for code, text in FARMS:
            self.error(-1, code, text)

    # -- answers --------------------------------------------------------------------------------------------------

    def send(self, name: str, values: Values) -> None:
        """Send an answer, unless a fault has it otherwise."""
        if self.is_closed or self._wire is None:
            return
        if self.tws.actor is None:
            self._write(frame(self._wire.answer(name, values)))
        else:
            self.tws.actor.outgoing(self, name, values)

    def error(self, req_id: int, code: int, text: str, reject: str = "") -> None:
        """``req_id`` is that of a request or order, -1 where it concerns none."""
        self.send("error", {"reqId": req_id, "errorCode": code, "errorString": text, "advancedOrderRejectJson": reject})

    def encode(self, name: str, values: Values) -> bytes:
        """The frame of an answer."""
        assert self._wire is not None  # nothing is sent before the handshake
        return frame(self._wire.answer(name, values))

    def write(self, data: bytes) -> None:
        """Send bytes past the faults."""
        self._write(data)

    def _write(self, data: bytes) -> None:
        """Bytes of one turn of the loop go out together."""
        if self.is_half_open or self.is_closed:
            return
        if not self._unsent:
            asyncio.get_running_loop().call_soon(self._flush)
        self._unsent += data
        if len(self._unsent) > AT_ONCE:
            self._flush()

    def _flush(self) -> None:
        if not self._unsent or self._transport is None:
            return
        self._transport.write(bytes(self._unsent))
        self._unsent.clear()
        if self._transport.get_write_buffer_size() > MOST_UNSENT:
            log_event(
                logger, "dropped", level=logging.WARNING, peer=self.peer, client=self.client_id,
                why=f"the client leaves more than {MOST_UNSENT >> 20} MiB unread",
            )  # fmt: skip
            self.is_closed = True
            self._transport.abort()


def _filled(values: Values, usual: Values) -> Values:
    """Values with those of ``usual`` that are not there, also one level down."""
    inner = {key: usual[key] | value for key, value in values.items() if isinstance(usual.get(key), dict)}
    return usual | values | inner


def _asked_by(values: Values) -> int:
    for key in ("reqId", "orderId", "tickerId"):
        if key in values:
            return int(values[key])
    return -1


def _unserved(name: str) -> tuple[int, str]:
    return 321, f"Error validating request.-'bJ' : cause - {name} is not served by the paper gateway"
