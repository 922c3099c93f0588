"""Rates are looked up as of a time, from constants or files, and files that cannot be used say where."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from books.rates import Rates
from core.errors import FeedSourceError, RateError
from core.settings import FxSettings, InterestSettings


def write(text: str, name: str = "usd.csv") -> str:
    Path(name).write_text(text, encoding="utf-8")
    return name


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


def test_rate_holds_from_its_date_until_the_next() -> None:
    rates = Rates("EUR", files={"USD": write("date,rate\n2024-01-02,0.91\n2024-01-05,0.92\n\n2024-01-08,0.93\n")})
    assert rates.rate("USD", at("2024-01-02T00:00:00+00:00")) == 0.91
    assert rates.rate("USD", at("2024-01-04T23:59:59+00:00")) == 0.91
    assert rates.rate("USD", at("2024-01-05T00:00:00")) == 0.92  # naive = UTC
    assert rates.rate("USD", at("2024-01-07T12:00:00")) == 0.92  # a weekend keeps Friday's
    assert rates.rate("USD", at("2030-01-01T00:00:00")) == 0.93
    assert rates.rate("USD", at("2024-01-03T00:00:00")) == 0.91  # back again
    assert rates.rate("EUR", at("1999-01-01T00:00:00")) == 1.0


def test_a_stamped_rate_is_not_seen_before_its_time() -> None:
    rates = Rates("EUR", files={"USD": write("date,rate\n2024-01-02T16:00:00+01:00,0.91\n2024-01-03T15:00,0.95\n")})
    assert rates.rate("USD", at("2024-01-03T14:59:59+00:00")) == 0.91
    assert rates.rate("USD", at("2024-01-03T15:00:00+00:00")) == 0.95
    with pytest.raises(RateError):
        rates.rate("USD", at("2024-01-02T14:59:00+00:00"))  # 16:00 in Frankfurt is 15:00 UTC


def test_a_file_is_preferred_to_a_constant() -> None:
    rates = Rates.exchange(
        FxSettings(rates={"USD": 0.5, "GBP": 1.1}, files={"USD": write("date,rate\n2024-01-02,0.91\n")}), "EUR"
    )
    assert rates.rate("USD", at("2024-02-01")) == 0.91
    assert rates.rate("GBP", at("2024-02-01")) == 1.1
    assert rates.describe("USD") == "file, 2024-01-02 to 2024-01-02"
    assert rates.describe("GBP") == "constant 1.1"
    assert rates.describe("CHF") == "none"


def test_benchmarks_may_be_negative_and_have_no_base() -> None:
    settings = InterestSettings(benchmarks={"EUR": -0.004}, files={"USD": write("date,rate\n2015-01-01,-0.001\n")})
    rates = Rates.benchmarks(settings)
    assert rates.rate("EUR", at("2020-01-01")) == -0.004
    assert rates.rate("USD", at("2020-01-01")) == -0.001


def test_a_currency_without_rate_names_the_setting() -> None:
    with pytest.raises(RateError, match=r"no rate of GBP in costs\.fx; give a constant, costs\.fx\.rates\.GBP"):
        Rates("EUR", {"USD": 0.9}).rate("GBP", at("2024-01-01"))


def test_a_time_before_the_series_names_its_first_date() -> None:
    rates = Rates("EUR", files={"USD": write("date,rate\n2024-01-02,0.91\n")})
    with pytest.raises(RateError, match="2023-12-29 .* begins 2024-01-02 00:00 UTC; extend the file or set data.start"):
        rates.rate("USD", at("2023-12-29"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("", "line 1: the header is '' instead of 'date,rate'", id="empty"),
        pytest.param("day,eurusd\n2024-01-02,0.9\n", "line 1: the header is 'day,eurusd'", id="header"),
        pytest.param("date,rate\n", "not one rate", id="no rows"),
        pytest.param("date,rate\n2024-01-02,0.9\n02.01.2024,0.9\n", "line 3: '02.01.2024' is no date", id="date"),
        pytest.param("date,rate\n2024-01-02,0.9\n2024-01-03,\n", "line 3: '' is no number", id="number"),
        pytest.param('date,rate\n2024-01-02,"0,9"\n', "line 2: '0,9' is no number; .* decimal point", id="comma"),
        pytest.param("date,rate\n2024-01-02,0.9,x\n", "line 2: 3 fields", id="fields"),
        pytest.param("date,rate\n2024-01-02,0\n", "line 2: rate 0 is impossible", id="zero"),
        pytest.param("date,rate\n2024-01-02,nan\n", "line 2: rate nan is impossible", id="nan"),
        pytest.param("date,rate\n2024-01-02,inf\n", "line 2: rate inf is impossible", id="infinite"),
        pytest.param(
            "date,rate\n2024-01-03,1\n2024-01-02,1\n", "line 3: 2024-01-02 does not come after", id="unsorted"
        ),
        pytest.param("date,rate\n2024-01-03,1\n2024-01-03,1\n", "line 3: .* one line a date", id="duplicated"),
    ],
)
def test_a_malformed_file_names_the_line(text: str, message: str) -> None:
    with pytest.raises(FeedSourceError, match=f"usd.csv.*{message}"):
        Rates("EUR", files={"USD": write(text)})


def test_a_benchmark_in_percent_is_refused() -> None:
    with pytest.raises(FeedSourceError, match=r"line 2: rate 5\.32 is impossible; it must be an annual fraction"):
        Rates.benchmarks(InterestSettings(files={"USD": write("date,rate\n2024-01-02,5.32\n")}))


def test_a_missing_or_binary_file_is_named() -> None:
    with pytest.raises(FeedSourceError, match="nowhere.csv cannot be read"):
        Rates("EUR", files={"USD": "nowhere.csv"})
    Path("binary.csv").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(FeedSourceError, match="binary.csv cannot be read"):
        Rates("EUR", files={"USD": "binary.csv"})


def test_file_names_are_relative_to_the_folder() -> None:
    Path("sub").mkdir()
    write("date,rate\n2024-01-02,0.91\n", "sub/usd.csv")
    assert Rates("EUR", files={"USD": "usd.csv"}, folder="sub").rate("USD", at("2024-01-03")) == 0.91


@given(
    days=st.lists(st.integers(0, 3000), min_size=1, max_size=30, unique=True).map(sorted),
    asked=st.lists(st.floats(0, 3100), min_size=1, max_size=30),
)
def test_lookup_equals_pandas_asof_and_never_looks_ahead(days: list[int], asked: list[float]) -> None:
    start = pd.Timestamp("2015-01-01", tz="UTC")
    index = pd.DatetimeIndex([start + pd.Timedelta(days=d) for d in days])
    values = [1.0 + i / 100 for i in range(len(days))]
    lines = [f"{stamp:%Y-%m-%d},{value}" for stamp, value in zip(index, values, strict=True)]
    rates = Rates("EUR", files={"USD": write("\n".join(["date,rate", *lines]))})
    expected = pd.Series(values, index=index)
    for offset in asked:
        when = start + pd.Timedelta(minutes=int(offset * 1440))
        if when < index[0]:
            with pytest.raises(RateError):
                rates.rate("USD", when.to_pydatetime())
        else:
            assert rates.rate("USD", when.to_pydatetime()) == expected.asof(when)
