"""Pauses after losses: cooldown after a stop-out, stop-loss guard, lock of an instrument that loses.

Sessions are counted on the exchange's calendar. What lasts n sessions begins with the session of the event and ends
n sessions later: with n = 1 the rest of that session, with n = 2 the next one too. A window of n sessions is the
current one and the n - 1 before it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, Protocol

from core.orders import ExitReason, Refusal
from core.settings import ProtectionSettings
from risk.events import RiskEventKind
from risk.sessions import SessionClock

STOP_OUTS = frozenset({ExitReason.STOP.value, ExitReason.DISASTER_STOP.value, ExitReason.SPREAD_STOP.value})


class ClosedTrade(Protocol):
    """What the protections read of ``books.trades.TradeRow``."""

    @property
    def trade_id(self) -> str: ...

    @property
    def instrument(self) -> str: ...

    @property
    def exit_time(self) -> dt.datetime | None: ...

    @property
    def net_eur(self) -> float: ...

    @property
    def exit_reason(self) -> str: ...


class Protections:
    """Which instruments are paused, since which session and why. Every dictionary is keyed by symbol."""

    def __init__(self, settings: ProtectionSettings, clock: SessionClock) -> None:
        self._settings = settings
        self._clock = clock
        self.cooldowns: dict[str, dt.date] = {}  # symbol -> session of its last stop-out
        self.stop_outs: dict[str, dt.date] = {}  # trade id -> session; the legs of a pair are one stop-out
        self.guard_since: dt.date | None = None  # session in which the stop-loss guard began its pause
        self.results: dict[str, list[tuple[dt.date, float]]] = {}  # symbol -> (session, net EUR) of closed trades
        self.locks: dict[str, tuple[dt.date, float]] = {}  # symbol -> session of the lock, net EUR that caused it

    def on_trade(self, row: ClosedTrade, session: dt.date) -> list[tuple[RiskEventKind, str]]:
        """Take a closed trade; return the pauses that begin with it."""
        s = self._settings
        found: list[tuple[RiskEventKind, str]] = []
        if row.exit_reason in STOP_OUTS:
            if s.cooldown_sessions:
                self.cooldowns[row.instrument] = session
                stopped = f"{row.instrument} was stopped out ({row.exit_reason})"
                found.append((RiskEventKind.COOLDOWN, f"{stopped}: no entries for {s.cooldown_sessions} sessions"))
            if s.guard_stops and row.trade_id not in self.stop_outs:
                found.extend(self._guard(row.trade_id, session))
        if s.lock_loss_eur:
            found.extend(self._lock(row, session))
        return found

    def refusal(self, symbol: str, now: dt.date) -> tuple[Refusal, str] | None:
        """Why an entry in ``symbol`` is refused in session ``now``: guard, then cooldown, then lock."""
        s = self._settings
        left = self._left(self.guard_since, s.guard_pause_sessions, now)
        if s.guard_stops and left:
            return Refusal.STOP_GUARD, (
                f"{s.guard_stops} stop-outs within {s.guard_window_sessions} sessions pause all entries for"
                f" risk.protections.guard_pause_sessions = {s.guard_pause_sessions}; {left} left with this one"
            )
        left = self._left(self.cooldowns.get(symbol), s.cooldown_sessions, now)
        if left:
            return Refusal.COOLDOWN, (
                f"{symbol} was stopped out on {self.cooldowns[symbol]} and pauses for"
                f" risk.protections.cooldown_sessions = {s.cooldown_sessions}; {left} left with this one"
            )
        since, result = self.locks.get(symbol, (None, 0.0))
        left = self._left(since, s.lock_sessions, now)
        if s.lock_loss_eur and left:
            return Refusal.INSTRUMENT_LOCK, (
                f"{symbol} lost EUR {-result:,.2f} within {s.lock_window_sessions} sessions, more than"
                f" risk.protections.lock_loss_eur = {s.lock_loss_eur:g}, and is locked for lock_sessions ="
                f" {s.lock_sessions}; {left} left with this one"
            )
        return None

    def _left(self, since: dt.date | None, sessions: int, now: dt.date) -> int:
        return max(0, sessions - self._clock.age(since, now)) if since is not None else 0

    def _guard(self, trade_id: str, session: dt.date) -> list[tuple[RiskEventKind, str]]:
        s = self._settings
        self.stop_outs[trade_id] = session
        window = s.guard_window_sessions
        self.stop_outs = {t: day for t, day in self.stop_outs.items() if self._clock.age(day, session) < window}
        if len(self.stop_outs) < s.guard_stops:
            return []
        self.guard_since = session
        return [
            (
                RiskEventKind.STOP_GUARD,
                f"{len(self.stop_outs)} stop-outs within {window} sessions: no entries for"
                f" {s.guard_pause_sessions} sessions",
            )
        ]

    def _lock(self, row: ClosedTrade, session: dt.date) -> list[tuple[RiskEventKind, str]]:
        s = self._settings
        window = s.lock_window_sessions
        results = [r for r in self.results.get(row.instrument, []) if self._clock.age(r[0], session) < window]
        results.append((session, row.net_eur))
        self.results[row.instrument] = results
        net = sum(result for _, result in results)
        if row.net_eur >= 0.0 or -net <= s.lock_loss_eur:  # a trade that gains locks nothing
            return []
        self.locks[row.instrument] = (session, net)
        lost = f"{row.instrument} lost EUR {-net:,.2f} within {window} sessions"
        return [(RiskEventKind.INSTRUMENT_LOCK, f"{lost}: locked for {s.lock_sessions} sessions")]

    def state(self) -> dict[str, Any]:
        return {
            "cooldowns": {symbol: day.isoformat() for symbol, day in self.cooldowns.items()},
            "stop_outs": {trade: day.isoformat() for trade, day in self.stop_outs.items()},
            "guard_since": self.guard_since.isoformat() if self.guard_since else None,
            "results": {s: [[day.isoformat(), net] for day, net in rows] for s, rows in self.results.items()},
            "locks": {symbol: [day.isoformat(), net] for symbol, (day, net) in self.locks.items()},
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        day = dt.date.fromisoformat
        self.cooldowns = {symbol: day(text) for symbol, text in state["cooldowns"].items()}
        self.stop_outs = {trade: day(text) for trade, text in state["stop_outs"].items()}
        self.guard_since = day(state["guard_since"]) if state["guard_since"] else None
        self.results = {s: [(day(text), float(net)) for text, net in rows] for s, rows in state["results"].items()}
        self.locks = {symbol: (day(text), float(net)) for symbol, (text, net) in state["locks"].items()}
