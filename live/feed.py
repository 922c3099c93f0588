"""Live bars as a graph wants them: ``LiveHistory`` in the place of ``feeds.History``, and its datas."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import backtrader as bt
import numpy as np
import pandas as pd

from core.calendar import desk_calendar
from core.clock import SystemClock
from core.errors import FeedEmptyError, UnknownNameError, did_you_mean
from core.logs import log_event
from core.settings import Settings
from feeds.aggregate import BuiltBar
from feeds.history import History
from feeds.loader import earlier_start
from feeds.quality import COLUMNS, check_bars, require_overlap
from live.aligning import Step
from live.backfill import AT_ONCE, fetch
from live.hub import BarHub
from live.instruments import without
from live.line import Line
from live.status import Status
from live.stored import Range, behind, joined, misfit, stored_bars
from stores.errors import RequestError
from stores.records import HistoryBar

logger = logging.getLogger(__name__)
TRIES = 3  # of a piece of history whose answer is lost
RECENT = dt.timedelta(seconds=60)  # in which history may be behind


@dataclass(frozen=True)
class LiveHistory(History):
    """What a run knows at its beginning, and the live bars that follow. Made by ``load``.

    ``frames``, ``notes``, ``hash`` and ``steps`` are of the bars before trading begins; ``begin`` is the stamp of the
    first live bar, and ``counted`` is of those that were delivered from it on.
    """

    hub: BarHub = field(kw_only=True)
    _delivered: dict[str, list[BuiltBar]] = field(default_factory=dict, init=False, repr=False)

    @classmethod
    def load(cls, settings: Settings, hub: BarHub, *, warm_up: int) -> LiveHistory:
        """The bars that a backtest would have which begins today, so that ``warm_up`` bars lie before it: from the
        catalog where the settings trade on it and it has them (``live.stored``), and from IBKR.

        Subscribes the hub. Raises FeedEmptyError, FeedOverlapError (pairs), FeedError, and what ``IBStore.history``
        raises. References without bars are left out, with a note.
        """
        hub.time.compare()
        now = hub.now()
        today = desk_calendar(settings).session_of(now)
        start = earlier_start(
            settings.model_copy(update={"data": settings.data.model_copy(update={"start": today, "end": None})}),
            warm_up,
        )
        wanted = {
            symbol: _range(member.line, start, now - dt.timedelta(seconds=hub.grace))
            for symbol, member in hub.members.items()
        }
        stored = stored_bars(settings, wanted)
        rows, failed = _fetched(hub, wanted | {symbol: behind(bars, wanted[symbol]) for symbol, bars in stored.items()})
        frames: dict[str, pd.DataFrame] = {}
        notes: list[str] = []
        known: dict[str, tuple[dt.datetime, float | None]] = {}
        for symbol, (after, until) in wanted.items():
            line = hub.members[symbol].line
            if now - until < RECENT and until not in {line.stamp_of(row) for row in rows[symbol]}:
                until = line.grid.last_at(until - dt.timedelta(seconds=1))  # HMDS may be behind: it comes live
            frame = _frame([bar for row in rows[symbol] if (bar := line.built_of(row)) is not None], after, until)
            if symbol in stored:
                frame = _with_stored(hub, symbol, stored[symbol], frame, (after, until), notes)
            if frame.empty and symbol not in settings.traded_symbols:
                why = failed.get(symbol, "it has none")
                notes.append(f"IBKR tells no bars of {symbol} before the start ({why}). {without(symbol, settings)}")
                hub.leave_out(symbol, why)
                continue
            if frame.empty:
                raise FeedEmptyError(
                    f"{symbol}: IBKR has no {settings.data.bar} bars between {after:%Y-%m-%d %H:%M} and "
                    f"{until:%Y-%m-%d %H:%M} UTC; see whether its market data is subscribed"
                )
            frames[symbol] = check_bars(symbol, frame)
            known[symbol] = until, float(frame["close"].iloc[-1])
            log_event(logger, "backfilled", symbol=symbol, bars=len(frame), after=after, until=until)
        for _, unit in settings.units.values():
            require_overlap(unit, frames)
        begin = min(hub.members[symbol].line.grid.after(known[symbol][0]) for symbol in settings.traded_symbols)
        made = cls(frames, notes, begin, hub=hub)
        hub.start(known, warm_steps(frames))
        hub.taps.append(made._keep)
        return made

    def left_out(self) -> list[str]:
        """Leave out the references to whose bars nobody may subscribe, as is known soon after the start; their
        symbols."""
        gone = [symbol for symbol in self.frames if symbol not in self.hub.members]
        for symbol in gone:
            del self.frames[symbol]
        return gone

    def data(self, symbol: str, **params: Any) -> LiveData:
        """A new data of ``symbol``; ``params`` go to LiveData."""
        if symbol not in self.hub.members:
            raise UnknownNameError(f"no live bars of {symbol!r}{did_you_mean(symbol, self.hub.members)}")
        params.setdefault("name", symbol)
        return LiveData(dataname=symbol, hub=self.hub, **params)  # type: ignore[call-arg]  # bt's metaclass

    def counted(self, symbol: str) -> pd.DataFrame:
        """The live bars of ``symbol`` that were delivered so far."""
        return _frame_of(self._delivered.get(symbol, []))

    def whole(self, symbol: str) -> pd.DataFrame:
        """All bars of ``symbol``: those before the start and those delivered since."""
        live = self.counted(symbol)
        before = self.frames.get(symbol)
        if before is None or live.empty:
            return live if before is None else before
        return pd.concat([before, live])

    def _keep(self, step: Step) -> None:
        if not step.is_warm:
            for symbol, bar in step.bars.items():
                self._delivered.setdefault(symbol, []).append(bar)


class LiveData(bt.feed.DataBase):
    """The bars of one symbol as they become complete.

    Params:
      - ``dataname``: the symbol.
      - ``hub``: where its bars come from (``live.hub.BarHub``).
      - ``qcheck`` (0.5): seconds to wait for something to happen, at most.
      - those of ``bt.feed.DataBase``.

    Statuses come by ``notify_data`` with the reason as first argument. It ends when the hub is closed.
    """

    params = (("hub", None), ("qcheck", 0.5))

    def __init__(self) -> None:
        super().__init__()
        self.symbol = str(self.p.dataname)
        self.hub: BarHub = self.p.hub

    def islive(self) -> bool:
        return True

    def haslivedata(self) -> bool:
        return self.hub.desk.has_more

    def start(self) -> None:
        super().start()
        self.hub.attach(self)

    def stop(self) -> None:
        self.hub.desk.detach(self)
        super().stop()

    def put_status(self, status: Status, why: str) -> None:
        """Tell the strategies how the feed stands."""
        self.put_notification(int(status), why)

    def do_qcheck(self, onoff: bool, qlapse: float) -> None:
        """Cerebro has come to this data in its round. A data waits whether or not others are live: the hub knows
        whether there is something."""
        self._qcheck = max(0.0, self.p.qcheck - qlapse)
        self.hub.desk.enter(self)

    def _load(self) -> bool | None:
        bar = self.hub.desk.take(self, self._qcheck)
        if bar is None:
            return False if self.hub.desk.has_ended else None
        lines = self.lines
        lines.datetime[0] = bt.date2num(bar.end)
        lines.open[0], lines.high[0], lines.low[0], lines.close[0] = bar.open, bar.high, bar.low, bar.close
        lines.volume[0] = bar.volume
        return True

    def _timeoffset(self) -> dt.timedelta:
        """What has to be added to the machine's time: resamplers reckon with it."""
        return self.hub.now() - SystemClock().now()


def warm_steps(frames: Mapping[str, pd.DataFrame]) -> Iterator[Step]:
    """The bars of many symbols as steps, in order."""
    if not frames:
        return
    indexes = {symbol: pd.DatetimeIndex(frame.index).as_unit("us") for symbol, frame in frames.items()}
    stamps = np.unique(np.concatenate([index.asi8 for index in indexes.values()]))
    columns = {symbol: [frame[name].to_numpy() for name in COLUMNS] for symbol, frame in frames.items()}
    rows = {symbol: np.searchsorted(index.asi8, stamps) for symbol, index in indexes.items()}
    there = {symbol: np.isin(stamps, index.asi8) for symbol, index in indexes.items()}
    for at, stamp in enumerate(pd.DatetimeIndex(stamps.view("M8[us]")).tz_localize("UTC")):
        end = stamp.to_pydatetime()
        bars = {}
        for symbol, values in columns.items():
            if there[symbol][at]:
                row = rows[symbol][at]
                bars[symbol] = BuiltBar(end, *(column.item(row) for column in values))
        yield Step(end, bars, is_late=True, is_warm=True)


def _range(line: Line, start: dt.date | None, now: dt.datetime) -> tuple[dt.datetime, dt.datetime]:
    """The moment after which bars are wanted, and the last stamp that has passed."""
    until = line.grid.last_at(now)
    span = line.grid.calendar.span(start, None)
    return (span[0] if span is not None and span[0] is not None else until), until


def _fetched(
    hub: BarHub, wanted: Mapping[str, tuple[dt.datetime, dt.datetime]]
) -> tuple[dict[str, list[HistoryBar]], dict[str, str]]:  # fmt: skip
    """History of all symbols, and why there is none of a reference; several are asked for at once, but in lockstep."""
    traded, failed = hub.settings.traded_symbols, dict[str, str]()

    def fetched(symbol: str) -> list[HistoryBar]:
        line, (after, until) = hub.members[symbol].line, wanted[symbol]
        try:
            return fetch(hub.store, line.instrument, line.grid, after, until, tries=TRIES) if after < until else []
        except RequestError as error:
            if symbol in traded:
                raise
            failed[symbol] = str(error.args[0])
            return []

    if hub.pump.lockstep:
        return {symbol: fetched(symbol) for symbol in wanted}, failed
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="halflife-backfill") as pool:
        return dict(zip(wanted, pool.map(fetched, wanted), strict=True)), failed


def _with_stored(
    hub: BarHub, symbol: str, stored: pd.DataFrame, told: pd.DataFrame, wanted: Range, notes: list[str]
) -> pd.DataFrame:
    """The catalog's bars with IBKR's behind them; all of IBKR's where the two do not fit together."""
    stored = stored[stored.index <= wanted[1]]
    why = misfit(stored, told)
    if not why:
        log_event(logger, "from_catalog", symbol=symbol, bars=len(stored), until=stored.index[-1])
        return joined(stored, told)
    notes.append(
        f"{symbol}: the bars of the catalog were not used: {why}; `halflife data pull` or `adjust` brings it up to "
        "date."
    )
    rows, _ = _fetched(hub, {symbol: wanted})
    line = hub.members[symbol].line
    return _frame([bar for row in rows[symbol] if (bar := line.built_of(row)) is not None], *wanted)


def _frame(bars: list[BuiltBar], after: dt.datetime, until: dt.datetime) -> pd.DataFrame:
    return _frame_of([bar for bar in bars if after < bar.end <= until])


def _frame_of(bars: list[BuiltBar]) -> pd.DataFrame:
    """Bars as a frame: the index in UTC, float64 columns open, high, low, close, volume."""
    index = pd.DatetimeIndex([bar.end for bar in bars], tz="UTC").as_unit("us")
    return pd.DataFrame([bar[1:] for bar in bars], index=index, columns=list(COLUMNS), dtype="float64")
