"""Messages between bytes and values, for one version."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from gateway.model import Values
from gateway.wire.errors import WireError
from gateway.wire.frames import HIGHEST, LOWEST, UNUSABLE
from gateway.wire.layout import Message, exists
from gateway.wire.plan import compile_steps
from gateway.wire.steps import Cursor, Refs, Step
from gateway.wire.tables.answers import ANSWERS
from gateway.wire.tables.requests import REQUESTS

VERSIONS = tuple(version for version in range(LOWEST, HIGHEST + 1) if version not in UNUSABLE)


class Book:
    """The messages of one direction in one version; each layout is compiled when it is first used."""

    def __init__(self, messages: Iterable[Message], version: int):
        self.version = version
        here = [message for message in messages if exists(message.gate, version)]
        self.by_name = {message.name: message for message in here}
        self.by_number: dict[str, list[Message]] = defaultdict(list)
        for message in here:
            self.by_number[str(message.number)].append(message)
        self.plans: dict[str, tuple[str, list[Step]]] = {}  # name -> number, steps

    def plan(self, name: str) -> tuple[str, list[Step]]:
        plan = self.plans.get(name)
        if plan is None:
            message = self.by_name.get(name)
            if message is None:
                raise WireError(f"there is no message {name!r} in version {self.version}")
            plan = self.plans[name] = (str(message.number), compile_steps(message, self.version))
        return plan

    def write(self, name: str, values: Mapping[str, Any]) -> bytes:
        number, steps = self.plan(name)
        out = [number]
        refs: Refs = {}
        for step in steps:
            step.write(values, out, refs)
        try:
            payload = ("\0".join(out) + "\0").encode()
        except UnicodeEncodeError as fault:
            raise WireError(f"text that is not Unicode: {fault.reason}", name) from fault
        if payload.count(b"\0") != len(out):
            raise WireError("a NUL inside a field", name)
        return payload

    def read(self, payload: bytes) -> tuple[str, Values]:
        try:
            texts = payload.decode().split("\0")
        except UnicodeDecodeError as fault:
            raise WireError(f"not UTF-8 at byte {fault.start}") from fault
        if texts.pop():
            raise WireError("the last field does not end with NUL")
        name = self._name(texts)
        cursor = Cursor(texts, 1)
        values: Values = {}
        for step in self.plan(name)[1]:
            step.read(cursor, values)
        if cursor.at != len(texts):
            raise WireError(f"{len(texts) - cursor.at} fields too many", name, "end", cursor.at)
        return name, values

    def _name(self, texts: list[str]) -> str:
        candidates = self.by_number.get(texts[0]) if texts else None
        if not candidates:
            number = texts[0][:40] if texts else ""
            raise WireError(f"no message has the number {number!r} in version {self.version}")
        for message in candidates:
            if message.variant is None:
                return message.name
            position, accepted = message.variant
            if position < len(texts) and texts[position] in accepted:
                return message.name
        position = candidates[0].variant[0] if candidates[0].variant else 0
        raise WireError("it is none of its variants", candidates[0].name, "variant", position)


class Wire:
    """The messages of one version in both directions. Payloads are without their length."""

    def __init__(self, version: int):
        self.version = version
        self.answers = Book(ANSWERS, version)
        self.requests = Book(REQUESTS, version)
        self.answer = self.answers.write  # (name, values) -> payload that a client reads
        self.read_answer = self.answers.read  # payload -> (name, values)
        self.request = self.requests.read  # payload that a client sent -> (name, values)
        self.write_request = self.requests.write


@cache
def wire_for(version: int) -> Wire:
    """The wire of a version, 157 to 178 without 158; WireError for others."""
    if version not in VERSIONS:
        raise WireError(f"version {version} is not spoken here; {LOWEST} to {HIGHEST} without 158 are")
    return Wire(version)
