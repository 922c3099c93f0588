"""The faults' hands: carries out on sessions and market what the injector decides."""

from __future__ import annotations

import datetime as dt
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from core.logs import log_event
from gateway.faults import Injector, perform
from gateway.faults.effects import Effect, Moment
from gateway.market import Market, MarketError
from gateway.model import Execution, Instrument, Order, Values
from gateway.wire import WireError

if TYPE_CHECKING:
    from gateway.session import Session
    from gateway.tws import Tws

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Message:
    """The message under way."""

    session: Session
    client: int
    name: str
    values: Values
    dropped: bool = False
    closes: Moment | None = None


@contextmanager
def _understood(client: int | None, name: str) -> Iterator[None]:
    """A message that a script has made of what the wire cannot carry does not go out."""
    try:
        yield
    except WireError as error:
        log_event(logger, "fault_without_effect", level=logging.WARNING, client=client, message=name, why=str(error))


class FaultActor:
    """The ``Actor`` of a gateway. Each message of a session passes through ``incoming`` or ``outgoing``."""

    def __init__(self, tws: Tws, injector: Injector) -> None:
        self.injector = injector
        self._tws = tws
        self._under_way: _Message | None = None
        self._reading_again: list[tuple[dt.datetime, Session]] = []
        self._logins_from: dt.datetime | None = None

    # -- what passes by -------------------------------------------------------------------------------------------

    def incoming(self, session: Session, name: str, values: Values) -> None:
        """A request is handled, unless it is swallowed."""
        client = int(values["clientId"]) if name == "startApi" else session.client_id
        if client is None:
            session.handle(name, values)
            return
        effects = self.injector.incoming(client, name, values)
        with self._message(session, client, name, values, effects) as message:
            if message.closes in ("before", "middle"):
                session.close()
            elif not message.dropped:
                session.handle(name, message.values)
            if message.closes == "after":
                session.close()

    def outgoing(self, session: Session, name: str, values: Values) -> None:
        """An answer is sent, unless it is swallowed; the socket may close before, after, or in the middle of it."""
        if session.client_id is None:
            session.write(session.encode(name, values))
            return
        effects = self.injector.outgoing(session.client_id, name, values)
        with self._message(session, session.client_id, name, values, effects) as message:
            if message.closes == "before":
                session.close()
            elif not message.dropped:
                with _understood(session.client_id, name):
                    data = session.encode(name, message.values)
                    session.write(data[: len(data) // 2] if message.closes == "middle" else data)
            if message.closes in ("middle", "after"):
                session.close()

    def tick(self, now: dt.datetime) -> None:
        """Carry out what is due by the gateway's clock."""
        due, self._reading_again = self._reading_again, []
        for when, session in due:
            if when <= now:
                session.resume()
            else:
                self._reading_again.append((when, session))
        effects = self.injector.tick(now)
        if effects:
            perform(effects, self)

    def next_due(self) -> dt.datetime | None:
        """When the next timed effect is due."""
        due = [when for when, _ in self._reading_again]
        timed = self.injector.next_due()
        return min([*due, timed] if timed is not None else due, default=None)

    @property
    def refuses_logins(self) -> bool:
        return self._logins_from is not None and self._tws.clock.now() < self._logins_from

    @contextmanager
    def _message(
        self, session: Session, client: int, name: str, values: Values, effects: Sequence[Effect]
    ) -> Iterator[_Message]:
        before, self._under_way = self._under_way, _Message(session, client, name, values)
        try:
            perform(effects, self)
            yield self._under_way
        finally:
            self._under_way = before

    def _sessions(self, client: int | None) -> list[Session]:
        """The connection of a client, those of all for None; none where it is gone."""
        message = self._under_way
        if client is None:
            return list(self._tws.clients.values())
        if message is not None and message.client == client:  # it may be logging in
            return [message.session]
        session = self._tws.clients.get(client)
        return [session] if session is not None else []

    def _intervene(self, client: int, order: int, act: Callable[[Market, Order], object]) -> None:
        """Do something to an order; one that is gone, or in a state that does not allow it, stays as it is."""
        found = self._tws.market.find(client, order)
        try:
            if found is not None:
                act(self._tws.market, found)
        except MarketError as error:
            log_event(logger, "fault_without_effect", level=logging.WARNING, client=client, order=order, why=str(error))

    # -- the message under way ------------------------------------------------------------------------------------

    def swallow(self) -> None:
        if self._under_way is not None:
            self._under_way.dropped = True

    def replace(self, values: Values) -> None:
        if self._under_way is not None:
            self._under_way.values = values

    def close(self, client: int | None, when: Moment) -> None:
        for session in self._sessions(client):
            if self._under_way is not None and session is self._under_way.session:
                self._under_way.closes = when
            else:
                session.close()

    # -- further messages -----------------------------------------------------------------------------------------

    def send(self, client: int | None, name: str, values: Values) -> None:
        for session in self._sessions(client):
            with _understood(client, name):
                session.write(session.encode(name, values))

    def receive(self, client: int, name: str, values: Values) -> None:
        for session in self._sessions(client):
            with _understood(client, name):
                session.receive(name, values)

    def error(self, client: int | None, req_id: int, code: int, text: str, reject: str) -> None:
        values = {"reqId": req_id, "errorCode": code, "errorString": text, "advancedOrderRejectJson": reject}
        self.send(client, "error", values)

    # -- sockets and log-ins --------------------------------------------------------------------------------------

    def half_open(self, client: int | None) -> None:
        for session in self._sessions(client):
            session.is_half_open = True

    def stop_reading(self, client: int | None, until: dt.datetime | None) -> None:
        for session in self._sessions(client):
            session.pause()
            if until is not None:
                self._reading_again.append((until, session))

    def refuse_logins(self, until: dt.datetime) -> None:
        self._logins_from = until

    def change_port(self, port: int) -> None:
        self._tws.change_port(port)

    # -- state of the gateway -------------------------------------------------------------------------------------

    def roll_back_ids(self, by: int) -> None:
        self._tws.ids.roll_back(by)

    def lose_streams(self, client: int | None) -> None:
        for session in self._sessions(client):
            self._tws.streams.drop(session)

    def skew_clock(self, seconds: float) -> None:
        self._tws.skew = dt.timedelta(seconds=seconds)

    def limit(self, kind: Literal["messages", "historical"], count: int, seconds: float) -> None:
        self._tws.pacing.limit(kind, count, seconds)

    # -- orders and fills -----------------------------------------------------------------------------------------

    def hold_order(self, client: int, order: int) -> None:
        self._tws.market.hold_id(client, order)

    def release_order(self, client: int, order: int) -> None:
        self._intervene(client, order, lambda market, found: market.release(found))

    def execute(self, client: int, order: int, shares: float | None, price: float | None) -> None:
        self._intervene(client, order, lambda market, found: market.execute(found, shares, price))

    def refuse(self, client: int, order: int, code: int, text: str, reject: str) -> None:
        told = json.loads(reject) if reject else None
        self._intervene(client, order, lambda market, found: market.refuse(found, code, text, told))

    def end_silently(self, client: int, order: int) -> None:
        self._intervene(client, order, lambda market, found: market.end_silently(found))

    def twin(self, client: int, order: int) -> None:
        message = self._under_way
        if message is not None and message.name == "placeOrder":
            message.dropped = True
            self._tws.place_twin(message.session, order, message.values)

    def correct(self, exec_id: str, shares: float | None, price: float | None) -> None:
        self._revise(exec_id, lambda market, found: market.correct(found, shares=shares, price=price))

    def bust(self, exec_id: str) -> None:
        self._revise(exec_id, lambda market, found: market.bust(found))

    def _revise(self, exec_id: str, act: Callable[[Market, Execution], object]) -> None:
        """Do something to an execution of today."""
        found = self._tws.market.execution(exec_id)
        try:
            if found is not None:
                act(self._tws.market, found)
        except MarketError as error:
            log_event(logger, "fault_without_effect", level=logging.WARNING, execution=exec_id, why=str(error))

    # -- market ---------------------------------------------------------------------------------------------------

    def halt(self, symbol: str) -> None:
        self._halt(symbol, True)

    def resume(self, symbol: str) -> None:
        self._halt(symbol, False)

    def _halt(self, symbol: str, halted: bool) -> None:
        for instrument in self._named(symbol):
            (self._tws.market.halt if halted else self._tws.market.resume)(instrument)
            self._tws.send_all(self._tws.streams.halt(instrument, halted))

    def _named(self, symbol: str) -> list[Instrument]:
        return [instrument for instrument in self._tws.book.instruments if instrument.symbol == symbol]

    def split(self, symbol: str, ratio: float) -> None:
        for instrument in self._named(symbol):
            self._tws.market.split(instrument, ratio)
            self._tws.history.split(instrument, ratio)
