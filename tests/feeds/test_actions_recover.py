from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import FeedError
from feeds.actions import read_adj_close, recover_actions
from feeds.bars import CorporateAction


def _bars(rows: list[tuple[float, float]], opens: list[float] | None = None) -> pd.DataFrame:
    """Daily bars from 2024-01-02 (Tuesday) with close and adj_close."""
    index = pd.bdate_range("2024-01-02", periods=len(rows), unit="us", name="time")
    close, adjusted = np.asarray(rows, dtype=np.float64).T
    return pd.DataFrame({"open": opens or close, "close": close, "adj_close": adjusted}, index=index)


def _plain(actions: tuple[CorporateAction, ...]) -> list[tuple[str, str, float]]:
    return [(str(action.ex_date), action.kind, action.value) for action in actions]


def test_spot_form_marks_the_last_row_before_an_action() -> None:
    found = read_adj_close(_bars([(40, 40), (41, 20.5), (20, 20), (21, 20.82), (21, 21), (20, 20)]))
    assert found.form == "spot"
    assert _plain(found.actions) == [("2024-01-04", "split", 2.0), ("2024-01-08", "dividend", 0.18)]
    assert {action.source for action in found.actions} == {"adj_close"}
    assert found.notes == () and found.doubtful == ()


def test_cumulative_form_carries_every_later_action() -> None:
    # A dividend of 0.50 on a close of 20 (factor 0.975) after a split of 2:1
    rows = [(40, 40 * 0.4875), (41, 41 * 0.4875), (20, 20 * 0.975), (20, 20 * 0.975), (19.5, 19.5), (20, 20)]
    found = read_adj_close(_bars(rows))
    assert found.form == "cumulative"
    assert _plain(found.actions) == [("2024-01-04", "split", 2.0), ("2024-01-08", "dividend", 0.5)]


def test_no_action_where_nothing_differs() -> None:
    found = read_adj_close(_bars([(40, 40), (41, 41.0000001)]))
    assert (found.form, found.actions, found.notes) == ("none", (), ())
    assert recover_actions(_bars([(40, 40)]).iloc[:0]) == ((), ())


@pytest.mark.parametrize(
    ("close", "adjusted", "opened", "kind", "value"),
    [
        (59.73, 29.86, 30.20, "split", 2.0),  # GIL 2015-03-27: half a cent of rounding
        (54.45, 36.30, 36.39, "split", 1.5),  # BAM 2015-05-12
        (12.00, 10.00, 10.10, "split", 1.2),
        (3.21, 32.10, 32.00, "split", 0.1),
        (1.00, 8.00, 8.10, "split", 0.125),
        (74.49, 66.49, 67.16, "dividend", 8.0),  # EQR 2016-02-29
        (281.66, 257.66, 256.56, "dividend", 24.0),  # TDG 2016-10-19
        (45.45, 17.858545, 17.61, "spin_off", 27.591455),  # NI 2015-07-01: 2.545
        (73.21, 25.19, 26.58, "spin_off", 48.02),  # Z 2015-08-14: 2.906
        (26.67, 23.435852, 23.81, "spin_off", 3.23415),  # MAS 2015-06-30: 1.138
        (204.86, 203.64845, 203.0, "dividend", 1.21155),
    ],
)
def test_what_a_ratio_stands_for(close: float, adjusted: float, opened: float, kind: str, value: float) -> None:
    single = float(np.float32(close)), float(np.float32(adjusted))
    for pair, error in (((close, adjusted), 1.1e-6), (single, 1e-7 * (close + adjusted))):
        actions, notes = recover_actions(_bars([(close, close), pair, (opened, opened), (opened, opened)]))
        assert [(action.kind, action.value) for action in actions] == [
            (kind, pytest.approx(value, rel=0, abs=max(error, 1.1e-6)))
        ]
        assert notes == ()


@pytest.mark.parametrize(
    ("close", "adjusted", "opened", "text"),
    [
        (23.65, 24.35, 24.29, "adj_close lies 3.0% above the close"),  # KIM 2015-06-04
        (
            7.83,
            2.56152,
            11.72,
            "the close of 7.83 is worth 2.562 without the right, but the next price is 11.72",
        ),  # WIN
        (32.28, 30.73, 31.93, "is worth 30.73 without the right, but the next price is 31.93"),  # HSBC
        (100.0, 50.0, 101.0, "is worth 50 without the right, but the next price is 101"),
    ],
)
def test_what_the_next_price_belies_is_no_action(close: float, adjusted: float, opened: float, text: str) -> None:
    found = read_adj_close(_bars([(close, close), (close, adjusted), (opened, opened), (opened, opened)]))
    assert found.actions == ()
    assert [text in doubt.reason for doubt in found.doubtful] == [True]
    assert "2024-01-04: no action is taken from adj_close: " in found.notes[0] and text in found.notes[0]


def test_rows_of_another_instrument_step_there_and_back() -> None:
    # NEE in November 2016
    rows = [(22.99, 22.99), (22.86, 113.48), (113.83, 113.83), (116.3, 22.56), (22.31, 22.31)]
    found = read_adj_close(_bars(rows))
    assert found.actions == () and len(found.doubtful) == 2
    assert "takes back the step of 2024-01-04; the rows between look like another instrument's" in found.notes[1]


def test_a_cumulative_column_may_cross_one() -> None:
    # 4:1, later 1:4: the oldest rows have adj_close = close again
    rows = [(40, 40), (41, 41), (42, 42), (10, 40), (10, 40), (11, 44), (44, 44), (45, 45)]
    found = read_adj_close(_bars([(float(a), float(b)) for a, b in rows]))
    assert found.form == "cumulative"
    assert _plain(found.actions) == [("2024-01-05", "split", 4.0), ("2024-01-10", "split", 0.25)]


def test_an_action_after_the_last_row_is_left_out_with_a_note() -> None:
    actions, notes = recover_actions(_bars([(40, 40), (40, 40), (40, 20)]))
    assert actions == ()
    assert notes[0].startswith("2024-01-04: adj_close of the last row differs from its close by actions after it")
    actions, notes = recover_actions(_bars([(40, 10), (41, 10.25), (20, 10), (20, 10)]))
    assert _plain(actions) == [("2024-01-04", "split", 2.0)]
    assert len(notes) == 1


def test_dirty_rows_are_passed_over() -> None:
    bars = _bars([(40, 40), (41, 20.5), (20, 20), (21, 21)])
    dirty = pd.concat([bars, bars.iloc[1:2], bars.iloc[:1].assign(close=0.0).set_axis([pd.Timestamp("2024-01-01")])])
    dirty = pd.concat([dirty, bars.iloc[:1].assign(adj_close=np.nan).set_axis([pd.Timestamp("2023-12-29")])])
    actions, notes = recover_actions(dirty.sample(frac=1, random_state=1))
    assert _plain(actions) == [("2024-01-04", "split", 2.0)]
    assert notes == ("1 rows repeat a day; the first of each is read.",)


def test_an_ex_date_behind_a_long_gap_is_said() -> None:
    bars = _bars([(40, 40), (41, 20.5), (20, 20), (21, 21)])
    bars.index = pd.DatetimeIndex(["2024-01-02", "2024-01-03", "2024-02-20", "2024-02-21"])
    assert recover_actions(bars)[1] == ("2024-02-20 split 2: it may be any day after 2024-01-03.",)


def test_without_an_open_the_close_tells() -> None:
    bars = _bars([(40, 40), (41, 20.5), (20, 20), (21, 21)])
    assert len(recover_actions(bars.drop(columns="open"))[0]) == 1
    bars.loc["2024-01-04", "open"] = np.nan
    assert len(recover_actions(bars)[0]) == 1


def test_frames_that_cannot_tell_are_refused() -> None:
    bars = _bars([(40, 40), (41, 20.5)])
    with pytest.raises(FeedError, match="no adj_close to recover actions from"):
        recover_actions(bars.drop(columns="adj_close"))
    for index in (bars.index.tz_localize("UTC"), bars.index + pd.Timedelta(hours=10)):
        with pytest.raises(FeedError, match="recovered from daily bars"):
            recover_actions(bars.set_axis(index))


# --- planted events come back


@st.composite
def _planted(draw: st.DrawFn) -> tuple[pd.DataFrame, list[tuple[dt.date, str, float]]]:
    """Closes in cents that follow their events, with the events; opens are the closes."""
    count = draw(st.integers(8, 40))
    at = draw(st.lists(st.integers(1, (count - 2) // 3), min_size=1, max_size=5, unique=True))
    dates = pd.bdate_range("2024-01-02", periods=count, unit="us")
    closes, events = [draw(st.integers(4_000, 20_000)) / 100], []
    for row in range(1, count):
        price = closes[-1]
        if row % 3 == 0 and row // 3 in at:
            if draw(st.booleans()):
                value, kind = draw(st.sampled_from([2.0, 3.0, 1.5, 4.0, 0.5, 0.1, 0.125])), "split"
                price /= value
            else:
                value, kind = draw(st.integers(5, 300)) / 100, "dividend"
                value = min(value, round(0.15 * price, 2))  # a sixth of the price would be a 6:5 split as well
                price -= value
            if value > 0.0 and price > 1.0:
                events.append((dates[row].date(), kind, value))
            else:
                price = closes[-1]
        closes.append(max(round(price * (1 + draw(st.integers(-10, 10)) / 1000), 2), 0.5))
    close = np.asarray(closes)
    return pd.DataFrame({"open": close, "close": close}, index=dates), events


def _worth(close: float, kind: str, value: float) -> float:
    return close / value if kind == "split" else close - value


@given(_planted())
def test_planted_events_come_back_out_of_the_spot_form(
    planted: tuple[pd.DataFrame, list[tuple[dt.date, str, float]]],
) -> None:
    bars, events = planted
    adjusted = bars["close"].copy()
    for day, kind, value in events:
        row = bars.index.get_loc(pd.Timestamp(day)) - 1
        adjusted.iloc[row] = _worth(bars["close"].iloc[row], kind, value)
    _check(bars.assign(adj_close=adjusted), events)


@given(_planted())
def test_planted_events_come_back_out_of_the_cumulative_form(
    planted: tuple[pd.DataFrame, list[tuple[dt.date, str, float]]],
) -> None:
    bars, events = planted
    adjusted = bars["close"].copy()
    for day, kind, value in events:
        row = bars.index.get_loc(pd.Timestamp(day))
        close = bars["close"].iloc[row - 1]
        adjusted.iloc[:row] *= _worth(close, kind, value) / close
    _check(bars.assign(adj_close=adjusted), events)


def _check(bars: pd.DataFrame, events: list[tuple[dt.date, str, float]]) -> None:
    found = read_adj_close(bars)
    assert found.doubtful == ()
    assert [(action.ex_date, action.kind) for action in found.actions] == [event[:2] for event in events]
    assert [action.value for action in found.actions] == pytest.approx([value for _, _, value in events], rel=1e-6)
