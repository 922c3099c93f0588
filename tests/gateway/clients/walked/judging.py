"""Compares what a walk reports with what is expected."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

EXPECTED = tomllib.loads((Path(__file__).resolve().parent.parent / "expected.toml").read_text(encoding="utf-8"))


def alike(meant: Any, got: Any) -> bool:
    """Equal, numbers to nine digits."""
    if isinstance(meant, dict) and isinstance(got, dict):
        return meant.keys() == got.keys() and all(alike(meant[key], got[key]) for key in meant)
    if isinstance(meant, list) and isinstance(got, list):
        return len(meant) == len(got) and all(map(alike, meant, got))
    if isinstance(meant, (int, float)) and isinstance(got, (int, float)):
        return math.isclose(meant, got, rel_tol=1e-9, abs_tol=1e-12)
    return bool(meant == got)


def faults(client: str, report: dict[str, Any]) -> Iterator[str]:
    """Whatever is not as it should be in the report of a client."""
    yield from report["objections"]
    since = {**EXPECTED["since"], **EXPECTED["since"].get(client, {})}
    results = {**EXPECTED["results"], **EXPECTED["results"]["orders"]}
    del results["orders"]
    for name, meant in results.items():
        if name in EXPECTED["without"][client] or report["version"] < since.get(name, 0):
            continue
        got = report["results"].get(name, "nothing")
        if not alike(meant, got):
            yield f"{name} is {got}, expected was {meant}"
    errors = {step: codes for step, codes in EXPECTED["errors"].items() if step not in EXPECTED["without"][client]}
    if report["errors"] != errors:
        yield f"errors are {report['errors']}, expected were {errors}"
