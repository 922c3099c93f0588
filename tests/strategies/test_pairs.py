"""PairsTrading: one position of two legs, on a z-score that the test writes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import backtrader as bt
import numpy as np
import pandas as pd
import pytest

from core.errors import StrategyError
from strategies import PairsTrading

FREE: dict[str, Any] = {  # no gates, short windows
    "hedge_period": 3, "zscore_period": 2, "half_life_period": 4, "vol_period": 2, "time_stop": 0.0,
    "coint_max": 0.0, "correlation_min": 0.0, "half_life_min": 0.0, "half_life_max": 0.0,
}  # fmt: skip
FIRST = PairsTrading.bars_needed(FREE)  # the first bar that is decided on
SETTLED = {**FREE, "unit": "p"}


class Scripted(PairsTrading):
    """PairsTrading with the z-scores of ``script`` from bar FIRST on, and those of ``before`` on the bars before it."""

    script: list[float] = []
    before: list[float] = []

    def z(self) -> float:
        at = len(self.data) - FIRST
        if at < 0:
            return self.before[at] if -at <= len(self.before) else math.nan
        return self.script[at] if at < len(self.script) else 0.0

    def units_of_x(self, plans: list[Any]) -> float:
        return 2.0

    def blocked(self, z: float) -> str:
        return ("spread_stop", z) if self._stopped else None


def scripted(*script: float, before: Sequence[float] = ()) -> type[PairsTrading]:
    body = {"script": list(script), "before": list(before), "__module__": __name__}
    return type(Scripted)("Scripted", (Scripted,), body)


def legs(bars: Any, length: int = 12, **y_columns: Any) -> list[tuple[str, str, pd.DataFrame]]:
    """y at 100, x at 50, with a little life in them; both at the close before for their opens."""
    wobble = np.arange(FIRST + length) % 2 * 0.5
    return [("p/Y", "p", bars(100.0 + wobble, **y_columns)), ("p/X", "p", bars(50.0 + wobble[::-1]))]


def done(strategy: Any) -> list[tuple[int, str, str, float, str]]:
    """(bar - FIRST, leg, role, size, reason) of each completed order."""
    return [(e.bar - FIRST, e.data[-1], e.role, e.size, e.reason) for e in strategy.events if e.status == "Completed"]


def roles(strategy: Any) -> list[tuple[int, str, str, str]]:
    return [(bar, leg, role, reason) for bar, leg, role, _, reason in done(strategy)]


def test_a_dear_spread_sells_y_and_buys_x_and_leaves_at_the_mean(run: Any, bars: Any, runonce: bool) -> None:
    strategy = run(legs(bars), [(scripted(0, 2.1, 1.0, 0.4), SETTLED)], runonce=runonce)[0]
    # a unit of y (100 or 100.5) with 2 x loses 20 at the disaster stops 10% away: 2% of 100,000 = 2,000 -> 99 or 100 y
    filled = done(strategy)
    y = abs(filled[0][3])
    assert y in (99.0, 100.0)
    assert filled == [
        (2, "Y", "entry", -y, "ols"), (2, "X", "entry", 2 * y, "ols"),
        (4, "Y", "exit", y, "mean"), (4, "X", "exit", -2 * y, "mean"),
    ]  # fmt: skip
    trade_ids = {event.trade for event in strategy.events}
    assert len(trade_ids) == 1 and trade_ids.pop().startswith("p@2020")


def test_a_cheap_spread_is_the_mirror_image(run: Any, bars: Any, runonce: bool) -> None:
    strategy = run(legs(bars), [(scripted(0, -2.1, -1.0, -0.4), SETTLED)], runonce=runonce)[0]
    filled = done(strategy)
    assert [np.sign(size) for *_, size, _ in filled] == [1, -1, -1, 1]
    assert [bar for bar, *_ in filled] == [2, 2, 4, 4]


def test_disaster_stops_rest_at_the_broker(run: Any, bars: Any) -> None:
    strategy = run(legs(bars), [(scripted(0, 2.1, *[1.0] * 20), SETTLED)])[0]
    resting = {order.data._name: order for order in strategy.broker.pending if order.alive()}
    close_y, close_x = strategy.y.close.array[FIRST], strategy.x.close.array[FIRST]  # bar FIRST + 1
    assert resting["p/Y"].isbuy() and resting["p/Y"].created.price == pytest.approx(close_y * 1.10)
    assert resting["p/X"].issell() and resting["p/X"].created.price == pytest.approx(close_x * 0.90)
    assert {order.info.reason for order in resting.values()} == {"disaster_stop"}
    assert {order.info.batch for order in resting.values()} == {strategy.holdings["p/Y"].trade}
    assert {order.info.batch_size for order in resting.values()} == {2}


def test_entry_on_the_crossing_only(run: Any, bars: Any) -> None:
    strategy = run(legs(bars), [(scripted(2.5, 2.4, 2.3, 1.9, 2.2, 0.1), SETTLED)])[0]
    # 2.5 is the first z that is known: no bar before it, so it counts as a crossing
    assert [bar for bar, *_ in done(strategy)] == [1, 1, 6, 6]


def test_bars_before_the_first_decision_are_not_forgotten(run: Any, bars: Any, runonce: bool) -> None:
    # the spread was stretched already: 2.5 is no crossing, as it would be none for a program that ran all along
    stretched = run(legs(bars), [(scripted(2.5, 1.9, 2.2, 0.1, before=[2.3]), SETTLED)], runonce=runonce)[0]
    assert [bar for bar, *_ in done(stretched)] == [3, 3, 4, 4]
    # it has been at the stop and not back within 0.5 since, then it has
    stopped = run(legs(bars), [(scripted(2.5, 0.1, before=[0.0, 4.1, 1.0]), SETTLED)], runonce=runonce)[0]
    assert not stopped.events
    back = run(legs(bars), [(scripted(2.5, 0.1, before=[4.1, 0.4, 1.0]), SETTLED)], runonce=runonce)[0]
    assert [bar for bar, *_ in done(back)] == [1, 1, 2, 2]


def test_a_bar_without_a_z_score_is_no_crossing_and_stops_no_clock(run: Any, bars: Any) -> None:
    nan = math.nan
    assert not run(legs(bars), [(scripted(2.5, nan, 2.5, 0.1, before=[2.3]), SETTLED)])[0].events
    timed = {**SETTLED, "time_stop": 1.5, "half_life_min": 2.0, "half_life_max": 2.0}
    strategy = run(legs(bars), [(scripted(0, 2.1, *[nan] * 9), timed)])[0]
    assert [(bar, reason) for bar, _, role, reason in roles(strategy) if role == "exit"] == [(6, "time")] * 2


def test_spread_stop_and_no_entry_until_back_inside(run: Any, bars: Any) -> None:
    script = (0, 2.1, 4.2, 1.5, 2.5, 0.3, 2.2, 0.1)
    strategy = run(legs(bars), [(scripted(*script), SETTLED)])[0]
    assert roles(strategy) == [
        (2, "Y", "entry", "ols"), (2, "X", "entry", "ols"),
        (3, "Y", "exit", "spread_stop"), (3, "X", "exit", "spread_stop"),
        # 2.5 crosses the entry level on bar 4 and is left alone; 0.3 on bar 5 clears the way for 2.2
        (7, "Y", "entry", "ols"), (7, "X", "entry", "ols"),
        (8, "Y", "exit", "mean"), (8, "X", "exit", "mean"),
    ]  # fmt: skip


def test_time_stop(run: Any, bars: Any, runonce: bool) -> None:
    timed = {**SETTLED, "time_stop": 1.5, "half_life_min": 2.0, "half_life_max": 2.0}
    strategy = run(legs(bars), [(scripted(0, *[2.1] * 9), timed)], runonce=runonce)[0]
    # filled on 2, 3 bars old on 5, out on 6
    assert [(bar, reason) for bar, _, role, reason in roles(strategy) if role == "exit"] == [(6, "time")] * 2


def test_disaster_stop_of_one_leg_closes_the_other(run: Any, bars: Any, runonce: bool) -> None:
    datas = legs(bars)
    datas[0][2].iloc[FIRST + 3 - 1, 1] = 120.0  # high of y on bar FIRST + 3: the short's stop at some 110 is hit
    strategy = run(datas, [(scripted(0, *[2.1] * 9), SETTLED)], runonce=runonce)[0]
    assert roles(strategy) == [
        (2, "Y", "entry", "ols"), (2, "X", "entry", "ols"),
        (3, "Y", "stop", "disaster_stop"), (4, "X", "exit", "other_leg"),
    ]  # fmt: skip
    assert not strategy.holdings


class Refusing(bt.brokers.BackBroker):
    """Refuses the entries of one data, as a gate does: Rejected before Accepted."""

    refused = "p/X"

    def submit(self, order: bt.Order, check: bool = True) -> bt.Order:
        if order.data._name == self.refused and order.info.role == "entry":
            order.reject(self)
            self.notify(order)
            return order
        return super().submit(order, check)


@pytest.mark.parametrize("refused", ["p/X", "p/Y"])
def test_a_refused_leg_takes_the_other_with_it(run: Any, bars: Any, runonce: bool, refused: str) -> None:
    broker = Refusing()
    broker.refused = refused
    strategy = run(legs(bars), [(scripted(0, 2.1, 1.5, 1.2), SETTLED)], runonce=runonce, broker=broker)[0]
    # the other leg fills on the bar on which the refusal is told (orders of stock backtrader are not judged together),
    # and is closed on the next
    other = "Y" if refused == "p/X" else "X"
    assert roles(strategy) == [(2, other, "entry", "ols"), (3, other, "exit", "other_leg")]
    assert not strategy.holdings and all(not position.size for position in broker.positions.values())


def test_a_leg_that_is_not_filled_in_time_unwinds_the_pair(run: Any, bars: Any, runonce: bool) -> None:
    broker = bt.brokers.BackBroker(filler=lambda order, price, ago: _sold_out(order))
    strategy = run(legs(bars), [(scripted(0, *[2.1] * 9), SETTLED)], runonce=runonce, broker=broker)[0]
    # y is filled on 2; x fills nothing on 2, 3 and 4; y is two bars old on 4: x's entry is cancelled, y closed on 5
    assert roles(strategy) == [(2, "Y", "entry", "ols"), (5, "Y", "exit", "other_leg")]
    assert [e.status for e in strategy.events if e.data == "p/X" and e.role == "entry"][-1] == "Canceled"
    assert not strategy.holdings


def test_a_pair_that_fills_in_parts_is_unwound_in_time(run: Any, bars: Any, runonce: bool) -> None:
    # a quarter of y on each bar and nothing of x: neither entry is complete when the first fill is two bars old
    def filler(order: bt.Order, price: float, ago: int) -> float:
        if order.info.role == "entry":
            return 0.0 if order.data._name == "p/X" else 25.0
        return abs(order.executed.remsize)

    broker = bt.brokers.BackBroker(filler=filler)
    strategy = run(legs(bars), [(scripted(0, *[2.1] * 9), SETTLED)], runonce=runonce, broker=broker)[0]
    # 25 units on 2, 3 and 4; closed on 5
    assert done(strategy) == [(5, "Y", "exit", 75.0, "other_leg")]
    assert not strategy.holdings and all(not position.size for position in broker.positions.values())


def _sold_out(order: bt.Order) -> float:
    return 0.0 if order.data._name == "p/X" else abs(order.executed.remsize)


def test_a_pair_acts_on_common_bars_only(run: Any, bars: Any, runonce: bool) -> None:
    datas = legs(bars)
    gap = datas[1][2].drop(datas[1][2].index[[FIRST + 1, FIRST + 2]])  # x misses bars FIRST + 2 and FIRST + 3 of y
    strategy = run([datas[0], ("p/X", "p", gap)], [(scripted(0, 0, 0, 0, 0), SETTLED)], runonce=runonce)[0]
    skipped = {FIRST + 2, FIRST + 3}
    assert skipped.isdisjoint(strategy.decisions)
    assert {FIRST, FIRST + 1, FIRST + 4} <= set(strategy.decisions) | {FIRST, FIRST + 1}
    assert len(strategy.decisions) == len(set(strategy.decisions))


def test_other_units_bars_do_not_reach_a_pair(run: Any, bars: Any, runonce: bool) -> None:
    hours = bars(np.full(900, 7.0))
    hours.index = pd.date_range("2020-01-01", periods=900, freq="h")
    alone = run(legs(bars), [(scripted(0, 2.1, 1.0, 0.4), SETTLED)], runonce=runonce)[0]
    crowd = run([("o/Z", "o", hours), *legs(bars)], [(scripted(0, 2.1, 1.0, 0.4), SETTLED)], runonce=runonce)[0]
    assert crowd.decisions == alone.decisions and done(crowd) == done(alone) != []


def test_several_pairs_in_one_cerebro(run: Any, bars: Any, walk: Callable[..., np.ndarray], runonce: bool) -> None:
    spread, x, z = walk(3), walk(4), walk(5)
    named = {"Y": bars(0.5 * spread + x), "X": bars(x), "Z": bars(z + 0.3 * spread)}
    parameters = {
        **FREE, "hedge_period": 20, "zscore_period": 20, "half_life_period": 20, "half_life_max": 99.0, "entry_z": 1.5
    }  # fmt: skip
    datas = [(f"{unit}/{s}", unit, named[s]) for unit, pair in (("one", "YX"), ("two", "ZX")) for s in pair]
    allotted = [(PairsTrading, {**parameters, "unit": u, "allotment_eur": 50_000.0}) for u in ("one", "two")]
    one, two = run(datas, allotted, runonce=runonce, cash=1_000_000.0)
    assert len(one.events) > 50 and len(two.events) > 50
    for strategy, unit, pair in ((one, "one", "YX"), (two, "two", "ZX")):
        assert {event.data for event in strategy.events} == {f"{unit}/{leg}" for leg in pair}
        chosen = [data for data in datas if data[1] == unit]
        alone = run(chosen, [a for a in allotted if a[1]["unit"] == unit], runonce=runonce, cash=1_000_000.0)[0]
        assert alone.events == strategy.events


def test_no_entry_on_a_hedge_ratio_that_is_not_positive(run: Any, bars: Any, walk: Callable[..., np.ndarray]) -> None:
    x = walk(4)
    parameters = {**FREE, "hedge_period": 60, "zscore_period": 20, "entry_z": 1.0, "unit": "p"}
    against = run([("p/Y", "p", bars(300 - x)), ("p/X", "p", bars(x))], [(PairsTrading, parameters)])[0]
    assert not against.events


@pytest.mark.parametrize(
    "gate",
    [
        {"coint_max": 1e-12, "coint_period": 60},
        {"half_life_min": 500.0, "half_life_max": 600.0},
        {"correlation_min": 1.0, "correlation_period": 20},
    ],
    ids=["cointegration", "half_life", "correlation"],
)
def test_gates_block(run: Any, bars: Any, walk: Callable[..., np.ndarray], gate: dict[str, float]) -> None:
    x = walk(4)
    datas = [("p/Y", "p", bars(0.5 * walk(3) + x)), ("p/X", "p", bars(x))]
    parameters = {**FREE, "hedge_period": 20, "zscore_period": 20, "entry_z": 1.5, "unit": "p"}
    assert run(datas, [(PairsTrading, parameters)])[0].events
    assert not run(datas, [(PairsTrading, {**parameters, **gate})])[0].events


@pytest.mark.parametrize(
    ("name", "gate"),
    [
        ("coint", {"coint_max": 1.0, "coint_period": 60}),
        ("half_life", {"half_life_max": 1e9}),
        ("correlation", {"correlation_min": 1e-9, "correlation_period": 20}),
    ],
)
def test_a_gate_without_a_value_blocks(
    run: Any, bars: Any, walk: Callable[..., np.ndarray], name: str, gate: dict[str, float]
) -> None:
    class Blind(PairsTrading):
        def decide(self) -> None:
            getattr(self, name).lines[0][0] = math.nan
            super().decide()

    x = walk(4)
    datas = [("p/Y", "p", bars(0.5 * walk(3) + x)), ("p/X", "p", bars(x))]
    parameters = {**FREE, "hedge_period": 20, "zscore_period": 20, "entry_z": 1.5, "unit": "p", **gate}
    assert run(datas, [(PairsTrading, parameters)])[0].events
    assert not run(datas, [(Blind, parameters)])[0].events


def test_loss_of_cointegration_closes_the_pair(run: Any, bars: Any, walk: Callable[..., np.ndarray]) -> None:
    x = walk(4)
    datas = [("p/Y", "p", bars(0.5 * walk(3) + x)), ("p/X", "p", bars(x))]
    parameters = {
        **FREE, "hedge_period": 20, "zscore_period": 20, "entry_z": 1.5, "exit_z": 0.0, "unit": "p",
        "coint_max": 0.2, "coint_exit": 0.2, "coint_period": 60,
    }  # fmt: skip
    strategy = run(datas, [(PairsTrading, parameters)])[0]
    closed = [e for e in strategy.events if e.role == "exit" and e.status == "Completed"]
    assert "cointegration" in {e.reason for e in closed}


def test_beta_in_units_and_in_values(run: Any, bars: Any, walk: Callable[..., np.ndarray]) -> None:
    x = walk(4)
    for log, neutrality in ((True, "beta"), (False, "beta"), (False, "dollar")):
        parameters = {
            **FREE, "hedge_period": 60, "zscore_period": 20, "entry_z": 1.5, "log_prices": log, "unit": "p",
            "neutrality": neutrality,
        }  # fmt: skip
        datas = [("p/Y", "p", bars(2.0 * x + 0.5 * walk(3))), ("p/X", "p", bars(x))]
        strategy = run(datas, [(PairsTrading, parameters)])[0]
        entries = [e for e in strategy.events if e.role == "entry" and e.status == "Completed"]
        ratios = [-b.size / a.size for a, b in zip(entries[::2], entries[1::2], strict=True)]
        # y = 2 x + 50 and so: two units of x (values nearly alike) hedge one of y; equal money is some 2.5 x for one y
        assert np.median(ratios) == pytest.approx(2.5 if neutrality == "dollar" else 2.0, rel=0.15)


def test_without_disaster_stops_nothing_rests_at_the_broker(run: Any, bars: Any, runonce: bool) -> None:
    chosen = {**SETTLED, "disaster_stop": 0.0}
    strategy = run(legs(bars), [(scripted(0, 2.1, 1.0, 0.4), chosen)], runonce=runonce)[0]
    assert [row[1:3] for row in done(strategy)] == [("Y", "entry"), ("X", "entry"), ("Y", "exit"), ("X", "exit")]
    assert {event.role for event in strategy.events} == {"entry", "exit"}


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"exit_z": 2.0}, "exit_z 2.0 is not below entry_z 2.0"),
        ({"stop_z": 1.5}, "stop_z 1.5 is not above entry_z 2.0"),
        ({"half_life_min": 40.0}, "half_life_min 40.0 is above half_life_max 30.0"),
        ({"half_life_max": 0.0}, "time_stop needs half_life_max"),
        ({"coint_exit": 0.05}, "coint_exit 0.05 is below coint_max"),
        ({"hedge": "olz"}, "did you mean 'ols'"),
        ({"disaster_stop": 1.0}, "disaster_stop"),
    ],
)
def test_impossible_values(given: dict[str, Any], text: str) -> None:
    with pytest.raises(StrategyError, match=text):
        PairsTrading.check(given)
