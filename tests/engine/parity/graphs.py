"""Indicators and operations by name, and some that a user would write himself."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from typing import Any

import backtrader as bt
from parity.programme import Node
from parity.tape import lines_of


class Faulty(Exception):
    """Raised by a programme on purpose."""


class OnlyNext(bt.Indicator):
    """Has a state and no ``once``."""

    lines = ("out",)
    params = (("n", 3),)

    def __init__(self) -> None:
        self.addminperiod(self.p.n)
        self.state = 0.0

    def next(self) -> None:
        self.state = 0.5 * self.state + self.data[0] - self.data[1 - self.p.n]
        self.lines.out[0] = self.state


class WithOnce(bt.Indicator):
    """Has a ``once`` of its own that differs from its ``next``: which one ran can be seen."""

    lines = ("out", "other")
    params = (("n", 3),)

    def __init__(self) -> None:
        self.addminperiod(self.p.n)

    def next(self) -> None:
        self.lines.out[0] = self.data[0] * 3.0
        self.lines.other[0] = float(len(self))

    def once(self, start: int, end: int) -> None:
        source, out, other = self.data.array, self.lines.out.array, self.lines.other.array
        for i in range(start, end):
            out[i] = source[i] * 4.0
            other[i] = float(i)


class FaultyNext(bt.Indicator):
    lines = ("out",)
    params = (("n", 3),)

    def next(self) -> None:
        if len(self) == 5 * self.p.n:
            raise Faulty(f"indicator on bar {len(self)}")
        self.lines.out[0] = self.data[0]


class Composed(bt.Indicator):
    """Sub-indicators and an expression, as most stock indicators are built."""

    lines = ("out",)
    params = (("n", 3),)

    def __init__(self) -> None:
        self.fast = bt.ind.EMA(self.data, period=self.p.n)
        self.slow = bt.ind.SMA(self.data, period=self.p.n + 4)
        self.lines.out = (self.fast - self.slow) * 100.0 + self.data(-1)

    def next(self) -> None:
        pass


def _period(cls: Callable[..., Any], **more: Any) -> Callable[..., Any]:
    return lambda of, n: cls(*of, period=n + 1, **more)


def _plain(cls: Callable[..., Any], **more: Any) -> Callable[..., Any]:
    return lambda of, n: cls(*of, **more)


I = bt.indicators  # noqa: E741
LINE: dict[str, Callable[..., Any]] = {
    name: _period(getattr(I, name))
    for name in (
        "SMA", "EMA", "SMMA", "WMA", "DEMA", "TEMA", "HMA", "KAMA", "ZLEMA", "BollingerBands", "StdDev", "MeanDev",
        "Highest", "Lowest", "SumN", "AnyN", "AllN", "FindFirstIndexHighest", "FindLastIndexLowest", "PercentRank",
        "Momentum", "ROC", "ROC100", "MomentumOscillator", "Trix", "TrixSignal", "RSI", "RSI_Safe", "RSI_EMA",
        "PercentChange", "SMAEnvelope", "EMAOsc", "DPO", "WeightedAverage", "ExponentialSmoothing", "Average", "Accum",
        "ZeroLagIndicator", "RMI",
    )
}  # fmt: skip
LINE |= {
    "MACD": lambda of, n: I.MACDHisto(*of, period_me1=n, period_me2=n + 3, period_signal=2),
    "PPO": lambda of, n: I.PPO(*of, period1=n, period2=n + 4, period_signal=3),
    "TSI": lambda of, n: I.TSI(*of, period1=n + 3, period2=n),
    "UpDay": _plain(I.UpDay),
    "DownDayBool": _plain(I.DownDayBool),
    "UpMove": _plain(I.UpMove),
    "LaguerreRSI": _plain(I.LaguerreRSI),
    "LaguerreFilter": _plain(I.LaguerreFilter),
    "KST": lambda of, n: I.KST(*of, rp1=2, rp2=3, rp3=4, rp4=n, rma1=2, rma2=2, rma3=2, rma4=2, rsignal=2),
    "OnlyNext": lambda of, n: OnlyNext(*of, n=n),
    "WithOnce": lambda of, n: WithOnce(*of, n=n),
    "Composed": lambda of, n: Composed(*of, n=n),
    "FaultyNext": lambda of, n: FaultyNext(*of, n=n),
    "delay": lambda of, n: of[0](-n),
    "ahead": lambda of, n: of[0](1),
    "plus": lambda of, n: of[0] + 0.1 * n,
    "times": lambda of, n: 1.1 * n * of[0],
    "from": lambda of, n: 100.0 - of[0],
    "over": lambda of, n: n / of[0],
    "power": lambda of, n: of[0] ** 2,
    "neg": lambda of, n: -of[0],
    "abs": lambda of, n: abs(of[0]),
    "above": lambda of, n: of[0] > 100.0,
}
DATA: dict[str, Callable[..., Any]] = {
    name: _period(getattr(I, name))
    for name in (
        "ATR", "Stochastic", "StochasticFull", "WilliamsR", "CCI", "ADX", "DirectionalMovement", "PlusDI",
        "AroonUpDown", "AroonOscillator", "Vortex", "PrettyGoodOscillator", "DMI",
    )
}  # fmt: skip
DATA |= {
    "TrueRange": _plain(I.TrueRange),
    "Ichimoku": lambda of, n: I.Ichimoku(*of, tenkan=2, kijun=n, senkou=n + 3, senkou_lead=n, chikou=n),
    "ParabolicSAR": _plain(I.ParabolicSAR),
    "UltimateOscillator": lambda of, n: I.UltimateOscillator(*of, p1=2, p2=3, p3=n + 2),
    "AwesomeOscillator": lambda of, n: I.AwesomeOscillator(*of, fast=2, slow=n + 2),
    "HeikinAshi": _plain(I.HeikinAshi),
    "couple": lambda of, n: of[0].close(),
}
PAIR: dict[str, Callable[..., Any]] = {
    name: functools.partial(lambda op, of, n: op(of[0], of[1]), op)
    for name, op in {
        "add": operator.add, "sub": operator.sub, "mul": operator.mul, "div": operator.truediv, "lt": operator.lt,
        "le": operator.le, "gt": operator.gt, "ge": operator.ge, "eq": operator.eq, "ne": operator.ne,
    }.items()
}  # fmt: skip
PAIR |= {
    "CrossOver": _plain(I.CrossOver),
    "CrossUp": _plain(I.CrossUp),
    "NonZeroDifference": _plain(I.NonZeroDifference),
    "And": lambda of, n: bt.And(of[0] > 100.0, of[1] < 101.0),
    "Or": lambda of, n: bt.Or(of[0] > 100.0, of[1] < 101.0),
    "Max": lambda of, n: bt.Max(of[0], of[1]),
    "Min": lambda of, n: bt.Min(of[0], of[1], 100.0),
    "Sum": lambda of, n: bt.Sum(of[0], of[1], of[0]),
    "If": lambda of, n: bt.If(of[0] > of[1], of[0], 7.0),
    "Any": lambda of, n: bt.Any(of[0], of[1]),
    "All": lambda of, n: bt.All(of[0], of[1]),
    "Cmp": lambda of, n: bt.Cmp(of[0], of[1]),
    "CmpEx": lambda of, n: bt.CmpEx(of[0], of[1], of[0], of[1], 0.0),
    "DivByZero": lambda of, n: bt.DivByZero(of[0], of[1] - of[1], zero=5.0),
    "DivZeroByZero": lambda of, n: bt.DivZeroByZero(of[0], of[1] - of[1]),
}
MAKERS = {**LINE, **DATA, **PAIR}


def grow(strategy: Any, nodes: tuple[Node, ...]) -> list[Any]:
    """The objects of the nodes, made inside a strategy's ``__init__``."""
    made: list[Any] = []
    for node in nodes:
        sources = [_source(strategy, made, nodes, of, node.make) for of in node.of]
        made.append(MAKERS[node.make](sources, node.n))
    return made


def _source(strategy: Any, made: list[Any], nodes: tuple[Node, ...], of: str | int, user: str) -> Any:
    if isinstance(of, int):
        thing = made[of]
        lines = list(lines_of(thing))
        return lines[nodes[of].line % len(lines)] if nodes[of].line else thing
    name, _, line = of.partition(".")
    data = strategy.datas[int(name[1:]) % len(strategy.datas)]
    return getattr(data, line) if line else data
