"""A live session from log-in to stop: the graph of the settings, run on IBKR.

The order of a start: settings, connection, kind of the account, clock, journal (and its lock), contracts,
reconciliation, history, graph. What does not hold ends it with a sentence, and nothing is sent. See docs/live.md.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import gc
import logging
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import backtrader as bt

from books.event_writer import EventWriter
from books.intents import IntentJournal
from books.journal import Journal
from core.clock import Clock, SteadyClock
from core.config import settings_hash
from core.errors import HalflifeError, LedgerError, SessionError
from core.events import Bus, ExceptionEvent
from core.logs import log_event
from core.settings import Settings
from core.version import code_version
from engine.build import bars_needed, build, resolve
from live.broker import IBBroker
from live.broker_time import BrokerTime
from live.checks import check_account, check_clock, check_settings, closed_until
from live.feed import LiveHistory
from live.hub import BarHub
from live.instruments import qualify, references, without
from live.places import Places, refuse_second, refuse_without_journal
from live.pump import EventPump
from live.rates import ask_rates
from live.record_days import DayRecords, marks_of
from live.recording import RecordingVenue
from live.session_events import DrawdownWatch, SessionEvents
from live.state import StateKeeper, StateWriter, latch_again, read_state, taken_state
from live.stopping import Stopping
from live.summary import SessionSummary, summarise
from live.venue import IBVenue
from stores import IBStore, StoreSettings
from stores.events import AccountKind, StreamState

logger = logging.getLogger(__name__)
RECONCILE_SECONDS = 60.0  # for the first comparison of journal and broker, by the clock
START_SECONDS = 20.0  # for TWS to be reached and logged in to
ANSWER_SECONDS = 2.0  # real ones, for word that a stream is not subscribed
PAUSE_SECONDS = 0.02
STANDSTILLS = 40  # in a row at one time, after which a session in lockstep ends
Tell = Callable[[str], None]


class LiveSession:
    """One run of ``halflife live``.

    ``store``: how to connect; None as the settings say. ``clock``: the gateway's in a rehearsal. ``lockstep``: the
    paper gateway waits for us. ``until``: stop at that time, UTC. ``tell`` is given sentences for a person, ``marked``
    the broker after each bar. ``bus``: to be subscribed before ``run``.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        real_money: bool = False,
        store: StoreSettings | None = None,
        clock: Clock | None = None,
        lockstep: bool = False,
        until: dt.datetime | None = None,
        tell: Tell = logger.info,
        marked: Callable[[dt.datetime, Any], None] | None = None,
    ) -> None:
        self.settings = _for_live(resolve(settings))
        self.bus = Bus()
        self.tell = tell
        self.stopping = Stopping(self.settings.live, tell)
        self._given = settings
        self._real_money = real_money
        self._store_settings = store or store_settings(self.settings)
        self._clock = clock or SteadyClock()
        self._lockstep = lockstep
        self._until = until
        self._marked = marked
        self._opened = ExitStack()  # what is closed at the end, however it comes
        self.broker: IBBroker | None = None  # once it runs
        self.places: Places | None = None  # once the account is known

    def run(self) -> SessionSummary:
        """Trade until it is asked to stop. Raises HalflifeError where it cannot begin or go on."""
        check_settings(self.settings)
        refuse_second(self.settings.paths.state, self.settings.live.account)
        with self._opened as opened:
            return self._connected(opened)

    # -- the start ------------------------------------------------------------------------------------------------

    def _connected(self, opened: ExitStack) -> SessionSummary:
        settings = self.settings
        store = IBStore(self._store_settings, self._clock)
        opened.callback(store.stop)
        self.tell(f"connecting to {self._store_settings.host}:{self._store_settings.port}")
        store.start()
        account, kind = store.account, store.account_kind
        today = self._clock.now().date()
        check_account(self._given, account, kind, real_money=self._real_money, today=today)
        what = "REAL MONEY" if kind is AccountKind.REAL else "paper"
        self.tell(f"logged in: account {account} ({what})")
        pump = EventPump(store, lockstep=self._lockstep)
        broker_time = BrokerTime(pump)
        broker_time.compare()
        check_clock(self._clock.now(), broker_time.offset)
        places = self.places = Places.of(settings.paths.state, account)
        refuse_without_journal(places)
        intents = opened.enter_context(
            IntentJournal(places.intents, account, client_id=self._store_settings.client_id, clock=self._clock)
        )
        state = read_state(places.state)
        latch_again(intents, state)
        events = opened.enter_context(Journal(places.events, is_durable=False))  # no order waits for what is told
        opened.callback(self.bus.subscribe(EventWriter(events)))
        instruments = qualify(store, settings)
        beside, lacking = references(store, settings)
        for sentence in lacking:
            self.tell(sentence)
        hub = BarHub(
            store, pump, settings=settings, instruments=instruments | beside, bus=self.bus, broker_time=broker_time
        )
        opened.callback(hub.close)
        venue = IBVenue(
            store, intents, settings=settings, clock=self._clock, bus=self.bus, pump=pump,
            blind=lambda symbol: self.stopping.why or hub.blind(symbol), instruments=instruments,
        )  # fmt: skip
        self._reconcile(pump, venue, intents)
        for sentence in ask_rates(store, settings, venue.reported):
            self.tell(sentence)
        closed = closed_until(settings, hub.now())
        if closed:
            self.tell(closed)
        history = LiveHistory.load(settings, hub, warm_up=bars_needed(settings))
        self._require_data(store, pump, hub)
        for symbol in history.left_out():
            self.tell(f"IBKR sends no market data of {symbol}, which is not subscribed to. {without(symbol, settings)}")
        for note in history.notes:
            self.tell(note)
        cerebro, recording = self._graph(venue, history, places, events, state, intents, pump)
        assert self.broker is not None  # made by _graph
        self.stopping.begin(self.broker, pump, hub, recording)
        pump.when_still.append(self._still(pump))
        if self._until is not None:
            pump.call_at(self._until, lambda: self.stopping.ask("its time is over"))
        bars = max((len(frame) for frame in history.frames.values()), default=0)
        self.tell(f"{bars:,} bars of {settings.data.bar} before the start; trading {', '.join(settings.units)}")
        log_event(logger, "live", account=account, kind=str(kind), settings_hash=settings_hash(settings))
        return self._trade(cerebro, venue, recording)

    def _reconcile(self, pump: EventPump, venue: IBVenue, intents: IntentJournal) -> None:
        """Compare the journal with the broker, until nothing is left to ask."""
        pump.pump_until(lambda: venue.is_settled, RECONCILE_SECONDS)
        if not venue.is_reconciled:
            raise SessionError(
                f"orders, executions and positions could not be compared with the journal within "
                f"{RECONCILE_SECONDS:g} s; look at TWS, then start again"
            )
        for doubt in venue.doubts:
            self.tell(f"still being asked: {doubt}")
        if intents.killed:
            self.tell(f"the kill switch is latched ({intents.killed}): no entries; see `halflife reconcile`")
        for halt in intents.book.halts.values():
            self.tell(f"{halt.symbol or 'the account'} is halted: {halt.why}; see `halflife reconcile`")

    def _require_data(self, store: IBStore, pump: EventPump, hub: BarHub) -> None:
        """Raise SessionError where IBKR says at once that data is not subscribed; time stands still meanwhile."""
        streams = {symbol: member.stream for symbol, member in hub.members.items()}
        end = time.monotonic() + (0.0 if self._lockstep else ANSWER_SECONDS)

        def hold() -> bool:
            return True

        pump.holds.append(hold)
        if self._lockstep:
            store.positions()  # the gateway's answer comes behind what it says of the streams
            pump.pump(0.0)
        while any(stream.state is StreamState.ASKED for stream in streams.values()) and time.monotonic() < end:
            if not pump.pump(PAUSE_SECONDS):
                time.sleep(PAUSE_SECONDS)
        pump.holds.remove(hold)
        lacking = {
            symbol: streams[symbol].why
            for symbol in self.settings.traded_symbols
            if streams[symbol].state is StreamState.NOT_SUBSCRIBED
        }
        if lacking:
            said = "; ".join(f"{symbol} ({why})" for symbol, why in lacking.items())
            raise SessionError(
                f"IBKR sends no market data of {said}: subscribe to it in Client Portal (Settings, Market Data "
                f"Subscriptions) and share it with the paper account, or set live.delayed_data = true"
            )

    def _still(self, pump: EventPump) -> Callable[[], None]:
        """In lockstep: end a session to which nothing comes any more."""
        seen: list[dt.datetime] = []

        def still() -> None:
            now = pump.clock.now()
            if seen and seen[-1] != now:
                seen.clear()
            seen.append(now)
            if len(seen) >= STANDSTILLS:
                self.stopping.ask("time stands still: no data come any more")

        return still

    def _graph(
        self, venue: IBVenue, history: LiveHistory, places: Places, events: Journal, state: Any, intents: IntentJournal,
        pump: EventPump,
    ) -> tuple[bt.Cerebro, RecordingVenue | None]:  # fmt: skip
        settings = self.settings
        recording = self._recording(venue, history, places, state) if settings.live.record else None
        broker = self.broker = IBBroker(recording or venue, settings=settings)
        objections = broker.objections(has_traded=bool(intents.book.orders))
        if objections:
            raise SessionError(f"{places.account} is not traded: {'; '.join(objections)}")
        cerebro = build(settings, history, broker)
        if recording is not None:
            recording.watch(cerebro.datas)
        cerebro.addanalyzer(StateKeeper, state=state, rearmed=not intents.killed)
        cerebro.addanalyzer(SessionEvents, journal=events, bus=self.bus, clock=self._clock, tell=self.tell)
        version = settings_hash(settings)
        writer = StateWriter(
            places.state, lambda when: taken_state(broker, when, version), pump.post, self._failed
        )  # fmt: skip
        self._opened.callback(writer.write)  # of the last bar
        watch = DrawdownWatch(self.bus, settings.risk.kill_switch.max_drawdown)

        def marked(when: dt.datetime) -> None:
            writer.marked(when)
            pump.post(lambda: self._tidy(intents))
            if self._marked is not None:
                self._marked(when, broker)

        broker.listeners.append(_Marks(watch, marked))
        return cerebro, recording

    def _recording(self, venue: IBVenue, history: LiveHistory, places: Places, state: Any) -> RecordingVenue | None:
        settings, version = self.settings, settings_hash(self.settings)
        about = {
            "account": places.account,
            "code_version": code_version(),
            "settings_hash": version,
            "history_hash": history.hash,
            "settings": settings.model_dump(mode="json"),
            "killed": venue.killed,
        }
        reported = venue.reported

        def rates() -> dict[str, float]:
            return reported.rates if settings.live.fx == "broker" else {}

        def take(when: dt.datetime) -> dict[str, Any]:
            assert self.broker is not None and self.broker.account is not None  # the graph runs
            state = taken_state(self.broker, when, version)
            return {"state": state, "killed": venue.killed, "books": marks_of(self.broker.account, when)}

        try:
            days = DayRecords(
                places.days, settings, about, begin=history.begin, state=state, now=self._clock.now, take=take,
                failed=self._failed,
            )  # fmt: skip
            recording = RecordingVenue(venue, days, history.begin, rates, self._failed)
        except HalflifeError as error:
            self._failed(str(error))
            return None
        self._opened.callback(recording.seal)
        return recording

    def _failed(self, text: str) -> None:
        """Something beside trading fails: told, and trading goes on."""
        self.bus.publish(ExceptionEvent(at=self._clock.now(), where="session", error="", text=text))

    # -- at work --------------------------------------------------------------------------------------------------

    def _trade(self, cerebro: bt.Cerebro, venue: IBVenue, recording: RecordingVenue | None) -> SessionSummary:
        gc.collect()
        gc.freeze()  # what is there stays: a full collection would look through all of it, for half a second
        try:
            strategies = cerebro.run()
        except Exception as error:
            self.bus.publish(
                ExceptionEvent(at=self._clock.now(), where="graph", error=type(error).__name__, text=str(error))
            )
            if recording is not None:
                recording.fail(error)
            with contextlib.suppress(HalflifeError):  # what ended the graph is told
                self.stopping.abandon()
            raise
        finally:
            gc.unfreeze()
        return summarise(cerebro, strategies, venue, self.stopping.why, self._clock.now())

    def _tidy(self, intents: IntentJournal) -> None:
        try:
            intents.tidy()
        except LedgerError as error:
            self._failed(str(error))

    @property
    def is_trading(self) -> bool:
        """Whether the graph runs: before, there is nothing to stop in order."""
        return self.stopping.has_begun

    def ask_stop(self, why: str) -> None:
        """Stop soon, from any thread: see ``live.stopping``."""
        self.stopping.ask_from_outside(why)


class _Marks:
    """Hears when a bar is over (``engine.venue.VenueListener``)."""

    def __init__(self, watch: DrawdownWatch, marked: Callable[[dt.datetime], None]) -> None:
        self._watch = watch
        self._marked = marked

    def sent(self, orders: object) -> None:
        """The journal knows."""

    def cancelled(self, ref: int, why: str) -> None:
        """The journal knows."""

    def reported(self, when: dt.datetime, reports: object) -> None:
        """The journal knows."""

    def marked(self, when: dt.datetime, equity_eur: float) -> None:
        self._watch.marked(when, equity_eur)
        self._marked(when)


def store_settings(settings: Settings) -> StoreSettings:
    """How to connect, by the settings."""
    live = settings.live
    return StoreSettings(
        host=live.host,
        port=live.port,
        client_id=live.client_id,
        account=live.account,
        market_data_type=3 if live.delayed_data else 1,
        start_timeout=START_SECONDS,
    )


def _for_live(settings: Settings) -> Settings:
    """A kill switch stays latched until a person re-arms it."""
    switch = settings.risk.kill_switch.model_copy(update={"rearm_sessions": 0})
    return settings.model_copy(update={"risk": settings.risk.model_copy(update={"kill_switch": switch})})
