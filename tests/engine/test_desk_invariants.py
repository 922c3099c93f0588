"""Whole desks under random settings: whatever is refused, filled in part, stopped or killed, the books stay sound."""

from __future__ import annotations

from typing import Any

import backtrader as bt
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import engine
from core.naming import book_key
from core.settings import Settings
from feeds import History


class Watch(bt.Analyzer):
    """Looks at the broker's book on every bar, after the strategy has acted; ``faults`` says what is wrong."""

    def start(self) -> None:
        self.faults: list[str] = []

    def next(self) -> None:
        broker = self.strategy.broker
        working = [o for o in (*broker.pending, *broker.submitted) if o.alive()]
        for data in self.strategy.datas:
            held = broker.getposition(data).size
            mine = [o for o in working if o.data is data]
            exits = [o for o in mine if o.parent is None or o.active() or o.parent.executed.size]
            exits = [o for o in exits if o.info.role != "entry"]
            where = f"{self.strategy.datetime.datetime(0)} {book_key(data)} holds {held:g}"
            if not held and exits:
                self.faults.append(f"{where}, yet {len(exits)} exits work")
            for order in exits:
                if held * order.executed.remsize > 0:
                    self.faults.append(f"{where}, an exit of {order.executed.remsize:g} would add")
            groups: dict[int, float] = {}
            for order in exits:
                group = broker._groups.of(order)
                groups[group] = max(groups.get(group, 0.0), abs(order.executed.remsize))
            if held and sum(groups.values()) > abs(held) + 1e-9:
                self.faults.append(f"{where}, exits could sell {sum(groups.values()):g}")
            stops = sum(abs(o.executed.remsize) for o in exits if o.exectype == bt.Order.Stop)
            leaving = any(o.info.role == "exit" for o in exits)
            if held and not leaving and stops < abs(held) - 1e-9:
                self.faults.append(f"{where}, stops cover {stops:g}")


def bars(seed: int, count: int, missing: float, symbol: str) -> pd.DataFrame:
    """A walk with reversion, gaps, spikes and thin volume; some days are missing."""
    rng = np.random.default_rng([seed, 0 if symbol == "AAA" else 1])
    index = pd.bdate_range("2015-01-05", periods=count, tz="UTC") + pd.Timedelta("21h")
    walk = np.cumsum(np.random.default_rng(seed).normal(0, 0.01, count))  # shared by both
    own = np.zeros(count)
    for t in range(1, count):
        own[t] = 0.8 * own[t - 1] + rng.standard_t(3) * 0.01
    close = 40 * np.exp(walk + own)
    open_ = close * np.exp(rng.standard_t(3, count) * 0.01)
    high = np.maximum(open_, close) * np.exp(np.abs(rng.normal(0, 0.01, count)))
    low = np.minimum(open_, close) * np.exp(-np.abs(rng.normal(0, 0.01, count)))
    volume = rng.integers(0, 3_000, count).astype(float)
    frame = pd.DataFrame({"open": open_, "high": high, "low": low, "close": close, "volume": volume}, index=index)
    return frame[rng.random(count) >= missing]


@st.composite
def desks(draw: st.DrawFn) -> tuple[Settings, History]:
    chosen: Any = draw(
        st.fixed_dictionaries(
            {
                "execution": st.sampled_from(["next_open", "next_close"]),
                "slippage": st.sampled_from(["none", "bps", "volume_share"]),
                "policy": st.sampled_from(["borrow", "sweep"]),
                "entry": st.sampled_from(["bollinger", "zscore", "rsi", "keltner"]),
                "stop_atr": st.sampled_from([0.3, 1.0, 3.0]),
                "target": st.sampled_from(["none", "atr"]),
                "hedge": st.sampled_from(["ols", "tls", "kalman"]),
                "disaster_stop": st.sampled_from([0.01, 0.05]),
                "kill": st.sampled_from([0.002, 0.02, 0.5]),
                "flatten": st.booleans(),
                "rearm": st.sampled_from([0, 5]),
                "cooldown": st.sampled_from([0, 3]),
                "shortable": st.booleans(),
                "seed": st.integers(0, 10_000),
                "missing": st.sampled_from([0.0, 0.0, 0.1]),
            }
        )
    )
    reversion = {
        "entry": chosen["entry"], "stop_atr": chosen["stop_atr"], "target": chosen["target"], "adx_max": 0.0,
        "time_stop": 1.0, "half_life_period": 20, "atr_period": 5, "keltner_period": 10, "keltner_atr_period": 5,
        "rsi_period": 2,
    }  # fmt: skip
    pairs = {
        "hedge": chosen["hedge"], "disaster_stop": chosen["disaster_stop"], "coint_max": 0.0, "correlation_min": 0.0,
        "half_life_min": 0.0, "half_life_max": 200.0, "hedge_period": 20, "zscore_period": 20, "entry_z": 1.0,
        "half_life_period": 20, "kalman_delta": 1e-3,
    }  # fmt: skip
    instrument = {"currency": "USD", "schedule": "ibkr_us_tiered", "shortable": chosen["shortable"]}
    tables = {
        "execution": chosen["execution"],
        "account": {"capital": 50_000.0},
        "instruments": {"AAA": instrument, "BBB": {**instrument, "shortable": True}},
        "strategies": {
            "one": {
                "strategy": "MeanReversion", "instruments": ["AAA", "BBB"], "allotment": 0.5, "parameters": reversion,
            },
            "pair": {"strategy": "PairsTrading", "pairs": [["AAA", "BBB"]], "allotment": 0.5, "parameters": pairs},
        },
        "costs": {
            "slippage": {"model": chosen["slippage"], "bps": 3.0, "volume_limit": 0.05},
            "fx": {"policy": chosen["policy"]},
        },
        "risk": {
            "throttle": {"enabled": False},
            "kill_switch": {
                "max_drawdown": chosen["kill"], "flatten": chosen["flatten"], "rearm_sessions": chosen["rearm"],
            },
            "protections": {"cooldown_sessions": chosen["cooldown"]},
        },
        "report": {"bootstrap_samples": 100},
    }  # fmt: skip
    frames = {s: bars(chosen["seed"], 360, chosen["missing"], s) for s in ("AAA", "BBB")}
    return Settings.model_validate(tables), History(frames)


def check(case: tuple[Settings, History]) -> int:
    config, history = case
    cerebro = engine.build(config, history, engine.SimBroker(settings=config))
    cerebro.addanalyzer(Watch)
    strategies = cerebro.run()
    faults = [fault for strategy in strategies for fault in strategy.analyzers.watch.faults]
    assert not faults, faults[:5]
    account = cerebro.broker.account
    explained = sum(r.net_eur for r in account.trades) + sum(r.net_eur for r in account.open_trades())
    explained += account.interest_eur + account.cash_fx_eur
    assert account.equity_eur - 50_000.0 == pytest.approx(explained, abs=0.005)
    return len(account.trades)


@given(desks())
@settings(max_examples=25)
def test_books_stay_sound(case: tuple[Settings, History]) -> None:
    check(case)


@pytest.mark.slow
@given(desks())
@settings(max_examples=1_500)
def test_books_stay_sound_for_long(case: tuple[Settings, History]) -> None:
    check(case)


@given(st.data())
@settings(max_examples=5)
def test_the_random_desks_do_trade(data: st.DataObject) -> None:
    """The invariants above would hold for a desk that never trades; these do."""
    assert sum(check(data.draw(desks())) for _ in range(4)) > 20
