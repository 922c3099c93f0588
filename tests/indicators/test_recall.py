"""An indicator that is asked for again is not computed again, and never gives the values of other bars."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest

from indicators import ADX, Bollinger, Cointegration
from indicators.recall import MOST_OF_ONE, RECALL, Recall, digest


@pytest.fixture(autouse=True)
def nothing_known() -> Iterator[None]:
    RECALL.clear()
    yield
    RECALL.clear()


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the indicators that were computed, one for each time."""
    names: list[str] = []
    for kind in (Bollinger, Cointegration):
        kernel = kind.kernel.__func__

        def counted(cls: Any, p: Any, *columns: Any, kernel: Any = kernel) -> Any:
            names.append(cls.__name__)
            return kernel(cls, p, *columns)

        monkeypatch.setattr(kind, "kernel", classmethod(counted))
    return names


def test_the_second_run_finds_the_same_values(run: Any, sp500: pd.DataFrame, computed: list[str]) -> None:
    first = run(Bollinger, [sp500])
    times = len(computed)
    second = run(Bollinger, [sp500])
    assert times and len(computed) == times
    pd.testing.assert_frame_equal(first, second, check_exact=True)


@pytest.mark.parametrize("params", [{"period": 21}, {"devs": 2.5}])
def test_other_parameters_are_another_indicator(
    run: Any, sp500: pd.DataFrame, computed: list[str], params: dict[str, Any]
) -> None:
    first = run(Bollinger, [sp500])
    times = len(computed)
    other = run(Bollinger, [sp500], params)
    assert len(computed) > times and not first.equals(other)


def test_a_changed_bar_is_seen(run: Any, sp500: pd.DataFrame) -> None:
    before = run(ADX, [sp500])
    changed = sp500.copy()
    changed.iloc[2_000, changed.columns.get_loc("high")] *= 1.05
    after = run(ADX, [changed])
    assert before.iloc[:2_000].equals(after.iloc[:2_000]) and not before.iloc[2_000:].equals(after.iloc[2_000:])
    RECALL.clear()
    pd.testing.assert_frame_equal(run(ADX, [changed]), after, check_exact=True)


def test_bars_of_other_times_are_other_pairs(
    run: Any, random_pair: tuple[pd.DataFrame, pd.DataFrame], computed: list[str]
) -> None:
    y, x = random_pair
    both = run(Cointegration, [y, x])
    moved = x.set_axis(x.index + pd.Timedelta(hours=1))  # the same prices, never at the same time
    assert both["p_value"].notna().any()
    assert run(Cointegration, [y, moved])["p_value"].isna().all()


def test_what_is_recalled_cannot_be_written_over(run: Any, sp500: pd.DataFrame) -> None:
    run(Bollinger, [sp500])
    ((_, *lines),) = RECALL._kept.values()
    with pytest.raises(ValueError, match="read-only"):
        lines[0][0] = 1.0


def test_the_least_recently_used_go_first() -> None:
    recall, size = Recall(), MOST_OF_ONE // 8
    for number in range(4):
        recall.put(number, [np.full(size, float(number))])
    assert recall.get(0) is not None  # used: now 1 is the oldest
    recall.put(4, [np.zeros(size)])
    assert recall.get(1) is None and recall.get(0) is not None and recall.get(4) is not None
    recall.put("large", [np.zeros(size + 1)])
    assert recall.get("large") is None


def test_a_digest_tells_where_columns_end() -> None:
    one, two = np.arange(3.0), np.arange(4.0)
    assert digest([one, two]) != digest([two, one]) != digest([np.concatenate([two, one])])
    assert digest([one, two]) == digest([one.copy(), two.copy()])
