"""The harness of this folder is imported as ``parity``; the folder of the tests of the engine must be on the path."""

from __future__ import annotations

import sys
from pathlib import Path

FOLDER = str(Path(__file__).resolve().parent.parent)
if FOLDER not in sys.path:
    sys.path.insert(0, FOLDER)
