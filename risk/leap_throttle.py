"""The volatility throttle over a whole run: what it reports depends on data alone, so it is worked out beforehand.

Where the state changes is found for all sessions at once with rounded volatilities; where one of them lies too close
to a limit to tell, and for every sentence, the volatility is worked out as ``SessionVolatility`` does.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.errors import RiskError
from core.settings import ThrottleSettings
from core.steps import Flags, Floats, Integers, Steps
from risk.events import RiskEventKind
from risk.leap_sessions import SessionSteps
from risk.sessions import SessionClock
from risk.throttle import SESSIONS_A_YEAR, Change, SessionVolatility, Throttle, VolatilityThrottle, state_of

STATES = (Throttle.FULL, Throttle.REDUCED, Throttle.STOPPED)
NEAR = 1e-9  # relative; nearer than that to a limit, a rounded volatility decides nothing

Report = tuple[int, RiskEventKind, str]  # step, kind, sentence


class _Closes:
    """Session closes of one symbol: only bars with a price count, as in ``VolatilityThrottle.on_closes``."""

    def __init__(self, symbol: str, steps: Steps, sessions: SessionSteps, window: int) -> None:
        bars = steps.bars[symbol]
        sound = (bars.close > 0.0) & (bars.close < np.inf)
        at = np.flatnonzero(sound if bars.fresh is None else sound & bars.fresh)
        begins = np.flatnonzero(np.diff(sessions.array[at], prepend=-1))
        self.window = window
        self.steps: list[int] = at.tolist()  # with a price
        self.prices: list[float] = bars.close[at].tolist()
        self.begins: Integers = at[begins]  # the first such step of each session
        self._begins: list[int] = self.begins.tolist()
        self.firsts = bars.close[self.begins]
        self.lasts = bars.close[at[np.append(begins[1:] - 1, len(at) - 1)]] if len(at) else self.firsts
        self._memo: dict[int, float | None] = {}

    def number(self, step: int) -> int:
        """The number of the session in which a step lies; -1 before the first price."""
        return bisect_right(self._begins, step) - 1

    def volatility(self, step: int) -> float | None:
        """Realised volatility at a step, exactly."""
        if step not in self._memo:
            known = self.rebuilt(step, None)
            self._memo[step] = None if known is None else known.value()
        return self._memo[step]

    def rebuilt(self, step: int, sessions: SessionSteps | None) -> SessionVolatility | None:
        """The object that stepping would have at a step; None before the first price."""
        number = self.number(step)
        if number < 0:
            return None
        made = SessionVolatility(self.window)
        made.closes.extend(self.lasts[max(0, number - self.window) : number].tolist())
        made._complete()
        made.last = self.prices[bisect_right(self.steps, step) - 1]
        if sessions is not None:
            made.session = sessions.known(self._begins[number])[0]
        return made

    def codes(self, settings: ThrottleSettings) -> tuple[Integers, Flags]:
        """The state at the beginning of each session (index into ``STATES``), and whether volatility is known."""
        window, count = self.window, len(self.begins)
        codes, known = np.zeros(count, dtype=np.int64), np.arange(count) >= window
        if count <= window:
            return codes, known
        returns = np.log(self.lasts[1:] / self.lasts[:-1])
        done = np.lib.stride_tricks.sliding_window_view(returns, window - 1)[: count - window]
        mean = done.mean(axis=1)
        squares = ((done - mean[:, None]) ** 2).sum(axis=1)
        now = np.log(self.firsts[window:] / self.lasts[window - 1 : -1]) - mean
        vols = np.sqrt((squares + now * now * (window - 1) / window) / (window - 1) * SESSIONS_A_YEAR)
        codes[window:] = _codes(vols, settings)
        low, high = settings.scale_above, settings.stop_above
        way = (vols - low) / (high - low) * (1.0 - settings.min_scale)  # a scale of 1 less next to nothing is 1
        unsure = (vols > low) & (vols < high) & (way < NEAR)
        for limit in (low, high):
            unsure |= ~(np.abs(vols - limit) > NEAR * limit)
        for at in np.flatnonzero(unsure) + window:
            codes[at] = STATES.index(state_of(self.volatility(self._begins[at]), settings))
        return codes, known


def _codes(volatilities: Floats, settings: ThrottleSettings) -> Integers:
    """``state_of`` each of them, as an index into ``STATES``; NaN = not known."""
    low, high = settings.scale_above, settings.stop_above
    scales = 1.0 - (volatilities - low) / (high - low) * (1.0 - settings.min_scale)
    reduced = (volatilities > low) & (volatilities < high) & (scales != 1.0)
    return np.where(volatilities >= high, 2, np.where(reduced, 1, 0))


@dataclass(slots=True)
class _Span:
    """Steps on which one source of volatility is in force, from its first report on."""

    first: int
    by_index: bool


class ThrottlePlan:
    """What the throttle of a run knows and reports. ``reports``: all of them, in order.

    ``symbols``: those traded, in the order in which the broker gives their closes.
    """

    def __init__(
        self, settings: ThrottleSettings, symbols: Sequence[str], steps: Steps, sessions: SessionSteps
    ) -> None:
        self.settings = settings
        self.sessions = sessions
        self.reports: list[Report] = []
        self.spans: list[_Span] = []
        self._closes: dict[str, _Closes] = {}
        self._codes: dict[str, tuple[Integers, Integers]] = {}  # symbol ("" = the index) -> steps, states at them
        self._entries: Integers | None = None  # for each step the last one before with a value of the index
        if not settings.enabled:
            return
        if settings.series in steps.bars:
            self._read_index(steps, settings.series)
        for symbol in dict.fromkeys(symbols):
            self._closes[symbol] = _Closes(symbol, steps, sessions, settings.realised_sessions)
        self._find_reports()

    @classmethod
    def of(
        cls, settings: ThrottleSettings, symbols: Sequence[str], steps: Steps, sessions: SessionSteps
    ) -> ThrottlePlan:
        """That of ``steps``, made once for each throttle."""
        key = ("throttle", settings, tuple(symbols), id(sessions))  # the sessions live as long as the steps
        if key not in steps.cache:
            steps.cache[key] = cls(settings, symbols, steps, sessions)
        made: ThrottlePlan = steps.cache[key]
        return made

    # -- the index ----------------------------------------------------------------------------------------------

    def _read_index(self, steps: Steps, series: str) -> None:
        bars, sessions, settings = steps.bars[series], self.sessions.array, self.settings
        sound = (bars.close > 0.0) & (bars.close < np.inf)
        if bars.fresh is not None:
            sound &= bars.fresh
        self._index_steps = np.flatnonzero(sound)
        self._index_values = bars.close[self._index_steps] / 100.0
        last = np.maximum.accumulate(np.where(sound, np.arange(len(sound)), -1))
        until = np.arange(len(sound))
        if settings.lag:  # what was the last value when the session of that lag was over
            until = np.searchsorted(sessions, sessions - settings.lag, side="right") - 1
        entries = np.where(until >= 0, last[until], -1)
        age = sessions - sessions[entries]
        self._entries = np.where((entries >= 0) & (age <= settings.max_age_sessions), entries, -1)
        self._index_at: Floats = np.where(self._entries >= 0, bars.close[self._entries] / 100.0, np.nan)

    def index_value(self, step: int) -> float | None:
        """The value of the index in force at a step, annual fraction."""
        if self._entries is None or step < 0 or self._entries[step] < 0:
            return None
        return float(self._index_at[step])

    def realised(self, step: int, symbol: str) -> float | None:
        closes = self._closes.get(symbol)
        return None if closes is None else closes.volatility(step)

    # -- reports ------------------------------------------------------------------------------------------------

    def _find_reports(self) -> None:
        settings = self.settings
        begins = [closes.begins for closes in self._closes.values()]
        looks = np.unique(np.concatenate(begins)) if begins else np.zeros(0, dtype=np.int64)
        if not len(looks):
            return
        by_index = np.zeros(len(looks), dtype=bool)
        if self._entries is not None:
            by_index = self._entries[looks] >= 0
            self._codes[""] = looks, _codes(self._index_at[looks], settings)
        for symbol, closes in self._closes.items():
            self._codes[symbol] = closes.begins, closes.codes(settings)[0]
        turns = np.flatnonzero(np.diff(by_index, prepend=~by_index[:1]))
        self.spans = [_Span(int(looks[turn]), bool(by_index[turn])) for turn in turns]
        speaker = PlannedThrottle(settings, None, self)
        found: list[tuple[int, int, RiskEventKind, str]] = []  # step, place within it
        for number, span in enumerate(self.spans):
            end = self.spans[number + 1].first if number + 1 < len(self.spans) else len(self.sessions.numbers)
            speaker.step = span.first
            found.append((span.first, -1, RiskEventKind.THROTTLE_SOURCE, speaker._source_sentence()))
            for place, symbol in enumerate([""] if span.by_index else list(self._closes)):
                steps, codes = self._within(symbol, span.first, end)
                for at in np.flatnonzero(np.diff(codes, prepend=0)):
                    speaker.step = int(steps[at])
                    if speaker.volatility(symbol) is not None:
                        sentence = speaker._sentence(symbol, STATES[codes[at]])
                        found.append((speaker.step, place, RiskEventKind.THROTTLE, sentence))
        found.sort(key=lambda report: report[:2])
        self.reports = [(step, kind, sentence) for step, _, kind, sentence in found]

    def _within(self, symbol: str, first: int, end: int) -> tuple[Integers, Integers]:
        steps, codes = self._codes[symbol]
        a, b = np.searchsorted(steps, [first, end])
        return steps[a:b], codes[a:b]

    # -- what stepping would have -------------------------------------------------------------------------------

    def rebuild(self, throttle: VolatilityThrottle, step: int) -> None:
        """Put a throttle that steps where it would be after a step."""
        settings, sessions = self.settings, self.sessions
        throttle._index_stale, throttle._index_now = True, None
        throttle._index = deque(maxlen=settings.max_age_sessions + 1)
        throttle._realised, throttle._states, throttle._source = {}, {}, None
        if not settings.enabled or step < 0:
            return
        if self._entries is not None:
            upto = int(np.searchsorted(self._index_steps, step, side="right"))
            numbers = sessions.array[self._index_steps[:upto]]
            kept = np.unique(numbers)[-(settings.max_age_sessions + 1) :]
            tail = slice(int(np.searchsorted(numbers, kept[0])) if upto else 0, upto)
            entries = {
                sessions.numbers[at]: (sessions.known(at)[0], value)
                for at, value in zip(self._index_steps[tail].tolist(), self._index_values[tail].tolist(), strict=True)
            }
            throttle._index.extend(entries.values())
        for symbol, closes in self._closes.items():
            known = closes.rebuilt(step, sessions)
            if known is not None:
                throttle._realised[symbol] = known
        span = next((span for span in reversed(self.spans) if span.first <= step), None)
        if span is None:
            return
        throttle._source = (settings.series or "volatility index") if span.by_index else "realised volatility"
        for symbol in [""] if span.by_index else list(self._closes):
            _, codes = self._within(symbol, span.first, step + 1)
            if len(codes):
                throttle._states[symbol] = STATES[codes[-1]]


class PlannedThrottle(VolatilityThrottle):
    """A throttle that stands on a ``step`` of a plan: it takes no data, and its reports are those of the plan."""

    def __init__(self, settings: ThrottleSettings, clock: SessionClock | None, plan: ThrottlePlan) -> None:
        self._settings = settings
        self.clock: Any = clock
        self._plan = plan
        self.step = -1

    def on_index(self, session: Any, value: float) -> None:
        """Known to the plan."""

    def on_closes(self, session: Any, closes: Mapping[str, float], new_session: bool) -> list[Change]:
        raise RiskError("the throttle of a run that leaps takes no closes; tell GateLeaps.on_bar of the step instead")

    def volatility(self, symbol: str) -> float | None:
        index = self._plan.index_value(self.step)
        return index if index is not None else self._plan.realised(self.step, symbol)

    def _index_value(self) -> float | None:
        return self._plan.index_value(self.step)

    def stepping(self) -> VolatilityThrottle:
        """The throttle that steps on from here."""
        throttle = VolatilityThrottle(self._settings, self.clock)
        self._plan.rebuild(throttle, self.step)
        return throttle

    def state(self) -> dict[str, Any]:
        return self.stepping().state()

    def restore(self, state: dict[str, Any]) -> None:
        raise NotImplementedError("a run that leaps begins at its first bar; restore the gate before it")
