"""When history is asked for what the stream has not told, and how often."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Iterable, Mapping

from core.logs import log_event
from live.backfill import Backfill
from live.broker_time import BrokerTime
from live.grid import Grid
from live.pump import EventPump
from live.status import Member
from stores.events import ConnectionState
from stores.records import HistoryBar

logger = logging.getLogger(__name__)
ASK_AGAIN = 2  # times, where history lacks bars that it should have
RETRY_FIRST, RETRY_MOST = 5.0, 60.0  # seconds between two attempts that failed
_SECOND = dt.timedelta(seconds=1)


class Gaps:
    """``grace`` seconds after each stamp, whoever does not know its bar asks history, whatever the stream says.

    An answer that lacks bars is asked for again twice (HMDS may be a little behind), a request that fails for as long
    as it takes. ``decided`` is told of each end of a request.
    """

    def __init__(
        self, pump: EventPump, time: BrokerTime, backfill: Backfill, members: Mapping[str, Member], *, grace: float,
        decided: Callable[[Member], None],
    ) -> None:  # fmt: skip
        self._pump, self._time, self._backfill, self._members = pump, time, backfill, members
        self._grace = grace
        self._decided = decided
        self._is_closed = False

    def start(self, grids: Iterable[Grid]) -> None:
        for grid in grids:
            self._plan(grid)
        self._pump.call_later(max(self._grace, 1.0), self.ask_all)  # what history did not have before the start

    def close(self) -> None:
        """Nothing is asked any more, and no answer counts."""
        self._is_closed = True
        self._backfill.stop()

    def _plan(self, grid: Grid) -> None:
        grace = self._grace * _SECOND
        self._time.call_at(grid.after(self._time.now() - grace) + grace, lambda: self._deadline(grid))

    def _deadline(self, grid: Grid) -> None:
        if not self._is_closed:
            self._plan(grid)
            self.ask_all(grid)

    def ask_all(self, grid: Grid | None = None, grace: float | None = None) -> None:
        """Whoever (on a grid) does not know what has ended ``grace`` seconds ago asks history."""
        for member in self._members.values():
            if grid is None or member.line.grid is grid:
                self.ask(member, grace)

    def ask_anew(self) -> None:
        """The connection or the farm is back: what is under way may never be answered, and is not waited for."""
        for member in self._members.values():
            member.turn += 1
            member.line.asked = None
        self.ask_all()

    def forget(self, member: Member) -> None:
        """No answer to what was asked counts, and failures begin anew."""
        member.turn += 1
        member.line.asked = None
        member.attempts = member.again = 0

    def ask(self, member: Member, grace: float | None = None) -> None:
        """Ask for what a member should know by now."""
        line = member.line
        until = line.grid.last_at(self._time.now() - (self._grace if grace is None else grace) * _SECOND)
        if self._is_closed or line.is_left_out or line.asked is not None or not line.lacks(until):
            return
        if self._pump.store.state is not ConnectionState.READY:
            line.failing = "there is no connection to IBKR"
            self._decided(member)
            return
        line.asked = self._time.now()
        member.turn += 1
        after, turn = line.known, member.turn

        def answer(rows: list[HistoryBar] | None, why: str) -> None:
            if member.turn == turn:
                self._answered(member, until, rows, why)

        log_event(logger, "history_asked", level=logging.DEBUG, symbol=line.symbol, after=after, until=until)
        self._backfill.ask(line.instrument, line.grid, after, until, answer)

    def _answered(self, member: Member, until: dt.datetime, rows: list[HistoryBar] | None, why: str) -> None:
        line = member.line
        line.asked = None
        if self._is_closed:
            return
        if rows is None:
            line.failing = why
            seconds = min(RETRY_FIRST * 2.0**member.attempts, RETRY_MOST)
            member.attempts += 1
            log_event(logger, "history_failed", level=logging.WARNING, symbol=line.symbol, why=why)
            self._pump.call_later(seconds, lambda: self.ask(member))
        else:
            line.failing, member.attempts = "", 0
            there = {line.stamp_of(row) for row in rows}
            absent = [stamp for stamp in line.wants(until) if stamp not in there]
            if absent and member.again < ASK_AGAIN:
                member.again += 1
                self._pump.call_later(max(self._grace, 1.0), lambda: self.ask(member))
            else:
                member.again = 0
                line.told(rows, until)
                self.ask(member)  # time has gone on meanwhile
        self._decided(member)
