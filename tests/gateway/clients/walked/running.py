"""Runs a walk in its own environment, beside a gateway whose time it moves."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gateway.gateway import Gateway

CLIENTS = Path(__file__).resolve().parent.parent
WALKS = CLIENTS / "walks"
WIRE = CLIENTS.parent / "wire"  # its harness counts left-over fields
LONGEST = 60.0  # seconds of a walk


class WalkError(Exception):
    """A walk that did not come to its end; says what it wrote."""


def walk(
    gateway: Gateway, command: Sequence[str], version: int, environment: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """What the walk ``command`` reports of a gateway, with the version that it may speak at most.

    It is given port and version, asks for time to pass by lines ``{"advance": seconds}``, each of which is answered
    with a line, and ends with ``{"results": ...}``. Raises WalkError.
    """
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join((str(WALKS), str(WIRE))), "PYTHONDONTWRITEBYTECODE": "1"}
    process = subprocess.Popen(
        [*command, str(gateway.port), str(version)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, cwd=WALKS, env={**variables, **(environment or {})},
    )  # fmt: skip
    told: list[str] = []
    errors = threading.Thread(target=lambda: told.extend(process.stderr or ()), daemon=True)
    errors.start()
    timer = threading.Timer(LONGEST, process.kill)
    timer.start()
    try:
        report = _converse(gateway, process)
        process.wait(LONGEST)
    finally:
        timer.cancel()
        process.kill()
        process.wait()
        errors.join()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
    if report is None or process.returncode:
        raise WalkError(f"{' '.join(command)}, version {version}: ended with {process.returncode}\n{''.join(told)}")
    return report


def _converse(gateway: Gateway, process: subprocess.Popen[str]) -> dict[str, Any] | None:
    assert process.stdin is not None and process.stdout is not None  # pipes, as asked for
    report = None
    for line in process.stdout:
        said = json.loads(line)
        if "advance" in said:
            gateway.advance(seconds=said["advance"])
            process.stdin.write("\n")
            process.stdin.flush()
        else:
            report = said
    return report
