"""Who carries faults out: the actor, whom the integrator of the gateway implements on sessions and market.

Effects that are returned by one hook are carried out in their order, before the message under way is sent (or, for a
request, handled). What they send and receive passes by the injector: it is neither counted nor changed again.
"""

from __future__ import annotations

import datetime as dt
import logging
import threading
from collections.abc import Iterable
from typing import Literal, Protocol

from gateway.model import Values

DEEPEST = 8  # faults that set off each other
_nested = threading.local()  # a gateway runs in one thread; its depth is how many calls of ``perform`` are under way
_log = logging.getLogger(__name__)

Moment = Literal["before", "middle", "after"]


class Actor(Protocol):
    """Who carries out effects. ``client`` is an API client id; None means every connected client.

    ``order`` is the client's order id. An order or client that is gone is no error: the effect then does nothing.
    """

    # The message under way: the answer or request for which the hook was called
    def swallow(self) -> None:
        """An answer is not sent, a request not handled."""

    def replace(self, values: Values) -> None:
        """It goes on with these fields."""

    def close(self, client: int | None, when: Moment) -> None:
        """Close the socket: before the message, after half of its bytes, or after it (a request: after it is handled).

        Connections other than that of the message under way, and all of them when there is none, close at once.
        """

    # Further messages
    def send(self, client: int | None, name: str, values: Values) -> None:
        """Send an answer; fields that are absent take the layout's default."""

    def receive(self, client: int, name: str, values: Values) -> None:
        """Handle a request as if the client had sent it."""

    def error(self, client: int | None, req_id: int, code: int, text: str, reject: str) -> None:
        """Send an error with IBKR's code; ``reject`` is the advanced reject JSON or empty."""

    # Sockets and log-ins
    def half_open(self, client: int | None) -> None:
        """The connection stays open, but nothing is read from it or written to it any more."""

    def stop_reading(self, client: int | None, until: dt.datetime | None) -> None:
        """Read nothing from the client until then (None: for ever); what is written still goes out."""

    def refuse_logins(self, until: dt.datetime) -> None:
        """Connections that are attempted before ``until`` are closed before the handshake is answered."""

    def change_port(self, port: int) -> None:
        """Listen on ``port`` (0: a free one) in place of the old one, tell everyone error 1300 with it, close all."""

    # State of the gateway
    def roll_back_ids(self, by: int) -> None:
        """From the next log-in or reqIds the next valid id is lower by so many (>= 1); used ids are free again."""

    def lose_streams(self, client: int | None) -> None:
        """Market data, real-time bars and updates of bars end, without a word."""

    def skew_clock(self, seconds: float) -> None:
        """Times that are sent (current time, executions, ticks) are off by so much from now on; 0 puts it right."""

    def limit(self, kind: Literal["messages", "historical"], count: int, seconds: float) -> None:
        """Tighten a pacing limit: so many messages, or historical requests, in so many seconds."""

    # Orders and fills
    def hold_order(self, client: int, order: int) -> None:
        """It is acknowledged, but not matched, until it is released; it need not be placed yet."""

    def release_order(self, client: int, order: int) -> None:
        """It is matched again."""

    def execute(self, client: int, order: int, shares: float | None, price: float | None) -> None:
        """Fill it whatever its status, also a cancelled one. None: what remains; at its limit, or the last price."""

    def refuse(self, client: int, order: int, code: int, text: str, reject: str) -> None:
        """End a working order as Inactive and tell the client the code."""

    def end_silently(self, client: int, order: int) -> None:
        """End a working order and tell nobody; it is neither open nor completed afterwards."""

    def twin(self, client: int, order: int) -> None:
        """The modification under way becomes a second live order with a new permId; the first stays as it was."""

    def correct(self, exec_id: str, shares: float | None, price: float | None) -> None:
        """Correct an execution: the same id with the last segment one higher. None: unchanged."""

    def bust(self, exec_id: str) -> None:
        """Take an execution back: a correction to 0 shares."""

    # Market
    def halt(self, symbol: str) -> None:
        """No matching; who has its market data is told (tick type 49). The tape has nothing of it meanwhile."""

    def resume(self, symbol: str) -> None:
        """Trading goes on."""

    def split(self, symbol: str, ratio: float) -> None:
        """Positions and volumes of the history are multiplied by ``ratio``, average costs and its prices divided."""


class Effect(Protocol):
    """One thing to do."""

    def act(self, actor: Actor) -> None:
        """Have it done."""


def perform(effects: Iterable[Effect], actor: Actor) -> None:
    """Carry out effects in their order.

    What they do to the market may set off faults in turn. Where that goes deeper than ``DEEPEST``, a rule feeds on what
    it does itself, such as a correction of each execution: the rest is left out, with a warning.
    """
    depth = getattr(_nested, "depth", 0)
    if depth >= DEEPEST:
        _log.warning("a fault sets itself off again and again; give its trigger a number, as in `on execDetails 1`")
        return
    _nested.depth = depth + 1
    try:
        for effect in effects:
            effect.act(actor)
    finally:
        _nested.depth = depth
