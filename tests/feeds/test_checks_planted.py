"""Clean series give no findings; whatever is planted in one is named, and a repair takes out that and nothing else."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings

from core.calendar import ExchangeCalendar
from feeds.bars import CorporateAction
from feeds.checks import RULES, examine_series
from feeds.hours import SECONDS

CALENDAR = ExchangeCalendar("XNYS")
SESSIONS = CALENDAR.sessions(dt.date(1998, 1, 2), dt.date(2024, 12, 31))
PRICES = ["open", "high", "low", "close"]
MEND_IN_BOTH_WAYS = (
    "missing_price",
    "nonpositive_price",
    "high_low",
    "crossed_quotes",
)  # as the page of the rules says
OF_EACH_DEFECT = max(25, (settings.default.max_examples - 100))  # there are many; HYPOTHESIS_PROFILE=explore has 900


@dataclass(frozen=True)
class Clean:
    """A series as a liquid stock has it, with the splits that its owner knows."""

    frame: pd.DataFrame
    actions: tuple[CorporateAction, ...]
    bar: str = "1d"


def walk(rng: np.random.Generator, bars: int, vol: float, tail: float) -> pd.DataFrame:
    """A random walk with Student tails, clusters of volatility, gaps at the open and volume that grows with moves.

    No move is beyond a fifth, no wick beyond four usual moves: larger ones are to be reported.
    """
    cluster = np.zeros(bars)
    for at, shock in enumerate(rng.normal(0.0, 0.2, bars)):
        cluster[at] = 0.95 * cluster[at - 1] + shock
    sigma = vol * np.exp(np.clip(cluster, -1.1, 1.1))
    moves = np.clip(sigma * rng.standard_t(tail, bars) * np.sqrt((tail - 2.0) / tail), -0.2, 0.2)
    close = rng.uniform(20.0, 400.0) * np.exp(np.cumsum(moves))
    before = close / np.exp(moves)
    opens = before * np.exp(moves * rng.uniform(0.0, 0.7, bars) + 0.2 * sigma * rng.normal(size=bars))
    up, down = (0.3 * sigma * np.minimum(np.abs(rng.standard_t(tail, bars)), 10.0) for _ in range(2))
    farthest = min(4.0 * vol, 0.08)
    high = np.maximum(opens, close) * np.exp(np.minimum(up, farthest))
    low = np.minimum(opens, close) * np.exp(-np.minimum(down, farthest))
    volume = rng.lognormal(rng.uniform(11.0, 16.0), 0.35, bars) * (1.0 + np.abs(moves) / sigma)
    columns = {"open": opens, "high": high, "low": low, "close": close, "volume": np.round(volume)}
    return pd.DataFrame(columns, dtype=np.float64)


def daily(seed: int, bars: int, vol: float, tail: float, ratio: float | None = None) -> Clean:
    """Daily bars on sessions of New York; a split of ``ratio`` at a third of them."""
    rng = np.random.default_rng(seed)
    start = int(rng.integers(0, len(SESSIONS) - bars))
    frame = walk(rng, bars, vol, tail)
    frame.index = pd.DatetimeIndex(np.array(SESSIONS[start : start + bars], dtype="datetime64[us]"), name="time")
    actions: tuple[CorporateAction, ...] = ()
    if ratio is not None:
        at = bars // 3
        actions = (CorporateAction(frame.index[at].date(), "split", ratio, "file"),)
        frame.loc[frame.index[at] :, PRICES] /= ratio
        frame.loc[frame.index[at] :, "volume"] *= ratio
    return Clean(frame, actions)


def intraday(seed: int, bar: str, sessions: int, vol: float, tail: float) -> Clean:
    """Every bar of some sessions of New York, half days among them; hours count from the open."""
    rng = np.random.default_rng(seed)
    start = int(rng.integers(0, len(SESSIONS) - sessions))
    step = pd.Timedelta(seconds=SECONDS[bar])
    parts = []
    for day in SESSIONS[start : start + sessions]:
        close = pd.Timestamp(CALENDAR.close_of(day)).as_unit("us")
        opens = close.tz_convert("America/New_York").normalize() + pd.Timedelta(hours=9, minutes=30)
        grid = pd.date_range(opens.tz_convert("UTC") + step, close, freq=step).as_unit("us")
        parts.append(grid if grid[-1] == close else grid.append(pd.DatetimeIndex([close])))
    index = parts[0].append(parts[1:]).as_unit("us")
    frame = walk(rng, len(index), vol, tail)
    frame.index = index.rename("time")
    return Clean(frame, (), bar)


seeds = st.integers(0, 2**32 - 1)
series = st.builds(
    daily,
    seed=seeds,
    bars=st.integers(60, 400),
    vol=st.floats(0.004, 0.025),
    tail=st.floats(2.6, 8.0),
    ratio=st.sampled_from([None, 2.0, 3.0, 7.0, 1.5, 20.0, 0.1, 0.125]),
)
tails = st.floats(2.6, 8.0)
hours = st.builds(intraday, seeds, st.just("1h"), sessions=st.integers(8, 60), vol=st.floats(0.002, 0.008), tail=tails)
minutes = st.builds(intraday, seeds, st.just("1m"), sessions=st.integers(1, 4), vol=st.floats(2e-4, 1e-3), tail=tails)


@given(clean=series)
def test_clean_daily_series_have_nothing_to_look_at(clean: Clean) -> None:
    examined = examine_series("ABC", "1d", clean.frame, CALENDAR, clean.actions)
    # Two moves of a tenth that cancel within three days happen, with the volume of news: a note says so, nothing more
    assert {(found.rule, found.severity) for found in examined.findings} <= {("spike", "note")}
    assert examined.repairs == ()


@given(clean=st.one_of(hours, minutes))
def test_clean_intraday_series_have_nothing_to_look_at(clean: Clean) -> None:
    examined = examine_series("ABC", clean.bar, clean.frame, CALENDAR)
    assert {(found.rule, found.severity) for found in examined.findings} <= {("spike", "note")}
    assert examined.repairs == ()


# Defects. Each takes a series and a row in its middle, and gives the frame with the defect, the rows that it put in or
# spoilt, and the first and last time at which the rule must name it.


@dataclass(frozen=True)
class Planted:
    frame: pd.DataFrame
    first: pd.Timestamp
    last: pd.Timestamp
    removable: int  # rows that a repair may take out


Defect = Callable[[pd.DataFrame, int, np.random.Generator], Planted]
DEFECTS: dict[str, list[Defect]] = {}


def plants(rule: str) -> Callable[[Defect], Defect]:
    def register(defect: Defect) -> Defect:
        DEFECTS.setdefault(rule, []).append(defect)
        return defect

    return register


def spoil(frame: pd.DataFrame, at: int, count: int, removable: int) -> Planted:
    return Planted(frame, frame.index[at], frame.index[at + count - 1], removable)


def insert(frame: pd.DataFrame, row: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([frame, row]).sort_index(kind="stable")


@plants("duplicate")
def same_row_twice(frame: pd.DataFrame, at: int, rng: np.random.Generator) -> Planted:
    return spoil(insert(frame, frame.iloc[[at] * int(rng.integers(1, 3))]), at, 1, 2)


@plants("duplicate")
def corrected_row(frame: pd.DataFrame, at: int, rng: np.random.Generator) -> Planted:
    return spoil(insert(frame, frame.iloc[[at]] * (1.0 + 1e-3 * rng.normal())), at, 1, 1)


@plants("duplicate")
def row_of_another_company(frame: pd.DataFrame, at: int, rng: np.random.Generator) -> Planted:
    return spoil(insert(frame, frame.iloc[[at]] * rng.choice([0.01, 0.1, 10.0, 100.0])), at, 1, 1)


@plants("closed_session")
def weekend(frame: pd.DataFrame, at: int, rng: np.random.Generator) -> Planted:
    row = frame.iloc[[at]].copy()
    days_to_saturday = 5 - frame.index[at].weekday()
    row.index = row.index + pd.Timedelta(days=days_to_saturday)
    return Planted(insert(frame, row), row.index[0], row.index[0], 1)


@plants("odd_date")
def wrong_year(frame: pd.DataFrame, at: int, rng: np.random.Generator) -> Planted:
    row = frame.iloc[[at]].set_axis(pd.DatetimeIndex([rng.choice(["1899-12-30", "2100-01-04"])]))
    return Planted(insert(frame, row), row.index[0], row.index[0], 0)


@plants("missing_session")
def gap(frame: pd.DataFrame, at: int, rng: np.random.Generator) -> Planted:
    count = int(rng.integers(1, 6))
    return Planted(frame.drop(frame.index[at : at + count]), frame.index[at], frame.index[at + count - 1], 0)


@plants("missing_price")
def nan(frame: pd.DataFrame, at: int, rng: np.random.Generator) -> Planted:
    frame = frame.copy()
    frame.loc[frame.index[at], rng.choice(PRICES)] = rng.choice([np.nan, np.inf, -np.inf])
    return spoil(frame, at, 1, 1)


@plants("nonpositive_price")
def zero(frame: pd.DataFrame, at: int, rng: np.random.Generator) -> Planted:
    frame = frame.copy()
    frame.loc[frame.index[at], rng.choice(PRICES)] = rng.choice([0.0, -1.0, -99.99])
    return spoil(frame, at, 1, 1)


@plants("negative_volume")
def negative_volume(frame: pd.DataFrame, at: int, rng: np.random.Generator) -> Planted:
    frame = frame.copy()
    frame.loc[frame.index[at], "volume"] = rng.choice([-1.0, -1e6, np.nan])
    return spoil(frame, at, 1, 0)


@plants("high_low")
def swapped(frame: pd.DataFrame, at: int, rng: np.random.Generator) -> Planted:
    frame = frame.copy()
    frame.loc[frame.index[at], ["low", "high"]] = frame.iloc[at][["high", "low"]].to_numpy()
    return spoil(frame, at, 1, 0)


@plants("high_low")
def outside(frame: pd.DataFrame, at: int, rng: np.random.Generator) -> Planted:
    frame = frame.copy()
    name, factor = [("high", 0.9), ("low", 1.1), ("high", 0.01), ("low", 100.0)][rng.integers(4)]
    frame.loc[frame.index[at], name] = (
        frame.iloc[at][["open", "close"]].agg("min" if name == "high" else "max") * factor
    )
    return spoil(frame, at, 1, 0)


@plants("high_low")
def garbage_close(frame: pd.DataFrame, at: int, rng: np.random.Generator) -> Planted:
    frame = frame.copy()
    frame.loc[frame.index[at], "close"] *= rng.choice([0.01, 0.1, 10.0, 100.0])
    return spoil(frame, at, 1, 1)


@plants("stale")
def standing_still(frame: pd.DataFrame, at: int, rng: np.random.Generator) -> Planted:
    frame, count = frame.copy(), int(rng.integers(3, 11))
    frame.loc[frame.index[at : at + count], PRICES] = frame.iloc[at][PRICES].to_numpy()
    return spoil(frame, at, count, 0)


@plants("stale")
def copied_day(frame: pd.DataFrame, at: int, rng: np.random.Generator) -> Planted:
    frame = frame.copy()
    frame.iloc[at + 1] = frame.iloc[at]
    return spoil(frame, at, 2, 0)


@plants("spike")
def spike(frame: pd.DataFrame, at: int, rng: np.random.Generator) -> Planted:
    frame, count = frame.copy(), int(rng.integers(1, 4))
    frame.loc[frame.index[at : at + count], PRICES] *= np.exp(rng.uniform(1.2, 5.0) * rng.choice([-1.0, 1.0]))
    frame.loc[frame.index[at : at + count + 1], "volume"] = frame["volume"].median()  # nothing unusual was traded
    return spoil(frame, at, count, count)


@plants("foreign_rows")
def other_company(frame: pd.DataFrame, at: int, rng: np.random.Generator) -> Planted:
    frame, count = frame.copy(), int(rng.integers(4, 12))
    before, after = frame["close"].iloc[[at - 1, at + count]]
    assume(abs(np.log(after / before)) < 0.15)  # it returns to where it was
    usual = frame["volume"].iloc[at + count : at + count + 10].median()
    other = walk(rng, count, 0.01, 5.0)
    other[PRICES] *= before * np.exp(rng.uniform(1.2, 4.0) * rng.choice([-1.0, 1.0])) / other["close"].iloc[0]
    other.loc[0, "volume"] = other["volume"].median()  # nothing unusual was traded
    frame.iloc[at : at + count, frame.columns.get_indexer(other.columns)] = other.to_numpy()
    frame.iloc[at + count, frame.columns.get_loc("volume")] = usual
    return spoil(frame, at, count, count)


@plants("zero_volume")
def no_volume(frame: pd.DataFrame, at: int, rng: np.random.Generator) -> Planted:
    frame, count = frame.copy(), int(rng.integers(1, 4))
    frame.loc[frame.index[at : at + count], "volume"] = 0.0
    return spoil(frame, at, count, 0)


@plants("volume_gap")
def part_of_the_volume(frame: pd.DataFrame, at: int, rng: np.random.Generator) -> Planted:
    frame = frame.copy()
    frame.loc[frame.index[at], "volume"] = frame["volume"].iloc[at - 10 : at + 10].median() * rng.uniform(0.0005, 0.02)
    return spoil(frame, at, 1, 0)


@plants("wick")
def bad_print(frame: pd.DataFrame, at: int, rng: np.random.Generator) -> Planted:
    frame = frame.copy()
    name, factor = [("low", 0.06), ("low", 0.5), ("high", 2.0), ("high", 10.0)][rng.integers(4)]
    frame.loc[frame.index[at], name] *= factor
    return spoil(frame, at, 1, 0)


@plants("exchanged")
def swapped_columns(frame: pd.DataFrame, at: int, rng: np.random.Generator) -> Planted:
    """Opens near the close before, under the name of the closes; of two bars in three, or some more."""
    opens, before = frame["open"].copy(), frame["close"].shift()
    near = (np.abs(np.log(before / frame["close"])) < 0.2) & (rng.random(len(frame)) < rng.uniform(0.67, 1.0))
    opens[near] = before[near]
    high, low = np.maximum(frame["high"], opens), np.minimum(frame["low"], opens)
    frame = frame.assign(open=frame["close"], high=high, low=low, close=opens)
    return spoil(frame, 0, len(frame), 0)


@plants("jump")
def unknown_split(frame: pd.DataFrame, at: int, rng: np.random.Generator) -> Planted:
    frame, ratio = frame.copy(), rng.choice([2.0, 3.0, 4.0, 7.0, 0.1])
    frame.loc[frame.index[at] :, PRICES] /= ratio
    frame.loc[frame.index[at] :, "volume"] *= ratio
    return spoil(frame, at, 1, 0)


@plants("crossed_quotes")
def crossed(frame: pd.DataFrame, at: int, rng: np.random.Generator) -> Planted:
    spread = frame["close"] * 1e-4 * rng.uniform(0.5, 1.5, len(frame))
    frame = frame.assign(bid=frame["close"] - spread, ask=frame["close"] + spread)
    kind = rng.integers(2)
    frame.loc[frame.index[at], "bid"] = frame["ask"].iloc[at] + (spread.iloc[at] if kind else frame["close"].iloc[at])
    return spoil(frame, at, 1, 0)


@plants("adj_close_odd")
def adj_close(frame: pd.DataFrame, at: int, rng: np.random.Generator) -> Planted:
    frame = frame.assign(adj_close=0.9 * frame["close"])
    frame.loc[frame.index[at], "adj_close"] = rng.choice([0.0, -1.0, 1.1 * frame["close"].iloc[at]])
    return spoil(frame, at, 1, 0)


def repaired(frame: pd.DataFrame, repairs: tuple[object, ...]) -> pd.DataFrame:
    """Repairs applied by hand: row r of a time is the r-th of the rows with this time, in the order of the frame."""
    frame = frame.copy()
    where = {}
    for position, time in enumerate(frame.index):
        where.setdefault(time, []).append(position)
    gone = np.zeros(len(frame), dtype=bool)
    for repair in repairs:
        position = where[repair.time][repair.row]
        for name, value in repair.before.items():
            np.testing.assert_equal(frame[name].iloc[position], value)  # NaN is equal to NaN here
        if repair.action == "drop":
            gone[position] = True
        for name, value in repair.after.items():
            frame.iloc[position, frame.columns.get_loc(name)] = value
    return frame[~gone]


@pytest.mark.parametrize("defect", [pytest.param((rule, defect), id=f"{rule}-{defect.__name__}")
                                    for rule, defects in DEFECTS.items() for defect in defects])  # fmt: skip
@settings(max_examples=OF_EACH_DEFECT)
@given(clean=series, where=st.floats(0.45, 0.7), seed=seeds)
def test_every_planted_defect_is_named(defect: tuple[str, Defect], clean: Clean, where: float, seed: int) -> None:
    rule, plant = defect
    planted = plant(clean.frame, int(where * len(clean.frame)), np.random.default_rng(seed))
    examined = examine_series("ABC", "1d", planted.frame, CALENDAR, clean.actions)
    named = [finding for finding in examined.findings if finding.rule == rule]
    assert [(found.symbol, found.bar, found.first, found.last) for found in named] == [
        ("ABC", "1d", planted.first, planted.last)
    ]
    assert {found.severity for found in named} == {RULES[rule].severity} or rule == "jump"
    assert {found.repair for found in named} == {RULES[rule].repair} or rule in MEND_IN_BOTH_WAYS
    # Nothing but what was planted is taken out or changed
    assert all(planted.first <= repair.time <= planted.last for repair in examined.repairs)
    mended = repaired(planted.frame, examined.repairs)
    assert len(planted.frame) - len(mended) <= planted.removable
    again = examine_series("ABC", "1d", mended, CALENDAR, clean.actions)
    assert again.repairs == ()
    assert "error" not in {found.severity for found in again.findings}


def test_every_rule_has_a_defect_that_shows_it() -> None:
    assert {*DEFECTS, "missing_bars", "not_daily"} == set(RULES)


@given(clean=series, step=st.integers(2, 25))
def test_bars_of_weeks_and_months_are_one_warning(clean: Clean, step: int) -> None:
    frame = clean.frame.iloc[::step]
    assume(len(frame) > 5)
    examined = examine_series("ABC", "1d", frame, CALENDAR, clean.actions)
    counts = [sum(found.rule == rule for found in examined.findings) for rule in ("not_daily", "missing_session")]
    assert counts == ([1, 0] if step >= 5 else [0, len(frame) - 1])
    assert [repair.rule for repair in examined.repairs if repair.rule not in ("spike", "foreign_rows")] == []


picks = st.tuples(
    st.sampled_from([plant for plants in DEFECTS.values() for plant in plants]), st.floats(0.2, 0.7), seeds
)


@given(clean=series, picks=st.lists(picks, min_size=2, max_size=6))
def test_a_repair_leaves_no_error_and_needs_no_second_one(clean: Clean, picks: list[tuple[Defect, float, int]]) -> None:
    frame = clean.frame
    for plant, where, seed in picks:
        frame = plant(frame, int(where * len(frame)), np.random.default_rng(seed)).frame
    examined = examine_series("ABC", "1d", frame, CALENDAR, clean.actions)
    mended = repaired(frame, examined.repairs)
    again = examine_series("ABC", "1d", mended, CALENDAR, clean.actions)
    assert again.repairs == ()
    assert "error" not in {found.severity for found in again.findings}


@given(
    clean=series,
    where=st.floats(0.1, 0.9),
    move=st.floats(-3.0, 3.0),
    days=st.integers(1, 5),
    volume=st.floats(0.5, 30.0),
)
def test_a_crash_or_rally_is_no_error_and_is_never_repaired(
    clean: Clean, where: float, move: float, days: int, volume: float
) -> None:
    """Down to a twentieth or up twenty times, within one day or over five, whatever was traded, and it stays there."""
    frame, at = clean.frame.copy(), int(where * len(clean.frame))
    way = np.clip(np.arange(len(frame)) - at + 1, 0, days) / days
    frame[PRICES] = frame[PRICES].mul(np.exp(move * way), axis=0)
    frame.iloc[at : at + days, frame.columns.get_loc("volume")] *= volume
    examined = examine_series("ABC", "1d", frame, CALENDAR, clean.actions)
    assert "error" not in {finding.severity for finding in examined.findings}
    assert examined.repairs == ()


@given(clean=minutes, where=st.floats(0.2, 0.8), count=st.integers(1, 20))
def test_missing_minutes_are_named_session_by_session(clean: Clean, where: float, count: int) -> None:
    at = int(where * (len(clean.frame) - count))
    gone = clean.frame.index[at : at + count]
    findings = examine_series("ABC", "1m", clean.frame.drop(gone), CALENDAR).findings
    named = [(found.first, found.last, found.rows) for found in findings if found.rule == "missing_bars"]
    by_session = gone.to_series().groupby(gone.tz_convert("America/New_York").date)
    assert named == [(times.iloc[0], times.iloc[-1], len(times)) for _, times in by_session]
