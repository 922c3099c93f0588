"""The daily target: estimates by hand, intervals against theory and arch, honesty of the sentence."""

from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pytest
from arch.bootstrap import StationaryBootstrap
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzers.daily_target import DailyTarget, answer, daily_target, summed_drawdown
from core.settings import AccountSettings, ReportSettings

ACCOUNT = AccountSettings(capital=100_000.0, daily_target_eur=50.0, max_drawdown_tolerated=0.20)
REPORT = ReportSettings(bootstrap_samples=300)


def equity_of(pnl: np.ndarray | list[float], capital: float = 100_000.0) -> pd.Series:
    index = pd.bdate_range("2010-01-04", periods=len(pnl), tz="UTC") + pd.Timedelta("21h")
    return pd.Series(capital + np.cumsum(np.asarray(pnl, dtype=float)), index=index)


def trades(count: int, strategy: str = "meanrev") -> pd.DataFrame:
    return pd.DataFrame({"strategy": [strategy] * count, "trade_id": [str(i) for i in range(count)]})


def noise(mean: float, std: float, count: int = 1_500, seed: int = 0) -> np.ndarray:
    values = np.random.default_rng(seed).normal(0.0, std, count)
    return values - values.mean() + mean


def test_estimates_by_hand() -> None:
    found = daily_target(equity_of([60.0, -20.0, 50.0, 10.0]), trades(40), ACCOUNT, REPORT)
    assert (found.sessions, found.trades) == (4, 40)
    assert (found.mean_eur, found.median_eur) == (25.0, 30.0)
    assert found.std_eur == pytest.approx(np.std([60, -20, 50, 10], ddof=1))
    assert (found.share_at_target, found.share_negative) == (0.5, 0.25)  # 50 reaches 50
    assert found.quantiles_eur["0.50"] == 30.0
    assert found.samples == 0 and math.isnan(found.mean_interval_eur[0])  # four sessions are not resampled
    assert not found.enough_evidence


def test_summed_drawdown_by_hand() -> None:
    assert summed_drawdown(np.array([0.1, -0.2, 0.05, -0.1, 0.5])) == pytest.approx(0.25)
    assert summed_drawdown(np.array([-0.1, 0.2])) == pytest.approx(0.1)
    assert summed_drawdown(np.array([0.1, 0.2])) == 0.0


def test_interval_of_the_mean_agrees_with_theory_for_independent_sessions() -> None:
    pnl = noise(50.0, 300.0)
    found = daily_target(equity_of(pnl), trades(40), ACCOUNT, ReportSettings(bootstrap_samples=2_000))
    half = 1.96 * 300.0 / math.sqrt(1_500)
    assert found.mean_interval_eur == pytest.approx((50 - half, 50 + half), abs=0.12 * 2 * half)
    sharpe = found.mean_eur / found.std_eur * math.sqrt(252)
    wide = 1.96 * math.sqrt(252 / 1_500)  # Lo 2002, small Sharpe
    assert found.sharpe == pytest.approx(sharpe, rel=0.02)
    assert found.sharpe_interval == pytest.approx((sharpe - wide, sharpe + wide), abs=0.15 * 2 * wide)


def test_intervals_are_those_of_arch() -> None:
    pnl = noise(20.0, 300.0, 400)
    found = daily_target(equity_of(pnl), trades(40), ACCOUNT, REPORT)
    bootstrap = StationaryBootstrap(found.block_sessions, pnl, seed=REPORT.seed)
    means = bootstrap.apply(np.mean, 300)[:, 0]
    assert found.mean_interval_eur == pytest.approx(tuple(np.quantile(means, [0.025, 0.975])))
    bootstrap.reset()
    shares = bootstrap.apply(lambda x: np.mean(x >= 50.0), 300)[:, 0]
    assert found.share_interval == pytest.approx(tuple(np.quantile(shares, [0.025, 0.975])))


def test_correlated_sessions_are_drawn_in_blocks() -> None:
    independent = noise(0.0, 300.0)
    correlated = pd.Series(independent).ewm(alpha=0.1).mean().to_numpy()
    short, long = (daily_target(equity_of(x), trades(40), ACCOUNT, REPORT) for x in (independent, correlated))
    assert short.block_sessions < 5 < 10 < long.block_sessions


def test_capital_by_the_stated_formula() -> None:
    pnl = noise(40.0, 200.0)
    found = daily_target(equity_of(pnl), trades(40), ACCOUNT, REPORT)
    equity = equity_of(pnl).to_numpy()
    mean = np.mean(pnl / np.concatenate(([100_000.0], equity[:-1])))
    assert found.leverage == pytest.approx(0.20 / found.expected_drawdown)
    assert found.capital_as_tested_eur == pytest.approx(50.0 / mean)
    assert found.capital_required_eur == pytest.approx(50.0 * found.expected_drawdown / (0.20 * mean))
    low, high = found.capital_interval_eur
    assert low < found.capital_required_eur < high
    # trading `leverage` times the size on that capital earns the target at the tolerated drawdown
    assert found.capital_required_eur * found.leverage * mean == pytest.approx(50.0)


def test_a_stricter_drawdown_quantile_asks_for_more_capital() -> None:
    equity = equity_of(noise(40.0, 200.0))
    median, strict = (
        daily_target(equity, trades(40), ACCOUNT, REPORT, drawdown_quantile=q).capital_required_eur for q in (0.5, 0.9)
    )
    assert strict > median


def test_a_good_test_is_evidence() -> None:
    found = daily_target(equity_of(noise(80.0, 200.0)), trades(40), ACCOUNT, REPORT)
    assert found.enough_evidence and not found.doubts
    assert found.mean_interval_eur[0] > 0.0
    assert "Not enough evidence" not in found.sentence
    assert "earned EUR 80.00 a session" in found.sentence
    assert f"a capital of EUR {found.capital_required_eur:,.0f}" in found.sentence


def test_an_interval_that_holds_zero_and_the_target_is_not_enough_evidence() -> None:
    found = daily_target(equity_of(noise(40.0, 2_000.0)), trades(40), ACCOUNT, REPORT)
    assert found.mean_interval_eur[0] < 0.0 and found.mean_interval_eur[1] > 50.0
    assert not found.enough_evidence
    assert "Not enough evidence: the 95% interval" in found.sentence
    assert "which may be luck" in found.sentence  # the point estimate is given, with the warning
    assert found.capital_interval_eur[1] == math.inf


def test_an_interval_that_ends_below_the_target_is_a_no_though_the_edge_is_undecided() -> None:
    """Mean 2, deviation 300, 1,500 sessions: about 2 +- 15 EUR, which holds 0 and is far from 50."""
    found = daily_target(equity_of(noise(2.0, 300.0)), trades(40), ACCOUNT, REPORT)
    assert found.mean_interval_eur[0] < 0.0 < found.mean_interval_eur[1] < 50.0
    assert "No, not at this capital: even the upper end of that interval is below EUR 50." in found.sentence
    assert "What is undecided is whether there is an edge at all: the 95% interval" in found.sentence
    assert "Not enough evidence" not in found.sentence
    assert not found.enough_evidence


@pytest.mark.parametrize(
    ("interval", "enough", "words"),
    [
        ((-9.0, -1.0), False, "No: it loses money"),
        ((-2.21, 0.58), False, "No, not at this capital"),
        ((1.0, 49.0), True, "No, not at this capital"),
        ((-1.0, 60.0), False, "Not enough evidence"),
        ((math.nan, math.nan), False, "Not enough evidence"),
        ((1.0, 60.0), True, "Perhaps: the 95% interval holds the target"),
        ((50.0, 60.0), True, "Yes, at 95% confidence"),
    ],
)
def test_the_answer_in_a_few_words(interval: tuple[float, float], enough: bool, words: str) -> None:
    assert answer(50.0, interval, 0.95, enough) == words


def test_a_losing_run_too_short_to_resample_is_not_one_without_a_drawdown() -> None:
    """Ten sessions of -30 EUR: the bootstrap has nothing to draw from, and equity only fell."""
    found = daily_target(equity_of([-30.0] * 10), trades(40), ACCOUNT, REPORT)
    assert found.sentence == (
        "After costs the test earned EUR -30.00 a session on a capital of EUR 100,000; 0% of the sessions reached"
        " EUR 50. Not enough evidence: 10 sessions are fewer than 20. The mean is not above zero: no capital makes it"
        " earn EUR 50 a day."
    )
    assert found.capital_required_eur == found.capital_as_tested_eur == math.inf


def test_a_winning_run_too_short_to_resample_says_that_it_is_too_short() -> None:
    found = daily_target(equity_of([30.0, -10.0] * 5), trades(40), ACCOUNT, REPORT)
    assert found.sentence.endswith(
        "10 sessions are too few to say what drawdown to expect, and so what capital it needs."
    )
    assert math.isnan(found.capital_required_eur)


def test_a_run_that_only_rose_saw_no_drawdown() -> None:
    found = daily_target(equity_of([10.0] * 60), trades(40), ACCOUNT, REPORT)
    assert found.expected_drawdown == 0.0
    assert found.sentence.endswith("The test saw no drawdown, so the capital that one would need cannot be estimated.")


def test_a_test_without_costs_says_so() -> None:
    found = daily_target(equity_of(noise(80.0, 200.0)), trades(40), ACCOUNT, REPORT, costs=False)
    assert found.sentence.startswith("WITH COSTS SWITCHED OFF the test earned EUR 80.00 a session")


def test_few_trades_are_not_enough_evidence() -> None:
    closed = pd.concat([trades(40), trades(12, "pairs")])
    found = daily_target(equity_of(noise(80.0, 200.0)), closed, ACCOUNT, REPORT)
    assert found.doubts == ("pairs closed 12 trades, fewer than 30",)
    assert "Not enough evidence: pairs closed 12 trades, fewer than 30." in found.sentence


def test_a_strategy_that_never_traded_is_named() -> None:
    found = daily_target(equity_of(noise(80.0, 200.0)), trades(40), ACCOUNT, REPORT, strategies=["meanrev", "pairs"])
    assert found.doubts == ("pairs closed 0 trades, fewer than 30",)


def test_the_legs_of_a_pair_are_one_trade() -> None:
    legs = pd.concat([trades(20, "pairs"), trades(20, "pairs")])
    assert daily_target(equity_of([1.0]), legs, ACCOUNT, REPORT).trades == 20


def test_a_loss_is_called_a_loss() -> None:
    found = daily_target(equity_of(noise(-40.0, 200.0)), trades(40), ACCOUNT, REPORT)
    assert "No: it loses money, and no capital makes it earn EUR 50 a day." in found.sentence
    assert found.capital_required_eur == found.capital_as_tested_eur == math.inf
    assert not found.enough_evidence


def test_no_capital_is_claimed_for_money_that_was_lost() -> None:
    """After a large loss compounding makes the mean return positive although euros were lost."""
    half = [-50_000.0, 40_000.0] * 15
    found = daily_target(equity_of(half), trades(40), ACCOUNT, REPORT)
    assert found.mean_eur < 0.0
    assert found.capital_required_eur == math.inf


@pytest.mark.parametrize(
    "pnl",
    [[], [10.0], [0.0] * 60, [10.0] * 60, [-100_000.0] + [0.0] * 40, [-150_000.0] + [5.0] * 40],
    ids=["empty", "one session", "flat", "steady", "total loss", "negative equity"],
)
def test_edges_are_defined(pnl: list[float]) -> None:
    found = daily_target(equity_of(pnl), trades(0), ACCOUNT, REPORT)
    assert not found.enough_evidence
    assert any(words in found.sentence for words in ("Not enough evidence", "No: it loses money", "No, not at this"))
    assert "nan" not in found.sentence and "inf" not in found.sentence


def test_to_dict_is_plain() -> None:
    found = daily_target(equity_of(noise(80.0, 200.0, 60)), trades(40), ACCOUNT, REPORT).to_dict()
    assert set(found) == set(DailyTarget.__dataclass_fields__)
    assert json.loads(json.dumps(found, allow_nan=False))["target_eur"] == 50.0


@settings(max_examples=8)
@given(st.integers(0, 2**31))
def test_the_same_seed_gives_the_same_answer(seed: int) -> None:
    equity = equity_of(noise(10.0, 200.0, 120))
    report = ReportSettings(bootstrap_samples=100, seed=seed)
    first, second = (daily_target(equity, trades(40), ACCOUNT, report) for _ in range(2))
    assert first == second


def test_another_seed_gives_another_interval() -> None:
    equity = equity_of(noise(10.0, 200.0, 120))
    first, second = (
        daily_target(equity, trades(40), ACCOUNT, ReportSettings(bootstrap_samples=100, seed=seed)) for seed in (1, 2)
    )
    assert first.mean_interval_eur != second.mean_interval_eur
    assert first.mean_eur == second.mean_eur
