"""How many shares IBKR has to lend: asked for by generic tick 236, for a moment, from time to time.

A stream would take one of the lines of market data for good, so instruments are asked in turn, a few at once, and let
go.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import partial

from core.errors import StoreError, UnansweredError
from live.deadlines import Deadlines
from live.pump import EventPump
from stores import IBStore, Instrument
from stores.events import TickArrived

logger = logging.getLogger(__name__)
SHORTABLE_SHARES = "236"  # generic tick
TICK = 89  # the shares that can be borrowed
EVERY = 900.0  # seconds between two questions
PATIENCE = 20.0  # seconds that a question waits
AT_ONCE = 5  # streams


class ShortBook:
    """``shares``: conId -> units that can be borrowed, as IBKR said last."""

    def __init__(
        self, store: IBStore, pump: EventPump, deadlines: Deadlines, instruments: Mapping[str, Instrument]
    ) -> None:
        self.shares: dict[int, float] = {}
        self._store = store
        self._deadlines = deadlines
        self._instruments = {each.con_id: each for each in instruments.values() if each.sec_type == "STK"}
        self._streams: dict[int, int] = {}  # stream -> conId
        self._waiting: list[Instrument] = []  # for their turn
        pump.on(TickArrived, self._ticked)

    def ask(self) -> None:
        """Ask for all, now and from time to time."""
        self._waiting = [each for con_id, each in self._instruments.items() if con_id not in self._streams.values()]
        self._deadlines.set("shortable shares", EVERY, self.ask)
        self._go_on()

    def _go_on(self) -> None:
        while self._waiting and len(self._streams) < AT_ONCE:
            self._try(partial(self._subscribe, self._waiting.pop(0)))
        if self._streams:
            self._deadlines.set("shortable shares, patience", PATIENCE, self._give_up)

    def _give_up(self) -> None:
        """Those that did not answer keep what was known; the next ones have their turn."""
        self._let_go()
        self._go_on()

    def end(self) -> None:
        """Ask no more."""
        self._waiting = []
        self._let_go()

    def _let_go(self) -> None:
        for stream in list(self._streams):
            del self._streams[stream]
            self._try(partial(self._store.unsubscribe, stream))

    def why_not(self, instrument: Instrument, quantity: float) -> str:
        """Why so many units cannot be sold short, as far as it is known; "" = they may be."""
        shares = self.shares.get(instrument.con_id)
        if shares is None or shares >= quantity:
            return ""
        return f"{instrument.symbol}: {shares:,.0f} shares can be borrowed, {quantity:,.0f} are needed"

    def _subscribe(self, instrument: Instrument) -> None:
        stream = self._store.subscribe_quotes(instrument, generic=SHORTABLE_SHARES)
        self._streams[stream] = instrument.con_id

    def _ticked(self, event: TickArrived) -> None:
        con_id = self._streams.get(event.stream)
        if con_id is None or event.kind != TICK:
            return
        self.shares[con_id] = event.value
        del self._streams[event.stream]
        self._try(partial(self._store.unsubscribe, event.stream))
        self._go_on()

    def _try(self, act: Callable[[], object]) -> None:
        try:
            act()
        except (StoreError, UnansweredError) as error:
            logger.info("shortable shares: %s", error)
