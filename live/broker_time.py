"""IBKR's time: the machine's clock, put right by what it is off."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable

from core.logs import log_event
from live.pump import EventPump, Timer

logger = logging.getLogger(__name__)
TOLD = dt.timedelta(seconds=1)  # IBKR tells its time in whole seconds
SAME_CLOCK = dt.timedelta(seconds=1.5)  # a difference that means nothing


class BrokerTime:
    """Whether a bar has ended is IBKR's to say: one that still grows must not be taken for complete."""

    def __init__(self, pump: EventPump) -> None:
        self._pump = pump
        self._offset = dt.timedelta(0)  # of IBKR's clock to ours

    def now(self) -> dt.datetime:
        return self._pump.clock.now() + self._offset

    @property
    def offset(self) -> dt.timedelta:
        """By how much IBKR's clock is ahead of the machine's; 0 for a difference that means nothing."""
        return self._offset

    def call_at(self, when: dt.datetime, what: Callable[[], object]) -> Timer:
        """Do something when IBKR's clock is there."""
        return self._pump.call_at(when - self._offset, what)

    def compare(self) -> None:
        """Ask IBKR for its time. In lockstep it is one clock, and nothing is asked.

        Raises StoreError, UnansweredError.
        """
        if self._pump.lockstep:
            return
        clock = self._pump.clock
        before = clock.now()
        told = self._pump.store.current_time() + TOLD / 2
        offset = told - before - (clock.now() - before) / 2
        self._offset = offset if abs(offset) > SAME_CLOCK else dt.timedelta(0)
        if self._offset:
            log_event(
                logger, "clock_is_off", level=logging.WARNING, seconds=round(offset.total_seconds(), 1),
                cure="let the machine keep its time by NTP",
            )  # fmt: skip
