"""The order gate: every order passes it before it goes to a broker, in a backtest as in live trading.

The order in which a batch is judged, the first refusal wins:

1.  size, price or sign that is no number to work with (``invalid_order``);
2.  orders that only reduce pass here, whatever is breached;
3.  unknown account state (``account_unknown``), then an exchange rate that is none (``invalid_order``);
4.  kill switch (``killed``);
5.  instruments that cannot be shorted (``not_shortable``);
6.  loss of the day, of the week (``max_daily_loss``, ``max_weekly_loss``);
7.  protections (``stop_loss_guard``, ``cooldown``, ``instrument_lock``);
8.  volatility throttle (``volatility_throttle``);
9.  the trade's own risk and notional (``max_trade_risk``, ``max_trade_notional``);
10. the account's worst case (``max_open_positions``, ``max_gross_exposure``, ``max_net_exposure``).
"""

from __future__ import annotations

import datetime as dt
import logging
import math
from collections.abc import Mapping, Sequence
from typing import Any

from core.errors import RiskError
from core.logs import log_event
from core.orders import AccountView, OrderView, Refusal
from core.settings import RiskSettings
from risk import limits
from risk.events import KillAction, RiskEvent, RiskEventKind
from risk.exposure import Opening, TradeSide, openings, trade_side, with_batch, worst_case
from risk.kill_switch import KillSwitch
from risk.losses import LossLimits
from risk.protections import ClosedTrade, Protections
from risk.sessions import SessionCalendar, SessionClock, aware_utc
from risk.throttle import VolatilityThrottle

logger = logging.getLogger(__name__)


class OrderGate:
    """Judges orders by ``settings`` and keeps what the limits need to remember. See docs/risk.md.

    Raises RiskError for settings that cannot be enforced.
    """

    def __init__(self, settings: RiskSettings, calendar: SessionCalendar, capital_eur: float) -> None:
        self._settings = settings
        self._clock = SessionClock(calendar)
        self._losses = LossLimits(settings, capital_eur)
        self._kill_switch = KillSwitch(settings.kill_switch, capital_eur)
        self._throttle = VolatilityThrottle(settings.throttle, self._clock)
        self._protections = Protections(settings.protections, self._clock)
        self._account_known = True
        self._last_bar: dt.datetime | None = None
        self.events: list[RiskEvent] = []

    @property
    def killed(self) -> bool:
        """Whether the kill switch has tripped and nobody has reset it."""
        return self._kill_switch.killed

    def scale(self, symbol: str) -> float:
        """Scale of entries in ``symbol`` by volatility, in [0, 1]."""
        return self._throttle.scale(symbol) if self._settings.enabled else 1.0

    # ------------------------------------------------------------------ what happens

    def on_bar(self, when: dt.datetime, equity_eur: float, closes: Mapping[str, float]) -> KillAction | None:
        """Once a bar, after the account is marked. ``closes``: symbols that have a new bar.

        Returns what the broker must do when this bar trips the kill switch, once.
        """
        if not self._settings.enabled:
            return None
        self.on_prices(when, closes)
        return self._on_equity(when, equity_eur)

    def on_prices(self, when: dt.datetime, closes: Mapping[str, float]) -> None:
        """The part of ``on_bar`` that needs no account: for bars that come before anything is traded."""
        if not self._settings.enabled:
            return
        self._last_bar = when
        week = self._clock.week
        new_session = self._clock.advance(when)
        if new_session:
            self._losses.on_session(new_week=week is not None and self._clock.week != week)
        for kind, detail in self._throttle.on_closes(self._session(), closes, new_session):
            self._note(when, kind, detail)

    def _on_equity(self, when: dt.datetime, equity_eur: float) -> KillAction | None:
        """What equity asks for, once session and throttle stand on the bar."""
        if not math.isfinite(equity_eur):
            if self._account_known:
                self._account_known = False
                self._note(when, RiskEventKind.ACCOUNT_UNKNOWN, f"equity is {equity_eur}: new orders stop")
            return None
        if not self._account_known:
            self._account_known = True
            self._note(when, RiskEventKind.ACCOUNT_KNOWN, f"equity is EUR {equity_eur:,.2f} again")
        if self._kill_switch.due(self._clock):
            self._kill_switch.rearm(equity_eur)
            sessions = self._settings.kill_switch.rearm_sessions
            detail = f"trading again {sessions} sessions after the kill; the peak is now EUR {equity_eur:,.2f}"
            self._note(when, RiskEventKind.REARM, detail)
        for window in self._losses.on_equity(equity_eur):
            self._note(when, window.event, window.sentence(equity_eur))
        reason = self._kill_switch.on_equity(equity_eur, self._session())
        if reason is None:
            return None
        self._note(when, RiskEventKind.KILL, reason)
        return KillAction(reason, self._settings.kill_switch.flatten)

    def on_trade(self, row: ClosedTrade) -> None:
        """A trade was closed (``books.trades.TradeRow``); the legs of a pair come as two rows."""
        if not self._settings.enabled or row.exit_time is None:
            return
        for kind, detail in self._protections.on_trade(row, self._clock.session_of(row.exit_time)):
            self._note(row.exit_time, kind, detail)

    def on_volatility_index(self, when: dt.datetime, value: float) -> None:
        """A value of ``risk.throttle.series`` in percent points, stamped with its own time."""
        if self._settings.enabled:
            self._throttle.on_index(self._clock.session_of(when), value)

    def reset(self) -> None:
        """A person lets trading go on after a kill. The peak becomes the last known equity."""
        if not self.killed:
            return
        equity = self._losses.last_equity
        self._kill_switch.rearm(equity)
        if self._last_bar is not None:
            self._note(self._last_bar, RiskEventKind.RESET, f"kill switch reset; the peak is now EUR {equity:,.2f}")

    # ------------------------------------------------------------------ judging orders

    def review(self, batch: Sequence[OrderView], account: AccountView) -> tuple[Refusal, str] | None:
        """Judge orders that go out together: one order, a bracket (parent first), or the legs of a pair.

        All or nothing: None lets the whole batch pass, a refusal holds for all of it. Changes nothing in the gate.
        """
        if not self._settings.enabled or not batch:
            return None
        detail = limits.invalid(batch)
        if detail is not None:
            return Refusal.INVALID, detail
        opened = openings(batch, account)
        if not opened:
            return None
        return self._state_refusal(opened, account) or self._limit_refusal(opened, batch, account)

    def _state_refusal(self, opened: Sequence[Opening], account: AccountView) -> tuple[Refusal, str] | None:
        """Refusals that no size would change."""
        detail = limits.unknown_account(account)
        if detail is None and not self._account_known:
            detail = "the last mark of the account is not a number: unknown account state stops new orders"
        if detail is not None:
            return Refusal.ACCOUNT_UNKNOWN, detail
        detail = limits.invalid_rate(opened)
        if detail is not None:
            return Refusal.INVALID, detail
        if self.killed:
            since = f"the kill switch is on since {self._kill_switch.killed_on}"
            return Refusal.KILLED, f"{since}: {self._kill_switch.reason}"
        detail = limits.not_shortable(opened)
        if detail is not None:
            return Refusal.NOT_SHORTABLE, detail
        session = self._clock.session_of(account.when)
        new_session = session != self._clock.session
        new_week = new_session and self._clock.week_at(session) != self._clock.week
        refused = self._losses.refusal(account.equity_eur, new_session, new_week)
        if refused is not None:
            return refused
        for symbol in dict.fromkeys(opening.order.symbol for opening in opened):
            refused = self._protections.refusal(symbol, session)
            if refused is not None:
                return refused
        return None

    def _limit_refusal(
        self, opened: Sequence[Opening], batch: Sequence[OrderView], account: AccountView
    ) -> tuple[Refusal, str] | None:
        """Refusals by size."""
        before, after = with_batch(batch, account)
        sides = dict.fromkeys((opening.order.book, opening.order.sign) for opening in opened)
        trades = [trade_side(book, sign, account, after) for book, sign in sides]
        scales = {symbol: self.scale(symbol) for symbol in dict.fromkeys(opening.order.symbol for opening in opened)}
        symbol = min(scales, key=scales.__getitem__)
        proposal = limits.Proposal(
            openings=opened,
            equity=account.equity_eur,
            scale=scales[symbol],
            volatility="" if scales[symbol] > 0.0 else self._throttle.describe(symbol),
            trade=TradeSide(sum(t.notional for t in trades), sum(t.risk for t in trades)),
            before=lambda: worst_case(account.positions, before),
            after=worst_case(account.positions, after),
        )
        for refusal, limit in limits.ACCOUNT_LIMITS:
            detail = limit(proposal, self._settings)
            if detail is not None:
                return refusal, detail
        return None

    # ------------------------------------------------------------------ memory

    def state(self) -> dict[str, Any]:
        """What must survive a restart, as JSON can hold it."""
        return {
            "session": self._clock.session.isoformat() if self._clock.session else None,
            "account_known": self._account_known,
            "losses": self._losses.state(),
            "kill_switch": self._kill_switch.state(),
            "throttle": self._throttle.state(),
            "protections": self._protections.state(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue where ``state`` was taken, with the same settings."""
        self._clock.restore(dt.date.fromisoformat(state["session"]) if state["session"] else None)
        self._account_known = bool(state["account_known"])
        self._losses.restore(state["losses"])
        self._kill_switch.restore(state["kill_switch"])
        self._throttle.restore(state["throttle"])
        self._protections.restore(state["protections"])

    def _session(self) -> dt.date:
        session = self._clock.session
        if session is None:  # advance() sets it on the first bar
            raise RiskError("the order gate has seen no bar; call on_bar first")
        return session

    def _note(self, when: dt.datetime, kind: RiskEventKind, detail: str) -> None:
        event = RiskEvent(aware_utc(when), kind, detail)
        self.events.append(event)
        log_event(logger, "risk", kind=kind.value, when=when, detail=detail)
