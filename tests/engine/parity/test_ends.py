"""How runs end: errors from every place, a stop from every place, feeds of one bar or none, the same Cerebro again."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Callable
from typing import Any

import backtrader as bt
import pytest
from parity.compare import first_difference
from parity.engines import OURS, STOCK, Engine
from parity.frames import frame_of
from parity.graphs import Faulty
from parity.programme import Action, Feed, Node, Plan, Programme
from parity.recorder import Loud, Quiet
from parity.running import run
from parity.tape import Tape, account, plain

MODES: dict[str, tuple[tuple[str, Any], ...]] = {
    "runonce": (),
    "next": (("runonce", False),),
    "no preload": (("preload", False),),
    "exactbars": (("exactbars", 1),),
    "quicknotify": (("quicknotify", True),),
    "cheat": (("cheat_on_open", True),),
    "history": (("tradehistory", True),),
}
TRADES = tuple(Action(at=at, size=9, side=("buy", "sell")[at // 5 % 2]) for at in range(2, 36, 5))
BRACKET = Action(at=6, do="bracket", exectype="Market")
NEXT = {"runonce": False}
TIMER = ((("when", 1), ("strats", True)),)


def both(programme: Programme) -> list[tuple[str, Any, Any]]:
    events = run(programme, STOCK)
    difference = first_difference(events, run(programme, OURS))
    assert difference is None, f"{programme!r}\n{difference}"
    return events


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("end", ["fault", "runstop"])
@pytest.mark.parametrize("where", ["bar", "order", "trade", "cash", "timer", "open", "start", "stop"])
def test_an_error_and_a_stop_from_every_callback(where: str, end: str, mode: str) -> None:
    """The same events until then, the same error, the same state left behind."""
    ending = Action(where=where, at=3 if where not in ("start", "stop") else 1, do=end)
    plans = (Plan(actions=(*TRADES, BRACKET, ending)), Plan(actions=TRADES[1:]))
    names = ("TradeAnalyzer", "DrawDown")
    events = both(Programme((Feed(), Feed(seed=4, missing=0.2)), plans, MODES[mode], analyzers=names, timers=TIMER))
    called = where != "open" or mode == "cheat"
    wanted = ["Faulty"] if end == "fault" and called else []
    ended = [event[2][0] for event in events if event[0] == "error"]
    assert ended == wanted or (mode == "exactbars" and ended == ["IndexError"])  # stock's DrawDown without history


@pytest.mark.parametrize("mode", MODES)
def test_an_error_in_an_indicator(mode: str) -> None:
    plan = Plan(actions=TRADES, nodes=(Node("SMA"), Node("FaultyNext", n=4), Node("EMA", (1,))))
    events = both(Programme(plans=(plan,), cerebro=MODES[mode], analyzers=("TradeAnalyzer",)))
    assert [event[2][0] for event in events if event[0] == "error"] == ["Faulty"]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("bars", [1, 2, 3])
@pytest.mark.parametrize("nodes", [(), (Node("SMA"),), (Node("OnlyNext"), Node("delay", n=5))])
def test_feeds_of_a_few_bars(bars: int, nodes: tuple[Node, ...], mode: str) -> None:
    calls = (Action(at=1), Action(at=2, do="close"), Action(where="start"), Action(where="stop"))
    plan = Plan(calls, nodes)
    names = ("TradeAnalyzer", "DrawDown", "SharpeRatio", "TimeReturn", "SQN", "Returns", "AnnualReturn")
    both(Programme((Feed(bars=bars),), (plan,), MODES[mode], analyzers=names, stdstats=True))
    both(Programme((Feed(bars=bars), Feed(seed=9)), (plan,), MODES[mode], analyzers=names))
    both(Programme((Feed(), Feed(seed=9, bars=bars)), (plan,), MODES[mode], stdstats=True))


EMPTY = Feed(seed=5, options=(("fromdate", dt.datetime(2030, 1, 1)),))  # noqa: DTZ001 - as backtrader takes it


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("feeds", [(EMPTY,), (Feed(), EMPTY), (EMPTY, Feed())])
def test_feeds_without_a_bar(feeds: tuple[Feed, ...], mode: str) -> None:
    """All bars lie before ``fromdate``."""
    for nodes in ((), (Node("SMA"),), (Node("sub", ("d0.close", "d1.close")),)):
        both(Programme(feeds, (Plan(actions=TRADES, nodes=nodes),), MODES[mode], analyzers=("DrawDown",)))
        both(Programme(feeds, (Plan(reads=1, loud=False, nodes=nodes),), MODES[mode], stdstats=True))


@pytest.mark.parametrize("mode", MODES)
def test_nan_prices(mode: str) -> None:
    kinds = ("Limit", "Stop", "StopLimit", "StopTrail", "Close", "Market")
    common = {"price": 1.0, "limit": 1.01, "size": 2}
    orders = tuple(
        Action(at=3 + i, exectype=kind, trail=("percent", 0.01) if "Trail" in kind else None, **common)
        for i, kind in itertools.product(range(0, 30, 7), kinds)
    )
    first = (Node("SMA"), Node("StdDev"), Node("Highest"), Node("RSI"))
    plan = Plan(orders, (*first, Node("Max", (0, "d0.open")), Node("CrossOver", (0, 2))))
    for seed in range(6):
        feed = Feed(seed=seed, shape="nan")
        both(Programme((feed,), (plan,), MODES[mode], analyzers=("TradeAnalyzer",)))


# ------------------------------------------------------------------ more than one run


def logged(engine: Engine, script: Callable[[Engine, Tape], None]) -> list[Any]:
    tape = Tape()
    Quiet.programme = Programme(plans=(Plan(actions=(*TRADES, BRACKET), nodes=(Node("SMA"), Node("MACD"))),))
    Quiet.tape = tape
    script(engine, tape)
    return tape.events


def graph(engine: Engine, **options: Any) -> Any:
    cerebro = engine.cerebro(stdstats=False, **options)
    if engine.broker is not None:
        cerebro.setbroker(engine.broker())
    cerebro.adddata(engine.feed(dataname=frame_of(Feed(seed=8))), name="d0")
    cerebro.addstrategy(Loud)
    for name in ("TradeAnalyzer", "DrawDown", "TimeReturn"):
        cerebro.addanalyzer(getattr(bt.analyzers, name))
    return cerebro


def note_result(cerebro: Any, tape: Tape) -> None:
    tape.add("account", *account(cerebro.broker))
    for strategy in cerebro.runstrats[0]:
        for name, analyzer in strategy.analyzers.getitems():
            tape.add("analysis", name, plain(analyzer.get_analysis()))


def same(script: Callable[[Engine, Tape], None]) -> list[Any]:
    stock = logged(STOCK, script)
    difference = first_difference(stock, logged(OURS, script))
    assert difference is None, str(difference)
    return stock


@pytest.mark.parametrize("changes", [({}, {}), ({}, NEXT), (NEXT, {}), ({"preload": False}, {})])
def test_one_cerebro_run_twice(changes: tuple[dict[str, Any], dict[str, Any]]) -> None:
    def script(engine: Engine, tape: Tape) -> None:
        cerebro = graph(engine)
        for change in changes:
            cerebro.run(**change)
            note_result(cerebro, tape)

    assert sum(event[0] == "start" for event in same(script)) == 2


def test_one_cerebro_again_after_an_error() -> None:
    def script(engine: Engine, tape: Tape) -> None:
        cerebro = graph(engine)
        whole = Quiet.programme
        Quiet.programme = Programme(plans=(Plan(actions=(*TRADES, Action(at=20, do="fault"))),))
        with pytest.raises(Faulty):
            cerebro.run()
        Quiet.programme = whole
        cerebro.run()
        note_result(cerebro, tape)

    same(script)


@pytest.mark.parametrize("inner", ["stock", "same engine"])
def test_a_run_inside_a_run(inner: str) -> None:
    """A strategy's ``next`` runs another Cerebro to its end: both are as if alone."""

    class Nesting(Loud):
        def next(self) -> None:
            super().next()
            if len(self) == 17:
                inside = graph(STOCK if inner == "stock" else self.engine)
                inside.run()
                note_result(inside, self.tape)

    def script(engine: Engine, tape: Tape) -> None:
        Nesting.engine = engine
        cerebro = graph(engine)
        cerebro.strats.clear()
        cerebro.addstrategy(Nesting)
        cerebro.run()
        note_result(cerebro, tape)

    def alone(engine: Engine, tape: Tape) -> None:
        note_result_of = graph(engine)
        note_result_of.run()
        note_result(note_result_of, tape)

    nested, single = same(script), same(alone)
    results = [repr(event[2]) for event in nested if event[0] == "analysis"]
    assert results[:3] == results[3:] == [repr(event[2]) for event in single if event[0] == "analysis"]


@pytest.mark.parametrize("maxcpus", [1, 2])
@pytest.mark.parametrize("optreturn", [True, False])
def test_an_optimisation_gives_the_analyses_of_stock(maxcpus: int, optreturn: bool) -> None:
    results = []
    for engine in (STOCK, OURS):
        cerebro = engine.cerebro(maxcpus=maxcpus, optreturn=optreturn, stdstats=False)
        if engine.broker is not None and maxcpus == 1:
            cerebro.setbroker(engine.broker())
        cerebro.adddata(engine.feed(dataname=frame_of(Feed(seed=8, bars=60))), name="d0")
        cerebro.optstrategy(CrossOverStrategy, fast=range(2, 5), slow=(7, 9))
        for name in ("TradeAnalyzer", "DrawDown", "TimeReturn", "SharpeRatio"):
            cerebro.addanalyzer(getattr(bt.analyzers, name))
        results.append(
            [
                (dict(each.p._getkwargs()), [plain(analyzer.get_analysis()) for analyzer in each.analyzers])
                for (each,) in cerebro.run()
            ]
        )
    assert repr(results[0]) == repr(results[1]) and len(results[0]) == 6


class CrossOverStrategy(bt.Strategy):
    params = (("fast", 3), ("slow", 7))

    def __init__(self) -> None:
        self.cross = bt.ind.CrossOver(bt.ind.SMA(period=self.p.fast), bt.ind.SMA(period=self.p.slow))

    def next(self) -> None:
        if self.cross > 0:
            self.buy(size=5)
        elif self.cross < 0:
            self.close()
