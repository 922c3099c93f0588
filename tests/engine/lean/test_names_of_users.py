"""Attributes and classes of users are theirs: a run uses no name that they may have, and shows no class of its own."""

from __future__ import annotations

import datetime as dt
import gc
import sqlite3
from pathlib import Path
from typing import Any

import backtrader as bt
import pytest
from beside import frame

import engine

NAMES = ("_cursor", "_first_line", "_ticks", "_old_ticks", "_seat", "_book", "_deferral", "_clockline")


class SqlFeed(bt.feed.DataBase):
    params = (("db", ""),)

    def start(self) -> None:
        super().start()
        self._con = sqlite3.connect(self.p.db)
        self._cursor = self._con.execute("select * from bars")

    def _load(self) -> bool:
        row = self._cursor.fetchone()
        if row is None:
            return False
        self.lines.datetime[0] = bt.date2num(dt.datetime.fromisoformat(row[0]))
        self.lines.open[0], self.lines.high[0], self.lines.low[0], self.lines.close[0], self.lines.volume[0] = row[1:6]
        self.lines.openinterest[0] = 0
        return True

    def stop(self) -> None:
        self._cursor.close()
        self._con.close()


def test_a_feed_over_sql_keeps_its_cursor(tmp_path: Path) -> None:
    path = str(tmp_path / "bars.sqlite")
    with sqlite3.connect(path) as connection:
        frame(bars=60).reset_index().astype({"index": str}).to_sql("bars", connection, index=False)
    connection.close()
    cerebro = engine.Cerebro(stdstats=False)
    cerebro.adddata(SqlFeed(db=path))
    cerebro.addstrategy(bt.Strategy)
    (strategy,) = cerebro.run()
    assert len(strategy) == 60
    assert cerebro.stepping_reasons == []


def mark(thing: Any) -> None:
    for name in NAMES:
        setattr(thing, name, f"mine: {name}")


def marks(thing: Any) -> list[Any]:
    return [vars(thing).get(name) for name in NAMES]


class MarkedFeed(bt.feeds.PandasData):
    def start(self) -> None:
        super().start()
        mark(self)


class MarkedIndicator(bt.Indicator):
    lines = ("x",)

    def __init__(self) -> None:
        mark(self)
        self.addminperiod(3)

    def next(self) -> None:
        self.lines.x[0] = float(self._cursor == "mine: _cursor")


class MarkedObserver(bt.Observer):
    lines = ("x",)

    def __init__(self) -> None:
        mark(self)

    def next(self) -> None:
        self.lines.x[0] = float(self._cursor == "mine: _cursor")


class MarkedStrategy(bt.Strategy):
    def __init__(self) -> None:
        mark(self)
        self.marked = MarkedIndicator()
        self.seen: list[Any] = []

    def next(self) -> None:
        if len(self) in (10, 50):
            self.seen.append([marks(thing) for thing in (self, self.data, self.marked, *self.observers)])
            self.seen.append(self.marked[0])


@pytest.mark.parametrize("end", [None, "runstop", "error", "write"])
def test_attributes_of_users_are_as_they_left_them(end: str | None) -> None:
    class Ends(MarkedStrategy):
        def next(self) -> None:
            super().next()
            if len(self) == 30 and end == "runstop":
                self.env.runstop()
            if len(self) == 30 and end == "error":
                raise LookupError
            if len(self) == 30 and end == "write":
                self.data.close[0] = 5.0

    seen = {}
    for kind in (bt.Cerebro, engine.Cerebro):
        cerebro = kind(stdstats=False)
        cerebro.adddata(MarkedFeed(dataname=frame(bars=60)))
        cerebro.addstrategy(Ends)
        cerebro.addobserver(MarkedObserver)
        if end == "error":
            with pytest.raises(LookupError):
                cerebro.run()
        else:
            cerebro.run()
        strategy = cerebro.runningstrats[0]
        things = (strategy, *cerebro.datas, strategy.marked, *strategy.observers)
        seen[kind] = (strategy.seen, [marks(thing) for thing in things], [sorted(vars(thing)) for thing in things])
    assert seen[engine.Cerebro] == seen[bt.Cerebro]


REGISTER: dict[str, type] = {}


class PlugIn(bt.Indicator):
    """Its subclasses are found by their names."""

    lines = ("x",)

    def __init_subclass__(cls, **given: Any) -> None:
        super().__init_subclass__(**given)
        REGISTER[cls.__name__] = cls


class Mine(PlugIn):
    def __init__(self) -> None:
        self.addminperiod(3)

    def next(self) -> None:
        self.lines.x[0] = self.data[0] + len(self)


class UsesPlugIn(bt.Strategy):
    def __init__(self) -> None:
        self.mine = REGISTER["Mine"](self.data)
        self.resting: Any = None

    def next(self) -> None:
        if self.resting is None:
            self.resting = self.buy(price=1.0, exectype=bt.Order.Limit)
        assert REGISTER["Mine"] is Mine


def test_classes_of_a_run_are_told_to_no_register_and_die_with_it() -> None:
    def subclasses() -> list[Any]:
        gc.collect()
        roots = (
            PlugIn,
            Mine,
            bt.brokers.BackBroker,
            bt.Order,
            bt.order.OrderData,
            bt.linebuffer.LineBuffer,
            bt.LineSeries,
        )
        return [cls.__subclasses__() for cls in roots]

    before = subclasses()
    for _ in range(2):
        cerebro = engine.Cerebro(stdstats=False)
        cerebro.adddata(bt.feeds.PandasData(dataname=frame(bars=60)))
        cerebro.addstrategy(UsesPlugIn)
        cerebro.addanalyzer(bt.analyzers.DrawDown)
        (strategy,) = cerebro.run()
        assert cerebro.stepping_reasons == []
        assert strategy.mine[0] == strategy.data[0] + 60
    assert REGISTER == {"Mine": Mine}
    del cerebro, strategy
    assert subclasses() == before
