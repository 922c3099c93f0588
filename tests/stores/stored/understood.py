"""What is true after every test of a store: nothing was misunderstood, and no thread of it is left."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator

import pytest


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
