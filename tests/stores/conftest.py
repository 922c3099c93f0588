"""The harness of this folder is imported as ``stored``; nothing that is sent may fail in the library's decoder."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

FOLDER = str(Path(__file__).resolve().parent)
if FOLDER not in sys.path:
    sys.path.insert(0, FOLDER)
pytest.register_assert_rewrite("stored.understood")

from stored.understood import all_is_understood  # noqa: E402, F401 - used by every test
