"""The kill switch: ends trading at a drawdown from the peak of equity, until a person resets it."""

from __future__ import annotations

import datetime as dt
from typing import Any

from core.settings import KillSwitchSettings
from risk.sessions import SessionClock


class KillSwitch:
    """Latches when equity is ``max_drawdown`` below its peak at a bar.

    ``rearm_sessions`` > 0 (backtests only) re-arms it that many sessions after the kill, with the peak set to the
    equity of that moment.
    """

    def __init__(self, settings: KillSwitchSettings, capital: float) -> None:
        self._settings = settings
        self._set_peak(capital)
        self.killed_on: dt.date | None = None  # session of the kill; None = armed
        self.reason = ""

    @property
    def killed(self) -> bool:
        return self.killed_on is not None

    def on_equity(self, equity: float, session: dt.date) -> str | None:
        """Mark the account; return the reason when this bar trips the switch."""
        if self.killed_on is not None:
            return None
        if equity > self.peak:
            self._set_peak(equity)
        elif equity <= self._floor:
            drawdown = (self.peak - equity) / self.peak
            self.killed_on = session
            self.reason = (
                f"equity EUR {equity:,.2f} is {drawdown:.2%} below its peak EUR {self.peak:,.2f}, at or above"
                f" risk.kill_switch.max_drawdown = {self._settings.max_drawdown:g}"
            )
            return self.reason
        return None

    def due(self, clock: SessionClock) -> bool:
        """Whether ``rearm_sessions`` have passed since the kill."""
        sessions = self._settings.rearm_sessions
        return self.killed_on is not None and sessions > 0 and clock.age(self.killed_on) >= sessions

    def rearm(self, equity: float) -> None:
        """Trade again, and measure drawdown from ``equity`` on."""
        self.killed_on = None
        self.reason = ""
        self._set_peak(equity)

    def state(self) -> dict[str, Any]:
        killed_on = self.killed_on.isoformat() if self.killed_on else None
        return {"peak": self.peak, "killed_on": killed_on, "reason": self.reason}

    def restore(self, state: dict[str, Any]) -> None:
        self._set_peak(float(state["peak"]))
        self.killed_on = dt.date.fromisoformat(state["killed_on"]) if state["killed_on"] else None
        self.reason = str(state["reason"])

    def _set_peak(self, equity: float) -> None:
        self.peak = equity
        self._floor = equity - self._settings.max_drawdown * equity
