"""A session whose graph fails, or that ends within a turn: what was done until then is in its record."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import backtrader as bt
import pytest
from typer.testing import CliRunner

from commands import app
from core.errors import RecordError
from gateway import Gateway
from live.places import Places
from live.record_files import records_of
from live.record_lines import Cancelled, Failed, Placed, Turn, more_line, read_line, to_line
from live.recording import START, TURNS
from live.rehearsal import rehearsal_settings, rehearsal_store
from live.replay import replay
from live.session import LiveSession
from strategies.mean_reversion import MeanReversion

DEFECT = dt.datetime(2024, 6, 12, 13, 40, tzinfo=dt.UTC)
UNTIL = dt.datetime(2024, 6, 12, 13, 50, tzinfo=dt.UTC)
decide = MeanReversion.decide


def fail(strategy: Any) -> None:
    """Decide, and have a defect from a bar on."""
    decide(strategy)
    if bt.num2date(strategy.data.datetime[0]) > (DEFECT - dt.timedelta(seconds=1)).replace(tzinfo=None):
        raise ZeroDivisionError("a defect")


def run(change: Callable[[pytest.MonkeyPatch], None] | None = None, *faults: str) -> tuple[Path, Exception | None]:
    """The record of a session, and what it has failed with."""
    failed: Exception | None = None
    with Gateway.sample(speed="max", faults=faults) as tws:
        settings = rehearsal_settings()
        session = LiveSession(
            settings, store=rehearsal_store(tws, settings), clock=tws.tws.clock, lockstep=True, until=UNTIL
        )
        with pytest.MonkeyPatch.context() as patch:
            if change is not None:
                change(patch)
            try:
                session.run()
            except ZeroDivisionError as error:
                failed = error
    (folder,) = records_of(Places.of("state", "DU1234567").days, "2024-06-12")
    return folder, failed


def with_defect(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(MeanReversion, "decide", fail)


def turns_of(folder: Path) -> list[Turn]:
    turns: list[Turn] = []
    for line in (folder / TURNS).read_text(encoding="utf-8").splitlines():
        read_line(line, turns)
    return turns


def invoke(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, " ".join(result.stdout.split())


# -- the graph fails --------------------------------------------------------------------------------------------------


def test_the_bar_on_which_the_graph_fails_is_in_the_record_with_the_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    folder, failed = run(with_defect)
    assert failed is not None
    last = turns_of(folder)[-1]
    assert {name for name in last.bars} == {"meanrev/XMPLA", "pairs/XMPLA", "pairs/XMPLB"}
    (failure,) = [entry for entry in last.entries if isinstance(entry, Failed)]
    assert (failure.error, failure.text) == ("ZeroDivisionError", "a defect")
    assert failure.where.startswith("test_live_session_crash.py:")

    with_defect(monkeypatch)  # the same code
    result = replay(folder)
    assert result.is_same and result.failure.startswith("ZeroDivisionError (a defect) at test_live_session_crash.py:")
    assert result.when == DEFECT and result.orders > 0
    code, text = invoke("replay", str(folder))
    assert code == 3
    assert f"and the graph fails at the bar of {DEFECT:%Y-%m-%d %H:%M:%S} UTC, as it did on that day. Zero" in text
    assert "ZeroDivisionError: a defect" not in text

    monkeypatch.setattr(MeanReversion, "decide", decide)  # mended
    result = replay(folder)
    assert not result.is_same and result.when == DEFECT and not result.failure
    assert result.difference.startswith("recorded: the graph fails with ZeroDivisionError (a defect) at ")
    assert result.difference.endswith("; now: it goes on")
    assert invoke("replay", str(folder))[0] == 2


def test_a_replay_that_fails_on_a_bar_of_a_day_without_a_failure_says_where(monkeypatch: pytest.MonkeyPatch) -> None:
    folder, failed = run()
    assert failed is None and replay(folder).is_same
    with_defect(monkeypatch)
    result = replay(folder)
    assert result.when == DEFECT and isinstance(result.error, ZeroDivisionError)
    assert "; now: the graph fails with ZeroDivisionError (a defect) at test_live_session_crash.py:" in (
        result.difference
    )
    code, text = invoke("replay", str(folder))
    assert code == 2 and "--debug shows the traceback" in text
    shown = CliRunner().invoke(app, ["replay", str(folder), "--debug"])
    assert shown.exit_code == 2 and "Traceback (most recent call last)" in shown.stderr
    assert "ZeroDivisionError: a defect" in shown.stderr


def test_entries_that_a_failure_cancels_are_in_the_record() -> None:
    folder, failed = run(with_defect, "on placeOrder 1: hold; pass")  # an entry at work, which does not fill
    assert failed is not None
    entries = turns_of(folder)[-1].entries
    place = next(number for number, entry in enumerate(entries) if isinstance(entry, Failed))
    cancels = [entry for entry in entries[place:] if isinstance(entry, Cancelled)]
    assert [cancel.why for cancel in cancels] == ["the graph has failed"]


def test_a_failure_while_indicators_settle_is_recorded_too() -> None:
    def observe(strategy: Any) -> None:
        if len(strategy) > 100:
            raise ZeroDivisionError("too early")

    def change(patch: pytest.MonkeyPatch) -> None:
        patch.setattr(MeanReversion, "observe", observe)

    folder, failed = run(change)
    assert failed is not None and (folder / START).exists()
    with pytest.raises(RecordError, match=r"ends while indicators settled, .* failed with ZeroDivisionError \(too ear"):
        replay(folder)
    assert len(turns_of(folder)) > 100


# -- the process is killed --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, list[str]]]:
    """A whole record: what it begins with, and its lines."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("run"))
        folder, _ = run()
        yield (
            (folder / START).read_text(encoding="utf-8"),
            (folder / TURNS).read_text(encoding="utf-8").splitlines(keepends=True),
        )


def test_a_record_that_is_cut_off_anywhere_is_compared_as_far_as_it_goes(
    lines: tuple[str, list[str]], tmp_path: Path
) -> None:
    start, whole = lines
    orders_at = [number for number, line in enumerate(whole) if "placed" in line]
    assert len(orders_at) > 2 and json.loads(whole[-1])["end"]["is_whole"]
    (tmp_path / START).write_text(start, encoding="utf-8")
    orders = 0
    for end in (*orders_at, orders_at[0] + 1, orders_at[-1] + 1, len(whole) - 1):
        (tmp_path / TURNS).write_text("".join(whole[:end]) + whole[end][:10], encoding="utf-8")
        result = replay(tmp_path)
        assert result.is_same and result.is_cut and not result.failure, (whole[end], result)
        orders = max(orders, result.orders)
    assert orders > 0


def test_an_order_that_is_not_given_today_is_a_difference_in_a_turn_that_is_cut_off(
    lines: tuple[str, list[str]], tmp_path: Path
) -> None:
    start, whole = lines
    (tmp_path / START).write_text(start, encoding="utf-8")
    kept = whole[: next(number for number, line in enumerate(whole) if "placed" in line) + 1]
    read: list[Turn] = []
    for line in kept:
        read_line(line, read)
    (placed,) = [entry for entry in read[-1].entries if isinstance(entry, Placed)]
    (tmp_path / TURNS).write_text("".join(kept) + more_line([placed]) + "\n", encoding="utf-8")
    result = replay(tmp_path)  # what was placed twice is placed once
    assert not result.is_same or result.is_cut
    (tmp_path / TURNS).write_text("".join(kept) + more_line([placed]) + "\n" + to_line(Turn()) + "\n", encoding="utf-8")
    result = replay(tmp_path)
    assert result.difference.startswith("recorded: ") and result.difference.endswith("; now: nothing")
