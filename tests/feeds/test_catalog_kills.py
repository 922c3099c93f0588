"""A process that is killed at any moment leaves all that was committed, and nothing of what was not.

``python test_catalog_kills.py`` is the process that is killed: it waits for "FOLDER STEP LINE" on its standard input,
and forks a child that opens the catalog and goes on from that step for ever, or that takes this step alone and kills
itself before the given line of the catalog's code. The child tells the steps that it begins and those that have
returned. Every step is a function of its number and of what is stored, so a model that is held in memory knows what
the catalog must hold after each of them.
"""

from __future__ import annotations

import copy
import os
import random
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pandas as pd
import pytest

import books.database
import feeds.catalog
from feeds.bars import BarSize, CorporateAction, RawBars
from feeds.catalog import Catalog, Repair

TRACED = (str(Path(feeds.catalog.__file__).parent), books.database.__file__)
PRICES = ("open", "high", "low", "close")
SYMBOLS = ("AAA", "BBB", "brk.b")
ROWS = 400
GRIDS: dict[BarSize, pd.DatetimeIndex] = {
    "1d": pd.date_range("2015-01-01", periods=ROWS, freq="D", name="time").as_unit("us"),
    # 400 minutes over three turns of the year: an append writes up to four segments
    "1m": pd.date_range("2014-12-31 23:00", periods=ROWS, freq="3947min", tz="UTC", name="time").as_unit("us"),
}

# --- the steps, and the model of what they do


@dataclass
class Model:
    """What a catalog holds. Times are positions in the grid of a bar size; a row is its close."""

    rows: dict[tuple[str, BarSize], dict[int, float]] = field(default_factory=dict)
    repairs: dict[tuple[str, BarSize], dict[int, float | None]] = field(default_factory=dict)  # None: left out
    actions: dict[str, dict[int, float]] = field(default_factory=dict)
    acts: int = 0


@dataclass(frozen=True)
class Step:
    verb: str  # "append", "replace", "repair", "undo", "remove"
    symbol: str
    bar: BarSize
    at: range
    value: float
    action: bool


def step_of(number: int) -> Step:
    draw = random.Random(number)
    bar: BarSize = draw.choice(("1d", "1m"))
    start, count = draw.randrange(ROWS - 20), draw.choice((1, 20, 200))
    verb = draw.choices(("append", "replace", "repair", "undo", "remove"), (6, 5, 5, 1, 1))[0]
    at = range(start, min(start + count, ROWS))
    return Step(
        verb, draw.choice(SYMBOLS), bar, at, float(1_000_000 + number), draw.random() < 0.3
    )  # no step is a multiple


def foreseen(before: Model, step: Step) -> Model:
    """What the catalog holds after a step."""
    model, key = copy.deepcopy(before), (step.symbol, step.bar)
    held, repairs = model.rows.get(key, {}), model.repairs.get(key, {})
    if step.verb in ("append", "replace"):
        known = [at for at in step.at if held.get(at, step.value) != step.value] if step.verb == "replace" else []
        new = [at for at in step.at if at not in held]
        model.rows[key] = held | dict.fromkeys([*known, *new], step.value)
        model.repairs[key] = {at: value for at, value in repairs.items() if at not in known}
        model.acts += bool(known or new)
        if step.action:
            model.actions.setdefault(step.symbol, {})[step.at[0]] = step.value
            model.acts += 1
    elif key in model.rows and step.verb == "repair":
        chosen = [at for at in step.at if at in held and at not in repairs]
        model.repairs[key] = repairs | {at: None if at % 2 else step.value for at in chosen}
        model.acts += bool(chosen)
    elif key in model.rows and step.verb == "undo":
        model.acts += bool(repairs)
        model.repairs[key] = {}
    elif key in model.rows and step.verb == "remove":
        del model.rows[key]
        model.repairs.pop(key, None)
        model.acts += 1
        if not any(symbol == step.symbol for symbol, _ in model.rows):
            model.actions.pop(step.symbol, None)
    return model


def brought(step: Step) -> RawBars:
    index = GRIDS[step.bar][step.at.start : step.at.stop]
    frame = pd.DataFrame(dict.fromkeys((*PRICES, "volume"), np.full(len(index), step.value)), index=index)
    when = GRIDS["1d"][step.at[0]].date()
    actions = (CorporateAction(when, "split", step.value, "made"),) if step.action else ()
    return RawBars(step.symbol, step.bar, frame, "made", actions=actions)


def take(catalog: Catalog, step: Step) -> None:
    symbol, bar = step.symbol, step.bar
    if step.verb in ("append", "replace"):
        catalog.append(brought(step), replace=step.verb == "replace")
    elif not any((one.symbol, one.bar) == (symbol, bar) for one in catalog.series()):
        return
    elif step.verb == "repair":
        held = catalog.raw(symbol, bar)["close"]
        repairs = []
        for at in step.at:
            when = GRIDS[bar][at]
            if when in held.index:
                after = {} if at % 2 else {"close": step.value}
                before = {"close": held[when]}
                repairs.append(Repair(when, 0, "made", "set" if after else "drop", before, after, "a test"))
        catalog.add_repairs(symbol, bar, repairs)
    elif step.verb == "undo":
        catalog.undo_repairs(symbol, bar)
    else:
        catalog.remove(symbol, bar)


def found(catalog: Catalog) -> Model:
    """What a catalog holds, read in the way everybody reads it, repairs seen through as well."""
    model = Model(acts=len(catalog.acts(limit=None)))
    for one in catalog.series():
        key, grid = (one.symbol, one.bar), GRIDS[one.bar]
        raw, seen = catalog.raw(*key), catalog.bars(*key)
        assert raw.index.is_unique and one.rows == len(raw) and (one.first, one.last) == (raw.index[0], raw.index[-1])
        assert (raw.to_numpy() == raw[["close"]].to_numpy()).all()
        places = [int(at) for at in grid.get_indexer(raw.index)]
        model.rows[key] = dict(zip(places, raw["close"].tolist(), strict=True))
        shown = dict(zip([int(at) for at in grid.get_indexer(seen.index)], seen["close"].tolist(), strict=True))
        model.repairs[key] = {
            int(grid.get_loc(repair.time)): repair.after.get("close") for repair in catalog.repairs(*key)
        }
        whole = model.rows[key] | model.repairs[key]
        assert shown == {at: value for at, value in whole.items() if value is not None}
        days = {when: at for at, when in enumerate(GRIDS["1d"].date)}
        actions = {days[action.ex_date]: action.value for action in catalog.actions(one.symbol)}
        if actions:
            model.actions[one.symbol] = actions
    return model


def pruned(model: Model) -> Model:
    """The same without empty entries."""
    made = copy.deepcopy(model)
    made.repairs = {key: made.repairs.get(key, {}) for key in made.rows}
    return made


# --- the process that is killed


def serve() -> None:
    with tempfile.TemporaryDirectory() as folder, Catalog(folder) as catalog:
        for number in range(20):
            take(catalog, step_of(number))  # what is loaded at the first use is loaded before the fork
    os.write(1, b"ready\n")
    for line in sys.stdin:
        folder, number, last = line.rsplit(" ", 2)
        child = os.fork()
        if child == 0:
            work(Path(folder), int(number), int(last))
        os.write(1, f"child {child}\n".encode())
        status = os.waitpid(child, 0)[1]
        os.write(1, f"dead {os.waitstatus_to_exitcode(status)}\n".encode())


def work(folder: Path, number: int, last: int) -> None:
    """Take steps until killed; with ``last`` one step, up to that line of the code of the catalog."""
    try:
        if last:
            sys.settrace(lines_until(last))
        with Catalog(folder) as catalog:
            while True:
                os.write(1, f"begin {number}\n".encode())
                take(catalog, step_of(number))
                os.write(1, f"done {number}\n".encode())
                if last:
                    break
                number += 1
        sys.settrace(None)
        os._exit(0)
    finally:
        os._exit(1)  # a step that fails shows in the exit code


def lines_until(last: int) -> Callable[..., Any]:
    """A trace function that kills the process before the given line, counted as they run: each of them twice at most,
    for a write of two segments is a write of many, and none within comprehensions."""
    count = 0
    runs: Counter[tuple[str, int]] = Counter()

    def trace(frame: FrameType, event: str, _: Any) -> Callable[..., Any] | None:
        nonlocal count
        if not frame.f_code.co_filename.startswith(TRACED) or frame.f_code.co_name.startswith("<"):
            return None
        line = frame.f_code.co_filename, frame.f_lineno
        if event == "line" and runs[line] < 2:
            runs[line] += 1
            count += 1
            if count == last:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    return trace


# --- the killer


@dataclass
class Tally:
    kills: int = 0
    within: int = 0  # a step was under way
    opening: int = 0  # the catalog was just being opened or made
    unreported: int = 0  # the step under way had been committed already
    leftovers: int = 0  # files lay about that no index names
    unfinished: int = 0  # some of them half written
    verbs: dict[str, int] = field(default_factory=dict)  # verb -> kills within a step of it


class Killer:
    def __init__(self, folder: Path, seed: int) -> None:
        self._home = folder
        self._random = random.Random(seed)
        self._server = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self._buffer = b""
        self._step = 0
        assert self._line() == "ready"
        self.tally = Tally()

    def close(self) -> None:
        self._server.communicate(timeout=60)

    def run(self, kills: int, fresh_after: int) -> None:
        for at in range(kills):
            if at % fresh_after == 0:
                self._folder, self._model = self._home / f"catalog{at}", Model()
            opening = at % fresh_after == 0 or self._random.random() < 0.1
            self._trial(self._random.uniform(0.0, 0.03 if opening else 0.15))

    def _trial(self, delay: float) -> None:
        lines = self._killed(delay)
        began = [int(line.split()[1]) for line in lines if line.startswith("begin")]
        done = [int(line.split()[1]) for line in lines if line.startswith("done")]
        assert lines[-1] == "dead -9", (lines[-3:], "the child ended by itself")
        model = self._model
        for number in done:
            model = foreseen(model, step_of(number))
        after = foreseen(model, step_of(began[-1])) if len(began) > len(done) else model
        self.tally.kills += 1
        self.tally.opening += not began
        if after is not model:
            self.tally.within += 1
            verb = step_of(began[-1]).verb
            self.tally.verbs[verb] = self.tally.verbs.get(verb, 0) + 1
        left = self._leftovers()
        self.tally.leftovers += bool(left)
        self.tally.unfinished += any(name.endswith(".unfinished") for names in left.values() for name in names)
        with Catalog(self._folder) as catalog:
            assert catalog._database.rows("PRAGMA integrity_check")[0][0] == "ok"
            assert not catalog._database.rows("PRAGMA foreign_key_check")
            held = found(catalog)
            assert held in (pruned(model), pruned(after)), "neither all nor nothing of the step under way"
            self.tally.unreported += held == pruned(after) != pruned(model)
            self._model = after if held == pruned(after) else model
            self._step += len(began)
            self._go_on(catalog, bool(left))

    def _go_on(self, catalog: Catalog, leftovers: bool) -> None:
        """Work goes on, and what the killed process left is cleared away by it."""
        whole = Step("replace", "AAA", "1d", range(10), float(-self._step), False)
        take(catalog, whole)
        self._model = foreseen(self._model, whole)
        for one in catalog.series() if leftovers else ():
            again = Step("replace", one.symbol, one.bar, range(ROWS), float(-self._step - 1), False)
            take(catalog, again)
            self._model = foreseen(self._model, again)
        assert found(catalog) == pruned(self._model)
        kept = {(one.symbol, one.bar) for one in catalog.series()}
        left = self._leftovers()
        assert not [folder for folder in left if (_symbol(folder), folder.parent.name) in kept]

    def _leftovers(self) -> dict[Path, list[str]]:
        """Files below ``bars`` that the index does not name, by folder; looked at without opening the catalog."""
        files: dict[Path, list[str]] = {}
        named: set[str] = set()
        if (self._folder / "bars").is_dir():
            with Catalog(self._folder) as catalog:
                named = {row["file"] for row in catalog._database.rows("SELECT file FROM segments")}
        for file in (self._folder / "bars").rglob("*.parquet*"):
            if file.name not in named:
                files.setdefault(file.parent, []).append(file.name)
        return files

    def _killed(self, delay: float) -> list[str]:
        """What a child said until it was killed."""
        self._ask(self._folder, self._step, 0)
        lines = [self._line()]
        while not lines[-1].startswith("child"):
            lines.append(self._line())
        time.sleep(delay)
        os.kill(int(lines.pop().split()[1]), signal.SIGKILL)
        while not lines or not lines[-1].startswith("dead"):
            lines.append(self._line())
        return lines

    def everywhere(self, template: Path | None, number: int, stride: int) -> int:
        """Kill a step before every ``stride``-th line of the catalog's code; returns how many lines were tried.

        ``template``: the catalog before the step, closed; None where there is none.
        """
        model, tried = Model(), 0
        if template is not None:
            with Catalog(template) as catalog:
                model = found(catalog)
        after = pruned(foreseen(model, step_of(number)))
        assert after != pruned(model)
        while True:
            tried += 1
            self._folder = self._home / f"step{number}-{tried}"
            if template is not None:
                shutil.copytree(template, self._folder)
            self._ask(self._folder, number, 1 + (tried - 1) * stride)
            lines = [self._line()]
            while not lines[-1].startswith("dead"):
                lines.append(self._line())
            with Catalog(self._folder) as catalog:
                held = found(catalog)
                if f"done {number}" in lines or held == after:
                    assert held == after
                    self.tally.unreported += f"done {number}" not in lines
                else:
                    assert held == pruned(model), (lines, "neither all nor nothing")
                    take(catalog, step_of(number))
                    assert found(catalog) == after
                assert catalog._database.rows("PRAGMA integrity_check")[0][0] == "ok"
            shutil.rmtree(self._folder)
            if lines[-1] == "dead 0":
                return tried - 1
            assert lines[-1] == "dead -9", (lines, "the child ended by itself")

    def _ask(self, folder: Path, number: int, last: int) -> None:
        assert self._server.stdin is not None
        self._server.stdin.write(f"{folder} {number} {last}\n".encode())
        self._server.stdin.flush()

    def _line(self) -> str:
        assert self._server.stdout is not None
        while b"\n" not in self._buffer:
            ready = select.select([self._server.stdout], [], [], 60)[0]
            read = os.read(self._server.stdout.fileno(), 65_536) if ready else b""
            if not read:
                raise AssertionError("the process that is to be killed says nothing")
            self._buffer += read
        line, self._buffer = self._buffer.split(b"\n", 1)
        return line.decode()


def _symbol(folder: Path) -> str:
    return {"AAA": "AAA", "BBB": "BBB"}.get(folder.name, "brk.b")


@pytest.fixture
def killer(tmp_path: Path) -> Iterator[Killer]:
    if not hasattr(os, "fork"):
        pytest.skip("needs fork and SIGKILL")
    made = Killer(tmp_path, seed=20_260)
    yield made
    made.close()


def test_fifteen_kills_lose_nothing(killer: Killer) -> None:
    killer.run(15, fresh_after=5)
    assert killer.tally.kills == 15 and killer.tally.within >= 5


@pytest.mark.slow
def test_hundreds_of_kills_lose_nothing(killer: Killer, record_property: pytest.FixtureRequest) -> None:
    killer.run(300, fresh_after=20)
    tally = killer.tally
    record_property("tally", str(tally))  # type: ignore[operator]
    assert tally.kills == 300 and tally.within >= 150 and tally.leftovers >= 20 and tally.unreported >= 3
    assert {"append", "replace", "repair"} <= tally.verbs.keys()


def steps_of_each_kind(catalog: Catalog) -> dict[str, int]:
    """For each verb a step that changes what a catalog holds: the one of the most segments, repairs of a few rows."""
    held = found(catalog)
    best: dict[str, tuple[int, int]] = {}
    for number in range(1_000, 1_400):
        step = step_of(number)
        few = step.verb != "repair" or len(step.at) == 20
        if foreseen(held, step) != held and step.bar == "1m" and few:
            best[step.verb] = max(best.get(step.verb, (0, 0)), (len(step.at) + step.action, number))
    return {verb: number for verb, (_, number) in best.items()}


@pytest.mark.parametrize("stride", [pytest.param(4, marks=pytest.mark.slow, id="many"), pytest.param(61, id="few")])
def test_a_kill_before_any_line_of_the_catalog_loses_nothing(killer: Killer, tmp_path: Path, stride: int) -> None:
    with Catalog(tmp_path / "template") as catalog:
        for number in range(52):
            take(catalog, step_of(number))
        steps = steps_of_each_kind(catalog)
    assert set(steps) == {"append", "replace", "repair", "undo", "remove"}
    tried = {verb: killer.everywhere(tmp_path / "template", number, stride) for verb, number in steps.items()}
    tried["create"] = killer.everywhere(None, steps["append"], stride)
    assert min(tried.values()) * stride > 50 and tried["replace"] * stride > 200


if __name__ == "__main__":
    serve()
