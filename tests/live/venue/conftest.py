"""The harness of this folder is imported as ``atibkr``, that of the brokers' contract as ``contracted``, that of the
store as ``stored``.

Nothing that is sent may fail in the library's decoder.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
TESTS = HERE.parents[1]
for folder in (HERE, TESTS / "engine" / "venue", TESTS / "stores"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
pytest.register_assert_rewrite("contracted.suite", "stored.understood")

from stored.understood import all_is_understood  # noqa: E402, F401 - used by every test
