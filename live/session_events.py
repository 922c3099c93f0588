"""What the graph itself knows of a session, on the bus: closed trades, refusals of the gate, drawdowns."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from analyzers import JournalWriter
from analyzers.wiring import utc_time
from books.journal import EventKind, Journal
from books.trades import TradeRow
from core.errors import LedgerError
from core.events import Bus, DrawdownEvent, ExceptionEvent, RefusalEvent
from core.orders import Refusal
from live.session_count import SessionCount

_TOLD_BY_VENUE = frozenset({Refusal.UNRESOLVED, Refusal.NOT_SENT, Refusal.NO_MARGIN, Refusal.NO_BORROW})
STEPS = (0.5, 0.75, 1.0)  # of the drawdown at which the kill switch trips: told at each
FEW = 5  # trades from before the session: as many are told one by one


class SessionEvents(JournalWriter):
    """As its base, but orders and fills are on the bus already (``live.venue``), and refusals go there.

    A closed trade is written once, over any number of sessions: the intent journal gives each session the trades of all
    before it, and those that the event journal has are left out. One that it lacks, since the process ended between the
    fill and the event, the disk was full, or the fill came while no session ran, is written and told by the next
    session. ``counted``: what the session did for its strategy.

    Params: those of the base, ``bus``, ``clock``, ``tell`` (of sentences for a person).
    """

    params = (("bus", None), ("clock", None), ("tell", None), ("must_write", False))  # type: ignore[assignment]

    def start(self) -> None:
        super().start()
        self._is_behind = True  # the trades of before are still to be compared with the event journal
        self.counted = SessionCount(self.strategy.broker, self._unit)
        self.strategy.broker.listeners.append(self.counted)

    def stop(self) -> None:
        self.counted.begin()  # there may not have been a bar
        super().stop()

    def flush(self) -> None:
        """Write what waits. Where the disk refuses it waits on; what waits at the end is left to the next session."""
        if not self._pending:
            return
        try:
            self.p.journal.extend(self._pending)
        except LedgerError as error:
            self.failure = error  # told by what writes all other events into this file
        else:
            self._pending = []

    # -- closed trades --------------------------------------------------------------------------------------------

    def _write_trades(self) -> None:
        if not self.counted.has_begun:  # bars from before the session
            return
        if self._is_behind:
            self._is_behind = False
            self._trades_seen = self.counted.before
            self._catch_up(self.strategy.broker.account.trades[: self.counted.before])
        rows, self._trades_seen = self._trades.closed_since(self._trades_seen)
        for row in rows:
            self._closed(row)
            self.p.tell(_in_words(row))

    def _catch_up(self, trades: Sequence[TradeRow]) -> None:
        """Write what the event journal lacks of the trades from before."""
        try:
            told = _told(self.p.journal)
        except LedgerError as error:
            text = f"trades that were closed before are not told: {error.args[0]}"
            self.p.bus.publish(
                ExceptionEvent(at=self.p.clock.now(), where="closed trades", error=type(error).__name__, text=text)
            )  # fmt: skip
            return
        missing = []
        for row in trades:
            name = (row.strategy, row.instrument, row.trade_id)
            if row.strategy != self._unit:
                continue
            if told[name]:
                told[name] -= 1
            else:
                missing.append(row)
        are_few = len(missing) <= FEW  # else the event journal is new, and they are nothing of this session
        for row in missing:
            self._closed(row, counts=are_few)
            if are_few:
                when = f" at {row.exit_time:%Y-%m-%d %H:%M} UTC, before this session" if row.exit_time else ""
                self.p.tell(_in_words(row, when))
        if not are_few:
            self.p.tell(f"{self._unit}: {len(missing):,} trades closed before are written into the event journal")

    def _closed(self, row: TradeRow, *, counts: bool = True) -> None:
        if counts:
            self.counted.trades.append(row)
        self._write(EventKind.TRADE, row.exit_time or utc_time(self.strategy.lines.datetime[0]), asdict(row))

    def _write(self, kind: EventKind, when: dt.datetime, payload: dict[str, Any]) -> None:
        if kind is EventKind.TRADE:
            super()._write(kind, when, payload)
        elif kind is EventKind.REFUSAL and payload["refusal"] not in _TOLD_BY_VENUE:
            self.p.bus.publish(
                RefusalEvent(
                    at=self.p.clock.now(), unit=payload["unit"], symbol=payload["instrument"], by="gate",
                    reason=str(payload["refusal"]), text=str(payload["detail"] or ""),
                )
            )  # fmt: skip


def _told(journal: Journal) -> Counter[tuple[str, str, str]]:
    """How often a trade of (unit, symbol, trade id) was told as closed: it may be more than once, in parts."""
    told = [event.payload for event in journal.read(EventKind.TRADE)]
    return Counter((each["strategy"], each["instrument"], each["trade_id"]) for each in told)


def _in_words(row: TradeRow, when: str = "") -> str:
    return f"{row.strategy}: {row.side} {row.instrument} closed{when}, EUR {row.net_eur:+,.2f} net ({row.exit_reason})"


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
