"""Equity, Trades, OrderLog, JournalWriter and the observers in a running Cerebro."""

from __future__ import annotations

import datetime as dt
import json
import logging
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import backtrader as bt
import backtrader.plot
import matplotlib.pyplot
import numpy as np
import pandas as pd
import pytest

from analyzers import Equity, JournalWriter, OrderLog, Trades, observers
from analyzers.orders import COLUMNS as ORDER_COLUMNS
from analyzers.orders import traded_eur
from analyzers.trades import COLUMNS as TRADE_COLUMNS
from books.journal import Journal
from books.trades import TradeRow
from core.orders import Refusal, Role

matplotlib.use("Agg")  # importing backtrader.plot chose Tk, for every test of this process

#        open  high   low  close
PRICES = [
    (100.0, 101.0, 99.0, 100.0),  # 0  buys
    (100.0, 104.0, 98.0, 103.0),  # 1  in at 100
    (103.0, 106.0, 95.0, 105.0),  # 2
    (105.0, 108.0, 104.0, 107.0),  # 3  closes
    (107.0, 112.0, 90.0, 106.0),  # 4  out at 107: 112 and 90 come after
    (106.0, 107.0, 105.0, 106.0),  # 5  sells short
    (106.0, 109.0, 105.0, 108.0),  # 6  in at 106
    (108.0, 109.0, 107.0, 108.0),  # 7  sends a limit order that is never reached
]


def bars(rows: list[tuple[float, ...]] = PRICES) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["open", "high", "low", "close"])
    frame["volume"] = 1_000.0
    frame.index = pd.bdate_range("2024-01-02", periods=len(rows)) + pd.Timedelta("21h")
    return frame


class Scripted(bt.Strategy):
    """Does on each bar what the script says."""

    params = (("script", {}), ("unit", ""))

    def next(self) -> None:
        action = self.p.script.get(len(self) - 1)
        if action is not None:
            action(self)


SCRIPT = {
    0: lambda s: s.buy(size=10, role=Role.ENTRY, reason="bollinger", trade="t1"),
    3: lambda s: s.close(role=Role.EXIT, reason="mean", trade="t1"),
    5: lambda s: s.sell(size=5),
    7: lambda s: s.buy(size=5, exectype=bt.Order.Limit, price=50.0),
}


def run(script: dict[int, Any], *analyzers: Any, broker: Any = None, commission: float = 0.0, **options: Any) -> Any:
    cerebro = bt.Cerebro(stdstats=False, **options)
    if broker is not None:
        cerebro.setbroker(broker)
    cerebro.broker.setcash(10_000.0)
    cerebro.broker.setcommission(commission=commission)
    cerebro.adddata(bt.feeds.PandasData(dataname=bars()), name="SPX")
    cerebro.addstrategy(Scripted, script=script)
    for analyzer in analyzers:
        kind, settings = analyzer if isinstance(analyzer, tuple) else (analyzer, {})
        cerebro.addanalyzer(kind, _name=kind.__name__, **settings)
    return cerebro.run()[0].analyzers


MODES = pytest.mark.parametrize("options", [{}, {"runonce": False}, {"preload": False, "runonce": False}])


# ------------------------------------------------------------------ equity


@MODES
def test_equity_of_a_stock_broker(options: dict[str, Any]) -> None:
    frame = run(SCRIPT, Equity, **options).Equity.frame()
    # 10 bought at 100, sold at 107, 5 sold short at 106
    assert frame["equity_eur"].tolist() == [10_000, 10_030, 10_050, 10_070, 10_070, 10_070, 10_060, 10_060]
    assert frame["cash_eur"].tolist() == [10_000, 9_000, 9_000, 9_000, 10_070, 10_070, 10_600, 10_600]
    assert frame["gross_exposure_eur"].tolist() == [0, 1_030, 1_050, 1_070, 0, 0, 540, 540]
    assert frame["net_exposure_eur"].tolist() == [0, 1_030, 1_050, 1_070, 0, 0, -540, -540]
    assert frame["result_eur"].tolist() == [0, 30, 50, 70, 70, 70, 60, 60]
    pd.testing.assert_index_equal(frame.index, bars().index.tz_localize("UTC"), exact=False, check_names=False)


class WarmUp(Scripted):
    def __init__(self) -> None:
        self.average = bt.indicators.SMA(period=4)


@MODES
def test_equity_covers_the_bars_before_the_minimum_period(options: dict[str, Any]) -> None:
    cerebro = bt.Cerebro(stdstats=False, **options)
    cerebro.adddata(bt.feeds.PandasData(dataname=bars()))
    cerebro.addstrategy(WarmUp)
    cerebro.addanalyzer(Equity)
    assert len(cerebro.run()[0].analyzers.equity.frame()) == len(PRICES)


class Books(bt.brokers.BackBroker):
    """A broker that carries an account: the one thing analyzers ask of it."""

    account: Any = None

    def fx_rate(self, data: Any) -> float:
        return 0.5


def row(unit: str, **changes: Any) -> TradeRow:
    when = dt.datetime(2024, 1, 3, 21, tzinfo=dt.UTC)
    values: dict[str, Any] = dict.fromkeys(TRADE_COLUMNS, 0.0)
    values |= {"trade_id": "t", "strategy": unit, "instrument": "SPX", "side": "long", "exit_reason": "mean"}
    return TradeRow(**(values | {"entry_time": when, "exit_time": when} | changes))


def account(**changes: Any) -> Any:
    values = {
        "equity_eur": 7.0,
        "cash_eur": 6.0,
        "gross_exposure_eur": 5.0,
        "net_exposure_eur": -4.0,
        "result_eur": {"account": 3.0}.__getitem__,
        "trades": [row("account"), row("other")],
        "open_trades": lambda: [row("other"), row("account", exit_time=None, exit_price=math.nan)],
    }
    return SimpleNamespace(**(values | changes))


def test_equity_reads_the_account() -> None:
    broker = Books()
    broker.account = account()
    frame = run({}, Equity, broker=broker).Equity.frame()
    assert frame.iloc[-1].tolist() == [7.0, 6.0, 5.0, -4.0, 3.0]
    assert list(frame.dtypes) == [np.dtype(float)] * 5


def test_equity_has_one_row_for_each_bar_of_the_strategy() -> None:
    """Two strategies on datas with different stamps: the other's bars do not repeat ours."""

    class First(Scripted):
        pass

    cerebro = bt.Cerebro(stdstats=False, runonce=False)
    cerebro.adddata(bt.feeds.PandasData(dataname=bars()))
    later = bars()
    later.index = later.index + pd.Timedelta("1h")
    cerebro.adddata(bt.feeds.PandasData(dataname=later))
    cerebro.addstrategy(First)
    cerebro.addanalyzer(Equity)
    index = cerebro.run()[0].analyzers.equity.frame().index
    assert index.is_unique and index.is_monotonic_increasing
    assert len(index) == 2 * len(PRICES)


def test_equity_without_a_bar_is_an_empty_frame() -> None:
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.adddata(bt.feeds.PandasData(dataname=bars().iloc[:0]))
    cerebro.addstrategy(Scripted)
    cerebro.addanalyzer(Equity)
    cerebro.addanalyzer(Trades)
    cerebro.addanalyzer(OrderLog)
    found = cerebro.run()[0].analyzers
    assert found.equity.frame().empty and found.trades.frame().empty and found.orderlog.frame().empty
    assert list(found.trades.frame().columns) == list(TRADE_COLUMNS)


# ------------------------------------------------------------------ trades


@MODES
def test_trades_of_a_stock_broker(options: dict[str, Any]) -> None:
    found = run(SCRIPT, Trades, commission=0.001, **options).Trades
    closed = found.frame()
    assert list(closed.columns) == list(TRADE_COLUMNS)
    trade = closed.iloc[0]
    assert (trade.trade_id, trade.side, trade["size"], trade.bars) == ("t1", "long", 10.0, 3)
    assert (trade.entry_price, trade.exit_price, trade.exit_reason) == (100.0, 107.0, "mean")
    assert trade.entry_time == pd.Timestamp("2024-01-03 21:00", tz="UTC")
    assert trade.exit_time == pd.Timestamp("2024-01-08 21:00", tz="UTC")
    assert trade.gross_eur == pytest.approx(70.0)
    assert trade.commission_eur == pytest.approx(0.001 * (1_000 + 1_070))
    assert trade.net_eur == pytest.approx(70.0 - 2.07)
    # the low of 95 and the high of 108 while it was open; what came after the exit at 107 does not count
    assert (trade.mae_eur, trade.mfe_eur) == pytest.approx((-50.0, 80.0))
    still = found.open_frame().iloc[0]
    assert (still.side, still["size"], still.entry_price) == ("short", 5.0, 106.0)
    assert pd.isna(still.exit_time)
    assert still.net_eur == pytest.approx(-10.0 - 0.53)


def test_trades_agree_with_backtrader_on_a_reversal_and_partial_exits() -> None:
    script = {
        0: lambda s: s.buy(size=10),
        1: lambda s: s.sell(size=4),
        2: lambda s: s.sell(size=12),
        4: lambda s: s.buy(size=2),
        5: lambda s: s.close(),
    }

    class Stock(bt.Analyzer):
        def create_analysis(self) -> None:
            self.rets: list[tuple[float, float, float]] = []

        def notify_trade(self, trade: Any) -> None:
            if trade.isclosed:
                self.rets.append((trade.pnl, trade.commission, trade.pnlcomm))

    found = run(script, Trades, Stock, commission=0.001)
    ours = found.Trades.frame()[["gross_eur", "commission_eur", "net_eur"]].to_numpy()
    assert len(ours) == 2
    assert ours == pytest.approx(np.array(found.Stock.get_analysis()))


def test_trades_are_those_of_the_unit_in_the_account() -> None:
    broker = Books()
    broker.account = account()
    found = run({}, Trades, broker=broker).Trades
    assert found.frame()["strategy"].tolist() == ["account"]
    assert found.open_frame()["strategy"].tolist() == ["account"]
    assert found.open_frame()["exit_time"].isna().all()


# ------------------------------------------------------------------ orders


@MODES
def test_order_log(options: dict[str, Any]) -> None:
    frame = run(SCRIPT, OrderLog, commission=0.001, **options).OrderLog.frame()
    assert list(frame.columns) == list(ORDER_COLUMNS)
    assert frame["status"].tolist()[:3] == ["Completed"] * 3
    first = frame.iloc[0]
    assert (first.role, first.reason, first.kind, first.side) == ("entry", "bollinger", "Market", "buy")
    assert (first["size"], first.filled, first.average_price) == (10.0, 10.0, 100.0)
    assert (first.commission_eur, first.value_eur) == pytest.approx((1.0, 1_000.0))
    assert first.created == pd.Timestamp("2024-01-02 21:00", tz="UTC")
    assert first.done == pd.Timestamp("2024-01-03 21:00", tz="UTC")
    assert math.isnan(first.price) and math.isnan(first.limit)
    assert frame["instrument"].tolist() == ["SPX"] * 4
    assert traded_eur(frame).sum() == pytest.approx(1_000 + 1_070 + 530)


def test_order_log_has_the_order_of_the_last_bar() -> None:
    last = run(SCRIPT, OrderLog).OrderLog.frame().iloc[-1]
    assert (last.kind, last.price, last.filled) == ("Limit", 50.0, 0.0)
    assert pd.isna(last.done) and last.status in ("Submitted", "Accepted")


class Refusing(bt.brokers.BackBroker):
    """Refuses buys as a gate does: Rejected, with a reason, never submitted."""

    def submit(self, order: Any, check: bool = True) -> Any:
        if order.isbuy():
            order.addinfo(refusal=Refusal.GROSS_EXPOSURE, refusal_detail="gross would be 1.62 of equity, limit 1.5")
            order.reject(self)
            self.notify(order)
            return order
        return super().submit(order, check=check)


@pytest.mark.parametrize("bar", [0, len(PRICES) - 1], ids=["first bar", "last bar"])
def test_order_log_names_refusals(bar: int) -> None:
    refused = run({bar: lambda s: s.buy(size=3)}, OrderLog, broker=Refusing()).OrderLog.frame().iloc[0]
    assert (refused.status, refused.refusal) == ("Rejected", "max_gross_exposure")
    assert refused.detail == "gross would be 1.62 of equity, limit 1.5"
    assert (refused.filled, refused.commission_eur) == (0.0, 0.0)
    assert refused.done == bars().index[bar].tz_localize("UTC")


def test_order_log_adds_partial_fills() -> None:
    broker = bt.brokers.BackBroker(filler=bt.broker.fillers.FixedSize(size=4))
    script = {0: lambda s: s.buy(size=10, exectype=bt.Order.Limit, price=106.0)}
    found = run(script, OrderLog, Trades, broker=broker, commission=0.001)
    order = found.OrderLog.frame().iloc[0]
    # 4 at 100, 4 at 103, 2 at 105, the opens of three bars
    value = 4 * 100 + 4 * 103 + 2 * 105
    assert (order.status, order.filled) == ("Completed", 10.0)
    assert order.average_price == pytest.approx(value / 10)
    assert (order.value_eur, order.commission_eur) == pytest.approx((value, value * 0.001))
    assert found.Trades.open_frame().iloc[0].entry_price == pytest.approx(value / 10)


def test_an_order_that_is_filled_in_part_at_the_end_is_traded_value() -> None:
    broker = bt.brokers.BackBroker(filler=bt.broker.fillers.FixedSize(size=4))
    script = {6: lambda s: s.buy(size=10, exectype=bt.Order.Limit, price=120.0)}
    frame = run(script, OrderLog, broker=broker).OrderLog.frame()
    assert (frame.iloc[0].status, frame.iloc[0].filled) == ("Partial", 4.0)
    assert pd.isna(frame.iloc[0].done)
    traded = traded_eur(frame)
    assert traded.tolist() == [4 * 108.0] and traded.index[0] == frame.iloc[0].created


def test_order_log_converts_at_the_rate() -> None:
    first = run(SCRIPT, OrderLog, broker=Books(), commission=0.001).OrderLog.frame().iloc[0]
    assert (first.value_eur, first.commission_eur) == pytest.approx((500.0, 0.5))


# ------------------------------------------------------------------ journal


def test_journal_holds_every_event_in_order(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="analyzers"), Journal(tmp_path / "journal.sqlite") as journal:
        found = run(SCRIPT, (JournalWriter, {"journal": journal}), commission=0.001)
        events = journal.read()
        counts = found.JournalWriter.get_analysis()
    assert counts == {"order": 9, "fill": 3, "trade": 1}  # three orders with three statuses each
    assert [event.kind.value for event in events].count("fill") == 3
    assert len(events) == sum(counts.values()) == len(caplog.records)
    fill = next(event for event in events if event.kind == "fill")
    assert fill.payload["size"] == 10.0 and fill.payload["price"] == 100.0 and fill.payload["reason"] == "bollinger"
    assert fill.when == dt.datetime(2024, 1, 3, 21, tzinfo=dt.UTC)
    trade = next(event for event in events if event.kind == "trade")
    assert trade.payload["net_eur"] == pytest.approx(67.93)
    statuses = [event.payload["status"] for event in events if event.kind == "order"][:3]
    assert statuses == ["Submitted", "Accepted", "Completed"]
    assert all(json.dumps(event.payload, allow_nan=False) for event in events)


def test_journal_in_batches_is_the_same(tmp_path: Path) -> None:
    kept = []
    for batch in (1, 1_000):
        with Journal(tmp_path / f"{batch}.sqlite") as journal:
            run(SCRIPT, (JournalWriter, {"journal": journal, "batch": batch}))
            kept.append([(event.kind, event.when, event.payload | {"ref": 0}) for event in journal.read()])
    assert kept[0] == kept[1] and kept[0]


def test_journal_of_a_refusal(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal.sqlite") as journal:
        run({0: lambda s: s.buy(size=3)}, (JournalWriter, {"journal": journal}), broker=Refusing())
        (event,) = journal.read()
    assert event.kind == "refusal"
    assert event.payload["refusal"] == "max_gross_exposure"
    assert event.payload["detail"].startswith("gross would be")


# ------------------------------------------------------------------ observers


def observed(**options: Any) -> Any:
    cerebro = bt.Cerebro(stdstats=False, **options)
    cerebro.broker.setcash(10_000.0)
    cerebro.adddata(bt.feeds.PandasData(dataname=bars()), name="SPX")
    cerebro.addstrategy(Scripted, script=SCRIPT)
    for kind in (observers.Equity, observers.Drawdown, observers.Exposure):
        cerebro.addobserver(kind)
    cerebro.addobservermulti(observers.EntriesExits)
    return cerebro, cerebro.run()[0]


def values(line: Any) -> list[float]:
    """What was written on the bars; backtrader gives observers room for twice as many when it runs once."""
    assert all(math.isnan(value) for value in line.array[len(PRICES) :])
    return [float(value) for value in line.array[: len(PRICES)]]


@pytest.mark.parametrize("options", [{}, {"runonce": False}])
def test_observers(options: dict[str, Any]) -> None:
    _, strategy = observed(**options)
    equity, drawdown, exposure = strategy.observers
    (marks,) = strategy.observers.entriesexits
    assert values(equity.lines.equity) == [10_000, 10_030, 10_050, 10_070, 10_070, 10_070, 10_060, 10_060]
    assert values(drawdown.lines.drawdown)[-1] == pytest.approx(10 / 10_070)
    assert values(exposure.lines.gross)[-1] == pytest.approx(540 / 10_060)
    assert values(exposure.lines.net)[-1] == pytest.approx(-540 / 10_060)
    nan = math.nan
    assert values(marks.lines.entry_long) == pytest.approx([nan, 100, nan, nan, nan, nan, nan, nan], nan_ok=True)
    assert values(marks.lines.exit) == pytest.approx([nan, nan, nan, nan, 107, nan, nan, nan], nan_ok=True)
    assert values(marks.lines.entry_short) == pytest.approx([nan, nan, nan, nan, nan, nan, 106, nan], nan_ok=True)


def test_observers_can_be_plotted() -> None:
    cerebro, _ = observed()
    figures = cerebro.plot(iplot=False)
    assert len(figures[0][0].axes) >= 4
    matplotlib.pyplot.close("all")
