"""Polygon.io over a real connection to a server on this machine that speaks its schema, failures included."""

from __future__ import annotations

import datetime as dt
import logging
import socket
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest
import requests

from core.errors import (
    FeedEmptyError,
    FeedError,
    SecretMissingError,
    SettingsError,
    SourceAnswerError,
)
from feeds.bars import CorporateAction, RawBars, Request
from feeds.sources.http import ClosedError, PassingFault, UnreachableError, UnreachableFault, try_persistently
from feeds.sources.polygon import PolygonSource

KEY = "k3y-of-nobody-123"
NVDA = "/v2/aggs/ticker/NVDA/range/1/day/2024-06-06/2024-06-10"
DAYS = dt.date(2024, 6, 6), dt.date(2024, 6, 10)
# Midnights in New York (EDT, UTC-4) of 2024-06-06, 06-07 and 06-10: 04:00 UTC
T6, T7, T10 = 1717646400000, 1717732800000, 1717992000000


def bar(
    t: int, o: float = 1240.48, h: float = 1255.87, low: float = 1183.2, c: float = 1209.98, v: float = 664696.0
) -> dict[str, Any]:
    return {"t": t, "o": o, "h": h, "l": low, "c": c, "v": v, "vw": 1.0, "n": 7}


def page(*bars: dict[str, Any], **more: Any) -> dict[str, Any]:
    answer = {"ticker": "NVDA", "adjusted": False, "queryCount": len(bars), "resultsCount": len(bars), "status": "OK"}
    return answer | {"results": list(bars)} | more


def listed(*rows: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"status": "OK", "request_id": "1", "results": list(rows)} | more


DETAILS = listed() | {
    "results": {"ticker": "NVDA", "currency_name": "usd", "primary_exchange": "XNAS", "market": "stocks"}
}
SPLIT = {
    "ticker": "NVDA",
    "execution_date": "2024-06-10",
    "split_from": 1,
    "split_to": 10,
    "adjustment_type": "forward_split",
}
PAID = {
    "ticker": "NVDA",
    "ex_dividend_date": "2024-06-11",
    "cash_amount": 0.01,
    "currency": "USD",
    "distribution_type": "recurring",
}


@pytest.fixture
def served(loopback: Any) -> Any:
    """A server that has NVDA, three sessions of it around its split of 2024-06-10."""
    loopback.on(NVDA, page(bar(T6), bar(T7), bar(T10, 120.37, 123.1, 117.01, 121.79, 314162666.0)))
    loopback.on("/v3/reference/tickers/NVDA", DETAILS)
    loopback.on("/stocks/v1/splits", listed(SPLIT))
    loopback.on("/stocks/v1/dividends", listed(PAID))
    return loopback


@pytest.fixture
def source(loopback: Any, clock: Any) -> Callable[..., PolygonSource]:
    def make(**changed: Any) -> PolygonSource:
        return PolygonSource(
            **{"base_url": loopback.url, "key": KEY, "requests_per_minute": None, "clock": clock} | changed
        )

    return make


@pytest.fixture
def fetched(source: Any) -> Callable[..., RawBars]:
    def fetch(
        symbol: str = "NVDA", size: Any = "1d", start: Any = DAYS[0], end: Any = DAYS[1], **changed: Any
    ) -> RawBars:
        return source(**changed).fetch(Request(symbol, size, start, end))

    return fetch


def test_daily_bars_come_as_traded_with_actions_currency_and_exchange(served: Any, fetched: Any) -> None:
    bars = fetched()
    assert list(bars.frame.index) == [pd.Timestamp(day) for day in ("2024-06-06", "2024-06-07", "2024-06-10")]
    assert bars.frame.index.name == "time" and bars.frame.index.tz is None and bars.frame.index.unit == "us"
    assert list(bars.frame.columns) == ["open", "high", "low", "close", "volume"]
    assert bars.frame.dtypes.eq("float64").all()
    assert bars.frame.iloc[2].tolist() == [120.37, 123.1, 117.01, 121.79, 314162666.0]
    assert (bars.source, bars.adjusted, bars.currency, bars.exchange) == ("polygon", "raw", "USD", "XNAS")
    assert bars.actions == (
        CorporateAction(dt.date(2024, 6, 10), "split", 10.0),
        CorporateAction(dt.date(2024, 6, 11), "dividend", 0.01),
    )
    assert {action.source for action in bars.actions} == {"polygon"}
    assert bars.notes == ()
    asked = served.asked[0].query
    assert asked == {"adjusted": "false", "sort": "asc", "limit": "50000"}


def test_intraday_bars_are_stamped_with_their_close_in_utc(served: Any, fetched: Any) -> None:
    start = 1718631000000  # 2024-06-17 13:30 UTC, 09:30 in New York
    served.on("/v2/aggs/ticker/NVDA/range/1/minute/2024-06-17/2024-06-17", page(bar(start), bar(start + 60_000)))
    bars = fetched(size="1m", start=dt.date(2024, 6, 17), end=dt.date(2024, 6, 17))
    assert list(bars.frame.index) == [
        pd.Timestamp("2024-06-17 13:31", tz="UTC"),
        pd.Timestamp("2024-06-17 13:32", tz="UTC"),
    ]
    assert bars.frame.index.unit == "us"


def test_all_pages_are_read_and_the_key_of_an_old_link_is_not_repeated(served: Any, fetched: Any) -> None:
    served.on(NVDA, page(bar(T6), next_url=f"{served.url}{NVDA}/more?cursor=abc&apiKey=leak"))
    served.on(f"{NVDA}/more?cursor=abc", page(bar(T7), next_url=f"{served.url}{NVDA}/last?cursor=def"))
    served.on(f"{NVDA}/last?cursor=def", page(bar(T10)))
    assert len(fetched().frame) == 3
    assert [asked.query.get("cursor") for asked in served.asked[:3]] == [None, "abc", "def"]
    assert all("apiKey" not in asked.query for asked in served.asked)


def test_key_travels_in_the_header_and_nowhere_else(
    served: Any,
    fetched: Any,
    source: Any,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Any,
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login someone password other\n", encoding="utf-8")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))  # requests would send that password instead of the key
    said: list[str] = []
    with caplog.at_level(logging.DEBUG):
        bars = fetched(notify=said.append, requests_per_minute=1)
    assert {asked.headers["authorization"] for asked in served.asked} == {f"Bearer {KEY}"}
    assert all(KEY not in f"{asked.path}{asked.query}" for asked in served.asked)
    shown = "".join((caplog.text, repr(source()), repr(vars(source())), repr(bars), *said))
    assert KEY not in shown


def test_key_is_read_from_the_environment(served: Any, source: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLYGON_API_KEY", KEY)
    source(key=None).fetch(Request("NVDA", "1d", *DAYS))
    assert served.asked[0].headers["authorization"] == f"Bearer {KEY}"
    monkeypatch.delenv("POLYGON_API_KEY")
    with pytest.raises(SecretMissingError, match="POLYGON_API_KEY"):
        source(key=None)


@pytest.mark.parametrize("key", ["two words", "line\nend", "schlüssel"])
def test_key_that_cannot_be_one_is_refused_without_being_shown(source: Any, key: str) -> None:
    with pytest.raises(SettingsError, match="characters") as caught:
        source(key=key)
    assert key not in str(caught.value)


def test_key_is_not_sent_unencrypted_over_a_network(source: Any) -> None:
    with pytest.raises(SettingsError, match="https"):
        source(base_url="http://api.massive.com")


def test_free_plan_sends_five_requests_in_a_minute(served: Any, source: Any, clock: Any) -> None:
    said: list[str] = []
    desk = source(requests_per_minute=5, notify=said.append)
    desk.fetch(Request("NVDA", "1d", *DAYS))
    assert clock.slept == []  # four requests
    desk.fetch(Request("NVDA", "1d", *DAYS))
    assert clock.slept == [60.0]
    assert said == ["Polygon.io: waiting 60 s for the limit of 5 requests a minute"]


@pytest.mark.parametrize(("text", "pauses"), [(None, [60.0]), (" 7 ", [60.0]), ("8", []), ("off", []), ("", [60.0])])
def test_the_plan_is_told_by_the_environment(
    served: Any, source: Any, clock: Any, monkeypatch: pytest.MonkeyPatch, text: str | None, pauses: list[float]
) -> None:
    """Eight requests: the free plan has five a minute."""
    monkeypatch.delenv("POLYGON_REQUESTS_PER_MINUTE", raising=False)
    if text is not None:
        monkeypatch.setenv("POLYGON_REQUESTS_PER_MINUTE", text)
    desk = source(requests_per_minute="environment")
    for _ in range(2):
        desk.fetch(Request("NVDA", "1d", *DAYS))
    assert clock.slept == pauses
    clock.slept.clear()
    unlimited = source()  # what is said counts before the environment
    for _ in range(3):
        unlimited.fetch(Request("NVDA", "1d", *DAYS))
    assert clock.slept == []


def test_the_environment_is_asked_where_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLYGON_API_KEY", KEY)
    monkeypatch.delenv("POLYGON_REQUESTS_PER_MINUTE", raising=False)
    assert PolygonSource()._service._pace._per_minute == 5
    monkeypatch.setenv("POLYGON_REQUESTS_PER_MINUTE", "100")
    assert PolygonSource()._service._pace._per_minute == 100


@pytest.mark.parametrize("text", ["0", "-1", "5.5", "five", "unlimited", "٣", "Off"])
def test_a_plan_that_is_none_is_refused(source: Any, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("POLYGON_REQUESTS_PER_MINUTE", text)
    with pytest.raises(
        SettingsError, match=f"POLYGON_REQUESTS_PER_MINUTE is '{text}'; set it to the requests a minute"
    ):
        source(requests_per_minute="environment")


def test_too_many_requests_waits_as_long_as_the_service_asks(served: Any, fetched: Any, reply: Any, clock: Any) -> None:
    said: list[str] = []
    served.on(NVDA, reply(status=429, headers={"Retry-After": "12"}), page(bar(T6)))
    assert len(fetched(notify=said.append).frame) == 1
    assert clock.slept == [12.0]
    assert said == ["Polygon.io: too many requests (429); waiting 12 s before attempt 2"]


def test_retry_after_may_be_a_date(served: Any, fetched: Any, reply: Any, clock: Any) -> None:
    served.on(NVDA, reply(status=429, headers={"Retry-After": "Thu, 20 Jun 2024 21:00:30 GMT"}), page(bar(T6)))
    fetched()
    assert clock.slept == [30.0]


def test_too_many_requests_without_a_word_backs_off(served: Any, fetched: Any, reply: Any, clock: Any) -> None:
    served.on(NVDA, reply(status=429), reply(status=429, headers={"Retry-After": "soon"}), page(bar(T6)))
    fetched()
    first, second = clock.slept
    assert 1.0 <= first <= 2.0 and 2.0 <= second <= 3.0


def test_too_many_requests_for_ever_ends_with_how_long_it_was_tried(
    served: Any, fetched: Any, reply: Any, clock: Any
) -> None:
    served.on(NVDA, reply(status=429))
    with pytest.raises(ClosedError, match=r"too many requests \(429\); gave up after 7 attempts in \d+ s.*later"):
        fetched()
    assert len(served.asked) == 7
    assert 63.0 <= sum(clock.slept) <= 69.0  # 1 + 2 + 4 + 8 + 16 + 32, each with up to a second of jitter


def test_pause_of_hours_is_not_waited_for(served: Any, fetched: Any, reply: Any, clock: Any) -> None:
    served.on(NVDA, reply(status=429, headers={"Retry-After": "7200"}))
    with pytest.raises(ClosedError, match="asks for a pause of 7200 s"):
        fetched()
    assert clock.slept == []


def test_service_that_fails_once_is_asked_again(served: Any, fetched: Any, reply: Any, clock: Any) -> None:
    served.on("/stocks/v1/splits", reply("<html>Bad gateway</html>", 502), reply("", 500), listed(SPLIT))
    assert [action.value for action in fetched().actions] == [10.0, 0.01]
    assert len(clock.slept) == 2


def test_service_that_fails_for_ever_is_given_up(served: Any, fetched: Any, reply: Any) -> None:
    served.on("/stocks/v1/dividends", reply({"status": "ERROR"}, 500))
    with pytest.raises(SourceAnswerError, match=r"the service fails \(500\); gave up after 3 attempts"):
        fetched(attempts=3)


def test_body_cut_short_is_asked_for_again_and_never_half_used(
    served: Any, fetched: Any, reply: Any, clock: Any
) -> None:
    whole = page(bar(T6), bar(T7))
    served.on(NVDA, reply(whole, cut=40), whole)
    assert len(fetched().frame) == 2
    assert len(clock.slept) == 1
    served.on(NVDA, reply(whole, cut=40))
    with pytest.raises(SourceAnswerError, match="broke off.*gave up after 7 attempts"):
        fetched()


def test_garbage_is_an_error(served: Any, fetched: Any, reply: Any) -> None:
    served.on(NVDA, reply('{"results": [{"t": 1'))
    with pytest.raises(SourceAnswerError, match="not JSON; gave up after 7 attempts"):
        fetched()
    served.on(NVDA, reply("[1, 2]"))
    with pytest.raises(SourceAnswerError, match="list and not an object"):
        fetched()
    served.on(NVDA, reply({"hello": "world"}))
    with pytest.raises(SourceAnswerError, match="Polygon.io answers"):
        fetched()
    served.on(NVDA, reply(page() | {"results": {"t": 1}}))
    with pytest.raises(SourceAnswerError, match="not a list"):
        fetched()


def test_web_page_instead_of_data_is_an_error_at_once(served: Any, fetched: Any, reply: Any, clock: Any) -> None:
    served.on(NVDA, reply("<!DOCTYPE html><html><title>Hotel login</title></html>"))
    with pytest.raises(SourceAnswerError, match="web page came instead of data.*proxy or a login page"):
        fetched()
    assert clock.slept == []


def test_redirect_is_not_followed_with_the_key(served: Any, fetched: Any, reply: Any) -> None:
    served.on(NVDA, reply(status=302, headers={"Location": f"{served.url}/elsewhere"}))
    with pytest.raises(SourceAnswerError, match="302"):
        fetched()
    assert served.paths() == [NVDA]


def test_unreachable_service_is_tried_for_seconds_and_given_up(source: Any, clock: Any) -> None:
    with socket.socket() as taken:  # a port on which nobody listens
        taken.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(UnreachableError, match="cannot be reached; gave up after 3 attempts"):
            source(base_url=nowhere).fetch(Request("NVDA", "1d", *DAYS))
    assert 3.0 <= sum(clock.slept) <= 5.0  # 1 + 2, each with up to a second of jitter


@pytest.mark.parametrize(
    ("error", "unreachable", "words"),
    [
        (requests.ConnectTimeout("timed out"), True, "cannot be reached within 30 s"),
        (requests.ReadTimeout("timed out"), False, "no answer within 30 s"),
        (requests.ConnectionError("Connection aborted."), False, "the connection broke off"),
        (requests.ConnectionError(OSError(104, "Connection reset by peer")), False, "the connection broke off"),
    ],
    ids=str,
)
def test_a_connection_that_breaks_off_is_tried_longer(
    source: Any, monkeypatch: pytest.MonkeyPatch, error: Exception, unreachable: bool, words: str
) -> None:
    def failing(*_: Any, **__: Any) -> Any:
        raise error

    monkeypatch.setattr(requests.Session, "get", failing)
    with pytest.raises(SourceAnswerError, match=f"{words}; gave up after {3 if unreachable else 7} attempts") as caught:
        source().fetch(Request("NVDA", "1d", *DAYS))
    assert isinstance(caught.value, UnreachableError) == unreachable


def test_only_attempts_in_a_row_make_a_service_unreachable(clock: Any) -> None:
    busy, nobody = PassingFault("busy"), UnreachableFault("nobody there")

    def tried(*faults: Exception | None) -> int:
        script = iter(faults)

        def action() -> int:
            fault = next(script)
            if fault is not None:
                raise fault
            return sum(1 for _ in script)

        return try_persistently(action, service="Service", clock=clock)

    assert tried(nobody, nobody, None) == 0
    assert tried(nobody, nobody, busy, nobody, nobody, None) == 0
    with pytest.raises(UnreachableError, match="nobody there; gave up after 5 attempts"):
        tried(nobody, busy, nobody, nobody, nobody, None)
    with pytest.raises(SourceAnswerError, match="busy; gave up after 7 attempts") as caught:
        tried(nobody, nobody, *[busy] * 5)
    assert not isinstance(caught.value, UnreachableError)


def test_silent_service_is_given_up(served: Any, fetched: Any, reply: Any) -> None:
    served.on(NVDA, reply(hang=True))
    with pytest.raises(SourceAnswerError, match="no answer within.*gave up after 2 attempts"):
        fetched(timeout=0.05, attempts=2)


@pytest.mark.parametrize("status", [401, 403])
def test_wrong_key_is_said_at_once_and_not_repeated(
    served: Any, fetched: Any, reply: Any, clock: Any, status: int
) -> None:
    served.on(NVDA, reply({"status": "ERROR", "error": f"Unknown API Key {KEY}"}, status))
    with pytest.raises(ClosedError, match="key was refused.*Unknown API Key.*POLYGON_API_KEY") as caught:
        fetched()
    assert KEY not in str(caught.value)
    assert clock.slept == []


def test_plan_that_does_not_reach_is_no_wrong_key(served: Any, fetched: Any, reply: Any) -> None:
    words = "Your plan doesn't include this data timeframe. Please upgrade your plan"
    served.on(NVDA, reply({"status": "NOT_AUTHORIZED", "message": words}, 403))
    with pytest.raises(SourceAnswerError, match="plan of this key does not include.*timeframe.*later dates") as caught:
        fetched()
    assert not isinstance(caught.value, ClosedError)  # another symbol may be in it


def test_delayed_data_are_data(served: Any, fetched: Any) -> None:
    served.on(NVDA, page(bar(T6), status="DELAYED"))
    assert len(fetched().frame) == 1


def test_unknown_symbol_and_empty_range_are_told_apart(served: Any, fetched: Any) -> None:
    served.on(NVDA, page() | {"results": None})
    with pytest.raises(FeedEmptyError, match="no 1d bars between 2024-06-06 and 2024-06-10.*other dates"):
        fetched()
    with pytest.raises(FeedEmptyError, match="knows no such symbol.*check how it is written"):
        fetched("NVDIA")  # every path of it answers 404


def test_range_that_ends_before_it_begins_asks_for_nothing(served: Any, fetched: Any) -> None:
    with pytest.raises(FeedEmptyError, match="2024-06-21 and 2024-06-20"):
        fetched(start=dt.date(2024, 6, 21), end=dt.date(2024, 7, 1))
    assert served.asked == []


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (page(bar(T6), bar(T7), resultsCount=3), "3 bars are announced, 2 came"),
        (page({"t": T6, "o": 1.0, "h": 1.0, "l": 1.0, "v": 5}), "no number for close"),
        (page(bar(T6), bar(T7) | {"h": "1255.87"}), "1 bars have no number for high .*'1255.87'"),
        (page(bar(T6) | {"v": False}), "no number for volume"),
        (page(bar(T6) | {"o": float("nan")}), "no number for open"),
        (page(bar(T7), bar(T6)), "do not follow each other"),
        (page(bar(T6), bar(T6)), "do not follow each other"),
        (page(bar(T6 - 86_400_000)), "bars from 2024-06-05 to 2024-06-05 came"),
        (page(bar(T6), bar(T10 + 86_400_000)), "asked were 2024-06-06 to 2024-06-10"),
        (page(bar(T6 + 3_600_000)), "midnight in New York"),
        (page(bar(T6), ticker="NVDX"), "bars of 'NVDX'"),
        (page(bar(T6), adjusted=True), "adjusted bars"),
        (page(bar(T6), status="ERROR", error="boom"), "'boom'"),
    ],
)
def test_half_a_page_is_refused_as_a_whole(served: Any, fetched: Any, answer: Any, why: str) -> None:
    served.on(NVDA, answer)
    with pytest.raises(SourceAnswerError, match=why):
        fetched()


@pytest.mark.parametrize(
    ("path", "row", "why"),
    [
        ("splits", SPLIT | {"split_from": 0}, "split_from is 0"),
        ("splits", SPLIT | {"execution_date": "June 10"}, "execution_date is 'June 10'"),
        ("splits", {"ticker": "NVDA", "execution_date": "2024-06-10", "split_to": 10}, "split_from is None"),
        ("splits", SPLIT | {"ticker": "AAPL"}, "another symbol"),
        ("dividends", PAID | {"cash_amount": "0.01"}, "cash_amount is '0.01'"),
        ("dividends", PAID | {"cash_amount": -1.0}, "a dividend of -1.0"),
    ],
)
def test_half_an_action_is_refused(served: Any, fetched: Any, path: str, row: Any, why: str) -> None:
    served.on(f"/stocks/v1/{path}", listed(row))
    with pytest.raises(SourceAnswerError, match=why):
        fetched()


def test_next_page_at_another_host_never_sees_the_key(served: Any, fetched: Any) -> None:
    port = served.url.rpartition(":")[2]
    served.on(NVDA, page(bar(T6), next_url=f"http://localhost:{port}{NVDA}/more"))
    with pytest.raises(SourceAnswerError, match="must not see the key"):
        fetched()
    assert served.paths() == [NVDA]


def test_old_and_new_name_of_the_service_are_one_host(source: Any) -> None:
    for base in ("https://api.polygon.io", "https://api.massive.com"):
        desk = source(base_url=base)
        assert desk._address("https://api.polygon.io/v3/x?cursor=a") == "/v3/x?cursor=a"
        assert desk._address("https://api.massive.com/v3/x?cursor=a") == "/v3/x?cursor=a"
        for other in (
            "http://api.polygon.io/v3/x",
            "https://api.polygon.io.evil.example/v3/x",
            "//evil.example/x",
            "/x",
        ):
            with pytest.raises(SourceAnswerError):
                desk._address(other)


def test_pages_in_a_circle_end(served: Any, fetched: Any) -> None:
    served.on(NVDA, page(bar(T6), next_url=f"{served.url}{NVDA}?cursor=a"))
    with pytest.raises(SourceAnswerError, match="no end"):
        fetched()
    assert len(served.asked) == 2


def test_session_that_is_not_over_is_left_out(served: Any, fetched: Any, clock: Any) -> None:
    path = "/v2/aggs/ticker/NVDA/range/1/day/2024-06-18/2024-06-20"
    t18, t20 = T10 + 8 * 86_400_000, T10 + 10 * 86_400_000  # the 19th is a holiday
    served.on(path, page(bar(t18), bar(t20)))
    asked = {"start": dt.date(2024, 6, 18), "end": None}
    assert [str(day.date()) for day in fetched(**asked).frame.index] == ["2024-06-18", "2024-06-20"]
    clock._now = dt.datetime(2024, 6, 20, 20, 20, tzinfo=dt.UTC)  # closed for 20 minutes
    bars = fetched(**asked)
    assert [str(day.date()) for day in bars.frame.index] == ["2024-06-18"]
    assert bars.notes == ("1 bar was left out: not over at 2024-06-20 20:20 UTC.",)


def test_only_an_unfinished_session_is_no_data_yet(served: Any, fetched: Any, clock: Any) -> None:
    served.on("/v2/aggs/ticker/NVDA/range/1/day/2024-06-20/2024-06-20", page(bar(T10 + 10 * 86_400_000)))
    clock._now = dt.datetime(2024, 6, 20, 15, 0, tzinfo=dt.UTC)
    with pytest.raises(FeedEmptyError, match="is over yet; ask again after the close"):
        fetched(start=dt.date(2024, 6, 20), end=dt.date(2024, 6, 30))


def test_first_bar_long_after_the_asked_day_is_said(served: Any, fetched: Any) -> None:
    served.on("/v2/aggs/ticker/NVDA/range/1/day/2015-01-01/2024-06-10", page(bar(T6)))
    assert fetched(start=dt.date(2015, 1, 1)).notes == ("Asked from 2015-01-01, but the first bar is of 2024-06-06.",)


def test_actions_twice_in_the_list_future_ones_and_foreign_ones(served: Any, fetched: Any) -> None:
    served.on(
        "/stocks/v1/splits", listed(SPLIT | {"id": "a"}, SPLIT | {"id": "b"}, SPLIT | {"execution_date": "2024-06-21"})
    )
    special = PAID | {"cash_amount": 1.5, "distribution_type": "special"}
    served.on(
        "/stocks/v1/dividends",
        listed(PAID | {"id": "a"}, PAID | {"id": "b"}, special, PAID | {"ex_dividend_date": "2024-09-12"})
        | {"next_url": f"{served.url}/stocks/v1/dividends?cursor=2"},
    )
    served.on("/stocks/v1/dividends?cursor=2", listed(PAID | {"ex_dividend_date": "2024-03-05", "currency": "EUR"}))
    bars = fetched()
    assert bars.actions == (
        CorporateAction(dt.date(2024, 6, 10), "split", 10.0),
        CorporateAction(dt.date(2024, 6, 11), "dividend", 1.51),  # regular and special of one day
    )
    assert bars.notes == (
        "Polygon.io lists 1 of the splits again; each was taken once.",
        "Polygon.io lists 1 of the dividends again; each was taken once.",
        "1 dividends paid in another currency than USD were left out.",
    )


def test_older_addresses_of_actions_are_asked_where_the_newer_ones_are_missing(
    served: Any, fetched: Any, reply: Any
) -> None:
    for kind in ("splits", "dividends"):
        served.on(f"/stocks/v1/{kind}", reply({"status": "NOT_FOUND"}, 404))
    served.on(
        "/v3/reference/splits",
        listed({"ticker": "NVDA", "execution_date": "2021-07-20", "split_from": 1, "split_to": 4}),
    )
    paid = {"ticker": "NVDA", "ex_dividend_date": "2024-03-05", "cash_amount": 0.04, "dividend_type": "CD"}
    served.on("/v3/reference/dividends", listed(paid))
    assert fetched().actions == (
        CorporateAction(dt.date(2021, 7, 20), "split", 4.0),
        CorporateAction(dt.date(2024, 3, 5), "dividend", 0.04),
    )


def test_unknown_exchange_and_missing_details_are_said(served: Any, fetched: Any, reply: Any) -> None:
    served.on("/v3/reference/tickers/NVDA", {"status": "OK", "results": {"ticker": "NVDA", "primary_exchange": "MARS"}})
    bars = fetched()
    assert (bars.currency, bars.exchange) == (None, None)
    assert len(bars.notes) == 2 and "currency" in bars.notes[0] and "MARS" in bars.notes[1]
    served.on("/v3/reference/tickers/NVDA", reply({"status": "NOT_FOUND"}, 404))
    assert fetched().notes == ("Polygon.io has no details of NVDA on 2024-06-10: currency and exchange are assumed.",)


def test_symbols_are_escaped_and_classes_of_shares_keep_their_dot(loopback: Any, fetched: Any) -> None:
    with pytest.raises(FeedEmptyError):
        fetched("BRK.B")
    with pytest.raises(FeedEmptyError):
        fetched("A B?c#d&e")
    assert loopback.paths()[0] == "/v2/aggs/ticker/BRK.B/range/1/day/2024-06-06/2024-06-10"
    assert loopback.paths()[2] == "/v2/aggs/ticker/A%20B%3Fc%23d%26e/range/1/day/2024-06-06/2024-06-10"


def test_other_markets_are_refused(fetched: Any, loopback: Any) -> None:
    with pytest.raises(FeedError, match="only stocks"):
        fetched("X:BTCUSD")
    assert loopback.asked == []
