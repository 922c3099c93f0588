"""Historical bars: worked by hand, and against pandas' resample."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from replayed.world import NEW_YORK, asked, frame_of, new_york, world

from core.errors import FeedError
from gateway.data.history import History
from gateway.data.sample import EURUSD, XMPLA, XMPLB, Sample
from gateway.data.spans import BAR_SIZES
from gateway.refused import Refused

HAND = frame_of(
    [
        ("2024-03-08 09:30:00", 10.00, 10.02, 9.99, 10.01, 300),
        ("2024-03-08 09:30:01", 10.01, 10.05, 10.01, 10.05, 100),
        ("2024-03-08 09:30:07", 10.04, 10.04, 10.00, 10.00, 200),
        ("2024-03-08 09:30:16", 10.03, 10.03, 10.03, 10.03, 50),
    ]
)


def bars_of(answer: dict) -> list[tuple]:
    return [tuple(bar[name] for name in ("date", "open", "high", "low", "close", "volume")) for bar in answer["bars"]]


def test_five_second_bars_by_hand() -> None:
    _, history, _ = world({XMPLA: HAND})
    now = new_york("2024-03-08 09:30:17")
    answer = history.bars(asked(durationStr="60 S", barSizeSetting="5 secs"), now)
    assert bars_of(answer) == [
        ("20240308 09:30:00 US/Eastern", 10.00, 10.05, 9.99, 10.05, 400.0),
        ("20240308 09:30:05 US/Eastern", 10.04, 10.04, 10.00, 10.00, 200.0),
        ("20240308 09:30:10 US/Eastern", 10.00, 10.00, 10.00, 10.00, 0.0),  # nobody traded
        ("20240308 09:30:15 US/Eastern", 10.03, 10.03, 10.03, 10.03, 50.0),
    ]
    # The means of high, low and close are 30.02 / 3 and 30.11 / 3; 300 and 100 shares
    assert answer["bars"][0]["wap"] == pytest.approx((300 * 30.02 + 100 * 30.11) / 3 / 400, abs=1e-8)
    assert [bar["barCount"] for bar in answer["bars"]] == [4, 2, 0, 1]  # a trade for each 100 shares, one at least
    assert (answer["reqId"], answer["end"]) == (7, "20240308 09:30:17 US/Eastern")
    assert answer["start"] == "20240307 15:59:17 US/Eastern"  # 43 seconds are those of the day before


def test_bars_without_fill_leave_gaps() -> None:
    _, history, _ = world({XMPLA: HAND}, fill=False)
    answer = history.bars(asked(durationStr="60 S", barSizeSetting="5 secs"), new_york("2024-03-08 09:30:17"))
    assert [bar["date"][9:17] for bar in answer["bars"]] == ["09:30:00", "09:30:05", "09:30:15"]


def test_the_bar_under_way_is_shown_as_far_as_it_has_come() -> None:
    _, history, _ = world({XMPLA: HAND})
    answer = history.bars(asked(), new_york("2024-03-08 09:30:01"))
    assert bars_of(answer) == [("20240308 09:30:00 US/Eastern", 10.00, 10.02, 9.99, 10.01, 300.0)]


def test_times_by_version_and_format() -> None:
    _, history, _ = world({XMPLA: HAND}, zone="Europe/Berlin")
    now = new_york("2024-03-08 09:30:17")
    assert history.bars(asked(), now, 174)["bars"][0]["date"] == "20240308 09:30:00 US/Eastern"
    assert history.bars(asked(), now, 173)["bars"][0]["date"] == "20240308  15:30:00"
    assert history.bars(asked(formatDate=2), now)["bars"][0]["date"] == "1709908200"
    assert history.bars(asked(formatDate=2, barSizeSetting="1 day"), now)["bars"][0]["date"] == "20240308"


def test_old_versions_are_told_lots() -> None:
    _, history, _ = world({XMPLA: HAND})
    now = new_york("2024-03-08 09:30:17")
    assert [history.bars(asked(), now, version)["bars"][0]["volume"] for version in (162, 163)] == [6, 650.0]


def expected(frame: pd.DataFrame, seconds: int, now: dt.datetime) -> pd.DataFrame:
    """pandas: seconds of trades as bars of the regular session, stamped with their start."""
    rows = frame[frame.index <= now].copy()
    rows["worth"] = rows["wap"] * rows["volume"]
    rows.index = (rows.index - pd.Timedelta(seconds=1)).tz_convert(NEW_YORK)
    if seconds == 1:
        out = rows.resample("1s").last()
    grouped = rows.resample(f"{seconds}s", origin="start_day")
    out = pd.DataFrame(
        {
            "open": grouped["open"].first(),
            "high": grouped["high"].max(),
            "low": grouped["low"].min(),
            "close": grouped["close"].last(),
            "volume": grouped["volume"].sum(),
            "barCount": grouped["count"].sum(),
            "wap": grouped["worth"].sum() / grouped["volume"].sum(),
        }
    )
    opening = out.index[0].normalize() + pd.Timedelta(hours=9, minutes=30)
    out = out[out.index + pd.Timedelta(seconds=seconds) > opening]
    out["close"] = out["close"].ffill()
    for column in ("open", "high", "low", "wap"):
        out[column] = out[column].fillna(out["close"])
    out.index = out.index.where(out.index > opening, opening)
    return out


@pytest.mark.parametrize("size", [name for name, seconds in BAR_SIZES.items() if 30 < seconds < 86_400])
@pytest.mark.parametrize("day", ["2024-03-08", "2024-03-11"])
def test_bars_are_those_of_pandas(sample: Sample, history: History, size: str, day: str) -> None:
    now = new_york(f"{day} 15:17:31")
    answer = history.bars(asked(XMPLB, barSizeSetting=size), now)
    frame = sample.bars[XMPLB]
    wanted = expected(frame[frame.index.tz_convert(NEW_YORK).date == now.date()], BAR_SIZES[size], now)
    assert [bar["date"] for bar in answer["bars"]] == [f"{at:%Y%m%d %H:%M:%S} US/Eastern" for at in wanted.index]
    shown = pd.DataFrame(answer["bars"])[list(wanted.columns)]
    np.testing.assert_allclose(shown.to_numpy(float), wanted.to_numpy(float), rtol=0, atol=2e-8)


@pytest.mark.parametrize("size", ["1 secs", "5 secs", "10 secs", "15 secs", "30 secs"])
def test_small_bars_are_those_of_pandas(sample: Sample, history: History, size: str) -> None:
    now = new_york("2024-03-11 11:00:00")
    answer = history.bars(asked(barSizeSetting=size, durationStr="600 S"), now)
    frame = sample.bars[XMPLA]
    wanted = expected(frame[frame.index.tz_convert(NEW_YORK).date == now.date()], BAR_SIZES[size], now)
    wanted = wanted[wanted.index >= now - dt.timedelta(seconds=600)]
    wanted = wanted[wanted.index < now]
    assert [bar["date"][9:17] for bar in answer["bars"]] == [f"{at:%H:%M:%S}" for at in wanted.index]
    shown = pd.DataFrame(answer["bars"])[list(wanted.columns)]
    np.testing.assert_allclose(shown.to_numpy(float), wanted.to_numpy(float), rtol=0, atol=2e-8)


@given(
    minute=st.integers(0, 2 * 24 * 60 + 24 * 60),
    second=st.integers(0, 59),
    size=st.sampled_from(sorted(BAR_SIZES)),
    what=st.sampled_from(["TRADES", "MIDPOINT", "BID", "ASK", "BID_ASK"]),
    regular=st.booleans(),
)
def test_nothing_after_now_is_shown(
    sample: Sample, history: History, minute: int, second: int, size: str, what: str, regular: bool
) -> None:
    """What comes after now changes nothing: a tape that ends there gives the same answer."""
    now = new_york("2024-03-08 09:00:00") + dt.timedelta(minutes=minute, seconds=second)
    request = asked(
        durationStr="1800 S" if BAR_SIZES[size] <= 1_800 else "5 D",
        barSizeSetting=size,
        whatToShow=what,
        useRTH=regular,
    )

    def cut(frames: dict) -> dict:
        return {instrument: frame[frame.index <= now] for instrument, frame in frames.items()}

    shorter = Sample(sample.days, sample.truth, cut(sample.bars), cut(sample.quotes), sample.frames)
    try:
        answer = history.bars(request, now)
    except Refused as refused:
        assert refused.number == 162
        return
    starts = [bar["date"] for bar in answer["bars"]]
    assert starts == sorted(starts)
    if len(starts[0]) > 8:
        assert starts[-1] < f"{now.astimezone(NEW_YORK):%Y%m%d %H:%M:%S}"
    if any(len(frame) for frame in shorter.bars.values()):
        assert shorter.history().bars(request, now) == answer


def test_daily_weekly_and_monthly_bars(sample: Sample, history: History) -> None:
    """Days come from the daily frame and, where there is one, the tape; weeks and months bear their last session."""
    now = new_york("2024-03-11 12:00:00")
    daily = history.bars(asked(durationStr="1 M", barSizeSetting="1 day"), now)["bars"]
    known = sample.frames[XMPLA][86_400]
    assert [bar["date"] for bar in daily[:-2]] == [f"{at:%Y%m%d}" for at in known.index[known.index > "2024-02-11"]]
    assert [bar["date"] for bar in daily[-2:]] == ["20240308", "20240311"]
    friday = sample.bars[XMPLA][: pd.Timestamp("2024-03-09", tz="UTC")]
    assert daily[-2]["high"] == friday["high"].max() and daily[-2]["volume"] == friday["volume"].sum()
    monday = sample.bars[XMPLA][pd.Timestamp("2024-03-09", tz="UTC") : pd.Timestamp(now)]
    assert daily[-1]["close"] == monday["close"].iloc[-1] and daily[-1]["low"] == monday["low"].min()

    frame = pd.DataFrame(daily)
    frame.index = pd.to_datetime(frame["date"])
    for size, rule in (("1W", "W"), ("1M", "ME")):
        shown = history.bars(asked(durationStr="1 M", barSizeSetting=size), now)["bars"]
        grouped = frame.resample(rule)
        assert [bar["high"] for bar in shown] == grouped["high"].max().tolist()
        assert [bar["open"] for bar in shown] == grouped["open"].first().tolist()
        assert [bar["volume"] for bar in shown] == grouped["volume"].sum().tolist()
        assert [bar["date"] for bar in shown] == grouped["date"].last().tolist()


def test_minutes_of_earlier_days_come_from_their_frame(sample: Sample, history: History) -> None:
    now = new_york("2024-03-08 09:31:00")
    shown = history.bars(asked(durationStr="3 D", barSizeSetting="5 mins"), now)["bars"]
    minutes = sample.frames[XMPLA][60]
    minutes = minutes[minutes.index > new_york("2024-03-06 00:00:00")]
    ends = minutes.index.tz_convert(NEW_YORK) - pd.Timedelta(minutes=1)
    fives = minutes.set_axis(ends).resample("5min")["high"].max().dropna()
    assert [bar["high"] for bar in shown[:-1]] == fives.tolist() and len(fives) == 2 * 78
    assert shown[-1]["date"] == "20240308 09:30:00 US/Eastern"


def test_an_early_close_ends_the_day() -> None:
    """3 July 2024: NYSE closed at 13:00; what came later is outside regular hours."""
    rows = [(f"2024-07-03 {at}", 5.0, 5.0, 5.0, 5.0, 100) for at in ("12:58:00", "12:59:59", "13:00:00", "16:59:59")]
    _, history, _ = world({XMPLA: frame_of([*rows, ("2024-07-03 17:00:00", 5.0, 5.0, 5.0, 5.0, 100)])})
    now = new_york("2024-07-03 18:00:00")
    regular = history.bars(asked(), now)["bars"]
    assert [bar["date"][9:14] for bar in regular] == ["12:58", "12:59"]
    extended = history.bars(asked(useRTH=False, barSizeSetting="1 hour"), now)["bars"]
    assert [(bar["date"][9:14], bar["volume"]) for bar in extended] == [
        ("12:00", 200), ("13:00", 100), ("14:00", 0), ("15:00", 0), ("16:00", 100),
    ]  # fmt: skip


def test_a_night_counts_for_nothing(history: History) -> None:
    """Seconds of a duration are those of trading: 1,800 S at 09:40 reach to 15:40 of the day before."""
    shown = history.bars(asked(durationStr="1800 S"), new_york("2024-03-11 09:40:00"))["bars"]
    assert (shown[0]["date"], shown[-1]["date"]) == ("20240308 15:40:00 US/Eastern", "20240311 09:39:00 US/Eastern")
    assert len(shown) == 30
    sunday = history.bars(asked(durationStr="300 S"), new_york("2024-03-10 12:00:00"))["bars"]
    assert [bar["date"] for bar in sunday[:: len(sunday) - 1]] == [
        "20240308 15:55:00 US/Eastern",
        "20240308 15:59:00 US/Eastern",
    ]


def test_end_dates(history: History) -> None:
    now = new_york("2024-03-11 15:00:00")
    forms = [
        "20240311 10:00:00 US/Eastern",
        "20240311 10:00:00",
        "20240311-14:00:00",
        "20240311 15:00:00 Europe/Berlin",
        "20240311 14:00:00 UTC",
        "20240311 10:00:00 EST",
        "20240311 10:00",
    ]
    answers = [history.bars(asked(endDateTime=form), now) for form in forms]
    assert all(answer == answers[0] for answer in answers)
    assert answers[0]["bars"][-1]["date"] == "20240311 09:59:00 US/Eastern"
    assert history.bars(asked(endDateTime="20300101 00:00:00"), now) == history.bars(asked(), now)


def test_quotes_by_hand() -> None:
    """Bars of quotes open at the price that holds when they begin; BID_ASK averages over time."""
    start = new_york("2024-03-08 09:30:00")
    rows = {1: (10.0, 10.02), 4: (10.0, 10.04), 6: (10.01, 10.04), 14: (9.98, 10.03)}
    index = pd.DatetimeIndex([start + dt.timedelta(seconds=second) for second in rows])
    quotes = pd.DataFrame(list(rows.values()), columns=["bid", "ask"], index=index)
    quotes[["bid_size", "ask_size"]] = 100.0
    _, history, _ = world(quotes={XMPLA: quotes})

    def shown(what: str) -> list[tuple]:
        request = asked(barSizeSetting="5 secs", durationStr="30 S", whatToShow=what)
        answer = history.bars(request, start + dt.timedelta(seconds=15))
        assert {(bar["volume"], bar["wap"], bar["barCount"]) for bar in answer["bars"]} == {(-1, -1, -1)}
        return [row[1:5] for row in bars_of(answer)]

    assert shown("BID") == [(10.0, 10.0, 10.0, 10.0), (10.0, 10.01, 10.0, 10.01), (10.01, 10.01, 9.98, 9.98)]
    assert shown("ASK") == [(10.02, 10.04, 10.02, 10.04), (10.04,) * 4, (10.04, 10.04, 10.03, 10.03)]
    assert shown("MIDPOINT")[0] == (10.01, 10.02, 10.01, 10.02)
    # ask: 3 s at 10.02, 1 s at 10.04; bid: 1 s at 10.00, 4 s at 10.01; 4 s at 10.01, 1 s at 9.98
    assert shown("BID_ASK") == [
        (10.0, 10.04, 10.0, 10.025),
        (10.008, 10.04, 10.0, 10.04),
        (10.004, 10.04, 9.98, 10.038),
    ]


def test_pairs_have_midpoints_but_no_trades(history: History) -> None:
    now = new_york("2024-03-11 10:00:00")
    for size, duration in (("1 min", "1 D"), ("1 day", "1 M"), ("1 hour", "2 D")):
        request = asked(EURUSD, barSizeSetting=size, durationStr=duration, whatToShow="MIDPOINT", useRTH=False)
        assert history.bars(request, now)["bars"][0]["volume"] == -1
    with pytest.raises(Refused, match="HMDS query returned no data: EUR.USD@IDEALPRO Trades") as refused:
        history.bars(asked(EURUSD), now)
    assert refused.value.number == 162


def test_without_quotes_bid_and_ask_are_a_tick_beside_the_trade() -> None:
    _, history, _ = world({XMPLA: HAND})
    now = new_york("2024-03-08 09:30:17")
    bid, ask, both = (bars_of(history.bars(asked(whatToShow=what), now))[0][1:5] for what in ("BID", "ASK", "BID_ASK"))
    assert bid == (9.99, 10.04, 9.98, 10.02) and ask == (10.01, 10.06, 10.0, 10.04)
    assert both == (9.99, 10.06, 9.98, 10.04)


def test_a_split_changes_all_that_was(sample: Sample) -> None:
    history = sample.history()
    now = new_york("2024-03-11 10:00:00")
    request = asked(barSizeSetting="1 day", durationStr="10 D")
    before = history.bars(request, now)["bars"]
    history.split(XMPLA, 2.0)
    after = history.bars(request, now)["bars"]
    assert [bar["volume"] for bar in after] == [2 * bar["volume"] for bar in before]
    assert all(abs(new["close"] - old["close"] / 2) <= 0.005 + 1e-9 for new, old in zip(after, before, strict=True))
    assert all(round(bar["close"] * 100) == pytest.approx(bar["close"] * 100, abs=1e-9) for bar in after)


def test_frames_that_are_no_history() -> None:
    daily = HAND.iloc[:2].set_axis(pd.DatetimeIndex(["2024-03-06", "2024-03-07"]))
    _, history, _ = world({XMPLA: HAND}, frames={XMPLA: {86_400: daily}})
    request = asked(durationStr="5 D", barSizeSetting="1 day")
    shown = history.bars(request, new_york("2024-03-08 09:30:17"))["bars"]
    assert [bar["date"] for bar in shown] == ["20240306", "20240307", "20240308"]
    closes = daily.set_axis([new_york("2024-03-06 16:00:00"), new_york("2024-03-07 16:00:00")])
    _, same, _ = world({XMPLA: HAND}, frames={XMPLA: {86_400: closes}})
    assert same.bars(request, new_york("2024-03-08 09:30:17"))["bars"] == shown
    with pytest.raises(FeedError, match="two rows belong to one session, or to none; keep one for each session"):
        world({XMPLA: HAND}, frames={XMPLA: {86_400: HAND}})
    with pytest.raises(FeedError, match="bars longer than a day are made of daily ones"):
        world({XMPLA: HAND}, frames={XMPLA: {7 * 86_400: daily}})


def test_head_timestamp(sample: Sample, history: History) -> None:
    now = new_york("2024-03-08 10:00:00")
    first = sample.frames[XMPLA][86_400].index[0]
    assert history.head(asked(), now) == f"{first:%Y%m%d}-14:30:00"  # the open of the first daily bar, in winter
    assert history.head(asked(formatDate=2), now) == str(int(first.timestamp()) + 14 * 3_600 + 1_800)
    _, bare, _ = world({XMPLA: HAND})
    assert bare.head(asked(), now) == "20240308-14:30:00"
    with pytest.raises(Refused, match="162 .*No head time stamp"):
        bare.head(asked(), new_york("2024-03-08 09:00:00"))
    with pytest.raises(Refused, match="162 .*No head time stamp"):
        history.head(asked(EURUSD), now)
