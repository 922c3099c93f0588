"""The workloads A to F and the order: their contenders, and the bars that ours is held against (issue 4)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from engine_workloads import desk
from engine_workloads.bars import minute_bars, minute_pair
from engine_workloads.graphs import OURS, STOCK, graph
from engine_workloads.measure import Contender, Outcome
from engine_workloads.peers import HOW_TO_INSTALL, backtesting_reversal, vectorbt_reversal
from engine_workloads.strategies import ANALYZERS, BandAndRsi, Bracketed, Churning, Reversal, RollingPair, stepping

STOCK_NAME, OURS_NAME, STEPPING = "stock + PandasData", "ours", "ours, stepping"
RECALLING = "ours, again"
BACKTESTING, VECTORBT = "backtesting.py", "vectorbt"
MEMORY_BYTES = 250.0  # a bar, of ours on A, beyond the feed
ORDER_US = 35.0


@dataclass(frozen=True)
class Runs:
    """How often each contender runs."""

    each: int
    stock: int  # on the long workloads, where stock takes about a minute


@dataclass
class Workload:
    """``faster``: how many times faster than the other ours must be (at most 1/x of its time when below 1)."""

    letter: str
    title: str
    bars: int
    contenders: list[Contender]
    faster: dict[str, float] = field(default_factory=dict)  # contender -> ratio
    at_most_ms: float | None = None
    memory: bool = False
    same_equity: tuple[str, ...] = ()  # contenders whose final equity must be stock's to 1e-9
    order_us: bool = False  # the contenders are runs with and without orders


def reversal(
    letter: str, title: str, bars: int, dev: float, runs: Runs, faster: dict[str, float], seed: int = 7
) -> Workload:
    """The seed must give no signal on bar 20, the first that has bands: backtesting.py begins on the next one."""
    frame, given = minute_bars(bars, seed), {"period": 20, "dev": dev, "size": 1}
    contenders = [
        Contender(STOCK_NAME, graph(STOCK, [frame], Reversal, **given), runs.stock),
        Contender(OURS_NAME, graph(OURS, [frame], Reversal, **given), runs.each),
        Contender(STEPPING, graph(OURS, [frame], stepping(Reversal), **given), runs.each),
    ]
    for name, maker in ((BACKTESTING, backtesting_reversal), (VECTORBT, vectorbt_reversal)):
        contenders.append(peer(name, lambda maker=maker: maker(frame, **given), runs.each))
    return Workload(
        letter, title, bars, contenders, faster, memory=letter == "A",
        same_equity=(OURS_NAME, STEPPING, BACKTESTING, VECTORBT),
    )  # fmt: skip


def peer(name: str, make: Callable[[], Callable[[], Outcome]], runs: int) -> Contender:
    try:
        run = make()
        run()  # numba compiles, modules load
    except ImportError:
        return Contender(name, None, runs, note=HOW_TO_INSTALL)
    return Contender(name, run, runs)


def workload_a(scale: float, runs: Runs) -> Workload:
    faster = {STOCK_NAME: 150.0, BACKTESTING: 10.0, VECTORBT: 0.5}
    title = "Bollinger reversal, market orders, some 750 trades"
    return reversal("A", title, int(1_000_000 * scale), 3.1, runs, faster)


def workload_b(scale: float, runs: Runs) -> Workload:
    faster = {STOCK_NAME: 25.0, BACKTESTING: 2.0}
    title, bars = "the same, 2% of bars trade", int(100_000 * scale)
    return reversal("B", title, bars, 2.1, Runs(runs.each, runs.each), faster, seed=10)


def workload_c(scale: float, runs: Runs) -> Workload:
    frame = minute_bars(int(50_000 * scale))
    pairs = [Contender(n, graph(p, [frame], BandAndRsi), runs.each) for n, p in NAMED]
    title = "any-strategy path: Bollinger and RSI"
    return Workload("C", title, len(frame), pairs, {STOCK_NAME: 15.0}, same_equity=(OURS_NAME,))


def workload_c4(scale: float, runs: Runs) -> Workload:
    frame = minute_bars(int(50_000 * scale))
    pairs = [Contender(n, graph(p, [frame], BandAndRsi, ANALYZERS), runs.each) for n, p in NAMED]
    title = "the same with TradeAnalyzer, DrawDown, TimeReturn, SharpeRatio"
    return Workload("C4", title, len(frame), pairs, {STOCK_NAME: 20.0}, same_equity=(OURS_NAME,))


def workload_d(scale: float, runs: Runs) -> Workload:
    frames = minute_pair(int(50_000 * scale))
    pairs = [Contender(n, graph(p, frames, RollingPair), runs.each) for n, p in NAMED]
    title = "two-data pairs with rolling hedge ratio"
    return Workload("D", title, len(frames[0]), pairs, {STOCK_NAME: 15.0}, same_equity=(OURS_NAME,))


def workload_e(scale: float, runs: Runs) -> Workload:
    frame = minute_bars(int(1_000_000 * scale))
    contenders = [
        Contender(STOCK_NAME, graph(STOCK, [frame], Bracketed, ANALYZERS), runs.stock),
        Contender(OURS_NAME, graph(OURS, [frame], Bracketed, ANALYZERS), runs.each),
        Contender(STEPPING, graph(OURS, [frame], stepping(Bracketed), ANALYZERS), runs.each),
    ]
    title = "Bollinger with stop and target, some 2,000 orders, four analyzers"
    return Workload("E", title, len(frame), contenders, {STOCK_NAME: 60.0}, same_equity=(OURS_NAME, STEPPING))


def workload_f(strategy: str, at_most_ms: float) -> Callable[[float, Runs], Workload]:
    def made(scale: float, runs: Runs) -> Workload:
        settings, history = desk.desk(strategy)
        contenders = [
            Contender(STOCK_NAME, desk.plain_stock(settings, history), runs.each, "no gate and no costs: other trades"),
            Contender(OURS_NAME, desk.ours(settings, history), runs.each, "with gate, costs and all analyzers"),
            Contender(RECALLING, desk.ours(settings, history, recall=True), runs.each, "its indicators are known"),
        ]
        bars = max(len(frame) for frame in history.frames.values())
        symbols = " and ".join(settings.traded_symbols)
        title = f"{settings.strategies[strategy].strategy} on {symbols}, daily, feed loaded"
        letter = f"F {strategy}"
        return Workload(letter, title, bars, contenders, {STOCK_NAME: 20.0}, at_most_ms=at_most_ms)

    return made


def workload_orders(scale: float, runs: Runs) -> Workload:
    frame = minute_bars(int(20_000 * scale))
    contenders = [
        Contender(f"{n}{', no orders' if not orders else ''}", graph(p, [frame], Churning, orders=orders), runs.each)
        for n, p in NAMED
        for orders in (True, False)
    ]
    title = "an order, with all notifications: one on each bar, less the run without"
    return Workload("order", title, len(frame), contenders, same_equity=(OURS_NAME,), order_us=True)


NAMED = ((STOCK_NAME, STOCK), (OURS_NAME, OURS))
WORKLOADS: dict[str, Callable[[float, Runs], Workload]] = {
    "A": workload_a,
    "B": workload_b,
    "C": workload_c,
    "C4": workload_c4,
    "D": workload_d,
    "E": workload_e,
    "F-meanrev": workload_f("meanrev", 15.0),
    "F-pairs": workload_f("pairs", 25.0),
    "order": workload_orders,
}
