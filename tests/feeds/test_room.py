"""The data room's facade: what goes in comes out, one failure keeps nothing else from being done, nothing is silent."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.calendar import ExchangeCalendar
from core.errors import CatalogError, FeedEmptyError, FeedSourceError, ResultsError, SettingsError, UnknownNameError
from feeds.bars import CorporateAction, RawBars, Request
from feeds.catalog import Catalog
from feeds.room import DataRoom

SESSIONS = pd.DatetimeIndex(
    ExchangeCalendar("XNYS").sessions(pd.Timestamp("2015-01-02").date(), pd.Timestamp("2015-12-31").date())
)


def walk(seed: int, level: float = 50.0) -> pd.DataFrame:
    """Clean daily bars of 2015, two decimals, index of dates."""
    rng = np.random.default_rng(seed)
    close = level * np.exp(np.cumsum(rng.normal(0, 0.01, len(SESSIONS))))
    opened = close * np.exp(rng.normal(0, 0.003, len(SESSIONS)))
    frame = pd.DataFrame(
        {
            "open": opened,
            "high": np.maximum(opened, close) * 1.004,
            "low": np.minimum(opened, close) * 0.996,
            "close": close,
            "volume": rng.integers(1_000, 9_000, len(SESSIONS)).astype(float),
        },
        index=SESSIONS,
    )
    return frame.round(2)


def write(frame: pd.DataFrame, file: Path) -> Path:
    frame.rename_axis("date").to_csv(file)
    return file


@pytest.fixture
def dirty(tmp_path: Path) -> Path:
    """ACME: clean but for a tenfold price, a holiday row, a row twice, and a 2:1 split that adj_close tells."""
    frame = walk(1)
    split = SESSIONS.get_loc("2015-07-15")
    frame.iloc[:split, :4] *= 2
    adjusted = frame["close"].copy()
    adjusted.iloc[:split] /= 2
    frame["adj_close"] = adjusted
    frame.loc["2015-03-10", ["open", "high", "low", "close", "adj_close"]] *= 10
    holiday = frame.loc[["2015-04-02"]].set_axis(pd.to_datetime(["2015-04-03"]))  # Good Friday
    frame = pd.concat([frame, holiday, frame.loc[["2015-10-01"]]]).sort_index()
    return write(frame, tmp_path / "ACME.csv")


@pytest.fixture
def room(dirty: Path, tmp_path: Path) -> DataRoom:
    made = DataRoom(tmp_path / "catalog")
    made.import_files([dirty, write(walk(2), tmp_path / "CALM.csv")])
    return made


# --- in


def test_import_counts_rows_and_is_idempotent(dirty: Path, tmp_path: Path) -> None:
    room = DataRoom(tmp_path / "catalog")
    first = room.import_files(dirty)
    assert first.table().loc[0, ["symbol", "bar", "rows", "added", "unchanged", "differing"]].tolist() == [
        "ACME", "1d", 254, 254, 0, 0,
    ]  # fmt: skip
    assert "254 bars added" in first.sentence() and not first.failures
    again = room.import_files([dirty])
    assert (again.total("added"), again.total("unchanged")) == (0, 254)


def test_bars_that_differ_are_said_and_kept_until_replaced(room: DataRoom, tmp_path: Path) -> None:
    other = walk(2)
    other.loc["2015-05-05", "close"] = other.loc["2015-05-05", "low"]
    file = write(other, tmp_path / "CALM.csv")
    result = room.import_files(file)
    assert result.total("differing") == 1 and "1 differ and were kept as stored" in result.sentence()
    assert list(result.notes()) == ["1 bar differ from those stored, which were kept; --replace takes the new ones."]
    assert room.bars("CALM").loc["2015-05-05", "close"] == walk(2).loc["2015-05-05", "close"]
    assert room.import_files(file, replace=True).total("replaced") == 1
    assert room.bars("CALM").loc["2015-05-05", "close"] == other.loc["2015-05-05", "low"]


def test_a_bad_file_keeps_no_other_out_and_leaves_nothing(dirty: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text("date,open,high,low,close,volume\n2015-01-02,1,1,1,x,1\n", encoding="utf-8")
    good = write(walk(2), tmp_path / "CALM.csv")
    room = DataRoom(tmp_path / "catalog")
    result = room.import_files([dirty, tmp_path / "bad.csv", tmp_path / "nowhere.csv", good])
    assert [one.what for one in result.failures] == [str(tmp_path / "bad.csv"), str(tmp_path / "nowhere.csv")]
    assert "line 2" in str(result.failures[0].error)
    assert [one.symbol for one in room.show().series] == ["ACME", "CALM"]
    assert "2 failed" in result.sentence() and "bad.csv" in repr(result)


def test_a_file_of_which_one_symbol_contradicts_the_catalog_is_refused_whole(room: DataRoom, tmp_path: Path) -> None:
    frames = [
        walk(seed).rename_axis("date").reset_index().assign(symbol=name) for seed, name in ((5, "NEW"), (2, "CALM"))
    ]
    pd.concat(frames).to_csv(tmp_path / "both.csv", index=False)
    result = room.import_files(tmp_path / "both.csv", currency="CAD")
    (failed,) = result.failures
    assert isinstance(failed.error, CatalogError) and "--currency USD" in str(failed.error)
    assert not result.stored and [one.symbol for one in room.show().series] == ["ACME", "CALM"]


def test_options_that_do_not_exist_are_refused_before_anything_is_made(dirty: Path, tmp_path: Path) -> None:
    room = DataRoom(tmp_path / "catalog")
    for options in ({"bar": "1w"}, {"stamp": "opn"}, {"adjusted": "dividends"}, {"date_order": "ymd"}):
        with pytest.raises(UnknownNameError):
            room.import_files(dirty, **options)  # type: ignore[arg-type]
    with pytest.raises(Exception, match="XNYC"):
        room.import_files(dirty, exchange="XNYC")
    assert not room.folder.exists()


class Service:
    """Bars of a walk; remembers what it was asked, fails for FAIL."""

    name = "service"

    def __init__(self) -> None:
        self.frame = walk(3)
        self.asked: list[Request] = []

    def symbols(self) -> tuple[str, ...]:
        return ()

    def fetch(self, request: Request) -> RawBars:
        self.asked.append(request)
        if request.symbol == "FAIL":
            raise FeedEmptyError("FAIL: no bars; ask for other dates")
        frame = self.frame
        if request.start:
            frame = frame[frame.index >= pd.Timestamp(request.start)]
        if request.end:
            frame = frame[frame.index <= pd.Timestamp(request.end)]
        actions = (CorporateAction(pd.Timestamp("2015-06-10").date(), "dividend", 0.5, "service"),)
        return RawBars(request.symbol, "1d", frame.rename_axis("time"), "service", actions=actions, exchange="XNYS")


def test_pull_goes_on_from_the_last_bar_and_says_where_the_service_changed_its_mind(tmp_path: Path) -> None:
    room, service = DataRoom(tmp_path / "catalog"), Service()
    first = room.pull(service, ["UP", "FAIL"], "2015-02-02", "2015-06-30")
    assert [one.what for one in first.failures] == ["FAIL"] and first.total("added") == 104  # sessions of XNYS
    second = room.pull(service, "UP")
    assert str(service.asked[-1].start) == "2015-06-23"  # a week before the last bar
    assert second.total("added") == 128 and second.total("unchanged") == 6
    assert len(room.bars("UP")) == 104 + 128
    room.pull(service, "UP", "2015-03-02")
    assert str(service.asked[-1].start) == "2015-03-02"  # asked for
    service.frame.loc["2015-12-30", "close"] *= 1.001
    assert room.pull(service, "UP").total("differing") == 1
    assert [action.value for action in room.look("UP").actions] == [0.5]


def test_pull_must_know_what(tmp_path: Path) -> None:
    room = DataRoom(tmp_path / "catalog")
    with pytest.raises(SettingsError, match="name those"):
        room.pull(Service(), None)
    with pytest.raises(UnknownNameError, match="did you mean 'yahoo'"):
        room.pull("yaho", "SPY")
    with pytest.raises(SettingsError, match="2015-12-31"):
        room.pull(Service(), "UP", "last year")


def test_pull_of_the_sample_takes_all_its_symbols(tmp_path: Path) -> None:
    result = DataRoom(tmp_path / "catalog").pull("sample", None, "2018-01-01")
    assert [one.bars.symbol for one in result.stored] == ["SPX", "IXIC", "VIX"]


# --- care


def test_check_repair_and_undo(room: DataRoom) -> None:
    before = room.check()
    errors = {finding.rule for finding in before.findings if finding.severity == "error"}
    assert errors == {"closed_session", "duplicate", "spike"}
    assert {finding.symbol for finding in before.findings} == {"ACME"}
    by_rule = before.by_rule()
    assert by_rule["severity"].tolist() == sorted(by_rule["severity"], key=["error", "warning", "note"].index)

    tried = room.repair(dry_run=True)
    assert len(tried.changes) == 3 and room.show().series[0].repairs == 0 and "nothing was changed" in tried.sentence()
    done = room.repair()
    assert (len(done.changes), done.new) == (3, 3) and "the raw bars are kept" in done.sentence()
    assert {c.repair.rule: c.after for c in done.changes} == dict.fromkeys(errors, "dropped")
    assert room.check().count("error") == 0
    assert room.check(raw=True).count("error") == before.count("error")
    assert len(room.bars("ACME", repaired=False)) - len(room.bars("ACME")) == 3
    assert room.repair().new == 0

    undone = room.undo_repairs()
    assert undone.table().to_dict("records") == [{"symbol": "ACME", "bar": "1d", "repairs": 3}]
    assert len(room.bars("ACME")) == 254


def test_adjust_from_adj_close_explains_the_split(room: DataRoom) -> None:
    room.repair()
    assert [jump.severity for jump in room.check("ACME").findings if jump.rule == "jump"] == ["warning"]
    result = room.adjust()
    assert result.table().to_dict("records") == [
        {"symbol": "ACME", "ex-date": pd.Timestamp("2015-07-15").date(), "kind": "split", "value": 2.0,
         "source": "adj_close"}
    ]  # fmt: skip
    assert not result.jumps and [finding.rule for finding in room.check().findings] == ["missing_session"]
    raw, adjusted = room.bars("ACME"), room.bars("ACME", adjust="split")
    assert adjusted.loc[:"2015-07-14", "close"].to_numpy() == pytest.approx(raw.loc[:"2015-07-14", "close"] / 2)
    assert adjusted.loc["2015-07-15":, "close"].equals(raw.loc["2015-07-15":, "close"])


def test_adjust_from_a_file_of_events(room: DataRoom, tmp_path: Path) -> None:
    file = tmp_path / "events.csv"
    file.write_text(
        "symbol,ex_date,kind,value\nCALM,2015-06-10,dividend,0.25\nELSE,2015-06-10,split,2\n", encoding="utf-8"
    )
    result = room.adjust(events=file)
    assert [(symbol, action.value) for symbol, action in result.actions] == [("CALM", 0.25)]
    assert [(doubt.symbol, doubt.text) for doubt in result.doubts] == [
        ("ELSE", "events.csv names it, the catalog does not have it.")
    ]
    before = room.bars("CALM").loc["2015-06-09", "close"]
    assert room.bars("CALM", adjust="total").loc["2015-06-09", "close"] == pytest.approx(before - 0.25)
    file.write_text("symbol,ex_date,kind,value\nELSE,2015-06-10,split,2\n", encoding="utf-8")
    with pytest.raises(FeedSourceError, match="ELSE"):
        room.adjust(events=file)


def test_adjust_from_a_service_asks_once_for_each_symbol_and_takes_no_bars(room: DataRoom) -> None:
    before, service = room.bars("CALM"), Service()
    result = room.adjust("CALM", source=service)
    assert [(request.symbol, request.bar, str(request.start)) for request in service.asked] == [
        ("CALM", "1d", "2015-01-02")
    ]
    assert [(action.value, action.source) for _, action in result.actions] == [
        (0.5, "service")
    ] and result.recorded == 1
    pd.testing.assert_frame_equal(room.bars("CALM"), before)
    assert room.adjust("CALM", source=service).recorded == 0
    with pytest.raises(SettingsError, match="one at a time"):
        room.adjust("CALM", "events.csv", source=service)


def test_prices_that_came_adjusted_are_not_judged_by_actions_they_know(tmp_path: Path) -> None:
    room = DataRoom(tmp_path / "catalog")
    room.import_files(write(walk(2), tmp_path / "SMOOTH.csv"), adjusted="split")
    (tmp_path / "events.csv").write_text("symbol,ex_date,kind,value\nSMOOTH,2015-06-10,split,2\n", encoding="utf-8")
    assert not room.adjust(events=tmp_path / "events.csv").jumps
    assert not room.check().findings and not room.repair().changes
    assert room.bars("SMOOTH", adjust="raw").loc["2015-06-09", "close"] == 2 * walk(2).loc["2015-06-09", "close"]


# --- out


def test_listing_knows_coverage_from_the_index_alone(room: DataRoom, tmp_path: Path) -> None:
    write(walk(4).iloc[::2], tmp_path / "HALF.csv")
    room.import_files(tmp_path / "HALF.csv")
    for file in (room.folder / "bars").rglob("*.parquet"):
        file.unlink()
    listing = room.show().table().set_index("symbol")
    assert listing.loc["CALM", "coverage"] == 1.0 and listing.loc["ACME", "rows"] == 254
    assert listing.loc["HALF", "coverage"] == pytest.approx(126 / 251)
    with pytest.raises(CatalogError):
        room.bars("CALM")


def test_one_row_on_a_day_without_a_session_covers_nothing(tmp_path: Path) -> None:
    room = DataRoom(tmp_path / "catalog")
    saturday = walk(2).iloc[:1].set_axis(pd.to_datetime(["2015-03-07"]))
    room.import_files(write(saturday, tmp_path / "SAT.csv"), bar="1d")
    assert np.isnan(room.show().table().loc[0, "coverage"])
    shown = room.look("SAT")
    assert shown.years.loc[2015, ["bars", "sessions", "covered"]].tolist() == [1, 0, 0]
    assert shown.facts()["coverage"] == "0 of 0 sessions of XNYS have a bar"


def test_rows_of_other_days_make_no_coverage_above_one(tmp_path: Path) -> None:
    room = DataRoom(tmp_path / "catalog")
    days = pd.date_range("2015-03-02", "2015-03-15")  # ten sessions and four days of a weekend
    room.import_files(write(walk(2).iloc[:14].set_axis(days), tmp_path / "EVERY.csv"))
    assert room.show().table().loc[0, ["rows", "coverage"]].tolist() == [14, 1.0]
    assert room.look("EVERY").years.loc[2015, "share"] == 1.0


def test_one_series_in_full(room: DataRoom) -> None:
    room.repair()
    room.adjust()
    shown = room.look("ACME")
    assert shown.years.loc[2015].to_dict() == {"bars": 251, "sessions": 252, "covered": 251, "share": 251 / 252}
    assert len(shown.repairs) == 3 and [act.act for act in shown.acts] == ["append", "repair", "actions"]
    assert shown.facts()["prices"] == "USD, as traded on their day"
    assert "ACME" in shown._repr_html_()


def test_bars_outside_the_hours_cover_no_session(tmp_path: Path) -> None:
    times = pd.DatetimeIndex(["2015-03-09 13:00", "2015-03-09 15:00", "2015-03-10 22:00", "2015-03-11 14:00"], tz="UTC")
    frame = walk(6).iloc[:4].set_axis(times.as_unit("us").rename("time"))
    with Catalog(tmp_path / "catalog") as catalog:
        catalog.append(RawBars("EXT", "1m", frame, "test"))
    shown = DataRoom(tmp_path / "catalog").look("EXT")
    assert shown.years.loc[2015].to_dict() == {"bars": 4, "sessions": 3, "covered": 2, "share": 2 / 3}


def test_picture_shows_what_was_done(room: DataRoom, tmp_path: Path) -> None:
    from feeds.room.picture import save_picture

    room.repair()
    room.adjust()
    figure = room.look("ACME").picture()
    labels = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert labels == ["close as it came", "as it is used", "row dropped (3)", "split or spin-off"]
    assert [text.get_text() for text in figure.axes[0].texts] == ["2:1"]
    picture = save_picture(figure, tmp_path / "new" / "acme.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    with pytest.raises(ResultsError, match=r"\.png"):
        save_picture(figure, tmp_path / "acme.bmpx")


def test_picture_draws_no_line_where_there_are_no_bars(tmp_path: Path) -> None:
    frame = walk(2)
    room = DataRoom(tmp_path / "catalog")
    room.import_files(write(frame[(frame.index < "2015-04-01") | (frame.index > "2015-06-30")], tmp_path / "HOLE.csv"))
    figure = room.look("HOLE").picture()
    for line in figure.axes[0].lines[:2]:
        assert np.count_nonzero(np.isnan(line.get_ydata().astype(float))) == 1


@pytest.mark.parametrize("form", ["csv", "parquet"])
@pytest.mark.parametrize("adjust", [None, "total"])
def test_exported_files_come_back_equal(room: DataRoom, tmp_path: Path, form: str, adjust: str | None) -> None:
    room.repair()
    room.adjust()
    exported = room.export(None, tmp_path / "out", format=form, adjust=adjust)
    assert exported.table()["rows"].tolist() == [251, 252]
    other = DataRoom(tmp_path / "other")
    other.import_files([one.file for one in exported.files], adjusted=adjust or "raw")
    for symbol in ("ACME", "CALM"):
        pd.testing.assert_frame_equal(other.bars(symbol), room.bars(symbol, adjust=adjust))


def test_exported_intraday_bars_come_back_equal(tmp_path: Path) -> None:
    times = pd.date_range("2015-03-06 14:31", periods=300, freq="1min", tz="UTC", unit="us", name="time")
    frame = walk(6).iloc[:1].loc[lambda day: day.index.repeat(300)].set_axis(times)
    with Catalog(tmp_path / "catalog") as catalog:
        catalog.append(RawBars("BRK.B", "1m", frame, "test"))
    room, other = DataRoom(tmp_path / "catalog"), DataRoom(tmp_path / "other")
    (file,) = room.export("BRK.B", tmp_path / "out").files
    assert file.file.name == "BRK%2EB-1m.csv"
    other.import_files(file.file)
    pd.testing.assert_frame_equal(other.bars("BRK.B", "1m"), room.bars("BRK.B", "1m"), check_freq=False)


def test_remove_takes_one_symbol(room: DataRoom) -> None:
    assert [one.symbol for one in room.remove("ACME").series] == ["ACME"]
    assert [one.symbol for one in room.show().series] == ["CALM"]
    with pytest.raises(UnknownNameError, match="CALM"):
        room.remove("CALL")


# --- what all answers share


def test_what_does_not_exist_is_said_before_any_work(tmp_path: Path, room: DataRoom) -> None:
    nowhere = DataRoom(tmp_path / "nowhere")
    for work in (nowhere.check, nowhere.repair, nowhere.adjust, nowhere.show):
        with pytest.raises(CatalogError, match="halflife data import"):
            work()
    assert not nowhere.folder.exists()
    for asked in (room.check, room.repair, room.adjust, room.show):
        with pytest.raises(UnknownNameError, match="did you mean 'CALM'"):
            asked(["ACME", "CALN"])


def test_one_damaged_series_keeps_no_other_from_being_checked(room: DataRoom) -> None:
    for file in (room.folder / "bars" / "1d" / "ACME").glob("*.parquet"):
        file.write_bytes(b"broken")
    for result in (room.check(), room.repair(), room.adjust()):
        assert [one.what for one in result.failures] == ["ACME 1d"]
        assert [one.symbol for one in result.series] == ["CALM"]


@pytest.mark.parametrize("work", ["check", "repair", "adjust"])
def test_ctrl_c_ends_the_work_between_two_symbols(room: DataRoom, work: str) -> None:
    def stop(done: int, total: int) -> None:
        assert total == 2
        if done == 1:
            raise KeyboardInterrupt

    result = getattr(room, work)(progress=stop)
    assert result.partial and [one.symbol for one in result.series] == ["ACME"]
    assert "PARTIAL" in repr(result) and "Stopped" in result._repr_html_()


def test_ctrl_c_keeps_the_files_that_are_in(dirty: Path, tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        if done == 1:
            raise KeyboardInterrupt

    room = DataRoom(tmp_path / "catalog")
    result = room.import_files([dirty, write(walk(2), tmp_path / "CALM.csv")], progress=stop)
    assert result.partial and [one.bars.symbol for one in result.stored] == ["ACME"]
    assert [one.symbol for one in room.show().series] == ["ACME"]


def test_answers_are_tables_in_notebooks_and_files(room: DataRoom, tmp_path: Path) -> None:
    checked = room.check()
    page = checked._repr_html_()
    assert "closed_session" in page and checked.sentence().replace("&", "&amp;")[:20] in page
    rows = json.loads(checked.save(tmp_path / "report.json").read_text(encoding="utf-8"))
    assert [row["rule"] for row in rows] == checked.table()["rule"].tolist()
    read = pd.read_csv(checked.save(tmp_path / "deep" / "report.csv"), keep_default_na=False)
    assert read["rule"].tolist() == checked.table()["rule"].tolist()
    with pytest.raises(ResultsError, match=r"\.csv or \.json"):
        checked.save(tmp_path / "report.xlsx")


def test_names_of_other_people_are_text_in_a_page(tmp_path: Path) -> None:
    file = write(walk(2), tmp_path / "X.csv")
    result = DataRoom(tmp_path / "catalog").import_files([file, tmp_path / "<b>.csv"], symbol="<i>A")
    assert "<b>" not in result._repr_html_().replace("<p><b>", "") and "<i>" not in result._repr_html_()


def test_progress_is_told_of_every_step(room: DataRoom, capsys: pytest.CaptureFixture[str]) -> None:
    steps: list[tuple[int, int]] = []
    tell: Callable[[int, int], None] = lambda done, total: steps.append((done, total))  # noqa: E731
    DataRoom(room.folder, progress=tell).check()
    assert steps == [(0, 2), (1, 2), (2, 2)]
    assert capsys.readouterr().err == ""
    DataRoom(room.folder, progress=True).check()
    assert "2/2" in capsys.readouterr().err
