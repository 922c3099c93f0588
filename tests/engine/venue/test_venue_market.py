"""The gateway's market within a backtest: slippage, quotes, what it costs to pass bars over, history and settings."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pytest
from backtrader import Order
from contracted.on_bars import run_on_bars
from contracted.on_market import ActedVenue, run_on_market
from contracted.scenario import Outcome, Scenario, settings_of
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import EngineError
from engine.brokers import make_broker
from engine.sim_broker import SimBroker
from feeds import History

ROWS = [("14:30:01", 10.0), ("14:31:01", 10.0), ("14:32:01", 10.0), ("14:33:01", 10.0)]
BPS = {"costs": {"slippage": {"model": "bps", "bps": 10.0}}}


def one(rows: Any, act: Any, **more: Any) -> Outcome:
    return run_on_market(Scenario({"A": rows}, act if isinstance(act, dict) else {1: act}, **more))


# ---------------------------------------------------------------------- slippage


def test_a_market_order_on_bars_slips_as_the_settings_say() -> None:
    out = one(ROWS, lambda s: s.send("buy", 100), settings=BPS)
    assert out.filled_at("buy") == [("14:31:00", 100, 10.01)]
    account = out.broker.account
    assert account.costs["slippage"] == pytest.approx(100 * 0.01 * 0.90)
    assert account.open_trades()[0].gross_eur == pytest.approx(0.0)  # at unslipped prices


def test_a_limit_order_that_rests_does_not_slip_and_none_slips_beyond_its_limit() -> None:
    rows = [*ROWS[:1], ("14:31:01", 10.0, 10.0, 9.9, 9.95), *ROWS[2:]]

    def act(s: Any) -> None:
        s.send("rests", 100, exectype=Order.Limit, price=9.9)
        s.send("crosses", 100, exectype=Order.Limit, price=10.0)

    out = one(rows, act, settings=BPS)
    assert out.filled_at("rests") == [("14:31:01", 100, 9.9)]
    assert out.filled_at("crosses") == [("14:31:00", 100, 10.0)]


def test_a_limit_order_that_has_rested_does_not_slip_where_the_price_jumps_over_it() -> None:
    rows = [*ROWS[:2], ("14:31:02", 10.0), ("14:31:10", 9.8), *ROWS[2:]]
    out = one(rows, lambda s: s.send("buy", 100, exectype=Order.Limit, price=9.9), settings=BPS)
    assert out.filled_at("buy") == [("14:31:09", 100, 9.8)]


def test_a_stop_slips() -> None:
    rows = [*ROWS[:1], ("14:31:01", 10.0, 10.0, 9.85, 9.9), *ROWS[2:]]
    out = one(rows, lambda s: s.send("stop", -100, exectype=Order.Stop, price=9.9), settings=BPS)
    assert out.filled_at("stop") == [("14:31:01", -100, round(9.9 * 0.999, 6))]


def test_the_price_impact_counts_the_share_of_the_bar() -> None:
    costs = {"slippage": {"model": "volume_share", "volume_limit": 0.5, "price_impact": 0.1}}
    out = one(ROWS, lambda s: s.send("buy", 100), settings={"costs": costs})
    assert out.filled_at("buy") == [("14:31:00", 100, 10.01)]  # 100 of 1,000: 0.1 * 0.1**2 = 0.1%


def test_orders_fill_at_quotes_that_are_shown_without_slippage() -> None:
    rows = [("14:30:01", 10.0), ("14:31:30", 10.0), ("14:32:01", 10.0)]
    shown = [("14:30:30", 9.99, 10.01, 100, 100), ("14:31:02", 9.98, 10.02, 60, 60), ("14:31:03", 9.97, 10.03, 90, 90)]
    out = one(rows, lambda s: s.send("buy", 100), settings=BPS, shown={"A": shown})
    assert out.filled_at("buy") == [("14:31:02", 60, 10.02), ("14:31:03", 40, 10.03)]
    assert out.broker.account.costs["slippage"] == 0.0


# ---------------------------------------------------------------------- the kill switch


def test_the_kill_switch_cancels_entries_and_flattens_under_the_stop() -> None:
    rows = [*ROWS[:2], ("14:32:01", 7.0), ("14:33:01", 7.0), ("14:34:01", 7.0), ("14:35:01", 7.0)]

    def act(s: Any) -> None:
        parent = s.send("buy", 1_000, transmit=False, role="entry")
        s.send("stop", -1_000, exectype=Order.Stop, price=5.0, parent=parent, role="stop")
        s.send("more", 100, exectype=Order.Limit, price=3.0, role="entry")

    limits = {name: None for name in ("max_trade_risk", "max_trade_notional", "max_daily_loss", "max_weekly_loss")}
    risk = {"enabled": True, "throttle": {"enabled": False}, **limits}
    risk["kill_switch"] = {"max_drawdown": 0.02, "flatten": True}
    out = one(rows, act, settings={"risk": risk})
    (exit_,) = [order for order in out.broker.orders if order.info.get("role") == "exit"]
    assert [(bit.size, bit.price) for bit in exit_.executed.exbits] == [(-1_000, 7.0)]
    assert exit_.info.reason == "kill" and out.broker.gate.killed
    assert out.statuses("stop")[-1] == out.statuses("more")[-1] == "Canceled" and out.position() == 0


# ---------------------------------------------------------------------- passing bars over


class SteppingVenue(ActedVenue):
    passes_over = False


def everything(outcome: Outcome) -> tuple[Any, ...]:
    account = outcome.broker.account
    fills = {name: outcome.filled_at(name) for name in outcome.orders}
    return [told.short for told in outcome.told], fills, account.equity_eur, account.trades


KINDS = [Order.Market, Order.Limit, Order.Stop, Order.StopLimit, Order.StopTrail, Order.StopTrailLimit, Order.Close]
WISH = st.tuples(
    st.integers(1, 12),  # minute
    st.sampled_from(KINDS),
    st.sampled_from([-200, -100, 100, 200]),
    st.sampled_from([-0.3, -0.1, -0.04, 0.04, 0.1, 0.3]),  # price from the close
    st.sampled_from([None, Order.DAY, dt.timedelta(seconds=90)]),
    st.booleans(),  # a bracket
    st.integers(0, 3),  # minutes until it is cancelled, 0 = never
)


@settings(max_examples=60)
@given(st.integers(0, 10_000), st.lists(WISH, min_size=1, max_size=8), st.sampled_from([None, 0.05]))
def test_passing_bars_over_changes_nothing(seed: int, wishes: Any, share: float | None) -> None:
    rng = np.random.default_rng(seed)
    begin = dt.datetime(2024, 3, 8, 20, 54, tzinfo=dt.UTC)  # over the close into the next session
    rows, price = [], 10.0
    for second in [*range(1, 361), *range(237_600, 237_960)]:
        if rng.random() < 0.4:
            path = price + np.cumsum(rng.integers(-6, 7, 4)) * 0.01
            price = float(path[-1])
            when = begin + dt.timedelta(seconds=second)
            prices = (path[0], path.max(), path.min(), path[-1])
            rows.append((f"{when:%Y-%m-%d %H:%M:%S}", *(round(float(p), 2) for p in prices), 400.0))
    acts: dict[int, Any] = {}

    def act(bar: int) -> Any:
        def do(s: Any) -> None:
            for place, (minute, kind, size, offset, valid, is_bracket, until) in enumerate(wishes):
                name, close = f"o{place}", float(s.data.close[0])
                if minute == bar:
                    terms: dict[str, Any] = {"exectype": kind, "valid": valid}
                    if kind not in (Order.Market, Order.Close):
                        terms["price"] = round(close + offset, 2)
                    if kind == Order.StopLimit:
                        terms["plimit"] = round(close + offset / 2, 2)
                    if kind in (Order.StopTrail, Order.StopTrailLimit):
                        terms |= {"trailamount": abs(offset), "price": close}
                    if kind == Order.StopTrailLimit:
                        terms["plimit"] = round(close - np.sign(size) * 0.02, 2)
                    parent = s.send(name, size, transmit=not is_bracket, **terms)
                    if is_bracket:
                        sign = np.sign(size)
                        s.send(name + "s", -size, exectype=Order.Stop, price=round(close - sign * 0.05, 2),
                               parent=parent, transmit=False)  # fmt: skip
                        s.send(name + "t", -size, exectype=Order.Limit, price=round(close + sign * 0.05, 2),
                               parent=parent)  # fmt: skip
                elif until and minute + until == bar:
                    s.cancel(s.order(name))

        return do

    for bar in range(1, 16):
        acts[bar] = act(bar)
    costs = {"slippage": {"model": "volume_share", "volume_limit": share}} if share else BPS["costs"]
    scenario = Scenario({"A": rows}, acts, settings={"costs": costs})
    assert everything(run_on_market(scenario)) == everything(run_on_market(scenario, SteppingVenue))


# ---------------------------------------------------------------------- nights


def test_interest_and_borrow_fees_are_those_of_the_other_broker() -> None:
    days = ["2024-03-07", "2024-03-08", "2024-03-11", "2024-03-12"]
    rows = [(f"{day} 15:0{minute}:01", 10.0) for day in days for minute in (0, 1)]
    scenario = Scenario({"A": rows}, {1: lambda s: s.send("sell", -5_000), 5: lambda s: s.send("buy", 20_000)})
    here, there = (run(scenario).broker.account for run in (run_on_market, run_on_bars))
    assert here.costs["borrow"] == pytest.approx(there.costs["borrow"]) and there.costs["borrow"] > 0
    assert here.interest_eur == pytest.approx(there.interest_eur) and there.interest_eur
    assert here.equity_eur == pytest.approx(there.equity_eur)


# ---------------------------------------------------------------------- what it is made of


def test_a_second_run_begins_anew() -> None:
    scenario = Scenario({"A": ROWS}, {1: lambda s: s.send("buy", 100, exectype=Order.Limit, price=10.0)})
    out = one(ROWS, scenario.acts)
    first = out.filled_at("buy"), out.broker.account.equity_eur
    out.told.clear()
    out.strategy.env.run()
    assert (out.filled_at("buy"), out.broker.account.equity_eur) == first
    assert out.statuses("buy") == ["Submitted", "Accepted", "Completed"]


def test_the_settings_choose_the_broker() -> None:
    scenario = Scenario({"A": ROWS}, {})
    asked = settings_of(scenario)
    assert isinstance(make_broker(asked.model_copy(update={"matching": "bar"}), History({})), SimBroker)
    with pytest.raises(EngineError, match='A: no bars of 1s to match orders on; .* matching = "ibkr"'):
        make_broker(asked, History({}))


def test_the_hash_of_a_history_knows_what_orders_are_filled_on() -> None:
    from contracted.scenario import minutes_of, quotes_of, seconds_of

    fine = seconds_of(ROWS)
    frames = {"A": minutes_of(fine)}
    other = {"A": fine.assign(close=fine["close"])}
    quotes = {"A": quotes_of([("14:30:30", 9.99, 10.01, 100, 100)])}
    hashes = [
        History(frames).hash, History(frames, fine={"A": fine}).hash, History(frames, fine_quotes=quotes).hash,
    ]  # fmt: skip
    assert len(set(hashes)) == 3
    assert History(frames, fine=other).hash == hashes[1]
