"""One process at a time: a lock on a file beside the journal, which the system lifts when the process ends."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import weakref
from pathlib import Path
from typing import IO

from core.errors import LedgerError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_HELD = frozenset({errno.EACCES, errno.EAGAIN, errno.EDEADLK})  # a lock that somebody has
_CURES = {
    errno.ENOSPC: ("the disk is full", "free space on the disk or set paths.state to another one"),
    errno.EDQUOT: ("the disk quota is used up", "free space or set paths.state to another disk"),
    errno.ENOLCK: ("its file system has no locks", "set paths.state to a folder on a local disk"),
}
_open_locks: weakref.WeakSet[ProcessLock] = weakref.WeakSet()


class ProcessLock:
    """Holds ``path`` until ``release``; the file stays, with the number of the process that held it last.

    Raises LedgerError, with the cure, where another process (or another journal of this one) has it or the file cannot
    be written. ``kill -9`` releases it; a forked child does not keep it.
    """

    def __init__(self, path: Path, what: str) -> None:
        self.path = path
        self._file: IO[str] | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o644), "r+", encoding="ascii")
        except OSError as error:
            raise _failure(error, what, path) from error
        try:
            _lock(file)
        except OSError as error:
            holder = _holder(file)
            file.close()
            if error.errno in _HELD:
                raise LedgerError(
                    f"{what} is held by {holder}: two would send the same orders; end that process, or set "
                    f"paths.state of one of them to another folder"
                ) from error
            raise _failure(error, what, path) from error
        try:
            file.seek(0)
            file.write(f"{os.getpid():<19}\n")
            file.flush()
        except OSError as error:
            with contextlib.suppress(OSError):  # what could not be flushed is tried again by close
                file.close()
            raise _failure(error, what, path) from error
        self._file = file
        _open_locks.add(self)

    def release(self) -> None:
        """Let another process have it. A second call does nothing."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _holder(file: IO[str]) -> str:
    try:
        file.seek(0)
        pid = file.read(20).strip()
    except OSError:  # Windows denies reading what is locked
        pid = ""
    return f"process {pid}" if pid else "another process"


def _failure(error: OSError, what: str, path: Path) -> LedgerError:
    known = _CURES.get(error.errno or 0)
    reason, cure = known or (error.strerror or str(error), "set paths.state to a folder that may be written")
    return LedgerError(f"{what}: its lock {path.name} cannot be written ({reason}); {cure}")


def _lock(file: IO[str]) -> None:
    if sys.platform == "win32":
        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)


def _let_go_in_child() -> None:
    for lock in list(_open_locks):
        lock.release()  # closes the child's copy alone; the parent's lock stands


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go_in_child)
