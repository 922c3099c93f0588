"""Records that a test has changed, closed as the recorder closes them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable


def sealed(lines: Iterable[str]) -> str:
    """The text of a record with these lines (without their ends), under a digest of their own."""
    text = "".join(f"{line}\n" for line in lines if not line.startswith('{"end"'))
    end = {"is_whole": True, "sha256": hashlib.sha256(text.encode()).hexdigest()}
    return text + json.dumps({"end": end}) + "\n"
