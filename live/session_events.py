"""What the graph itself knows of a session, on the bus: closed trades, refusals of the gate, drawdowns."""

from __future__ import annotations

import datetime as dt
from typing import Any

from analyzers import JournalWriter
from books.journal import EventKind
from core.events import Bus, DrawdownEvent, RefusalEvent
from core.orders import Refusal

_TOLD_BY_VENUE = frozenset({Refusal.UNRESOLVED, Refusal.NOT_SENT, Refusal.NO_MARGIN, Refusal.NO_BORROW})
STEPS = (0.5, 0.75, 1.0)  # of the drawdown at which the kill switch trips: told at each


class SessionEvents(JournalWriter):
    """As its base, but orders and fills are on the bus already (``live.venue``), and refusals go there.

    Params: those of the base, ``bus``, ``clock``, ``tell`` (of sentences for a person).
    """

    params = (("bus", None), ("clock", None), ("tell", None), ("must_write", False))  # type: ignore[assignment]

    def _write(self, kind: EventKind, when: dt.datetime, payload: dict[str, Any]) -> None:
        if kind is EventKind.TRADE:
            super()._write(kind, when, payload)
            self.p.tell(
                f"{payload['strategy']}: {payload['side']} {payload['instrument']} closed, "
                f"EUR {payload['net_eur']:+,.2f} net ({payload['exit_reason']})"
            )
        elif kind is EventKind.REFUSAL and payload["refusal"] not in _TOLD_BY_VENUE:
            self.p.bus.publish(
                RefusalEvent(
                    at=self.p.clock.now(), unit=payload["unit"], symbol=payload["instrument"], by="gate",
                    reason=str(payload["refusal"]), text=str(payload["detail"] or ""),
                )
            )  # fmt: skip


class DrawdownWatch:
    """Publishes a DrawdownEvent as the drawdown passes parts of ``limit`` (a fraction of the peak)."""

    def __init__(self, bus: Bus, limit: float) -> None:
        self._bus = bus
        self._limit = limit
        self._peak = 0.0
        self._told = 0  # steps

    def marked(self, when: dt.datetime, equity_eur: float) -> None:
        if equity_eur >= self._peak:
            self._peak, self._told = equity_eur, 0
            return
        lost = 1.0 - equity_eur / self._peak
        passed = sum(lost >= step * self._limit for step in STEPS)
        if passed > self._told:
            self._told = passed
            self._bus.publish(
                DrawdownEvent(at=when, equity_eur=equity_eur, peak_eur=self._peak, limit=self._limit)
            )  # fmt: skip
