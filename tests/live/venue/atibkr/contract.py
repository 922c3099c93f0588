"""Runs a scenario of the brokers' contract on IBBroker: store, journal and the paper gateway over its socket."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import backtrader as bt
import pandas as pd
from contracted.on_market import run_with
from contracted.scenario import Outcome, Scenario, at, minutes_of, quotes_of, seconds_of, settings_of

from books.intents import IntentJournal
from books.rates import Rates
from core.calendar import ExchangeCalendar
from core.events import Bus
from core.settings import Settings
from feeds import History
from gateway import Gateway
from gateway.data.contracts import ContractBook
from gateway.data.history import History as GatewayHistory
from gateway.data.tape import Tape
from gateway.market import Accounts, MarginRates
from gateway.model import Instrument
from live.broker import IBBroker
from live.pump import EventPump
from live.venue import IBVenue
from stores import IBStore, StoreSettings

ACCOUNT = "DU1234567"
_NUMBERS = itertools.count(1)


@dataclass
class Time:
    """Moves a gateway that stands still from moment to moment, with what happens to its market at them."""

    tws: Gateway
    store: IBStore
    pump: EventPump
    moments: list[dt.datetime]
    acts: dict[dt.datetime, Callable[[Any, Outcome], None]]
    outcome: Outcome

    def go_on(self, until: dt.datetime) -> bool:
        """One moment further, and all that comes of it is here; False where it is ``until`` already."""
        now = self.tws.now()
        if now >= until:
            return False
        wanted = min([*(m for m in self.moments if m > now), until])
        if wanted in self.acts:  # before the prices of that moment
            self.tws.advance(to=wanted - dt.timedelta(milliseconds=1))
            act = self.acts.pop(wanted)
            self.tws.call(lambda state: act(state.market, self.outcome))
        self.tws.advance(to=wanted)
        self.settle()
        return True

    def settle(self) -> None:
        self.store.current_time()
        self.pump.pump(0)


class StillData(bt.feed.DataBase):
    """Minutes that are delivered when the gateway's time has come to their end."""

    params = (("time", None), ("minutes", None))

    def islive(self) -> bool:
        return True

    def start(self) -> None:
        super().start()
        self._rows = list(self.p.minutes.itertuples())

    def _load(self) -> bool | None:
        time: Time = self.p.time
        time.settle()
        if not self._rows:
            return False
        row = self._rows[0]
        if time.go_on(row.Index.to_pydatetime()):
            return None
        self._rows.pop(0)
        self.lines.datetime[0] = bt.date2num(row.Index.to_pydatetime().replace(tzinfo=None))
        for name in ("open", "high", "low", "close", "volume"):
            getattr(self.lines, name)[0] = getattr(row, name)
        self.lines.openinterest[0] = 0.0
        return True


@dataclass(frozen=True)
class StillHistory(History):
    time: Any = field(default=None, kw_only=True)

    def data(self, symbol: str, **params: Any) -> Any:
        return StillData(dataname=symbol, time=self.time, minutes=self.frames[symbol], **params)


def instruments_of(settings: Settings) -> dict[str, Instrument]:
    made = {}
    for place, symbol in enumerate(settings.traded_symbols, start=1):
        known = settings.instruments[symbol]
        made[symbol] = Instrument(
            place, symbol, currency=known.currency, primary_exchange="NYSE", min_tick=known.tick, market_rule=26,
            calendar=known.exchange, time_zone=str(ExchangeCalendar(known.exchange).tz), schedule=known.schedule,
            shortable=1e12 if known.shortable else 0.0,
        )  # fmt: skip
    return made


def run_on_ibkr(scenario: Scenario) -> Outcome:
    settings, outcome = settings_of(scenario), Outcome()
    live = settings.live.model_copy(update={"fx": "settings", "what_if_eur": 0.0})
    settings = settings.model_copy(update={"live": live})
    made = instruments_of(settings)
    bars = {made[symbol]: seconds_of(rows) for symbol, rows in scenario.prices.items()}
    quotes = {made[symbol]: quotes_of(rows) for symbol, rows in scenario.shown.items()}
    tape, book = Tape(bars, quotes or None, 1), ContractBook(made.values())
    costs, margin = settings.costs, settings.account.initial_margin
    accounts = Accounts(
        {ACCOUNT: settings.account.capital}, settings.account.currency,
        Rates.exchange(costs.fx, settings.account.currency),
        margin=MarginRates(initial_long=margin, initial_short=margin), fees=costs.fees,
    )  # fmt: skip
    start = tape.begin - dt.timedelta(seconds=1)
    with Gateway(tape, book, GatewayHistory(tape, book), speed="still", start=start, accounts=accounts) as tws:
        if costs.slippage.model == "volume_share":
            share = costs.slippage.volume_limit
            tws.call(lambda state: setattr(state.market.life.exchange, "_participation", share))
        store = IBStore(StoreSettings(port=tws.port, heartbeat=0.0, messages_per_second=0), tws.tws.clock).start()
        file = Path(f"contract-{next(_NUMBERS)}.sqlite")
        journal = IntentJournal(file, store.account, client_id=1, clock=store.clock, journal_id="test")
        try:
            pump = EventPump(store)
            venue = IBVenue(
                store, journal, settings=settings, clock=store.clock, bus=Bus(), pump=pump, shortable_ticks=False
            )
            pump.pump(1.0)
            assert venue.is_reconciled
            frames = {symbol: minutes_of(frame) for symbol, frame in _by_symbol(bars).items()}
            moments = sorted({m.to_pydatetime() for frame in (*bars.values(), *quotes.values()) for m in frame.index})
            acts = {at(time).to_pydatetime(): act for time, act in scenario.market_acts.items()}
            moments = sorted({*moments, *acts, *_between(moments)})
            time = Time(tws, store, pump, moments, acts, outcome)
            history = StillHistory(frames, [], None, time=time)
            return run_with(IBBroker(venue, settings=settings), settings, history, scenario, outcome)
        finally:
            store.stop()
            journal.close()


def _by_symbol(bars: dict[Instrument, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    return {instrument.symbol: frame for instrument, frame in bars.items()}


def _between(moments: list[dt.datetime]) -> list[dt.datetime]:
    """Some moments within a minute, so that what is due between two prices happens at its time."""
    return [m + dt.timedelta(seconds=s) for m in moments for s in (5, 15, 30)]
