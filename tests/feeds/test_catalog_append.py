"""What is appended to a catalog is what it has: once, unchanged, by parts, with the metadata it came with."""

from __future__ import annotations

import datetime as dt
import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings

from core.errors import CalendarError, CatalogError, FeedError, UnknownNameError
from feeds.bars import BarSize, CorporateAction, RawBars
from feeds.catalog import Appended, Catalog

NAN = float("nan")
PRICES = ("open", "high", "low", "close")
GRIDS: dict[BarSize, pd.DatetimeIndex] = {  # times that cross the bounds of parts
    "1d": pd.date_range("2019-12-25", periods=16, freq="D"),
    "1h": pd.date_range("2019-12-31 15:00", periods=16, freq="h", tz="UTC"),
    "1m": pd.DatetimeIndex(
        [*pd.date_range("2018-12-31 23:57", periods=6, freq="min", tz="UTC"),
         *pd.date_range("2019-12-31 23:55", periods=10, freq="min", tz="UTC")]),
    "1s": pd.DatetimeIndex(
        [*pd.date_range("2020-01-31 23:59:57", periods=6, freq="s", tz="UTC"),
         *pd.date_range("2020-02-29 23:59:55", periods=10, freq="s", tz="UTC")]),
}  # fmt: skip
FILES = {"1d": 1, "1h": 1, "1m": 3, "1s": 3}  # files of a whole grid: years of minutes, months of seconds


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    with Catalog(tmp_path / "catalog") as made:
        yield made


def bars(
    times: list[str] | pd.DatetimeIndex,
    closes: list[float],
    *,
    symbol: str = "AAA",
    bar: BarSize = "1d",
    source: str = "made",
    currency: str | None = None,
    exchange: str | None = None,
    actions: tuple[CorporateAction, ...] = (),
    **extras: list[float],
) -> RawBars:
    """Bars of one price each, a volume of ten times that."""
    index = pd.DatetimeIndex(times, name="time")
    values = np.asarray(closes, dtype=float)
    frame = pd.DataFrame({**dict.fromkeys(PRICES, values), "volume": values * 10.0, **extras}, index=index)
    return RawBars(symbol, bar, frame, source, currency=currency, exchange=exchange, actions=actions)


def stored(catalog: Catalog, bar: BarSize = "1d", symbol: str = "AAA") -> list[tuple[pd.Timestamp, float]]:
    frame = catalog.raw(symbol, bar)
    return list(zip(frame.index, frame["close"], strict=True))


def files(catalog: Catalog) -> dict[str, int]:
    """Every Parquet file below the catalog, with the moment of its last change."""
    return {str(file): file.stat().st_mtime_ns for file in catalog.folder.rglob("*.parquet*")}


# --- any pieces in any order

PIECES = st.lists(
    st.tuples(
        st.lists(st.tuples(st.integers(0, 15), st.sampled_from([1.0, 2.0, NAN])), min_size=1, max_size=12),
        st.booleans(),
    ),
    min_size=1,
    max_size=5,
)


@pytest.mark.parametrize("bar", GRIDS)
@settings(max_examples=25)
@given(pieces=PIECES)
def test_any_pieces_give_the_series_that_a_dictionary_gives(
    bar: BarSize, pieces: list[tuple[list[tuple[int, float]], bool]]
) -> None:
    grid = GRIDS[bar]
    model: dict[pd.Timestamp, list[str]] = {}  # time -> closes of its rows, as text: NaN equals NaN
    with tempfile.TemporaryDirectory() as folder, Catalog(Path(folder) / "c") as catalog:
        for rows, replace in pieces:
            brought: dict[pd.Timestamp, list[str]] = {}
            for at, close in rows:
                brought.setdefault(grid[at], []).append(str(close))
            known = brought.keys() & model.keys()
            odd = {time for time in known if brought[time] != model[time]}
            expected = Appended(
                "AAA", bar, added=sum(len(brought[time]) for time in brought.keys() - known),
                unchanged=sum(len(brought[time]) for time in known - odd), differing=len(odd),
                replaced=len(odd) if replace else 0,
            )  # fmt: skip
            model |= {time: brought[time] for time in (brought if replace else brought.keys() - known)}
            piece = bars(pd.DatetimeIndex([grid[at] for at, _ in rows]), [close for _, close in rows], bar=bar)
            assert catalog.append(piece, replace=replace) == expected
            before = files(catalog)
            again = catalog.append(piece, replace=replace)
            assert (again.added, again.replaced) == (0, 0)
            assert files(catalog) == before
        want = [(time, close) for time in sorted(model) for close in model[time]]
        assert [(time, str(close)) for time, close in stored(catalog, bar)] == want
        series = catalog.get("AAA", bar)
        assert (series.rows, series.first, series.last) == (len(want), want[0][0], want[-1][0])


@pytest.mark.parametrize("bar", GRIDS)
def test_values_and_times_come_back_bit_by_bit(catalog: Catalog, bar: BarSize) -> None:
    grid = GRIDS[bar]
    values = np.random.default_rng(3).normal(100.0, 30.0, (16, 8))
    values[4] = np.nan
    values[5, 4] = -0.0
    values[6] = [1e-300, 1e300, -5.0, np.inf, 2.0**53 + 2.0, NAN, 0.1, 0.2]
    names = [*PRICES, "volume", "adj_close", "bid", "ask"]
    frame = pd.DataFrame(values, columns=names, index=grid.rename("time").as_unit("us"))
    shuffled = frame.iloc[np.random.default_rng(4).permutation(16)]
    catalog.append(RawBars("AAA", bar, shuffled, "made"))
    read = catalog.raw("AAA", bar)
    pd.testing.assert_frame_equal(read, frame, check_freq=False)
    assert read.to_numpy().tobytes() == frame.to_numpy().tobytes()
    assert len(list((catalog.folder / "bars" / bar).rglob("*.parquet"))) == FILES[bar]


def test_only_the_parts_that_change_get_a_new_file(catalog: Catalog) -> None:
    grid = GRIDS["1m"]
    catalog.append(bars(grid[:-1], [1.0] * 15, bar="1m"))
    before = files(catalog)
    catalog.append(bars(grid, [1.0] * 16, bar="1m"))
    after = files(catalog)
    assert len(before) == len(after) == 3
    kept = before.items() & after.items()
    assert {Path(file).name[:4] for file, _ in kept} == {"2018", "2019"}


# --- what differs

DAYS = ["2020-01-02", "2020-01-03", "2020-01-06"]


def test_what_is_stored_stays_unless_it_is_to_be_replaced(catalog: Catalog) -> None:
    catalog.append(bars(DAYS, [10.0, 11.0, 12.0]))
    was = catalog.raw("AAA", "1d")
    brought = bars([*DAYS[1:], "2020-01-07"], [11.0, 99.0, 13.0], source="other")
    assert catalog.append(brought) == Appended("AAA", "1d", added=1, unchanged=1, differing=1, replaced=0)
    assert [close for _, close in stored(catalog)] == [10.0, 11.0, 12.0, 13.0]
    assert catalog.append(brought, replace=True) == Appended("AAA", "1d", added=0, unchanged=2, differing=1, replaced=1)
    assert [close for _, close in stored(catalog)] == [10.0, 11.0, 99.0, 13.0]
    (kept,) = (catalog.folder / "replaced" / "1d" / "AAA").glob("*.parquet")
    gone = pd.read_parquet(kept)
    assert gone["time"].tolist() == [was.index[2]] and gone["close"].tolist() == [12.0]
    assert gone["volume"].tolist() == [120.0]
    assert [act.act for act in catalog.acts("AAA")] == ["append", "append", "replace"]
    last = catalog.acts("AAA")[-1]
    assert kept.relative_to(catalog.folder).as_posix() in last.detail and last.detail.startswith("other: ")
    assert len(list((catalog.folder / "bars").rglob("*.parquet"))) == 1


def test_two_replacements_of_one_bar_keep_both(catalog: Catalog) -> None:
    for close in (1.0, 2.0, 3.0):
        catalog.append(bars(DAYS[:1], [close]), replace=True)
    kept = [pd.read_parquet(file)["close"].item() for file in (catalog.folder / "replaced").rglob("*.parquet")]
    assert sorted(kept) == [1.0, 2.0]
    assert stored(catalog) == [(pd.Timestamp("2020-01-02"), 3.0)]


def test_duplicates_of_one_batch_are_kept_and_then_compared_row_by_row(catalog: Catalog) -> None:
    twice = [DAYS[0], DAYS[0], DAYS[1]]
    assert catalog.append(bars(twice, [10.0, 10.5, 11.0])).added == 3
    assert catalog.append(bars(twice, [10.0, 10.5, 11.0])) == Appended("AAA", "1d", 0, 3, 0, 0)
    assert catalog.append(bars(twice, [10.5, 10.0, 11.0])) == Appended("AAA", "1d", 0, 1, 1, 0)  # in another order
    assert catalog.append(bars(DAYS[:1], [10.0])) == Appended("AAA", "1d", 0, 0, 1, 0)  # one row too few
    assert [close for _, close in stored(catalog)] == [10.0, 10.5, 11.0]
    assert catalog.append(bars(DAYS[:1], [10.5]), replace=True) == Appended("AAA", "1d", 0, 0, 1, 1)
    assert [close for _, close in stored(catalog)] == [10.5, 11.0]


def test_extra_columns_may_come_later_and_stay_away_again(catalog: Catalog) -> None:
    catalog.append(bars(DAYS[:1], [10.0]))
    assert catalog.append(bars(DAYS[:2], [10.0, 11.0], adj_close=[NAN, 5.5])).unchanged == 1
    assert catalog.append(bars(DAYS[:1], [10.0], bid=[5.0])).differing == 1
    assert catalog.append(bars(DAYS, [10.0, 11.0, 12.0])) == Appended("AAA", "1d", 1, 2, 0, 0)
    read = catalog.raw("AAA", "1d")
    assert list(read.columns) == [*PRICES, "volume", "adj_close"]
    np.testing.assert_array_equal(read["adj_close"], [NAN, 5.5, NAN])


def test_no_bars_change_nothing_and_bars_do_not_need_an_order(catalog: Catalog) -> None:
    assert catalog.append(bars([], [])) == Appended("AAA", "1d", 0, 0, 0, 0)
    assert catalog.series() == () and catalog.acts() == ()
    catalog.append(bars(DAYS[::-1], [12.0, 11.0, 10.0]))
    assert [close for _, close in stored(catalog)] == [10.0, 11.0, 12.0]


# --- ranges


def test_ranges_are_inclusive_by_date_and_by_moment(catalog: Catalog) -> None:
    catalog.append(bars([*DAYS, "2020-01-07"], [1.0, 2.0, 3.0, 4.0]))

    def closes(start: dt.date | None, end: dt.date | None, bar: BarSize = "1d") -> list[float]:
        assert list(catalog.raw("AAA", bar, start, end)["close"]) == list(catalog.bars("AAA", bar, start, end)["close"])
        return list(catalog.raw("AAA", bar, start, end)["close"])

    assert closes(dt.date(2020, 1, 3), dt.date(2020, 1, 6)) == [2.0, 3.0]
    assert closes(dt.date(2020, 1, 4), dt.date(2020, 1, 5)) == []
    assert closes(None, dt.date(2020, 1, 2)) == [1.0]
    assert closes(dt.date(2020, 1, 7), None) == [4.0]
    assert closes(dt.date(2021, 1, 1), None) == closes(None, dt.date(2019, 1, 1)) == []
    day = "2020-01-02 "
    times = pd.DatetimeIndex([day + "00:00Z", day + "14:31Z", day + "23:59Z", "2020-01-03 00:00Z"])
    catalog.append(bars(times, [1.0, 2.0, 3.0, 4.0], bar="1m"))
    assert closes(dt.date(2020, 1, 2), dt.date(2020, 1, 2), "1m") == [1.0, 2.0, 3.0]
    second = dt.datetime(2020, 1, 2, 14, 31, tzinfo=dt.UTC)
    assert closes(second, second, "1m") == [2.0]
    assert closes(second + dt.timedelta(microseconds=1), dt.datetime(2020, 1, 3, tzinfo=dt.UTC), "1m") == [3.0, 4.0]
    new_york = dt.timezone(dt.timedelta(hours=-5))
    assert closes(dt.datetime(2020, 1, 2, 9, 31, tzinfo=new_york), dt.date(2020, 1, 2), "1m") == [2.0, 3.0]
    assert catalog.raw("AAA", "1m", dt.date(2022, 1, 1)).index.tz is not None


@settings(max_examples=25)
@given(first=st.integers(-5, 70_005), count=st.integers(0, 70_000))
def test_a_range_is_what_a_slice_of_the_whole_is(minutes: tuple[Catalog, pd.DataFrame], first: int, count: int) -> None:
    catalog, whole = minutes
    start = (whole.index[0] + pd.Timedelta(minutes=first)).to_pydatetime()
    end = start + dt.timedelta(minutes=count)
    pd.testing.assert_frame_equal(
        catalog.raw("AAA", "1m", start, end), whole.loc[start:end], check_freq=False  # type: ignore[misc]
    )  # fmt: skip


@pytest.fixture(scope="module")
def minutes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Catalog, pd.DataFrame]]:
    """70,000 minutes around a new year: two files of several row groups each."""
    times = pd.date_range("2019-12-08", periods=70_000, freq="min", tz="UTC", name="time").as_unit("us")
    frame = bars(times, list(np.arange(70_000.0)), bar="1m").frame
    with Catalog(tmp_path_factory.mktemp("minutes") / "catalog") as catalog:
        catalog.append(RawBars("AAA", "1m", frame, "made"))
        yield catalog, frame


# --- metadata


def test_the_listing_says_what_there_is(catalog: Catalog) -> None:
    split = CorporateAction(dt.date(2020, 1, 3), "split", 2.0)
    catalog.append(bars(DAYS, [1.0, 2.0, 3.0], symbol="BBB", source="csv:b.csv", actions=(split,)))
    catalog.append(bars(["2020-01-02 15:00Z"], [1.0], bar="1h", symbol="BBB"), currency="EUR", exchange="XETR")
    catalog.append(bars(DAYS[:1], [1.0], currency="GBP", exchange="XLON"), currency="EUR", exchange="XETR")
    listed = catalog.series()
    assert [(s.symbol, s.bar, s.source, s.currency, s.exchange, s.adjusted, s.rows, s.actions) for s in listed] == [
        ("AAA", "1d", "made", "GBP", "XLON", "raw", 1, 0),
        ("BBB", "1d", "csv:b.csv", "USD", "XNYS", "raw", 3, 1),
        ("BBB", "1h", "made", "EUR", "XETR", "raw", 1, 1),
    ]
    assert (listed[1].first, listed[1].last) == (pd.Timestamp("2020-01-02"), pd.Timestamp("2020-01-06"))
    assert listed[2].first == pd.Timestamp("2020-01-02 15:00Z")
    assert catalog.series("1h") == listed[2:] and catalog.get("BBB", "1d") == listed[1]


def test_source_and_update_are_those_of_the_last_change(catalog: Catalog) -> None:
    catalog.append(bars(DAYS[:1], [1.0], source="first"))
    one = catalog.get("AAA", "1d")
    assert (dt.datetime.now(dt.UTC) - one.updated).total_seconds() < 60.0
    catalog.append(bars(DAYS[:1], [1.0], source="second"))
    assert catalog.get("AAA", "1d") == one
    catalog.append(bars(DAYS[:2], [1.0, 2.0], source="third"))
    two = catalog.get("AAA", "1d")
    assert two.source == "third" and two.updated > one.updated


@pytest.mark.parametrize(
    ("change", "cure"),
    [
        ({"currency": "EUR"}, "with currency USD, made brings EUR; say --currency USD"),
        ({"exchange": "XLON"}, "with exchange XNYS, made brings XLON; say --exchange XNYS"),
        ({"adjusted": "split"}, "with adjusted raw, made brings split; say --adjusted raw"),
    ],
)
def test_bars_that_contradict_what_is_stored_are_refused(catalog: Catalog, change: dict[str, str], cure: str) -> None:
    catalog.append(bars(DAYS[:1], [1.0]))
    before, acts = files(catalog), catalog.acts()
    other = bars(DAYS, [1.0, 2.0, 3.0])
    brought = RawBars(**{**other.__dict__, **change})
    with pytest.raises(CatalogError, match=cure):
        catalog.append(brought, replace=True)
    assert (files(catalog), catalog.acts()) == (before, acts)
    catalog.append(RawBars(**{**brought.__dict__, "symbol": "BBB"}))  # it is another symbol's right


def test_an_unknown_exchange_is_refused_with_a_near_one(catalog: Catalog) -> None:
    with pytest.raises(CalendarError, match="AAA: unknown exchange 'XNYSE'; did you mean 'XNYS'"):
        catalog.append(bars(DAYS, [1.0] * 3, exchange="XNYSE"))
    with pytest.raises(CalendarError, match="unknown exchange"):
        catalog.append(bars(DAYS, [1.0] * 3), exchange="NYSE Arca")
    assert catalog.series() == ()


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (lambda f: f.drop(columns="low"), "AAA 1d: no column low"),
        (lambda f: f.assign(vwap=1.0), "AAA 1d: unknown column vwap"),
        (lambda f: f.reset_index(drop=True), "the index is a RangeIndex, not a DatetimeIndex"),
        (lambda f: f.tz_localize("UTC"), "the times of 1d bars are dates of sessions, without a timezone"),
        (lambda f: f.set_axis(f.index + pd.Timedelta(hours=1)), "some have a time of day"),
        (lambda f: f.set_axis(f.index.where([True, False, True])), "1 rows have no time"),
    ],
)
def test_frames_of_another_form_are_refused(catalog: Catalog, broken: object, message: str) -> None:
    frame = broken(bars(DAYS, [1.0] * 3).frame)  # type: ignore[operator]
    with pytest.raises(FeedError, match=message):
        catalog.append(RawBars("AAA", "1d", frame, "made"))
    assert catalog.series() == ()


def test_bars_within_the_day_need_a_timezone_and_a_known_size(catalog: Catalog) -> None:
    with pytest.raises(FeedError, match="the times of 1m bars are closes with a timezone"):
        catalog.append(bars(DAYS, [1.0] * 3, bar="1m"))
    with pytest.raises(FeedError, match="unknown bar size; it is one of 1d, 1h, 1m, 1s"):
        catalog.append(bars(DAYS, [1.0] * 3, bar="5m"))  # type: ignore[arg-type]


# --- symbols

SYMBOLS = ["BRK.B", "abc", "ABC", "Abc", "CON", "con", "COM1", "LPT9.X", "..", ".", "-X", "^GSPC", "EUR USD", "%41",
           "A", "é", "e\u0301", "日経225", "a" * 64, "*?:|<>\"'", "ß", "SS", "A.", "~", "_", "=F"]  # fmt: skip


def test_odd_symbols_have_folders_of_their_own(catalog: Catalog) -> None:
    for at, symbol in enumerate(SYMBOLS):
        catalog.append(bars(DAYS[:1], [float(at)], symbol=symbol))
    assert [one.symbol for one in catalog.series()] == sorted(SYMBOLS, key=str.encode)
    for at, symbol in enumerate(SYMBOLS):
        assert stored(catalog, symbol=symbol) == [(pd.Timestamp(DAYS[0]), float(at))]
    folders = [folder.name for folder in (catalog.folder / "bars" / "1d").iterdir()]
    assert len({name.lower() for name in folders}) == len(SYMBOLS)  # also where upper and lower case are one
    assert all(name.isascii() and "." not in name and len(name) <= 240 for name in folders)
    assert not {"CON", "COM1"} & set(folders)  # Windows opens devices under these names
    assert {"ABC", "BRK%2EB", "%2E%2E", "%61%62%63"} <= set(folders)
    assert {entry.name for entry in catalog.folder.parent.iterdir()} == {"catalog"}


@pytest.mark.parametrize(
    ("symbol", "cure"),
    [
        ("BRK/B", r"symbol 'BRK/B': '/' cannot be part of a symbol; write BRK.B or BRKB"),
        ("EUR/USD", "write EUR.USD or EURUSD"),
        ("BRK\\B", r"write BRK.B or BRKB"),
        ("../../etc", "a path is not the name of an instrument; write etc"),
        ("", "symbol '': a symbol is printable text"),
        (" A", "without space around it"),
        ("A\n", "without space around it"),
        ("A\tB", "printable text"),
        ("A\0B", "printable text"),
        ("x" * 65, "65 characters are too many"),
        ("日" * 40, "40 characters are too many"),
    ],
)
def test_symbols_that_cannot_be_are_refused_with_the_cure(catalog: Catalog, symbol: str, cure: str) -> None:
    with pytest.raises(CatalogError, match=cure):
        catalog.append(bars(DAYS, [1.0] * 3, symbol=symbol))
    assert catalog.series() == () and not (catalog.folder / "bars").exists()


def test_what_is_not_there_is_named_with_what_is(catalog: Catalog) -> None:
    with pytest.raises(UnknownNameError, match="has no symbol 'AAPL'; `halflife data import`"):
        catalog.raw("AAPL", "1d")
    for symbol in ("AAPL", "MSFT"):
        catalog.append(bars(DAYS, [1.0] * 3, symbol=symbol))
    asked = (catalog.get, catalog.raw, catalog.bars, catalog.repairs, catalog.undo_repairs, catalog.remove)
    for ask in asked:
        with pytest.raises(UnknownNameError, match="no symbol 'APPL'; did you mean 'AAPL'"):
            ask("APPL", "1d")
        with pytest.raises(UnknownNameError, match="has AAPL with bars of 1d, not of 1m"):
            ask("AAPL", "1m")
    with pytest.raises(UnknownNameError, match="known: AAPL, MSFT"):
        catalog.actions("ZZZZ")
    for first, second in itertools.product("ABCDEFGHIJ", repeat=2):
        catalog.append(bars(DAYS[:1], [1.0], symbol=f"{first}{second}{first}"))
    with pytest.raises(UnknownNameError, match="no symbol '12345' among its 102 symbols"):
        catalog.get("12345", "1d")


# --- removal


def test_a_removed_series_is_gone_with_its_files_and_others_stay(catalog: Catalog) -> None:
    split = CorporateAction(dt.date(2020, 1, 3), "split", 2.0, "made")
    catalog.append(bars(DAYS, [1.0] * 3, actions=(split,)))
    catalog.append(bars(GRIDS["1m"], [1.0] * 16, bar="1m"))
    catalog.append(bars(DAYS, [2.0] * 3, symbol="BBB"))
    catalog.remove("AAA", "1m")
    assert not list((catalog.folder / "bars" / "1m").rglob("*.parquet"))
    assert catalog.actions("AAA") == (split,)  # another series of the symbol is there
    catalog.remove("AAA", "1d")
    assert [one.symbol for one in catalog.series()] == ["BBB"]
    assert len(files(catalog)) == 1
    assert [act.act for act in catalog.acts("AAA")] == ["append", "actions", "append", "remove", "remove"]
    catalog.append(bars(DAYS[:1], [5.0], currency="EUR"))  # it may come back as something else
    assert stored(catalog) == [(pd.Timestamp(DAYS[0]), 5.0)] and catalog.actions("AAA") == ()


def test_a_catalog_stays_where_it_is_when_the_working_folder_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    with Catalog("catalog") as catalog:
        monkeypatch.chdir(tmp_path / "elsewhere")
        catalog.append(bars(DAYS, [1.0] * 3))
        assert len(stored(catalog)) == 3
    assert not list((tmp_path / "elsewhere").iterdir())
    with Catalog(tmp_path / "catalog", create=False) as catalog:
        assert len(stored(catalog)) == 3
