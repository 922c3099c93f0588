"""Requests that wait for their answers, in the store's thread."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

Key = int | str  # an id, or the name of an answer that carries none


@dataclass(slots=True)
class Request:
    """``what`` names it in errors; ``rows`` collects the answer."""

    key: Key
    what: str
    future: asyncio.Future[Any]
    rows: list[Any] = field(default_factory=list)


class Requests:
    """key -> request. An answer to a request that nobody waits for any more is left alone."""

    def __init__(self) -> None:
        self._open: dict[Key, Request] = {}
        self._clock_waiters: list[asyncio.Future[int]] = []

    def open(self, key: Key, what: str) -> Request:
        request = Request(key, what, asyncio.get_running_loop().create_future())
        self._open[key] = request
        return request

    def get(self, key: Key) -> Request | None:
        return self._open.get(key)

    def row(self, key: Key, row: Any) -> None:
        request = self._open.get(key)
        if request is not None:
            request.rows.append(row)

    def done(self, key: Key, result: Any = None) -> None:
        """The answer is whole: ``result``, or the collected rows."""
        request = self._open.pop(key, None)
        if request is not None and not request.future.done():
            request.future.set_result(request.rows if result is None else result)

    def fail(self, key: Key, error: BaseException) -> None:
        request = self._open.pop(key, None)
        if request is not None and not request.future.done():
            _fail(request.future, error)

    def forget(self, key: Key) -> None:
        """Nobody waits for it any more."""
        self._open.pop(key, None)

    def time(self) -> asyncio.Future[int]:
        """Wait for the next currentTime, which carries no id."""
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._clock_waiters.append(future)
        return future

    def time_told(self, seconds: int) -> None:
        waiters, self._clock_waiters = self._clock_waiters, []
        for future in waiters:
            if not future.done():
                future.set_result(seconds)

    def fail_all(self, error: BaseException) -> None:
        """The connection is lost."""
        for key in list(self._open):
            self.fail(key, error)
        waiters, self._clock_waiters = self._clock_waiters, []
        for future in waiters:
            if not future.done():
                _fail(future, error)


def _fail(future: asyncio.Future[Any], error: BaseException) -> None:
    """Whoever waits gets the error; where nobody waits any more, it is none."""
    future.set_exception(error)
    future.exception()  # it counts as retrieved
