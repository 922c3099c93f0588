"""Layouts compiled for one version: lists of steps that write a message and read it back."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.wire.layout import (
    Field,
    Flag,
    If,
    Inside,
    Item,
    Layout,
    Message,
    Repeat,
    Since,
    Spare,
    Switch,
    exists,
    parse_field,
)
from gateway.wire.steps import (
    Block,
    Constant,
    FlagStep,
    Fresh,
    IfStep,
    InsideStep,
    Kept,
    RepeatStep,
    SpareStep,
    Step,
    SwitchStep,
)

FRESH = frozenset({"tags", "bits"})  # kinds whose values can be changed by who gets them


def items(layout: Layout, version: int) -> Iterator[Item]:
    """The parts of a layout that exist in a version: texts cut into fields, gated parts opened."""
    for item in (layout,) if isinstance(layout, str) else layout:
        if isinstance(item, str):
            yield from item.split()
        elif isinstance(item, Since):
            if exists(item.gate, version):
                yield from items(item.body, version)
        else:
            yield item


def _resolve(prefix: str, name: str) -> str:
    return name if "." in name else prefix + name


def referred(layout: Layout, version: int, prefix: str = "") -> Iterator[str]:
    """Paths of the fields that others depend on."""
    for item in items(layout, version):
        if isinstance(item, If):
            yield _resolve(prefix, item.name)
            yield from referred(item.body, version, prefix)
        elif isinstance(item, Switch):
            yield _resolve(prefix, item.name)
            for body in item.cases.values():
                yield from referred(body, version, prefix)
        elif isinstance(item, (Inside, Flag, Repeat)):
            yield from referred(item.body, version, f"{prefix}{item.name}.")


def compile_steps(message: Message, version: int) -> list[Step]:
    """The steps of a message in a version."""
    kept = frozenset(referred(message.layout, version))

    def build(layout: Layout, prefix: str) -> list[Step]:
        steps: list[Step] = []
        row: list[Field] = []

        def close() -> None:
            if row:
                steps.append(Block(message.name, tuple(row)))
                row.clear()

        for item in items(layout, version):
            if isinstance(item, str):
                field = parse_field(item, version)
                if field is None:
                    continue
                path = prefix + field.name
                if not (field.constant or path in kept or field.kind.name in FRESH):
                    row.append(field)
                    continue
                close()
                if field.constant:
                    steps.append(Constant(message.name, field.default))
                elif field.kind.name in FRESH:
                    steps.append(Fresh(message.name, (field,)))
                else:
                    steps.append(Kept(message.name, field, path))
                continue
            close()
            steps.append(structure(item, prefix))
        close()
        return steps

    def structure(item: Item, prefix: str) -> Step:
        if isinstance(item, Inside):
            return InsideStep(message.name, item.name, build(item.body, f"{prefix}{item.name}."))
        if isinstance(item, Flag):
            return FlagStep(message.name, item.name, build(item.body, f"{prefix}{item.name}."))
        if isinstance(item, Repeat):
            path = prefix + item.name
            return RepeatStep(message.name, item.name, path, build(item.body, f"{path}."), item.each)
        if isinstance(item, If):
            return IfStep(_resolve(prefix, item.name), item.test, build(item.body, prefix))
        if isinstance(item, Switch):
            cases = {text: build(body, prefix) for text, body in item.cases.items()}
            return SwitchStep(message.name, _resolve(prefix, item.name), cases)
        assert isinstance(item, Spare), item
        return SpareStep(message.name, item)

    return build(message.layout, "")
