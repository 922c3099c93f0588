"""A paper gateway in lockstep, the store, and a Cerebro that writes down what it is given."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import backtrader as bt
import numpy as np
import pandas as pd

from core.calendar import ExchangeCalendar
from core.settings import Settings
from feeds.aggregate import aggregate
from feeds.quality import COLUMNS
from gateway import Gateway
from gateway.data.sample import Sample, make_sample
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
        cerebro = bt.Cerebro(stdstats=False)
        for symbol in self.hub.members:
            for copy in range(2 if twice else 1):
                data = self.history.data(symbol, timeframe=bt.TimeFrame.Minutes)
                cerebro.adddata(data, name=f"{symbol}{'' if not copy else copy}")
        cerebro.addstrategy(Writer, play=self)
        cerebro.run()
        return self

    def statuses(self, name: str) -> list[Status]:
        return [status for told, status, _ in self.told if told == name]

    def bars(self, symbol: str) -> pd.DataFrame:
        """The live bars of a data, as the strategy saw them."""
        assert self.history is not None and self.history.begin is not None
        rows = [each.fresh[symbol] for each in self.rounds if symbol in each.fresh]
        rows = [row for row in rows if row[0] > self.history.begin]
        index = pd.DatetimeIndex([row[0] for row in rows], tz="UTC").as_unit("us")
        return pd.DataFrame([row[1:] for row in rows], index=index, columns=list(COLUMNS), dtype="float64")


@contextmanager
def playing(
    sample: Sample, *faults: str, settings: Settings | None = None, start: dt.datetime | None = None,
    kind: str = "realtime", lag: Callable[[Play], None] | None = None, **options: Any,
) -> Iterator[Play]:  # fmt: skip
    """A session at the gateway of a sample."""
    tape, book = sample.tape(), sample.book()
    settings = settings or settings_of()
    with Gateway(tape, book, sample.history(tape, book), faults=faults, start=start, speed="max", **options) as tws:
        from dataclasses import replace

        with IBStore(replace(STORE, port=tws.port), tws.tws.clock) as store:
            pump = EventPump(store, lockstep=True)
            instruments = {symbol: store.qualify(ContractSpec(symbol)) for symbol in settings.wanted_symbols}
            hub = BarHub(store, pump, settings=settings, instruments=instruments, kind=kind)
            play = Play(tws, store, pump, hub, settings)
            pump.on(BarArrived, play.pieces.append)
            try:
                yield play
            finally:
                hub.close()


def expected(sample: Sample, symbol: str, bar: str = "1m", after: dt.datetime | None = None) -> pd.DataFrame:
    """What a backtest makes of the tape's seconds within regular hours."""
    (frame,) = [frame for instrument, frame in sample.bars.items() if instrument.symbol == symbol]
    frame = frame[NYSE.in_session(pd.DatetimeIndex(frame.index))]
    made = aggregate(frame[list(COLUMNS)], bar, NYSE)
    return made if after is None else made[made.index > after]


def same_bars(left: pd.DataFrame, right: pd.DataFrame) -> None:
    """Equal bar for bar and bit for bit."""
    missing, extra = right.index.difference(left.index), left.index.difference(right.index)
    assert not len(missing) and not len(extra), f"missing {list(missing[:5])}, extra {list(extra[:5])}"
    assert list(left.index) == list(right.index)
    ours, theirs = (np.ascontiguousarray(frame[list(COLUMNS)].to_numpy()) for frame in (left, right))
    differ = np.flatnonzero((ours != theirs).any(axis=1))
    assert ours.tobytes() == theirs.tobytes(), f"{left.index[differ[0]]}: {ours[differ[0]]} is not {theirs[differ[0]]}"


def sample_of(day: dt.date, sessions: int = 1, minute_days: int = 3) -> Sample:
    return make_sample(day, 1, sessions=sessions, minute_days=minute_days)
