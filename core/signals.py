"""Ctrl-C (SIGINT) and SIGTERM, which is answered alike: what was computed is kept, and nothing is kept half.

A run has three stretches. Until the first bar there is nothing to keep, and the process ends at once. While bars pass,
a signal stops the run at the next bar. From then on signals are counted, and the results are written.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType, TracebackType

EXIT_INTERRUPTED = 130
SIGNALS = (signal.SIGINT, signal.SIGTERM)
_SHOW_CURSOR = "\x1b[?25h\r"  # a progress bar hides it


def end_at_once(number: int, frame: FrameType | None) -> None:
    """End the process with one line and exit code 130: the handler for as long as there is nothing to lose.

    An exception would not do: an extension module that is just being imported may swallow it.
    """
    cursor = _SHOW_CURSOR if sys.stderr is not None and sys.stderr.isatty() else ""
    os.write(2, f"{cursor}Stopped; there are no results yet.\n".encode())
    os._exit(EXIT_INTERRUPTED)


def end_on_signal() -> None:
    """From now on, SIGINT and SIGTERM end the process at once, until somebody else handles them."""
    for number in SIGNALS:
        signal.signal(number, end_at_once)


class HeldSignals:
    """Counts signals while it is entered. Outside the main thread, which alone gets signals, it does nothing.

    With ``keep_from_now`` not called yet, a signal still goes to the handler that was there before. ``raising`` makes
    the next one a KeyboardInterrupt.
    """

    def __init__(self, keep: bool = True) -> None:
        self.count = 0
        self.handed_on = False  # the first one, to who runs
        self.raising = False
        self._keep = keep
        self._main = threading.current_thread() is threading.main_thread()
        self._previous: dict[int, signal._HANDLER] = {}
        self._runner: signal._HANDLER = None

    def keep_from_now(self) -> None:
        """There is something to keep: the first signal goes to who runs (it stops at the next bar), others wait."""
        if self._keep or not self._main:
            return
        self._keep = True
        runner = signal.getsignal(signal.SIGINT)
        self._runner = runner if runner != self._answer else None
        for number in SIGNALS:
            signal.signal(number, self._answer)

    def _answer(self, number: int, frame: FrameType | None) -> None:
        if not self._keep:
            previous = self._previous[number]
            if callable(previous):
                previous(number, frame)
            else:
                raise KeyboardInterrupt
        self.count += 1
        if self.raising:
            self.raising = False
            raise KeyboardInterrupt
        if self.count == 1 and callable(self._runner):
            self.handed_on = True
            with contextlib.suppress(KeyboardInterrupt):  # its answer to a second signal
                self._runner(number, frame)

    def __enter__(self) -> HeldSignals:
        if self._main:
            self._previous = {number: signal.signal(number, self._answer) for number in SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Signals wait until the block is done; the first of them then goes to who handles it otherwise."""
    waiting: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = {number: signal.signal(number, lambda number, frame: waiting.append(number)) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
        if waiting:
            signal.raise_signal(waiting[0])


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """SIGINT and SIGTERM raise KeyboardInterrupt, once: after that the process is ending, which nothing cuts short."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    asked = False

    def answer(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if not asked:
            asked = True
            raise KeyboardInterrupt

    previous = {number: signal.signal(number, answer) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, signal.SIG_IGN if asked else handler)
