"""A live session in a process of its own, on a gateway of another one: ``child.py PORT FACTOR STATE``.

When all is imported it says so and reads the gateway's time from its input, from which its clock goes on.
"""

from __future__ import annotations

import datetime as dt
import sys

import typer

from commands.console import console, readable
from commands.live import STOPPED, _run
from commands.live_console import LiveConsole
from gateway.data.clock import AcceleratedClock
from live.rehearsal import rehearsal_settings
from live.session import LiveSession
from stores import StoreSettings

if __name__ == "__main__":
    port, factor, state = sys.argv[1:4]
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    now = dt.datetime.fromisoformat(sys.stdin.readline().strip())
    shown = LiveConsole(console)
    session = LiveSession(
        rehearsal_settings([f"paths.state={state}", *sys.argv[4:]]),
        store=StoreSettings(port=int(port), start_timeout=30.0, backoff_first=0.1),
        clock=AcceleratedClock(now, float(factor)),
        tell=shown.tell,
        marked=shown.marked,
    )
    try:
        with readable(False, STOPPED):
            _run(session, shown)
    except typer.Exit as end:  # the command line would
        sys.exit(end.exit_code)
