"""The injector: the gateway asks it at each message, bar and tick of the clock what is to go wrong."""

from __future__ import annotations

import datetime as dt
import logging
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

from core.errors import FaultScriptError
from gateway.faults.actions import VERBS
from gateway.faults.effects import Effect, Replace, Send, Swallow
from gateway.faults.names import ANSWERS, TAPE
from gateway.faults.rewrites import S
from gateway.faults.scene import Later, Memory, Scene
from gateway.faults.script import Action, AtMessage, AtStart, AtTime, On, Rule, Script
from gateway.faults.timing import next_time
from gateway.faults.triggers import CLIENT, NEW
from gateway.faults.values import AbsentError, equal, get
from gateway.faults.verbs import ANSWER, CLOCK, ON_TAPE, REQUEST, convert
from gateway.model import Instrument, Values

EXCHANGE_ZONE = "America/New_York"
_NOTHING: tuple[Effect, ...] = ()
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Watched:
    """A rule on messages, how many of all its names met its conditions so far, and its own source of chance."""

    rule: Rule
    on: On
    chance: random.Random
    count: int = 0


@dataclass(slots=True)
class _Counted:
    """Messages of one direction: how many there were, what awaits a number, what awaits names."""

    count: int = 0
    at: dict[int, list[Rule]] = field(default_factory=lambda: defaultdict(list))
    by_name: dict[str, list[_Watched]] = field(default_factory=lambda: defaultdict(list))


class Injector:
    """Faults of a script, in the order of its rules. The same script, seed and messages give the same faults.

    Call ``tick`` when the gateway starts and whenever its clock has moved (``next_due`` says when at the latest),
    ``incoming`` and ``outgoing`` for each message of each client, ``step`` for each step of the tape; carry out what
    they return with ``effects.perform``. ``seed`` None: the script's, else 0. ``zone``: of ``exchange`` in the script.
    """

    def __init__(
        self, script: Script, now: Callable[[], dt.datetime], seed: int | None = None, zone: str = EXCHANGE_ZONE
    ) -> None:
        self.script = script
        self.seed = seed if seed is not None else script.seed or 0
        self.memory = Memory()
        self.struck: set[Rule] = set()  # rules that did something
        self._now = now
        self._zone = ZoneInfo(zone)
        self._chance = random.Random(self.seed)
        self._complaints: set[tuple[str, str, str, str]] = set()  # each is made once
        self._answers, self._requests, self._tape = _Counted(), _Counted(), _Counted()
        twins: dict[str, int] = defaultdict(int)  # rules of the same text have chances of their own
        for rule in script.rules:
            text = str(rule)
            twins[text] += 1
            self._enter(rule, random.Random(f"{self.seed}/{text}/{twins[text]}"))

    def _enter(self, rule: Rule, chance: random.Random) -> None:
        trigger = rule.trigger
        if isinstance(trigger, On):
            first, watched = trigger.names[0], _Watched(rule, trigger, chance)
            side = self._tape if first in TAPE else self._answers if first in ANSWERS else self._requests
            for name in trigger.names:
                side.by_name[name].append(watched)
        elif isinstance(trigger, AtMessage):
            side = self._answers if trigger.kind == "message" else self._requests
            side.at[trigger.number].append(rule)
        elif isinstance(trigger, AtStart):
            self.memory.at(self._now(), lambda now: self._play(rule, self._scene(CLOCK, now)))
        else:
            self._await(rule, trigger, self._now())

    def _await(self, rule: Rule, trigger: AtTime, after: dt.datetime) -> None:
        when = next_time(trigger, after, self._zone)
        if when is None:
            _log.warning("%s: `%s` is past and will not happen", rule.place, trigger)
            return

        def fire(now: dt.datetime) -> list[Effect]:
            if trigger.every:
                self._await(rule, trigger, now)
            return self._play(rule, self._scene(CLOCK, now))

        self.memory.at(when, fire)

    # What the gateway calls ----------------------------------------------------------------------------------------

    def outgoing(self, client_id: int, name: str, values: Values) -> Sequence[Effect]:
        """Before an answer is sent to a client."""
        side, memory = self._answers, self.memory
        side.count += 1
        if name == "execDetails":
            memory.execution = values.get("execution")
        if not (name in side.by_name or side.count in side.at or memory.blocks or memory.swapped):
            return _NOTHING
        scene = self._scene(ANSWER, self._now(), client_id, name, values)
        self._lift(scene)
        waiting = memory.swapped.pop((client_id, name), [])
        self._consult(side, scene)
        self._blocked(scene)
        if waiting:
            if not scene.dropped:
                scene.effects.append(Send(client_id, name, scene.values))
                scene.dropped = True
            scene.effects += waiting
        return _ended(scene)

    def incoming(self, client_id: int, name: str, values: Values) -> Sequence[Effect]:
        """Before a client's request is handled."""
        side = self._requests
        side.count += 1
        placed = name == "placeOrder"
        if not (placed or name in side.by_name or side.count in side.at or self.memory.blocks):
            return _NOTHING
        scene = self._scene(REQUEST, self._now(), client_id, name, values)
        order = (client_id, int(get(values, "orderId"))) if placed else None
        if order is not None:
            self.memory.order = order
        self._lift(scene)
        self._consult(side, scene)
        self._blocked(scene)
        if order is not None and not scene.dropped:
            self.memory.placed[order] = _quantity(values)
        return _ended(scene)

    def know(self, instruments: Iterable[Instrument]) -> None:
        """What is on the tape, in its order: for ``first`` and ``*`` of a script."""
        self.memory.rewrites.see(instruments)

    def step(self, step: S) -> S:
        """The tape's step as it is to be played. What its rules do beside comes with the next ``tick``."""
        memory = self.memory
        memory.rewrites.see((*step.bars, *step.quotes))
        for name, rows in (("bar", step.bars), ("quote", step.quotes)):
            if name not in self._tape.by_name:
                continue
            for instrument, row in rows.items():
                values: Values = {"symbol": instrument.symbol, "conId": instrument.con_id}
                values |= {key: getattr(row, key) for key in row.__slots__}
                scene = self._scene(ON_TAPE, self._now(), None, name, values)
                self._consult(self._tape, scene)
                if scene.effects:
                    memory.at(scene.now, _given(scene.effects))
        return memory.rewrites.rewrite(step)

    def tick(self, now: dt.datetime) -> list[Effect]:
        """What is due by the gateway's clock."""
        effects: list[Effect] = []
        while (what := self.memory.due(now)) is not None:
            effects += what(now)
        return effects

    def next_due(self) -> dt.datetime | None:
        """When the next timed effect is due, if one is."""
        return self.memory.next_due()

    # How rules are played ------------------------------------------------------------------------------------------

    def _scene(
        self, place: str, now: dt.datetime, client: int | None = None, name: str = "", values: Values | None = None
    ) -> Scene:
        return Scene(place, now, self.memory, self._chance, client, name, values or {})

    def _consult(self, side: _Counted, scene: Scene) -> None:
        """Play the rules that the message sets off; each is judged by the message as it came."""
        values = scene.values
        rules = side.at.get(side.count, []) if scene.place != ON_TAPE else []
        for rule in rules:
            self._play(rule, scene)
        for watched in side.by_name.get(scene.name, ()):
            if self._meets(watched, scene, values):
                scene.chance = watched.chance
                self._play(watched.rule, scene)

    def _meets(self, watched: _Watched, scene: Scene, values: Values) -> bool:
        on = watched.on
        for condition in on.where:
            if condition.field == CLIENT:
                value: Any = scene.client
            elif condition.field == NEW:
                value = self.memory.order not in self.memory.placed
            else:
                try:
                    value = get(values, condition.field)
                except AbsentError:
                    value = None  # the sender leaves it to the layout
            if equal(value, condition.value) == condition.negated:
                return False
        watched.count += 1
        if on.nth is not None:
            return watched.count == on.nth
        if on.every is not None:
            return watched.count % on.every == 0
        return on.probability is None or watched.chance.random() < on.probability

    def _play(self, rule: Rule, scene: Scene, actions: Sequence[Action] | None = None) -> list[Effect]:
        if actions is None:
            actions = rule.actions
            _log.info("fault: %s", rule)
        for index, action in enumerate(actions):
            verb = VERBS[action.verb]
            try:
                arguments = _arguments(action, scene)
                scene.fields = {name: scene.render(value) for name, value in action.fields}
                if action.verb == "wait":
                    self._resume_later(rule, scene, actions[index + 1 :], arguments["seconds"])
                    break
                verb.act(scene, **arguments)
                self.struck.add(rule)
            except (AbsentError, FaultScriptError) as error:  # the latter: a $field that no parameter can be
                self._complain(rule, scene, error)
        return scene.effects

    def _resume_later(self, rule: Rule, scene: Scene, rest: Sequence[Action], seconds: float) -> None:
        gone = scene.detached()

        def go_on(now: dt.datetime) -> list[Effect]:
            gone.now = now
            return self._play(rule, gone, rest)

        self.memory.at(scene.now + dt.timedelta(seconds=seconds), go_on)

    def _complain(self, rule: Rule, scene: Scene, error: AbsentError | FaultScriptError) -> None:
        complaint = (rule.place, str(rule), scene.name, str(error))
        if complaint not in self._complaints:
            self._complaints.add(complaint)
            _log.warning("%s: `%s` on %s: %s", rule.place, rule, scene.name or "the clock", error)

    def _blocked(self, scene: Scene) -> None:
        assert scene.client is not None
        for block in self.memory.blocks:
            if not scene.dropped and block.stops(scene.client, scene.name, scene.values):
                if block.keeps:
                    block.kept.append(scene.further(scene.values))
                scene.dropped = True

    def _lift(self, scene: Scene) -> None:
        """Blocks whose time is over but whose tick has not come: what they kept goes out before this message."""
        for block in self.memory.blocks:
            if block.until is not None and block.until <= scene.now:
                scene.effects += block.kept
                block.kept = []
        self.memory.blocks = [b for b in self.memory.blocks if b.until is None or b.until > scene.now]


def _quantity(values: Values) -> float:
    try:
        return float(get(values, "totalQuantity") or 0.0)
    except AbsentError:
        return 0.0


def _given(effects: Sequence[Effect]) -> Later:
    return lambda now: effects


def _ended(scene: Scene) -> Sequence[Effect]:
    """The scene's effects; what becomes of the message under way stands first."""
    if scene.dropped:
        return [Swallow(), *scene.effects]
    return [Replace(scene.values), *scene.effects] if scene.changed else scene.effects


def _arguments(action: Action, scene: Scene) -> dict[str, Any]:
    """Parameters as values: given, or by default; one that may be left away is None or an empty text."""
    given = dict(action.parameters)
    arguments: dict[str, Any] = {}
    for param in VERBS[action.verb].params:
        raw = given.get(param.name, param.default)
        if raw is None or (raw == "" and param.kind != "text"):
            arguments[param.name] = None
        else:
            arguments[param.name] = convert(param.kind, str(scene.render(raw)))
    return arguments
