"""What a session shows: within the width that there is, in correct words, and this session beside the account."""

from __future__ import annotations

import dataclasses
import datetime as dt
import fcntl
import io
import os
import pty
import struct
import subprocess
import sys
import termios
from collections.abc import Mapping
from pathlib import Path

import pytest
from rich.console import Console
from rich.text import Text

from commands.live_console import LiveConsole, tables, wrapped
from core.events import HaltEvent
from live.summary import SessionSummary, UnitResult

REPOSITORY = Path(__file__).resolve().parent.parent
AT = dt.datetime(2024, 6, 12, 13, 30, tzinfo=dt.UTC)
CLOSED = "XNYS is closed until Wednesday 2024-06-12 13:30 UTC (XMPLA, XMPLB); the session waits for it"
FOUND = SessionSummary(
    why="", equity_eur=100_141.98, capital_eur=100_000.0, costs_eur=12.85, protective=1, cash={"USD": 155.78},
    reported_cash={"USD": 155.78}, net_liquidation_eur=100_141.98, refusals=1,
    units=[
        UnitResult("meanrev", 3, 2, 1, closed_eur=67.70, costs_eur=3.57, net_eur=120.08, positions={"XMPLA": 5.0}),
        UnitResult("pairs", 6, 4, 2, closed_eur=21.87, costs_eur=5.74, net_eur=21.87),
    ],
)  # fmt: skip


def shown(width: int) -> tuple[LiveConsole, io.StringIO]:
    out = io.StringIO()
    return LiveConsole(Console(file=out, width=width)), out


def test_a_sentence_wraps_between_words_below_its_first_one() -> None:
    console, out = shown(80)
    console.tell(CLOSED)
    assert out.getvalue().splitlines() == [
        "         XNYS is closed until Wednesday 2024-06-12 13:30 UTC (XMPLA, XMPLB); the",
        "         session waits for it",
    ]


def test_a_word_that_is_too_long_is_not_broken() -> None:
    path = "state/rehearsals/20240612T132900Z/live/DU1234567/days/2024-06-12/132900"
    lines = [line.plain for line in wrapped(Text(f"again: halflife replay {path} now"), 40, "  ")]
    assert lines == ["again: halflife replay", f"  {path}", "  now"]


@pytest.mark.parametrize("text", ["", "a", "word " * 40, "x" * 200, "  in  two  ", CLOSED])
@pytest.mark.parametrize("width", [1, 20, 80])
def test_no_word_is_lost(text: str, width: int) -> None:
    lines = wrapped(Text(text), width, "  ")
    assert " ".join(line.plain for line in lines).split() == text.split()
    assert all(len(line.plain) <= width or len(line.plain.split()) == 1 for line in lines)


def test_commands_of_a_halt_stay_whole() -> None:
    console, out = shown(60)
    command = "halflife reconcile --accept 900000001 --quantity -323 --unit UNIT"
    console.heard(
        HaltEvent(
            at=AT, symbol="XMPLA", cause="position", commands=(command,),
            text="-323 found, 0 expected: no order of ours explains it",
        )
    )  # fmt: skip
    assert out.getvalue().splitlines() == [
        "13:30:00 XMPLA is halted (position): -323 found, 0 expected:",
        "         no order of ours explains it",
        f"           {command}",
    ]


def test_the_end_tells_this_session_beside_the_account_within_80_columns() -> None:
    console, out = shown(80)
    console.summary(FOUND)
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= 80 and lines[0].strip() == "This session"
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines if line.startswith("│")]
    assert cells == [
        ["meanrev", "3", "2", "1", "+67.70", "+5 XMPLA"],
        ["pairs", "6", "4", "2", "+21.87", "nothing"],
        ["all", "9", "6", "3", "+89.57", ""],
    ]
    text = " ".join(out.getvalue().split())
    assert "Costs of this session EUR 9.31; 1 order refused." in text
    assert (
        "The account, since its journal began: equity EUR 100,141.98 (100,141.98 as the broker told last), net EUR "
        "+141.98, of which EUR +0.03 are exchange rates and interest; costs EUR 12.85." in text
    )
    assert "1 protective order keeps working at the broker." in text


def test_many_are_told_as_many() -> None:
    many = [part for part in tables(dataclasses.replace(FOUND, protective=2, refusals=3)) if isinstance(part, str)]
    assert "2 protective orders keep working at the broker." in many and "3 orders refused" in many[0]


# -- the width of the command line ------------------------------------------------------------------------------------

SHOWS = "from commands.console import console, errors; console.print(console.width, errors.width)"


def write_widths(output: int, environment: Mapping[str, str]) -> None:
    run = [sys.executable, "-c", SHOWS]
    clean = {key: value for key, value in os.environ.items() if key != "COLUMNS"}
    subprocess.run(
        run, stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=True,
        env={**clean, "PYTHONPATH": str(REPOSITORY), **environment},
    )  # fmt: skip


@pytest.mark.parametrize(("environment", "width"), [({}, "80 80"), ({"COLUMNS": "132"}, "132 132")])
def test_what_is_piped_has_80_columns_or_those_of_the_environment(environment: dict[str, str], width: str) -> None:
    read, write = os.pipe()
    write_widths(write, environment)
    os.close(write)
    with open(read) as piped:
        assert piped.read().strip() == width


def test_a_terminal_has_its_own_width() -> None:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 71, 0, 0))
    write_widths(theirs, {"TERM": "xterm"})
    said = os.read(ours, 1000).decode()
    os.close(ours)
    os.close(theirs)
    assert "71" in said and "80" not in said
