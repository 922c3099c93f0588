"""The version, in one place: setup.cfg reads it from here, results and the ledger record it."""

import functools
import hashlib
from pathlib import Path

VERSION = "0.1.0"
_FOLDERS = "core books feeds indicators risk sizers analyzers strategies engine".split()  # what can move a result


@functools.cache
def code_version() -> str:
    """Return the version and a digest of the sources that can move a result: ``"0.1.0+3f2a9c41d0be"``.

    Two runs of one version with different digests came from different code, committed or not.
    """
    root = Path(__file__).resolve().parent.parent
    digest = hashlib.sha256()
    for folder in _FOLDERS:
        for file in sorted((root / folder).rglob("*.py")):
            digest.update(f"{file.relative_to(root).as_posix()}\0".encode())
            digest.update(file.read_bytes().replace(b"\r\n", b"\n"))
    return f"{VERSION}+{digest.hexdigest()[:12]}"
