"""A script as data: rules, each a trigger and what is done. ``str`` of a script is a text that parses to the same."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass, field

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_PLAIN = re.compile(r'[^\s"#;=:!]+')


def quoted(value: str) -> str:
    """The value as a script writes it: in quotes unless it is one plain word."""
    if _PLAIN.fullmatch(value):
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r")
    return f'"{escaped}"'


@dataclass(frozen=True, slots=True)
class AtStart:
    """When the gateway starts."""

    def __str__(self) -> str:
        return "at start"


@dataclass(frozen=True, slots=True)
class AtMessage:
    """At the n-th answer (or request) of all, whichever client's; ``number`` >= 1."""

    number: int
    kind: str = "message"  # message, request

    def __str__(self) -> str:
        return f"at {self.kind} {self.number}"


@dataclass(frozen=True, slots=True)
class AtTime:
    """At the next such time of the gateway's clock, once; with ``every`` (day, or a weekday) again and again."""

    time: dt.time
    zone: str  # UTC, exchange
    date: dt.date | None = None
    every: str = ""

    def __str__(self) -> str:
        day = f"every {self.every} at " if self.every else f"at {self.date.isoformat()} " if self.date else "at "
        return f"{day}{self.time.isoformat()} {self.zone}"


@dataclass(frozen=True, slots=True)
class Condition:
    """A field of the message equals ``value`` (numbers as numbers), or with ``negated`` does not."""

    field: str
    value: str
    negated: bool = False

    def __str__(self) -> str:
        return f"{self.field}{'!=' if self.negated else '='}{quoted(self.value)}"


@dataclass(frozen=True, slots=True)
class On:
    """On messages of a name that meet all conditions: the n-th, every n-th, some by chance, or (none given) each.

    ``name`` may be several with commas between them, whose messages are counted together.
    """

    name: str
    where: tuple[Condition, ...] = ()
    nth: int | None = None
    every: int | None = None
    probability: float | None = None

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.name.split(","))

    def __str__(self) -> str:
        words = ["on", self.name]
        if self.where:
            words += ["where", *map(str, self.where)]
        if self.nth is not None:
            words.append(str(self.nth))
        if self.every is not None:
            words.append(f"every {self.every}")
        if self.probability is not None:
            words.append(f"with probability {self.probability!r}")
        return " ".join(words)


Trigger = AtStart | AtMessage | AtTime | On


@dataclass(frozen=True, slots=True)
class Action:
    """A verb with its parameters, in the order in which the verb declares them, and further fields as they came."""

    verb: str
    parameters: tuple[tuple[str, str], ...] = ()
    fields: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        given = [f"{name}={quoted(value)}" for name, value in (*self.parameters, *self.fields)]
        return " ".join([self.verb, *given])


@dataclass(frozen=True, slots=True)
class Rule:
    """What is done when."""

    trigger: Trigger
    actions: tuple[Action, ...]
    place: str = field(default="", compare=False)  # "name, line 3"

    def __str__(self) -> str:
        return f"{self.trigger}: {'; '.join(map(str, self.actions))}"


@dataclass(frozen=True, slots=True)
class Script:
    """Rules in their order, and the seed of what happens by chance (None: none is given)."""

    rules: tuple[Rule, ...] = ()
    seed: int | None = None

    def __str__(self) -> str:
        lines = [] if self.seed is None else [f"seed {self.seed}"]
        return "".join(f"{line}\n" for line in [*lines, *map(str, self.rules)])

    def __add__(self, other: Script) -> Script:
        """Both scripts' rules; of two seeds the second counts."""
        return Script(self.rules + other.rules, self.seed if other.seed is None else other.seed)
