"""The harness of this folder is imported as ``atibkr``, that of the brokers' contract as ``contracted``.

Nothing that is sent may fail in the library's decoder.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
for folder in (HERE, HERE.parents[1] / "engine" / "venue"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
pytest.register_assert_rewrite("contracted.suite")


@pytest.fixture(autouse=True)
def all_is_understood(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """A message that cannot be decoded, or a failure in the store's thread, is only logged; and threads end."""
    yield
    told = [
        record.getMessage()
        for when in ("setup", "call")
        for record in caplog.get_records(when)
        if record.levelno >= logging.ERROR
        and (record.name.endswith(".Decoder") or record.name.startswith(("stores.", "asyncio")))
    ]
    assert not told, told[0]
    left = [thread.name for thread in threading.enumerate() if thread.name == "halflife-ib"]
    assert not left
