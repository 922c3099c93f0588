"""The harness of pairs in the market of a backtest is imported as ``legged``."""

from __future__ import annotations

import sys
from pathlib import Path

FOLDER = str(Path(__file__).resolve().parents[2] / "engine" / "venue")
if FOLDER not in sys.path:
    sys.path.insert(0, FOLDER)
