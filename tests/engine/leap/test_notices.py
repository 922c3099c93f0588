"""Who hears of an order on its way: those who say that the last word is enough do not, all others hear everything."""

from __future__ import annotations

from typing import Any
from weakref import WeakValueDictionary

import backtrader as bt
import numpy as np
import pandas as pd
import pytest

from analyzers import OrderLog
from core.calendar import ExchangeCalendar
from core.errors import EngineError
from core.leaping import hears_last
from core.settings import Settings
from engine import SimBroker, build
from engine.lean import cursor
from engine.leap.house import HouseBroker
from engine.leap.house_broker import LeanHouse, Notice
from feeds import History
from strategies import MeanReversion

NYSE = ExchangeCalendar("XNYS")
SETTINGS = Settings.model_validate(
    {
        "instruments": {"SPX": {}},
        "strategies": {
            "mean": {
                "strategy": "MeanReversion", "instruments": ["SPX"],
                "parameters": {"bollinger_period": 10, "bollinger_devs": 1.2, "atr_period": 4, "half_life_period": 20,
                               "half_life_average": 10, "adx_max": 0.0, "stop_atr": 1.0},
            }
        },
    }
)  # fmt: skip


def history() -> History:
    rng, count = np.random.default_rng(3), 400
    close = 100.0 * np.exp(np.cumsum(rng.normal(0, 0.01, count)))
    open_ = np.r_[close[0], close[:-1]]
    days = NYSE.sessions(pd.Timestamp("2012-01-03").date(), pd.Timestamp("2016-12-30").date())[:count]
    index = pd.DatetimeIndex([NYSE.close_of(day) for day in days]).as_unit("ns")
    high, low = np.maximum(open_, close) * 1.005, np.minimum(open_, close) * 0.995
    return History(
        {"SPX": pd.DataFrame({"open": open_, "high": high, "low": low, "close": close, "volume": 1e6}, index=index)}
    )


class Ear(bt.Analyzer):
    """Hears of every order."""

    leaps = True

    def create_analysis(self) -> None:
        self.rets = []

    def notify_order(self, order: Any) -> None:
        self.rets.append((order.ref, order.getstatusname(), order.executed.size, len(self.strategy)))


def run(engine: str, *ears: type, verify: bool = False, **members: Any) -> Any:
    kind = type("Heard", (MeanReversion,), {"__module__": __name__, **members})
    cerebro = build(SETTINGS.model_copy(update={"engine": engine}), history(), SimBroker(settings=SETTINGS))
    cerebro.strats = [[(kind, *args[1:])] for (args,) in cerebro.strats]
    for ear in ears:
        cerebro.addanalyzer(ear)
    strategy = cerebro.run(**({"verify": True} if verify else {}))[0]
    assert engine == "stock" or not cerebro.leaping_obstacles
    return strategy


def counted(heard: list[Any]) -> Any:
    def notify_order(self: Any, order: Any) -> None:
        heard.append((order.getstatusname(), order.executed.size, len(self)))
        MeanReversion.notify_order(self, order)

    return notify_order


def told(monkeypatch: pytest.MonkeyPatch, engine: str, *ears: type, **members: Any) -> list[str]:
    """Statuses of which the order log is told."""
    names: list[str] = []
    original = OrderLog.notify_order

    def notify_order(self: Any, order: Any) -> None:
        names.append(order.getstatusname())
        original(self, order)

    with monkeypatch.context() as patch:
        patch.setattr(OrderLog, "notify_order", notify_order)
        run(engine, *ears, **members)
    return names


def test_of_sent_accepted_and_filled_the_fill_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    names, every = told(monkeypatch, "fast"), told(monkeypatch, "stock")
    assert names.count("Completed") == every.count("Completed") > 10
    assert names.count("Submitted") == 0 < every.count("Submitted")
    assert 0 < names.count("Accepted") < every.count("Accepted")  # stops rest


def test_who_overrides_what_is_told_hears_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    every = told(monkeypatch, "stock")
    assert told(monkeypatch, "fast", Ear) == every
    fast: list[Any] = []
    stock: list[Any] = []
    assert told(monkeypatch, "fast", notify_order=counted(fast)) == every
    run("stock", notify_order=counted(stock))
    assert fast == stock


def test_rows_are_the_same_whoever_listens() -> None:
    rows = [
        run(engine, *ears).analyzers.orderlog.frame().drop(columns="ref")
        for engine, *ears in (("fast",), ("fast", Ear), ("stock",))
    ]
    assert len(rows[0]) > 20
    for other in rows[1:]:
        pd.testing.assert_frame_equal(rows[0], other, check_exact=True)


def test_who_says_so() -> None:
    assert hears_last(OrderLog.__new__(OrderLog))
    assert not hears_last(Ear.__new__(Ear))
    louder = type("Louder", (OrderLog,), {"notify_order": lambda self, order: None})
    assert not hears_last(louder.__new__(louder))


# ------------------------------------------------------------------ verify


def notes(engine: str, verify: bool = False) -> list[Any]:
    """All that the strategy is told of its orders, of the first run where there are two."""
    runs: list[list[Any]] = []

    def start(self: Any) -> None:
        runs.append([])
        MeanReversion.start(self)

    def notify_order(self: Any, order: Any) -> None:
        runs[-1].append((order.getstatusname(), order.executed.size, order.executed.remsize, len(self)))
        MeanReversion.notify_order(self, order)

    run(engine, verify=verify, start=start, notify_order=notify_order, hears_last=True)
    assert len(runs) == 1 + verify
    return runs[0]


def test_under_verify_a_leaping_run_shortens_as_any_other() -> None:
    fast = notes("fast")
    assert len(fast) < len(notes("stock"))
    assert notes("fast", verify=True) == fast


def test_verify_is_silent_whether_notices_are_shortened_or_not() -> None:
    run("fast", verify=True)
    run("fast", Ear, verify=True)


def test_a_strategy_that_wants_more_than_it_says_is_named() -> None:
    def notify_order(self: Any, order: Any) -> None:
        MeanReversion.notify_order(self, order)
        if order.status == order.Accepted and order.exectype == order.Market:
            self.buy(size=1, exectype=order.Limit, price=1.0)

    run("fast", verify=True, notify_order=notify_order, hears_last=False)
    with pytest.raises(EngineError, match="if Heard needs every notice of an order, hears_last must not be True"):
        run("fast", verify=True, notify_order=notify_order, hears_last=True)


def test_an_analyzer_that_wants_more_than_it_says_is_named() -> None:
    with pytest.raises(EngineError, match="Deaf says that it leaps .*, or that it hears_last"):
        run("fast", type("Deaf", (Ear,), {"notify_order": Ear.notify_order, "hears_last": True}), verify=True)


@pytest.mark.parametrize("fault", ["says too little", "says too much", "says it wrong", "says it late"])
def test_a_fault_in_the_shortening_is_found(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    right = LeanHouse.say

    def say(self: Any) -> None:
        notices = list(self.notifs)
        if fault == "says too little":
            kept = [each for each in notices if type(each) is not Notice]
        elif fault == "says too much":
            kept = [each.order.clone() if type(each) is Notice else each for each in notices]
        elif fault == "says it late":
            kept = sorted(notices, key=lambda each: type(each) is Notice)
        else:
            right(self)
            for order in self.notifs:
                order.executed.remsize += 1
            return
        self.notifs.clear()
        self.notifs.extend(kept)
        right(self)

    monkeypatch.setattr(LeanHouse, "say", say)
    monkeypatch.setattr(cursor, "_made", WeakValueDictionary())  # classes made of its members before
    with pytest.raises(EngineError, match="leaping differs from stepping"):
        run("fast", verify=True)


def test_a_broker_that_comes_late_to_an_order_that_nobody_was_told_of_is_the_engines_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    due = HouseBroker._next_due
    monkeypatch.setattr(HouseBroker, "_next_due", lambda self, step: due(self, step) + bool(self._broker.submitted))
    with pytest.raises(EngineError, match=r"\(buy .*Accepted\) when stepping only; .* this is a fault of the engine"):
        run("fast", verify=True)
