"""MeanReversion on series where every entry and exit is known by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest

from core.errors import StrategyError, UnknownNameError
from core.orders import ExitReason
from strategies import MeanReversion

CALM = 81  # bars that alternate between 101 and 100, the last at 101; the shock comes on the next

# z over 4 closes: +-0.866 while the series alternates; on the shock (101, 100, 101, 90): mean 98, sd sqrt(86 / 3)
# = 5.354, z = -8 / 5.354 = -1.494. A day later at 91: mean 95.5, sd 5.802, z = -0.776. At 97 it is above 0.
PLAIN: dict[str, Any] = {
    "entry": "zscore", "zscore_period": 4, "zscore_entry": 1.4, "zscore_exit": 0.5,
    "stop": "fraction", "stop_fraction": 0.05, "time_stop": 0.0, "adx_max": 0.0,
    "atr_period": 2, "vol_period": 2,
}  # fmt: skip
SHOCK = CALM + 1


def series(*after: float) -> list[float]:
    return [101.0 if i % 2 == 0 else 100.0 for i in range(CALM)] + list(after)


def mirrored(closes: list[float]) -> list[float]:
    return [200.0 - close for close in closes]


def fills(strategy: Any) -> list[tuple[int, str, float, str]]:
    """(bar, role, price, reason) of each completed order."""
    return [(e.bar, e.role, e.price, e.reason) for e in strategy.events if e.status == "Completed"]


def one(run: Any, bars: Any, runonce: bool, closes: list[float], **changes: Any) -> Any:
    return run([("X", "", bars(closes))], [(MeanReversion, {**PLAIN, **changes})], runonce=runonce)[0]


def test_return_to_the_mean(run: Any, bars: Any, runonce: bool) -> None:
    strategy = one(run, bars, runonce, series(90, 91, 97, 98, 99))
    # signal on the shock's close, fill at the next open (90); mean seen two bars after the shock, fill at the open of
    # the third
    assert fills(strategy) == [(SHOCK + 1, "entry", 90.0, "zscore"), (SHOCK + 3, "exit", 97.0, "mean")]
    assert strategy.position.size == 0 and not strategy.holdings


def test_size_is_the_sizers(run: Any, bars: Any, runonce: bool) -> None:
    # 1% of 100,000 over a stop 5% below 90: 1,000 / 4.5 = 222.2
    strategy = one(run, bars, runonce, series(90, 91, 97, 98, 99))
    assert [e.size for e in strategy.events if e.status == "Completed"] == [222.0, -222.0]


def test_hard_stop_at_the_broker(run: Any, bars: Any, runonce: bool) -> None:
    # stop 5% below the signal's close of 90 = 85.5; the second bar after the shock falls through it from an open of 88
    strategy = one(run, bars, runonce, series(90, 88, 84, 84, 84))
    assert fills(strategy) == [(SHOCK + 1, "entry", 90.0, "zscore"), (SHOCK + 2, "stop", 85.5, "stop")]


def test_stop_at_atr_multiple(run: Any, bars: Any, runonce: bool) -> None:
    # true range is 1.5 on calm bars, 101.25 - 89.75 = 11.5 on the shock: ATR(2) = (1.5 + 11.5) / 2 = 6.5;
    # half of it below 90 is 86.75; the second bar after the shock falls from 88 to 86
    strategy = one(run, bars, runonce, series(90, 88, 86, 86), stop="atr", stop_atr=0.5)
    assert fills(strategy)[1] == (SHOCK + 2, "stop", pytest.approx(86.75, abs=1e-6), "stop")


def test_profit_target(run: Any, bars: Any, runonce: bool) -> None:
    # 3% above 90 = 92.7; the second bar after the shock opens at 91 and closes at 96
    strategy = one(run, bars, runonce, series(90, 91, 96, 96), target="fraction", target_fraction=0.03)
    assert fills(strategy) == [(SHOCK + 1, "entry", 90.0, "zscore"), (SHOCK + 2, "target", 92.7, "target")]
    # and its stop is gone with it
    assert [e.status for e in strategy.events if e.role == "stop"][-1] == "Canceled"


def test_profit_target_at_atr_multiple(run: Any, bars: Any, runonce: bool) -> None:
    strategy = one(run, bars, runonce, series(90, 91, 96, 96), target="atr", target_atr=0.5)
    assert fills(strategy)[1] == (SHOCK + 2, "target", pytest.approx(93.25, abs=1e-6), "target")


def test_time_stop_counts_bars_since_the_fill(run: Any, bars: Any, runonce: bool) -> None:
    # half-life clamped to exactly 2 bars, times 1.5 = 3 bars after the fill (shock + 1): seen on shock + 4, filled on
    # shock + 5; zscore_exit = -9 keeps the mean out of reach
    strategy = one(
        run, bars, runonce, series(90, 89, 89, 89, 88.5, 89, 89), zscore_exit=-9.0,
        time_stop=1.5, half_life_average=2, half_life_period=4, half_life_min=2.0, half_life_max=2.0,
    )  # fmt: skip
    assert fills(strategy) == [(SHOCK + 1, "entry", 90.0, "zscore"), (SHOCK + 5, "exit", 88.5, "time")]


@pytest.mark.parametrize(
    ("half_life", "limit"),
    [(7.0, 8), (10.0, 11), (30.0, 11), (math.inf, 11), (math.nan, 11), (1.0, 3)],  # 7.7, 11, 11, 11, 11, 2.2
)
def test_time_limit_is_clamped_and_rounded_up(run: Any, bars: Any, half_life: float, limit: int) -> None:
    # 1.1 * 10 = 11.000000000000002 in floating point: eleven bars, not twelve
    strategy = one(run, bars, True, series(90), time_stop=1.1, half_life_min=2.0, half_life_max=10.0)
    assert strategy.time_limit(half_life) == limit


def test_short_is_the_mirror_image(run: Any, bars: Any, runonce: bool) -> None:
    strategy = one(run, bars, runonce, mirrored(series(90, 91, 97, 98, 99)))
    assert fills(strategy) == [(SHOCK + 1, "entry", 110.0, "zscore"), (SHOCK + 3, "exit", 103.0, "mean")]
    # stop 5% above 110 = 115.5
    stopped = one(run, bars, runonce, mirrored(series(90, 88, 84, 84)))
    assert fills(stopped)[1] == (SHOCK + 2, "stop", 115.5, "stop")


@pytest.mark.parametrize(("side", "down", "up"), [("long", 2, 0), ("short", 0, 2), ("both", 2, 2)])
def test_side(run: Any, bars: Any, side: str, down: int, up: int) -> None:
    closes = series(90, 91, 97, 98, 99)
    assert len(fills(one(run, bars, True, closes, side=side))) == down
    assert len(fills(one(run, bars, True, mirrored(closes), side=side))) == up


# %b: population sd on the shock sqrt(86/4) = 4.637, z = -1.725, %b = 0.5 - 1.725 / 3 = -0.075; calm 0.5 +- 1/3.
# RSI(2): calm between 33 and 67, the fall of 11 takes it below 10. Keltner: the average of 4 falls to some 96.3, half
# of ATR(2) = 6.5 below it is 93, and on calm days the close is within 0.3 of the average against 0.75.
FAMILIES = [
    {"entry": "bollinger", "bollinger_period": 4, "bollinger_devs": 1.5},
    {"entry": "zscore"},
    {"entry": "rsi", "rsi_period": 2},
    {"entry": "keltner", "keltner_period": 4, "keltner_atr_period": 2, "keltner_mult": 0.5},
]


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family["entry"])
def test_each_family_enters_on_the_shock_and_leaves_at_the_mean(
    run: Any, bars: Any, runonce: bool, family: dict[str, Any]
) -> None:
    for closes in (series(90, 91, 96, 96, 96), mirrored(series(90, 91, 96, 96, 96))):
        strategy = one(run, bars, runonce, closes, **family)
        entry, leave = fills(strategy)
        assert (entry[0], entry[1], entry[3]) == (SHOCK + 1, "entry", family["entry"])
        assert leave == (SHOCK + 3, "exit", closes[CALM + 2], "mean")


def test_no_second_entry_until_the_price_has_been_back(run: Any, bars: Any) -> None:
    # RSI(2) stays below 10 all the way down: one entry, its stop, and no other
    falling = [90.0 - 2 * i for i in range(8)]
    strategy = one(run, bars, True, series(*falling), entry="rsi", stop_fraction=0.03)
    assert [fill[1] for fill in fills(strategy)] == ["entry", "stop"]


def test_a_bar_without_a_price_is_no_crossing(run: Any, bars: Any, runonce: bool) -> None:
    # z is -1.494 on the shock, which is blocked, and after the hole (100, 101, 90, 80), mean 92.75, sd 9.81: -1.30
    closes = series(90, math.nan, 80, 80)

    class Late(MeanReversion):
        def blocked(self, sign: int) -> str:
            return ("shock", 1.0) if len(self.data) == SHOCK else super().blocked(sign)

    hole = bars(closes).ffill().assign(close=closes)
    strategy = run([("X", "", hole)], [(Late, {**PLAIN, "zscore_entry": 1.0})], runonce=runonce)[0]
    assert not strategy.events


@pytest.mark.parametrize(
    ("filters", "passes"),
    [
        ({"adx_max": 100.0, "adx_period": 2}, True),
        ({"adx_max": 0.001, "adx_period": 2}, False),
        ({"vol_max": 9.0}, True),
        ({"vol_max": 0.05}, False),
        ({"vol_min": 0.05}, True),
        ({"vol_min": 9.0}, False),
        ({"long_regimes": "bear, sideways", "regime_period": 4, "regime_slope": 2}, True),
        ({"long_regimes": "bull", "regime_period": 4, "regime_slope": 2}, False),
        ({"short_regimes": "bull", "regime_period": 4, "regime_slope": 2}, True),
        ({"hurst_max": 5.0, "hurst_period": 22}, True),
        ({"hurst_max": 1e-6, "hurst_period": 22}, False),
    ],
)
def test_filters(run: Any, bars: Any, filters: dict[str, Any], passes: bool) -> None:
    strategy = one(run, bars, True, series(90, 91, 97, 98, 99), **filters)
    assert bool(fills(strategy)) is passes


@pytest.mark.parametrize(
    ("name", "line", "filters"),
    [
        ("adx", "adx", {"adx_max": 100.0, "adx_period": 2}),
        ("vol", "vol", {"vol_max": 9.0}),
        ("vol", "vol", {"vol_min": 0.001}),
        ("regime", "regime", {"long_regimes": "bull,bear,sideways", "regime_period": 4, "regime_slope": 2}),
        ("hurst", "hurst", {"hurst_max": 5.0, "hurst_period": 22}),
    ],
)
def test_a_filter_without_a_value_blocks(run: Any, bars: Any, name: str, line: str, filters: dict[str, Any]) -> None:
    class Blind(MeanReversion):
        def decide(self) -> None:
            getattr(self.ind[name].lines, line)[0] = math.nan
            super().decide()

    closes, parameters = series(90, 91, 97, 98, 99), {**PLAIN, **filters}
    assert fills(run([("X", "", bars(closes))], [(MeanReversion, parameters)])[0])
    assert not run([("X", "", bars(closes))], [(Blind, parameters)])[0].events


def test_nothing_before_the_indicators_have_settled(run: Any, bars: Any, runonce: bool) -> None:
    needed = MeanReversion.bars_needed(PLAIN)
    early = [101.0 if i % 2 == 0 else 100.0 for i in range(needed - 2)]
    shock_too_early = [*early, 90.0, 91.0, 97.0, 98.0, 99.0]
    strategy = one(run, bars, runonce, shock_too_early)
    assert not strategy.events
    assert strategy.decisions[0] == needed


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"zscore_entri": 2.0}, "did you mean 'zscore_entry'"),
        ({"perod": 3}, "unknown parameter 'perod'"),
    ],
)
def test_misspelt_parameters(run: Any, bars: Any, given: dict[str, Any], text: str) -> None:
    with pytest.raises(UnknownNameError, match=text):
        MeanReversion.check(given)
    with pytest.raises(UnknownNameError, match=text):
        one(run, bars, True, series(90), **given)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"entry": "bolinger"}, "parameter 'entry' is 'bolinger'.*did you mean 'bollinger'"),
        ({"zscore_period": 1}, "parameter 'zscore_period' is 1"),
        ({"zscore_period": 2.5}, "parameter 'zscore_period' is 2.5"),
        ({"zscore_period": True}, "parameter 'zscore_period' is True"),
        ({"stop_atr": float("nan")}, "parameter 'stop_atr' is nan"),
        ({"stop_atr": 0.0}, "parameter 'stop_atr' is 0.0"),
        ({"entry": "zscore", "zscore_exit": 2.5}, "zscore_exit"),
        ({"half_life_min": 9.0, "half_life_max": 3.0}, "half_life_min 9.0 is above half_life_max 3.0"),
        ({"vol_min": 0.5, "vol_max": 0.3}, "vol_min 0.5 is not below vol_max 0.3"),
        ({"long_regimes": "bul"}, "unknown regime 'bul'; did you mean 'bull'"),
    ],
)
def test_impossible_values(given: dict[str, Any], text: str) -> None:
    with pytest.raises(StrategyError, match=text) as error:
        MeanReversion.check({**given, "unit": "meanrev:SPX"})
    assert str(error.value).startswith("[HL400] MeanReversion (meanrev:SPX): ")


def test_whole_numbers_stand_for_fractions() -> None:
    assert MeanReversion.check({"stop_atr": 3, "zscore_entry": 2}).stop_atr == 3.0


def test_exit_reasons_are_the_shared_ones(run: Any, bars: Any) -> None:
    reasons = {fill[3] for fill in fills(one(run, bars, True, series(90, 91, 97, 98, 99))) if fill[1] != "entry"}
    assert reasons <= {str(reason) for reason in ExitReason}
