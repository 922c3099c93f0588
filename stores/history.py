"""Requests for history: paced, asked again where that helps, and never an empty answer for a failed one."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Hashable
from typing import TYPE_CHECKING

from stores.converting import contract_of, time_text
from stores.errors import NotSentError, RequestError, RequestRefused, UnansweredError
from stores.pacing import SMALL_BARS, HistoryPacer
from stores.records import HistoryBar, Instrument
from stores.streams import BAR_SECONDS

if TYPE_CHECKING:
    from stores.desk import Desk

MOST_OPEN = 45  # IBKR allows 50
TRIES = 5
REST = 15.0  # seconds after a pacing violation; twice as long after each further one


class HistoryDesk:
    """Asks for bars and head timestamps."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._pacer = HistoryPacer(desk.settings.history_requests)
        self._open = asyncio.Semaphore(MOST_OPEN)

    async def bars(
        self, instrument: Instrument, end: dt.datetime | None, duration: str, bar: str, what: str, rth: bool
    ) -> list[HistoryBar]:
        """Bars up to ``end`` (None: now); an empty list where IBKR has none. See ``IBStore.history``."""
        if bar not in BAR_SECONDS:
            raise RequestError(f"IBKR has no bars of {bar!r}; it has {', '.join(BAR_SECONDS)}")
        end_text = "" if end is None else time_text(end)
        name = f"history of {instrument.symbol} ({bar}, {duration} to {end_text or 'now'})"
        failure: Exception | None = None
        async with self._open:
            for attempt in range(TRIES):
                await self._until_up(name)
                if BAR_SECONDS[bar] <= SMALL_BARS:
                    await self.turn(instrument, what, (end_text, duration, bar, rth))
                try:
                    return await self._ask(name, instrument, end_text, duration, bar, what, rth)
                except RequestRefused as refused:
                    if "pacing" not in refused.said.lower():
                        raise
                    failure = refused
                    rest = REST * 2**attempt
                    if BAR_SECONDS[bar] > SMALL_BARS:
                        await self._rest(rest)
                    else:
                        self._pacer.violated(self._time(), rest)
                except (UnansweredError, NotSentError) as error:
                    failure = error
                    if self._desk.history_is_up.is_set() and self._desk.connection.is_up:
                        raise
        assert failure is not None  # TRIES is above 0
        raise failure

    async def _ask(
        self, name: str, instrument: Instrument, end: str, duration: str, bar: str, what: str, rth: bool
    ) -> list[HistoryBar]:
        desk = self._desk
        req_id = desk.request_ids.take()
        request = desk.requests.open(req_id, name)
        try:
            await desk.send(
                "reqHistoricalData", req_id, contract_of(instrument), end, duration, bar, what, rth, 2, False, []
            )
            rows: list[HistoryBar] = await desk.answer(request, desk.settings.history_timeout)
            return rows
        except UnansweredError:
            if desk.connection.is_up:
                await desk.send("cancelHistoricalData", req_id)
            raise
        finally:
            desk.requests.forget(req_id)

    async def head(self, instrument: Instrument, what: str, rth: bool) -> dt.datetime:
        """The earliest moment for which IBKR has data."""
        desk = self._desk
        req_id = desk.request_ids.take()
        name = f"the first data of {instrument.symbol}"
        told = await desk.ask(
            req_id, name, "reqHeadTimeStamp", req_id, contract_of(instrument), what, rth, 2,
            seconds=desk.settings.history_timeout,
        )  # fmt: skip
        if not isinstance(told, dt.datetime):
            raise RequestError(f"{name}: IBKR has none for {what}; ask for another kind of price")
        return told

    async def turn(self, instrument: Instrument, what: str, request: Hashable) -> None:
        """Wait until a request for small bars may be made, and count it. ``request`` None: it may be repeated."""
        subject = (instrument.con_id, instrument.exchange, what)
        same = None if request is None else (subject, request)
        weight = 2 if what == "BID_ASK" else 1
        while (wait := self._pacer.wait(self._time(), subject, same, weight)) > 0:
            await self._rest(wait)
        self._pacer.made(self._time(), subject, same, weight)

    def violated(self) -> None:
        """IBKR complains of pacing."""
        self._pacer.violated(self._time(), REST)

    def _time(self) -> float:
        """A virtual clock, or the machine's: an accelerated rehearsal sends in real time, too."""
        return self._desk.now().timestamp() if self._desk.is_virtual else self._desk.loop_time()

    async def _rest(self, seconds: float) -> None:
        if self._desk.is_virtual:
            self._desk.clock.sleep(seconds)
            await asyncio.sleep(0)
        else:
            await asyncio.sleep(seconds)

    async def _until_up(self, name: str) -> None:
        """Wait for the connection and the history farm, as long as an answer may take."""
        desk = self._desk
        try:
            async with asyncio.timeout(desk.patience(desk.settings.history_timeout)):
                await desk.connection.until_up()
                await desk.history_is_up.wait()
        except TimeoutError:
            why = desk.connection.why_not() if not desk.connection.is_up else "IBKR's history farm is down"
            raise NotSentError(f"{name} was not asked for: {why}; ask again later") from None
