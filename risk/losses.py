"""Daily and weekly loss by the exchange's calendar."""

from __future__ import annotations

from typing import Any

from core.orders import Refusal
from core.settings import RiskSettings
from risk.events import RiskEventKind


class LossWindow:
    """Loss since the last equity of the previous session (or week); a breach lasts until the next one begins."""

    def __init__(self, name: str, refusal: Refusal, fraction: float | None, eur: float | None, start: float) -> None:
        self.name = name  # "day" or "week"
        self.refusal = refusal
        self.event = RiskEventKind.DAILY_LOSS if refusal is Refusal.DAILY_LOSS else RiskEventKind.WEEKLY_LOSS
        self._fraction = fraction
        self._eur = eur
        self.breached = False
        self.begin(start)

    def begin(self, equity: float) -> None:
        """A new session or week starts with ``equity``."""
        self.start = equity
        self.breached = False

    @property
    def limit(self) -> float | None:
        """The loss, EUR, that is too much; None = no limit."""
        return self.limit_at(self.start)

    def limit_at(self, equity: float) -> float | None:
        """The loss, EUR, that is too much for a window that starts with ``equity``; None = no limit."""
        if self._fraction is None:
            return self._eur
        limit = self._fraction * max(equity, 0.0)
        return limit if self._eur is None else min(self._eur, limit)  # the tighter one

    def update(self, equity: float) -> bool:
        """True when ``equity`` reaches the limit for the first time."""
        if self.breached or not self.would_breach(equity):
            return False
        self.breached = True
        return True

    def would_breach(self, equity: float) -> bool:
        loss = self.start - equity
        if not loss > 0.0:
            return False
        limit = self.limit
        return limit is not None and loss >= limit

    def sentence(self, equity: float) -> str:
        """What was lost, the limit, and the setting to change."""
        key = self.refusal.value
        limit = self.limit
        eur = self._eur is not None and limit == self._eur
        setting = f"risk.{key}_eur = {self._eur:g}" if eur else f"risk.{key} = {self._fraction:g}"
        limit = limit if limit is not None else 0.0
        return (
            f"the {self.name} began with EUR {self.start:,.2f} and its loss reached EUR {limit:,.2f} ({setting});"
            f" equity is EUR {equity:,.2f} and only reducing orders pass until the next {_NEXT[self.name]}"
        )


_NEXT = {"day": "session", "week": "week"}


class LossLimits:
    """The day's and the week's window. Both begin with ``capital``."""

    def __init__(self, settings: RiskSettings, capital: float) -> None:
        s = settings
        self.day = LossWindow("day", Refusal.DAILY_LOSS, s.max_daily_loss, s.max_daily_loss_eur, capital)
        self.week = LossWindow("week", Refusal.WEEKLY_LOSS, s.max_weekly_loss, s.max_weekly_loss_eur, capital)
        self.last_equity = capital
        self._windows = (self.day, self.week)

    def on_session(self, new_week: bool) -> None:
        """A new session begins with the last equity of the one before."""
        self.day.begin(self.last_equity)
        if new_week:
            self.week.begin(self.last_equity)

    def on_equity(self, equity: float) -> list[LossWindow]:
        """Mark the account; return the windows whose limit it reaches for the first time."""
        self.last_equity = equity
        return [window for window in self._windows if window.update(equity)]

    def refusal(self, equity: float, new_session: bool, new_week: bool) -> tuple[Refusal, str] | None:
        """Why an entry is refused. ``new_session``: no bar of the order's session has been seen yet."""
        for window, begun in ((self.day, new_session), (self.week, new_week)):
            if begun:  # it starts with the last equity, of which nothing is lost yet
                continue
            if window.breached or window.would_breach(equity):
                return window.refusal, window.sentence(equity)
        return None

    def state(self) -> dict[str, Any]:
        return {
            "last_equity": self.last_equity,
            **{w.name: {"start": w.start, "breached": w.breached} for w in self._windows},
        }

    def restore(self, state: dict[str, Any]) -> None:
        self.last_equity = float(state["last_equity"])
        for window in self._windows:
            window.begin(float(state[window.name]["start"]))
            window.breached = bool(state[window.name]["breached"])
