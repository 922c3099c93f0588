"""A gateway whose time stands still, and a raw client of its socket that sees every message."""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from gateway import Gateway
from gateway.data.sample import Sample, make_sample
from gateway.model import Values
from gateway.wire import wire_for
from gateway.wire.frames import FrameReader, frame, hello

START = dt.datetime(2024, 6, 12, 13, 59, 59, tzinfo=dt.UTC)
OPEN = dt.datetime(2024, 6, 12, 14, 0, tzinfo=dt.UTC)  # 10:00 in New York: the market is open, and there are prices
XMPLA: Values = {"conId": 900_000_001, "symbol": "XMPLA", "secType": "STK", "exchange": "SMART", "currency": "USD"}
ACCOUNT = "DU1234567"
PATIENCE = 10.0  # seconds that a test waits for what must come

Message = tuple[str, Values]


@functools.cache
def _sample() -> Sample:
    return make_sample(OPEN.date(), 1)


@contextlib.contextmanager
def gateway(*faults: str, **options: Any) -> Iterator[Gateway]:
    """A gateway at ``OPEN`` of the sample's day, a second after its start; ``advance`` moves its time."""
    sample = _sample()
    tape, book = sample.tape(), sample.book()
    made = Gateway(tape, book, sample.history(tape, book), speed="still", start=START, faults=faults, **options)
    with made:
        made.advance(to=OPEN)
        yield made


@dataclass
class Client:
    """A connection that speaks the wire and keeps nothing from its test."""

    port: int
    client_id: int = 1
    version: int = 178
    patience: float = PATIENCE
    is_closed: bool = False
    next_id: int = 0
    login: list[Message] = field(default_factory=list)  # what came before the first answer that was asked for
    inbox: list[Message] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._wire = wire_for(self.version)
        self._reader = FrameReader()
        self._socket = socket.create_connection(("127.0.0.1", self.port), self.patience)
        self._welcomed = False
        try:
            self._log_in()
        except OSError:
            self._socket.close()
            raise

    def _log_in(self) -> None:
        self._socket.sendall(hello(157, self.version))
        while not self._welcomed and not self.is_closed:
            self._receive()
        if not self.is_closed:
            self.tell("startApi", clientId=self.client_id)
            self.login = self.sync()
            self.next_id = next((v["orderId"] for n, v in self.login if n == "nextValidId"), 0)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *error: object) -> None:
        self._socket.close()

    def tell(self, name: str, **values: Any) -> None:
        """Send a request."""
        self._socket.sendall(frame(self._wire.write_request(name, values)))

    def sync(self) -> list[Message]:
        """All that has come up to the answer to reqCurrentTime, or to the end of the connection."""
        if not self.is_closed:
            with contextlib.suppress(ConnectionError):
                self.tell("reqCurrentTime")
        return self.until("currentTime")

    def until(self, name: str) -> list[Message]:
        """All that comes before an answer of the name (it is taken, too), or before the end of the connection."""
        while not self.is_closed and name not in [n for n, _ in self.inbox]:
            self._receive()
        names = [n for n, _ in self.inbox]
        end = names.index(name) if name in names else len(names)
        found, self.inbox = self.inbox[:end], self.inbox[end + 1 :]
        return found

    def rest(self) -> list[Message]:
        """All that comes before the connection ends."""
        while not self.is_closed:
            self._receive()
        found, self.inbox = self.inbox, []
        return found

    @property
    def bytes_left(self) -> int:
        """Bytes of a message that was begun and not ended."""
        return self._reader.pending

    def time(self) -> int:
        """The current time that the gateway tells, seconds since 1970; what comes before it stays in the inbox."""
        self.tell("reqCurrentTime")
        while not (told := named(self.inbox, "currentTime")):
            if self.is_closed:
                raise ConnectionResetError("the gateway closed the connection")
            self._receive()
        self.inbox = [message for message in self.inbox if message[0] != "currentTime"]
        return int(told[0]["time"])

    def settle(self) -> None:
        """Wait until all that was sent is dealt with; what comes meanwhile stays in the inbox."""
        self.time()

    def silence(self, seconds: float = 0.2) -> bool:
        """Whether nothing comes for so long."""
        self._socket.settimeout(seconds)
        try:
            self._receive()
        except TimeoutError:
            return True
        finally:
            self._socket.settimeout(self.patience)
        return False

    def place(self, order_id: int, **terms: Any) -> None:
        """Send an order: by default to buy 100 shares at the market."""
        order = {"action": "BUY", "totalQuantity": 100.0, "orderType": "MKT", "tif": "DAY", "account": ACCOUNT} | terms
        self.tell("placeOrder", orderId=order_id, contract=XMPLA, order=order)

    def _receive(self) -> None:
        try:
            data = self._socket.recv(65_536)
        except ConnectionError:
            data = b""
        if not data:
            self.is_closed = True
            return
        for payload in self._reader.feed(data):
            if self._welcomed:
                self.inbox.append(self._wire.read_answer(payload))
            else:
                self._welcomed = True


def named(messages: list[Message], *names: str) -> list[Values]:
    """The messages of the names."""
    return [values for name, values in messages if name in names]


def codes(messages: list[Message]) -> list[int]:
    """The codes of errors."""
    return [values["errorCode"] for values in named(messages, "error")]


def statuses(messages: list[Message]) -> list[str]:
    return [values["status"] for values in named(messages, "orderStatus")]
