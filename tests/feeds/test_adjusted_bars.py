"""One series gives a run, a screen, a picture and a file the same prices; all of them worked out by hand."""

from __future__ import annotations

import datetime as dt
import shlex
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

import commands
from core.errors import AdjustmentError, FeedError, UnknownNameError
from feeds.adjusted_bars import adjusted_bars
from feeds.bars import Adjustment, BarSize, Content, CorporateAction, RawBars, Request
from feeds.catalog import Catalog
from feeds.catalog_source import CatalogSource
from feeds.room import DataRoom

DAYS = ["2014-06-04", "2014-06-05", "2014-06-06", "2014-06-09", "2014-06-10"]
TRADED = [640.0, 650.0, 700.0, 100.0, 96.0]
BY_HAND = {"split": [640 / 7, 650 / 7, 100.0, 100.0, 96.0], "total": [640 / 7 * 0.98, 650 / 7 * 0.98, 98.0, 98.0, 96.0]}
ACTIONS = [
    CorporateAction(dt.date(2014, 6, 9), "split", 7.0),
    CorporateAction(dt.date(2014, 6, 10), "dividend", 2.0),  # of a share at 100
]
FOUR = CorporateAction(dt.date(2020, 8, 31), "split", 4.0)


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    with Catalog(tmp_path / "catalog") as made:
        yield made


def bars(
    closes: list[float], adjusted: Adjustment = "raw", until: dt.date | None = None, *, symbol: str = "AAPL",
    content: Content = "trades", times: pd.DatetimeIndex | None = None, bar: BarSize = "1d", **extras: list[float],
) -> RawBars:  # fmt: skip
    index = pd.DatetimeIndex(DAYS, name="time").as_unit("us") if times is None else times
    prices = dict.fromkeys(("open", "high", "low", "close"), closes)
    frame = pd.DataFrame({**prices, "volume": 700.0, **extras}, index=index)
    return RawBars(symbol, bar, frame, "made", adjusted=adjusted, adjusted_until=until, content=content)


def closes(catalog: Catalog, want: Adjustment | None, end: str | None = None) -> list[float]:
    last = dt.date.fromisoformat(end) if end else None
    return adjusted_bars(catalog, catalog.get("AAPL", "1d"), want, end=last).frame["close"].tolist()


@pytest.mark.parametrize(
    ("have", "stored", "until"),
    [
        ("raw", TRADED, None),
        ("split", BY_HAND["split"], None),
        ("split", [price / 4 for price in BY_HAND["split"]], dt.date(2021, 3, 31)),  # 4:1 since, known to the vendor
    ],
)
def test_every_form_gives_the_prices_of_the_day_and_their_adjustments(
    catalog: Catalog, have: Adjustment, stored: list[float], until: dt.date | None
) -> None:
    catalog.append(bars(stored, have, until))
    catalog.put_actions("AAPL", [*ACTIONS, FOUR], source="events.csv")
    assert closes(catalog, None) == stored
    assert closes(catalog, "raw") == pytest.approx(TRADED, rel=1e-12)
    for want in ("split", "total"):
        assert closes(catalog, want) == pytest.approx(BY_HAND[want], rel=1e-12)
        # anchored at the last bar that is asked for: what happens later adjusts nothing
        assert closes(catalog, want, "2014-06-06") == pytest.approx(TRADED[:3], rel=1e-12)
    with CatalogSource(Catalog(catalog.folder), "total") as source:
        fetched = source.fetch(Request("AAPL", end=dt.date(2014, 6, 9)))
    assert fetched.frame["close"].tolist() == pytest.approx(BY_HAND["split"][:4], rel=1e-12)
    room = DataRoom(catalog.folder)
    assert room.bars("AAPL", adjust="total")["close"].tolist() == pytest.approx(BY_HAND["total"], rel=1e-12)
    shown = room.look("AAPL")
    assert shown.adjusted is not None and shown.adjusted["close"].tolist() == pytest.approx(BY_HAND["total"], rel=1e-12)
    room.export("AAPL", catalog.folder.parent / "out", adjust="total")
    written = pd.read_csv(catalog.folder.parent / "out" / "AAPL.csv")
    assert written["close"].tolist() == pytest.approx(BY_HAND["total"], rel=1e-12)


def test_intraday_days_are_sessions_of_the_exchange_for_a_notebook_as_for_a_run(catalog: Catalog) -> None:
    # 16:00 New York is 20:00 UTC; the bar of 00:30 UTC is an evening trade that belongs to the next session
    times = pd.DatetimeIndex(["2014-06-05 20:00", "2014-06-06 00:30", "2014-06-06 20:00"], tz="UTC", name="time")
    catalog.append(bars([1.0, 2.0, 3.0], times=times.as_unit("us"), bar="1h"))
    day = dt.date(2014, 6, 6)
    assert DataRoom(catalog.folder).bars("AAPL", "1h", day, day)["close"].tolist() == [2.0, 3.0]
    with CatalogSource(Catalog(catalog.folder), "raw") as source:
        assert source.fetch(Request("AAPL", "1h", day, day)).frame["close"].tolist() == [2.0, 3.0]


def test_a_series_with_errors_that_are_not_repaired_is_refused_and_an_unchecked_one_said(catalog: Catalog) -> None:
    holiday = pd.DatetimeIndex(["2014-07-03", "2014-07-04", "2014-07-07"], name="time").as_unit("us")
    catalog.append(bars([10.0, 10.1, 10.2], times=holiday))
    room, request = DataRoom(catalog.folder), Request("AAPL")

    def notes() -> str:
        with CatalogSource(Catalog(catalog.folder), "raw") as source:
            return " ".join(source.fetch(request).notes)

    assert "not checked" in notes() and room.show().table().loc[0, "errors"] is None
    room.repair(dry_run=True)
    assert "not checked" in notes()
    room.check(raw=True)
    assert "not checked" in notes()  # of the bars as they came: nothing is known of those that a run gets
    room.check()
    with pytest.raises(FeedError, match="1 error .*halflife data repair AAPL"):
        notes()
    room.repair()
    assert "not checked" not in notes() and room.show().table().loc[0, "errors"] == 0
    room.undo_repairs()
    assert "not checked" in notes()
    room.repair()
    assert "not checked" not in notes()
    catalog.append(bars([10.3], times=pd.DatetimeIndex(["2014-07-08"], name="time").as_unit("us")))
    assert "not checked" in notes()


def test_a_check_that_was_overtaken_by_new_bars_is_not_noted(catalog: Catalog) -> None:
    catalog.append(bars(TRADED[:3], times=pd.DatetimeIndex(DAYS[:3], name="time").as_unit("us")))
    before = catalog.get("AAPL", "1d")
    catalog.append(bars(TRADED))
    catalog.checked(before, 0)
    assert catalog.get("AAPL", "1d").errors is None


def test_actions_that_cannot_be_are_refused_before_they_are_stored(catalog: Catalog, tmp_path: Path) -> None:
    catalog.append(bars(TRADED))
    room, file = DataRoom(catalog.folder), tmp_path / "events.csv"
    file.write_text("symbol,ex_date,kind,value\nAAPL,2014-06-09,split,7\nAAPL,2014-06-09,split,2\n", encoding="utf-8")
    (failure,) = room.adjust(events=file).failures
    assert isinstance(failure.error, AdjustmentError) and "2 and 7" in str(failure.error)
    assert catalog.actions("AAPL") == ()


def test_a_payment_above_the_price_is_refused_and_one_that_a_pull_brought_does_not_hide_the_series(
    catalog: Catalog, tmp_path: Path
) -> None:
    catalog.append(bars(TRADED))
    room, file = DataRoom(catalog.folder), tmp_path / "events.csv"
    file.write_text("symbol,ex_date,kind,value\nAAPL,2014-06-10,dividend,500\n", encoding="utf-8")
    (failure,) = room.adjust(events=file).failures
    assert "worth 100" in str(failure.error) and catalog.actions("AAPL") == ()
    catalog.put_actions("AAPL", [CorporateAction(dt.date(2014, 6, 10), "dividend", 500.0)], source="pulled")
    shown = room.look("AAPL")
    assert shown.adjusted is None and "worth 100" in shown.facts()["cannot be adjusted"]
    assert shown.picture().axes and len(shown.table()) == 5
    (doubt,) = room.adjust().doubts
    assert "cannot be adjusted" in doubt.text and "worth 100" in doubt.text
    assert room.adjust(forget="pulled").forgotten == 1 and room.look("AAPL").adjusted is not None
    with pytest.raises(UnknownNameError, match="pulled"):
        room.adjust(forget="pulled")


def test_the_newer_of_two_files_counts_where_both_name_an_event_until_it_is_forgotten(
    catalog: Catalog, tmp_path: Path
) -> None:
    catalog.append(bars(TRADED))
    catalog.put_actions("AAPL", ACTIONS[:1], source="yahoo")
    room = DataRoom(catalog.folder)
    for name, lines in (("b.csv", "AAPL,2014-06-09,split,5\nAAPL,2014-06-10,dividend,1.5\n"),
                        ("a.csv", "AAPL,2014-06-06,split,7\nAAPL,2030-01-02,split,2\n")):  # fmt: skip
        (tmp_path / name).write_text(f"symbol,ex_date,kind,value\n{lines}", encoding="utf-8")
        result = room.adjust(events=tmp_path / name)
    assert [(str(a.ex_date), a.kind, a.source) for _, a in result.actions] == [
        ("2014-06-06", "split", "a.csv"), ("2014-06-10", "dividend", "b.csv"),
    ]  # fmt: skip
    texts = " ".join(doubt.text for doubt in result.doubts)
    assert "2014-06-06 split 7 (a.csv) is taken for the split of 5 that b.csv dates 2014-06-09" in texts
    assert "1 action of a.csv (2030-01-02 ...) outside of the bars" in texts
    back = room.adjust(forget="a.csv")
    assert [(a.kind, a.value, a.source) for _, a in back.actions] == [
        ("split", 5.0, "b.csv"), ("dividend", 1.5, "b.csv"),
    ]  # fmt: skip
    room.adjust(events=tmp_path / "b.csv")
    room.adjust(events=tmp_path / "a.csv")
    assert [a.source for _, a in room.adjust(events=tmp_path / "b.csv").actions] == ["b.csv", "b.csv"]  # told last


def test_an_adj_close_beside_split_adjusted_prices_is_said_not_to_be_read(catalog: Catalog) -> None:
    catalog.append(bars(BY_HAND["split"], "split", adj_close=BY_HAND["total"]))
    (doubt,) = DataRoom(catalog.folder).adjust().doubts
    assert "adj_close is not read" in doubt.text and "--events" in doubt.text and catalog.actions("AAPL") == ()


def test_the_commands_beside_exported_files_bring_them_back_as_what_they_are(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog.append(bars(TRADED), currency="GBP", exchange="XLON")
    catalog.append(bars(BY_HAND["split"], "split", dt.date(2021, 3, 31), symbol="SPLIT"))
    times = pd.date_range("2014-06-06 14:00:00.25", periods=5, freq="s", tz="UTC", name="time", unit="us")
    quotes = {"bid": [1.0, 1.1, 1.2, 1.1, 1.3], "ask": [1.1, 1.2, 1.3, 1.2, 1.4]}
    middle = [(bid + ask) / 2 for bid, ask in zip(*quotes.values(), strict=True)]
    catalog.append(bars(middle, symbol="FX.Q", content="quotes", times=times, bar="1s", **quotes))
    out = tmp_path / "out"
    DataRoom(catalog.folder).export(None, out)
    monkeypatch.chdir(out)
    for line in (out / "import.sh").read_text(encoding="utf-8").splitlines():
        outcome = CliRunner().invoke(commands.app, [*shlex.split(line)[1:], "--catalog", str(tmp_path / "other")])
        assert outcome.exit_code == 0, outcome.output
    with Catalog(tmp_path / "other") as other:
        for one, back in zip(catalog.series(), other.series(), strict=True):
            told = ("symbol", "bar", "currency", "exchange", "adjusted", "adjusted_until", "content")
            assert [getattr(one, name) for name in told] == [getattr(back, name) for name in told]
            pd.testing.assert_frame_equal(
                catalog.raw(one.symbol, one.bar), other.raw(one.symbol, one.bar), check_freq=False
            )
