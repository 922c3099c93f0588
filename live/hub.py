"""Live bars: from the pieces that IBKR streams to steps of time, with history where the stream has gaps."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Iterator, Mapping

from core.calendar import ExchangeCalendar
from core.errors import SettingsError, UnknownNameError, did_you_mean
from core.events import Bus, Connection, ConnectionEvent
from core.logs import log_event
from core.settings import Settings
from live.aligning import Aligner, Step, groups_of
from live.backfill import SIZES, Backfill
from live.broker_time import BrokerTime
from live.checks import objections_to_bars
from live.gaps import Gaps
from live.grid import Grid
from live.line import Line
from live.pump import EventPump
from live.status import Member, Status, Stream, blind_reason, status_of
from live.taking import Desk, Taker
from stores import IBStore, Instrument
from stores.errors import StoreError, UnansweredError
from stores.events import (
    BarArrived,
    ConnectionChanged,
    ConnectionState,
    ErrorReported,
    FarmChanged,
    StreamChanged,
    StreamState,
    Synchronised,
)
from stores.streams import UPDATES

logger = logging.getLogger(__name__)
HISTORY_SECONDS = 3.0  # for an answer of history, beyond the grace
SETTLED = 60.0  # seconds after the close until a daily bar stands
LATE_DAILY = 3600.0  # seconds after the close from which a daily bar is late
COMPETING = 10197
_SECOND = dt.timedelta(seconds=1)
__all__ = ["BarHub", "Step"]


class BarHub:
    """Subscribes to the bars of all wanted symbols and puts out steps. Everything happens in the pump's thread.

    ``taps`` are called with each step as it is delivered to the graph. Raises SettingsError for bars and hours that
    cannot be had live.
    """

    def __init__(
        self, store: IBStore, pump: EventPump, *, settings: Settings, instruments: Mapping[str, Instrument],
        bus: Bus | None = None, broker_time: BrokerTime | None = None,
    ) -> None:  # fmt: skip
        if reasons := objections_to_bars(settings):
            raise SettingsError(f"{settings.name} has no live bars: {'; '.join(reasons)}")
        self.store, self.pump, self.settings = store, pump, settings
        self.clock = pump.clock
        self.taps: list[Callable[[Step], None]] = []
        self.is_closed = False
        self.desk = Desk(self._wait, self._delivered)
        self._bus = bus
        self._live = settings.live
        self.grace = max(self._live.grace_seconds, SETTLED if settings.data.bar == "1d" else 0.0)
        self._grids: dict[str, Grid] = {}
        self.time = broker_time or BrokerTime(pump)
        self.now = self.time.now
        self.members = {symbol: self._member(symbol, instruments) for symbol in instruments}
        self._known = dict(self.members)  # with the references that are left out
        self._backfill = Backfill(store, pump)
        self._gaps = Gaps(
            pump, self.time, self._backfill, self.members, grace=self.grace, decided=self._asked_history
        )  # fmt: skip
        self._by_handle: dict[int, Member] = {}
        units = [symbols for _, symbols in settings.units.values()]
        self._traded = frozenset(settings.traded_symbols)
        groups = groups_of(units, [symbol for symbol in instruments if symbol not in self._traded])
        self._aligner = Aligner(
            [[self.members[symbol].line for symbol in group] for group in groups],
            patience=self.grace + HISTORY_SECONDS,
            late_after=LATE_DAILY if settings.data.bar == "1d" else self._live.stale_seconds + self.grace,
        )
        self._state = store.state  # as the events say, which may be behind the store
        self._past = 0  # events of the time before the start, which the state at the start holds already
        self._release_at: dt.datetime | None = None
        self._still_at: dt.datetime | None = None
        self._offs: list[Callable[[], None]] = []

    def _member(self, symbol: str, instruments: Mapping[str, Instrument]) -> Member:
        known = self.settings.instruments[symbol]
        if known.exchange not in self._grids:
            self._grids[known.exchange] = Grid(self.settings.data.bar, ExchangeCalendar(known.exchange))
        is_index = known.kind == "index"
        grid = self._grids[known.exchange]
        line = Line(symbol, instruments[symbol], grid, outlier=self._live.outlier, is_index=is_index)
        return Member(line, Stream())

    # -- life -----------------------------------------------------------------------------------------------------

    def start(
        self, known: Mapping[str, tuple[dt.datetime, float | None]], warm: Iterator[Step] | None = None
    ) -> None:  # fmt: skip
        """Subscribe. ``known``: symbol -> the last stamp that is known already, and the last price. ``warm``: steps
        that the graph gets before the live ones. Raises StoreError, UnansweredError."""
        self.desk.warm = iter(()) if warm is None else warm
        self._state, self._past = self.store.state, self.pump.handled + len(self.store.events)
        for kind, handler in (
            (BarArrived, self._bar), (StreamChanged, self._stream), (ConnectionChanged, self._connection),
            (Synchronised, self._synchronised), (FarmChanged, self._farm), (ErrorReported, self._error),
        ):  # fmt: skip
            self._offs.append(self.pump.on(kind, handler))  # type: ignore[arg-type]  # each its own kind
        now = self.now()
        for symbol, member in self.members.items():
            member.line.begin(*known[symbol])
            member.stream.begin(now)
            handle = self.store.subscribe_bars(
                member.line.instrument, kind=self._live.stream, bar=SIZES[self.settings.data.bar], duration="1 D"
            )
            member.stream.handle = handle
            self._by_handle[handle] = member
        self.pump.bars_wait = lambda: bool(self.desk.steps)
        self._gaps.start(self._grids.values())
        if self.pump.lockstep and self._live.stream == UPDATES:
            for grid in self._grids.values():
                self._plan_close(grid)
        self.pump.call_later(self._watch_seconds, self._watch)
        self.pump.when_still.append(self._revive)
        self._offs.append(lambda: self.pump.when_still.remove(self._revive))
        self._tell()

    def leave_out(self, symbol: str, why: str) -> None:
        """A reference has no data: its bars are not waited for. What the graph has is taken back once they come."""
        member = self._of(symbol)
        handle = member.stream.handle
        log_event(logger, "left_out", level=logging.WARNING, symbol=symbol, why=why)
        self.members.pop(symbol, None)
        member.line.leave_out()
        self._gaps.forget(member)
        if not handle:  # not subscribed yet: it was never in it
            del self._known[symbol]
        elif not self.desk.is_taken(symbol):
            self._by_handle.pop(handle, None)
            self._backfill.run(lambda: self.store.unsubscribe(handle), f"the end of the bars of {symbol}")
        self._release()

    def _take_back(self, member: Member) -> None:
        """IBKR sends the bars of a reference that was left out."""
        symbol, grace = member.line.symbol, self.grace * _SECOND
        log_event(logger, "taken_back", level=logging.WARNING, symbol=symbol)
        self._gaps.forget(member)
        member.line.take_back(member.line.grid.last_at(self.now() - grace))
        self.members[symbol] = member

    def close(self) -> None:
        """End the feeds: the graph gets no further step, and Cerebro ends. Safe to call twice."""
        if self.is_closed:
            return
        self.is_closed = self.desk.is_closed = True
        for off in self._offs:
            off()
        self._gaps.close()
        self.pump.bars_wait = lambda: False
        for handle in self._by_handle:
            try:
                self.store.unsubscribe(handle)
            except (StoreError, UnansweredError) as error:
                logger.debug("stream %s ends with the connection: %s", handle, error)
        self._tell()

    # -- what others ask ------------------------------------------------------------------------------------------

    def blind(self, symbol: str) -> str:
        """Why nobody should enter a position in ``symbol`` now; empty where the feed can be relied on."""
        member = self._of(symbol)
        return blind_reason(
            symbol, member.line, member.stream, self.store.state, self.now(), self._live, self._aligner.patience,
            self._patience, is_closed=self.is_closed,
        )  # fmt: skip

    def status(self, symbol: str) -> Status:
        """Where the feed of a symbol stands."""
        member = self._of(symbol)
        return status_of(
            member.line, member.stream, self._state, self.now(), self._aligner.patience,
            is_closed=self.is_closed, is_warm=self.desk.is_warm,
        )  # fmt: skip

    def _of(self, symbol: str) -> Member:
        if symbol not in self._known:
            raise UnknownNameError(f"no live bars of {symbol!r}{did_you_mean(symbol, self._known)}")
        return self._known[symbol]

    def attach(self, taker: Taker) -> None:
        """A data of the graph wants the bars of its symbol, and to be told how the feed stands."""
        self._of(taker.symbol)
        self.desk.attach(taker)
        taker.put_status(self.status(taker.symbol), self.why(taker.symbol))

    def why(self, symbol: str) -> str:
        """What IBKR or the clock says about the feed of a symbol."""
        return self._of(symbol).stream.why

    # -- what comes -----------------------------------------------------------------------------------------------

    def _bar(self, event: BarArrived) -> None:
        member = self._by_handle.get(event.stream)
        if member is None or not event.is_complete:
            return
        was_quiet = member.stream.heard(self.now())
        if member.line.heard(event):
            member.line.failing = ""
            self._release()
        if self.pump.lockstep and event.end == member.line.grid.session(event.end)[1]:
            self.pump.post(self._session_ends)
        if was_quiet or member.stream.told is not Status.LIVE:
            self._tell_one(member)

    def _plan_close(self, grid: Grid) -> None:
        def closed() -> None:
            if not self.is_closed:
                self._plan_close(grid)
                self._session_ends()

        self.time.call_at(grid.session(self.now() + _SECOND)[1], closed)  # keepUpToDate says nothing at the close

    def _session_ends(self) -> None:
        """The last pieces of a session are there. In lockstep time goes on with the next session: no grace passes."""
        self._gaps.ask_all(grace=0.0)

    def _stream(self, event: StreamChanged) -> None:
        member = self._by_handle.get(event.stream)
        if member is None:
            return
        member.stream.changed(event.state, event.why, self.now())
        if event.state is StreamState.LIVE and member.line.is_left_out:
            self._take_back(member)
        self._tell_one(member)
        symbol = member.line.symbol
        if event.state is StreamState.NOT_SUBSCRIBED and symbol in self.members and symbol not in self._traded:
            self.leave_out(symbol, event.why)

    def _connection(self, event: ConnectionChanged) -> None:
        if self.pump.handled <= self._past:
            return
        self._state = event.state
        for member in self.members.values():
            if member.stream.state is not StreamState.NOT_SUBSCRIBED:  # why it is refused goes on to hold
                member.stream.why = event.why
        self._tell()

    def _synchronised(self, event: Synchronised) -> None:
        if not event.is_first:
            self._backfill.run(self.time.compare, "IBKR's time")
        self._gaps.ask_anew()
        self._tell()

    def _farm(self, event: FarmChanged) -> None:
        if event.kind == "history" and event.is_up:
            self._gaps.ask_anew()

    def _asked_history(self, member: Member) -> None:
        self._release()
        self._tell_one(member)

    def _error(self, event: ErrorReported) -> None:
        if event.code == COMPETING:
            for member in self.members.values():
                member.stream.paused = event.text
            self._tell()

    # -- silence --------------------------------------------------------------------------------------------------

    @property
    def _watch_seconds(self) -> float:
        return max(self._live.stale_seconds / 3.0, 1.0)

    def _watch(self) -> None:
        """Streams that are silent while there is trading are subscribed anew, and at times those that are refused."""
        if self.is_closed:
            return
        self.pump.call_later(self._watch_seconds, self._watch)
        now = self.now()
        patience = self._patience
        for member in self._by_handle.values():
            stream, grid = member.stream, member.line.grid
            if not grid.is_open(now) or self.store.state is not ConnectionState.READY:
                continue
            if stream.state is StreamState.NOT_SUBSCRIBED:
                if stream.may_ask(now):
                    self._ask_for(member)
            elif stream.is_silent(now, grid.session(now + _SECOND)[0], patience) and stream.may_try(now, patience):
                stream.why = f"silent for {stream.silence(now):.0f} s"
                self._subscribe_anew(member)
            self._tell_one(member)

    @property
    def _patience(self) -> float:
        """Seconds for which a stream may be silent; keepUpToDate tells of a bar when the next one begins."""
        length = next(iter(self._grids.values())).seconds if self._live.stream == UPDATES else 0
        return self._live.stale_seconds + length

    def _subscribe_anew(self, member: Member) -> None:
        if member.stream.state is StreamState.NOT_SUBSCRIBED:
            return
        log_event(logger, "stream_revived", level=logging.WARNING, symbol=member.line.symbol, why=member.stream.why)
        self._ask_for(member)

    def _ask_for(self, member: Member) -> None:
        handle = member.stream.handle
        self._backfill.run(lambda: self.store.resubscribe(handle), f"bars of {member.line.symbol}")

    def _revive(self) -> None:
        """Time stands still in lockstep: perhaps because no stream is alive any more."""
        now = self.now()
        if self.is_closed or self._still_at == now:
            return
        self._still_at = now
        for member in self.members.values():
            self._subscribe_anew(member)

    # -- out ------------------------------------------------------------------------------------------------------

    def _release(self) -> None:
        now = self.now()
        self.desk.steps.extend(self._aligner.release(now))
        until = self._aligner.waits_until
        if until is not None and until != self._release_at:
            self._release_at = until
            self.time.call_at(until, self._release)

    def _wait(self, seconds: float) -> None:
        self.pump.pump(seconds)

    def _delivered(self, step: Step) -> None:
        """A step goes to the graph."""
        for symbol in step.bars:
            member = self._known[symbol]
            if member.stream.is_late != step.is_late:
                member.stream.is_late = step.is_late
                self._tell_one(member)
        for tap in self.taps:
            tap(step)

    def _tell(self) -> None:
        for member in self.members.values():
            self._tell_one(member)

    def _tell_one(self, member: Member) -> None:
        """Tell the datas and the bus how a feed stands, where that has changed."""
        symbol, stream = member.line.symbol, member.stream
        status = self.status(symbol)
        if status is stream.told:
            return
        before, stream.told = stream.told, status
        log_event(logger, "feed_status", symbol=symbol, status=status.name, why=stream.why)
        self.desk.tell(symbol, status, stream.why)
        if self._bus is not None and not self.is_closed and (status.is_bad or (before is not None and before.is_bad)):
            state = Connection.DEGRADED if status.is_bad else Connection.CONNECTED
            text = f"data of {symbol}: {status.name}{f' ({stream.why})' if stream.why else ''}"
            self._bus.publish(ConnectionEvent(at=self.now(), state=state, text=text))
