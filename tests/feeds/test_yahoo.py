"""Yahoo through the real yfinance and its HTTP client, against a server here that speaks the chart schema."""

from __future__ import annotations

import datetime as dt
import logging
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import curl_cffi.requests
import numpy as np
import pandas as pd
import pytest
import yfinance
from yfinance.data import YfData

from core.errors import FeedEmptyError, FeedError, SourceAnswerError
from feeds.bars import CorporateAction, RawBars, Request
from feeds.room import DataRoom
from feeds.sources.http import ClosedError, UnreachableError
from feeds.sources.yahoo import YahooSource

AAPL = "/v8/finance/chart/AAPL"
# Opens in New York (EDT): 13:30 UTC
FRIDAY, MONDAY, TUESDAY = 1598621400, 1598880600, 1598967000  # 2020-08-28, 08-31 (AAPL 4:1), 09-01
DAY = 86_400
Row = tuple[Any, ...]  # time, open, high, low, close, volume


def single(price: float) -> float:
    """As Yahoo writes a price: single precision, spelt out."""
    return float(np.float32(price))


def answer(
    rows: list[Row],
    splits: dict[int, tuple[float, float]] | None = None,
    dividends: dict[int, float] | None = None,
    **meta: Any,
) -> dict[str, Any]:
    times, opens, highs, lows, closes, volumes = (list(column) for column in zip(*rows, strict=True))
    periods = [
        [{"timezone": "EDT", "gmtoffset": -14400, "start": day * DAY + 48_600, "end": day * DAY + 72_000}]
        for day in sorted({time // DAY for time in times})
    ]
    facts = {
        "currency": "USD",
        "symbol": "AAPL",
        "exchangeName": "NMS",
        "instrumentType": "EQUITY",
        "exchangeTimezoneName": "America/New_York",
        "timezone": "EDT",
        "gmtoffset": -14400,
        "priceHint": 2,
        "validRanges": ["1d", "max"],
        "tradingPeriods": periods,
    }
    events = {
        "splits": {
            str(time): {"date": time, "numerator": up, "denominator": down, "splitRatio": f"{up}:{down}"}
            for time, (up, down) in (splits or {}).items()
        },
        "dividends": {str(time): {"date": time, "amount": amount} for time, amount in (dividends or {}).items()},
    }
    quote = {"open": opens, "high": highs, "low": lows, "close": closes, "volume": volumes}
    indicators = {"quote": [quote], "adjclose": [{"adjclose": closes}]}
    result = {"meta": facts | meta, "timestamp": times, "events": events, "indicators": indicators}
    return {"chart": {"result": [result], "error": None}}


def failed(code: str, description: str) -> dict[str, Any]:
    return {"chart": {"result": None, "error": {"code": code, "description": description}}}


# What was traded on that Friday: 504.05 505.77 498.31 499.23, 46,907,479 shares; Yahoo has it divided by four
SPLIT_ROWS: list[Row] = [
    (FRIDAY, single(126.0125), single(126.4425), single(124.5775), single(124.8075), 187_629_916),
    (MONDAY, single(127.58), single(131.0), single(126.0), single(129.04), 225_702_700),
    (TUESDAY, single(132.76), single(134.8), single(130.53), single(134.18), 151_948_100),
]
WITH_SPLIT = answer(SPLIT_ROWS, splits={MONDAY: (4, 1)}, dividends={FRIDAY: 0.205})


@pytest.fixture(autouse=True)
def yahoo(loopback: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Everything that yfinance sends to a host of Yahoo comes to this machine."""
    client = type(yfinance.Ticker("SPY").session)
    real = client.request

    def rerouted(session: Any, method: str, url: str, **kwargs: Any) -> Any:
        address = urlsplit(url)
        assert address.hostname is not None and address.hostname.endswith(".yahoo.com"), url
        return real(session, method, loopback.url + address.path, **kwargs)

    monkeypatch.setattr(client, "request", rerouted)
    loopback.on("/v1/test/getcrumb", "crumb")
    return loopback


@pytest.fixture
def clock(clock: Any) -> Any:
    """Wednesday 2020-09-02, early in the morning."""
    clock._now = dt.datetime(2020, 9, 2, 6, 0, tzinfo=dt.UTC)
    return clock


@pytest.fixture
def fetched(clock: Any) -> Callable[..., RawBars]:
    def fetch(
        symbol: str = "AAPL", size: Any = "1d", start: Any = dt.date(2020, 8, 28), end: Any = None, **changed: Any
    ) -> RawBars:
        return YahooSource(**{"clock": clock} | changed).fetch(Request(symbol, size, start, end))

    return fetch


def charts(server: Any) -> list[Any]:
    return [asked for asked in server.asked if asked.path.startswith("/v8/")]


def test_daily_bars_are_put_back_to_how_they_were_traded(yahoo: Any, fetched: Any) -> None:
    yahoo.on(AAPL, WITH_SPLIT)
    bars = fetched()
    assert [str(time.date()) for time in bars.frame.index] == ["2020-08-28", "2020-08-31", "2020-09-01"]
    assert bars.frame.index.tz is None and bars.frame.index.unit == "us" and bars.frame.index.name == "time"
    assert list(bars.frame.columns) == ["open", "high", "low", "close", "volume"]
    assert bars.frame.dtypes.eq("float64").all()
    assert bars.frame.iloc[0].tolist() == [504.05, 505.77, 498.31, 499.23, 46_907_479.0]
    assert bars.frame.iloc[1].tolist() == [127.58, 131.0, 126.0, 129.04, 225_702_700.0]
    assert bars.actions == (
        CorporateAction(dt.date(2020, 8, 28), "dividend", 0.82),
        CorporateAction(dt.date(2020, 8, 31), "split", 4.0),
    )
    assert (bars.source, bars.adjusted, bars.currency, bars.exchange) == ("yahoo", "raw", "USD", "XNAS")
    assert bars.notes == ()
    assert len(charts(yahoo)) == 1


def test_splits_after_the_asked_range_are_undone_too(yahoo: Any, fetched: Any) -> None:
    yahoo.on(AAPL, WITH_SPLIT)
    bars = fetched(end=dt.date(2020, 8, 28))
    assert bars.frame["close"].tolist() == [499.23]
    asked = charts(yahoo)[0].query
    assert int(asked["period2"]) > TUESDAY  # up to now, not to the end of the range
    assert asked["interval"] == "1d"


def test_a_split_that_yahoo_has_listed_but_not_applied_is_not_undone(yahoo: Any, fetched: Any) -> None:
    untouched: Row = (FRIDAY, 504.05, 505.77, 498.31, 499.23, 46_907_479)
    yahoo.on(AAPL, answer([untouched, *SPLIT_ROWS[1:]], splits={MONDAY: (4, 1)}))
    bars = fetched()
    assert bars.frame["close"].tolist() == [499.23, 129.04, 134.18]
    assert bars.frame["volume"].iloc[0] == 46_907_479
    assert bars.actions == (CorporateAction(dt.date(2020, 8, 31), "split", 4.0),)
    assert "not adjusted for it yet" in bars.notes[0]


def test_a_spin_off_written_as_a_split_is_undone_and_valued(yahoo: Any, fetched: Any) -> None:
    # General Electric before GE HealthCare, 2023-01-04: 1281:1000. The Friday closed at 128.10 as traded
    rows = [(FRIDAY, 100.0, 100.0, 100.0, 100.0, 1281), (MONDAY, 102.0, 102.0, 102.0, 102.0, 1500)]
    yahoo.on(AAPL, answer(rows, splits={MONDAY: (1281, 1000)}))
    bars = fetched()
    assert bars.frame["close"].tolist() == [128.1, 102.0]
    (action,) = bars.actions
    assert action.kind == "spin_off" and action.value == pytest.approx(28.1)  # 128.10 - 100
    assert "spin-off worth 28.1" in bars.notes[0]


def test_the_last_session_is_left_out_until_it_has_settled(yahoo: Any, fetched: Any, clock: Any) -> None:
    yahoo.on(AAPL, WITH_SPLIT)
    clock._now = dt.datetime(2020, 9, 1, 20, 10, tzinfo=dt.UTC)  # ten minutes after the close
    bars = fetched()
    assert [str(time.date()) for time in bars.frame.index] == ["2020-08-28", "2020-08-31"]
    assert bars.notes == ("1 bar was left out: not over at 2020-09-01 20:10 UTC.",)
    clock._now = dt.datetime(2020, 9, 1, 20, 30, tzinfo=dt.UTC)
    assert len(fetched().frame) == 3


def test_rows_without_prices_stay_and_those_that_yfinance_makes_do_not(yahoo: Any, fetched: Any) -> None:
    full, nothing = (10.0, 11.0, 9.0, 10.5, 100), (None,) * 5
    rows = [(FRIDAY, *full), (MONDAY, *nothing), (TUESDAY, *full)]
    yahoo.on(AAPL, answer(rows, dividends={TUESDAY + DAY: 0.1}))
    bars = fetched(end=dt.date(2020, 9, 3))
    assert [str(time.date()) for time in bars.frame.index] == ["2020-08-28", "2020-08-31", "2020-09-01"]
    assert bars.frame.iloc[1].isna().all()
    assert bars.actions == (CorporateAction(dt.date(2020, 9, 2), "dividend", 0.1),)
    assert bars.notes == ()


def test_pence_become_pounds(yahoo: Any, fetched: Any) -> None:
    rows = [(FRIDAY - 23_400, 110.5, 112.0, 109.25, 111.3, 1000)]  # 07:00 UTC
    london = {"currency": "GBp", "exchangeName": "LSE", "exchangeTimezoneName": "Europe/London", "symbol": "VOD.L"}
    yahoo.on("/v8/finance/chart/VOD.L", answer(rows, dividends={FRIDAY - 23_400: 4.5}, **london))
    bars = fetched("VOD.L")
    assert bars.frame.iloc[0].tolist() == [1.105, 1.12, 1.0925, 1.113, 1000.0]
    assert (bars.currency, bars.exchange) == ("GBP", "XLON")
    assert bars.actions == (CorporateAction(dt.date(2020, 8, 28), "dividend", 0.045),)
    assert "divided by 100 into GBP" in bars.notes[0]


def test_tokyo_sessions_keep_their_date(yahoo: Any, fetched: Any) -> None:
    midnight = FRIDAY - 13 * 3600 - 1800  # 00:00 UTC, 09:00 in Tokyo
    tokyo = {"currency": "JPY", "exchangeName": "JPX", "exchangeTimezoneName": "Asia/Tokyo", "symbol": "7203.T"}
    yahoo.on("/v8/finance/chart/7203.T", answer([(midnight, 7000.0, 7100.0, 6900.0, 7050.0, 5)], **tokyo))
    bars = fetched("7203.T")
    assert (str(bars.frame.index[0].date()), bars.exchange) == ("2020-08-28", "XTKS")
    assert int(charts(yahoo)[0].query["period1"]) <= midnight - 9 * 3600  # the day begins there at 15:00 UTC


def test_unknown_exchange_and_currency_are_said(yahoo: Any, fetched: Any) -> None:
    yahoo.on(AAPL, answer(SPLIT_ROWS, exchangeName="MRS", currency=None))
    bars = fetched()
    assert (bars.currency, bars.exchange) == (None, None)
    assert len(bars.notes) == 2 and "MRS" in bars.notes[1]


def test_capital_gains_of_a_fund_are_counted_once(yahoo: Any, fetched: Any) -> None:
    made = answer(SPLIT_ROWS, dividends={MONDAY: 1.0, TUESDAY: 0.25}, instrumentType="ETF")
    gains = {str(MONDAY): {"date": MONDAY, "amount": 0.7}, str(TUESDAY): {"date": TUESDAY, "amount": 0.5}}
    made["chart"]["result"][0]["events"]["capitalGains"] = gains
    yahoo.on(AAPL, made)
    assert fetched().actions == (  # 1.0 has the 0.7 in it, 0.25 cannot have the 0.5 in it
        CorporateAction(dt.date(2020, 8, 31), "dividend", 1.0),
        CorporateAction(dt.date(2020, 9, 1), "dividend", 0.75),
    )


def test_a_dividend_in_another_currency_is_left_out_and_said(yahoo: Any, fetched: Any) -> None:
    made = answer(SPLIT_ROWS)
    made["chart"]["result"][0]["events"]["dividends"] = {
        "1": {"date": MONDAY, "amount": 100.0, "currency": "JPY"},
        "2": {"date": TUESDAY, "amount": 0.5, "currency": "USD"},
    }
    yahoo.on(AAPL, made)
    bars = fetched()
    assert bars.actions == (CorporateAction(dt.date(2020, 9, 1), "dividend", 0.5),)
    assert bars.notes == ("1 dividends paid in another currency than the prices were left out (2020-08-31...).",)


def hourly(start: int, *closes: float) -> list[Row]:
    return [(start + 3600 * at, c, c, c, c, 400) for at, c in enumerate(closes)]


def by_interval(daily: Any, intraday: Any) -> Callable[[Any], Any]:
    return lambda asked: daily if asked.query["interval"] == "1d" else intraday


def test_hourly_bars_are_stamped_with_their_close_and_the_last_is_short(yahoo: Any, fetched: Any) -> None:
    closes = [single(price) for price in (125.0, 125.5, 125.25, 125.0, 124.75, 124.9, 124.8075)]
    yahoo.on(AAPL, by_interval(WITH_SPLIT, answer(hourly(FRIDAY, *closes) + hourly(MONDAY, 128.0, 129.0))))
    bars = fetched(size="1h")
    assert [f"{time:%d %H:%M}" for time in bars.frame.index] == [
        "28 14:30", "28 15:30", "28 16:30", "28 17:30", "28 18:30", "28 19:30", "28 20:00", "31 14:30", "31 15:30",
    ]  # fmt: skip
    assert str(bars.frame.index.tz) == "UTC" and bars.frame.index.unit == "us"
    assert bars.frame["close"].iloc[[0, 6, 7]].tolist() == [500.0, 499.23, 128.0]
    assert bars.frame["volume"].iloc[[0, 7]].tolist() == [100.0, 400.0]
    assert bars.actions[1] == CorporateAction(dt.date(2020, 8, 31), "split", 4.0)


def test_hourly_bars_that_yahoo_never_adjusted_are_left_as_traded(yahoo: Any, fetched: Any) -> None:
    yahoo.on(AAPL, by_interval(WITH_SPLIT, answer(hourly(FRIDAY, 500.0, 499.0) + hourly(MONDAY, 128.0, 129.0))))
    bars = fetched(size="1h")
    assert bars.frame["close"].tolist() == [500.0, 499.0, 128.0, 129.0]
    assert bars.frame["volume"].tolist() == [400.0] * 4
    assert "not adjusted for the splits of 4" in bars.notes[0]


def test_hourly_bars_on_no_known_scale_are_refused(yahoo: Any, fetched: Any) -> None:
    yahoo.on(AAPL, by_interval(WITH_SPLIT, answer(hourly(FRIDAY, 250.0, 249.0))))
    with pytest.raises(SourceAnswerError, match=r"2 times its daily ones, which no split explains"):
        fetched(size="1h")


def test_minutes_are_asked_for_week_by_week(yahoo: Any, fetched: Any) -> None:
    first = FRIDAY - 8 * DAY  # 2020-08-20
    early: Row = (first, 100.0, 100.0, 100.0, 100.0, 1)
    daily = answer([early, *SPLIT_ROWS], splits={MONDAY: (4, 1)})
    minutes = [(FRIDAY, 126.0, 126.0, 126.0, 124.8075, 40), (FRIDAY + 60, 126.0, 126.0, 126.0, 124.8075, 40)]

    def reply(asked: Any) -> Any:
        if asked.query["interval"] == "1d":
            return daily
        return answer([early] if int(asked.query["period2"]) <= FRIDAY else minutes)

    yahoo.on(AAPL, reply)
    bars = fetched(size="1m", start=dt.date(2020, 8, 20), end=dt.date(2020, 8, 28))
    weeks = [(int(asked.query["period1"]), int(asked.query["period2"])) for asked in charts(yahoo)[1:]]
    midnight = first - 9 * 3600 - 1800  # of New York, 2020-08-20
    assert weeks == [(midnight, midnight + 7 * DAY), (midnight + 7 * DAY, midnight + 9 * DAY)]
    assert [f"{time:%d %H:%M}" for time in bars.frame.index] == ["20 13:31", "28 13:31", "28 13:32"]
    assert bars.frame["close"].tolist() == [400.0, 499.23, 499.23]


def test_a_week_without_minutes_is_said(yahoo: Any, fetched: Any) -> None:
    empty = answer(SPLIT_ROWS)
    empty["chart"]["result"][0]["indicators"]["quote"] = [{}]

    def reply(asked: Any) -> Any:
        if asked.query["interval"] == "1d":
            return answer(SPLIT_ROWS)
        return (
            answer([(TUESDAY, 134.18, 134.18, 134.18, 134.18, 40)]) if int(asked.query["period2"]) > TUESDAY else empty
        )

    yahoo.on(AAPL, reply)
    bars = fetched(size="1m", start=dt.date(2020, 8, 24))
    assert len(bars.frame) == 1
    assert "Yahoo has no 1m bars from 2020-08-24 to 2020-08-30." in bars.notes


@pytest.mark.parametrize(
    ("size", "start", "words"),
    [
        ("1s", dt.date(2020, 9, 1), "has no 1s bars; take 1m, or --source polygon"),
        ("1m", dt.date(2020, 8, 1), "1m bars of 30 days only; give --from 2020-08-04 or later"),
        ("1h", dt.date(2018, 9, 1), "1h bars of 730 days only; give --from 2018-09-04 or later"),
    ],
)
def test_bars_that_yahoo_does_not_keep_are_refused_before_it_is_asked(
    yahoo: Any, fetched: Any, size: str, start: dt.date, words: str
) -> None:
    with pytest.raises(FeedError, match=words):
        fetched(size=size, start=start)
    assert yahoo.asked == []


def test_without_a_start_intraday_bars_reach_as_far_back_as_yahoo_keeps_them(yahoo: Any, fetched: Any) -> None:
    yahoo.on(AAPL, by_interval(answer(SPLIT_ROWS), answer(hourly(TUESDAY, 134.0, 134.2))))
    bars = fetched(size="1h", start=None)
    assert bars.notes[0] == "Yahoo keeps 1h bars of 730 days only."
    assert len(charts(yahoo)) == 2


def test_classes_of_shares_are_written_as_yahoo_writes_them(yahoo: Any, fetched: Any) -> None:
    yahoo.on("/v8/finance/chart/BRK-B", answer(SPLIT_ROWS, symbol="BRK-B", exchangeName="NYQ"))
    bars = fetched("BRK.B")
    assert (bars.symbol, bars.exchange) == ("BRK.B", "XNYS")
    yahoo.on("/v8/finance/chart/%5EGSPC", answer(SPLIT_ROWS, symbol="^GSPC", exchangeName="SNP"))
    yahoo.on("/v8/finance/chart/^GSPC", answer(SPLIT_ROWS, symbol="^GSPC", exchangeName="SNP"))
    assert len(fetched("^GSPC").frame) == 3
    with pytest.raises(FeedEmptyError):
        fetched("A B/../C?d#e&f")
    assert charts(yahoo)[-1].path == "/v8/finance/chart/A%20B%2F..%2FC%3FD%23E%26F"


def test_an_isin_is_no_symbol(yahoo: Any, fetched: Any) -> None:
    with pytest.raises(FeedError, match="ISIN"):
        fetched("US0378331005")
    assert yahoo.asked == []


def test_too_many_requests_waits_as_long_as_yahoo_asks(yahoo: Any, fetched: Any, reply: Any, clock: Any) -> None:
    said: list[str] = []
    # yfinance asks twice before it believes it
    busy = [reply("Too Many Requests", 429, {"Retry-After": "20"})] * 2
    yahoo.on(AAPL, *busy, WITH_SPLIT)
    assert len(fetched(notify=said.append).frame) == 3
    assert clock.slept == [20.0], said
    assert said == ["Yahoo: too many requests (429); waiting 20 s before attempt 2"]


def test_too_many_requests_for_ever_is_given_up(yahoo: Any, fetched: Any, reply: Any, clock: Any) -> None:
    yahoo.on(AAPL, reply("Too Many Requests", 429))
    with pytest.raises(ClosedError, match=r"too many requests \(429\); gave up after 7 attempts in \d+ s"):
        fetched()
    assert 63.0 <= sum(clock.slept) <= 69.0


def test_service_that_fails_once_is_asked_again_and_for_ever_is_given_up(
    yahoo: Any, fetched: Any, reply: Any, clock: Any
) -> None:
    yahoo.on(AAPL, reply("<html>oops</html>", 502), reply("", 500), WITH_SPLIT)
    assert len(fetched().frame) == 3
    yahoo.on(AAPL, reply(failed("Internal Server Error", "oops"), 500))
    with pytest.raises(SourceAnswerError, match=r"the service fails \(500\); gave up after 3 attempts"):
        fetched(attempts=3)


def test_body_cut_short_is_asked_for_again(yahoo: Any, fetched: Any, reply: Any, clock: Any) -> None:
    yahoo.on(AAPL, reply(WITH_SPLIT, cut=50), WITH_SPLIT)
    assert len(fetched().frame) == 3
    assert len(clock.slept) == 1
    yahoo.on(AAPL, reply(WITH_SPLIT, cut=50))
    with pytest.raises(SourceAnswerError, match="broke off; gave up after 2 attempts"):
        fetched(attempts=2)


@pytest.mark.parametrize("body", ["<!DOCTYPE html><html>consent</html>", '{"chart": {"result": [', ""])
def test_what_is_not_json_is_an_error(yahoo: Any, fetched: Any, body: str) -> None:
    yahoo.on(AAPL, body)
    with pytest.raises(SourceAnswerError, match="not JSON.*gave up after 2 attempts"):
        fetched(attempts=2)


def spoilt(**changed: Any) -> dict[str, Any]:
    made = answer(SPLIT_ROWS, splits={MONDAY: (4, 1)})
    result = made["chart"]["result"][0]
    for name, value in changed.items():
        target = result["indicators"]["quote"][0] if name in ("open", "close", "volume") else result
        if value is None:
            del target[name]
        else:
            target[name] = value
    return made


@pytest.mark.parametrize(
    "body",
    [
        {"hello": "world"},
        [1, 2],
        {"chart": {"result": [], "error": None}},
        {"chart": {"result": [{}], "error": None}},
        spoilt(meta={"symbol": "AAPL"}),
        spoilt(timestamp=[FRIDAY, MONDAY]),
        spoilt(timestamp=["a", "b", "c"]),
        spoilt(close=None),
        spoilt(open=[1.0, 2.0]),
        spoilt(open=["x", "y", "z"]),
        spoilt(volume=["x", "y", "z"]),
        spoilt(events={"splits": {"1": {"date": MONDAY}}}),
        spoilt(events={"splits": {"1": {"date": MONDAY, "numerator": -4, "denominator": 1}}}),
        spoilt(events={"dividends": {"1": {"date": MONDAY, "amount": "much"}}}),
        answer(SPLIT_ROWS, symbol="APLE"),
    ],
)
def test_half_an_answer_is_refused_as_a_whole(yahoo: Any, fetched: Any, body: Any) -> None:
    yahoo.on(AAPL, lambda asked: body)
    with pytest.raises(SourceAnswerError, match=r"^\[HL206\] AAPL: Yahoo sent"):
        fetched()


def test_unknown_symbol_and_empty_range_are_told_apart(yahoo: Any, fetched: Any, reply: Any) -> None:
    unknown = failed("Not Found", "No data found, symbol may be delisted")
    yahoo.on(AAPL, reply(unknown, 404))
    with pytest.raises(FeedEmptyError, match="knows no such symbol.*check how it is written"):
        fetched()
    yahoo.on(AAPL, reply(failed("Bad Request", "Data doesn't exist for startDate = 1, endDate = 2"), 400))
    with pytest.raises(FeedEmptyError, match="no bars in this range.*other dates"):
        fetched()
    nothing = answer(SPLIT_ROWS)
    nothing["chart"]["result"][0]["indicators"]["quote"] = [{}]
    yahoo.on(AAPL, nothing)
    with pytest.raises(FeedEmptyError, match="no bars in this range"):
        fetched()
    yahoo.on(AAPL, answer(SPLIT_ROWS))
    with pytest.raises(FeedEmptyError, match="between 2020-08-29 and 2020-08-30 that is over"):
        fetched(start=dt.date(2020, 8, 29), end=dt.date(2020, 8, 30))


@pytest.mark.parametrize("status", [401, 403])
def test_refusal_is_said_at_once(yahoo: Any, fetched: Any, reply: Any, clock: Any, status: int) -> None:
    yahoo.on(AAPL, reply({"finance": {"result": None, "error": {"code": "Unauthorized"}}}, status))
    with pytest.raises(SourceAnswerError, match=f"refuses to answer \\({status}.*wait some hours"):
        fetched()
    assert clock.slept == []


@pytest.fixture
def nobody(loopback: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Yahoo is at a port on which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setattr(loopback, "url", f"http://127.0.0.1:{taken.getsockname()[1]}")
        yield


def test_unreachable_service_is_tried_for_seconds_and_given_up(nobody: None, fetched: Any, clock: Any) -> None:
    with pytest.raises(UnreachableError, match=r"the service cannot be reached; gave up after 3 attempts in \d s"):
        fetched()
    assert 3.0 <= sum(clock.slept) <= 5.0  # 1 + 2, each with up to a second of jitter


def test_a_pull_of_many_symbols_asks_an_unreachable_service_for_one(nobody: None, clock: Any, tmp_path: Path) -> None:
    result = DataRoom(tmp_path / "catalog").pull(YahooSource(clock=clock), ["AAPL", "MSFT", "IBM"])
    assert len(clock.slept) == 2 and result.not_asked == ("MSFT", "IBM")
    assert "cannot be reached" in str(result.failures[0].error)
    assert "2 more symbols were not asked for" in str(result.failures[0].error)


def curl_error(name: str, code: int, words: str) -> Exception:
    """As curl_cffi raises it."""
    error: Exception = getattr(curl_cffi.requests.exceptions, name)(f"Failed to perform, curl: ({code}) {words}", code)
    return error


@pytest.mark.parametrize(
    ("error", "attempts", "words"),
    [
        (curl_error("DNSError", 6, "Could not resolve host: query2.finance.yahoo.com"), 3, "cannot be reached"),
        (curl_error("ConnectionError", 7, "Failed to connect to query2.finance.yahoo.com"), 3, "cannot be reached"),
        (curl_error("ProxyError", 5, "Could not resolve proxy: proxy"), 3, "cannot be reached"),
        (curl_error("ProxyError", 97, "Can't complete SOCKS5 connection"), 3, "cannot be reached"),
        (curl_error("Timeout", 28, "Connection timed out after 30001 milliseconds"), 3, "cannot be reached"),
        (curl_error("Timeout", 28, "Resolving timed out after 30001 milliseconds"), 3, "cannot be reached"),
        (
            curl_error("Timeout", 28, "Operation timed out after 30001 milliseconds with 0 bytes received"),
            7,
            "no answer",
        ),
        (curl_error("ConnectionError", 52, "Empty reply from server"), 7, "the connection failed"),
        (curl_error("ConnectionError", 56, "Recv failure: Connection reset by peer"), 7, "the connection failed"),
    ],
    ids=str,
)
def test_only_what_no_connection_came_about_is_unreachable(
    yahoo: Any, fetched: Any, clock: Any, monkeypatch: pytest.MonkeyPatch, error: Exception, attempts: int, words: str
) -> None:
    def failing(*_: Any, **__: Any) -> Any:
        raise error

    monkeypatch.setattr(type(yfinance.Ticker("SPY").session), "request", failing)
    with pytest.raises(SourceAnswerError, match=f"{words}.*; gave up after {attempts} attempts") as caught:
        fetched()
    assert isinstance(caught.value, UnreachableError) == (attempts == 3)


def test_silent_service_is_given_up(yahoo: Any, fetched: Any, reply: Any) -> None:
    yahoo.on(AAPL, reply(hang=True))
    with pytest.raises(SourceAnswerError, match="no answer within.*gave up after 2 attempts"):
        fetched(timeout=0.1, attempts=2)


def test_yfinance_says_nothing_on_the_console_and_keeps_its_settings(
    yahoo: Any,
    fetched: Any,
    reply: Any,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    yahoo.on("/v1/test/getcrumb", reply("Too Many Requests", 429))  # yfinance warns of that
    monkeypatch.setattr(YfData(), "_crumb", None)
    yahoo.on(AAPL, reply("", 500))
    with caplog.at_level(logging.WARNING), pytest.raises(SourceAnswerError):
        fetched(attempts=2)
    assert capfd.readouterr() == ("", "")
    assert caplog.records == []
    assert yfinance.config.debug.hide_exceptions is True
    assert logging.getLogger("yfinance").propagate is True


def test_yfinance_writes_into_no_folder_of_the_user(
    yahoo: Any, fetched: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from yfinance import cache

    yahoo.on(AAPL, WITH_SPLIT)
    fetched()
    assert "halflife-yahoo-" in cache._TzDBManager.get_location()
    assert "halflife-yahoo-" in cache._CookieDBManager.get_location()
    assert not any(tmp_path.iterdir())


def test_errors_of_yfinance_are_never_an_empty_frame(yahoo: Any, fetched: Any) -> None:
    """Whatever a chart request may answer, it is bars or an error."""
    for status in (200, 204, 301, 400, 404, 418, 422, 500):
        yahoo.on(AAPL, lambda asked, status=status: type(asked) and {"chart": None}, status=status)
        with pytest.raises((SourceAnswerError, FeedEmptyError)):
            fetched(attempts=1)


def test_frames_are_equal_before_and_after_a_split(yahoo: Any, fetched: Any, clock: Any) -> None:
    """What was stored in June and what is pulled after the split of 2014-06-09 (7:1), and after that of 2020 (4:1)."""
    open_ = 1401975000  # 2014-06-05 13:30 UTC; AAPL traded at 646.20 649.37 642.61 647.35, 75,951,141 shares
    traded = (646.2, 649.37, 642.61, 647.35)
    pulled = []
    for factor, splits in ((1, {}), (7, {1402320600: (7, 1)}), (28, {1402320600: (7, 1), MONDAY: (4, 1)})):
        row = (open_, *(single(price / factor) for price in traded), 75_951_141 * factor)
        after = (1402320600, *(single(price * 7 / factor) for price in (92.7, 93.88, 91.75, 93.7)), 10)
        last = (MONDAY, 127.58, 131.0, 126.0, single(129.04 * 28 / factor), 10)
        yahoo.on(AAPL, answer([row, after, last], splits=splits, dividends={open_: round(3.29 / factor, 6)}))
        bars = fetched(start=dt.date(2014, 6, 5), end=dt.date(2014, 6, 6))
        pulled.append((bars.frame, bars.actions[0]))
    for frame, dividend in pulled:
        pd.testing.assert_frame_equal(frame, pulled[0][0], check_exact=True)
        assert dividend == CorporateAction(dt.date(2014, 6, 5), "dividend", 3.29)
    assert pulled[0][0].iloc[0].tolist() == [646.2, 649.37, 642.61, 647.35, 75_951_141.0]
