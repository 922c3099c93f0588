"""The harness of this folder is imported as ``replayed``; the sample over a change of the clocks is made once."""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path

import pytest

from gateway.data.history import History
from gateway.data.sample import Sample, make_sample

FOLDER = str(Path(__file__).resolve().parent)
if FOLDER not in sys.path:
    sys.path.insert(0, FOLDER)


@pytest.fixture(scope="session")
def sample() -> Sample:
    """Friday 8 and Monday 11 March 2024; the clocks in New York changed between them."""
    return make_sample(dt.date(2024, 3, 8), seed=3, sessions=2)


@pytest.fixture(scope="session")
def history(sample: Sample) -> History:
    return sample.history()
