"""A paper gateway in lockstep, the store, and a Cerebro that writes down what it is given."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import backtrader as bt
import numpy as np
import pandas as pd

from core.calendar import ExchangeCalendar
from core.settings import Settings
from feeds.aggregate import aggregate
from feeds.quality import COLUMNS
from gateway import Gateway
from gateway.data.contracts import ContractBook
from gateway.data.history import History
from gateway.data.sample import Sample, make_sample
from gateway.data.tape import Tape
from gateway.gateway import Speed
from gateway.model import Instrument
from live.aligning import Step
from live.feed import LiveHistory
from live.hub import BarHub
from live.pump import EventPump
from live.status import Status
from stores import ContractSpec, IBStore, StoreSettings
from stores.events import BarArrived

NYSE = ExchangeCalendar("XNYS")
PAIR = ("XMPLA", "XMPLB")
STORE = StoreSettings(
    heartbeat=0.0, messages_per_second=0, resubscribe_after=0.0, backoff_first=0.02, backoff_most=0.05,
    backoff_jitter=0.0, answer_timeout=5.0, history_timeout=2.0, heartbeat_timeout=1.0, login_timeout=2.0,
)  # fmt: skip


def settings_of(
    symbols: tuple[str, ...] = PAIR, *, bar: str = "1m", alone: tuple[str, ...] = (), **live: Any
) -> Settings:
    """A pair, and instruments that are traded by themselves. ``live``: of ``settings.live``."""
    strategies: dict[str, Any] = {}
    if len(symbols) == 2:
        strategies["pair"] = {"strategy": "PairsTrading", "pairs": [symbols]}
    if alone:
        strategies["alone"] = {"strategy": "MeanReversion", "instruments": alone}
    return Settings.model_validate({
        "data": {"bar": bar}, "instruments": {symbol: {} for symbol in (*symbols, *alone)},
        "strategies": strategies, "live": live,
    })  # fmt: skip


@dataclass
class Round:
    """What a strategy saw in one call of ``next``: its time, and the bar of each data that had a new one."""

    when: dt.datetime
    fresh: dict[str, tuple[dt.datetime, float, float, float, float, float]]
    clock: dt.datetime
    blind: dict[str, str]


class Market(Protocol):
    """What the gateway plays: ``gateway.data.sample.Sample``, or ``Days``."""

    bars: dict[Instrument, pd.DataFrame]

    def tape(self) -> Tape: ...
    def book(self) -> ContractBook: ...
    def history(self, tape: Tape | None = None, book: ContractBook | None = None) -> History: ...


@dataclass
class Days:
    """One-second bars of real days; what lies before the gateway's start is history."""

    bars: dict[Instrument, pd.DataFrame]

    def tape(self) -> Tape:
        return Tape(self.bars, bar_seconds=1)

    def book(self) -> ContractBook:
        return ContractBook([*self.bars])

    def history(self, tape: Tape | None = None, book: ContractBook | None = None) -> History:
        return History(tape or self.tape(), book or self.book())


def real_days(folder: Path) -> Days:
    """BAC and AIG on 2013-10-07 and 2013-10-08."""
    bars = {}
    for number, symbol in enumerate(("BAC", "AIG"), 1):
        found = pd.read_parquet(folder / f"us_second_trades_{symbol.lower()}.parquet")
        starts = pd.DatetimeIndex(found["datetime"]).tz_localize("America/New_York").tz_convert("UTC")
        bars[Instrument(number, symbol)] = found.set_index(starts + pd.Timedelta("1s"))[list(COLUMNS)].astype(float)
    return Days(bars)


class Writer(bt.Strategy):
    """Writes down every bar and every status."""

    params = (("play", None),)

    def __init__(self) -> None:
        self._lengths = [0] * len(self.datas)

    def next(self) -> None:
        play: Play = self.p.play
        fresh = {}
        for at, data in enumerate(self.datas):
            if len(data) > self._lengths[at]:
                self._lengths[at] = len(data)
                values = (data.open[0], data.high[0], data.low[0], data.close[0], data.volume[0])
                fresh[data._name] = (bt.num2date(data.datetime[0]).replace(tzinfo=dt.UTC), *values)
        blind = {symbol: play.hub.blind(symbol) for symbol in play.hub.members}
        play.rounds.append(
            Round(bt.num2date(self.datetime[0]).replace(tzinfo=dt.UTC), fresh, play.pump.clock.now(), blind)
        )

    prenext = next

    def notify_data(self, data: Any, status: int, *args: Any, **kwargs: Any) -> None:
        self.p.play.told.append((data._name, Status(status), self.p.play.pump.clock.now()))


@dataclass
class Play:
    """A live session without orders."""

    tws: Gateway
    store: IBStore
    pump: EventPump
    hub: BarHub
    settings: Settings
    history: LiveHistory | None = None
    rounds: list[Round] = field(default_factory=list)
    told: list[tuple[str, Status, dt.datetime]] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    pieces: list[BarArrived] = field(default_factory=list)

    def run(self, *, warm_up: int = 0, until: dt.datetime | None = None, twice: bool = False) -> Play:
        """Run a Cerebro until the tape has ended, or until a moment of the clock. ``twice``: two datas of each."""
        self.hub.taps.append(self.steps.append)
        self.history = LiveHistory.load(self.settings, self.hub, warm_up=warm_up)
        if until is not None:
            self.pump.call_at(until, self.hub.close)
        self.pump.when_still.append(lambda: self.hub.close() if self.tws.has_ended else None)
        assert self.history.begin is not None
        cerebro = bt.Cerebro(stdstats=False)
        for symbol in self.hub.members:
            for copy in range(2 if twice else 1):
                data = self.history.data(symbol, timeframe=bt.TimeFrame.Minutes)
                cerebro.adddata(data, name=f"{symbol}{'' if not copy else copy}")
        cerebro.addstrategy(Writer, play=self)
        cerebro.run()
        return self

    def are_those_of(self, market: Market, bar: str = "1m", until: dt.datetime | None = None) -> None:
        """Every bar that was given live is that of a backtest, bit for bit, and none is missing."""
        assert self.history is not None and self.history.begin is not None
        for symbol in self.hub.members:
            live = self.bars(symbol)
            same_bars(live, expected(market, symbol, bar, self.history.begin, until))
            same_bars(self.history.counted(symbol), live)

    def were_aligned(self) -> None:
        """Steps went on in time, and none held a part of what the pair had at its stamp."""
        live = [step for step in self.steps if not step.is_warm]
        assert [step.when for step in live] == sorted({step.when for step in live})
        assert [each.when for each in self.rounds] == [step.when for step in self.steps]
        for each, step in zip(self.rounds, self.steps, strict=True):
            assert {name: row[0] for name, row in each.fresh.items() if name in step.bars} == dict.fromkeys(
                step.bars, step.when
            )

    def statuses(self, name: str) -> list[Status]:
        return [status for told, status, _ in self.told if told == name]

    def bars(self, symbol: str) -> pd.DataFrame:
        """The live bars of a data, as the strategy saw them."""
        assert self.history is not None and self.history.begin is not None
        rows = [each.fresh[symbol] for each in self.rounds if symbol in each.fresh]
        rows = [row for row in rows if row[0] >= self.history.begin]
        index = pd.DatetimeIndex([row[0] for row in rows], tz="UTC").as_unit("us")
        return pd.DataFrame([row[1:] for row in rows], index=index, columns=list(COLUMNS), dtype="float64")


@contextmanager
def playing(
    market: Market, *faults: str, settings: Settings | None = None, start: dt.datetime | None = None,
    speed: Speed = "max", store: dict[str, Any] | None = None,
) -> Iterator[Play]:  # fmt: skip
    """A session at the gateway of a market. ``store``: changes of the store's settings."""
    tape, book = market.tape(), market.book()
    settings, changes = settings or settings_of(), store or {}
    with Gateway(tape, book, market.history(tape, book), faults=faults, start=start, speed=speed) as tws:
        with IBStore(replace(STORE, port=tws.port, **changes), tws.tws.clock) as opened:
            pump = EventPump(opened, lockstep=speed == "max")
            instruments = {symbol: opened.qualify(ContractSpec(symbol)) for symbol in settings.wanted_symbols}
            hub = BarHub(opened, pump, settings=settings, instruments=instruments)
            play = Play(tws, opened, pump, hub, settings)
            pump.on(BarArrived, play.pieces.append)
            try:
                yield play
            finally:
                hub.close()


def expected(
    market: Market, symbol: str, bar: str = "1m", begin: dt.datetime | None = None, until: dt.datetime | None = None
) -> pd.DataFrame:
    """What a backtest makes of the tape's seconds within regular hours."""
    (frame,) = [frame for instrument, frame in market.bars.items() if instrument.symbol == symbol]
    frame = frame[NYSE.in_session(pd.DatetimeIndex(frame.index))]
    made = aggregate(frame[list(COLUMNS)], bar, NYSE)
    made = made if begin is None else made[made.index >= begin]
    return made if until is None else made[made.index <= until]


def same_bars(left: pd.DataFrame, right: pd.DataFrame) -> None:
    """Equal bar for bar and bit for bit."""
    missing, extra = right.index.difference(left.index), left.index.difference(right.index)
    assert not len(missing) and not len(extra), f"missing {list(missing[:5])}, extra {list(extra[:5])}"
    assert list(left.index) == list(right.index)
    ours, theirs = (np.ascontiguousarray(frame[list(COLUMNS)].to_numpy()) for frame in (left, right))
    differ = np.flatnonzero((ours != theirs).any(axis=1))
    assert ours.tobytes() == theirs.tobytes(), f"{left.index[differ[0]]}: {ours[differ[0]]} is not {theirs[differ[0]]}"


@functools.cache
def sample_of(day: dt.date, sessions: int = 1, minute_days: int = 3) -> Sample:
    return make_sample(day, 1, sessions=sessions, minute_days=minute_days)
