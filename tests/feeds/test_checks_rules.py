"""Rules one by one: what each says, what it leaves alone, and what a repair decides. Expected values by hand."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from core.calendar import ExchangeCalendar
from core.errors import FeedError
from feeds.bars import CorporateAction
from feeds.checks import Finding, check_series, examine_series, propose_repairs
from feeds.quality import check_bars

CALENDAR = ExchangeCalendar("XNYS")
START = dt.date(2021, 3, 1)
PRICES = ["open", "high", "low", "close"]


def calm(bars: int = 100, start: dt.date = START) -> pd.DataFrame:
    """Closes of 100, 101, 100, 99 and again, a range of 2 around, a million shares: a robust deviation of 1.5%."""
    days = CALENDAR.sessions(start, dt.date(2023, 12, 29))[:bars]
    close = 100.0 + np.tile([0.0, 1.0, 0.0, -1.0], bars)[:bars]
    columns = {"open": close + 0.1, "high": close + 1.0, "low": close - 1.0, "close": close}
    index = pd.DatetimeIndex(np.array(days, dtype="datetime64[us]"), name="time")
    volume = 1e6 + 1e3 * np.arange(bars)
    return pd.DataFrame({**columns, "volume": volume}, index=index)


def check(frame: pd.DataFrame, *actions: CorporateAction, bar: str = "1d") -> list[Finding]:
    return check_series("ABC", bar, frame, CALENDAR, actions)


def rules(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(finding.rule, finding.severity) for finding in findings]


def repeat(frame: pd.DataFrame, at: int, **values: float) -> pd.DataFrame:
    """The frame with a second row of one time."""
    return pd.concat([frame, frame.iloc[[at]].assign(**values)]).sort_index(kind="stable")


def minutes(*days: str) -> pd.DataFrame:
    """One-minute bars from 9:31 to 16:00 of some days in New York."""
    parts = [pd.date_range(f"{day} 09:31", f"{day} 16:00", freq="min", tz="America/New_York") for day in days]
    index = parts[0].append(parts[1:]).tz_convert("UTC").as_unit("us")
    close = 100.0 + 0.01 * np.tile([0.0, 1.0, 0.0, -1.0], len(index))[: len(index)]
    columns = {"open": close, "high": close + 0.02, "low": close - 0.02, "close": close}
    return pd.DataFrame({**columns, "volume": 500.0}, index=index)


def test_calm_bars_have_no_finding() -> None:
    assert check(calm()) == []
    assert check(minutes("2021-03-01", "2021-03-02"), bar="1m") == []


@pytest.mark.parametrize("bars", [0, 1, 2, 3])
def test_a_few_bars_are_enough(bars: int) -> None:
    assert check(calm(bars)) == []


def test_rows_in_any_order_are_judged_in_the_order_of_time() -> None:
    frame = calm()
    frame.iloc[50, frame.columns.get_loc("close")] = np.nan
    shuffled = frame.sample(frac=1.0, random_state=1)
    assert check(shuffled) == check(frame)
    assert propose_repairs("ABC", "1d", shuffled, CALENDAR) == propose_repairs("ABC", "1d", frame, CALENDAR)


def test_a_frame_without_prices_is_refused() -> None:
    with pytest.raises(FeedError, match="ABC 1d: no column close, and no bid and ask; there are: volume"):
        check(calm()[["volume"]])
    with pytest.raises(FeedError, match="not a DatetimeIndex"):
        check(calm().reset_index(drop=True))


# Duplicates


def test_of_equal_rows_the_first_is_kept() -> None:
    frame = repeat(repeat(calm(), 50), 50)
    (finding,) = check(frame)
    assert (finding.rule, finding.rows, finding.repair) == ("duplicate", 3, "drop")
    assert finding.detail == "3 rows of one time, equal to each other; one is kept"
    assert [(repair.row, repair.action, repair.after) for repair in propose_repairs("ABC", "1d", frame, CALENDAR)] == [
        (1, "drop", {}), (2, "drop", {}),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("values", "dropped", "why"),
    [
        ({"volume": 12.0}, 1, "the larger volume is kept"),
        ({"volume": 9e9}, 0, "the larger volume is kept"),
        ({"close": 100.5}, 0, "the last is kept"),
        ({"open": 9.0, "high": 10.0, "low": 8.0, "close": 9.5}, 1, "the one that fits its neighbours is kept"),
    ],
)
def test_of_differing_rows_one_is_kept_for_a_reason(values: dict[str, float], dropped: int, why: str) -> None:
    (repair,) = propose_repairs("ABC", "1d", repeat(calm(), 50, **values), CALENDAR)
    assert (repair.rule, repair.row, repair.time) == ("duplicate", dropped, calm().index[50])
    assert why in repair.reason


def test_rows_of_one_time_are_numbered_in_their_order() -> None:
    frame = pd.concat([calm(), calm().iloc[[50] * 60]])
    frame["close"] += np.r_[np.zeros(100), 1e-3 * np.arange(1, 61)]
    repairs = propose_repairs("ABC", "1d", frame, CALENDAR)
    assert [repair.row for repair in repairs] == list(range(60))
    assert [repair.before["close"] for repair in repairs] == frame["close"].iloc[[50, *range(100, 159)]].tolist()


# Sessions


def test_days_without_a_session_are_named() -> None:
    frame = calm()
    holiday = frame.iloc[[24]].set_axis(pd.DatetimeIndex(["2021-04-02"]))  # Good Friday
    (finding,) = check(pd.concat([frame, holiday]).sort_index())
    assert (finding.rule, finding.severity, finding.repair) == ("closed_session", "error", "drop")
    assert finding.detail == "no session of XNYS on 2021-04-02"


def test_the_wrong_exchange_costs_no_rows() -> None:
    """A market that never closes has 2 of 7 days on a weekend."""
    frame = calm(70).set_axis(pd.date_range("2021-03-01", periods=70, unit="us"))
    findings = check(frame)
    assert rules(findings) == [("closed_session", "warning")]
    assert "21 of 70 bars on days without a session of XNYS: the exchange is probably another one" in findings[0].detail
    assert propose_repairs("ABC", "1d", frame, CALENDAR) == []


def test_bars_that_the_calendar_does_not_reach_are_not_judged() -> None:
    frame = calm(60).set_axis(pd.date_range("1985-01-01", periods=60, unit="us"))
    assert rules(check(frame)) == [("closed_session", "note")]


def test_missing_sessions_are_counted_in_runs() -> None:
    frame = calm()
    gone = [frame.index[at] for at in (10, 11, 30)]
    findings = [(f.rule, f.severity, f.first, f.last, f.rows, f.repair) for f in check(frame.drop(gone))]
    assert findings == [
        ("missing_session", "warning", gone[0], gone[1], 2, None),
        ("missing_session", "warning", gone[2], gone[2], 1, None),
    ]


def test_intraday_a_session_and_bars_of_a_session_are_missing() -> None:
    frame = minutes("2021-03-01", "2021-03-02", "2021-03-04")
    frame = frame.drop(frame.index[[400, 401, 410]])  # of 2021-03-02: bars 11, 12 and 21
    one, two = check(frame, bar="1m")
    assert (one.rule, one.rows, str(one.first), str(one.last)) == (
        "missing_bars", 3, "2021-03-02 14:41:00+00:00", "2021-03-02 14:51:00+00:00",
    )  # fmt: skip
    assert one.detail == "3 of 390 bars of the session missing"
    assert (two.rule, two.rows, str(two.first)) == ("missing_session", 1, "2021-03-03 21:00:00+00:00")


def test_a_series_that_begins_and_ends_within_a_session_lacks_nothing() -> None:
    assert check(minutes("2021-03-01", "2021-03-02").iloc[100:-100], bar="1m") == []


def test_a_midday_pause_is_not_missing() -> None:
    days = ["2021-03-01", "2021-03-02", "2021-03-03", "2021-03-04", "2021-03-05"]
    frame = minutes(*days).tz_convert("America/New_York")
    paused = pd.concat([frame.between_time("09:31", "12:00"), frame.between_time("13:01", "16:00")]).sort_index()
    assert check(paused.tz_convert("UTC"), bar="1m") == []


def test_a_seldom_traded_series_is_one_note() -> None:
    frame = minutes("2021-03-01", "2021-03-02")
    frame = frame.iloc[1::2]
    (finding,) = check(frame, bar="1m")
    assert (finding.rule, finding.severity, finding.rows) == ("missing_bars", "note", 389)


def test_bars_before_hours_are_a_note_and_weekend_bars_an_error() -> None:
    frame = minutes("2021-03-01")
    early = frame.iloc[:3].set_axis(frame.index[:3] - pd.Timedelta(minutes=10))
    weekend = frame.iloc[:2].set_axis(frame.index[:2] + pd.Timedelta(days=5))
    findings = check(pd.concat([frame, early, weekend]).sort_index(), bar="1m")
    assert [(f.rule, f.severity, f.rows, f.repair) for f in findings] == [
        ("closed_session", "note", 3, None), ("closed_session", "error", 2, "drop"),
    ]  # fmt: skip


def test_midnight_ends_the_day_before() -> None:
    late = minutes("2021-03-05").iloc[:2].set_axis(pd.DatetimeIndex(["2021-03-06T05:00Z", "2021-03-06T05:01Z"]))
    findings = check(pd.concat([minutes("2021-03-05"), late]), bar="1m")  # midnight in New York, after a Friday
    assert [(f.rule, f.severity, f.rows) for f in findings] == [
        ("closed_session", "note", 1), ("closed_session", "error", 1),
    ]  # fmt: skip


# Values


@pytest.mark.parametrize(
    ("had", "after"),
    [
        ({"high": 99.0, "low": 101.5}, {"high": 101.5, "low": 99.0}),  # the two are swapped
        ({"high": 100.05}, {"high": 100.1}),  # the open was higher
        ({"low": 100.05}, {"low": 100.0}),  # the close was lower
        ({"close": 102.0}, {"high": 102.0}),  # 2% above the high, and believed
    ],
)
def test_an_impossible_range_is_widened_to_what_was_traded(had: dict[str, float], after: dict[str, float]) -> None:
    frame = calm()  # bar 52: open 100.1, high 101, low 99, close 100
    before = {name: (had | dict(frame.iloc[52]))[name] for name in after}
    frame.loc[frame.index[52], list(had)] = list(had.values())
    (repair,) = propose_repairs("ABC", "1d", frame, CALENDAR)
    assert (repair.rule, repair.action, repair.time) == ("high_low", "set", frame.index[52])
    assert repair.after == after
    assert repair.before == {name: had.get(name, before[name]) for name in after}


def test_an_impossible_row_far_from_its_neighbours_goes() -> None:
    frame = calm()
    frame.loc[frame.index[52], "close"] = 10_000.0
    (repair,) = propose_repairs("ABC", "1d", frame, CALENDAR)
    assert (repair.rule, repair.action, repair.after) == ("high_low", "drop", {})
    assert repair.before == {"open": 100.1, "high": 101.0, "low": 99.0, "close": 10_000.0, "volume": 1_052_000.0}
    assert "far from the bars around" in repair.reason


@pytest.mark.parametrize(("beside", "name"), [(51, "close"), (53, "open")])
def test_an_impossible_row_is_believed_near_the_close_before_or_the_open_after(beside: int, name: str) -> None:
    """A day that went from 100 to 140 or back, and beside it a day at 140: a third is more than 0.25 in logs."""
    frame = calm()
    frame.loc[frame.index[52], PRICES] = [140.0, 139.0, 138.0, 140.0]  # the high is too low
    frame.loc[frame.index[beside], [name, "high"]] = 140.0
    (repair,) = (r for r in propose_repairs("ABC", "1d", frame, CALENDAR) if r.time == frame.index[52])
    assert (repair.rule, repair.action, repair.after) == ("high_low", "set", {"high": 140.0})
    frame.loc[frame.index[beside], ["open", "close"]] = frame.loc[frame.index[beside], ["close", "open"]].to_numpy()
    (repair,) = (r for r in propose_repairs("ABC", "1d", frame, CALENDAR) if r.time == frame.index[52])
    assert (repair.rule, repair.action) == ("high_low", "drop")


def test_rounding_is_no_impossible_range() -> None:
    frame = calm()
    frame["high"] = frame[["open", "close"]].max(axis=1) * (1.0 - 1e-12)
    assert check(frame) == []


def test_what_a_run_refuses_is_found() -> None:
    """A high below the low by more than rounding, with open and close within rounding of both."""
    frame = calm()
    frame.loc[frame.index[52], PRICES] = 100.0 * (1.0 + 1e-9 * np.array([0.75, 0.0, 1.5, 0.75]))
    with pytest.raises(FeedError, match="high below low"):
        check_bars("ABC", frame)
    (repair,) = propose_repairs("ABC", "1d", frame, CALENDAR)
    assert (repair.rule, sorted(repair.after)) == ("high_low", ["high", "low"])
    frame.loc[frame.index[52], ["high", "low"]] = [repair.after["high"], repair.after["low"]]
    check_bars("ABC", frame)


def test_a_missing_volume_keeps_its_prices() -> None:
    frame = calm()
    frame.loc[frame.index[[20, 21]], "volume"] = [np.nan, -5.0]
    one, two = propose_repairs("ABC", "1d", frame, CALENDAR)
    assert (one.rule, one.after) == ("negative_volume", {"volume": 0.0})
    assert list(one.before) == ["volume"] and np.isnan(one.before["volume"])
    assert (two.rule, two.before, two.after) == ("negative_volume", {"volume": -5.0}, {"volume": 0.0})


def test_a_repair_says_which_values_a_row_did_not_have() -> None:
    """A row that has since got them is another one: the catalog refuses the repair for it."""
    frame = calm().assign(bid=np.nan)
    frame.loc[frame.index[20], ["close", "volume"]] = np.nan
    frame.loc[frame.index[30], "high"] = 1.0
    frame.loc[frame.index[30], "volume"] = np.nan
    dropped, corrected = propose_repairs("ABC", "1d", frame, CALENDAR)
    nothing = float("nan")
    np.testing.assert_equal(
        dict(dropped.before),
        {"open": 100.1, "high": 101.0, "low": 99.0, "close": nothing, "volume": nothing, "bid": nothing},
    )
    np.testing.assert_equal(dict(corrected.before), {"high": 1.0, "volume": nothing})
    assert corrected.after == {"high": 100.1, "volume": 0.0}


def test_a_volume_that_no_bar_has_becomes_0_as_a_run_needs_a_number() -> None:
    frame = calm().assign(volume=np.nan)
    with pytest.raises(FeedError, match="NaN"):
        check_bars("ABC", frame)
    (finding,) = check(frame)
    assert (finding.rule, finding.severity, finding.rows, finding.repair) == ("negative_volume", "error", 100, "set")
    repairs = propose_repairs("ABC", "1d", frame, CALENDAR)
    assert [(repair.time, repair.after) for repair in repairs] == [(time, {"volume": 0.0}) for time in frame.index]
    assert check(frame.assign(volume=0.0)) == []


@pytest.mark.parametrize("name", PRICES)
def test_a_price_that_no_bar_has_is_missing(name: str) -> None:
    frame = calm().assign(**{name: np.nan})
    with pytest.raises(FeedError, match="NaN"):
        check_bars("ABC", frame)
    (finding,) = check(frame)
    assert (finding.rule, finding.severity, finding.rows, finding.repair) == ("missing_price", "error", 100, "drop")
    assert finding.detail == f"{name} missing in all 100 bars; dropped: import bars that have it"
    assert [repair.action for repair in propose_repairs("ABC", "1d", frame, CALENDAR)] == ["drop"] * 100


def test_adj_close_may_be_above_the_close_before_a_reverse_split_only() -> None:
    frame = calm()
    frame["adj_close"] = frame["close"]
    frame.loc[frame.index[:50], "adj_close"] *= 10.0
    assert rules(check(frame)) == [("adj_close_odd", "warning")]
    reverse = CorporateAction(frame.index[50].date(), "split", 0.1)
    frame.loc[frame.index[50] :, ["open", "high", "low", "close", "adj_close"]] *= 10.0
    frame.loc[frame.index[50] :, "volume"] /= 10.0
    assert check(frame, reverse) == []


# Strays and moves


def scaled(at: int, count: int, factor: float, volume: float = 1.0) -> pd.DataFrame:
    frame = calm()
    frame.loc[frame.index[at : at + count], PRICES] *= factor
    frame.loc[frame.index[at : at + count], "volume"] *= volume
    return frame


def test_a_wrong_price_that_returns_at_once_is_dropped() -> None:
    frame = scaled(52, 2, 1.4)
    (finding,) = check(frame)
    assert (finding.rule, finding.severity, finding.first, finding.last) == (
        "spike",
        "error",
        frame.index[52],
        frame.index[53],
    )
    assert finding.detail == "140 between 99 and 100: it leaves and returns at once, with a gap on both sides"
    assert [repair.time for repair in propose_repairs("ABC", "1d", frame, CALENDAR)] == list(frame.index[52:54])


def test_spikes_of_one_to_three_bars_are_spikes_also_at_the_end_and_one_after_the_other() -> None:
    frame = calm()
    for at, count, factor in ((20, 1, 1.4), (24, 2, 0.6), (40, 3, 1.4), (60, 4, 1.4), (98, 1, 1.4)):
        frame.loc[frame.index[at : at + count], PRICES] *= factor
    found = [(f.first, f.last) for f in check(frame) if f.rule == "spike" and f.repair == "drop"]
    days = [(20, 20), (24, 25), (40, 42), (98, 98)]  # four bars are no spike
    assert found == [(frame.index[first], frame.index[last]) for first, last in days]
    frame.loc[frame.index[99], PRICES] *= 1.4  # nothing returns after it
    assert len([f for f in check(frame) if f.rule == "spike"]) == 3


def dropped_spikes(frame: pd.DataFrame) -> list[int]:
    """Numbers of the rows that go as spikes."""
    return [frame.index.get_loc(r.time) for r in propose_repairs("ABC", "1d", frame, CALENDAR) if r.rule == "spike"]


def test_what_lies_between_two_spikes_is_none() -> None:
    frame = calm()
    frame.loc[frame.index[[20, 22]], PRICES] *= 1.4
    assert dropped_spikes(frame) == [20, 22]


def test_a_small_move_before_a_spike_is_no_part_of_it() -> None:
    """5% is less than 12 deviations of 1.5%, and then 60%."""
    frame = calm()
    frame.loc[frame.index[52], PRICES] *= 1.05
    frame.loc[frame.index[53], PRICES] *= 1.6
    assert dropped_spikes(frame) == [53]


@pytest.mark.parametrize(("level", "gone"), [(1.25, []), (1.05, [52])])
def test_a_spike_comes_back_to_a_quarter_of_its_way(level: float, gone: list[int]) -> None:
    """From 99 to 160, and then to 126.25 or 106.05: in logs 0.24 are left of 0.24 back, and 0.07 of 0.41."""
    frame = calm()
    frame.loc[frame.index[52], PRICES] *= 1.6
    frame.loc[frame.index[53] :, PRICES] *= level
    assert dropped_spikes(frame) == gone


def test_a_spike_ends_with_the_first_bar_that_is_back() -> None:
    """Out by 2.0 and back to within 0.3, in logs: that it was one, too, shows when the first is gone."""
    frame = calm()
    frame.loc[frame.index[52], PRICES] *= np.exp(2.0)
    frame.loc[frame.index[53], PRICES] *= np.exp(0.3)
    found = [(f.first, f.last) for f in check(frame) if f.rule == "spike"]
    assert found == [(frame.index[52],) * 2, (frame.index[53],) * 2]


@pytest.mark.parametrize(("bars", "count", "gone"), [(12, 1, []), (13, 1, [5]), (13, 2, []), (14, 2, [5, 6])])
def test_spikes_need_ten_returns_that_are_not_their_own(bars: int, count: int, gone: list[int]) -> None:
    frame = calm(bars)
    frame.loc[frame.index[5 : 5 + count], PRICES] *= 1.4
    assert dropped_spikes(frame) == gone


def test_a_large_move_is_no_jump_where_moves_are_large() -> None:
    """After it 15 moves of 10%: with 15 of 1% before it the deviation is 1.4826 * 5.5%, and six of them are 0.49."""
    frame = calm()
    frame.loc[frame.index[52] :, PRICES] *= np.exp(0.3)
    assert [f.first for f in check(frame) if f.rule == "jump"] == [frame.index[52]]
    frame.loc[frame.index[53:68:2], PRICES] *= np.exp(0.1)
    assert [f.first for f in check(frame) if f.rule == "jump"] == []


def test_the_volume_of_news_keeps_what_leaves_and_returns() -> None:
    assert rules(check(scaled(52, 2, 1.4, volume=4.0))) == [("jump", "note"), ("spike", "warning"), ("jump", "note")]
    assert rules(check(scaled(52, 1, 1.25, volume=4.0))) == [("spike", "note")]
    findings = check(scaled(40, 10, 3.0, volume=4.0))
    assert ("foreign_rows", "error") in rules(findings)  # as busy all through: the volume of another company
    frame = scaled(40, 10, 3.0)
    frame.loc[frame.index[40], "volume"] *= 4.0
    assert ("foreign_rows", "warning") in rules(check(frame))
    assert propose_repairs("ABC", "1d", frame, CALENDAR) == []


def test_a_day_that_was_traded_through_is_real() -> None:
    """As on 1987-10-19 and after: down by a quarter within one day, and back within the next."""
    frame = calm()
    frame.loc[frame.index[52], PRICES] = [98.0, 99.0, 74.0, 74.0]
    frame.loc[frame.index[53], PRICES] = [74.0, 101.0, 74.0, 101.0]
    assert rules(check(frame)) == [("spike", "warning"), ("jump", "note"), ("jump", "note")]
    assert propose_repairs("ABC", "1d", frame, CALENDAR) == []


@pytest.mark.parametrize("factor", [0.06, 0.15, 0.45, 0.7, 1.6, 2.3, 9.0])
def test_a_price_that_stays_is_real(factor: float) -> None:
    frame = scaled(52, 48, factor, volume=5.0)
    assert rules(check(frame)) == [("jump", "note")]
    assert propose_repairs("ABC", "1d", frame, CALENDAR) == []


@pytest.mark.parametrize(
    ("ratio", "name"), [(2.0, "2:1"), (1.5, "3:2"), (7.0, "7:1"), (50.0, "50:1"), (0.1, "1:10"), (0.5, "1:2")]
)
def test_an_unknown_split_is_named_and_a_known_one_is_none(ratio: float, name: str) -> None:
    frame = scaled(52, 48, 1.0 / ratio, volume=ratio)
    (finding,) = (finding for finding in check(frame) if finding.rule == "jump")
    assert (finding.severity, finding.repair) == ("warning", None)
    assert f"close to a {name} split" in finding.detail
    day = frame.index[52].date()
    assert check(frame, CorporateAction(day, "split", ratio)) == []
    # prices that are adjusted for it already do not show it
    assert check(calm(), CorporateAction(day, "split", ratio)) == []


def test_a_spin_off_of_a_third_is_explained() -> None:
    frame = scaled(52, 48, 2.0 / 3.0)  # from 99 to 66.67: 33.33 a share were handed out
    assert rules(check(frame, CorporateAction(frame.index[52].date(), "spin_off", 33.33))) == []


def test_another_company_takes_the_row_that_is_made_of_both_with_it() -> None:
    frame = scaled(40, 20, 0.2)
    frame["adj_close"] = frame["close"]
    frame.loc[frame.index[39], "adj_close"] = 20.0
    (finding,) = (finding for finding in check(frame) if finding.severity == "error")
    assert (finding.rule, finding.first, finding.last, finding.rows) == (
        "foreign_rows",
        frame.index[39],
        frame.index[59],
        21,
    )
    assert f"{frame.index[39]:%Y-%m-%d} has the adj_close of these rows" in finding.detail


def test_rows_that_are_most_of_the_series_are_not_taken_out() -> None:
    frame = scaled(20, 60, 0.2)
    (finding,) = (finding for finding in check(frame) if finding.rule == "foreign_rows")
    assert finding.severity == "warning"
    assert "which rows are the other company's is not known" in finding.detail
    assert propose_repairs("ABC", "1d", frame, CALENDAR) == []


def test_single_trades_outside_of_hours_are_kept() -> None:
    frame = minutes("2021-03-01", "2021-03-02")
    late = frame.iloc[:60].set_axis(pd.date_range("2021-03-01 21:01", periods=60, freq="min", tz="UTC", unit="us"))
    late.iloc[30] *= [1.05, 1.05, 1.05, 1.05, 1.0]
    frame = pd.concat([frame, late]).sort_index()
    assert rules(check(frame, bar="1m")) == [("closed_session", "note"), ("spike", "note")]


def test_what_repairs_hide_is_found_after_them() -> None:
    """A spike whose way back leads over a row without a price."""
    frame = scaled(52, 1, 10.0)
    frame.loc[frame.index[53], "close"] = np.nan
    examined = examine_series("ABC", "1d", frame, CALENDAR)
    assert [(repair.rule, repair.time) for repair in examined.repairs] == [
        ("spike", frame.index[52]), ("missing_price", frame.index[53]),
    ]  # fmt: skip
    assert examine_series("ABC", "1d", frame.drop(frame.index[[52, 53]]), CALENDAR).repairs == ()


def test_flat_bars_of_a_halt_are_stale_after_a_week() -> None:
    frame = calm()
    frame.loc[frame.index[50:54], PRICES] = 100.0
    assert check(frame) == []
    frame.loc[frame.index[54], PRICES] = 100.0
    (finding,) = check(frame)
    assert (finding.rule, finding.rows, finding.repair) == ("stale", 5, None)


def test_a_series_without_volumes_lacks_none() -> None:
    assert check(calm().assign(volume=0.0)) == []
    frame = calm()
    frame.loc[frame.index[::3], "volume"] = 0.0
    assert rules(check(frame)) == [("zero_volume", "note")]
    frame = minutes("2021-03-01")
    frame.loc[frame.index[[50, 70]], "volume"] = 0.0
    (finding,) = check(frame, bar="1m")
    assert (finding.rule, finding.severity, finding.rows) == ("zero_volume", "note", 2)


def test_a_row_beside_a_foreign_block_stays_where_adj_close_is_adjusted_for_a_later_split() -> None:
    """A quarter everywhere before a 4:1 split: the price of the other company by chance, and no mark of its rows."""
    days = pd.DatetimeIndex(CALENDAR.sessions(dt.date(2018, 1, 2), dt.date(2018, 12, 31)), dtype="datetime64[us]")
    close = 100.0 + np.random.default_rng(3).normal(0.0, 0.5, len(days)).cumsum()
    close[100:120] = close[100:120] / 4.0
    frame = pd.DataFrame(
        {name: close for name in ("open", "high", "low", "close")} | {"volume": 1e6, "adj_close": close / 4.0}, days
    )
    repairs = examine_series("A", "1d", frame, CALENDAR).repairs
    assert [repair.time for repair in repairs] == list(days[100:120])
    mixed = frame.assign(adj_close=close)
    mixed.iloc[120, mixed.columns.get_loc("adj_close")] = close[119]
    repairs = examine_series("A", "1d", mixed, CALENDAR).repairs
    assert [repair.time for repair in repairs] == list(days[100:121])
