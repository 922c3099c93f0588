"""What became of the faults of a rehearsal: which of them struck."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gateway.faults import load
from gateway.faults.script import AtStart, Rule

OF_QUOTES = ("cross",)  # verbs that change quotes and no bar


def what_struck(faults: Iterable[str], struck: frozenset[Rule]) -> Iterator[str]:
    """A sentence on each fault. ``faults`` as they were asked for, ``struck``: rules that did something."""
    for fault in faults:
        rules = load(fault).rules
        if rules and all(action.verb in (*OF_QUOTES, "wait") for rule in rules for action in rule.actions):
            yield f"Fault {fault}: of quotes alone, and a session trades on bars: it has seen nothing of it."
        elif any(rule in struck and not _holds_from_the_start(rule) for rule in rules):
            yield f"Fault {fault}: it struck."
        elif rules and all(_holds_from_the_start(rule) for rule in rules):
            yield f"Fault {fault}: it held from the start."
        elif rules:
            awaited = "; ".join(str(rule.trigger) for rule in rules)
            yield f"Fault {fault}: it never struck, since what it waits for did not come ({awaited})."


def _holds_from_the_start(rule: Rule) -> bool:
    return isinstance(rule.trigger, AtStart) and all(action.verb != "wait" for action in rule.actions)
