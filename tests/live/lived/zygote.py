"""A process that has all imported and forks a live session for each line that it reads: ``zygote.py``.

A line is JSON: port, clock (file), state (folder), until, strategies, and at which point and count to be killed. The
answer is a line, too: how the session ended (``killed`` or ``ended``), and what went wrong.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import logging
import os
import sys
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from lived import desks, points, runs
from lived.clock import ToldClock

from core.calendar import ExchangeCalendar
from live.session import LiveSession
from stores.library import load


def live(order: dict[str, object]) -> None:
    """One life of a session."""
    if order.get("point"):
        points.arm(str(order["point"]), int(str(order["count"])))
    which = str(order["which"])
    settings = desks.settings({which: desks.OFTEN[which]})
    settings = settings.model_copy(update={"paths": settings.paths.model_copy(update={"state": str(order["state"])})})
    session = LiveSession(
        settings, store=runs.lockstep_at(int(str(order["port"]))), clock=ToldClock(Path(str(order["clock"]))),
        lockstep=True, until=dt.datetime.fromisoformat(str(order["until"])),
    )  # fmt: skip
    session.run()


def main() -> None:
    logging.disable(logging.CRITICAL)
    load()
    ExchangeCalendar("XNYS")
    desks.resolved()
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            try:
                live(json.loads(line))
            except BaseException:
                with contextlib.suppress(OSError):
                    sys.stderr.write(traceback.format_exc())
                    sys.stderr.flush()
                os._exit(1)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        ended = "killed" if os.WIFSIGNALED(status) else "ended" if os.WEXITSTATUS(status) == 0 else "failed"
        sys.stdout.write(ended + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
