"""Stock classes imported elsewhere in the process are as before: after a run, after an error, and during a run."""

from __future__ import annotations

import inspect
import io
import re
import sys
import traceback
from typing import Any

import backtrader as bt
import pytest
from parity.compare import first_difference
from parity.engines import OURS, STOCK
from parity.frames import frame_of
from parity.graphs import Faulty
from parity.programme import Action, Feed, Node, Plan, Programme
from parity.recorder import Quiet
from parity.running import build, run
from parity.tape import Tape

import engine

COUNTERS = {"refbasis", "_indcol", "_acache", "_icache", "_refno"}  # what stock itself changes while it runs
MADE = re.compile("Lines_|AutoInfoClass_")  # classes that stock makes for each new class of lines
TRADES = tuple(Action(at=at, size=9, side=("buy", "sell")[at // 5 % 2]) for at in range(2, 36, 5))
NODES = (Node("SMA"), Node("BollingerBands"), Node("MACD"), Node("ATR", ("d0",)), Node("sub", (0, "d0.close")))
PLANS = (Plan((*TRADES, Action(at=7, do="bracket")), NODES), Plan(TRADES, loud=False, reads=0))
NAMES = ("TradeAnalyzer", "DrawDown", "TimeReturn", "SharpeRatio")
PROGRAMME = Programme((Feed(), Feed(seed=3, missing=0.3)), PLANS, analyzers=NAMES, stdstats=True)
ENDED = Programme((Feed(),), (Plan((*TRADES, Action(at=21, do="fault")), NODES),), analyzers=NAMES)


def modules() -> list[Any]:
    return [module for name, module in list(sys.modules.items()) if name.split(".")[0] == "backtrader" and module]


def attributes() -> dict[tuple[str, str], int]:
    """(class or module, attribute) -> identity of its value, for every class and module of backtrader."""
    found: dict[tuple[str, str], int] = {}
    seen = set()
    for module in modules():
        for name, value in vars(module).items():
            if name not in COUNTERS:
                found[module.__name__, name] = id(value)
            if not inspect.isclass(value) or not value.__module__.startswith("backtrader") or value in seen:
                continue
            seen.add(value)
            for attribute, held in vars(value).items():
                if attribute not in COUNTERS and not attribute.startswith("__"):
                    found[f"{value.__module__}.{value.__qualname__}", attribute] = id(held)
    return found


def changed(before: dict[tuple[str, str], int], after: dict[tuple[str, str], int]) -> list[tuple[str, str]]:
    gone_or_other = [key for key, value in before.items() if after.get(key) != value]
    return gone_or_other + [key for key in after if key not in before and not MADE.search("".join(key))]


def warm() -> None:
    """Backtrader makes classes of its own while it runs for the first time."""
    for programme in (PROGRAMME, ENDED):
        run(programme, STOCK)


def test_nothing_of_stock_is_changed_by_a_run() -> None:
    warm()
    before = attributes()
    assert len(before) > 3_000
    run(PROGRAMME, OURS)
    assert changed(before, attributes()) == []


def test_nothing_of_stock_is_changed_by_an_error_in_mid_run() -> None:
    warm()
    before = attributes()
    events = run(ENDED, OURS)
    assert [event[2][0] for event in events if event[0] == "error"] == ["Faulty"]
    assert changed(before, attributes()) == []


def test_nothing_of_stock_is_changed_while_a_run_goes_on() -> None:
    """A class that is patched for the time of a run would be patched for other threads too."""
    warm()
    before, during = attributes(), []

    class Looking(bt.Strategy):
        def next(self) -> None:
            if len(self) == 20:
                during.extend(changed(before, attributes()))

    cerebro = OURS.cerebro(stdstats=False)
    assert OURS.broker is not None
    cerebro.setbroker(OURS.broker())
    cerebro.adddata(OURS.feed(dataname=frame_of(Feed())))
    cerebro.addstrategy(Looking)
    before = attributes()
    cerebro.run()
    assert during == []


def test_the_check_of_stock_sees_a_patch(monkeypatch: pytest.MonkeyPatch) -> None:
    before = attributes()
    monkeypatch.setattr(bt.brokers.BackBroker, "next", lambda self: None)
    monkeypatch.setattr(bt.linebuffer.LineBuffer, "forward", None)
    found = changed(before, attributes())
    assert ("backtrader.brokers.bbroker.BackBroker", "next") in found
    assert ("backtrader.linebuffer.LineBuffer", "forward") in found


def test_stock_gives_the_same_after_ours_as_before() -> None:
    first = run(PROGRAMME, STOCK)
    run(PROGRAMME, OURS)
    run(ENDED, OURS)
    assert first_difference(first, run(PROGRAMME, STOCK)) is None


def test_objects_of_a_run_of_ours_are_of_stock_s_classes_after_it() -> None:
    """What a run leaves can be pickled, plotted and asked by code that knows stock's classes."""
    tape = Tape()
    Quiet.programme, Quiet.tape = PROGRAMME, tape
    cerebro = build(PROGRAMME, OURS, tape, io.StringIO())
    strategies = cerebro.run()
    stock = build(PROGRAMME, STOCK, tape, io.StringIO())
    expected = stock.run()
    for ours, theirs in zip(strategies, expected, strict=True):
        assert type(ours) is type(theirs)
        for a, b in zip(ours.watched(), theirs.watched(), strict=True):
            assert type(a) is type(b)
        for a, b in zip(ours.analyzers, theirs.analyzers, strict=True):
            assert type(a) is type(b)
        for a, b in zip(ours._orders, theirs._orders, strict=True):
            assert type(a) is type(b) and type(a.executed) is type(b.executed)
    assert type(cerebro.datas[0].lines.close) is type(stock.datas[0].lines.close)


@pytest.mark.skipif(not hasattr(engine, "Cerebro"), reason="engine.Cerebro is not there yet")
def test_an_error_leaves_the_traceback_of_the_strategy() -> None:
    """The line of the user's code that raised is in the traceback."""

    Quiet.programme, Quiet.tape = ENDED, Tape()
    with pytest.raises(Faulty) as caught:
        build(ENDED, OURS, Quiet.tape, io.StringIO()).run()
    names = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert "next" in names and "_fault" in names
