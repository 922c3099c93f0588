from __future__ import annotations

import datetime as dt
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import AdjustmentError
from feeds.actions import adjust, as_paid, factors, reconcile
from feeds.bars import CorporateAction


def _bars(closes: list[float], start: str = "2024-01-02") -> pd.DataFrame:
    index = pd.bdate_range(start, periods=len(closes), unit="us", name="time")
    close = np.asarray(closes, dtype=np.float64)
    columns = {
        "open": close - 1,
        "high": close + 1,
        "low": close - 2,
        "close": close,
        "volume": np.full(len(close), 600.0),
    }
    return pd.DataFrame(columns, index=index)


def _on(day: str, kind: str, value: float, source: str = "") -> CorporateAction:
    return CorporateAction(dt.date.fromisoformat(day), kind, value, source)  # type: ignore[arg-type]


# 2024-01-02 Tuesday, 03, 04, 05, then Monday 08, 09
CLOSES = [100.0, 102.0, 51.0, 50.0, 48.0, 49.0]
SPLIT = _on("2024-01-04", "split", 2.0)
PAID = _on("2024-01-08", "dividend", 2.0)


def test_a_split_divides_earlier_prices_and_multiplies_earlier_volume() -> None:
    bars = _bars(CLOSES)
    split = adjust(bars, [SPLIT, PAID], have="raw", want="split")
    assert split["close"].tolist() == [50.0, 51.0, 51.0, 50.0, 48.0, 49.0]
    assert split["low"].tolist() == [49.0, 50.0, 49.0, 48.0, 46.0, 47.0]
    assert split["volume"].tolist() == [1200.0, 1200.0, 600.0, 600.0, 600.0, 600.0]


def test_sizes_of_quotes_are_shares_as_volume_is() -> None:
    quotes = _bars(CLOSES).assign(bid=10.0, ask=11.0, bid_size=300.0, ask_size=500.0)
    split = adjust(quotes, [SPLIT, PAID], have="raw", want="split")
    assert split["bid"].tolist()[:3] == [5.0, 5.0, 10.0]
    assert split["bid_size"].tolist()[:3] == [600.0, 600.0, 300.0]
    assert split["ask_size"].tolist()[:3] == [1000.0, 1000.0, 500.0]


def test_a_dividend_takes_its_share_of_the_close_before_and_leaves_volume() -> None:
    total = adjust(_bars(CLOSES), [SPLIT, PAID], have="raw", want="total")
    factor = 1 - 2 / 50
    assert total["close"].tolist() == pytest.approx([50 * factor, 51 * factor, 51 * factor, 50 * factor, 48.0, 49.0])
    assert total["volume"].tolist() == [1200.0, 1200.0, 600.0, 600.0, 600.0, 600.0]


def test_a_spin_off_counts_in_split_mode_too() -> None:
    bars, action = _bars([40.0, 40.0, 31.0]), _on("2024-01-04", "spin_off", 10.0)
    for want in ("split", "total"):
        adjusted = adjust(bars, [action], have="raw", want=want)  # type: ignore[arg-type]
        assert adjusted["close"].tolist() == [30.0, 30.0, 31.0]
        assert adjusted["volume"].tolist() == [600.0, 600.0, 600.0]


def test_split_and_dividend_of_one_day_the_dividend_is_for_a_share_after_the_split() -> None:
    # 1 share at 100 becomes 2 at 50 that go without the right to 5 each: 45 out of 100
    bars, day = _bars([100.0, 100.0, 46.0]), "2024-01-04"
    actions = [_on(day, "dividend", 5.0), _on(day, "split", 2.0)]
    assert adjust(bars, actions, have="raw", want="total")["close"].tolist() == pytest.approx([45.0, 45.0, 46.0])
    assert adjust(bars, actions, have="raw", want="split")["close"].tolist() == [50.0, 50.0, 46.0]


def test_several_payments_of_one_day_add_up() -> None:
    bars, day = _bars([100.0, 100.0, 90.0]), "2024-01-04"
    actions = [_on(day, "dividend", 3.0), _on(day, "dividend", 0.5), _on(day, "spin_off", 6.5)]
    assert adjust(bars, actions, have="raw", want="total")["close"].tolist() == [90.0, 90.0, 90.0]


def test_an_ex_date_in_a_gap_takes_the_first_bar_after_it_and_the_last_close_before() -> None:
    bars = _bars(CLOSES).drop(pd.to_datetime(["2024-01-04", "2024-01-05"]))
    assert adjust(bars, [SPLIT], have="raw", want="total")["close"].tolist() == [50.0, 51.0, 48.0, 49.0]
    weekend = _on("2024-01-06", "dividend", 5.0)
    total = adjust(_bars(CLOSES), [weekend], have="raw", want="total")["close"]
    assert total.tolist() == pytest.approx([90.0, 91.8, 45.9, 45.0, 48.0, 49.0])


def test_actions_at_the_first_bar_and_after_the_last_change_nothing() -> None:
    bars = _bars(CLOSES)
    outside = [_on("2023-12-01", "split", 4.0), _on("2024-01-02", "dividend", 1.0), _on("2024-01-10", "split", 3.0)]
    pd.testing.assert_frame_equal(adjust(bars, outside, have="raw", want="total"), bars)
    assert adjust(bars.iloc[:0], [SPLIT], have="raw", want="total").empty


def test_a_close_that_is_no_price_is_passed_over() -> None:
    bars = _bars([100.0, 100.0, 100.0, 95.0])
    bars.loc["2024-01-03", "close"], bars.loc["2024-01-04", "close"] = 80.0, np.nan
    total = adjust(bars, [_on("2024-01-05", "dividend", 8.0)], have="raw", want="total")
    assert total["close"].iloc[:2].tolist() == [90.0, 72.0]


def test_quotes_are_prices_and_adj_close_is_left_out_of_what_changed() -> None:
    bars = _bars(CLOSES).assign(adj_close=1.0, bid=10.0, ask=12.0)
    adjusted = adjust(bars, [SPLIT], have="raw", want="split")
    assert adjusted["bid"].iloc[0] == 5.0 and adjusted["ask"].iloc[0] == 6.0
    assert "adj_close" not in adjusted
    assert adjust(bars, [SPLIT], have="raw", want="raw")["adj_close"].tolist() == [1.0] * 6


def test_the_frame_that_was_given_is_not_touched() -> None:
    bars = _bars(CLOSES)
    before = bars.copy()
    same = adjust(bars, [SPLIT], have="raw", want="raw")
    same.iloc[0, 0] = -1.0
    adjust(bars, [SPLIT, PAID], have="raw", want="total")
    pd.testing.assert_frame_equal(bars, before)


def test_factors_are_what_adjust_multiplies_by() -> None:
    bars = _bars(CLOSES)
    multiply = factors(bars, [SPLIT, PAID], want="total")
    assert multiply["price"].tolist() == pytest.approx([0.48, 0.48, 0.96, 0.96, 1.0, 1.0])
    assert multiply["volume"].tolist() == [2.0, 2.0, 1.0, 1.0, 1.0, 1.0]


# --- prices that are adjusted already


def test_split_adjusted_prices_become_raw_and_total() -> None:
    bars, actions = _bars(CLOSES), [SPLIT, PAID, _on("2024-01-09", "spin_off", 8.0)]
    split = adjust(bars, actions, have="raw", want="split")
    pd.testing.assert_frame_equal(adjust(split, actions, have="split", want="raw"), bars)
    total = adjust(bars, actions, have="raw", want="total")
    pd.testing.assert_frame_equal(adjust(split, actions, have="split", want="total"), total)


def test_a_source_may_have_adjusted_up_to_a_day_after_the_last_bar() -> None:
    bars, later = _bars(CLOSES), _on("2025-06-02", "split", 4.0)
    yahoo = bars / [8.0, 8.0, 8.0, 8.0, 1 / 8.0]
    yahoo.iloc[2:] = yahoo.iloc[2:] * [2.0, 2.0, 2.0, 2.0, 0.5]
    raw = adjust(yahoo, [SPLIT, PAID, later], have="split", want="raw", until=dt.date(2025, 7, 1))
    pd.testing.assert_frame_equal(raw, bars)
    anchored = adjust(yahoo, [SPLIT, PAID, later], have="split", want="split", until=dt.date(2025, 7, 1))
    assert anchored["close"].tolist() == [50.0, 51.0, 51.0, 50.0, 48.0, 49.0]
    spin_off = _on("2025-06-02", "spin_off", 4.0)
    with pytest.raises(AdjustmentError, match="spin-off of 2025-06-02 is after the last bar"):
        adjust(yahoo, [spin_off], have="split", want="raw", until=dt.date(2025, 7, 1))


@pytest.mark.parametrize("want", ["raw", "split"])
def test_total_prices_cannot_be_taken_back(want: str) -> None:
    with pytest.raises(AdjustmentError, match="import or pull raw prices"):
        adjust(_bars(CLOSES), [SPLIT], have="total", want=want)  # type: ignore[arg-type]
    assert adjust(_bars(CLOSES), [SPLIT], have="total", want="total")["close"].tolist() == CLOSES


# --- what cannot be


@pytest.mark.parametrize(
    ("action", "text"),
    [
        (_on("2024-01-05", "dividend", 51.0), "dividend of 51 on 2024-01-05: the share was worth 51 before it"),
        (_on("2024-01-05", "spin_off", 60.0), "correct the amount"),
        (_on("2024-01-05", "split", 0.0), "2024-01-05 split 0: the value cannot be 0; write the shares after it"),
        (_on("2024-01-05", "dividend", -0.5), "write the amount for one share"),
        (_on("2024-01-05", "dividend", math.nan), "cannot be nan"),
    ],
)
def test_impossible_values_are_refused(action: CorporateAction, text: str) -> None:
    with pytest.raises(AdjustmentError, match=text):
        adjust(_bars(CLOSES), [action], have="raw", want="total")


def test_impossible_frames_and_words_are_refused() -> None:
    bars = _bars(CLOSES)
    with pytest.raises(AdjustmentError, match="row 1 .2024-01-08.* is earlier than the row before it.*sort the bars"):
        adjust(bars.iloc[::-1], [SPLIT], have="raw", want="total")
    with pytest.raises(AdjustmentError, match="unknown adjustment 'totl'"):
        adjust(bars, [SPLIT], have="raw", want="totl")  # type: ignore[arg-type]
    bars["close"] = 0.0
    with pytest.raises(AdjustmentError, match="no close above 0 before the dividend of 2024-01-08"):
        adjust(bars, [PAID], have="raw", want="total")


# --- intraday bars


def _minutes(*moments: tuple[str, float]) -> pd.DataFrame:
    index = pd.DatetimeIndex([time for time, _ in moments], tz="America/New_York").tz_convert("UTC").as_unit("us")
    close = [value for _, value in moments]
    return pd.DataFrame({"close": close, "volume": 10.0}, index=index)


def test_intraday_the_right_ends_at_the_midnight_of_the_exchange() -> None:
    bars = _minutes(
        ("2024-01-03 15:59", 99.0), ("2024-01-03 16:00", 100.0), ("2024-01-03 19:00", 104.0),  # evening: with the right
        ("2024-01-04 00:00", 104.0),  # closes at midnight: still the day before
        ("2024-01-04 07:00", 49.0), ("2024-01-04 09:31", 50.0),
    )  # fmt: skip
    split = adjust(bars, [SPLIT], have="raw", want="split")
    assert split["close"].tolist() == [49.5, 50.0, 52.0, 52.0, 49.0, 50.0]
    assert split["volume"].tolist() == [20.0, 20.0, 20.0, 20.0, 10.0, 10.0]


def test_intraday_a_dividend_is_measured_by_the_close_of_the_session_before() -> None:
    bars = _minutes(
        ("2024-01-05 15:59", 80.0), ("2024-01-05 16:00", 100.0), ("2024-01-05 19:59", 50.0), ("2024-01-08 09:31", 90.0)
    )  # fmt: skip
    total = adjust(bars, [_on("2024-01-08", "dividend", 10.0)], have="raw", want="total")
    assert total["close"].tolist() == pytest.approx([72.0, 90.0, 45.0, 90.0])
    # A half day: 2023-11-24 closed at 13:00
    half = _minutes(("2023-11-24 13:00", 100.0), ("2023-11-24 16:00", 50.0), ("2023-11-27 09:31", 90.0))
    total = adjust(half, [_on("2023-11-27", "dividend", 10.0)], have="raw", want="total")
    assert total["close"].tolist() == pytest.approx([90.0, 45.0, 90.0])


def test_intraday_the_exchange_says_where_the_day_is() -> None:
    # 23:30 UTC on the 3rd is the 4th in Tokyo, where the 4th is the ex-date; XTKS closed at 15:00 = 06:00 UTC
    index = pd.DatetimeIndex(
        ["2024-01-11 06:00", "2024-01-11 23:30", "2024-01-12 01:00"], tz="UTC", dtype="datetime64[us, UTC]"
    )
    bars = pd.DataFrame({"close": [100.0, 50.0, 51.0], "volume": 1.0}, index=index)
    action = _on("2024-01-12", "split", 2.0)
    assert adjust(bars, [action], have="raw", want="split", exchange="XTKS")["close"].tolist() == [50.0, 50.0, 51.0]
    assert adjust(bars, [action], have="raw", want="split", exchange="XNYS")["close"].tolist() == [100.0, 50.0, 51.0]


def test_intraday_and_daily_bars_get_the_same_factors() -> None:
    daily = _bars(CLOSES)
    stamped = daily.set_axis((daily.index + pd.Timedelta(hours=16)).tz_localize("America/New_York").tz_convert("UTC"))
    actions = [SPLIT, PAID]
    expected = factors(daily, actions, want="total").to_numpy()
    np.testing.assert_array_equal(factors(stamped, actions, want="total").to_numpy(), expected)


# --- invariants

_KINDS = st.sampled_from(["split", "spin_off", "dividend"])


@st.composite
def _histories(draw: st.DrawFn) -> tuple[pd.DataFrame, list[CorporateAction]]:
    """Bars with random closes, and actions of at most 30% of the close before them."""
    closes = draw(st.lists(st.floats(5.0, 500.0), min_size=3, max_size=25))
    bars = _bars(closes)
    actions = []
    for at in draw(st.lists(st.integers(1, len(closes) - 1), max_size=6, unique=True)):
        kind = draw(_KINDS)
        share = draw(st.floats(0.001, 0.3))
        value = draw(st.sampled_from([2.0, 3.0, 1.5, 0.1, 7.0])) if kind == "split" else share * closes[at - 1]
        actions.append(CorporateAction(bars.index[at].date(), kind, value))  # type: ignore[arg-type]
    return bars, actions


@given(_histories())
def test_split_adjustment_can_be_undone(history: tuple[pd.DataFrame, list[CorporateAction]]) -> None:
    bars, actions = history
    there = adjust(bars, actions, have="raw", want="split")
    pd.testing.assert_frame_equal(adjust(there, actions, have="split", want="raw"), bars, rtol=1e-9)


@given(_histories())
def test_the_adjusted_series_is_that_of_a_holder_who_reinvests(
    history: tuple[pd.DataFrame, list[CorporateAction]],
) -> None:
    bars, actions = history
    total = adjust(bars, actions, have="raw", want="total")["close"].to_numpy()
    shares, worth = 1.0, [bars["close"].iloc[0]]
    for at in range(1, len(bars)):
        close_before = bars["close"].iloc[at - 1]
        for action in actions:
            if action.ex_date == bars.index[at].date():
                if action.kind == "split":
                    shares *= action.value
                else:  # paid on every share, and spent on shares at the close before less the payment
                    shares += shares * action.value / (close_before - action.value)
        worth.append(shares * bars["close"].iloc[at])
    np.testing.assert_allclose(total / total[0], np.asarray(worth) / worth[0], rtol=1e-10)


@given(_histories(), st.integers(1, 24))
def test_later_bars_and_actions_never_move_an_earlier_return(
    history: tuple[pd.DataFrame, list[CorporateAction]], length: int
) -> None:
    bars, actions = history
    for want in ("split", "total"):
        whole = adjust(bars, actions, have="raw", want=want).iloc[:length]  # type: ignore[arg-type]
        part = adjust(bars.iloc[:length], actions, have="raw", want=want)  # type: ignore[arg-type]
        prices = ["open", "high", "low", "close"]
        scale = whole["close"].iloc[-1] / part["close"].iloc[-1]
        np.testing.assert_allclose(whole[prices], part[prices] * scale, rtol=1e-10)


# --- several sources


def test_sources_that_agree_count_once_and_files_come_first() -> None:
    day = "2024-01-08"
    mine, polygon, yahoo = (
        _on(day, "dividend", value, source)
        for value, source in ((0.8512, "mine.csv"), (0.851, "polygon"), (0.85, "yahoo"))
    )
    kept, notes = reconcile([yahoo, polygon, mine])
    assert [(row.value, row.source) for row in kept] == [(0.8512, "mine.csv")]
    assert notes == ()


def test_sources_that_differ_are_named_and_the_order_is_kept() -> None:
    day = "2024-01-08"
    rows = [
        _on(day, "dividend", 0.82, "yahoo"),
        _on(day, "dividend", 0.85, "mine.csv"),
        _on(day, "dividend", 0.9, "adj_close"),
    ]
    kept, notes = reconcile(rows)
    assert [row.source for row in kept] == ["mine.csv"]
    assert notes == (
        "2024-01-08 dividend: mine.csv says 0.85, yahoo says 0.82; 0.85 is used.",
        "2024-01-08 dividend: mine.csv says 0.85, adj_close says 0.9; 0.85 is used.",
    )
    assert [row.source for row in reconcile(rows[::2])[0]] == ["yahoo"]
    factor = adjust(_bars(CLOSES), rows, have="raw", want="total")["close"].iloc[3] / 50
    assert factor == pytest.approx(1 - 0.85 / 50)


def test_payments_of_one_source_and_day_add_up_against_the_sum_of_another() -> None:
    day = "2016-09-22"  # EQR: 3.00 special and 0.50375
    rows = [
        _on(day, "dividend", 3.0, "polygon"),
        _on(day, "dividend", 0.50375, "polygon"),
        _on(day, "dividend", 3.504, "adj_close"),
    ]
    kept, notes = reconcile(rows)
    assert [row.value for row in kept] == [0.50375, 3.0] and notes == ()


def test_one_event_under_two_dates_counts_once_where_the_sources_differ() -> None:
    # A public list has IBM's 1.30 of May 2015 on the 6th and, wrongly, on the 7th as well
    right, late = _on("2015-05-06", "dividend", 1.3, "polygon"), _on("2015-05-07", "dividend", 1.3, "yahoo")
    kept, notes = reconcile([right, late])
    assert kept == (right,)
    assert notes == ("2015-05-06 dividend 1.3 (polygon) is taken for the 1.3 that yahoo dates 2015-05-07.",)
    same = [right, _on("2015-05-07", "dividend", 1.3, "polygon")]
    kept, notes = reconcile(same)
    assert kept == tuple(same)
    assert notes == (
        "2015-05-06 dividend 1.3 (polygon) is there again on 2015-05-07; remove one if it is the same event.",
    )


def test_repetitions_and_contradictions_of_one_source() -> None:
    kept, notes = reconcile([PAID, PAID])
    assert kept == (PAID,) and notes == ("2024-01-08 dividend 2 is given 2 times; it counts once.",)
    with pytest.raises(AdjustmentError, match="2024-01-04: yahoo has splits of 2 and 3 for one"):
        reconcile([_on("2024-01-04", "split", 2.0, "yahoo"), _on("2024-01-04", "split", 3.0, "yahoo")])


def test_payments_per_share_of_today_become_payments_of_their_day() -> None:
    # Apple: 0.094643 per share of 2021 in 2012 was 2.65; 0.1175 of 2014-08 was 0.47
    rows = [
        _on("2012-08-09", "dividend", 2.65 / 28), _on("2014-06-09", "split", 7.0),
        _on("2014-08-07", "dividend", 0.1175), _on("2020-08-31", "split", 4.0), _on("2020-11-06", "dividend", 0.205),
    ]  # fmt: skip
    assert [row.value for row in as_paid(rows)] == pytest.approx([2.65, 7.0, 0.47, 4.0, 0.205])
    # A payment of the day of a split is for a share after it already
    assert as_paid([_on("2014-06-09", "split", 7.0), _on("2014-06-09", "dividend", 0.5)])[0].value == 0.5
