"""The volatility throttle: scales entries down, then stops them, as volatility rises."""

from __future__ import annotations

import datetime as dt
import math
import statistics
from collections import deque
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from core.errors import RiskError
from core.settings import ThrottleSettings
from risk.events import RiskEventKind
from risk.sessions import SessionClock

SESSIONS_A_YEAR = 252
Change = tuple[RiskEventKind, str]  # what to report: kind and sentence


class Throttle(StrEnum):
    """What the throttle does to entries."""

    FULL = "full size"
    REDUCED = "reduced"
    STOPPED = "stopped"


def scale_of(volatility: float, settings: ThrottleSettings) -> float:
    """Scale of entries in [0, 1] at an annual volatility: 1, then linear to ``min_scale``, 0 from ``stop_above``."""
    if volatility <= settings.scale_above:
        return 1.0
    if volatility >= settings.stop_above:
        return 0.0
    way = (volatility - settings.scale_above) / (settings.stop_above - settings.scale_above)
    return 1.0 - way * (1.0 - settings.min_scale)


def state_of(volatility: float | None, settings: ThrottleSettings) -> Throttle:
    """What the throttle does at an annual volatility; None = not known."""
    if volatility is None or scale_of(volatility, settings) == 1.0:
        return Throttle.FULL
    return Throttle.STOPPED if volatility >= settings.stop_above else Throttle.REDUCED


class SessionVolatility:
    """Annualised standard deviation (ddof = 1) of the last ``window`` log returns of session closes.

    The current session counts with its last close so far. The moments of the completed sessions are computed once a
    session, so a bar costs one logarithm. See Hull, *Options, Futures, and Other Derivatives*, historical volatility.
    """

    def __init__(self, window: int) -> None:
        self.window = window
        self.session: dt.date | None = None
        self.last = math.nan  # last close of the current session
        self.closes: deque[float] = deque(maxlen=window)  # last closes of completed sessions, oldest first
        self._mean = self._squares = 0.0  # of the returns of completed sessions

    def add(self, session: dt.date, close: float) -> bool:
        """Take a bar's close. True when it is the first one of its session."""
        if session == self.session:
            self.last = close
            return False
        if self.session is not None:
            self.closes.append(self.last)
            self._complete()
        self.session, self.last = session, close
        return True

    def value(self) -> float | None:
        """Annual volatility as a fraction, None while there are fewer than ``window`` + 1 closes."""
        known = len(self.closes)
        if known < self.window:
            return None
        deviation = math.log(self.last / self.closes[-1]) - self._mean
        squares = self._squares + deviation * deviation * (known - 1) / known  # Welford's update
        return math.sqrt(squares / (known - 1) * SESSIONS_A_YEAR)

    def _complete(self) -> None:
        closes = list(self.closes)
        returns = [math.log(b / a) for a, b in zip(closes, closes[1:], strict=False)]
        if returns:
            self._mean = statistics.fmean(returns)
            self._squares = math.fsum((r - self._mean) ** 2 for r in returns)


class VolatilityThrottle:
    """The scale of entries by a volatility index, or by the instrument's realised volatility where that has no value.

    The index is read ``lag`` sessions late and no older than ``max_age_sessions``; it scales all instruments alike.
    """

    def __init__(self, settings: ThrottleSettings, clock: SessionClock) -> None:
        if settings.enabled and settings.series and settings.lag > settings.max_age_sessions:
            raise RiskError(
                f"risk.throttle.lag = {settings.lag} sessions is longer than risk.throttle.max_age_sessions ="
                f" {settings.max_age_sessions}, so no value of {settings.series} could ever be used; lower the lag"
            )
        self._settings = settings
        self._clock = clock
        self._index: deque[tuple[dt.date, float]] = deque(maxlen=settings.max_age_sessions + 1)  # session, fraction
        self._index_now: float | None = None  # the value in force, annual fraction
        self._index_stale = True  # _index_now must be looked up again
        self._realised: dict[str, SessionVolatility] = {}  # symbol -> volatility
        self._states: dict[str, Throttle] = {}  # symbol ("" = the index) -> what was last reported
        self._source: str | None = None  # what was last reported

    def on_index(self, session: dt.date, value: float) -> None:
        """Take a value of the index, percent points. Values that are not positive numbers are left out."""
        if not (self._settings.enabled and 0.0 < value < math.inf):
            return
        if self._index and session <= self._index[-1][0]:
            if session < self._index[-1][0]:
                return
            self._index.pop()
        self._index.append((session, value / 100.0))
        self._index_stale = True

    def on_closes(self, session: dt.date, closes: Mapping[str, float], new_session: bool) -> list[Change]:
        """Take the closes of a bar; return the changes of source and of state.

        State is looked at once a session: at its first bar, for each instrument.
        """
        if not self._settings.enabled:
            return []
        if new_session:
            self._index_stale = True
        begun = []
        for symbol, close in closes.items():
            if not 0.0 < close < math.inf:
                continue
            realised = self._realised.get(symbol)
            if realised is None:
                realised = self._realised[symbol] = SessionVolatility(self._settings.realised_sessions)
            if realised.add(session, close):
                begun.append(symbol)
        return self._changes(begun) if begun else []

    def volatility(self, symbol: str) -> float | None:
        """Annual volatility in force for an instrument, None while nothing is known."""
        index = self._index_value()
        if index is not None:
            return index
        realised = self._realised.get(symbol)
        return realised.value() if realised is not None else None

    def scale(self, symbol: str) -> float:
        """Scale of entries in ``symbol``; 1 while nothing is known of its volatility."""
        if not self._settings.enabled:
            return 1.0
        volatility = self.volatility(symbol)
        return 1.0 if volatility is None else scale_of(volatility, self._settings)

    def source(self) -> str:
        """Which volatility is in force, in words."""
        if self._index_value() is not None:
            return self._settings.series or "volatility index"
        return "realised volatility"

    def describe(self, symbol: str) -> str:
        """The volatility in force in words: ``VIX 35.0%`` or ``realised volatility 31.2% of SPX``."""
        volatility = self.volatility(symbol)
        of = "" if self._index_value() is not None or not symbol else f" of {symbol}"
        return f"{self.source()} {volatility:.1%}{of}" if volatility is not None else f"unknown volatility{of}"

    def _index_value(self) -> float | None:
        if self._index_stale:
            self._index_stale = False
            self._index_now = None
            for session, value in reversed(self._index):
                age = self._clock.age(session)
                if age >= self._settings.lag:
                    self._index_now = value if age <= self._settings.max_age_sessions else None
                    break
        return self._index_now

    def _changes(self, symbols: list[str]) -> list[Change]:
        found: list[Change] = []
        source = self.source()
        if source != self._source:
            found.append((RiskEventKind.THROTTLE_SOURCE, self._source_sentence()))
            self._source = source
            self._states.clear()
        for symbol in symbols if self._index_value() is None else [""]:
            volatility = self.volatility(symbol)
            state = state_of(volatility, self._settings)
            if state != self._states.get(symbol, Throttle.FULL) and volatility is not None:
                found.append((RiskEventKind.THROTTLE, self._sentence(symbol, state)))
            self._states[symbol] = state
        return found

    def _source_sentence(self) -> str:
        why = ""
        if self._settings.series and self._index_value() is None:
            why = f": {self._settings.series} has no value of the last {self._settings.max_age_sessions} sessions"
        return f"the throttle uses {self.source()}{why}"

    def _sentence(self, symbol: str, state: Throttle) -> str:
        what = f"entries in {symbol}" if symbol else "entries"
        size = f" to {self.scale(symbol):.3f}" if state is Throttle.REDUCED else ""
        return f"{what}: {state}{size} ({self.describe(symbol)})"

    def state(self) -> dict[str, Any]:
        return {
            "index": [[session.isoformat(), value] for session, value in self._index],
            "source": self._source,
            "states": {symbol: state.value for symbol, state in self._states.items()},
            "closes": {
                symbol: {"session": r.session.isoformat() if r.session else None, "closes": [*r.closes, r.last]}
                for symbol, r in self._realised.items()
            },
        }

    def restore(self, state: dict[str, Any]) -> None:
        self._index.clear()
        self._index.extend((dt.date.fromisoformat(day), float(value)) for day, value in state["index"])
        self._index_stale = True
        self._source = state["source"]
        self._states = {symbol: Throttle(value) for symbol, value in state["states"].items()}
        self._realised = {}
        for symbol, saved in state["closes"].items():
            realised = self._realised[symbol] = SessionVolatility(self._settings.realised_sessions)
            *completed, realised.last = (float(close) for close in saved["closes"])
            realised.closes.extend(completed)
            realised._complete()
            realised.session = dt.date.fromisoformat(saved["session"])
