"""The raw client of the faults' tests is that of the gateway's own: it is imported as ``faulty.wire``."""

from __future__ import annotations

import sys
from pathlib import Path

FOLDER = str(Path(__file__).resolve().parent / "faults")
if FOLDER not in sys.path:
    sys.path.insert(0, FOLDER)
