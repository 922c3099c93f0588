"""Look for differences for a while and print the smallest programme of each kind, without hypothesis.

    python tests/engine/parity/hunt.py [--seconds 120] [--seed 1] [--profile orders ...] [--out FILE]

Kinds are told apart by the first difference (event and field). Quicker than a test run when there are many: one
difference does not end the search.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
import time
import warnings
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parents[3])]

from parity.compare import Difference, compare  # noqa: E402
from parity.decode import SIZE, decode  # noqa: E402
from parity.engines import MIXED, OURS, Engine  # noqa: E402

PROFILES = ("orders", "calendars", "graphs", "everything")


def signature(difference: Difference) -> str:
    return f"{difference.kind}: {re.sub(r'[0-9]+', 'n', difference.what)}"


def smaller(raw: bytes, profile: str, engine: Engine, kind: str, tries: int = 250) -> bytes:
    """Zero what can be zeroed, first in long stretches, while the kind of difference stays."""
    length = 64
    while length and tries > 0:
        for start in range(0, SIZE, length):
            part = raw[start : start + length]
            if not any(part) or tries <= 0:
                continue
            tries -= 1
            simpler = raw[:start] + bytes(len(part)) + raw[start + length :]
            if decode(simpler, profile) == decode(raw, profile):
                raw = simpler
                tries += 1
                continue
            difference = compare(decode(simpler, profile), engine)
            if difference is not None and signature(difference) == kind:
                raw = simpler
        length //= 2
    return raw


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--profile", nargs="*", default=list(PROFILES), choices=PROFILES)
    parser.add_argument("--engine", default="ours", choices=["ours", *MIXED])
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    warnings.simplefilter("error")
    for text in ("invalid escape sequence", r"datetime.datetime.utc", "Pickle, copy"):
        warnings.filterwarnings("ignore", message=text)
    engine = OURS if asked.engine == "ours" else MIXED[asked.engine]
    chance, found, cases = random.Random(asked.seed), {}, 0
    until = time.monotonic() + asked.seconds
    while time.monotonic() < until:
        profile = chance.choice(asked.profile)
        raw = chance.randbytes(SIZE)
        difference = compare(decode(raw, profile), engine)
        cases += 1
        if difference is None:
            continue
        kind = signature(difference)
        if kind in found:
            found[kind][0] += 1
            continue
        raw = smaller(raw, profile, engine, kind)
        programme = decode(raw, profile)
        found[kind] = [1, f"{kind}\n{programme!r}\n{compare(programme, engine)}"]
        sys.stdout.write(f"[{cases}] {found[kind][1]}\n\n")
        sys.stdout.flush()
    report = [f"{cases} cases, seed {asked.seed}, {engine.name}: {len(found)} kinds of difference"]
    report += [f"{count} times {text}" for count, text in sorted(found.values(), reverse=True)]
    sys.stdout.write(report[0] + "\n")
    if asked.out:
        asked.out.write_text("\n\n".join(report) + "\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
