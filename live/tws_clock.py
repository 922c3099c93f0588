"""The clock of a session that goes by the time of TWS, whatever the machine's says.

It is for a paper gateway that plays another day in a process of its own. A real account is refused: there a clock that
is off is a fault of this machine, which has to be mended.
"""

from __future__ import annotations

import datetime as dt
import time

from core.clock import SteadyClock
from core.errors import SessionError
from stores import IBStore, StoreSettings
from stores.events import AccountKind

WATCHED = 2.0  # seconds, real ones, for which the pace of TWS's time is looked at, at least
PATIENCE = 6.0  # seconds until its next second comes
PAUSE = 0.05  # seconds between two questions
PACES = (0.8, 1.25)  # of TWS's seconds to real ones: what counts as real time


class TwsClock(SteadyClock):
    """The steady clock, put forward (or back) by what TWS's was ahead of it when this was made."""

    def __init__(self, ahead: dt.timedelta) -> None:
        super().__init__()
        self.ahead = ahead

    def now(self) -> dt.datetime:
        return super().now() + self.ahead


def tws_clock(settings: StoreSettings) -> TwsClock:
    """Log in, look at TWS's time until its pace is known, and log off.

    Raises SessionError for a real account and for a time that does not pass as the real one does, and what
    ``IBStore.start`` raises.
    """
    steady = SteadyClock()
    with IBStore(settings, steady) as store:
        if store.account_kind is AccountKind.REAL:
            raise SessionError(
                f"--clock tws is for paper accounts, and {store.account} is a real-money account: let the machine keep "
                f"its time by NTP, and leave --clock out"
            )
        first, began = _next_second(store)
        told, seen = _next_second(store)
        while seen - began < WATCHED:
            told, seen = _next_second(store)
        ahead = told - steady.now()
    pace = (told - first).total_seconds() / (seen - began)
    if not PACES[0] <= pace <= PACES[1]:
        raise SessionError(
            f"the time of TWS goes {pace:.3g} times as fast as the real one, and a session that is not a rehearsal "
            f"trades in real time: start `halflife gateway` at --speed 1, or use `halflife live --rehearse --speed`"
        )
    return TwsClock(ahead)


def _next_second(store: IBStore) -> tuple[dt.datetime, float]:
    """TWS's time when it tells another second than before, and the real seconds (monotonic) of that moment."""
    before, end = store.current_time(), time.monotonic() + PATIENCE
    while time.monotonic() < end:
        time.sleep(PAUSE)
        told = store.current_time()
        if told != before:
            return told, time.monotonic()
    raise SessionError(
        f"the time of TWS stands still at {before:%Y-%m-%d %H:%M:%S} UTC, as that of a gateway in lockstep does: start "
        f"`halflife gateway` at --speed 1, or use `halflife live --rehearse`"
    )
