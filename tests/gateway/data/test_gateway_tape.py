"""The tape: steps in order, several sizes of bars, what cannot be replayed."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from replayed.tapes import OPENING, quotes, trades
from replayed.world import frame_of, new_york

from core.errors import FeedEmptyError, FeedError
from gateway.data.sample import EURUSD, XMPLA, XMPLB, Sample
from gateway.data.tape import Tape
from gateway.model import Bar, Quote

SECONDS = frame_of([(f"2024-03-08 09:30:{at:02d}", 5.0, 5.2, 4.9, 5.1, 100 + at) for at in (0, 1, 4, 59)])
MINUTE = frame_of([("2024-03-08 09:30:00", 7.0, 7.5, 6.5, 7.2, 900)], seconds=60)


def test_steps_by_hand() -> None:
    quoted = pd.DataFrame(
        {"bid": [5.0], "ask": [5.02], "bid_size": [300.0], "ask_size": [200.0]}, index=[pd.Timestamp(OPENING)]
    )
    tape = Tape({XMPLA: SECONDS, XMPLB: MINUTE}, {XMPLA: quoted}, bar_seconds={XMPLA: 1, XMPLB: 60})
    steps = list(tape.steps())
    at = [int((step.when - OPENING).total_seconds()) for step in steps]
    assert at == [0, 1, 2, 5, 60] and len(tape) == 5
    assert (tape.begin, tape.first, tape.last) == (OPENING, OPENING, steps[-1].when)
    assert steps[0].quotes == {XMPLA: Quote(OPENING, 5.0, 5.02, 300.0, 200.0)} and steps[0].bars == {}
    second = Bar(OPENING, OPENING + dt.timedelta(seconds=1), 5.0, 5.2, 4.9, 5.1, 100.0, pytest.approx(15.2 / 3), 1)
    assert steps[1].bars == {XMPLA: second}
    assert steps[4].bars[XMPLB].start == OPENING and steps[4].bars[XMPLB].count == 9
    assert set(steps[4].bars) == {XMPLA, XMPLB}
    assert all(step.when.tzinfo is dt.UTC for step in steps)


@given(frame=trades(), other=trades(seconds=5), book=quotes(), first=st.integers(-3, 90), length=st.integers(0, 200))
def test_steps_between_two_moments(
    frame: pd.DataFrame, other: pd.DataFrame, book: pd.DataFrame, first: int, length: int
) -> None:
    """Each row comes once, at its own time, in a step after start and not after end."""
    tape = Tape({XMPLA: frame, XMPLB: other}, {XMPLA: book}, bar_seconds={XMPLA: 1, XMPLB: 5})
    start = OPENING + dt.timedelta(seconds=first)
    end = start + dt.timedelta(seconds=length)
    steps = list(tape.steps(start, end))
    times = [step.when for step in steps]
    assert times == sorted(set(times)) and all(start < when <= end for when in times)
    for instrument, rows in ((XMPLA, frame), (XMPLB, other)):
        bars = [(step.when, step.bars[instrument]) for step in steps if instrument in step.bars]
        wanted = rows[(rows.index > start) & (rows.index <= end)]
        assert [when for when, _ in bars] == list(wanted.index)
        assert [(bar.open, bar.close, bar.volume) for _, bar in bars] == list(
            wanted[["open", "close", "volume"]].itertuples(index=False, name=None)
        )
        assert all(bar.end == when for when, bar in bars)
    told = [step.quotes[XMPLA].bid_size for step in steps if XMPLA in step.quotes]
    assert told == book[(book.index > start) & (book.index <= end)]["bid_size"].tolist()


def test_a_long_tape_goes_on_over_its_chunks(sample: Sample) -> None:
    tape = sample.tape()
    steps = list(tape.steps())
    assert len(steps) == len(tape)
    closes = [step.bars[XMPLA].close for step in steps if XMPLA in step.bars]
    np.testing.assert_array_equal(closes, sample.bars[XMPLA]["close"])
    assert sum(EURUSD in step.quotes for step in steps) == len(sample.quotes[EURUSD])


def test_what_stands_at_a_moment(sample: Sample) -> None:
    tape = sample.tape()
    when = new_york("2024-03-08 12:00:00")
    quote, bar = tape.last_quote(XMPLA, when), tape.last_bar(XMPLA, when)
    assert quote is not None and bar is not None
    assert quote.when == when and when - dt.timedelta(seconds=10) < bar.end <= when
    early = new_york("2024-03-08 09:30:00")
    assert tape.last_bar(XMPLA, early) is None and tape.last_quote(XMPLA, early) is None
    assert tape.last_bar(EURUSD, when) is None
    rows = list(tape.rows_of(XMPLA, when, when + dt.timedelta(seconds=2)))
    assert len([quote for _, quote in rows if quote is not None]) == 2


def bad(**changes: Any) -> pd.DataFrame:
    return SECONDS.assign(**changes)


@pytest.mark.parametrize(
    ("frame", "seconds", "text"),
    [
        (SECONDS.drop(columns="volume"), 1, "no column volume"),
        (SECONDS.reset_index(drop=True), 1, "no DatetimeIndex"),
        (SECONDS.iloc[::-1], 1, "does not come after the row before it; sort the rows"),
        (pd.concat([SECONDS.iloc[:1], SECONDS.iloc[:1]]), 1, "keep one for each time"),
        (bad(close=[5.1, np.nan, 5.1, 5.1]), 1, "close at 2024-03-08 14:30:02.* is no number; leave that row out"),
        (bad(high=[5.2, 5.0, 5.2, 5.2]), 1, "a high below or a low above its open or close; mend it"),
        (bad(volume=[1, -1, 1, 1]), 1, "a negative volume"),
        (SECONDS, 60, "bars of 60 s overlap; give the size that they have as bar_seconds"),
        (SECONDS.iloc[:1], None, "the size of a single bar cannot be seen; give bar_seconds"),
    ],
)
def test_what_cannot_be_replayed(frame: pd.DataFrame, seconds: int | None, text: str) -> None:
    with pytest.raises(FeedError, match=f"XMPLA: .*{text}"):
        Tape({XMPLA: frame}, bar_seconds=seconds)


def test_an_empty_tape() -> None:
    with pytest.raises(FeedEmptyError, match="no bar and no quote; give data for the day"):
        Tape({XMPLA: SECONDS.iloc[:0]}, bar_seconds=1)
    with pytest.raises(FeedEmptyError):
        Tape()


def test_naive_times_are_utc_and_the_size_of_bars_is_seen() -> None:
    naive = SECONDS.set_axis(SECONDS.index.tz_localize(None))
    tape = Tape({XMPLA: naive})
    assert tape.bars[XMPLA].seconds == 1 and tape.first == OPENING + dt.timedelta(seconds=1)
    given_ones = Tape({XMPLA: SECONDS.assign(wap=5.05, count=[1, 2, 3, 4])})
    assert [next(given_ones.steps()).bars[XMPLA].wap, int(given_ones.bars[XMPLA].count.sum())] == [5.05, 10]
