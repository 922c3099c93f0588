"""Who hears of an order on its way: those who say that the last word is enough do not, all others hear everything."""

from __future__ import annotations

from typing import Any

import backtrader as bt
import numpy as np
import pandas as pd
import pytest

from analyzers import OrderLog
from core.calendar import ExchangeCalendar
from core.leaping import hears_last
from core.settings import Settings
from engine import SimBroker, build
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


def run(engine: str, *ears: type, log: type = OrderLog, **members: Any) -> Any:
    kind = type("Heard", (MeanReversion,), {"__module__": __name__, **members})
    cerebro = build(SETTINGS.model_copy(update={"engine": engine}), history(), SimBroker(settings=SETTINGS))
    cerebro.strats = [[(kind, *args[1:])] for (args,) in cerebro.strats]
    for ear in ears:
        cerebro.addanalyzer(ear)
    strategy = cerebro.run()[0]
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
