"""The gate over stretches of steps on which no order is judged: as if ``OrderGate.on_bar`` had seen each of them.

``leap`` says how far the gate has nothing to do that the broker must know of: a kill, a loss limit, a kill switch that
re-arms, an account that becomes unknown or known again are for ``on_bar``, on their own step. What the throttle
reports does not depend on the account and is noted on the way.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from core.steps import Steps
from risk.events import KillAction
from risk.gate import OrderGate
from risk.leap_sessions import SessionSteps
from risk.leap_throttle import PlannedThrottle, ThrottlePlan

Walked = tuple[int, float, tuple[float, bool], tuple[float, bool], float]  # stop, last equity, day, week, peak


class GateLeaps:
    """The gate of one run, in leaps. ``symbols``: the traded ones, in the order of their datas.

    From here on the gate must be told of bars by ``on_bar`` and ``commit`` of this object; ``close`` gives it back.
    """

    def __init__(self, gate: OrderGate, steps: Steps, symbols: Sequence[str]) -> None:
        self.gate = gate
        self.steps = steps
        self.enabled = gate._settings.enabled
        self.sessions = SessionSteps.of(gate._clock._calendar, steps)
        self._plan = ThrottlePlan.of(gate._settings.throttle, symbols, steps, self.sessions)
        self._throttle = PlannedThrottle(gate._settings.throttle, gate._clock, self._plan)
        self._reported = 0
        if self.enabled:
            gate._throttle = self._throttle

    def close(self) -> None:
        """Leave the gate as one that steps."""
        if self.enabled:
            self.gate._throttle = self._throttle.stepping()

    # -- a step -------------------------------------------------------------------------------------------------

    def on_bar(self, step: int, equity_eur: float) -> KillAction | None:
        """``OrderGate.on_bar`` and ``on_volatility_index`` of a step."""
        if not self.enabled:
            return None
        gate = self.gate
        if step == 0 or self.sessions.numbers[step] != self.sessions.numbers[step - 1]:
            gate._losses.on_session(new_week=step > 0 and self.sessions.weeks[step] != self.sessions.weeks[step - 1])
        self._arrive(step)
        return gate._on_equity(self.steps.when(step), equity_eur)

    def _arrive(self, step: int) -> None:
        """Clock and throttle stand on a step; what the throttle reported until then is noted."""
        gate, clock, reports = self.gate, self.gate._clock, self._plan.reports
        gate._last_bar = self.steps.when(step)
        clock.session, clock._until, clock.week = self.sessions.known(step)
        self._throttle.step = step
        while self._reported < len(reports) and reports[self._reported][0] <= step:
            at, kind, sentence = reports[self._reported]
            self._reported += 1
            gate._note(self.steps.when(at), kind, sentence)

    # -- a stretch ----------------------------------------------------------------------------------------------

    def leap(self, first: int, end: int, equity: Sequence[float]) -> int:
        """The first step of ``[first, end)`` that is for ``on_bar``, ``end`` where none is; ``equity`` is by step."""
        if not self.enabled or self._is_quiet(first, end, equity):
            return end
        return self._walk(first, end, equity)[0]

    def commit(self, first: int, end: int, equity: Sequence[float]) -> None:
        """Put the gate where it is after the steps ``[first, end)``, none of which is for ``on_bar``."""
        if not self.enabled or end <= first:
            return
        gate, sessions = self.gate, self.sessions
        losses, switch = gate._losses, gate._kill_switch
        equity = equity if len(equity) == end - first else equity[: end - first]
        if gate._account_known and math.isfinite(sum(equity)):
            before = losses.last_equity
            begun = sessions.first_of[end - 1]
            if begun >= first:
                losses.day.begin(equity[begun - 1 - first] if begun > first else before)
            begun = sessions.week_first_of[end - 1]
            if begun >= first and begun > 0:
                losses.week.begin(equity[begun - 1 - first] if begun > first else before)
            losses.last_equity = equity[end - 1 - first]
            peak = max(equity)
            if not switch.killed and peak > switch.peak:
                switch._set_peak(peak)
        else:
            _, losses.last_equity, day, week, peak = self._walk(first, end, equity)
            if peak > switch.peak:
                switch._set_peak(peak)
            for window, (start, breached) in ((losses.day, day), (losses.week, week)):
                window.begin(start)
                window.breached = breached
        self._arrive(end - 1)

    def _is_quiet(self, first: int, end: int, equity: Sequence[float]) -> bool:
        """Whether even the worst of a stretch, against the best before it, asks for nothing."""
        gate = self.gate
        losses, switch = gate._losses, gate._kill_switch
        if not (gate._account_known and math.isfinite(sum(equity))) or self._due(first) < math.inf:
            return False
        low, high = min(equity), max(equity)
        peak = max(high, switch.peak)
        if not switch.killed and not low > peak - gate._settings.kill_switch.max_drawdown * peak:
            return False
        for window in (losses.day, losses.week):
            best, worst = max(high, losses.last_equity, window.start), min(low, losses.last_equity, window.start)
            limit = window.limit_at(worst)
            if limit is not None and best - low >= limit:
                return False
        return True

    def _due(self, first: int) -> float:
        """The number of the session in which the kill switch re-arms."""
        switch, calendar = self.gate._kill_switch, self.gate._clock._calendar
        sessions = self.gate._settings.kill_switch.rearm_sessions
        if switch.killed_on is None or not sessions:
            return math.inf
        age = calendar.sessions_between(switch.killed_on, self.sessions.known(first)[0])
        return self.sessions.numbers[first] - age + sessions

    def _walk(self, first: int, end: int, equity: Sequence[float]) -> Walked:
        """``OrderGate.on_bar`` on each step, up to the first one that is for it."""
        gate, numbers, weeks = self.gate, self.sessions.numbers, self.sessions.weeks
        losses, switch = gate._losses, gate._kill_switch
        known, killed, due = gate._account_known, switch.killed, self._due(first)
        last, peak, floor, drawdown = losses.last_equity, switch.peak, switch._floor, switch._settings.max_drawdown
        day, week = losses.day, losses.week
        day_now, week_now = (day.start, day.breached), (week.start, week.breached)
        day_limit, week_limit = day.limit, week.limit
        number, its_week = (numbers[first - 1], weeks[first - 1]) if first else (-1, weeks[0])
        for step in range(first, end):
            value = equity[step - first]
            before = day_now, week_now
            if numbers[step] != number:
                number = numbers[step]
                day_now, day_limit = (last, False), day.limit_at(last)
                if weeks[step] != its_week:
                    its_week = weeks[step]
                    week_now, week_limit = (last, False), week.limit_at(last)
            if math.isfinite(value) != known or number >= due:
                return step, last, *before, peak
            if not known:
                continue
            if _breaches(day_now, day_limit, value) or _breaches(week_now, week_limit, value):
                return step, last, *before, peak
            if not killed:
                if value > peak:
                    peak = value
                    floor = peak - drawdown * peak
                elif value <= floor:
                    return step, last, *before, peak
            last = value
        return end, last, day_now, week_now, peak


def _breaches(window: tuple[float, bool], limit: float | None, equity: float) -> bool:
    start, breached = window
    loss = start - equity
    return not breached and limit is not None and loss > 0.0 and loss >= limit
