"""SignalStrategy (trap 14e): every kind of signal, alone and with others."""

from __future__ import annotations

import itertools
from typing import Any

import backtrader as bt
import pytest
from parity.compare import first_difference
from parity.engines import OURS, STOCK, Engine
from parity.frames import frame_of
from parity.programme import Feed
from parity.tape import Tape, account, plain, positions

KINDS = (
    "LONGSHORT", "LONG", "LONG_INV", "LONG_ANY", "SHORT", "SHORT_INV", "SHORT_ANY", "LONGEXIT", "LONGEXIT_INV",
    "LONGEXIT_ANY", "SHORTEXIT", "SHORTEXIT_INV", "SHORTEXIT_ANY",
)  # fmt: skip


class CloseOverAverage(bt.Indicator):
    lines = ("signal",)
    params = (("period", 5),)

    def __init__(self) -> None:
        self.lines.signal = self.data - bt.ind.SMA(period=self.p.period)


class Recording(bt.SignalStrategy):
    tape: Tape

    def note(self, kind: str, *values: Any) -> None:
        self.tape.at = (self._id, len(self))
        self.tape.add(kind, *values)

    def next(self) -> None:
        self.note("bar", account(self.broker), positions(self.broker), [line[0] for line in self.signals()])

    def signals(self) -> list[Any]:
        return [signal for kind in sorted(self._signals) for signal in self._signals[kind]]

    def notify_order(self, order: Any) -> None:
        self.note("order", *self.tape.order(order))

    def notify_trade(self, trade: Any) -> None:
        self.note("trade", *self.tape.trade(trade))


def events(
    engine: Engine, kinds: tuple[str, ...], accumulate: bool, concurrent: bool, own: bool, **options: Any
) -> list[Any]:
    tape = Recording.tape = Tape()
    cerebro = engine.cerebro(stdstats=False, **options)
    if engine.broker is not None:
        cerebro.setbroker(engine.broker())
    for seed in (1, 2):
        cerebro.adddata(
            engine.feed(dataname=frame_of(Feed(seed=seed, bars=60, missing=0.1 * (seed - 1)))), name=f"d{seed}"
        )
    for place, kind in enumerate(kinds):
        cerebro.add_signal(getattr(bt, f"SIGNAL_{kind}"), CloseOverAverage, period=4 + 3 * place)
    cerebro.signal_accumulate(accumulate)
    cerebro.signal_concurrent(concurrent)
    if own:
        cerebro.signal_strategy(Recording)
    cerebro.addanalyzer(bt.analyzers.TradeAnalyzer)
    cerebro.addsizer(bt.sizers.FixedSize, stake=3)
    (strategy,) = cerebro.run()
    tape.add("end", account(cerebro.broker), positions(cerebro.broker))
    tape.add("analysis", plain(strategy.analyzers.tradeanalyzer.get_analysis()))
    return tape.events


def same(*args: Any, **options: Any) -> list[Any]:
    stock = events(STOCK, *args, **options)
    difference = first_difference(stock, events(OURS, *args, **options))
    assert difference is None, f"{args} {options}\n{difference}"
    return stock


@pytest.mark.parametrize("kind", KINDS)
def test_each_signal_alone_and_with_its_like(kind: str) -> None:
    for accumulate, concurrent in itertools.product((False, True), repeat=2):
        same((kind,), accumulate, concurrent, True)
    same((kind,), False, False, False)
    same((kind, kind), True, False, True, runonce=False)


@pytest.mark.parametrize("pair", list(itertools.combinations(KINDS, 2)), ids="-".join)
def test_two_signals(pair: tuple[str, str]) -> None:
    found = same(pair, False, False, True)
    same(pair[::-1], True, False, True, cheat_on_open=True)
    if pair == ("LONG", "SHORT"):
        assert sum(event[0] == "trade" for event in found) > 5
