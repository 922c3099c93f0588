"""A recorded day once more: the same bars and reports, and the orders of today's code beside those of that day.

A record may end within a turn, where the process was killed: what is there is compared, and what comes then is not.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import backtrader as bt

from analyzers.wiring import utc_time
from books.account import Account
from core.errors import RecordError
from core.events import Bus
from core.version import code_version
from engine import build
from engine.venue import Carried, Report, VenueOrder, VenueRefused
from feeds import History
from live.broker import IBBroker
from live.record_files import Record, read_record
from live.record_lines import Asked, Cancelled, Entry, Failed, Modified, Placed, Rated, Told, Turn
from live.record_orders import renumbered
from live.recording import failed_at
from live.state import StateKeeper

_NOTHING = "nothing"
_GOES_ON = "it goes on"


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of a replay. ``difference`` "": the same orders.

    ``failure``: what ended the graph on that day and ends it today, at the same bar and after the same orders.
    """

    record: Path
    bars: int  # moments with a bar
    orders: int  # that were compared and are equal
    when: dt.datetime | None = None  # the bar of the first difference, or the last one, UTC
    difference: str = ""
    failure: str = ""
    is_cut: bool = False  # the record ends within its last turn
    code: str = ""  # a remark, where the code is another one
    error: Exception | None = None  # with which the graph has failed today

    @property
    def is_same(self) -> bool:
        return not self.difference


class Diverged(Exception):  # noqa: N818 - not an error of the program: it is what a replay looks for
    """Today's code does something else than was recorded."""

    def __init__(self, recorded: str, now: str) -> None:
        super().__init__(f"recorded: {recorded}; now: {now}")


class RecordEnds(Exception):  # noqa: N818 - no error: there is nothing left to compare
    """The record was cut off within this turn."""


class Cursor:
    """Where a replay is. The first data moves it from turn to turn, as Cerebro asks for its bars first.

    ``is_whole``: nothing is missing of the last turn.
    """

    def __init__(self, turns: Sequence[Turn], is_whole: bool) -> None:
        self.turns = turns
        self._is_whole = is_whole
        self.place = -1  # of the turn
        self.entry = 0  # its next entry
        self.when: dt.datetime | None = None  # newest bar
        self.bars = 0
        self.first: object = None  # the data that moves it

    def bar(self, data: object, name: str) -> tuple[float, ...] | None:
        """The bar of a data in this turn."""
        if data is self.first:
            self._advance()
        return None if self.is_over else self.turns[self.place].bars.get(name)

    @property
    def is_over(self) -> bool:
        return self.place >= len(self.turns)

    def _advance(self) -> None:
        self.expect_nothing_left()
        self.place += 1
        self.entry = 0
        bars = {} if self.is_over else self.turns[self.place].bars
        if bars:
            self.when = utc_time(max(bar[0] for bar in bars.values()))
            self.bars += 1

    @property
    def left(self) -> Sequence[Entry]:
        """What was recorded in this turn and has not come yet."""
        return self.turns[self.place].entries[self.entry :] if 0 <= self.place < len(self.turns) else ()

    def peek(self) -> Entry | None:
        """The next thing that was recorded in this turn."""
        left = self.left
        return left[0] if left else None

    @property
    def is_cut(self) -> bool:
        """Whether what comes next in this turn was cut off."""
        return not self._is_whole and self.place == len(self.turns) - 1 and not self.left

    def take(self) -> None:
        self.entry += 1

    def expect_nothing_left(self) -> None:
        """Raises Diverged where something that was recorded in this turn has not come."""
        entry = self.peek()
        if entry is not None:
            raise Diverged(_in_words(entry), _GOES_ON if isinstance(entry, Failed) else _NOTHING)


@dataclass(slots=True)
class RecordedAccount:
    """What a record holds of ``live.values.ReportedAccount``: the exchange rates."""

    account: str
    rates: dict[str, float] = field(default_factory=dict)  # currency -> account currency for one unit
    cash: dict[str, float] = field(default_factory=dict)
    net_liquidation: float | None = None

    def rate(self, currency: str) -> float | None:
        return self.rates.get(currency)


class ReplayVenue:
    """``engine.venue.Venue`` that answers as the recorded one did. Raises Diverged at the first difference."""

    def __init__(self, record: Record, cursor: Cursor) -> None:
        self._cursor = cursor
        self._carried, self._now = renumbered(record.carried)  # _now: ref as recorded -> ref now
        self._answers: dict[str, str] = {}
        self.reported = RecordedAccount(str(record.about.get("account", "")), dict(record.about.get("rates", {})))
        self.bus = Bus()  # nobody listens
        self.killed = str(record.about.get("killed", ""))
        self.compared = 0

    def kill(self, why: str) -> None:
        """As the live one; the journal of that day has it."""
        self.killed = self.killed or why

    def open(self) -> Sequence[Carried]:
        return self._carried

    def play(
        self, until: dt.datetime | None, wake: Callable[[], dt.datetime | None]
    ) -> Iterator[tuple[dt.datetime, Sequence[Report]]]:
        cursor = self._cursor
        while isinstance(entry := cursor.peek(), Rated):
            self.reported.rates[entry.currency] = entry.rate
            cursor.take()
        while any(isinstance(entry, Told) for entry in cursor.left):
            entry = cursor.peek()
            if not isinstance(entry, Told):
                self._diverge(_in_words(entry), _NOTHING)
            else:
                cursor.take()
                yield entry.when, [self._mapped(report) for report in entry.reports]

    def place(self, orders: Sequence[VenueOrder]) -> None:
        entry = self._cursor.peek()
        now = Placed(tuple(orders))
        if not isinstance(entry, Placed) or [_decision(each) for each in entry.orders] != [
            _decision(each) for each in orders
        ]:
            self._diverge(_in_words(entry), _in_words(now))
            return
        self._cursor.take()
        self.compared += len(orders)
        for recorded, order in zip(entry.orders, orders, strict=True):
            self._now[recorded.ref] = order.ref
        if entry.refused is not None:
            raise VenueRefused(*entry.refused)

    def cancel(self, ref: int, why: str) -> None:
        entry = self._cursor.peek()
        if not isinstance(entry, Cancelled) or self._now.get(entry.ref) != ref:
            self._diverge(_in_words(entry), f"cancel of order {ref} ({why})")
            return
        self._cursor.take()

    def modify(self, order: VenueOrder) -> None:
        entry = self._cursor.peek()
        if not isinstance(entry, Modified) or _decision(entry.order) != _decision(order):
            self._diverge(_in_words(entry), _in_words(Modified(order)))
            return
        self._cursor.take()
        if entry.refused is not None:
            raise VenueRefused(*entry.refused)

    def why_no_entries(self, symbol: str) -> str:
        entry = self._cursor.peek()
        if isinstance(entry, Asked) and entry.symbol == symbol:
            self._answers[symbol] = entry.why
            self._cursor.take()
        return self._answers.get(symbol, "")

    def close(self) -> None:
        """Nothing is open."""

    # -- comparing ------------------------------------------------------------------------------------------------

    def _mapped(self, report: Report) -> Report:
        return replace(report, ref=self._now.get(report.ref, report.ref))

    def _diverge(self, recorded: str, now: str) -> None:
        if self._cursor.is_cut:
            raise RecordEnds
        raise Diverged(recorded, now)


class ReplayBroker(IBBroker):
    """``marks``: of ``live.record_days.marks_of``, on a day on which the run of the day before went on."""

    marks: Mapping[str, Sequence[float]] = {}

    def _carry(self, account: Account, carried: Sequence[Carried], when: dt.datetime) -> list[bt.Order]:
        orders = super()._carry(account, carried, when)
        for key, (price, rate, result) in self.marks.items():
            book = account.books[key]
            book.last_price = price
            book.closed_net_eur += result - book.result_eur(rate)
        return orders


class RecordedData(bt.feed.DataBase):
    """Delivers the bars of one data, turn by turn, as they were delivered then."""

    def __init__(self, cursor: Cursor) -> None:
        super().__init__()
        self._cursor = cursor
        if cursor.first is None:
            cursor.first = self

    def islive(self) -> bool:
        return True

    def haslivedata(self) -> bool:
        return True

    def _load(self) -> bool | None:
        bar = self._cursor.bar(self, self._name)
        if bar is None:
            return False if self._cursor.is_over else None
        lines = self.lines
        lines.datetime[0], lines.open[0], lines.high[0], lines.low[0], lines.close[0], lines.volume[0] = bar
        lines.openinterest[0] = 0.0
        return True


class RecordedHistory(History):
    """What ``engine.build`` wants of the bars of a record: ``frames`` are those of before the first that counts."""

    def __init__(self, record: Record, cursor: Cursor) -> None:
        super().__init__(record.frames(), [], record.begin)
        object.__setattr__(self, "cursor", cursor)

    def data(self, symbol: str, **params: Any) -> Any:
        return RecordedData(self.cursor, **params)  # type: ignore[attr-defined]


def replay(folder: Path, *, progress: Callable[[int, int], None] | None = None) -> Replayed:
    """Run a record through the graph. Raises RecordError where it cannot be read, or ends before trading began."""
    record = read_record(folder)
    if not any(turn.opens for turn in record.turns):
        failed = [str(entry) for turn in record.turns for entry in turn.entries if isinstance(entry, Failed)]
        why = f": the graph failed with {failed[0]}" if failed else ""
        raise RecordError(
            f"{folder} ends while indicators settled, before anything was traded{why}; there is nothing to compare"
        )
    cursor = Cursor(record.turns, record.is_whole)
    venue = ReplayVenue(record, cursor)
    broker = ReplayBroker(venue, settings=record.settings)
    broker.marks = record.about.get("books", {})
    cerebro = build(record.settings, RecordedHistory(record, cursor), broker)
    if progress is not None:
        in_all = sum(bool(turn.bars) for turn in record.turns)  # the graph knows those of before the start alone
        cerebro.progress = lambda done, total: progress(cursor.bars, in_all)
    cerebro.addanalyzer(StateKeeper, state=record.about.get("state"), rearmed=not venue.killed)
    was = str(record.about.get("code_version", ""))
    code = "" if was == code_version() else f"it was recorded with halflife {was}, this is {code_version()}"
    difference, failure = "", ""
    raised: Exception | None = None
    try:
        cerebro.run()
        cursor.expect_nothing_left()
    except Diverged as diverged:
        difference = str(diverged)
    except RecordEnds:
        pass  # what is there is the same
    except Exception as error:  # of today's code: told beside what was recorded
        raised, entry = error, cursor.peek()
        now = Failed(type(error).__name__, str(error), failed_at(error))
        if isinstance(entry, Failed) and entry.error == now.error:
            failure = str(now)
        else:
            difference = str(Diverged(_in_words(entry), _in_words(now)))
    return Replayed(
        folder, cursor.bars, venue.compared, cursor.when, difference, failure, not record.is_whole, code, raised
    )


def _decision(order: VenueOrder) -> tuple[object, ...]:
    return order.decision


def _in_words(entry: Entry | None) -> str:
    match entry:
        case Placed():
            return " and ".join(_order_in_words(order) for order in entry.orders)
        case Cancelled():
            return f"cancel of order {entry.ref} ({entry.why})"
        case Modified():
            return f"change to {_order_in_words(entry.order)}"
        case Asked():
            return f"a question whether {entry.symbol} may be entered"
        case Failed():
            return f"the graph fails with {entry}"
        case _:
            return _NOTHING


def _order_in_words(order: VenueOrder) -> str:
    prices = [f"{price:g}" for price in (order.aux_price, order.limit_price) if price is not None]
    return " ".join(
        [order.action, f"{order.quantity:,.12g}", order.symbol, order.kind, *prices, order.tif, f"({order.unit}"]
    ) + (f", {order.role})" if order.role else ")")  # fmt: skip
