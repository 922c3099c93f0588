"""Units keep apart: own datas, own positions, own calendar; and nothing depends on the engine's mode or the future."""

from __future__ import annotations

from typing import Any

import backtrader as bt
import numpy as np
import pandas as pd
import pytest

from core.errors import StrategyError
from sizers import FixedRisk, PairSizer, VolatilityTarget
from strategies import STRATEGIES, MeanReversion, PairsTrading

QUICK: dict[str, Any] = {
    "entry": "zscore", "zscore_period": 10, "zscore_entry": 1.5, "atr_period": 3, "vol_period": 5, "adx_max": 0.0,
    "half_life_average": 5, "half_life_period": 20, "stop_atr": 1.5, "target": "atr", "target_atr": 2.0,
}  # fmt: skip
PAIR: dict[str, Any] = {
    "hedge_period": 20, "zscore_period": 20, "entry_z": 1.5, "coint_max": 0.0, "correlation_min": 0.0,
    "half_life_period": 20, "half_life_min": 0.0, "vol_period": 5,
}  # fmt: skip


def test_registry() -> None:
    assert STRATEGIES == {"MeanReversion": MeanReversion, "PairsTrading": PairsTrading}


def test_a_unit_sees_only_its_own_datas(run: Any, bars: Any, walk: Any, runonce: bool) -> None:
    a, b = bars(walk(1)), bars(walk(2), start="2020-03-01")
    alone = run([("a/X", "a", a)], [(MeanReversion, {**QUICK, "unit": "a"})], runonce=runonce)[0]
    first, second = run(
        [("b/X", "b", b), ("VIX", "reference", a), ("a/X", "a", a)],
        [(MeanReversion, {**QUICK, "unit": "b"}), (MeanReversion, {**QUICK, "unit": "a"})],
        runonce=runonce,
        cash=10_000_000.0,
    )
    assert [data._name for data in first.datas] == ["b/X"]
    assert first._clock is first.datas[0] and first.data is first.datas[0]

    # sizes differ with the account's value, so compare what and when
    def what(s: Any) -> list[Any]:
        return [(e.bar, e.role, e.status, e.reason) for e in s.events]

    assert len(alone.events) > 50
    assert what(second) == what(alone)


def test_both_modes_give_the_same_orders_with_datas_that_start_apart(run: Any, bars: Any, walk: Any) -> None:
    datas = [
        ("b/X", "b", bars(walk(2), start="2020-04-01")),
        ("a/X", "a", bars(walk(1))),
        ("p/Y", "p", bars(walk(3) + walk(4), start="2020-02-01")),
        ("p/X", "p", bars(walk(4), start="2020-05-01")),
    ]
    strategies = [
        (MeanReversion, {**QUICK, "unit": "b"}),
        (MeanReversion, {**QUICK, "unit": "a"}),
        (PairsTrading, {**PAIR, "unit": "p"}),
    ]
    once = run(datas, strategies, runonce=True)
    step = run(datas, strategies, runonce=False)
    for left, right in zip(once, step, strict=True):
        assert len(left.events) > 50
        assert left.decisions == right.decisions
        assert left.events == right.events
        assert len(left) == len(right)  # both tick with every bar of the Cerebro


def test_a_cerebro_that_keeps_no_bars_gives_the_same_orders(run: Any, bars: Any, walk: Any) -> None:
    # time stops of up to 60 bars reach further back than the lines that exactbars = 1 keeps
    datas = [("a/X", "a", bars(walk(1))), ("p/Y", "p", bars(walk(3) + walk(4))), ("p/X", "p", bars(walk(4)))]
    strategies = [
        (MeanReversion, {**QUICK, "unit": "a", "zscore_exit": -9.0, "stop_atr": 20.0, "target": "none"}),
        (PairsTrading, {**PAIR, "unit": "p", "stop_z": 0.0, "exit_z": 0.0}),
    ]
    whole, lean = run(datas, strategies), run(datas, strategies, exactbars=1)
    for left, right in zip(whole, lean, strict=True):
        timed = [e for e in left.events if e.reason == "time" and e.status == "Completed"]
        assert len(timed) >= 4
        assert left.events == right.events and left.decisions == right.decisions


def test_the_time_stop_survives_a_restart(run: Any, bars: Any, walk: Any, runonce: bool) -> None:
    patient = {**QUICK, "unit": "u", "side": "long", "zscore_exit": -9.0, "stop_atr": 20.0, "target": "none"}
    datas = [("u/X", "u", bars(walk(1)))]
    through = run(datas, [(MeanReversion, patient)], runonce=runonce)[0].events
    filled = [e for e in through if e.status == "Completed"]
    entry, leave = next(
        (entry, leave) for entry, leave in zip(filled[::2], filled[1::2], strict=False) if leave.bar - entry.bar > 8
    )
    assert (entry.role, leave.role, leave.reason) == ("entry", "exit", "time")

    class Earlier(bt.Strategy):  # the program before the restart
        def next(self) -> None:
            if len(self.data) == entry.bar - 1:
                own = {"parent": self.buy(transmit=False, role="entry", trade=entry.trade), "trade": entry.trade}
                self.sell(exectype=bt.Order.Stop, price=1.0, role="stop", reason="stop", **own)

    class Later(MeanReversion):
        def __init__(self) -> None:
            super().__init__()
            bt.ind.SMA(self.data, period=entry.bar + 3)  # next comes for the first time three bars after the fill

    restarted = run(datas, [(Later, patient)], runonce=runonce, earlier=Earlier)[1].events
    first = next(e for e in restarted if e.role == "exit" and e.status == "Completed")
    assert (first.bar, first.reason) == (leave.bar, "time")


def test_a_unit_without_bars_yet_does_not_stop_the_run(run: Any, bars: Any, walk: Any, runonce: bool) -> None:
    late = bars(walk(5), start="2021-01-01")
    early, sleeper = run(
        [("a/X", "a", bars(walk(1))), ("b/X", "b", late)],
        [(MeanReversion, {**QUICK, "unit": "a"}), (MeanReversion, {**QUICK, "unit": "b"})],
        runonce=runonce,
        stdstats=True,
    )
    assert early.events and sleeper.events


def test_units_on_one_instrument_do_not_close_each_other(run: Any, bars: Any, walk: Any) -> None:
    frame = bars(walk(7))
    slow = {**QUICK, "entry": "zscore", "zscore_period": 30, "stop_atr": 5.0, "target": "none", "time_stop": 0.0}
    left, right = run(
        [("fast/X", "fast", frame), ("slow/X", "slow", frame)],
        [(MeanReversion, {**QUICK, "unit": "fast"}), (MeanReversion, {**slow, "unit": "slow"})],
        cash=10_000_000.0,
    )
    for strategy in (left, right):
        # every exit closes exactly what its own entry bought
        held = 0.0
        last: dict[tuple[str, str], float] = {}
        for event in strategy.events:
            held += event.size - last.get((event.trade, event.role), 0.0)
            last[event.trade, event.role] = event.size
            assert abs(held) <= max(abs(e.size) for e in strategy.events if e.role == "entry")
        assert held == strategy.position.size
    assert {event.data for event in left.events} == {"fast/X"}
    assert {event.data for event in right.events} == {"slow/X"}


@pytest.mark.parametrize("entry", ["bollinger", "zscore", "rsi", "keltner"])
def test_later_bars_never_change_earlier_orders_of_mean_reversion(run: Any, bars: Any, walk: Any, entry: str) -> None:
    parameters = {
        **QUICK, "entry": entry, "bollinger_period": 10, "bollinger_devs": 1.5, "keltner_period": 10,
        "keltner_atr_period": 3, "keltner_mult": 1.0, "rsi_period": 2, "adx_max": 60.0, "adx_period": 3,
        "vol_max": 2.0, "long_regimes": "bull,sideways,bear", "regime_period": 20, "regime_slope": 5,
        "hurst_max": 2.0, "hurst_period": 30,
    }  # fmt: skip
    _no_future(run, [("X", bars(walk(11)))], MeanReversion, parameters)


@pytest.mark.parametrize("hedge", ["ols", "tls", "kalman"])
def test_later_bars_never_change_earlier_orders_of_pairs(run: Any, bars: Any, walk: Any, hedge: str) -> None:
    parameters = {
        **PAIR, "hedge": hedge, "coint_max": 0.9, "coint_exit": 0.95, "coint_period": 60, "correlation_min": 0.01,
        "correlation_period": 20, "kalman_delta": 1e-5, "kalman_obs_var": 1e-5, "entry_z": 1.0, "half_life_max": 99.0,
    }  # fmt: skip
    x = walk(4)
    _no_future(run, [("Y", bars(0.5 * walk(3) + x)), ("X", bars(x))], PairsTrading, parameters)


def _no_future(run: Any, named: list[tuple[str, pd.DataFrame]], strategy: Any, parameters: dict[str, Any]) -> None:
    def events(frames: list[tuple[str, pd.DataFrame]]) -> tuple[list[Any], list[int]]:
        made = run([(name, "", frame) for name, frame in frames], [(strategy, parameters)])[0]
        return made.events, made.decisions

    full, decisions = events(named)
    assert len(full) > 20
    cut = 451
    altered = []
    for name, frame in named:
        other = frame.copy()
        other.iloc[cut:, :4] *= np.linspace(1.1, 2.0, len(frame) - cut)[:, None]
        altered.append((name, other))
    for frames in ([(name, frame.iloc[:cut]) for name, frame in named], altered):
        found, decided = events(frames)
        assert [e for e in found if e.bar <= cut] == [e for e in full if e.bar <= cut]
        assert [n for n in decided if n <= cut] == [n for n in decisions if n <= cut]


def test_without_a_unit_all_datas_but_reference_ones(run: Any, bars: Any, walk: Any) -> None:
    datas = [("VIX", "reference", bars(walk(1))), ("Y", "", bars(walk(3) + walk(4))), ("X", "u", bars(walk(4)))]
    strategy = run(datas, [(PairsTrading, PAIR)])[0]
    assert [data._name for data in strategy.datas] == ["Y", "X"]


def test_a_unit_that_no_data_carries(run: Any, bars: Any, walk: Any) -> None:
    with pytest.raises(StrategyError, match="0 carry unit 'c'.*one of \\['a'\\]"):
        run([("a/X", "a", bars(walk(1)))], [(MeanReversion, {**QUICK, "unit": "c"})])
    with pytest.raises(StrategyError, match="PairsTrading trades 2 data"):
        run([("a/X", "a", bars(walk(1)))], [(PairsTrading, {**PAIR, "unit": "a"})])


def test_the_sizer_must_fit_the_strategy() -> None:
    MeanReversion.check_sizer(VolatilityTarget)
    with pytest.raises(StrategyError, match="MeanReversion cannot be sized by PairSizer"):
        MeanReversion.check_sizer(PairSizer)
    with pytest.raises(StrategyError, match="leave the sizer out to have PairSizer"):
        PairsTrading.check_sizer(FixedRisk)


def test_any_backtrader_sizer_serves(bars: Any, walk: Any) -> None:
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.adddata(bt.feeds.PandasData(dataname=bars(walk(1))), name="X")
    cerebro.addstrategy(MeanReversion, **QUICK)
    cerebro.addsizer(bt.sizers.FixedSize, stake=7)
    cerebro.addanalyzer(bt.analyzers.Transactions, _name="t")
    done = cerebro.run()[0].analyzers.t.get_analysis()
    assert {abs(size) for rows in done.values() for size, *_ in rows} == {7}


def test_capital_is_the_allotment_where_there_is_one(run: Any, bars: Any, walk: Any) -> None:
    frame = bars(walk(1))
    whole, part = run(
        [("a/X", "a", frame), ("b/X", "b", frame)],
        [(MeanReversion, {**QUICK, "unit": "a"}), (MeanReversion, {**QUICK, "unit": "b", "allotment_eur": 5_000.0})],
    )
    assert part.capital_eur() == 5_000.0
    assert whole.capital_eur() == whole.broker.getvalue()
