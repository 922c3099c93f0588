"""A web server on this machine that answers as a test tells it to, failures included."""

from __future__ import annotations

import datetime as dt
import http.server
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest


@dataclass
class Reply:
    """What goes over the wire. ``body``: text as it is, a function of what was asked, anything else as JSON."""

    body: Any = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut: int = 0  # bytes of the body that are announced but never sent
    hang: bool = False  # no answer until the test is over


@dataclass(frozen=True)
class Asked:
    path: str  # as sent, escapes and all
    query: dict[str, str]
    headers: dict[str, str]


class Loopback:
    """``on`` tells what a path answers: its replies in turn, the last one for ever. Other paths answer 404."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self._replies: dict[str, list[Reply]] = {}
        self._over = threading.Event()
        loopback = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.0"

            def do_GET(self) -> None:
                loopback._answer(self)

            do_POST = do_GET

            def log_message(self, format: str, *args: Any) -> None:
                """Nothing: a test's output is its own."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def on(self, path: str, *replies: Any, **kwargs: Any) -> None:
        made = [reply if isinstance(reply, Reply) else Reply(reply) for reply in replies] or [Reply(**kwargs)]
        self._replies[path] = made

    def paths(self) -> list[str]:
        return [asked.path for asked in self.asked]

    def close(self) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        address = urlsplit(handler.path)
        query = {name: values[-1] for name, values in parse_qs(address.query).items()}
        asked = Asked(address.path, query, {name.lower(): value for name, value in handler.headers.items()})
        self.asked.append(asked)
        known = self._replies.get(handler.path) or self._replies.get(address.path)
        reply = (known.pop(0) if len(known) > 1 else known[0]) if known else Reply({"status": "NOT_FOUND"}, 404)
        if callable(reply.body):
            made = reply.body(asked)
            reply = made if isinstance(made, Reply) else Reply(made)
        if reply.hang:
            self._over.wait(10)
            return
        body = (reply.body if isinstance(reply.body, str) else json.dumps(reply.body)).encode()
        handler.send_response(reply.status)
        for name, value in reply.headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body[: len(body) - reply.cut] if reply.cut else body)


class WaitlessClock:
    """A clock that stands at one moment and goes on only when somebody sleeps; it remembers how long they slept."""

    def __init__(self, start: dt.datetime) -> None:
        self._now = start
        self.slept: list[float] = []

    def now(self) -> dt.datetime:
        return self._now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self._now += dt.timedelta(seconds=seconds)


@pytest.fixture
def loopback() -> Iterator[Loopback]:
    server = Loopback()
    yield server
    server.close()


@pytest.fixture
def reply() -> type[Reply]:
    return Reply


@pytest.fixture
def clock() -> WaitlessClock:
    """Thursday 2024-06-20, an hour after the close in New York."""
    return WaitlessClock(dt.datetime(2024, 6, 20, 21, 0, tzinfo=dt.UTC))
