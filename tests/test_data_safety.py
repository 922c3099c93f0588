"""What the commands of the data room must never do to a user's files, and what a narrow window shows."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console
from typer.testing import CliRunner

import commands
from commands import data_tables
from core.errors import FeedEmptyError, ResultsError, ResultsExistError, SettingsError
from feeds.bars import RawBars
from feeds.catalog import Catalog
from feeds.room import DataRoom
from feeds.room.results import number, save_table, write_whole

ROWS = "date,open,high,low,close,volume\n2020-01-02,1,1,1,1,1\n2020-01-02,1,1,1,1,1\n2020-01-03,1,1,1,1,1\n"


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "own" / "AAPL.csv"
    file.parent.mkdir()
    file.write_text(ROWS, encoding="utf-8")
    return file


def run(*arguments: str) -> tuple[int, str]:
    outcome = CliRunner().invoke(commands.app, ["data", *arguments])
    return outcome.exit_code, " ".join(outcome.output.split())


def test_the_file_that_is_read_is_not_written_over_by_a_report(own: Path) -> None:
    code, said = run("import", "own/AAPL.csv", "--out", "own/../own/AAPL.csv")
    assert code == 2 and "is one of the files that are read" in said
    assert own.read_text(encoding="utf-8") == ROWS and not Path("catalog").exists()


def test_an_export_writes_over_nothing_and_not_into_the_catalog(own: Path) -> None:
    room = DataRoom("catalog")
    room.import_files(own)
    with pytest.raises(ResultsExistError, match=r"own has AAPL\.csv already"):
        room.export(None, own.parent)
    with pytest.raises(ResultsError, match="is in the catalog"):
        room.export(None, "catalog/bars")
    assert own.read_text(encoding="utf-8") == ROWS
    room.export(None, "fresh")
    assert {file.name for file in Path("fresh").iterdir()} == {"AAPL.csv", "import.sh"}


def test_a_report_that_cannot_be_written_whole_leaves_what_was_there(tmp_path: Path) -> None:
    file = save_table(pd.DataFrame({"a": [1]}), tmp_path / "found.csv")

    def half(draft: Path) -> None:
        draft.write_text("a\n", encoding="utf-8")
        raise OSError(28, "No space left on device")

    with pytest.raises(ResultsError, match=r"found\.csv cannot be written \(No space left on device\)"):
        write_whole(file, half)
    assert file.read_text(encoding="utf-8") == "a\n1\n" and list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("command", ["import", "pull", "check", "repair", "adjust", "show"])
def test_a_report_of_no_known_form_is_refused_before_the_work(own: Path, command: str) -> None:
    given = {"import": ["x.csv"], "pull": ["--source", "sample", "SPX"]}.get(command, [])
    outcome = CliRunner().invoke(commands.app, ["data", command, *given, "--out", "report.txt"])
    assert outcome.exit_code == 2 and "reports are written as .csv or .json" in outcome.stderr
    assert not Path("catalog").exists() and not outcome.stdout


def test_undoing_has_no_dry_run(own: Path) -> None:
    DataRoom("catalog").import_files(own)
    assert run("repair")[0] == 0
    code, said = run("repair", "--undo", "--dry-run")
    assert code == 2 and "has no dry run" in said
    assert DataRoom("catalog").show().table().loc[0, "repairs"] == 1


def test_a_symbol_of_a_file_is_stored_under_another(own: Path) -> None:
    two = Path("two.csv")
    two.write_text("symbol," + ROWS.replace("2020", "BAC,2020").replace("BAC,2020-01-03", "SPY,2020-01-03"))
    assert run("import", "two.csv", "--symbol", "BAC", "--as", "BAC.Q")[0] == 0
    assert [one.symbol for one in DataRoom("catalog").show().series] == ["BAC.Q"]
    code, said = run("import", "two.csv", "--as", "BAC.Q")
    assert code == 2 and "2 symbols to be stored as BAC.Q; name one with --symbol" in said


def test_a_range_of_moments_is_refused(own: Path) -> None:
    room = DataRoom("catalog")
    room.import_files(own)
    with pytest.raises(SettingsError, match="give dates"):
        room.bars("AAPL", start=dt.datetime(2020, 1, 2, 15))  # noqa: DTZ001 - naive or aware, it is no date


def test_what_was_looked_at_is_counted_as_it_was_repaired(own: Path) -> None:
    room = DataRoom("catalog")
    room.import_files(own)
    assert "3 bars" in room.check(raw=True).sentence()
    room.repair()
    assert "2 bars" in room.check().sentence()


def test_a_pull_of_an_empty_range_is_no_success(tmp_path: Path) -> None:
    class Nothing:
        name = "nothing"

        def symbols(self) -> tuple[str, ...]:
            return ()

        def fetch(self, request: object) -> RawBars:
            columns = {name: pd.Series(dtype=float) for name in ("open", "high", "low", "close", "volume")}
            return RawBars("AAPL", "1d", pd.DataFrame(columns, index=pd.DatetimeIndex([], name="time")), "nothing")

    (failure,) = DataRoom(tmp_path / "catalog").pull(Nothing(), "AAPL", "2030-01-01").failures
    assert isinstance(failure.error, FeedEmptyError) and "widen it" in str(failure.error)


def test_many_failures_are_told_in_short(own: Path) -> None:
    names = [f"none{place}.csv" for place in range(40)]
    code, said = run("import", *names)
    assert code == 2 and "40 errors" in said and "and 30 more: none10.csv, none11.csv" in said
    assert said.count("does not exist") == 10


def test_a_run_on_quotes_says_so(tmp_path: Path) -> None:
    from feeds.bars import Request
    from feeds.catalog_source import CatalogSource

    index = pd.DatetimeIndex(["2020-01-02", "2020-01-03"], name="time").as_unit("us")
    frame = pd.DataFrame({**dict.fromkeys(("open", "high", "low", "close"), 1.5), "volume": 0.0}, index=index)
    with Catalog(tmp_path / "catalog") as catalog:
        catalog.append(RawBars("Q", "1d", frame.assign(bid=1.0, ask=2.0), "made", content="quotes"))
    with CatalogSource(Catalog(tmp_path / "catalog"), "raw") as source:
        assert "the middle of bid and ask, at which nobody trades" in " ".join(source.fetch(Request("Q")).notes)


def test_numbers_of_currencies_keep_the_digits_that_tell_them_apart() -> None:
    assert [number(value) for value in (1.33581, 1.33579, 25.0, 12345.678912, 0.00012345678)] == [
        "1.33581", "1.33579", "25", "12,345.6789", "0.000123457",
    ]  # fmt: skip


def test_a_narrow_window_has_fewer_columns_and_whole_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = pd.DataFrame({
        "symbol": ["ABCDEFGHIJKL"], "rows": [1_234_567], "first": [pd.Timestamp("2020-01-02 09:30:01", tz="UTC")],
        "detail": ["what it says " * 6], "source": ["parquet"],
    })  # fmt: skip
    for width, left_out in ((60, "source"), (120, "")):
        screen = Console(width=width, record=True, file=open("/dev/null", "w", encoding="utf-8"))  # noqa: SIM115
        monkeypatch.setattr(data_tables, "console", screen)
        screen.print(data_tables.frame_table(frame, spare=("source",)))
        text = screen.export_text()
        screen.file.close()
        assert "ABCDEFGHIJKL" in text and "1,234,567" in text and "2020-01-02 09:30:01" in text and "detail" in text
        assert ("left out in a narrow window: source" in text) == bool(left_out)
        assert max(map(len, text.splitlines())) <= width
