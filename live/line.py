"""What is known of the bars of one instrument: pieces of the stream put together, and history where pieces lack."""

from __future__ import annotations

import datetime as dt
import logging
from collections import deque
from collections.abc import Iterable
from dataclasses import replace

from core.logs import log_event
from feeds.aggregate import BarBuilder, BuiltBar
from live.grid import Grid
from live.validation import Doubt, what_is_wrong
from stores.events import BarArrived
from stores.records import HistoryBar, Instrument
from stores.streams import UPDATES

logger = logging.getLogger(__name__)
UNTOLD = 2.5  # seconds at the end of a bar of which keepUpToDate, which tells each 5 seconds, may not have told
_SECOND = dt.timedelta(seconds=1)


class Line:
    """Bars of ``symbol`` in order, each once. Nothing of ``stores`` is called here.

    A bar is *decided* when all pieces of its time have come, or when history has told what there is: then it stands in
    ``ready``, or nothing was traded in its time and there is none. ``known``: the last stamp that is decided.
    Daily bars are history's alone: the official ones hold auctions that no piece has.
    ``is_index``: pieces without a volume count, as those of an index are.
    """

    def __init__(self, symbol: str, instrument: Instrument, grid: Grid, *, outlier: float, is_index: bool) -> None:
        self.symbol = symbol
        self.instrument = instrument
        self.grid = grid
        self.doubt = Doubt(outlier)
        self.known = dt.datetime.min.replace(tzinfo=dt.UTC)
        self.ready: deque[BuiltBar] = deque()
        self.traded: dt.datetime | None = None  # the end of the last piece in which there was a trade
        self.asked: dt.datetime | None = None  # since when history is being asked
        self.failing = ""  # why history could not be had last time
        self.is_left_out = False  # nobody waits for its bars, and history is not asked
        self.stray = 0  # pieces that came twice, too late to count, or without what was traded at their end
        self.refused = 0  # pieces that contradict themselves or are in doubt
        self._is_index = is_index
        self._builder = BarBuilder(grid.bar, grid.calendar)  # empty but within _build
        self._pieces: dict[dt.datetime, dict[dt.datetime, BarArrived]] = {}  # stamp -> start -> piece
        self._next: dt.datetime | None = None  # the stamp after ``known``

    def begin(self, known: dt.datetime, price: float | None) -> None:
        """What is known at the beginning: up to which stamp, and the last price."""
        self.known, self._next = known, None
        if price is not None:
            self.doubt.trust(price)

    def leave_out(self) -> None:
        """Its bars are not waited for any more; those that are decided go out with the others."""
        self.is_left_out, self.asked = True, None
        self._pieces.clear()

    def take_back(self, known: dt.datetime) -> None:
        """Go on behind the stamp ``known``: what was traded while it was left out is left out for good."""
        self.is_left_out, self.failing = False, ""
        if known > self.known:
            self.begin(known, None)

    @property
    def next(self) -> dt.datetime:
        """The stamp that is to be decided next."""
        if self._next is None:
            self._next = self.grid.after(self.known)
        return self._next

    def heard(self, piece: BarArrived) -> bool:
        """A piece of the stream; whether it has decided a bar."""
        why = what_is_wrong(piece)
        if why or not self.doubt.believes(piece):
            self.refused += 1
            log_event(
                logger, "bar_refused", level=logging.WARNING, symbol=self.symbol, start=piece.start,
                why=why or self.doubt.why,
            )  # fmt: skip
            return False
        if piece.source == UPDATES:
            piece = self._cut(piece)
        end = piece.end
        if end <= self.known or (piece.grown is not None and (end - piece.grown).total_seconds() > UNTOLD):
            self.stray += 1
            return False
        if self._is_index or self._has_trade(piece):
            self.traded = end if self.traded is None else max(end, self.traded)
        if self.grid.bar == "1d":
            return False
        stamp = self.grid.after(end - _SECOND)
        if piece.start < self.grid.begin(stamp):  # outside regular hours
            self.stray += 1
            return False
        pieces = self._pieces.setdefault(stamp, {})
        if piece.start in pieces:
            self.stray += 1
            return False
        pieces[piece.start] = piece
        return stamp == self.next and self._decide_by_stream()

    def wants(self, until: dt.datetime) -> list[dt.datetime]:
        """The stamps up to ``until`` that are not decided and cannot be by the stream."""
        stamps, stamp = list[dt.datetime](), self.next
        while stamp <= until:
            if not self._is_whole(stamp):
                stamps.append(stamp)
            stamp = self.grid.after(stamp)
        return stamps

    def lacks(self, until: dt.datetime) -> bool:
        """Whether a bar with a stamp up to ``until`` is not decided."""
        return self.next <= until

    def told(self, rows: Iterable[HistoryBar], until: dt.datetime) -> bool:
        """What history has of the time from ``known`` to the stamp ``until``; whether it has decided anything.

        Bars of which all pieces have come stay those of the stream; of one that history does not have, though there
        was a trade in the stream, or has wrongly, the pieces are taken that have come.
        """
        bars = {stamp: row for row in rows if self.known < (stamp := self.stamp_of(row)) <= until}
        before = self.known
        while self.next <= until:
            stamp = self.next
            if not self._decide_by_stream(once=True):
                pieces, row = self._pieces.pop(stamp, {}), bars.get(stamp)
                if row is not None and (built := self.built_of(row)) is not None:
                    self.ready.append(built)
                    self.doubt.trust(row.close)
                elif part := self._build(stamp, pieces):
                    log_event(
                        logger, "bar_incomplete", level=logging.WARNING, symbol=self.symbol, end=stamp,
                        pieces=len(pieces),
                    )  # fmt: skip
                    self.ready.extend(part)
                self._decided(stamp)
        self._decide_by_stream()
        return self.known > before

    def stamp_of(self, row: HistoryBar) -> dt.datetime:
        """The stamp of a bar of history; one outside the exchange's hours, as indices have, is no bar."""
        if isinstance(row.start, dt.datetime):
            stamp = self.grid.after(row.start)
            return stamp if row.start >= self.grid.begin(stamp) else dt.datetime.min.replace(tzinfo=dt.UTC)
        if self.grid.calendar.is_session(row.start):
            return self.grid.calendar.close_of(row.start)
        return dt.datetime.min.replace(tzinfo=dt.UTC)  # of no session: it is no bar

    def built_of(self, row: HistoryBar) -> BuiltBar | None:
        """A bar of history as a backtest has it; None for one without a trade, and for one that contradicts itself."""
        if not self._is_index and not self._has_trade(row):
            return None
        why = what_is_wrong(row)
        if why:
            log_event(
                logger, "history_bar_refused", level=logging.WARNING, symbol=self.symbol, start=row.start, why=why
            )
            return None
        return BuiltBar(self.stamp_of(row), row.open, row.high, row.low, row.close, row.volume)

    def _cut(self, bar: BarArrived) -> BarArrived:
        """A bar of keepUpToDate ends with its slot or its session: IBKR's first hour of a US day has 30 minutes."""
        return replace(bar, seconds=round((self.grid.after(bar.start) - bar.start).total_seconds()))

    def _decide_by_stream(self, once: bool = False) -> bool:
        """Build the next bars of which all pieces are there (one where ``once``); whether there was any."""
        decided = False
        while True:
            stamp = self.next
            if not self._is_whole(stamp):
                return decided
            pieces = self._pieces.pop(stamp)
            self.ready.extend(self._build(stamp, pieces))
            self._decided(stamp)
            decided = True
            if once:
                return True

    def _build(self, stamp: dt.datetime, pieces: dict[dt.datetime, BarArrived]) -> list[BuiltBar]:
        """The bar with a stamp made of pieces; none where nothing was traded in them."""
        builder, made = self._builder, list[BuiltBar]()
        for start in sorted(pieces):
            piece = pieces[start]
            if self._is_index or self._has_trade(piece):
                made += builder.add(start, piece.seconds, piece.open, piece.high, piece.low, piece.close, piece.volume)
        return made + builder.passed(stamp)

    def _decided(self, stamp: dt.datetime) -> None:
        self.known, self._next = stamp, None

    def _is_whole(self, stamp: dt.datetime) -> bool:
        pieces = self._pieces.get(stamp)
        if not pieces:
            return False
        return sum(each.seconds for each in pieces.values()) >= (stamp - self.grid.begin(stamp)).total_seconds()

    @staticmethod
    def _has_trade(bar: BarArrived | HistoryBar) -> bool:
        return bar.volume > 0.0 or bool(bar.count)
