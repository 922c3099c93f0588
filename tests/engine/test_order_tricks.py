"""Orders that our strategies never send but anybody's may: the gate and the books hold. Values by hand."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import backtrader as bt
import pandas as pd
import pytest

from core.errors import EngineError
from core.orders import Refusal, Role
from core.settings import Settings
from engine.sim_broker import SimBroker
from feeds import ColumnarData

Act = Callable[[Any], Any]
Limit, Stop, StopLimit, Close, Market = (
    getattr(bt.Order, name) for name in ("Limit", "Stop", "StopLimit", "Close", "Market")
)
OPEN_GATE = {  # every limit off but the kill switch
    "throttle": {"enabled": False}, "max_trade_risk": None, "max_trade_notional": None, "max_gross_exposure": None,
    "max_net_exposure": None, "max_daily_loss": None, "max_weekly_loss": None,
}  # fmt: skip


def desk(**changes: Any) -> Settings:
    """A frictionless EUR desk of 10,000 with two EUR instruments and no gate; ``changes`` replace whole tables."""
    euro = {"currency": "EUR", "schedule": "none", "borrow_rate": 0.01}
    tables: dict[str, Any] = {
        "instruments": {"AAA": euro, "BBB": euro},
        "strategies": {"one": {"strategy": "MeanReversion", "instruments": ["AAA"]}},
        "account": {"capital": 10_000.0, "initial_margin": 0.01},
        "costs": {"enabled": False},
        "risk": {"enabled": False},
    }
    return Settings.model_validate({**tables, **changes})


def bars(*rows: tuple[float, float, float, float], volume: float = 1e6) -> pd.DataFrame:
    """Daily bars from (open, high, low, close)."""
    index = pd.bdate_range("2020-01-02", periods=len(rows), tz="UTC") + pd.Timedelta("21h")
    return pd.DataFrame(rows, columns=["open", "high", "low", "close"], index=index, dtype=float).assign(volume=volume)


def flat(*prices: float, volume: float = 1e6) -> pd.DataFrame:
    return bars(*((p, p, p, p) for p in prices), volume=volume)


class Scripted(bt.Strategy):
    """Calls ``script[n](self)`` on bar n (1 = the first) and keeps the last state of every order."""

    params = (("script", None),)

    def __init__(self) -> None:
        self.orders: dict[int, bt.Order] = {}  # number of the order -> its last notification

    def notify_order(self, order: bt.Order) -> None:
        self.orders[order.ref] = order

    def next(self) -> None:
        for act in (self.p.script or {}).get(len(self), ()):
            act(self)

    def status(self, ref: int) -> str:
        return str(self.orders[ref].getstatusname())


def run(settings: Settings, script: dict[int, list[Act]], frames: dict[str, pd.DataFrame], **options: Any) -> Scripted:
    """Run ``script`` on one data for each frame; keys are ``"unit/SYMBOL"`` or ``"SYMBOL"``."""
    bt.Order.refbasis = itertools.count(1)
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.setbroker(SimBroker(settings=settings, **options))
    for key, frame in frames.items():
        unit, _, symbol = key.rpartition("/")
        data = ColumnarData(dataname=frame)
        data.unit, data.symbol, data.instrument = unit or "one", symbol, settings.instruments[symbol]
        cerebro.adddata(data, name=key)
    cerebro.addstrategy(Scripted, script=script)
    strategy: Scripted = cerebro.run()[0]
    return strategy


def bracket(**kwargs: Any) -> Act:
    """Buy at market with a stop and no target."""
    return lambda s: s.buy_bracket(exectype=Market, limitexec=None, **kwargs)


# --------------------------------------------------------------------------- children


def test_a_child_that_adds_to_its_parent_keeps_its_own_size() -> None:
    def act(s: Scripted) -> None:
        parent = s.buy(size=10, transmit=False)
        s.buy(size=5, parent=parent)

    strategy = run(desk(), {1: [act]}, {"AAA": flat(100, 100, 100, 100)})
    assert strategy.position.size == 15 and not strategy.broker.pending


def test_a_child_on_another_data_keeps_its_own_size() -> None:
    def act(s: Scripted) -> None:
        parent = s.buy(data=s.datas[0], size=10, transmit=False)
        s.sell(data=s.datas[1], size=3, parent=parent)

    strategy = run(desk(), {1: [act]}, {"AAA": flat(10, 10, 10, 10), "BBB": flat(10, 10, 10, 10)})
    assert [strategy.getposition(data).size for data in strategy.datas] == [10, -3]


def test_a_stop_that_fills_cancels_a_purchase_in_its_group() -> None:
    """The purchase at 90 is in the OCA group of the stop at 95: the stop fills, so nothing may be bought."""

    def join(s: Scripted) -> None:
        stop = next(order for order in s.broker.pending if order.exectype == Stop)
        s.buy(size=7, exectype=Limit, price=90, oco=stop)

    frame = bars((100, 100, 100, 100), (100, 100, 100, 100), (100, 100, 93, 94), (94, 94, 80, 85))
    strategy = run(desk(), {1: [bracket(size=10, stopprice=95)], 2: [join]}, {"AAA": frame})
    assert (strategy.status(3), strategy.position.size) == ("Canceled", 0)


def test_a_stop_put_back_alone_stays_under_an_exit_that_fills_in_part() -> None:
    """10 held under a stop without a parent; the exit in its group sells 4 and is cancelled: the stop sells the 6."""
    costs = {"slippage": {"model": "volume_share", "volume_limit": 1.0, "price_impact": 0.0}}
    script: dict[int, list[Act]] = {
        1: [lambda s: s.buy(size=10)],
        2: [lambda s: s.sell(size=10, exectype=Stop, price=95, role=Role.STOP)],
        3: [lambda s: s.close(oco=s.broker.pending[0])],
        4: [lambda s: s.cancel(next(o for o in s.broker.pending if o.exectype == Market))],
    }
    frame = flat(100, 100, 100, 100, 90, 90)
    frame["volume"] = [100, 100, 100, 4, 100, 100]
    strategy = run(desk(costs=costs), script, {"AAA": frame})
    assert [strategy.status(ref) for ref in (2, 3)] == ["Completed", "Canceled"]
    assert strategy.position.size == 0 and not strategy.broker.pending


# --------------------------------------------------------------------------- sizes and prices


@pytest.mark.parametrize("risk", [{"enabled": False}, OPEN_GATE])
@pytest.mark.parametrize("size", [-10, float("nan"), float("inf")])
def test_a_size_that_is_not_a_positive_number_is_refused_with_and_without_a_gate(risk: Any, size: float) -> None:
    script = {1: [lambda s: s.broker.buy(s, s.data, size)]}
    strategy = run(desk(risk=risk), script, {"AAA": flat(10, 10, 10)})
    assert (strategy.status(1), strategy.orders[1].info.refusal) == ("Rejected", Refusal.INVALID)


@pytest.mark.parametrize(
    ("side", "order"),
    [
        ("sell", {"exectype": Limit, "price": 1.0}),
        ("sell", {"exectype": StopLimit, "price": 200.0, "plimit": 1.0}),
        ("buy", {"exectype": Stop, "price": 1.0}),
    ],
)
def test_an_order_that_would_fill_at_once_counts_at_the_last_close(side: str, order: dict[str, Any]) -> None:
    """Half of 10,000 for a trade at 100: 50 units pass, 51 do not, whatever price the order names."""
    gate = {**OPEN_GATE, "max_trade_notional": 0.5}
    script = {1: [lambda s: getattr(s, side)(size=51, **order)], 2: [lambda s: getattr(s, side)(size=50, **order)]}
    strategy = run(desk(risk=gate), script, {"AAA": flat(100, 100, 100, 100)})
    assert (strategy.status(1), strategy.orders[1].info.refusal) == ("Rejected", Refusal.TRADE_NOTIONAL)
    assert abs(strategy.position.size) == 50


def test_what_rounding_leaves_of_a_short_is_no_position() -> None:
    """0.1 + 0.2 - 0.3 is 5.6e-17: nothing to borrow, nothing to count."""
    script: dict[int, list[Act]] = {
        1: [lambda s: s.sell(size=0.1)], 2: [lambda s: s.sell(size=0.2)], 3: [lambda s: s.buy(size=0.3)]
    }  # fmt: skip
    strategy = run(desk(costs={}), script, {"AAA": flat(100, 100, 100, 100, 100, 100)})
    assert strategy.position.size == 0
    assert [row.size for row in strategy.broker.account.trades] == [pytest.approx(0.3)]


# --------------------------------------------------------------------------- the kill switch

KILL = {**OPEN_GATE, "kill_switch": {"max_drawdown": 0.1, "flatten": True}}  # 10 units from 400 to 200 lose 20%


def test_a_kill_flattens_a_position_whose_stop_is_no_child() -> None:
    script: dict[int, list[Act]] = {
        1: [lambda s: s.buy(size=10)],
        2: [lambda s: s.sell(size=10, exectype=Stop, price=50)],
    }
    strategy = run(desk(risk=KILL), script, {"AAA": flat(400, 400, 400, 200, 190, 190)})
    (row,) = strategy.broker.account.trades
    assert (row.exit_price, row.exit_reason) == (190, "kill")
    assert strategy.status(2) == "Canceled" and not strategy.broker.pending


def test_a_kill_cancels_what_would_open_after_the_flatten() -> None:
    """The bracket's stop covers the 10 held; the sale of 5 at 500 would be a short once they are gone."""
    script: dict[int, list[Act]] = {
        1: [bracket(size=10, stopprice=50)],
        2: [lambda s: s.sell(size=5, exectype=Limit, price=500)],
    }
    strategy = run(desk(risk=KILL), script, {"AAA": flat(400, 400, 400, 200, 190, 600, 600)})
    assert strategy.status(3) == "Canceled"
    assert strategy.position.size == 0 and not strategy.broker.pending


def test_a_kill_trims_stops_that_cover_more_than_the_position() -> None:
    """10 held under stops of 8 and 5: exits of 8 and 2 pass the gate, and the second stop ends with its exit."""
    script: dict[int, list[Act]] = {
        1: [lambda s: s.buy(size=10)],
        2: [lambda s: [s.sell(size=size, exectype=Stop, price=50) for size in (8, 5)]],
    }
    strategy = run(desk(risk=KILL), script, {"AAA": flat(400, 400, 400, 200, 190, 10, 10)})
    (row,) = strategy.broker.account.trades
    assert (row.size, row.exit_price) == (10, 190)
    assert strategy.position.size == 0 and not strategy.broker.pending


def test_a_kill_cancels_a_child_that_adds() -> None:
    def act(s: Scripted) -> None:
        parent = s.buy(size=10, transmit=False)
        s.buy(size=5, exectype=Limit, price=150, parent=parent)

    gate = {**KILL, "kill_switch": {"max_drawdown": 0.1, "flatten": False}}
    strategy = run(desk(risk=gate), {1: [act]}, {"AAA": flat(400, 400, 400, 200, 100, 100)})
    assert (strategy.status(2), strategy.position.size) == ("Canceled", 10)


# --------------------------------------------------------------------------- the order of a bar


def test_a_close_order_fills_after_the_range() -> None:
    """The bar touches the stop at 95 before it closes at 105: the exit at the close comes too late."""
    script: dict[int, list[Act]] = {
        1: [bracket(size=10, stopprice=95)],
        2: [lambda s: s.close(exectype=Close, oco=next(o for o in s.broker.pending if o.exectype == Stop))],
    }
    frame = bars((100, 100, 100, 100), (100, 100, 100, 100), (100, 110, 90, 105), (105, 105, 105, 105))
    strategy = run(desk(), script, {"AAA": frame})
    assert [row.exit_price for row in strategy.broker.account.trades] == [95]


def test_a_position_that_began_in_the_range_does_not_see_what_was_before() -> None:
    """Bought at the trigger 105, sold at the close 106 of the same bar: its low of 90 may have been before."""
    script: dict[int, list[Act]] = {
        1: [lambda s: s.buy(size=1, exectype=Stop, price=105), lambda s: s.sell(size=1)],
    }
    frame = bars((100, 100, 100, 100), (100, 110, 90, 106), (106, 106, 106, 106))
    strategy = run(desk(execution="next_close"), script, {"AAA": frame})
    (row,) = strategy.broker.account.trades
    assert (row.gross_eur, row.mae_eur, row.mfe_eur) == (1.0, 0.0, 1.0)


def test_the_units_of_an_instrument_share_the_volume_of_a_bar() -> None:
    """10% of 100: six go to the first unit, four to the second, whose impact is that of all ten (as in zipline)."""
    costs = {"slippage": {"model": "volume_share", "volume_limit": 0.1, "price_impact": 0.1}}
    script: dict[int, list[Act]] = {1: [lambda s: [s.buy(data=data, size=6) for data in s.datas]]}
    frames = {"one/AAA": flat(10, 10, volume=100), "two/AAA": flat(10, 10, volume=100)}
    strategy = run(desk(costs=costs), script, frames)
    opened = [(row.size, row.entry_price) for row in strategy.broker.account.open_trades()]
    assert opened == [(6, pytest.approx(10 * (1 + 0.1 * 0.06**2))), (4, pytest.approx(10 * (1 + 0.1 * 0.10**2)))]


# --------------------------------------------------------------------------- orders for the day


@pytest.mark.parametrize("order", [{}, {"exectype": Limit, "price": 10.0}])
def test_a_day_order_ends_with_its_session(order: dict[str, Any]) -> None:
    """10 of 25 fill on the first day that it meets; its stop stays with them."""
    costs = {"slippage": {"model": "volume_share", "volume_limit": 0.1, "price_impact": 0.0}}

    def act(s: Scripted) -> None:
        parent = s.buy(size=25, valid=bt.Order.DAY, transmit=False, **order)
        s.sell(size=25, exectype=Stop, price=5, parent=parent)

    strategy = run(desk(costs=costs), {1: [act]}, {"AAA": flat(10, 10, 10, 10, volume=100)})
    assert (strategy.status(1), strategy.position.size) == ("Expired", 10)
    assert [(o.ref, o.executed.remsize) for o in strategy.broker.pending] == [(2, -10)]


def test_a_day_order_does_not_wait_for_a_data_without_a_bar_in_its_session() -> None:
    """BBB has no bar on the third day: what is ordered after the second must not fill on the fourth."""
    frames = {"AAA": flat(10, 10, 10, 10), "BBB": flat(10, 10, 10, 10).drop(flat(10, 10, 10).index[2])}
    script: dict[int, list[Act]] = {2: [lambda s: s.buy(data=s.datas[1], size=1, valid=bt.Order.DAY)]}
    strategy = run(desk(), script, frames)
    assert (strategy.status(1), strategy.getposition(strategy.datas[1]).size) == ("Expired", 0)


def test_a_day_order_works_until_the_close_of_an_intraday_session() -> None:
    """Two hourly bars a session (close at 21:00 UTC): sent after the first one it meets the second one only."""
    costs = {"slippage": {"model": "volume_share", "volume_limit": 0.1, "price_impact": 0.0}}
    times = pd.DatetimeIndex(["2020-01-02 20:00", "2020-01-02 21:00", "2020-01-03 20:00", "2020-01-03 21:00"], tz="UTC")
    frame = flat(10, 10, 10, 10, volume=100).set_axis(times)
    script: dict[int, list[Act]] = {1: [lambda s: s.buy(size=25, valid=bt.Order.DAY)]}
    assert run(desk(costs=costs), script, {"AAA": frame}).position.size == 10
    script = {2: script[1]}
    assert run(desk(costs=costs), script, {"AAA": frame}).position.size == 20


# --------------------------------------------------------------------------- what the settings decide alone


@pytest.mark.parametrize("option", [{"coc": True}, {"coo": True}, {"slip_perc": 0.01}, {"filler": lambda *_: 1}])
def test_options_of_the_stock_broker_are_refused_beside_settings(option: dict[str, Any]) -> None:
    with pytest.raises(EngineError, match=next(iter(option))):
        run(desk(), {}, {"AAA": flat(10, 10)}, **option)


@pytest.mark.parametrize("scheme", [{"commission": 0.001}, {"margin": 50.0, "mult": 10.0}, {"leverage": 2.0}])
def test_commission_schemes_are_refused_beside_settings(scheme: dict[str, float]) -> None:
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.setbroker(SimBroker(settings=desk()))
    cerebro.broker.setcommission(**scheme)
    with pytest.raises(EngineError, match="setcommission"):
        cerebro.broker.start()


def test_a_deposit_is_refused_beside_settings() -> None:
    with pytest.raises(EngineError, match="account.capital"):
        run(desk(), {1: [lambda s: s.broker.add_cash(100.0)]}, {"AAA": flat(10, 10)})
