"""Whatever ends a run, its objects are backtrader's again, and a second run goes as under stock."""

from __future__ import annotations

from typing import Any

import backtrader as bt
import pandas as pd
import pytest
from backtrader.linebuffer import LineBuffer
from beside import frame
from pytest import MonkeyPatch

import engine
from engine.lean import analyzers, desk, loop
from engine.lean.cursor import Cursor
from engine.lean.ties import lines_of
from feeds import ColumnarData


class Swing(bt.Strategy):
    def __init__(self) -> None:
        self.sma = bt.ind.SMA(period=3)
        self.turns = 0

    def prenext(self) -> None:
        self.turns += 1

    def next(self) -> None:
        self.turns += 1
        if len(self) % 9 == 1:
            self.buy(size=5)
        if len(self) % 9 == 5:
            self.close()


def made(kind: Any, strategy: type[bt.Strategy], *watching: type, table: pd.DataFrame | None = None) -> Any:
    cerebro = kind(stdstats=False)
    cerebro.adddata(ColumnarData(dataname=frame(bars=50) if table is None else table), name="d")
    cerebro.addstrategy(strategy)
    for analyzer in watching:
        cerebro.addanalyzer(analyzer)
    return cerebro


def assert_given_back(cerebro: Any) -> None:
    assert type(cerebro.broker) is cerebro.broker.__class__
    strategies = cerebro.runningstrats
    things = [*cerebro.datas, *strategies]
    for strategy in strategies:
        things += [*strategy._lineiterators[0], *strategy.analyzers, *strategy._lineiterators[2]]
    things += [line for thing in things if isinstance(thing, bt.LineSeries) for line in lines_of(thing)]
    for thing in things:
        assert type(thing) is thing.__class__
        assert not any(isinstance(value, Cursor) for value in vars(thing).values())
    assert {type(line) for data in cerebro.datas for line in lines_of(data)} == {LineBuffer}
    assert not any(type(each) is not each.__class__ for each in cerebro.broker.positions.values())


@pytest.mark.parametrize("analyzer", [bt.analyzers.DrawDown, bt.analyzers.TimeReturn])
def test_an_account_of_nothing_fails_on_the_first_bar_and_leaves_nothing_lean(analyzer: type) -> None:
    ran = {}
    for kind in (bt.Cerebro, engine.Cerebro):
        cerebro = made(kind, Swing, analyzer)
        cerebro.broker.setcash(0.0)
        with pytest.raises(ZeroDivisionError):
            cerebro.run()
        assert_given_back(cerebro)
        (failed,) = cerebro.runningstrats
        turns = [failed.turns, len(failed)]
        cerebro.broker.setcash(10_000.0)
        (second,) = cerebro.run()
        turns.append(second.turns)
        plain = bt.Cerebro(stdstats=False)
        plain.adddata(cerebro.datas[0])
        plain.addstrategy(Swing)
        (third,) = plain.run()
        analysis = repr(dict(second.analyzers[0].get_analysis()))
        ran[kind] = (turns, analysis, cerebro.broker.getvalue(), third.turns, plain.broker.getvalue())
    assert ran[engine.Cerebro] == ran[bt.Cerebro]


@pytest.mark.parametrize("strategies", [1, 2])
def test_an_account_that_came_to_nothing_is_an_error_and_leaves_nothing_lean(strategies: int) -> None:
    class Ruin(bt.Strategy):
        def next(self) -> None:
            if len(self) == 5:
                self.buy(size=100)

    table = frame(bars=50)
    table.loc[:, ["open", "high", "low", "close"]] = 100.0
    table.iloc[20:, :4] = 0.0
    for kind in (bt.Cerebro, engine.Cerebro):
        cerebro = made(kind, Ruin, bt.analyzers.DrawDown, bt.analyzers.TimeReturn, table=table)
        if strategies == 2:
            cerebro.addstrategy(bt.Strategy)
        with pytest.raises(ZeroDivisionError):
            cerebro.run()
        assert cerebro.broker.getvalue() == 0.0
        assert_given_back(cerebro)


def test_a_broker_whose_value_cannot_be_worked_out_is_given_back_all_the_same(monkeypatch: MonkeyPatch) -> None:
    def fails(broker: Any) -> None:
        raise ArithmeticError("no value")

    cerebro = made(engine.Cerebro, Swing, bt.analyzers.DrawDown)
    monkeypatch.setattr(desk, "work_out", fails)
    with pytest.raises(ArithmeticError, match="no value"):
        cerebro.run()
    assert_given_back(cerebro)


def test_an_analyzer_that_cannot_be_fed_keeps_no_other_from_its_food(monkeypatch: MonkeyPatch) -> None:
    def fails(*given: Any) -> None:
        raise ArithmeticError("no drawdown")

    cerebro = made(engine.Cerebro, Swing, bt.analyzers.DrawDown, bt.analyzers.TimeReturn)
    monkeypatch.setitem(analyzers._REPLAY, bt.analyzers.DrawDown, fails)
    with pytest.raises(ArithmeticError, match="no drawdown"):
        cerebro.run()
    assert_given_back(cerebro)
    assert len(cerebro.runningstrats[0].analyzers[1].get_analysis()) == 50


def test_a_run_that_cannot_begin_leaves_nothing_lean(monkeypatch: MonkeyPatch) -> None:
    def fails(*given: Any) -> None:
        raise ArithmeticError("no curve")

    cerebro = made(engine.Cerebro, Swing)
    monkeypatch.setattr(loop, "Curve", fails)
    with pytest.raises(ArithmeticError, match="no curve"):
        cerebro.run()
    assert_given_back(cerebro)
