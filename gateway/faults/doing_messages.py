"""Verbs on messages: the one under way, further ones, and those that are kept back."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from gateway.faults.effects import Effect, Receive, Send
from gateway.faults.scene import Block, Scene
from gateway.faults.values import AbsentError, changed, get
from gateway.faults.verbs import ANSWER, MESSAGES, Param, verb

ANSWERS_ONLY = frozenset({ANSWER})


@verb("drop", says="the message is lost", places=MESSAGES, under_way=True)
def drop(scene: Scene) -> None:
    scene.dropped = True


@verb(
    "pass",
    says="the message goes on now, before what follows",
    places=MESSAGES,
    under_way=True,
)
def pass_(scene: Scene) -> None:
    if not scene.dropped:
        scene.effects.append(scene.further(scene.values))
    scene.dropped = True


@verb("set", says="fields of the message are changed", places=MESSAGES, under_way=True, fields="some")
def set_(scene: Scene) -> None:
    scene.values = changed(scene.name, scene.values, scene.fields)
    scene.changed = True


@verb(
    "scale", Param("field", "field"), Param("factor", "number"),
    says="a number of the message is multiplied", places=MESSAGES, under_way=True,
)  # fmt: skip
def scale(scene: Scene, field: str, factor: float) -> None:
    try:
        scaled = round(float(get(scene.values, field)) * factor, 4)
    except (TypeError, ValueError):
        raise AbsentError(f"{field} is {get(scene.values, field)!r}, which is no number") from None
    scene.values = changed(scene.name, scene.values, {field: scaled})
    scene.changed = True


@verb("shuffle", says="rows of the answer (such as bars) come in another order", places=ANSWERS_ONLY, under_way=True)
def shuffle(scene: Scene) -> None:
    rows = {name: list(value) for name, value in scene.values.items() if isinstance(value, list | tuple)}
    for several in rows.values():
        before = list(several)
        while len(before) > 1 and several == before and any(row != before[0] for row in before):
            scene.chance.shuffle(several)
    scene.values = scene.values | rows
    scene.changed = True


@verb("duplicate", says="the message once more, with fields changed if any are given", places=MESSAGES, fields="any")
def duplicate(scene: Scene) -> None:
    scene.effects.append(scene.further(changed(scene.name, scene.values, scene.fields)))


@verb("delay", Param("seconds", "duration"), says="the message comes later", places=MESSAGES, under_way=True)
def delay(scene: Scene, seconds: float) -> None:
    message = scene.further(scene.values)
    scene.memory.at(scene.now + dt.timedelta(seconds=seconds), lambda now: [message])
    scene.dropped = True


@verb(
    "swap", Param("seconds", "duration", "1"),
    says="the message comes after the next of its name, or after so many seconds",
    places=ANSWERS_ONLY, under_way=True,
)  # fmt: skip
def swap(scene: Scene, seconds: float) -> None:
    assert scene.client is not None  # an answer has a client
    message, key = Send(scene.client, scene.name, scene.values), (scene.client, scene.name)
    waiting = scene.memory.swapped.setdefault(key, [])
    waiting.append(message)

    def too_late(now: dt.datetime) -> Iterable[Effect]:
        still = scene.memory.swapped.get(key, [])
        if any(one is message for one in still):
            scene.memory.swapped[key] = [one for one in still if one is not message]
            yield message

    scene.memory.at(scene.now + dt.timedelta(seconds=seconds), too_late)
    scene.dropped = True


@verb(
    "send", Param("name", "answer"), Param("client", "client", "own"),
    says="a further answer with the given fields", fields="any",
)  # fmt: skip
def send(scene: Scene, name: str, client: str | int) -> None:
    scene.effects.append(Send(scene.target(client), name, changed(name, {}, scene.fields)))


@verb("receive", Param("name", "request"), says="as if the client had sent this request", places=MESSAGES, fields="any")
def receive(scene: Scene, name: str) -> None:
    assert scene.client is not None  # it stands on messages only
    scene.effects.append(Receive(scene.client, name, changed(name, {}, scene.fields)))


def _block(
    scene: Scene, names: frozenset[str], seconds: float | None, client: str | int, keeps: bool, id: int | None = None
) -> None:
    until = None if seconds is None else scene.now + dt.timedelta(seconds=seconds)
    block = Block(names, scene.target(client), until, keeps, id)
    scene.memory.blocks.append(block)

    def lift(now: dt.datetime) -> Iterable[Effect]:
        kept, block.kept = block.kept, []
        scene.memory.blocks = [other for other in scene.memory.blocks if other is not block]
        return kept

    if until is not None:
        scene.memory.at(until, lift)


@verb(
    "mute", Param("names", "names"), Param("seconds", "duration", ""), Param("client", "client", "all"),
    Param("id", "whole", ""),
    says="messages of these names or groups are lost, for so long or for ever; with an id only those of that request",
)  # fmt: skip
def mute(scene: Scene, names: frozenset[str], seconds: float | None, client: str | int, id: int | None) -> None:
    _block(scene, names, seconds, client, keeps=False, id=id)


@verb(
    "hold_back", Param("names", "names"), Param("seconds", "duration"), Param("client", "client", "all"),
    says="messages of these names or groups are kept, and come in their order after so long",
)  # fmt: skip
def hold_back(scene: Scene, names: frozenset[str], seconds: float | None, client: str | int) -> None:
    _block(scene, names, seconds, client, keeps=True)


@verb("wait", Param("seconds", "duration"), says="what follows happens so much later, by the gateway's clock")
def wait(scene: Scene, seconds: float) -> None:
    """The injector splits a rule's actions here."""
