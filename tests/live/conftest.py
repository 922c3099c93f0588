"""The harnesses of live trading are imported as ``lived`` (a session beside a backtest, and what is true at the
gateway)."""

from __future__ import annotations

import sys
from pathlib import Path

FOLDER = str(Path(__file__).resolve().parent)
if FOLDER not in sys.path:
    sys.path.insert(0, FOLDER)
