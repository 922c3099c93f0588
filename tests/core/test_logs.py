"""Logging: lines on the console and in the file, set-up and tear-down, secrets, full disks."""

from __future__ import annotations

import datetime as dt
import io
import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.config import secret
from core.errors import LogError
from core.logs import LOGGERS, claim_name, log_event, setup_logging
from core.orders import Role
from core.settings import LoggingSettings

FILE_NAME = "halflife.log"
LOUD = LoggingSettings(console="INFO", file="DEBUG")
logger = logging.getLogger("halflife.engine")


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / FILE_NAME).read_text(encoding="utf-8").splitlines()]


def test_an_event_is_one_line_on_the_console_and_one_object_in_the_file(tmp_path: Path) -> None:
    console = io.StringIO()
    with setup_logging(LOUD, tmp_path, console):
        log_event(
            logger, "fill", when=dt.datetime.fromisoformat("2018-12-24 18:00"), symbol="SPX", size=-3, price=2351.1,
            role=Role.STOP, note="two words", nothing=None, share=np.float64(0.5), bad=float("nan"), legs=("A", "B"),
        )  # fmt: skip
    (line,) = lines(tmp_path)
    assert dt.datetime.fromisoformat(line.pop("time")).utcoffset() == dt.timedelta(0)
    assert line == {
        "level": "INFO", "logger": "halflife.engine", "event": "fill", "when": "2018-12-24T18:00:00+00:00",
        "symbol": "SPX", "size": -3, "price": 2351.1, "role": "stop", "note": "two words", "nothing": None,
        "share": 0.5, "bad": None, "legs": ["A", "B"],
    }  # fmt: skip
    text = " ".join(console.getvalue().split())
    assert "fill when=2018-12-24T18:00:00+00:00 symbol=SPX size=-3 price=2351.1 role=stop" in text
    assert 'note="two words"' in text
    assert "Z INFO" in text  # the console's time is UTC


def test_a_field_cannot_replace_the_time_or_the_level(tmp_path: Path) -> None:
    with setup_logging(LOUD, tmp_path, io.StringIO()):
        log_event(logger, "order", time="never", logger_name="x", event="other")
    (line,) = lines(tmp_path)
    assert line["event"] == "order" and line["time_"] == "never" and line["event_"] == "other"


def test_levels_of_console_and_file_are_of_the_settings(tmp_path: Path) -> None:
    console = io.StringIO()
    with setup_logging(LoggingSettings(console="ERROR", file="INFO"), tmp_path, console):
        logging.getLogger("strategies.pairs").debug("quiet")
        logging.getLogger("strategies.pairs").info("for the record")
        logging.getLogger("risk").error("for the person [bold]too[/bold]")
    assert [line["message"] for line in lines(tmp_path)] == ["for the record", "for the person [bold]too[/bold]"]
    assert "for the person [bold]too[/bold]" in console.getvalue() and "record" not in console.getvalue()


def test_exceptions_are_logged_with_their_trace(tmp_path: Path) -> None:
    with setup_logging(LOUD, tmp_path, io.StringIO()):
        try:
            raise ValueError("broken")
        except ValueError:
            logger.exception("it failed")
    assert "ValueError: broken" in lines(tmp_path)[0]["exception"]


def test_setting_up_twice_does_not_log_twice(tmp_path: Path) -> None:
    console = io.StringIO()
    setup_logging(LOUD, tmp_path / "first", io.StringIO())
    with setup_logging(LOUD, tmp_path, console):
        logger.info("once")
    assert len(lines(tmp_path)) == 1
    assert (tmp_path / "first" / FILE_NAME).read_text() == ""
    assert console.getvalue().count("once") == 1


def test_closing_leaves_no_trace(tmp_path: Path) -> None:
    before = {name: (logging.getLogger(name).level, list(logging.getLogger(name).handlers)) for name in LOGGERS}
    setup = setup_logging(LOUD, tmp_path, io.StringIO())
    setup.close()
    setup.close()
    assert before == {name: (logging.getLogger(name).level, list(logging.getLogger(name).handlers)) for name in LOGGERS}
    logger.warning("nobody hears this")
    assert lines(tmp_path) == []


def test_the_file_rotates(tmp_path: Path) -> None:
    with setup_logging(LoggingSettings(file="INFO", max_bytes=2_000, backups=2), tmp_path, io.StringIO()):
        for number in range(100):
            log_event(logger, "order", ref=number)
    assert sorted(path.name for path in tmp_path.iterdir()) == [FILE_NAME, f"{FILE_NAME}.1", f"{FILE_NAME}.2"]
    assert lines(tmp_path)[-1]["ref"] == 99


def test_secrets_never_reach_a_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hidden = 'pass"word\\1'
    monkeypatch.setenv("HL_TEST_SECRET", hidden)
    console = io.StringIO()
    with setup_logging(LOUD, tmp_path, console):
        value = secret("HL_TEST_SECRET")
        logger.info("connecting with %s", value)
        log_event(logger, "login", user="me", api_key="abc", answer=f"welcome {value}")
        try:
            raise ValueError(value)
        except ValueError:
            logger.exception("refused")
    for text in (console.getvalue(), (tmp_path / FILE_NAME).read_text()):
        assert hidden not in text and json.dumps(hidden)[1:-1] not in text
        assert "abc" not in text
        assert "***" in text


def test_a_log_folder_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LogError, match=r"halflife.log: the log file cannot be opened \(.*\); give a folder") as caught:
        setup_logging(LOUD, tmp_path / "file" / "logs", io.StringIO())
    assert isinstance(caught.value, OSError)
    (tmp_path / FILE_NAME).mkdir()
    with pytest.raises(LogError, match="Is a directory"):
        setup_logging(LOUD, tmp_path, io.StringIO())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_full_disk_is_said_once_and_work_goes_on(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).symlink_to("/dev/full")
    console = io.StringIO()
    with setup_logging(LOUD, tmp_path, console):
        logger.info("first")
        logger.info("second")
    text = " ".join(console.getvalue().split())
    assert text.count("cannot be written (No space left on device)") == 1
    assert "[HL603]" in text and "first" in text and "second" in text


def test_an_event_below_the_level_costs_nothing(tmp_path: Path) -> None:
    class Explosive:
        def __str__(self) -> str:
            raise AssertionError("formatted")

    with setup_logging(LoggingSettings(console="ERROR", file="ERROR"), tmp_path, io.StringIO()):
        log_event(logger, "order", level=logging.DEBUG, what=Explosive())
    assert lines(tmp_path) == []


def test_runs_that_start_at_once_have_a_log_each(tmp_path: Path) -> None:
    names = [claim_name(tmp_path / "logs", "desk") for _ in range(3)]
    assert names == ["desk", "desk-2", "desk-3"]
    assert sorted(path.name for path in (tmp_path / "logs").iterdir()) == ["desk-2.log", "desk-3.log", "desk.log"]
    (tmp_path / "file").write_text("")
    with pytest.raises(LogError, match="the log file cannot be opened"):
        claim_name(tmp_path / "file" / "logs", "desk")


def test_a_log_that_is_away_while_it_rotates_is_not_claimed(tmp_path: Path) -> None:
    assert claim_name(tmp_path, "run") == "run"
    (tmp_path / "run.log").rename(tmp_path / "run.log.1")  # the first half of a rotation
    assert claim_name(tmp_path, "run") == "run-2"


ROTATING = """
import logging, sys
from core.logs import claim_name, log_event, setup_logging
from core.settings import LoggingSettings
name = claim_name(sys.argv[1], "run")
with setup_logging(LoggingSettings(max_bytes=4_000, backups=200), sys.argv[1], name=name):
    for number in range(1_000):
        log_event(logging.getLogger("engine"), "order", name=name, ref=number)
"""


def test_processes_that_rotate_their_logs_in_one_folder_lose_no_line(tmp_path: Path, repository: Path) -> None:
    runs = [subprocess.Popen([sys.executable, "-c", ROTATING, str(tmp_path)], cwd=repository) for _ in range(2)]
    assert [run.wait(timeout=60) for run in runs] == [0, 0]
    for name in ("run", "run-2"):
        files = [path for path in tmp_path.iterdir() if path.name.split(".log")[0] == name]
        found = [json.loads(line) for path in files for line in path.read_text(encoding="utf-8").splitlines()]
        assert len(files) > 10
        assert sorted(line["ref"] for line in found) == list(range(1_000))
        assert {line["name"] for line in found} == {name}
