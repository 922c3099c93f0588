"""The harness of this folder is imported as ``walked``."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

FOLDER = str(Path(__file__).resolve().parent)
if FOLDER not in sys.path:
    sys.path.insert(0, FOLDER)

from walked import environments  # noqa: E402 - it is found by the line above


@pytest.fixture(scope="session")
def command(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], list[str]]:
    """Client -> the command of its walk. Makes the client's environment if there is none yet."""
    shared = tmp_path_factory.getbasetemp()
    shared = shared.parent if "PYTEST_XDIST_WORKER" in os.environ else shared
    folder = Path(os.environ.get(environments.VARIABLE) or shared / "clients")

    def found(client: str) -> list[str]:
        if client == "ib_insync":
            return [sys.executable, "ib_family.py", client]
        place = environments.make(client, folder)
        if client == "stoqey":
            return ["node", "stoqey.js", str(place)]
        return [str(place), "ib_family.py", client] if client == "ib_async" else [str(place), "official.py"]

    return found
