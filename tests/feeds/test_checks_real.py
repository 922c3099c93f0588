"""The rules on real data: each count explained, and counted again with pandas and exchange_calendars alone."""

from __future__ import annotations

import warnings
from pathlib import Path

import arch.data.nasdaq
import arch.data.sp500
import exchange_calendars as xc
import numpy as np
import pandas as pd
import pytest

from core.calendar import ExchangeCalendar
from feeds.bars import CorporateAction
from feeds.checks import Examination, Finding, examine_series

NEW_YORK = ExchangeCalendar("XNYS")


def schedule(code: str) -> pd.DataFrame:
    """Opens and closes of 1998 to 2021, from the library itself."""
    with warnings.catch_warnings():  # exchange_calendars 4.13 calls what pandas 3.1 deprecates
        warnings.simplefilter("ignore", DeprecationWarning)
        return xc.get_calendar(code, start="1998-01-01", end="2021-12-31").schedule


SESSIONS = schedule("XNYS").index

# Splits of 2015 to 2017 with their ratio, published by the companies; prices of the file are raw
SPLITS = {
    ("AFSI", "2016-02-03"): "2:1",
    ("BAM", "2015-05-13"): "3:2",
    ("GIL", "2015-03-30"): "2:1",
    ("HRL", "2016-02-10"): "2:1",
    ("IART", "2017-01-04"): "2:1",
    ("IDXX", "2015-06-16"): "2:1",
    ("INFY", "2015-06-25"): "2:1",
    ("MPC", "2015-06-11"): "2:1",
    ("NKE", "2015-12-24"): "2:1",
    ("RAI", "2015-09-01"): "2:1",
    ("RRD", "2016-10-03"): "2:3",  # 1:3 and two spin-offs on one day
    ("TTC", "2016-09-19"): "2:1",
    ("UA", "2016-04-08"): "2:1",  # handed out as shares of class C; adj_close does not mark it
}

# Crashes and rallies that happened
REAL = [
    ("CENX", "2015-08-07", -0.37), ("DATA", "2016-02-05", -0.49), ("TK", "2015-12-17", -0.58),
    ("PTCT", "2016-02-23", -0.62), ("SRPT", "2016-01-15", -0.55), ("DNR", "2016-03-04", 0.53),
    ("DNR", "2016-03-08", -0.39), ("NVAX", "2016-09-16", -0.85), ("GWPH", "2016-03-14", 1.2),
    ("SRPT", "2016-04-22", 0.36), ("SRPT", "2016-04-26", -0.26), ("PTCT", "2016-11-11", 0.88),
]  # fmt: skip


@pytest.fixture(scope="module")
def equities(shared_data: Path) -> pd.DataFrame:
    return pd.read_parquet(shared_data / "us_equities_daily_2015_2017.parquet")


@pytest.fixture(scope="module")
def examined(equities: pd.DataFrame) -> dict[str, Examination]:
    return {
        symbol: examine_series(symbol, "1d", rows.drop(columns="symbol").set_index("date").astype(float), NEW_YORK)
        for symbol, rows in equities.groupby("symbol")
    }


def found(examined: dict[str, Examination], rule: str) -> list[Finding]:
    return [finding for one in examined.values() for finding in one.findings if finding.rule == rule]


def keys(findings: list[Finding]) -> set[tuple[str, str]]:
    return {(finding.symbol, f"{finding.first:%Y-%m-%d}") for finding in findings}


@pytest.mark.real_data
def test_442_symbols_have_these_findings(examined: dict[str, Examination]) -> None:
    counts: dict[str, int] = {}
    for one in examined.values():
        for finding in one.findings:
            counts[finding.rule] = counts.get(finding.rule, 0) + finding.rows
    assert len(examined) == 442
    assert counts == {
        "closed_session": 1,  # ON on Good Friday 2015: a row without volume at the close of the day before
        "foreign_rows": 157,  # NEE, see below
        "missing_session": 143,  # 139 of them 2016-09-01 to 09-12, when the publisher's source failed
        "jump": 59,  # 11 splits, and what really happened; more than 0.28 in logs and 6 deviations
        "wick": 37,  # 29 of them on 2015-08-24, when stocks opened far below all bids
        "zero_volume": 6,  # halted for the day; the row on Good Friday is gone
        "volume_gap": 5,  # four on 2016-10-19, and KIM
        "adj_close_odd": 1,  # KIM 2015-06-04: its adj_close is above its close
    }


@pytest.mark.real_data
def test_pandas_counts_the_same(equities: pd.DataFrame, examined: dict[str, Examination]) -> None:
    closed = equities[~equities["date"].isin(SESSIONS)]
    assert keys(found(examined, "closed_session")) == {("ON", "2015-04-03")}
    assert list(zip(closed["symbol"], closed["date"].dt.strftime("%Y-%m-%d"), strict=True)) == [("ON", "2015-04-03")]

    missing = {}
    for symbol, rows in equities.groupby("symbol"):
        wanted = SESSIONS[(SESSIONS >= rows["date"].min()) & (SESSIONS <= rows["date"].max())]
        if absent := len(wanted.difference(pd.DatetimeIndex(rows["date"]))):
            missing[symbol] = absent
    assert sum(missing.values()) == 143 and len(missing) == 105
    outage = [
        finding for finding in found(examined, "missing_session") if "2016-09-01" <= str(finding.first) < "2016-09-13"
    ]
    assert sum(finding.rows for finding in outage) == 139
    ours: dict[str, int] = {}
    for finding in found(examined, "missing_session"):
        ours[finding.symbol] = ours.get(finding.symbol, 0) + finding.rows
    assert ours == missing

    none = equities[(equities["volume"] == 0) & equities["date"].isin(SESSIONS)]
    assert keys(found(examined, "zero_volume")) == set(
        zip(none["symbol"], none["date"].dt.strftime("%Y-%m-%d"), strict=True)
    )

    usual = equities.groupby("symbol")["volume"].transform(
        lambda volume: volume.rolling(41, center=True, min_periods=21).median()
    )
    little = equities[(equities["volume"] > 0) & (equities["volume"] < 0.05 * usual)]
    assert keys(found(examined, "volume_gap")) == set(
        zip(little["symbol"], little["date"].dt.strftime("%Y-%m-%d"), strict=True)
    )

    assert sum(wick.first == pd.Timestamp("2015-08-24") for wick in found(examined, "wick")) == 29

    home = equities[equities["symbol"] != "NEE"]
    move = np.log(home["close"] / home.groupby("symbol")["close"].shift())
    large = home[move.abs() >= 0.28]
    jumps = keys(found(examined, "jump"))
    large_keys = set(zip(large["symbol"], large["date"].dt.strftime("%Y-%m-%d"), strict=True))
    assert jumps < large_keys
    # Within 6 deviations of stocks that moved by 5% and more on an ordinary day of these months
    assert large_keys - jumps == {
        ("BRS", "2016-05-26"), ("DNR", "2016-01-25"), ("DNR", "2016-03-04"), ("DNR", "2016-03-08"),
        ("GLNG", "2016-01-22"), ("JUNO", "2016-11-23"), ("NVAX", "2016-09-21"), ("PTCT", "2016-02-26"),
        ("UNT", "2016-03-02"), ("UNT", "2016-03-08"),
    }  # fmt: skip

    prices = equities[["open", "high", "low", "close"]]
    assert not (prices <= 0).any(axis=None) and not prices.isna().any(axis=None)
    assert not equities.duplicated(["symbol", "date"]).any()
    assert (equities["high"] >= prices.max(axis=1)).all() and (equities["low"] <= prices.min(axis=1)).all()


@pytest.mark.real_data
def test_rows_of_another_company_under_nee_are_found_exactly(
    equities: pd.DataFrame, examined: dict[str, Examination]
) -> None:
    """NextEra traded at 113 to 123 dollars throughout, the other company at 21 to 26.

    2016-11-21 and 2017-01-30 have the other's prices with NextEra's volume and adj_close. 2016-11-28 has NextEra's
    prices with the other's volume and adj_close: it is made of both and goes too.
    """
    nee = equities[equities["symbol"] == "NEE"].set_index("date")
    cheap = nee.index[nee["close"] < 60.0]
    assert (str(cheap[0].date()), str(cheap[-1].date()), len(cheap)) == ("2016-06-09", "2017-01-30", 156)
    expected = cheap.union([pd.Timestamp("2016-11-28")])
    assert [repair.time for repair in examined["NEE"].repairs] == list(expected)
    assert {(repair.rule, repair.action) for repair in examined["NEE"].repairs} == {("foreign_rows", "drop")}
    errors = [finding for finding in examined["NEE"].findings if finding.severity == "error"]
    assert [(f"{error.first:%Y-%m-%d}", f"{error.last:%Y-%m-%d}", error.rows) for error in errors] == [
        ("2016-06-09", "2016-11-21", 114), ("2016-11-28", "2017-01-30", 43),
    ]  # fmt: skip
    kept = nee.drop(expected)["close"]
    assert np.abs(np.diff(np.log(kept))).max() < 0.08


@pytest.mark.real_data
def test_splits_read_from_the_wrong_adj_close_hide_nothing(
    equities: pd.DataFrame, examined: dict[str, Examination]
) -> None:
    """adj_close over close looks like splits of 0.2, 5.2 and 0.19 at the edges of NEE's blocks."""
    nee = equities[equities["symbol"] == "NEE"].drop(columns="symbol").set_index("date").astype(float)
    factor = (nee["close"] / nee["adj_close"]).shift()
    edges = factor[(factor - 1.0).abs() > 0.5]
    false = [CorporateAction(day.date(), "split", value, "adj_close") for day, value in edges.items()]
    assert len(false) == 3
    assert examine_series("NEE", "1d", nee, NEW_YORK, false).repairs == examined["NEE"].repairs


@pytest.mark.real_data
def test_nothing_else_of_the_442_is_repaired(examined: dict[str, Examination]) -> None:
    repairs = {symbol: len(one.repairs) for symbol, one in examined.items() if one.repairs}
    assert repairs == {"NEE": 157, "ON": 1}


@pytest.mark.real_data
@pytest.mark.parametrize(("symbol", "day", "change"), REAL)
def test_real_crashes_and_rallies_stay(
    equities: pd.DataFrame, examined: dict[str, Examination], symbol: str, day: str, change: float
) -> None:
    close = equities[equities["symbol"] == symbol].set_index("date")["close"]
    assert close.pct_change()[day] == pytest.approx(change, abs=0.005)
    assert examined[symbol].repairs == ()
    assert {finding.severity for finding in examined[symbol].findings if finding.first == pd.Timestamp(day)} <= {"note"}


@pytest.mark.real_data
def test_splits_that_are_not_among_the_actions_are_named(
    equities: pd.DataFrame, examined: dict[str, Examination]
) -> None:
    """Not SSNC (2016-06-27, the day after the British vote): too far from 2:1 on the day."""
    named = [finding for finding in found(examined, "jump") if finding.severity == "warning"]
    assert keys(named) == set(SPLITS)
    for finding in named:
        assert f"close to a {SPLITS[finding.symbol, f'{finding.first:%Y-%m-%d}']} split" in finding.detail


@pytest.mark.real_data
def test_splits_that_are_known_are_no_finding(equities: pd.DataFrame) -> None:
    for (symbol, day), ratio in SPLITS.items():
        after, before = (float(part) for part in ratio.split(":"))
        rows = equities[equities["symbol"] == symbol].drop(columns="symbol").set_index("date").astype(float)
        action = CorporateAction(pd.Timestamp(day).date(), "split", after / before, "file")
        assert "jump" not in {
            finding.rule for finding in examine_series(symbol, "1d", rows, NEW_YORK, [action]).findings
        }


@pytest.mark.real_data
def test_euro_dollar_has_sunday_rows_and_crossed_quotes(shared_data: Path) -> None:
    """580 rows of Sundays, when currencies trade for two hours; 123 crossed quotes, 22 of them on Sundays.

    The 32 missing sessions are Christmas and New Year and the days after, when the label of the day before is closed.
    """
    rows = pd.read_parquet(shared_data / "eurusd_daily.parquet").set_index("datetime")
    one = examine_series("EURUSD", "1d", rows, ExchangeCalendar("24/5"))
    counts = {rule: sum(f.rows for f in one.findings if f.rule == rule) for rule in {f.rule for f in one.findings}}
    sunday, crossed = rows.index.day_name() == "Sunday", rows["bid"] > rows["ask"]
    assert (sunday.sum(), crossed.sum(), (sunday & crossed).sum()) == (580, 123, 22)
    wanted = schedule("24/5").index
    wanted = wanted[(wanted >= rows.index[0]) & (wanted <= rows.index[-1])]
    missing = wanted.difference(rows.index)
    assert counts == {"closed_session": 580, "crossed_quotes": 101, "missing_session": len(missing)}
    assert {(day.month, day.day) for day in missing} == {(12, 25), (12, 26), (1, 1), (1, 2)}
    dropped = [repair.time for repair in one.repairs if repair.action == "drop"]
    assert dropped == list(rows.index[sunday])
    swapped = {repair.time: (repair.before, repair.after) for repair in one.repairs if repair.action == "set"}
    assert list(swapped) == list(rows.index[crossed & ~sunday])
    for time, (before, after) in swapped.items():
        assert before == {"bid": rows["bid"][time], "ask": rows["ask"][time]}
        assert after == {"bid": rows["ask"][time], "ask": rows["bid"][time]}


@pytest.mark.real_data
def test_daily_bars_of_four_symbols_are_whole_but_for_bad_prints(shared_data: Path) -> None:
    """1998 to 2021: no session is missing, nothing is repaired; lows like 10.59 for AAPL at 184 are bad prints."""
    rows = pd.read_parquet(shared_data / "us_daily.parquet")
    wicks, splits = {}, set()
    for symbol, group in rows.groupby("symbol"):
        frame = group.drop(columns="symbol").set_index("datetime").astype(float)
        assert frame.index.equals(SESSIONS[(SESSIONS >= frame.index[0]) & (SESSIONS <= frame.index[-1])])
        one = examine_series(symbol, "1d", frame, NEW_YORK)
        assert one.repairs == ()
        assert {finding.rule for finding in one.findings} <= {"wick", "jump"}
        wicks[symbol] = [finding for finding in one.findings if finding.rule == "wick"]
        splits |= keys([finding for finding in one.findings if "close to a" in finding.detail])
    assert {symbol: len(found) for symbol, found in wicks.items()} == {"AAPL": 4, "BAC": 7, "IBM": 6, "SPY": 6}
    assert [f"{wick.first:%Y-%m-%d}" for wick in wicks["AAPL"]] == [
        "2009-09-21",
        "2010-05-06",
        "2010-08-31",
        "2011-01-03",
    ]
    assert splits == {
        ("AAPL", "2000-06-21"), ("AAPL", "2005-02-28"), ("AAPL", "2014-06-09"), ("AAPL", "2020-08-31"),
        ("BAC", "2004-08-30"), ("IBM", "1999-05-27"),
    }  # fmt: skip


@pytest.mark.real_data
def test_hourly_bars_lack_only_what_was_not_traded(shared_data: Path) -> None:
    """SPY and AAPL 1998 to 2021. On 2002-09-11 the exchanges opened late; on 2013-08-22 Nasdaq stood for three hours.

    47 bars lie after the close of half days.
    """
    rows = pd.read_parquet(shared_data / "us_hour.parquet")
    for symbol, missing in (("SPY", [("2002-09-11", 2)]), ("AAPL", [("2002-09-11", 1), ("2013-08-22", 2)])):
        frame = rows[rows["symbol"] == symbol].drop(columns="symbol").set_index("datetime").astype(float)
        day = frame.index.normalize()
        frame.index = (frame.index + pd.Timedelta(hours=1)).tz_localize("America/New_York").tz_convert("UTC")
        one = examine_series(symbol, "1h", frame, NEW_YORK)
        assert one.repairs == ()
        gaps = [
            (f"{finding.first:%Y-%m-%d}", finding.rows) for finding in one.findings if finding.rule == "missing_bars"
        ]
        assert gaps == missing
        late = frame.index > pd.DatetimeIndex(schedule("XNYS")["close"].reindex(day)).ceil("h")
        notes = [finding for finding in one.findings if finding.rule == "closed_session"]
        assert [(note.rows, note.severity) for note in notes] == [(int(late.sum()), "note")] == [(47, "note")]
        assert {finding.rule for finding in one.findings} <= {"wick", "jump", "missing_bars", "closed_session"}


@pytest.mark.real_data
@pytest.mark.parametrize(("symbol", "trades"), [("bac", 25_718), ("aig", 10_369), ("spy", 39_058)])
def test_seconds_without_a_trade_are_a_note(shared_data: Path, symbol: str, trades: int) -> None:
    frame = pd.read_parquet(shared_data / f"us_second_trades_{symbol}.parquet").drop(columns="symbol")
    frame = frame.set_index("datetime").astype(float)
    inside = frame.between_time("09:30", "16:00", inclusive="left")
    frame.index = (frame.index + pd.Timedelta(seconds=1)).tz_localize("America/New_York").tz_convert("UTC")
    one = examine_series(symbol.upper(), "1s", frame, NEW_YORK)
    assert len(frame) == trades
    assert one.repairs == ()
    assert "error" not in {finding.severity for finding in one.findings}
    (note,) = (finding for finding in one.findings if finding.rule == "missing_bars")
    assert (note.severity, note.rows) == ("note", 2 * 23_400 - len(inside))


@pytest.mark.parametrize("index", [arch.data.sp500, arch.data.nasdaq])
def test_the_crash_of_2008_stays_as_it_was(index) -> None:
    """Nasdaq has two days whose volume was not published: 2015-05-12 and 2018-01-09."""
    frame = index.load().rename(columns=str.lower)[["open", "high", "low", "close", "volume"]].astype(float)
    one = examine_series("INDEX", "1d", frame, NEW_YORK)
    assert one.repairs == ()
    assert {(finding.rule, f"{finding.first:%Y-%m-%d}") for finding in one.findings} == (
        {("zero_volume", "2015-05-12"), ("zero_volume", "2018-01-09")} if index is arch.data.nasdaq else set()
    )
