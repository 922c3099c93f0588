"""Steps that write a part of a message and read it back; ``plan.py`` makes them of layouts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from gateway.model import Values
from gateway.wire.errors import WireError
from gateway.wire.kinds import KINDS
from gateway.wire.layout import Field, Spare, Test

Refs = dict[str, str]  # path of a field that a later one depends on -> its text
_FAULTS = (ValueError, TypeError, OverflowError, KeyError, AttributeError)
_NOTHING: Mapping[str, Any] = {}


class Cursor:
    """Fields that are being read, and how far."""

    __slots__ = ("at", "refs", "texts")

    def __init__(self, texts: Sequence[str], at: int):
        self.texts, self.at, self.refs = texts, at, Refs()

    def take(self, message: str, field: str) -> str:
        if self.at >= len(self.texts):
            raise WireError("the message ends before it", message, field, self.at)
        self.at += 1
        return self.texts[self.at - 1]

    def count(self, message: str, field: str) -> int:
        text = self.take(message, field)
        if not (text.isascii() and text.isdigit() and len(text) < 9) and text:
            raise WireError(f"{text[:40]!r} is not a count", message, field, self.at - 1)
        number = int(text or 0)
        if number > len(self.texts) - self.at:
            raise WireError(f"{number} elements do not fit into what is left", message, field, self.at - 1)
        return number


class Step(Protocol):
    """``write`` appends texts to ``out``; ``read`` takes texts from the cursor; both raise WireError."""

    def write(self, values: Mapping[str, Any], out: list[str], refs: Refs) -> None: ...

    def read(self, cursor: Cursor, values: Values) -> None: ...


def _writer(field: Field) -> Callable[[Any], str]:
    """Text that has a default is never written empty."""
    if field.kind.name == "str" and field.default:
        return lambda value: str(value) or field.default
    return field.kind.write


class Block:
    """Fields in a row, the hot part: one loop without branches by kind."""

    def __init__(self, message: str, fields: Sequence[Field]):
        self.message, self.fields = message, fields
        self.writers = [(field.name, _writer(field), field.default) for field in fields]
        self.readers = [(field.name, field.kind.read, self._empty(field)) for field in fields]

    @staticmethod
    def _empty(field: Field) -> Any:
        """The value of empty text: a default that is no spelling of "no value" counts."""
        return field.kind.read(field.default) if field.default else field.kind.empty

    def write(self, values: Mapping[str, Any], out: list[str], refs: Refs) -> None:
        append, get = out.append, values.get
        try:
            for name, write, default in self.writers:  # noqa: B007 - named in the error
                value = get(name)
                append(default if value is None else write(value))
        except _FAULTS as fault:
            raise WireError(str(fault), self.message, name, len(out)) from fault

    def read(self, cursor: Cursor, values: Values) -> None:
        at, texts = cursor.at, cursor.texts
        try:
            for name, read, empty in self.readers:  # noqa: B007 - named in the error
                text = texts[at]
                values[name] = read(text) if text else empty
                at += 1
        except IndexError:
            raise WireError("the message ends before it", self.message, name, at) from None
        except _FAULTS as fault:
            raise WireError(str(fault), self.message, name, at) from fault
        cursor.at = at


class Kept(Block):
    """One field whose text decides about later ones."""

    def __init__(self, message: str, field: Field, path: str):
        super().__init__(message, [field])
        self.path = path

    def write(self, values: Mapping[str, Any], out: list[str], refs: Refs) -> None:
        super().write(values, out, refs)
        refs[self.path] = out[-1]

    def read(self, cursor: Cursor, values: Values) -> None:
        super().read(cursor, values)
        cursor.refs[self.path] = cursor.texts[cursor.at - 1]


class Fresh(Block):
    """One field whose value is a list or a dict: a new one for each message."""

    def read(self, cursor: Cursor, values: Values) -> None:
        super().read(cursor, values)
        if not cursor.texts[cursor.at - 1]:
            field = self.fields[0]
            values[field.name] = field.kind.read(field.kind.missing)


class Constant:
    """Text that is the same in every message; in reading, any number."""

    def __init__(self, message: str, text: str):
        self.message, self.text = message, text

    def write(self, values: Mapping[str, Any], out: list[str], refs: Refs) -> None:
        out.append(self.text)

    def read(self, cursor: Cursor, values: Values) -> None:
        text = cursor.take(self.message, "version")
        if self.text and text and not (text.isascii() and text.lstrip("-").isdigit()):
            raise WireError(f"{text[:40]!r} is not a number", self.message, "version", cursor.at - 1)


class SpareStep(Constant):
    """A constant that a client may have left out."""

    def __init__(self, message: str, spare: Spare):
        super().__init__(message, spare.text)
        self.after = spare.after

    def read(self, cursor: Cursor, values: Values) -> None:
        if len(cursor.texts) - cursor.at > self.after:
            super().read(cursor, values)


class InsideStep:
    """Fields of a dict; a dict that is missing has no values."""

    def __init__(self, message: str, name: str, steps: list[Step]):
        self.message, self.name, self.steps = message, name, steps

    def write(self, values: Mapping[str, Any], out: list[str], refs: Refs) -> None:
        group = values.get(self.name)
        if group is None:
            group = _NOTHING
        elif not isinstance(group, Mapping):
            raise WireError(f"{type(group).__name__} is not a dict", self.message, self.name, len(out))
        for step in self.steps:
            step.write(group, out, refs)

    def read(self, cursor: Cursor, values: Values) -> None:
        group = values.setdefault(self.name, {})
        for step in self.steps:
            step.read(cursor, group)


class FlagStep(InsideStep):
    """A dict that may not be there, and says so."""

    def write(self, values: Mapping[str, Any], out: list[str], refs: Refs) -> None:
        present = values.get(self.name) is not None
        out.append("1" if present else "0")
        if present:
            super().write(values, out, refs)

    def read(self, cursor: Cursor, values: Values) -> None:
        text = cursor.take(self.message, self.name)
        if text not in ("", "0", "1"):
            raise WireError(f"{text[:40]!r} is neither 0 nor 1", self.message, self.name, cursor.at - 1)
        values[self.name] = None
        if text == "1":
            values[self.name] = {}
            super().read(cursor, values)


class RepeatStep:
    """A list: of dicts that ``steps`` read, or of values of one kind."""

    def __init__(self, message: str, name: str, path: str, steps: list[Step], each: str):
        self.message, self.name, self.path, self.steps = message, name, path, steps
        self.kind = KINDS[each] if each else None

    def write(self, values: Mapping[str, Any], out: list[str], refs: Refs) -> None:
        elements = values.get(self.name)
        elements = () if elements is None else elements
        if isinstance(elements, str) or not hasattr(elements, "__len__"):
            raise WireError(f"{type(elements).__name__} is not a list", self.message, self.name, len(out))
        refs[self.path] = str(len(elements))
        out.append(refs[self.path])
        for element in elements:
            try:
                if self.kind:
                    out.append(self.kind.write(element))
                    continue
                for step in self.steps:
                    step.write(element, out, refs)
            except _FAULTS as fault:
                if isinstance(fault, WireError):
                    raise
                raise WireError(str(fault), self.message, self.name, len(out)) from fault

    def read(self, cursor: Cursor, values: Values) -> None:
        count = cursor.count(self.message, self.name)
        cursor.refs[self.path] = str(count)
        elements: list[Any] = []
        values[self.name] = elements
        for _ in range(count):
            if self.kind:
                text = cursor.take(self.message, self.name)
                try:
                    elements.append(self.kind.read(text) if text else self.kind.empty)
                except _FAULTS as fault:
                    raise WireError(str(fault), self.message, self.name, cursor.at - 1) from fault
                continue
            element: Values = {}
            for step in self.steps:
                step.read(cursor, element)
            elements.append(element)


class IfStep:
    """Steps that are taken only if the text of an earlier field passes a test."""

    def __init__(self, path: str, test: Test, steps: list[Step]):
        self.path, self.test, self.steps = path, test, steps

    def write(self, values: Mapping[str, Any], out: list[str], refs: Refs) -> None:
        if self.test.passes(refs[self.path]):
            for step in self.steps:
                step.write(values, out, refs)

    def read(self, cursor: Cursor, values: Values) -> None:
        if self.test.passes(cursor.refs[self.path]):
            for step in self.steps:
                step.read(cursor, values)


class SwitchStep:
    """Steps chosen by the text of an earlier field."""

    def __init__(self, message: str, path: str, cases: Mapping[str, list[Step]]):
        self.message, self.path, self.cases = message, path, cases

    def _steps(self, text: str, position: int) -> list[Step]:
        if text not in self.cases:
            known = ", ".join(self.cases)
            raise WireError(f"{text[:40]!r} is none of {known}", self.message, self.path, position)
        return self.cases[text]

    def write(self, values: Mapping[str, Any], out: list[str], refs: Refs) -> None:
        for step in self._steps(refs[self.path], len(out) - 1):
            step.write(values, out, refs)

    def read(self, cursor: Cursor, values: Values) -> None:
        for step in self._steps(cursor.refs[self.path], cursor.at - 1):
            step.read(cursor, values)
