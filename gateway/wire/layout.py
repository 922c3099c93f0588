"""How a layout is declared.

A layout is a sequence of texts and of the structures below. A text is a list of fields, in the order of the wire::

    name[:kind][=default][@gate]

``kind`` is one of ``kinds.KINDS`` (``str`` where none is given), ``bits(a,b)``, or ``when`` and ``lot``, which change
with the version. ``default`` is the text that is
written for a missing value, ``max`` the largest number of the kind; for text it stands for the empty text too.
``gate`` says in which versions the field exists: ``@160`` from 160 on, ``@<177`` before 177, ``@=163`` in 163 only.
``#8`` is a constant (the version number of a message, an obsolete field): written as it is, skipped in reading.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from gateway.wire.kinds import INFINITES, KINDS, UNSET_DOUBLE, UNSET_TEXTS, Kind, bits

_TOKEN = re.compile(
    r"(?P<name>#[\w.]*|[A-Za-z]\w*)(?::(?P<kind>[a-z]+\??)(?:\((?P<bits>[\w,]+)\))?)?(?:=(?P<default>[^@]*))?(?:@(?P<gate>\S+))?"
)


@dataclass(frozen=True, slots=True)
class Inside:
    """Fields of the dict ``name``."""

    name: str
    body: Layout


@dataclass(frozen=True, slots=True)
class Repeat:
    """A count, and as many bodies: a list of dicts; a body that names a kind (``each``) is a list of values."""

    name: str
    body: Layout = ()
    each: str = ""


@dataclass(frozen=True, slots=True)
class If:
    """Fields that are there only if the text of an earlier field passes ``test``.

    ``name`` is looked for in the same dict; with a dot in it, from the top of the message.
    """

    name: str
    test: Test
    body: Layout


@dataclass(frozen=True, slots=True)
class Switch:
    """Fields that depend on the text of an earlier field."""

    name: str
    cases: Mapping[str, Layout]


@dataclass(frozen=True, slots=True)
class Flag:
    """``1`` and the fields of the dict ``name``, or ``0`` if there is none."""

    name: str
    body: Layout


@dataclass(frozen=True, slots=True)
class Since:
    """Part of a layout that exists in some versions only; ``gate`` as in a field."""

    gate: str
    body: Layout


@dataclass(frozen=True, slots=True)
class Spare:
    """A constant that some clients send and others leave out: skipped if more than ``after`` fields are left."""

    text: str
    after: int


Item: TypeAlias = "str | Inside | Repeat | If | Switch | Flag | Since | Spare"
Layout: TypeAlias = "str | tuple[Item, ...]"


@dataclass(frozen=True, slots=True)
class Test:
    """What a text must be: one of ``texts``, a positive number, a count above 0, or just not empty."""

    texts: frozenset[str] = frozenset()
    positive: bool = False
    counted: bool = False

    def passes(self, text: str) -> bool:
        if self.texts:
            return text in self.texts
        if self.positive:
            return text != "" and 0.0 < float(text) < UNSET_DOUBLE
        return text != "" and not (self.counted and text == "0")


FILLED = Test()
COUNTED = Test(counted=True)
POSITIVE = Test(positive=True)
UP_TO_MID = Test(INFINITES)  # the offset of a pegged-to-best order


def one_of(*texts: str) -> Test:
    return Test(frozenset(texts))


@dataclass(frozen=True, slots=True)
class Field:
    """One field as a plan has it. ``constant``: it carries no value."""

    name: str
    kind: Kind
    default: str
    constant: bool = False


@dataclass(frozen=True, slots=True)
class Message:
    """A message: its number, its name, its fields after the number, and the versions in which it exists.

    ``variant``: position and texts of the field that tells messages with the same number apart.
    """

    number: int
    name: str
    layout: Layout = ()
    gate: str = ""
    variant: tuple[int, frozenset[str]] | None = None


def exists(gate: str, version: int) -> bool:
    """Whether what is gated by ``gate`` is there in ``version``."""
    if gate.startswith("<"):
        return version < int(gate[1:])
    if gate.startswith("="):
        return version == int(gate[1:])
    return not gate or version >= int(gate)


def _by_version(kind: str, version: int) -> str:
    """Kinds that change: the time of an execution gets its zone, sizes of market data get their fractions."""
    if kind == "when":
        return "zoned" if version >= 174 else "unzoned"
    if kind == "lot":
        return "size" if version >= 163 else "whole"
    return kind


def parse_field(token: str, version: int) -> Field | None:
    """The field that a token of a layout declares; None: not in this version."""
    found = _TOKEN.fullmatch(token)
    if found is None:
        raise ValueError(f"{token!r} is no field; write name[:kind][=default][@gate]")
    name, kind_name, default, gate = found["name"], found["kind"] or "str", found["default"], found["gate"] or ""
    if not exists(gate, version):
        return None
    if name.startswith("#"):
        return Field("version", KINDS["str"], name[1:], constant=True)
    kind_name = _by_version(kind_name, version)
    if not found["bits"] and kind_name not in KINDS:
        raise ValueError(f"{kind_name!r} is no kind of field; the kinds are {', '.join(KINDS)}")
    kind = bits(tuple(found["bits"].split(","))) if found["bits"] else KINDS[kind_name]
    if default == "max":
        default = UNSET_TEXTS[kind_name]
    return Field(name, kind, kind.missing if default is None else default)
