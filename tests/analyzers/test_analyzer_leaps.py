"""Analyzers over bars that are leapt over: the rows and the calls of every bar, without being called on it."""

from __future__ import annotations

import datetime as dt
from types import SimpleNamespace
from typing import Any

import backtrader as bt
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzers import Equity, JournalWriter, OrderLog, Trades
from analyzers.equity import COLUMNS
from analyzers.wiring import utc_time
from books.account import Account
from books.charges import Charge
from books.leap import AccountLeaps
from books.trades import Fill
from core.leaping import can_leap, leapt_of
from core.settings import Settings
from core.steps import Steps, SymbolBars
from engine.progress import ProgressMeter
from feeds.datenum import date_numbers

SETTINGS = Settings.model_validate(
    {
        "instruments": {"SPX": {}},
        "strategies": {"one": {"strategy": "MeanReversion", "instruments": ["SPX"]}},
    }
)


def plain(kind: type[bt.Analyzer], account: Account | None) -> Any:
    """An analyzer of a strategy that does nothing, without a Cerebro around it."""
    made = kind.__new__(kind)
    now = [0.0]
    made.strategy = SimpleNamespace(
        p=SimpleNamespace(unit="one"),
        datas=[],
        broker=SimpleNamespace(account=account, getvalue=lambda: 1e5, getcash=lambda: 1e5),
        lines=SimpleNamespace(datetime=now),
    )
    made._children, made.p = [], SimpleNamespace(name="")
    made.create_analysis()
    made.start()
    return made


def make_steps(count: int) -> Steps:
    rng = np.random.default_rng(count)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.01, count)))
    start = int(dt.datetime(2020, 1, 1, 21, tzinfo=dt.UTC).timestamp())
    numbers = date_numbers((start + 86_400 * np.arange(count)) * 1_000_000)
    return Steps(numbers, {"SPX": SymbolBars(np.arange(count), close + 1.0, close - 1.0, close)})


def step(account: Account, steps: Steps, at: int, size: float = 0.0) -> None:
    when = steps.when(at)
    account.fund(when)
    account.accrue(when)
    price = steps.bars["SPX"].closes[at]
    if size:
        account.fill(Fill("one/SPX", when, size, price, price, 1.0, 0.9), Charge(1.0))
    bars = steps.bars["SPX"]
    account.mark(when, {"one/SPX": (float(bars.high[at]), float(bars.low[at]), price)})


@given(
    cuts=st.lists(st.tuples(st.integers(0, 9), st.sampled_from([0.0, 50.0, -50.0])), min_size=1, max_size=12),
    asked=st.sets(st.integers(0, 11)),
)
def test_rows_of_leaps_are_rows_of_steps(cuts: list[tuple[int, float]], asked: set[int]) -> None:
    steps = make_steps(sum(length + 1 for length, _ in cuts) + 1)
    accounts = [Account.from_settings(SETTINGS) for _ in range(2)]
    for account in accounts:
        account.open_book("one", "SPX", "USD")
    stepped, leapt = (plain(Equity, account) for account in accounts)
    run = AccountLeaps(accounts[1], steps, borrow_rates={"one/SPX": 0.0})
    at = 0
    for number, (length, size) in enumerate([(0, 0.0), *cuts]):
        if length and at:
            stretch = run.leap(at, at + length)
            assert stretch is not None
            stretch.commit()
            for tell in leapt_of(leapt):
                tell(at, at + length)
            for each in range(at, at + length):
                step(accounts[0], steps, each)
                stepped._clock[0] = steps.numbers[each]
                stepped.next()
            at += length
        for analyzer, account in ((stepped, accounts[0]), (leapt, accounts[1])):
            before = account.books["one/SPX"].size
            step(account, steps, at, size if before * size <= 0.0 and before + size >= 0.0 else 0.0)
            analyzer._clock[0] = steps.numbers[at]
            analyzer.next()
            analyzer.next()  # another data moved: the bar is recorded once
        at += 1
        if number in asked:
            assert leapt.get_analysis() == stepped.get_analysis()
    stepped.stop()
    leapt.stop()
    assert list(leapt.get_analysis()) == ["datetime", *COLUMNS]
    assert leapt.get_analysis() == stepped.get_analysis()
    assert leapt.frame().equals(stepped.frame())
    assert leapt._last == stepped._last and utc_time(leapt._last) == steps.when(at - 1)


@given(st.lists(st.integers(0, 90), min_size=1, max_size=9), st.integers(1, 2_000))
def test_progress_reports_the_same(lengths: list[int], total: int) -> None:
    told: list[list[tuple[int, int]]] = [[], []]
    meters = []
    for calls in told:
        meter = ProgressMeter.__new__(ProgressMeter)
        strategy = SimpleNamespace()
        strategy.env = SimpleNamespace(
            progress=lambda done, total, calls=calls: calls.append((done, total)),
            runningstrats=[strategy],
            bars_in_all=total,
        )
        meter.strategy = strategy
        meter.start()
        meters.append(meter)
    first = 0
    for length in lengths:
        meters[1].leapt(first, first + length)
        first += length
        for _ in range(length):
            meters[0].next()
        for meter in meters:
            meter.next()
    for meter in meters:
        meter.stop()
    assert told[0] == told[1]


def test_who_can_leap() -> None:
    account = Account.from_settings(SETTINGS)
    assert all(can_leap(plain(kind, account)) for kind in (Equity, Trades, OrderLog))
    assert not can_leap(plain(Equity, None))  # a stock broker's value is known on each bar only
    assert not can_leap(plain(Trades, None))
    assert can_leap(ProgressMeter.__new__(ProgressMeter))
    writer = JournalWriter.__new__(JournalWriter)
    writer._children = [plain(Trades, account)]
    assert can_leap(writer)
    writer._children = [plain(Trades, None)]
    assert not can_leap(writer)


@pytest.mark.parametrize("name", ["next", "notify_cashvalue", "leapt"])
def test_a_subclass_declares_anew(name: str) -> None:
    account = Account.from_settings(SETTINGS)
    busy = type("Busy", (Equity,), {name: lambda self, *args: None})
    assert not can_leap(plain(busy, account))
    assert can_leap(plain(type("Busy", (Equity,), {name: lambda self, *args: None, "leaps": True}), account))
    assert not can_leap(bt.analyzers.DrawDown.__new__(bt.analyzers.DrawDown))
