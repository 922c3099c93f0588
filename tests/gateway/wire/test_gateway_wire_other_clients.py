"""The decoders and encoders of libraries that live in environments of their own.

``HALFLIFE_CLIENTS`` names them: ``library=python`` pairs with commas between, for example
``ib_async=/envs/ib_async/bin/python,ibapi=/envs/nautilus/bin/python``. For ``ibapi`` the left-over check runs: IB's
own decoder must not leave a field, in IB's current client (as nautilus-ibapi) and in that of 2020 (9.81.1, to 157).
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from wired import samples
from wired.tampering import write_controls
from wired.unsent import misread

from gateway.wire import VERSIONS

HARNESS = Path(__file__).resolve().parent / "wired"
CLIENTS = [pair.split("=", 1) for pair in os.environ.get("HALFLIFE_CLIENTS", "").split(",") if pair]
HIGHEST = "from ibapi.server_versions import *; print(max(v for k, v in globals().items() if k.startswith('MIN_S')))"
EXACT = ("tickPrice", "updatePortfolio", "position", "commissionReport")  # where ib_async counts the fields
SURPLUS = ("openOrder", "contractDetails", "completedOrder", "orderStatus", "execDetails", "position")

pytestmark = pytest.mark.skipif(not CLIENTS, reason="no environments of other clients: HALFLIFE_CLIENTS is not set")


def run(python: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run([python, *arguments], capture_output=True, text=True, env=environment, check=False)


def spoken(library: str, python: str) -> list[int]:
    """The versions that a library speaks."""
    highest = {"ib_insync": 176, "ib_async": 178}.get(library) or int(run(python, "-c", HIGHEST).stdout)
    return [version for version in VERSIONS if version <= highest]


@pytest.mark.parametrize(("library", "python"), CLIENTS)
def test_the_client_objects_to_no_answer(library: str, python: str, tmp_path: Path) -> None:
    frames = tmp_path / "frames.jsonl"
    count = samples.write_frames(frames, spoken(library, python))
    done = run(python, str(HARNESS / "oracle.py"), str(frames), library)
    last = done.stdout.splitlines()[-1] if done.stdout else done.stderr
    assert last.endswith(" 0 objections"), done.stdout[-5000:] + done.stderr
    assert int(last.split()[1]) >= 0.95 * count  # the client of 2020 has no handler for four messages


@pytest.mark.parametrize(("library", "python"), CLIENTS)
def test_the_client_objects_to_every_control(library: str, python: str, tmp_path: Path) -> None:
    controls = tmp_path / "controls.jsonl"
    names = SURPLUS if library == "ibapi" else EXACT
    count = write_controls(controls, 157, names)
    assert count == 3 * len(names)
    for line in controls.read_text().splitlines():
        alone = tmp_path / "alone.jsonl"
        alone.write_text(line)
        done = run(python, str(HARNESS / "oracle.py"), str(alone), library)
        assert done.returncode == 1 and "1 messages" in done.stdout, (json.loads(line)["how"], done.stdout, done.stderr)


@pytest.mark.parametrize(("library", "python"), CLIENTS)
def test_every_request_of_the_client_is_read(library: str, python: str, tmp_path: Path) -> None:
    asked = tmp_path / "asked.jsonl"
    count = samples.write_asked(asked, spoken(library, python))
    done = run(python, str(HARNESS / "asker.py"), str(asked), library)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    sent = [line for line in lines if line["payload"] is not None]
    assert len(lines) == count
    assert len(sent) >= 0.9 * count  # the official clients refuse what the version does not have yet
    for line in sent:
        payload = line["payload"].encode("latin-1")
        assert not misread(library, line["version"], line["name"], line["values"], payload), line["name"]
