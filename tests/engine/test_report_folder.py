"""The results folder: what is in it, that numbers survive, and that nothing is ever left half done."""

from __future__ import annotations

import dataclasses
import json
import os
import pickle
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from core.config import load_settings
from core.errors import ResultsError, ResultsExistError
from core.settings import ReportSettings
from engine.report import check_folder, write_results
from engine.report.folder import file_name, iso_times

Vary = Callable[..., Any]


@pytest.fixture
def light(vary: Vary, sample: Any) -> Any:
    """A result that is quick to write: no bar, so no picture."""
    return vary(
        equity=sample.equity.iloc[:0], bars={}, trades=sample.trades.iloc[:3], strategy_equity={}, orders=sample.orders
    )


def test_folder_holds_what_the_documents_name(written: Path) -> None:
    assert {path.name for path in written.iterdir()} == {
        "summary.json", "equity.csv", "trades.csv", "orders.csv", "settings.toml", "report.html",
        "equity_drawdown.png", "monthly_returns.png", "trades.png", "daily_target.png", "prices_SPX.png",
        "prices_IXIC.png", "tear_sheet.png",
    }  # fmt: skip
    assert [path for path in written.parent.iterdir() if path != written] == []


def test_equity_reads_back_to_the_same_floats(written: Path, sample: Any) -> None:
    frame = pd.read_csv(written / "equity.csv")
    assert list(frame.columns) == ["datetime", "equity_eur", "cash_eur", "gross_exposure_eur", "net_exposure_eur"]
    assert frame["datetime"].iloc[0] == "1999-01-04T21:00:00Z"
    assert frame["datetime"].iloc[-1] == "2018-12-31T21:00:00Z"
    np.testing.assert_array_equal(frame["equity_eur"], sample.equity["equity_eur"])
    stamps = pd.DatetimeIndex(pd.to_datetime(frame["datetime"]))
    assert (stamps == sample.equity.index).all()


def test_trades_have_the_fixed_columns_and_the_name_of_the_strategy(written: Path, sample: Any) -> None:
    frame = pd.read_csv(written / "trades.csv")
    assert ",".join(frame.columns) == (
        "trade_id,strategy,instrument,side,size,entry_time,entry_price,exit_time,exit_price,gross_eur,commission_eur,"
        "borrow_eur,slippage_eur,fx_eur,net_eur,mae_eur,mfe_eur,bars,exit_reason"
    )
    assert len(frame) == len(sample.trades)
    assert set(frame["strategy"]) == {"meanrev", "pairs"}
    np.testing.assert_array_equal(frame["net_eur"], sample.trades["net_eur"])
    np.testing.assert_array_equal(frame["entry_price"], sample.trades["entry_price"])
    assert frame["exit_time"].str.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ").all()


def test_orders_hold_the_refused_ones_with_their_reason(written: Path) -> None:
    text = (written / "orders.csv").read_text(encoding="utf-8")
    assert text.startswith(
        "ref,unit,strategy,instrument,role,reason,kind,side,size,price,limit,created,done,status,filled,average_price,"
        "commission_eur,refusal,detail"
    )
    refused = pd.read_csv(written / "orders.csv").query("status == 'Rejected'")
    assert set(refused["refusal"]) == {"max_gross_exposure", "cooldown"}
    assert refused["detail"].str.contains("161,000 EUR").all()


def test_summary_is_strict_json_equal_to_the_result(written: Path, sample: Any) -> None:
    def refuse(name: str) -> None:
        raise ValueError(f"{name} is not JSON")

    summary = json.loads((written / "summary.json").read_text(encoding="utf-8"), parse_constant=refuse)
    assert list(summary) == ["run", "portfolio", "strategies", "periods", "regimes", "daily_target", "costs", "data"]
    assert summary["portfolio"]["sharpe"] == sample.summary["portfolio"]["sharpe"]
    assert summary["daily_target"]["capital_required_eur"] is None  # infinite
    assert summary["data"]["symbols"]["SPX"]["first"] == "1999-01-04T21:00:00+00:00"


def test_settings_load_again(written: Path, sample: Any) -> None:
    assert load_settings(written / "settings.toml") == sample.settings


def test_folder_has_the_permissions_of_any_new_folder(written: Path, tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    assert written.stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_existing_folder_with_files_is_not_touched(light: Any, tmp_path: Path) -> None:
    place = tmp_path / "run"
    place.mkdir()
    (place / "mine.txt").write_text("keep", encoding="utf-8")
    with pytest.raises(ResultsExistError, match=r"HL601.*run exists and holds files.*choose another"):
        write_results(light, place)
    assert [path.name for path in tmp_path.rglob("*")] == ["run", "mine.txt"]
    assert (place / "mine.txt").read_text(encoding="utf-8") == "keep"
    with pytest.raises(FileExistsError):
        check_folder(place)


def test_empty_folder_and_missing_parents_are_fine(light: Any, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert (write_results(light, tmp_path / "empty") / "report.html").is_file()
    assert (write_results(light, tmp_path / "a" / "b" / "c") / "report.html").is_file()


def test_relative_folder_is_taken_from_the_working_directory(light: Any, tmp_path: Path) -> None:
    assert write_results(light, "here") == tmp_path / "here"


@pytest.mark.parametrize("name", ["file", "file/below", "link"])
def test_file_in_the_way_is_an_error_that_says_so(light: Any, tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(ResultsError) as error:
        write_results(light, tmp_path / name)
    assert str(tmp_path / name) in str(error.value)
    assert "choose another" in str(error.value)
    assert (tmp_path / "file").read_text(encoding="utf-8") == "mine"
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs /proc, where nobody may make a folder")
def test_read_only_place_is_an_error_before_and_after_a_run(light: Any) -> None:
    with pytest.raises(ResultsError, match=r"HL600.*/proc/run: results cannot be written.*choose another folder"):
        check_folder("/proc/run")
    with pytest.raises(ResultsError, match="not lost: write_results"):
        write_results(light, "/proc/run")


LIMITED = """
import pickle, resource, sys
from types import SimpleNamespace
from core.config import load_settings
from engine.report import write_results
with open(sys.argv[1], "rb") as file:
    result = SimpleNamespace(settings=load_settings(), **pickle.load(file))
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
try:
    write_results(result, sys.argv[2])
except OSError as error:
    sys.stdout.write(f"{type(error).__name__}: {error}")
"""


def test_file_that_cannot_grow_leaves_nothing_behind(sample: Any, tmp_path: Path, repository: Path) -> None:
    """A real failing write in the middle: the system refuses files above 200 kB, and equity.csv is larger."""
    fields = {field.name: getattr(sample, field.name) for field in dataclasses.fields(sample)}
    del fields["settings"]
    (tmp_path / "result").write_bytes(pickle.dumps(fields | {"events": []}))
    run = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path / "result"), str(tmp_path / "out" / "run")],
        cwd=repository, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert run.stdout.startswith("ResultsError: [HL600]")
    assert "File too large" in run.stdout and str(tmp_path / "out" / "run") in run.stdout
    assert list((tmp_path / "out").iterdir()) == []


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)], capture_output=True)
    if mount.returncode:
        pytest.skip("a disk of 1 MB needs the right to mount")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="mounts a tmpfs")
def test_full_disk_leaves_nothing_behind_and_the_result_can_go_elsewhere(
    light: Any, tiny_disk: Path, tmp_path: Path
) -> None:
    with pytest.raises(ResultsError) as error:
        write_results(light, tiny_disk / "run")
    assert "No space left on device" in str(error.value)
    assert "free some space" in str(error.value)
    assert list(tiny_disk.iterdir()) == []
    assert (write_results(light, tmp_path / "elsewhere") / "report.html").is_file()


def test_interrupt_in_the_middle_leaves_nothing_behind(light: Any, tmp_path: Path) -> None:
    seen: list[list[str]] = []

    class Interrupted:
        """The result, whose orders are asked for in the middle of the writing."""

        def __getattr__(self, name: str) -> Any:
            if name == "orders":
                seen.append([path.name for path in (tmp_path / "out").iterdir()])
                raise KeyboardInterrupt
            return getattr(light, name)

    with pytest.raises(KeyboardInterrupt):
        write_results(Interrupted(), tmp_path / "out" / "run")  # type: ignore[arg-type]
    assert len(seen[0]) == 1 and seen[0][0].startswith(".run.")  # only the hidden draft was there
    assert list((tmp_path / "out").iterdir()) == []


def test_drafts_of_killed_runs_are_removed_after_a_day(
    light: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    names = {
        "old": f".run.{ended.pid}.abcd_f12.tmp",
        "young": f".other.{ended.pid}.abcd_f12.tmp",
        "alive": f".run.{os.getpid()}.abcd_f12.tmp",
        "theirs": ".run.notes.tmp",
    }
    days_ago = time.time() - 2 * 86_400
    for what, name in names.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "trades.csv").touch()
        if what != "young":  # whose process may be one of another machine
            os.utime(tmp_path / name, (days_ago, days_ago))
    write_results(light, tmp_path / "new")
    assert {path.name for path in tmp_path.iterdir()} == {"new", *names.values()} - {names["old"]}
    assert f"removed {tmp_path / names['old']}" in caplog.text and caplog.text.count("removed") == 1


@pytest.mark.parametrize("pictures", [True, False])
def test_page_links_to_the_files_that_are_there(sample: Any, vary: Vary, tmp_path: Path, pictures: bool) -> None:
    settings = sample.settings.model_copy(update={"report": ReportSettings(tear_sheet=False)})
    place = write_results(vary(settings=settings), tmp_path / "run", pictures=pictures)
    page = (place / "report.html").read_text(encoding="utf-8")
    linked = set(re.findall(r'<a href="([\w.]+)">\1</a>', page))
    assert linked == {path.name for path in place.iterdir()} - {"report.html"}
    assert bool(list(place.glob("*.png"))) == pictures
    assert ("The pictures were not drawn" in page) != pictures


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="mounts a tmpfs")
def test_disk_that_is_full_after_the_page_costs_the_pictures_only(sample: Any, tmp_path: Path) -> None:
    whole = write_results(sample, tmp_path / "probe", pictures=False)
    size = sum(-(-path.stat().st_size // 4096) * 4096 for path in whole.iterdir())
    disk = tmp_path / "disk"
    disk.mkdir()
    options = f"size={size + 300_000}"
    if subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(disk)], capture_output=True).returncode:
        pytest.skip("a small disk needs the right to mount")
    try:
        write_results(sample, disk / "run")
        names = {path.name for path in (disk / "run").iterdir()}
        assert names >= {"summary.json", "equity.csv", "trades.csv", "orders.csv", "settings.toml", "report.html"}
        assert [path.name for path in disk.iterdir()] == ["run"]
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_folder_that_appears_meanwhile_is_not_overwritten(light: Any, tmp_path: Path) -> None:
    class Raced:
        def __getattr__(self, name: str) -> Any:
            if name == "orders" and not (tmp_path / "run").exists():
                (tmp_path / "run").mkdir()
                (tmp_path / "run" / "theirs").write_text("first", encoding="utf-8")
            return getattr(light, name)

    with pytest.raises(ResultsExistError):
        write_results(Raced(), tmp_path / "run")  # type: ignore[arg-type]
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["theirs"]


def test_check_leaves_nothing_but_parents(tmp_path: Path) -> None:
    assert check_folder(tmp_path / "a" / "run") == tmp_path / "a" / "run"
    assert [path.name for path in tmp_path.rglob("*")] == ["a"]


@pytest.mark.parametrize(
    ("symbol", "name"),
    [
        ("SPX", "SPX"),
        ("BRK.B", "BRK.B"),
        ("EUR/USD", "EUR_USD"),
        ("../../etc/passwd", "etc_passwd"),
        ("..", "unnamed"),
        ("é中", "unnamed"),
        ("x" * 300, "x" * 60),
    ],
)
def test_file_names_are_safe(symbol: str, name: str) -> None:
    assert file_name(symbol, set()) == name


def test_file_names_do_not_collide_where_case_does_not_count() -> None:
    taken: set[str] = set()
    assert [file_name(symbol, taken) for symbol in ("a/b", "A b", "a_b")] == ["a_b", "A_b_2", "a_b_3"]


def test_times_are_iso_with_a_fraction_only_where_needed() -> None:
    assert iso_times(pd.to_datetime(["2018-12-31 22:00+01:00", None], utc=True)) == ["2018-12-31T21:00:00Z", ""]
    assert iso_times(pd.to_datetime(["2018-12-31 21:00:00.25"])) == ["2018-12-31T21:00:00.250000Z"]
    assert iso_times(pd.DatetimeIndex([])) == []
