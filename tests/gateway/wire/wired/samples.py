"""Made-up values for every message: each field has its own value, so that two that change places are seen.

Which fields there are comes from the layouts under test; whether they are right is said by the clients' decoders,
which look at the values by name (``oracle.py``).
"""

from __future__ import annotations

import copy
import json
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from gateway.model import Values
from gateway.wire import Wire, wire_for
from gateway.wire.codec import Book
from gateway.wire.layout import Field
from gateway.wire.steps import Block, FlagStep, IfStep, InsideStep, Kept, RepeatStep, Step, SwitchStep

PLAIN = {  # texts that pass no test, for the fields that others depend on
    "orderType": "LMT",
    "secType": "STK",
    "exchange": "SMART",
    "competeAgainstBestOffset": "0.02",
    "scalePriceIncrement": "",
}
WHOLE = {"coupon", "percent", "volume", "size"}  # sizes that some client reads as whole numbers
BY_TICK = {"tickByTickBidAsk": {"tickType": 3}, "tickByTickMidPoint": {"tickType": 4}}
NEEDED: dict[str, Values] = {"execDetails": {"execution": {"time": "20231203 20:15:20"}}}  # no client reads it empty
TIMES = ("20231203 20:15:20 US/Eastern", "20231203  20:15:20")  # from version 174 on, and before


class Maker:
    """Values for the steps of one message. ``full``: every part that depends on something is there."""

    def __init__(self, version: int, seed: int, full: bool):
        self.version, self.full = version, full
        self.dice = random.Random(seed)
        self.number = self.dice.randrange(1000, 2000)
        self.refs: dict[str, str] = {}
        self.texts: dict[str, list[str]] = {}

    def values(self, steps: Sequence[Step]) -> Values:
        self.texts = deciding(steps)
        values: Values = {}
        self._fill(steps, values)
        return values

    def _next(self) -> int:
        self.number += self.dice.randrange(1, 9)
        return self.number

    def _fill(self, steps: Sequence[Step], values: Values) -> None:
        for step in steps:
            if isinstance(step, Kept):
                self._decide(step, values)
            elif isinstance(step, Block):
                for field in step.fields:
                    values[field.name] = self._value(field)
            elif isinstance(step, FlagStep):
                if self.full or self.dice.random() < 0.5:
                    self._fill(step.steps, values.setdefault(step.name, {}))
            elif isinstance(step, InsideStep):
                self._fill(step.steps, values.setdefault(step.name, {}))
            elif isinstance(step, RepeatStep):
                values[step.name] = self._elements(step)
            elif isinstance(step, IfStep):
                if step.test.passes(self.refs[step.path]):
                    self._fill(step.steps, values)
            elif isinstance(step, SwitchStep):
                self._fill(step.cases[self.refs[step.path]], values)

    def _elements(self, step: RepeatStep) -> list[Any]:
        count = self.dice.randrange(2, 4) if self.full else self.dice.randrange(3)
        self.refs[step.path] = str(count)
        if step.kind:
            field = Field(step.name, step.kind, "")
            return [self._value(field) for _ in range(count)]
        elements: list[Any] = [{} for _ in range(count)]
        for element in elements:
            self._fill(step.steps, element)
        return elements

    def _decide(self, step: Kept, values: Values) -> None:
        field = step.fields[0]
        texts = self.texts[step.path]
        plain = PLAIN.get(field.name, "" if field.kind.name == "str" else texts[0])
        text = self.dice.choice(texts) if self.full or self.dice.random() < 0.5 else plain
        self.refs[step.path] = text
        if not text and field.default:
            return
        values[field.name] = field.kind.read(text) if text else field.kind.empty

    def _value(self, field: Field) -> Any:
        kind, number = field.kind.name, self._next()
        if kind.rstrip("?") == "bool":
            return self.dice.random() < 0.5
        if kind == "bits":
            return {name: self.dice.random() < 0.5 for name in field.kind.read("0")}
        if kind in ("zoned", "unzoned"):
            return TIMES[kind == "unzoned"]
        if kind.endswith("?") and not self.full and self.dice.random() < 0.3:
            return None
        if kind in ("int", "int?", "whole"):
            return number
        if kind.rstrip("?") == "size":
            whole = self.version < 163 or field.name in WHOLE or self.dice.random() < 0.5
            return number if whole else number + 0.5
        if kind.rstrip("?") in ("float", "offset"):
            return number + self.dice.randrange(1, 16) / 16
        if field.name == "conjunction":
            return self.dice.choice("ao")
        if kind == "tags":
            return [{"tag": f"tag{number}", "value": f"value{self._next()}"}]
        return f"{field.name[:8]}{number}"


def deciding(steps: Sequence[Step], found: dict[str, list[str]] | None = None) -> dict[str, list[str]]:
    """Path of each field that others depend on -> texts with which something depends on it."""
    found = defaultdict(list) if found is None else found
    for step in steps:
        if isinstance(step, IfStep):
            spaced = [text for text in sorted(step.test.texts) if " " in text] or sorted(step.test.texts)[:1]
            found[step.path] += spaced or ["0.25" if step.test.positive else "A1"]
            deciding(step.steps, found)
        elif isinstance(step, SwitchStep):
            found[step.path] += step.cases
            for body in step.cases.values():
                deciding(body, found)
        elif isinstance(step, (InsideStep, RepeatStep)):
            deciding(step.steps, found)
    return found


def samples(book: Book, name: str, version: int, count: int = 4) -> Iterator[Values]:
    """Values of a message: none at all, everything, and parts."""
    steps = book.plan(name)[1]
    yield copy.deepcopy(NEEDED.get(name, {}))
    for seed in range(count):
        yield Maker(version, seed, full=seed < 2).values(steps)


def answers(version: int, count: int = 4) -> Iterator[tuple[str, Values, bytes]]:
    """Name, values and payload of made-up answers, every message of the version."""
    wire: Wire = wire_for(version)
    for name in wire.answers.by_name:
        for values in samples(wire.answers, name, version, count):
            if name == "tickByTickAllLast":
                values["tickType"] = 2 - len(values) % 2
            values |= BY_TICK.get(name, {})
            yield name, values, wire.answer(name, values)


def asked(version: int, count: int = 4) -> Iterator[tuple[str, Values]]:
    """Name and values of made-up requests, every message of the version."""
    wire = wire_for(version)
    for name in wire.requests.by_name:
        for values in list(samples(wire.requests, name, version, count))[1:]:
            yield name, values


def write_frames(path: Path, versions: Sequence[int]) -> int:
    """A file that ``oracle.py`` reads in another environment: a line of JSON for each message; their number."""
    lines = [
        json.dumps({"version": version, "name": name, "values": values, "payload": payload.decode("latin-1")})
        for version in versions
        for name, values, payload in answers(version)
    ]
    path.write_text("\n".join(lines) + "\n")
    return len(lines)


def write_asked(path: Path, versions: Sequence[int]) -> int:
    """A file that ``asker.py`` reads in another environment; the number of its lines."""
    lines = [
        json.dumps({"version": version, "name": name, "values": values})
        for version in versions
        for name, values in asked(version)
    ]
    path.write_text("\n".join(lines) + "\n")
    return len(lines)
