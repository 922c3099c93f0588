"""Every indicator of backtrader, in every mode that computes it, bit for bit."""

from __future__ import annotations

import inspect
from typing import Any

import backtrader as bt
import pytest
from parity.compare import first_difference
from parity.engines import OURS, STOCK, Engine
from parity.frames import frame_of
from parity.programme import Feed
from parity.recorder import Quiet
from parity.running import _lines
from parity.tape import Tape

SMALL = 9  # the longest period that fits the bars of these tests


def indicators() -> dict[str, Any]:
    found = {}
    for name in dir(bt.indicators):
        kind = getattr(bt.indicators, name)
        if inspect.isclass(kind) and issubclass(kind, bt.Indicator) and kind.lines._getlines() and not kind.aliased:
            found[kind.__name__] = kind
    return {name: kind for name, kind in sorted(found.items()) if not name.startswith("_") and name not in BASES}


BASES = {"MovingAverageBase", "PeriodN", "OperationN", "BaseApplyN", "OscillatorMixIn", "EnvelopeMixIn", "CointN"}
PAIRS = {
    "CrossOver", "CrossUp", "CrossDown", "NonZeroDifference", "OLS_BetaN", "OLS_Slope_InterceptN",
    "OLS_TransformationN",
}  # fmt: skip


def values(engine: Engine, kind: Any, frames: list[Any], scaled: bool, **options: Any) -> list[Any]:
    """Its lines and those of all that it is made of; what it reads on each bar; the error if there is one."""
    tape = Tape()

    class Holder(Quiet):
        def __init__(self) -> None:
            self.calls: dict[str, int] = {}
            datas = self.datas[:2] if kind.__name__ in PAIRS else self.datas[:1]
            self.it = kind(*datas, **(periods(kind) if scaled else {}))

        def start(self) -> None:
            pass

        def stop(self) -> None:
            pass

        def next(self) -> None:
            tape.at = (0, len(self))
            tape.add("bar", len(self.it), *(line[0] for line in self.it.lines))

    cerebro = engine.cerebro(stdstats=False, **options)
    for frame in frames:
        cerebro.adddata(engine.feed(dataname=frame))
    cerebro.addstrategy(Holder)
    try:
        (strategy,) = cerebro.run()
        for thing in strategy.watched():
            _lines(tape, type(thing).__name__, thing)
    except Exception as error:
        tape.add("error", type(error).__name__, str(error))
    return tape.events


def periods(kind: Any) -> dict[str, int]:
    """Its integer parameters, made small and kept in their order."""
    given = {n: v for n, v in kind.params._getitems() if isinstance(v, int) and not isinstance(v, bool) and v > SMALL}
    order = sorted(set(given.values()))
    return {name: SMALL - len(order) + 1 + order.index(value) for name, value in given.items()}


RUNS: tuple[tuple[str, bool, dict[str, Any]], ...] = (
    ("walk", True, {}),
    ("flat", True, {}),
    ("nan", True, {}),
    ("ticks", False, {}),
    ("jumps", True, {"runonce": False}),
)
ALL_RUNS = tuple(
    (shape, scaled, options)
    for shape in ("walk", "ticks", "flat", "jumps", "zero", "nan")
    for scaled in (True, False)
    for options in ({}, {"runonce": False}, {"preload": False}, {"exactbars": -1})
)


def check(name: str, runs: tuple[tuple[str, bool, dict[str, Any]], ...]) -> None:
    kind = indicators()[name]
    for seed, (shape, scaled, options) in enumerate(runs):
        frames = [frame_of(Feed(seed=seed + 10 * i, shape=shape, bars=70)) for i in (0, 1)]
        stock = values(STOCK, kind, frames, scaled, **options)
        difference = first_difference(stock, values(OURS, kind, frames, scaled, **options))
        assert difference is None, f"{name} {shape} scaled={scaled} {options}\n{difference}"


@pytest.mark.parametrize("name", indicators())
def test_a_stock_indicator_is_the_same_to_the_last_bit(name: str) -> None:
    check(name, RUNS[:1] if name.startswith("OLS_") else RUNS)  # a regression on each bar takes long


@pytest.mark.slow
@pytest.mark.parametrize("name", indicators())
def test_a_stock_indicator_is_the_same_on_every_shape_in_every_mode(name: str) -> None:
    check(name, ALL_RUNS)


def test_most_stock_indicators_do_give_values() -> None:
    frames = [frame_of(Feed(seed=i, bars=70)) for i in (0, 1)]
    silent = [n for n, kind in indicators().items() if not any(e[0] == "bar" for e in values(OURS, kind, frames, True))]
    assert len(indicators()) > 100 and len(silent) < 15, silent


@pytest.mark.parametrize("name", ["SMA", "EMA", "RSI", "BBANDS", "MACD", "ATR", "STOCH", "ADX", "CDLDOJI"])
def test_indicators_of_talib(name: str) -> None:
    kind = getattr(bt.talib, name)

    class Holder(bt.Strategy):
        def __init__(self) -> None:
            args = [getattr(self.data, line) for line in ("open", "high", "low", "close")]
            count = {"SMA": 1, "EMA": 1, "RSI": 1, "BBANDS": 1, "MACD": 1, "CDLDOJI": 4}.get(name, 3)
            self.it = kind(*(args[-count:]))

        def next(self) -> None:
            self.seen = [*getattr(self, "seen", []), tuple(line[0] for line in self.it.lines)]

    for options in ({}, {"runonce": False}):
        results = []
        for engine in (STOCK, OURS):
            cerebro = engine.cerebro(stdstats=False, **options)
            cerebro.adddata(engine.feed(dataname=frame_of(Feed(bars=70))))
            cerebro.addstrategy(Holder)
            results.append(repr(cerebro.run()[0].seen))
        assert results[0] == results[1]
