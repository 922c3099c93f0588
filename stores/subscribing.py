"""Asks IBKR for streams, ends them, and asks anew when they are lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stores.converting import contract_of
from stores.errors import NotSentError
from stores.events import StreamState
from stores.pacing import STREAMS
from stores.streams import BAR_SECONDS, REALTIME, UPDATES, Stream

if TYPE_CHECKING:
    from stores.desk import Desk

CANCELS = {REALTIME: "cancelRealTimeBars", UPDATES: "cancelHistoricalData"}


class Subscriber:
    """One stream is subscribed once at a time: asking again ends the earlier subscription, once its turn has come."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._under_way: set[int] = set()  # handles

    async def ask(self, stream: Stream) -> None:
        """Subscribe. Raises NotSentError where there is no connection; the next one does it then."""
        desk = self._desk
        if stream.handle in self._under_way:
            return
        self._under_way.add(stream.handle)
        try:
            if stream.kind == REALTIME or (stream.kind == UPDATES and BAR_SECONDS[stream.bar] <= 30):
                await desk.history.turn(stream.instrument, stream.what, None)
            await self._end(stream)
            if stream.handle not in desk.streams.streams:
                return
            req_id = desk.request_ids.take()
            desk.streams.asked(stream, req_id)
            contract = contract_of(stream.instrument)
            if stream.kind == REALTIME:
                await desk.send(
                    "reqRealTimeBars", req_id, contract, 5, stream.what, stream.rth, [], priority=STREAMS
                )  # fmt: skip
            elif stream.kind == UPDATES:
                await desk.send(
                    "reqHistoricalData", req_id, contract, "", stream.duration, stream.bar, stream.what, stream.rth,
                    2, True, [], priority=STREAMS,
                )  # fmt: skip
            else:
                await desk.send(
                    "reqMktData", req_id, contract, stream.generic, False, False, [], priority=STREAMS
                )  # fmt: skip
        except NotSentError:
            desk.streams.dropped(stream)
            if stream.state is not StreamState.NOT_SUBSCRIBED:
                why = "there is no connection; it is subscribed by the next"
                desk.streams.change(stream, StreamState.BROKEN, why=why)
            raise
        finally:
            self._under_way.discard(stream.handle)

    async def end(self, handle: int) -> None:
        """Unsubscribe. Nothing happens for a handle that is not known."""
        stream = self._desk.streams.streams.get(handle)
        if stream is not None:
            try:
                await self._end(stream)
            finally:
                self._desk.streams.remove(handle)
                self._desk.streams.change(stream, StreamState.ENDED)

    async def again(self, handles: list[int], after: float = 0.0, *, refused: bool = False) -> None:
        """Subscribe anew what is still wanted, and last, where ``refused``, what IBKR has refused so far."""
        if after:
            await self._desk.pause(after)
        streams = self._desk.streams.streams
        last = {each for each in handles if each in streams and streams[each].state is StreamState.NOT_SUBSCRIBED}
        for handle in [*(each for each in handles if each not in last), *(sorted(last) if refused else ())]:
            stream = streams.get(handle)
            if stream is not None:
                await self.ask(stream)

    async def _end(self, stream: Stream) -> None:
        req_id = stream.req_id
        if req_id:
            self._desk.streams.dropped(stream)
            await self._desk.send(CANCELS.get(stream.kind, "cancelMktData"), req_id, priority=STREAMS)
