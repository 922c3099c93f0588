"""The state that all connections share: rooms, clients, orders, and what happens on a step of the tape."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, cast
from zoneinfo import ZoneInfo

from core.clock import Clock
from core.logs import log_event
from gateway.account_feeds import AccountFeeds
from gateway.actor import FaultActor
from gateway.data.contracts import ContractBook
from gateway.data.history import History
from gateway.data.live_bars import Answer
from gateway.data.pacing import Pacing
from gateway.data.rules import MARKET_RULES
from gateway.data.streams import Streams
from gateway.data.tape import Step
from gateway.driver import Barriers
from gateway.faults import make_injector
from gateway.hours import moment_of
from gateway.ids import OrderIds
from gateway.market import Accounts, Market
from gateway.model import Values
from gateway.reporter import Reporter

if TYPE_CHECKING:
    from gateway.session import Session

logger = logging.getLogger(__name__)


class Tws:
    """What a running TWS is, apart from its sockets.

    ``zone``: the time zone it is set to. ``is_lockstep``: the tape waits for its clients. ``faults``: scenarios, files
    or scripts; ``seed``: of their chance.
    ``standing``: orders meet the quote that stands when they come, instead of the tape's next one.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        book: ContractBook,
        history: History,
        accounts: Accounts,
        zone: str,
        is_lockstep: bool,
        standing: bool = False,
        faults: Iterable[str] = (),
        seed: int | None = None,
    ) -> None:
        self.clock = clock
        self.book = book
        self.history = history
        self.accounts = accounts
        self.zone = ZoneInfo(zone)
        self.is_lockstep = is_lockstep
        self.skew = dt.timedelta(0)  # what a fault adds to the times that are sent
        self.ids = OrderIds()
        self.clients: dict[int, Session] = {}  # client id -> its connection
        self.connections: set[Session] = set()  # logged in or not
        self.on_clients: Callable[[], None] = lambda: None  # told when one comes or goes
        self.on_port: Callable[[int], None] = lambda port: None  # told that a fault wants another port
        self.defects: list[Exception] = []  # errors of the gateway itself in the midst of a request
        self.account_feeds = AccountFeeds(self)
        self.barriers = Barriers(self)
        self.pacing = Pacing(clock)
        self.streams = Streams(history.tape, history, book)
        self.reporter = Reporter(self)
        self.market = Market(
            book.instruments, accounts, clock.now, self.reporter, rules=MARKET_RULES, zone=zone, standing=standing
        )
        self.streams.shortable = self.market.shortable
        self.market.on_shortable = lambda instrument: self.send_all(self.streams.inventory(instrument))
        injector = make_injector(faults, clock.now, seed, zone)
        self.actor = None if injector is None else FaultActor(self, injector)
        if injector is not None:
            injector.know(history.tape.instruments)

    # -- time -----------------------------------------------------------------------------------------------------

    def told_time(self) -> dt.datetime:
        """The time that clients are told."""
        return self.clock.now() + self.skew

    def unix_time(self) -> int:
        return int(self.told_time().timestamp())

    def time_text(self) -> str:
        """As in the answer to the handshake: ``20231203 20:15:20 US/Eastern``."""
        return f"{self.told_time().astimezone(self.zone):%Y%m%d %H:%M:%S} {self.zone.key}"

    def know_prices(self) -> None:
        """The last price of each instrument at the beginning: of the tape before it, else of the session before."""
        now, tape, prices = self.clock.now(), self.history.tape, self.accounts.prices
        for instrument in tape.instruments:
            bar, quote = tape.last_bar(instrument, now), tape.last_quote(instrument, now)
            price: float | None
            if quote is not None and quote.bid > 0.0 and quote.ask > 0.0:
                price = (quote.bid + quote.ask) / 2.0
            else:
                price = bar.close if bar is not None else self.history.previous_close(instrument, moment_of(now))
            if price is not None:
                prices[instrument.con_id] = price

    # -- connections ----------------------------------------------------------------------------------------------

    def joined(self, session: Session) -> None:
        self.connections.add(session)

    def logged_in(self, session: Session) -> None:
        self.clients[session.client] = session
        log_event(logger, "client_connected", client=session.client, peer=session.peer, version=session.version)
        self.on_clients()

    def left(self, session: Session) -> None:
        """A connection is gone: so are its subscriptions; its orders stay."""
        self.connections.discard(session)
        self.streams.drop(session)
        self.account_feeds.drop(session)
        self.pacing.drop(session)
        if session.client_id is not None and self.clients.get(session.client_id) is session:
            del self.clients[session.client_id]
            log_event(logger, "client_gone", client=session.client_id, peer=session.peer)
            self.on_clients()
        self.barriers.moved()

    def refuses_logins(self) -> bool:
        return self.actor is not None and self.actor.refuses_logins

    def is_streaming(self, session: Session) -> bool:
        """Whether a client has market data sent to it as the tape goes."""
        return self.streams.has(session)

    def change_port(self, port: int) -> None:
        self.on_port(port)

    # -- the tape -------------------------------------------------------------------------------------------------

    def next_act(self) -> dt.datetime | None:
        """When the market or a fault next does something by itself."""
        due = [self.market.next_due, self.actor.next_due() if self.actor is not None else None]
        return min((moment for moment in due if moment is not None), default=None)

    def step(self, step: Step, *, is_over: bool = False) -> bool:
        """All that happens at one moment of the tape; whether a client was sent market data.

        ``is_over``: the tape has ended before.
        """
        market, actor = self.market, self.actor
        if actor is not None:
            actor.tick(step.when)
            step, recorded = actor.injector.step(step), step
            actor.tick(self.clock.now())  # what rules on the tape do beside comes before the market has its prices, too
            if step is not recorded:
                self.history.played(recorded, step)
        market.advance(step.when)
        for instrument, quote in step.quotes.items():
            market.quote(instrument, quote)
        for instrument, bar in step.bars.items():
            market.bar(instrument, bar)
        answers = self.streams.feed(step, is_over=is_over)
        self.send_all(answers)
        self.account_feeds.tick(step.when)
        return bool(answers)

    def send_all(self, answers: Iterable[Answer]) -> None:
        """Send what the streams have for their clients, which are sessions here."""
        for client, name, values in answers:
            cast("Session", client).send(name, values)

    # -- faults ---------------------------------------------------------------------------------------------------

    def place_twin(self, session: Session, order_id: int, values: Values) -> None:
        """A modification becomes a second order with a permId of its own."""
        known = self.market.find(session.client, order_id)
        if known is not None:
            twin = self.market.new_order(
                session.client, order_id, known.account, known.instrument, values["contract"], values["order"]
            )
            self.market.place(twin, is_twin=True)
