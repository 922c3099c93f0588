"""Files read whole, and what is no file refused before anybody waits for its end."""

from __future__ import annotations

import contextlib
import errno
import stat
from pathlib import Path

_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def bytes_of(file: Path) -> bytes:
    """The content of a regular file, or of what a link to one leads to.

    Raises OSError, also for a pipe, a socket and a device: reading these waits for a writer, or never ends. Raises
    ValueError for a name that no file can have.
    """
    kind = None
    with contextlib.suppress(OSError):  # reading says it better
        kind = _KINDS.get(stat.S_IFMT(file.stat().st_mode))
    if kind is not None:
        raise OSError(errno.EINVAL, f"{kind}, not a file")
    return file.read_bytes()
