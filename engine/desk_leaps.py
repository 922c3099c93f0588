"""The broker's side of a run that leaps: ``SimBroker(settings=...)`` over steps on which no order can fill.

The engine's loop decides where it would like to go; ``reach`` says how far account and gate let it, ``commit`` puts
broker, account and gate where stepping would have put them, and on a step that is landed on ``SimBroker.next`` reads
what depends on data alone (moment, fresh datas, sessions, throttle) from here.

What is left out on a leapt step: orders that rest untouched. Who leaps must know that none fills, expires or moves.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np

from books.leap import AccountLeaps
from books.leap_stretch import Shorts, Stretch
from core.calendar import ExchangeCalendar
from core.errors import CalendarError
from core.naming import REFERENCE_UNIT, book_key, symbol_of, unit_of
from core.steps import Steps
from risk.leap import GateLeaps
from risk.leap_sessions import SessionSteps


class DeskLeaps:
    """A started ``SimBroker`` with settings, for the length of one run; ``close`` leaves it as one that steps.

    ``step``: where the broker stands, -1 before the first step. Set it before ``broker.next``. ``unsettled``: a pass
    takes it back, since it sets all that ``settle`` would have to.
    """

    def __init__(self, broker: Any, steps: Steps, begin: dt.datetime | None = None) -> None:
        settings = broker._settings
        self.broker = broker
        self.steps = steps
        self.step = -1
        self.begin = 0
        if begin is not None:  # a moment comes from a float: see SimBroker._is_warming
            first = begin - dt.timedelta(milliseconds=1) - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
            self.begin = int(np.searchsorted(steps.moments, first // dt.timedelta(microseconds=1)))
        self.traded = [data for data in broker.cerebro.datas if unit_of(data) != REFERENCE_UNIT]
        self.keys = {data: book_key(data) for data in self.traded}
        self.bars = {data: steps.bars[symbol_of(data)] for data in self.traded}
        self.account = AccountLeaps(
            broker.account,
            steps,
            begin=self.begin,
            accrues=settings.costs.enabled,
            borrow_rates={self.keys[data]: broker._instrument(data).borrow_rate for data in self.traded},
        )
        self.gate: GateLeaps | None = None
        if broker.gate is not None:
            self.gate = GateLeaps(broker.gate, steps, [symbol_of(data) for data in self.traded])
        self._sessions: dict[str, SessionSteps] = {}  # exchange -> its sessions along the steps
        self._stretch: Stretch | None = None
        self.unsettled: int | None = None  # the step to which the broker's own fields have still to be brought
        broker.leaps = self

    def close(self) -> None:
        self.settle()
        if self.gate is not None:
            self.gate.close()
        self.broker.leaps = None

    # -- a step that is landed on -------------------------------------------------------------------------------

    def fresh(self, step: int) -> list[Any]:
        """Traded datas with a bar on a step."""
        return [data for data, bars in self.bars.items() if bars.fresh is None or bars.fresh[step]]

    def session(self, data: Any) -> dt.date:
        """The session of a data's exchange to which the step belongs."""
        exchange = self.broker._instrument(data).exchange
        if exchange not in self._sessions:
            calendar = ExchangeCalendar(exchange)
            try:
                self._sessions[exchange] = SessionSteps.of(calendar, self.steps)
            except CalendarError:  # it does not reach all steps; whether it matters is seen step by step
                return calendar.session_of(self.steps.when(self.step))
        return self._sessions[exchange].known(self.step)[0]

    # -- a stretch ----------------------------------------------------------------------------------------------

    def reach(self, end: int) -> int:
        """The first step after ``step`` that must be landed on, ``end`` at the latest. Changes nothing."""
        first = self.step + 1
        self._stretch = None
        if first >= end or first == 0:
            return first
        stretch = self.account.leap(first, end, self._shorts())
        if stretch is None:
            return first
        self._stretch = stretch
        return self.gate.leap(first, stretch.end, stretch.equity()) if self.gate is not None else stretch.end

    def commit(self, end: int) -> None:
        """Stand on ``end - 1``, after the steps that ``reach`` let pass; ``end`` may be less than it said."""
        first, stretch = self.step + 1, self._stretch
        if end <= first or stretch is None:
            return
        equity = stretch.equity()
        stretch.commit(end)
        if self.gate is not None:
            self.gate.commit(first, end, equity if end == stretch.end else equity[: end - first])
        self.step = end - 1
        self._stretch = None
        self.unsettled = self.step

    def settle(self) -> None:
        """Put the broker's own fields where they are after the steps that were leapt; its next pass sets them anew."""
        if self.unsettled is None:
            return
        step, self.unsettled = self.unsettled, None
        broker = self.broker
        broker._when = self.steps.when(step)
        broker._fresh = self.fresh(step)
        broker._filled.clear()
        if step >= self.begin:
            broker.take_values()
        self.date_positions(step)
        self.adjust_positions(step)

    # -- what stock writes into open positions on every bar -------------------------------------------------------

    def date_positions(self, step: int) -> None:
        """Before orders are matched: the interest of the bar, which is none, its time, and the close before it."""
        broker = self.broker
        for data, position in broker.positions.items():
            if position.size:
                bars = self.bars[data]
                broker.d_credit[data] += 0.0
                position.datetime = self.steps.when(bars.last_until(step)).replace(tzinfo=None)
                position.adjbase = bars.closes[step - 1]

    def adjust_positions(self, step: int) -> None:
        """After orders were matched: the close from which stock would adjust the cash of futures."""
        for data, position in self.broker.positions.items():
            if position.size:
                position.adjbase = self.bars[data].closes[step]

    def _shorts(self) -> Shorts:
        return [
            (self.keys[data], position.size) for data, position in self.broker.positions.items() if position.size < 0
        ]
