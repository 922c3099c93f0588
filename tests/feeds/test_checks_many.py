"""Many hits of one rule at once: each is judged as docs/data_checks.md says, here in plain Python, one by one."""

from __future__ import annotations

import datetime as dt
import math
import statistics
from itertools import groupby, pairwise
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from hypothesis import given

from core.calendar import ExchangeCalendar
from feeds.checks import RULES, check_series, moves, strays, times, values
from feeds.checks.local import scales_at
from feeds.checks.rows import Rows

CALENDAR = ExchangeCalendar("XNYS")
SESSIONS = np.array(CALENDAR.sessions(dt.date(2015, 1, 2), dt.date(2019, 12, 31)), dtype="datetime64[us]")
PRICES = ["open", "high", "low", "close"]


def walk(rng: np.random.Generator, bars: int, vol: float, still: float) -> pd.DataFrame:
    """Daily bars whose close moves by ``vol`` a day, or not at all on a share ``still`` of the days."""
    moves = rng.normal(0.0, vol, bars) * (rng.random(bars) >= still)
    close = 100.0 * np.exp(np.cumsum(moves))
    opens = np.r_[100.0, close[:-1]]
    frame = {"open": opens, "high": np.maximum(opens, close) * 1.001, "low": np.minimum(opens, close) * 0.999}
    index = pd.DatetimeIndex(SESSIONS[:bars], name="time")
    return pd.DataFrame({**frame, "close": close, "volume": rng.integers(1, 9, bars) * 1e5}, index=index)


def deviation(closes: list[float], first: int, last: int) -> float | None:
    """A robust deviation around the rows ``first`` to ``last`` - 1; None where there is no saying."""
    moves = [abs(math.log(after / before)) for before, after in pairwise(closes)]
    medians = []
    for width in (63, 15):
        beside = moves[max(first - 1 - width, 0) : max(first - 1, 0)] + moves[last : last + width]
        medians.append(statistics.median(beside) if len(beside) >= 10 else None)
    return None if medians[0] is None else 1.4826 * max(median for median in medians if median is not None)


def kept(rows: list[dict[str, float]], first: int, last: int) -> tuple[int, str]:
    """Which of the rows ``first`` to ``last`` - 1, all of one time, is kept, and the end of the reason."""
    group = rows[first:last]
    if all(row == group[0] for row in group):
        return 0, "one is kept"
    if len({row["close"] for row in group}) == 1:
        return max(range(len(group)), key=lambda at: (group[at]["volume"], at)), "the larger volume is kept"
    scale = deviation([row["close"] for row in rows], first, last)
    beside = [rows[at]["close"] for at in (first - 1, last) if 0 <= at < len(rows)]
    if scale and beside:
        away = [
            min(max(abs(math.log(row[name] / price)) for name in PRICES) for price in beside) / scale for row in group
        ]
        nearest = away.index(min(away))
        if all(far > 5.0 * max(away[nearest], 6.0) for at, far in enumerate(away) if at != nearest):
            return nearest, "the one that fits its neighbours is kept"
    return len(group) - 1, "as a correction would be"


@given(
    seed=st.integers(0, 2**32 - 1),
    bars=st.integers(1, 150),
    vol=st.sampled_from([0.0, 1e-4, 0.01]),
    still=st.sampled_from([0.0, 0.7]),
    share=st.sampled_from([0.1, 1.0]),
)
def test_each_of_many_duplicates_is_judged_by_itself(
    seed: int, bars: int, vol: float, still: float, share: float
) -> None:
    rng = np.random.default_rng(seed)
    frame = walk(rng, bars, vol, still)
    again = frame.iloc[np.flatnonzero(rng.random(bars) < share).repeat(int(rng.integers(1, 3)))].copy()
    kind = rng.integers(0, 4, len(again))  # equal, another volume, a correction, another company
    again["volume"] *= np.where(kind == 1, rng.choice([0.5, 1.0, 2.0], len(again)), 1.0)
    far = np.where(kind == 2, 1.0 + 1e-4 * rng.normal(size=len(again)), np.where(kind == 3, 7.0, 1.0))
    again[PRICES] = again[PRICES].mul(far, axis=0)
    frame = pd.concat([frame, again]).sort_index(kind="stable")
    rows: list[dict[str, float]] = frame.to_dict("records")
    expected, first = [], 0
    for time, same in groupby(frame.index):
        size = len(list(same))
        if size > 1:
            keep, why = kept(rows, first, first + size)
            expected.append((time, size, tuple(first + at for at in range(size) if at != keep), why))
        first += size
    hits = list(RULES["duplicate"].find(Rows("ABC", "1d", frame, CALENDAR, ())))
    assert [(pd.Timestamp(hit.first, unit="us"), hit.rows, hit.drop) for hit in hits] == [one[:3] for one in expected]
    assert all(hit.detail.endswith(why) for hit, (*_, why) in zip(hits, expected, strict=True))


@given(
    seed=st.integers(0, 2**32 - 1),
    bars=st.integers(1, 150),
    vol=st.sampled_from([0.0, 1e-4, 0.01, 0.08]),
    share=st.sampled_from([0.05, 0.5, 0.95, 1.0]),
)
def test_each_of_many_impossible_ranges_is_judged_by_itself(seed: int, bars: int, vol: float, share: float) -> None:
    rng = np.random.default_rng(seed)
    frame = walk(rng, bars, vol, 0.0)
    bad = np.flatnonzero(rng.random(bars) < share).tolist()
    for at in bad:
        day = frame.iloc[at]
        spoilt: dict[str, float] = [
            {"high": day["low"], "low": day["high"]},
            {"high": 0.9 * min(day["open"], day["close"])},
            {"low": 1.1 * max(day["open"], day["close"])},
            {"close": day["close"] * rng.choice([0.7, 1.35, 90.0])},
        ][rng.integers(4)]
        frame.iloc[at, frame.columns.get_indexer(list(spoilt))] = list(spoilt.values())
    rows: list[dict[str, float]] = frame.to_dict("records")
    expected: list[tuple[int, dict[str, float]]] = []  # row, and what is written; nothing: it is dropped
    for at in bad:
        row = rows[at]
        before = next((rows[other]["close"] for other in range(at - 1, at - 11, -1) if valid(other, bad, rows)), None)
        after = next((rows[other]["open"] for other in range(at + 1, at + 11) if valid(other, bad, rows)), None)
        scale = deviation([row["close"] for row in rows], at, at + 1)
        reach = max(0.25, 10.0 * (scale or 0.0))
        near = [
            max(abs(math.log(row[name] / level)) for name in ("open", "close")) for level in (before, after) if level
        ]
        top, bottom = max(row["open"], row["close"]), min(row["open"], row["close"])
        if not near or min(near) > reach:
            expected.append((at, {}))
        elif row["low"] >= top and row["high"] <= bottom:
            expected.append((at, {"high": row["low"], "low": row["high"]}))
        else:
            wider = {"high": max(row["high"], top), "low": min(row["low"], bottom)}
            expected.append((at, {name: value for name, value in wider.items() if value != row[name]}))
    hits = list(RULES["high_low"].find(Rows("ABC", "1d", frame, CALENDAR, ())))
    assert [(hit.drop or tuple(hit.change), *(hit.change.values() or [{}])) for hit in hits] == [
        ((at,), change) for at, change in expected
    ]


def valid(at: int, bad: list[int], rows: list[dict[str, float]]) -> bool:
    return 0 <= at < len(rows) and at not in bad


def test_where_most_bars_stand_still_the_last_of_differing_rows_is_kept() -> None:
    """The deviation is 0 there, and one tick away would be infinitely far."""
    frame = walk(np.random.default_rng(1), 60, 0.0, 1.0)
    twice = pd.concat([frame, frame.iloc[[30]] * 1.01]).sort_index(kind="stable")
    (hit,) = RULES["duplicate"].find(Rows("ABC", "1d", twice, CALENDAR, ()))
    assert (hit.drop, hit.detail) == (
        (30,),
        "2 rows of one time that differ; the last is kept, as a correction would be",
    )


def test_deviations_by_hand() -> None:
    """Eleven returns of 1% to 11%: without two of them there are too few but for the first and last rows."""
    returns = np.arange(1, 12) / 100.0 * np.tile([1.0, -1.0], 6)[:11]
    scales = scales_at(returns, np.array([0, 1, 5, 11]), np.array([1, 2, 6, 12]))
    # Row 0: returns of 2% to 11% count, median 6.5%; row 11: 1% to 10%, median 5.5%; others have 9 of them
    np.testing.assert_allclose(scales, [1.4826 * 0.065, np.inf, np.inf, 1.4826 * 0.055], rtol=1e-12)


def test_the_larger_one_of_the_wide_and_the_near_deviation_counts_and_what_is_not_finite_does_not() -> None:
    returns = np.full(300, 0.01)
    returns[85:115] = [0.03, np.inf, -np.inf] * 10  # around row 100 nine of 30 are finite and large, and two at 1%
    returns[185:215] = np.nan  # nothing near row 200
    returns[250] = returns[251] = 0.5  # into and out of row 251
    scales = scales_at(returns, np.array([30, 100, 200, 251]), np.array([31, 101, 201, 252]))
    np.testing.assert_allclose(scales, 1.4826 * np.array([0.01, 0.03, 0.01, 0.01]), rtol=1e-12)


def test_deviations_of_more_places_than_are_held_at_once() -> None:
    returns = np.repeat([0.01, -0.02], 6_000)
    rows = np.arange(12_001)
    scales = scales_at(returns, rows, rows + 1)
    np.testing.assert_allclose(scales[:5_900], 1.4826 * 0.01, rtol=1e-12)
    np.testing.assert_allclose(scales[6_100:], 1.4826 * 0.02, rtol=1e-12)


def test_rows_that_lack_the_same_values_are_equal() -> None:
    frame = walk(np.random.default_rng(1), 40, 0.01, 0.0).assign(bid=np.nan)
    twice = pd.concat([frame, frame.iloc[[20, 20]]]).sort_index(kind="stable")
    (hit,) = RULES["duplicate"].find(Rows("ABC", "1d", twice, CALENDAR, ()))
    assert (hit.drop, hit.detail) == ((21, 22), "3 rows of one time, equal to each other; one is kept")
    twice.iloc[21, twice.columns.get_loc("bid")] = 99.0
    (hit,) = RULES["duplicate"].find(Rows("ABC", "1d", twice, CALENDAR, ()))
    assert (hit.drop, hit.detail[-25:]) == ((20, 21), "the larger volume is kept")  # all are equal: the last


def twice_and_spoilt(bars: int) -> pd.DataFrame:
    """Every row twice, the second one differing; every other one with a close above its high, far from its open."""
    frame = walk(np.random.default_rng(2), bars, 0.01, 0.0)
    frame.loc[frame.index[::2], "close"] *= 1.5
    return pd.concat([frame, frame * 1.001]).sort_index(kind="stable")


@pytest.mark.parametrize(("module", "rule"), [(times, "duplicate"), (values, "high_low")])
def test_the_surroundings_of_all_hits_are_looked_at_at_once(
    module: Any, rule: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def counted(returns: np.ndarray, first: np.ndarray, last: np.ndarray) -> np.ndarray:
        asked.append(len(first))
        return scales_at(returns, first, last)

    monkeypatch.setattr(module, "scales_at", counted)
    hits = list(RULES[rule].find(Rows("ABC", "1d", twice_and_spoilt(300), CALENDAR, ())))
    assert len(hits) == 300 and len(asked) == 1 and asked[0] >= 300


@pytest.mark.parametrize(("module", "rule"), [(strays, "spike"), (moves, "jump")])
def test_the_surroundings_of_all_moves_are_looked_at_at_once(
    module: Any, rule: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A spike of 50% on every 20th bar; it may last for one to three bars, so that there are three questions."""
    frame = walk(np.random.default_rng(3), 400, 0.01, 0.0)
    frame.loc[frame.index[10::20], PRICES] *= 1.5
    asked: list[int] = []

    def counted(returns: np.ndarray, first: np.ndarray, last: np.ndarray) -> np.ndarray:
        asked.append(len(first))
        return scales_at(returns, first, last)

    monkeypatch.setattr(module, "scales_at", counted)
    hits = list(RULES[rule].find(Rows("ABC", "1d", frame, CALENDAR, ())))
    assert len(hits) == (20 if rule == "spike" else 40) and len(asked) <= 3 and asked[0] >= 20


def test_many_findings_and_repairs_carry_the_times_and_numbers_of_their_rows() -> None:
    frame = twice_and_spoilt(40)
    findings = [finding for finding in check_series("ABC", "1d", frame, CALENDAR) if finding.rule == "duplicate"]
    assert [(finding.first, finding.last, finding.rows) for finding in findings] == [
        (time, time, 2) for time in pd.DatetimeIndex(SESSIONS[:40])
    ]
    assert all(finding.first.unit == "us" and finding.first.tz is None for finding in findings)
