"""What a request is answered with: one function for each request, in a file for each kind of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from gateway.model import Values

if TYPE_CHECKING:
    from gateway.session import Session
    from gateway.tws import Tws

Handler = Callable[["Tws", "Session", Values], None]

HANDLERS: dict[str, Handler] = {}  # name of a request -> who answers it
NOT_SERVED: dict[str, tuple[int, str]] = {}  # name of a request -> IBKR's error for who may not have it


def on(*names: str) -> Callable[[Handler], Handler]:
    """The decorated function answers these requests."""

    def enter(handler: Handler) -> Handler:
        for name in names:
            HANDLERS[name] = handler
        return handler

    return enter


from gateway.handlers import accounts, contracts, history, orders, streams, system  # noqa: E402, F401
