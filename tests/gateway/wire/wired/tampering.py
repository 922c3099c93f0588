"""Payloads with a field added, missing, or in the place of its neighbour: controls of the proofs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from wired import samples


def added(payload: bytes, place: int, field: bytes = b"surplus") -> bytes:
    fields = payload.split(b"\0")
    return b"\0".join([*fields[:place], field, *fields[place:]])


def missing(payload: bytes, place: int) -> bytes:
    fields = payload.split(b"\0")
    return b"\0".join(fields[:place] + fields[place + 1 :])


def reordered(payload: bytes, place: int) -> bytes:
    fields = payload.split(b"\0")
    fields[place : place + 2] = fields[place + 1], fields[place]
    return b"\0".join(fields)


def controls(version: int, names: tuple[str, ...]) -> Iterator[dict[str, object]]:
    """Lines for ``oracle.py`` to each of which a decoder that looks at all fields must object."""
    wanted = {name: (values, payload) for name, values, payload in samples.answers(version, 2) if name in names}
    for name, (values, payload) in wanted.items():
        last = payload.count(b"\0")
        middle = last // 2
        while payload.split(b"\0")[middle] == payload.split(b"\0")[middle + 1]:
            middle += 1
        for how, bad in (
            ("added", added(payload, last, b"1")),
            ("missing", missing(payload, last - 1)),
            ("reordered", reordered(payload, middle)),
        ):
            yield {
                "version": version,
                "name": name,
                "values": values,
                "payload": bad.decode("latin-1"),
                "how": how,
            }


def write_controls(path: Path, version: int, names: tuple[str, ...]) -> int:
    """A file of controls for another environment; the number of its lines."""
    lines = [json.dumps(line) for line in controls(version, names)]
    path.write_text("\n".join(lines) + "\n")
    return len(lines)
