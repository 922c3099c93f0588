"""Bars as they grow: real-time bars of 5 seconds, and the bar that keepUpToDate keeps up to date."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from gateway.data.contracts import lot_of
from gateway.data.history import WHOLE_SHARES
from gateway.data.pieces import FIVE, Piece, Pieces, split
from gateway.data.showing import NONE, TRADED
from gateway.data.slots import Grid
from gateway.data.spans import DAY_SECONDS
from gateway.data.stamps import Stamps
from gateway.hours import SECOND, hours_of
from gateway.model import Bar, Instrument, Quote, Values

Client = Hashable
Answer = tuple[Client, str, Values]


@dataclass(frozen=True, slots=True)
class Listener:
    """Who hears a bar: ``since``: the first slot, microseconds UTC."""

    client: Client
    req_id: int
    since: int
    lot: int


class FiveSeconds:
    """The bars of 5 seconds of one instrument, told to all who listen.

    A bar is told as soon as it has ended. One without a trade repeats the last price with volume 0, from the first
    trade of a session on. A bar of the tape that is longer is told when it ends, as the bars of 5 seconds that it
    consists of.
    """

    def __init__(self, instrument: Instrument, pieces: Pieces, regular: bool, now: int) -> None:
        self.pieces = pieces
        self.listeners: list[Listener] = []
        self._hours = hours_of(instrument)
        self._regular = regular
        self._slot = first_slot(now)
        self._bar: Piece | None = None
        self._price: float | None = None  # that holds before the slot
        self._session = (0, 0)
        self._enter(self._slot)

    def hear(self, bar: Bar | None, quote: Quote | None, out: list[Answer]) -> None:
        """Take what a step says of the instrument."""
        piece = self.pieces.of(bar, quote)
        if piece is None:
            return
        parts = [piece] if self.pieces.carried else split(piece, self.pieces.seconds)
        for part in parts:
            slot = (part.end - 1) // FIVE * FIVE
            self._advance(slot, out)
            if not self._session[0] <= slot < self._session[1]:
                continue  # outside the hours
            if slot < self._slot:  # before the first slot
                self._price = part.close
                continue
            if self._bar is not None:
                self._bar.add(part)
                continue
            if self.pieces.carried and self._price is not None:
                part.open_at(self._price)
            self._bar = part

    def until(self, moment: int, out: list[Answer]) -> None:
        """Tell the bars that have ended by a moment."""
        self._advance(moment // FIVE * FIVE, out)

    @property
    def next_due(self) -> int | None:
        """When the bar under way ends; None where there will be none before something trades."""
        if not self._session[0] <= self._slot < self._session[1] or (self._bar is None and self._price is None):
            return None
        return self._slot + FIVE

    def seed(self, price: float | None) -> None:
        """The price that holds now, in this session."""
        self._price = price

    def _advance(self, slot: int, out: list[Answer]) -> None:
        while self._slot < slot:
            if self._slot >= self._session[1]:
                self._enter(self._slot)
            if self._slot < self._session[0]:
                self._slot = min(slot, self._session[0])
                continue
            self._tell(out)
            self._slot += FIVE
        if slot >= self._session[1]:
            self._enter(slot)

    def _enter(self, slot: int) -> None:
        """The session that holds a slot, or the next one."""
        starts, ends = self._hours.windows(self._regular)
        number = self._hours.number_at(slot, self._regular)
        if number is None:
            number = self._hours.begun_before(slot + 1, self._regular) + 1
        if number >= len(self._hours):
            self._session = (2**62, 2**62)
        elif self._session[0] != starts[number]:
            self._session = (int(starts[number]), int(ends[number]))
            self._price = self._bar = None

    def _tell(self, out: list[Answer]) -> None:
        bar, self._bar = self._bar, None
        if bar is None:
            if self._price is None:
                return
            bar = Piece(self._slot + FIVE, *(self._price,) * 4)
        self._price = bar.close
        traded = self.pieces.what in TRADED
        for listener in self.listeners:
            if self._slot >= listener.since:
                out.append(
                    (
                        listener.client,
                        "realtimeBar",
                        {
                            "reqId": listener.req_id,
                            "time": self._slot // SECOND,
                            "open": round(bar.open, 8),
                            "high": round(bar.high, 8),
                            "low": round(bar.low, 8),
                            "close": round(bar.close, 8),
                            "volume": bar.volume // listener.lot if traded else float(NONE),
                            "wap": bar.wap if traded else float(NONE),
                            "count": bar.count if traded else NONE,
                        },
                    )
                )


class GrowingBar:
    """keepUpToDate: the current bar of a request, told every five seconds in which it has changed and when it ends."""

    def __init__(
        self, client: Client, req_id: int, instrument: Instrument, pieces: Pieces, grid: Grid, stamps: Stamps, now: int
    ) -> None:
        self.client = client
        self.req_id = req_id
        self.pieces = pieces
        self.version_lot = 1 if stamps.version >= WHOLE_SHARES else lot_of(instrument)
        self._grid = grid
        self._stamps = stamps
        self._now = now
        self._window = (0, 0)  # of the slot
        self._number = -1
        self._bar: Piece | None = None
        self._price: float | None = None  # that holds before the slot, in this session
        self._due: int | None = None

    def begin(self, number: int, window: tuple[int, int], bar: Piece) -> None:
        """Go on from the last bar of the history."""
        if window[1] > self._now:
            self._window, self._bar = window, bar
        self._number, self._price = number, bar.close

    def hear(self, bar: Bar | None, quote: Quote | None, out: list[Answer]) -> None:
        piece = self.pieces.of(bar, quote)
        if piece is None or piece.end <= self._now:
            return
        if self._grid.seconds > DAY_SECONDS:  # the slot reaches over the nights between its sessions
            number = self._grid.hours.number_at(piece.end - 1, self._grid.regular)
            if number is None:
                return
            self._number = number
        if not self._window[0] < piece.end <= self._window[1]:
            self._turn(piece, out)
        elif self._bar is not None:
            self._bar.add(piece)
            self._due = self._due or -(-piece.end // FIVE) * FIVE

    def until(self, moment: int, out: list[Answer]) -> None:
        if self._due is not None and moment >= self._due:
            self._tell(out)

    def _turn(self, piece: Piece, out: list[Answer]) -> None:
        """A piece of another slot: the first of a bar."""
        if self._due is not None:
            self._tell(out)
        found = self._grid.slot_at(piece.end)
        if found is None:
            self._window, self._bar = (0, 0), None
            return
        number, *window = found
        same = number == self._number
        carried = self._bar.close if self._bar is not None else self._price
        self._number, self._window = number, (window[0], window[1])
        if self.pieces.carried and same and carried is not None:
            piece.open_at(carried)
        self._bar = piece
        self._due = -(-piece.end // FIVE) * FIVE

    def _tell(self, out: list[Answer]) -> None:
        self._due = None
        bar = self._bar
        if bar is None:
            return
        daily = self._grid.seconds >= DAY_SECONDS
        traded = self.pieces.what in TRADED
        out.append(
            (
                self.client,
                "historicalDataUpdate",
                {
                    "reqId": self.req_id,
                    "bar": {
                        "date": self._stamps.day(self._grid.hours.days[self._number])
                        if daily
                        else self._stamps.moment(self._window[0]),
                        "open": round(bar.open, 8),
                        "high": round(bar.high, 8),
                        "low": round(bar.low, 8),
                        "close": round(bar.close, 8),
                        "volume": bar.volume // self.version_lot if traded else float(NONE),
                        "wap": bar.wap if traded else float(NONE),
                        "barCount": bar.count if traded else NONE,
                    },
                },
            )
        )


def first_slot(moment: int) -> int:
    """The first slot of 5 seconds that begins at a moment or later."""
    return -(-moment // FIVE) * FIVE
