"""The harness of the brokers' contract is on the path for every test of a venue."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

FOLDER = str(Path(__file__).resolve().parent)
if FOLDER not in sys.path:
    sys.path.insert(0, FOLDER)
pytest.register_assert_rewrite("contracted.suite", "contracted.scenario")
