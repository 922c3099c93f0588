"""The whole desk, from bars to orders, does not know the future: every family and hedge, the gate, costs, VIX."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import engine
from core.config import load_settings
from core.settings import Settings
from engine import RunResult, SimBroker
from feeds import History, load

DESK = """
name = "no-future"
[account]
capital = 500_000
[data]
source = "sample"
start = 2013-01-02
end = 2016-06-30
[instruments.SPX]
[instruments.IXIC]
[instruments.VIX]
[costs.slippage]
model = "volume_share"
volume_limit = 2e-8
[risk]
max_daily_loss = 0.004
[risk.throttle]
series = "VIX"
scale_above = 0.14
stop_above = 0.30
[risk.protections]
cooldown_sessions = 2
[risk.kill_switch]
max_drawdown = 0.004
flatten = true
rearm_sessions = 20
[report]
bootstrap_samples = 100
"""
SINGLE = """
[strategies.{entry}]
strategy = "MeanReversion"
instruments = ["{symbol}"]
allotment = 0.1
parameters = {{ entry = "{entry}", hurst_max = 0.7, vol_max = 0.4, long_regimes = "bull,sideways", target = "atr" }}
"""
PAIR = """
[strategies.{hedge}]
strategy = "PairsTrading"
pairs = [["SPX", "IXIC"]]
allotment = 0.2
parameters = {{ hedge = "{hedge}", coint_max = 0.9, coint_exit = 0.95, entry_z = 1.5 }}
"""
FAMILIES = {"bollinger": "SPX", "zscore": "IXIC", "rsi": "SPX", "keltner": "IXIC"}
INTENT = ["unit", "instrument", "role", "reason", "kind", "side", "size", "price", "limit", "created"]


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    single = [SINGLE.format(entry=entry, symbol=symbol) for entry, symbol in FAMILIES.items()]
    pair = [PAIR.format(hedge=hedge) for hedge in ("ols", "tls", "kalman")]
    file: Path = tmp_path_factory.mktemp("desk") / "desk.toml"
    file.write_text(DESK + "".join(single + pair))
    return load_settings(file)


def run(settings: Settings, frames: dict[str, pd.DataFrame]) -> RunResult:
    return engine.run(engine.build(settings, History(frames), SimBroker(settings=settings)))


def test_later_bars_change_nothing_of_what_was_done_before(settings: Settings) -> None:
    frames = load(settings).frames
    whole = run(settings, frames)
    assert whole.orders["unit"].nunique() == 7 and len(whole.orders) > 200
    assert {"Completed", "Rejected", "Expired"} <= set(whole.orders["status"])
    assert {"throttle", "cooldown", "kill"} <= {str(event.kind) for event in whole.events}
    # the last bar on which several units act: what is sent on the very last bar of the shorter history counts too
    busy = whole.orders.groupby("created")["unit"].nunique()
    now = busy[(busy >= 3) & (busy.index < frames["SPX"].index[-150])].index[-1]
    shorter = {symbol: frame[frame.index <= now] for symbol, frame in frames.items()}
    other = {symbol: frame.copy() for symbol, frame in frames.items()}
    noise = np.random.default_rng(3)
    for frame in other.values():
        later = np.asarray(frame.index > now)
        frame.loc[later] = frame.loc[later].to_numpy()[::-1] * noise.uniform(0.7, 1.4, (int(later.sum()), 1))
    for frames_seen in (shorter, other):
        seen = run(settings, frames_seen)
        for table in ("orders", "trades", "equity"):
            before, after = getattr(whole, table), getattr(seen, table)
            if table == "orders":
                sent = [t.loc[t["created"] <= now, INTENT].reset_index(drop=True) for t in (before, after)]
                pd.testing.assert_frame_equal(*sent, check_exact=True)
                before, after = (t[t["done"] <= now].drop(columns="ref") for t in (before, after))
            elif table == "trades":
                before, after = (t[t["exit_time"] <= now] for t in (before, after))
            else:
                before, after = (t[t.index <= now] for t in (before, after))
            assert len(before) > 20
            kept = {"drop": table != "equity"}
            pd.testing.assert_frame_equal(before.reset_index(**kept), after.reset_index(**kept), check_exact=True)
        events = [[e for e in result.events if e.when <= now] for result in (whole, seen)]
        assert events[0] == events[1] and len(events[0]) > 5
