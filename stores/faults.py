"""Errors and notices: whose each is, what it means, and what the store does about it at once."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

from core.logs import log_event
from stores import codes
from stores.codes import Code, Klass, Reaction
from stores.errors import NotSentError, RequestRefused
from stores.events import ErrorReported, FarmChanged, StreamState
from stores.ids import REQUESTS_FROM
from stores.inbox import ACCOUNT, COMPLETED, OPEN

if TYPE_CHECKING:
    from stores.desk import Desk
    from stores.streams import Stream

logger = logging.getLogger(__name__)
FARMS = {  # code -> kind, is up
    2103: ("market", False), 2104: ("market", True), 2108: ("market", True), 2119: ("market", False),
    2105: ("history", False), 2106: ("history", True), 2107: ("history", True),
    2157: ("definitions", False), 2158: ("definitions", True),
}  # fmt: skip
STREAM_STATES = {
    Reaction.NOT_SUBSCRIBED: StreamState.NOT_SUBSCRIBED,
    Reaction.DELAYED: StreamState.DELAYED,
    Reaction.PAUSE_DATA: StreamState.BROKEN,
    Reaction.RESUBSCRIBE: StreamState.BROKEN,
    Reaction.RETRY_LATER: StreamState.BROKEN,
    Reaction.FAIL_REQUEST: StreamState.ENDED,
    Reaction.EMPTY: StreamState.ENDED,
}
CURES = {
    Reaction.NOT_SUBSCRIBED: "subscribe to the exchange's data in Client Portal and share it with the paper account",
    Reaction.RETRY_LATER: "ask again later",
    Reaction.PAUSE_DATA: "end the other session of this user",
    Reaction.STOP: "see docs/ibkr_login.md",
    Reaction.RECONCILE: "look at open orders and executions before deciding",
}
REFUSALS = (Reaction.ORDER_REFUSED, Reaction.CHANGE_REFUSED, Reaction.SEARCH_ORDER, Reaction.AWAIT_FILL)


class Faults:
    """Classifies what IBKR reports and tells the rest of the store."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.refused_login = ""  # why the log-in under way cannot succeed

    def arrived(self, req_id: int, number: int, text: str, reject: str) -> None:
        desk = self._desk
        stream = desk.streams.of(req_id)
        request = desk.requests.get(req_id)
        is_order = 0 < req_id < REQUESTS_FROM  # an order's, or that of a preview, which is a request, too
        order = desk.orders.of(desk.settings.client_id, req_id) if is_order and request is None else None
        on_modify = order is not None and desk.orders.is_changing(req_id)
        code = codes.find(number, text, is_order=is_order, on_modify=on_modify)
        if on_modify and code.reaction in REFUSALS:
            desk.orders.changed(req_id)
        if number in FARMS:
            self._farm(number, text)
        report = ErrorReported(
            code=number, klass=code.klass, reaction=code.reaction, text=text, when=desk.now(),
            order_id=req_id if is_order and request is None else None, order_ref=order.order_ref if order else "",
            req_id=req_id if request else None, stream=stream.handle if stream else None,
            on_modify=on_modify, advanced_reject=reject,
        )  # fmt: skip
        level = logging.INFO if code.klass is Klass.INFO else logging.WARNING
        stands = code.reaction is Reaction.NOT_SUBSCRIBED and _is_refused(stream)
        log_event(
            logger, "ib_error", level=logging.DEBUG if stands else level, code=number, klass=code.klass,
            reaction=code.reaction, id=req_id, text=text,
        )  # fmt: skip
        if not stands:
            desk.outlet.put(report)
        if stream is not None:
            self._stream(stream, number, code, text)
        if request is not None:
            self._request(req_id, number, code, text)
        self._connection(number, code, text)

    # -- whose it is ----------------------------------------------------------------------------------------------

    def _request(self, req_id: int, number: int, code: Code, text: str) -> None:
        if code.reaction is Reaction.EMPTY:
            self._desk.requests.done(req_id, [])
        elif code.klass is not Klass.INFO and code.reaction not in (
            Reaction.NOTE, Reaction.ORDER_LIVE, Reaction.DELAYED,
        ):  # fmt: skip
            request = self._desk.requests.get(req_id)
            what = request.what if request else f"request {req_id}"
            cure = CURES.get(code.reaction, code.says)
            self._desk.requests.fail(req_id, RequestRefused(number, text, what, cure))

    def _stream(self, stream: Stream, number: int, code: Code, text: str) -> None:
        state = STREAM_STATES.get(code.reaction)
        if state is None:
            return
        streams = self._desk.streams
        if code.reaction is not Reaction.DELAYED and code.reaction is not Reaction.PAUSE_DATA:
            streams.dropped(stream)
        streams.change(stream, state, number, text)
        if code.reaction in (Reaction.RESUBSCRIBE, Reaction.RETRY_LATER):
            self._desk.resubscribe_soon([stream.handle], stream.failures)
            stream.failures += 1

    def _farm(self, number: int, text: str) -> None:
        kind, is_up = FARMS[number]
        name = text.rpartition(":")[2].strip() if ":" in text else ""
        desk = self._desk
        was_up = desk.farms.get((kind, name), True)
        desk.farms[kind, name] = is_up
        desk.outlet.put(FarmChanged(kind, name, is_up, number, desk.now()))
        if kind == "market" and not is_up:
            for stream in desk.streams.streams.values():
                if stream.state in (StreamState.LIVE, StreamState.ASKED, StreamState.DELAYED):
                    desk.streams.change(stream, StreamState.BROKEN, number, text)
        if kind == "market" and is_up and not was_up and number == 2104:
            desk.resubscribe_soon(list(desk.streams.streams))
        if is_up and desk.connection.is_degraded_by_itself:
            desk.connection.restored(f"{number}: {text}", resubscribe=False)
        if kind == "history" and is_up:
            desk.history_is_up.set()
        elif kind == "history":
            desk.history_is_up.clear()

    # -- the connection -------------------------------------------------------------------------------------------

    def _connection(self, number: int, code: Code, text: str) -> None:
        desk = self._desk
        if code.reaction is Reaction.FREEZE:
            desk.connection.degrade(f"{number}: {text}")
        elif code.reaction is Reaction.RESUBSCRIBE_RECONCILE:
            desk.streams.drop_all(text, number)
            desk.connection.restored(f"{number}: subscriptions were lost", resubscribe=True)
        elif number == 1102:
            desk.connection.restored(f"{number}: subscriptions go on", resubscribe=False)
        elif code.reaction is Reaction.RECONNECT_PORT:
            port = re.search(r"(\d{2,5})\D*$", text)
            desk.connection.move(int(port.group(1)) if port else 0, text)
        elif code.reaction is Reaction.RETRY_SAME_ID:
            self.refused_login = f"client id {desk.settings.client_id} is in use (326): {text}"
            desk.connection.give_up(self.refused_login)
        elif code.reaction in (Reaction.RECONNECT, Reaction.BACK_OFF):
            desk.connection.give_up(f"{number}: {text}")
        elif code.reaction is Reaction.SLOW_DOWN:
            desk.messages.slow_down()
        elif code.reaction is Reaction.RETRY_LATER and "pacing" in text.lower():
            desk.history.violated()
        elif code.reaction is Reaction.STOP and codes.READ_ONLY.lower() in text.lower():
            error = NotSentError(
                "the API of TWS is read-only, so orders can neither be seen nor sent; clear 'Read-Only API' in "
                "Global Configuration, API, Settings"
            )
            for key in (OPEN, COMPLETED, ACCOUNT):
                desk.requests.fail(key, error)


def _is_refused(stream: Stream | None) -> bool:
    """Whether it was refused before: that it still is has been told."""
    return stream is not None and stream.state is StreamState.NOT_SUBSCRIBED
