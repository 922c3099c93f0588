"""Scripts by name, file or text, several combined: what ``--fault`` takes."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable
from pathlib import Path

from core.errors import FaultScriptError, did_you_mean
from gateway.faults.injector import EXCHANGE_ZONE, Injector
from gateway.faults.parser import STARTS, parse
from gateway.faults.scenarios import SCENARIOS
from gateway.faults.script import Script

SUFFIX = ".fault"
_HOLE = re.compile(r"\{(\w+)\}")


def load(fault: str) -> Script:
    """A script by what names it.

    Args:
        fault: A scenario (``nightly_restart``, or with settings ``nightly_restart:time=23:45,seconds=180``), the path
            of a file that ends with .fault, or a script itself (it begins with at, every, on or seed).

    Raises:
        FaultScriptError: There is no such scenario, setting or file, or the script cannot be understood.
    """
    if fault.endswith(SUFFIX):
        try:
            return parse(Path(fault).read_text(encoding="utf-8"), fault)
        except (OSError, UnicodeDecodeError) as error:
            raise FaultScriptError(
                f"the script {fault} cannot be read ({error}); check the path, and that it is UTF-8"
            ) from error
    if fault.split(" ", 1)[0] in STARTS and " " in fault:
        return parse(fault)
    name, _, settings = fault.partition(":")
    if name not in SCENARIOS:
        raise FaultScriptError(
            f"there is no scenario '{name}'{did_you_mean(name, SCENARIOS)} "
            f"(a file's name ends with {SUFFIX}; docs/gateway_faults.md lists the scenarios)"
        )
    scenario = SCENARIOS[name]
    values = dict(scenario.settings)
    for part in filter(None, re.split(r",(?=\w+=)", settings)):
        key, equals, value = part.partition("=")
        if not equals or key not in values:
            raise FaultScriptError(f"scenario {name} has no setting '{key}'{did_you_mean(key, values)}")
        values[key] = value
    return parse(_HOLE.sub(lambda hole: values.get(hole[1], hole[0]), scenario.text), name)


def make_injector(
    faults: Iterable[str], now: Callable[[], dt.datetime], seed: int | None = None, zone: str = EXCHANGE_ZONE
) -> Injector | None:
    """The injector of all these faults together; None where nothing is to go wrong."""
    script = sum((load(fault) for fault in faults), Script())
    return Injector(script, now, seed, zone) if script.rules else None
