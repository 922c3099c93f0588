"""The gateway's market within the process, played over bars that are finer than those of the strategies.

Matching, brackets, OCA groups, sessions and margin are the code that the paper gateway runs (``gateway.market``), in
the order in which the gateway takes a step of its tape: what is due, quotes, bars. So a backtest fills what a live
session through the gateway fills.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from books.interest import Interest
from books.rates import Rates
from core.calendar import ExchangeCalendar
from core.clock import VirtualClock
from core.errors import EngineError
from core.settings import Settings
from engine.fine_bars import NEVER, FineBars
from engine.venue import (
    Accepted,
    Carried,
    ChangeRefused,
    Charged,
    Corrected,
    End,
    Ended,
    Filled,
    Report,
    Resized,
    VenueOrder,
)
from feeds import History
from feeds.hours import SECONDS
from gateway.data.tape import Step, Tape
from gateway.hours import moment_of
from gateway.market import Accounts, MarginRates, Market
from gateway.model import CommissionReport, Execution, Instrument, Order, Values

ACCOUNT = "BOOK"
CLIENT = 1
DAILY = 86_400
_PLENTY = 1e12  # shares that can be borrowed of what is shortable
_WARNINGS = frozenset({399, 404, 2109, 10349})  # the order works
_MARGIN = "Available Funds are in sufficient"


class MarketVenue:
    """Venue of backtests. Raises EngineError where a traded symbol has neither fine bars nor quotes.

    ``history.fine``: bars of ``data.matching_bar`` by symbol, ``history.fine_quotes``: quotes, where there are any.
    ``market``: the gateway's market, whose interventions (halts, corrections, loans) tests and scenarios use.
    ``passes_over``: whether bars that reach no order are passed over, which changes nothing (``engine.fine_bars``).
    """

    passes_over = True

    def __init__(self, settings: Settings, history: History) -> None:
        self._settings = settings
        self.instruments = _instruments(settings)
        missing = [s for s in self.instruments if s not in history.fine and s not in history.fine_quotes]
        if missing:
            raise EngineError(
                f"{', '.join(missing)}: no bars of {settings.data.matching_bar} to match orders on; load the history "
                'with matching = "ibkr" in the settings'
            )
        seconds = DAILY if settings.data.matching_bar == "1d" else SECONDS[settings.data.matching_bar]
        self._tape = Tape(
            _by_instrument(self.instruments, history.fine),
            _by_instrument(self.instruments, history.fine_quotes),
            seconds,
        )
        self._before = _last_closes(self.instruments, history, self._tape.begin)

    # ------------------------------------------------------------------ life

    def open(self) -> Sequence[Carried]:
        """Begin, anew in each run, at the first moment of the fine bars, with an account of its own."""
        settings = self._settings
        costs = settings.costs
        self._reports: list[Report] = []
        self._orders: dict[int, Order] = {}  # ref -> the market's order
        self._quantities: dict[int, float] = {}  # ref -> quantity that was last told
        self._ended: set[int] = set()
        self._accepted: set[int] = set()
        self._changing = 0  # ref of the order that is being modified
        self._volume = 0.0  # of the bar that is matched, 0 = a quote is
        self._is_quote = False
        self._fine = FineBars(self._tape) if self.passes_over and not self._tape.quotes else None
        self._steps = self._tape.steps()
        self._ahead: Step | None = None  # the next one of a tape with quotes
        self._passed = 0  # bars up to this moment are over
        self.clock = VirtualClock(self._tape.begin)
        margin = settings.account.initial_margin
        accounts = Accounts(
            {ACCOUNT: settings.account.capital},
            settings.account.currency,
            Rates.exchange(costs.fx, settings.account.currency),
            margin=MarginRates(initial_long=margin, initial_short=margin),
            fees=costs.fees,
            interest=_interest(settings),
        )
        slippage = costs.slippage
        share = slippage.volume_limit if costs.enabled and slippage.model == "volume_share" else None
        self.market = Market(self.instruments.values(), accounts, self.clock.now, self, participation=share)
        accounts.prices.update(self._before)
        return ()

    def close(self) -> None:
        """Nothing is left open."""

    def why_no_entries(self, symbol: str) -> str:
        return ""

    # ------------------------------------------------------------------ time

    def play(
        self, until: dt.datetime | None, wake: Callable[[], dt.datetime | None]
    ) -> Iterator[tuple[dt.datetime, Sequence[Report]]]:
        """See ``engine.venue.Venue``. ``until`` is needed: the tape ends, but does not wait."""
        if until is None:
            raise EngineError("the market of a backtest plays up to a moment; give the time of the newest bar")
        woken: dt.datetime | None = None  # the last moment at which somebody was woken
        while True:
            if self._reports:  # what was asked for between two items is answered now
                yield self.clock.now(), self._taken()
                continue
            due = self.market.next_due
            step = self._next_step(until)
            when = min(due, until) if step is None else min(due, until, step.when)
            alarm = wake()
            if alarm is not None and alarm <= when and (woken is None or alarm > woken):
                woken = alarm
                self._go(max(alarm, self.clock.now()))
                yield self.clock.now(), self._taken()
                continue
            self._go(when)
            if step is not None and step.when == when:
                self._take(step)
            else:
                self.market.advance(when)
                if when == until and due > until:
                    self._know_prices(moment_of(when))
                    if self._reports:
                        continue
                    return

    def _next_step(self, until: dt.datetime) -> Step | None:
        """The next step of the tape that may change anything, up to ``until``."""
        if self._fine is None:
            return self._next_of_tape(until)
        moment = self._fine.next_touch(self.market, self._passed, moment_of(until))
        return None if moment == NEVER else self._fine.step(moment)

    def _next_of_tape(self, until: dt.datetime) -> Step | None:
        """The next step of a tape with quotes, all of which are taken."""
        if self._ahead is None:
            self._ahead = next(self._steps, None)
        return self._ahead if self._ahead is not None and self._ahead.when <= until else None

    def _know_prices(self, moment: int) -> None:
        """The last prices of bars that were passed over."""
        self._passed = max(self._passed, moment)
        if self._fine is not None:
            self.market.accounts.prices.update(self._fine.closes(self._passed))

    def _go(self, when: dt.datetime) -> None:
        """Move the clock, and the last prices to those of before."""
        if when > self.clock.now():
            self._know_prices(moment_of(when) - 1)
            self.clock.set(when)

    def _take(self, step: Step) -> None:
        """A step of the tape, as the gateway takes it."""
        market = self.market
        self._ahead, self._passed = None, moment_of(step.when)
        market.advance(step.when)
        self._is_quote = True
        for instrument, quote in step.quotes.items():
            market.quote(instrument, quote)
        self._is_quote = False
        for instrument, bar in step.bars.items():
            self._volume = bar.volume
            market.bar(instrument, bar)
        self._volume = 0.0

    def _taken(self) -> list[Report]:
        reports, self._reports = self._reports, []
        return reports

    # ------------------------------------------------------------------ orders

    def place(self, orders: Sequence[VenueOrder]) -> None:
        """Each bracket waits at the market until its last order is there."""
        last = {order.parent or order.ref: order.ref for order in orders}  # parent -> who sends the bracket on
        for order in orders:
            terms = terms_of(order)
            terms["transmit"] = last[order.parent or order.ref] == order.ref
            instrument = self.instruments[order.symbol]
            contract = {"conId": instrument.con_id, "exchange": "SMART"}
            made = self.market.new_order(CLIENT, order.ref, ACCOUNT, instrument, contract, terms)
            self._orders[order.ref], self._quantities[order.ref] = made, order.quantity
            self.market.place(made)

    def cancel(self, ref: int, why: str) -> None:
        order = self._orders[ref]
        if order.is_working:
            self.market.cancel(order)

    def modify(self, order: VenueOrder) -> None:
        working = self._orders[order.ref]
        terms = {**working.terms, **terms_of(order)}
        self._changing = order.ref
        self._quantities[order.ref] = order.quantity
        try:
            self.market.modify(working, working.contract, terms)
        finally:
            self._changing = 0

    def order(self, ref: int) -> Order:
        """The market's order of a ref. Raises KeyError for one that was never placed."""
        return self._orders[ref]

    # ------------------------------------------------------------------ what the market tells

    def order_changed(self, order: Order) -> None:
        ref, now = order.order_id, self.clock.now()
        if order.status in ("PreSubmitted", "Submitted", "Filled") and ref not in self._accepted:
            self._accepted.add(ref)
            self._reports.append(Accepted(ref=ref, when=now))
        if order.quantity != self._quantities[ref]:
            self._quantities[ref] = order.quantity
            self._reports.append(Resized(ref=ref, when=now, quantity=order.quantity))
        if order.status in ("Cancelled", "ApiCancelled") and ref not in self._ended:
            self._ended.add(ref)
            is_over = order.end_reason == "Expired"
            self._reports.append(
                Ended(ref=ref, when=now, how="expired" if is_over else "cancelled", code=202, text=order.end_reason)
            )

    def executed(self, execution: Execution) -> None:
        base, _, version = execution.exec_id.rpartition(".")
        order = execution.order
        if int(version) > 1:
            self._reports.append(
                Corrected(
                    ref=order.order_id, when=self.clock.now(), exec_id=execution.exec_id,
                    corrects=f"{base}.{int(version) - 1:02d}", quantity=execution.shares, price=execution.price,
                )
            )  # fmt: skip
            return
        self._reports.append(
            Filled(
                ref=order.order_id, when=execution.when, exec_id=execution.exec_id, quantity=execution.shares,
                price=execution.price, adds_liquidity=execution.last_liquidity == 1, is_quoted=self._is_quote,
                volume=self._volume,
            )
        )  # fmt: skip

    def charged(self, execution: Execution, report: CommissionReport) -> None:
        self._reports.append(
            Charged(
                ref=execution.order.order_id, when=self.clock.now(), exec_id=execution.exec_id,
                fees=report.commission, currency=report.currency,
            )
        )  # fmt: skip

    def told(self, order: Order, code: int, text: str, reject: Values | None = None) -> None:
        ref, now = order.order_id, self.clock.now()
        if order.status == "Inactive":
            if ref not in self._ended:
                self._ended.add(ref)
                how: End = "margin" if code == 201 and _MARGIN in text else "rejected"
                self._reports.append(Ended(ref=ref, when=now, how=how, code=code, text=text))
        elif ref == self._changing and code not in _WARNINGS:
            self._reports.append(ChangeRefused(ref=ref, when=now, code=code, text=text))


def terms_of(order: VenueOrder) -> Values:
    """The order in IBKR's fields, as a client writes them."""
    terms: Values = {
        "action": order.action,
        "totalQuantity": order.quantity,
        "orderType": order.kind,
        "tif": order.tif,
    }
    named: dict[str, Any] = {
        "lmtPrice": order.limit_price,
        "auxPrice": order.aux_price,
        "trailStopPrice": order.trail_stop_price,
        "trailingPercent": order.trailing_percent,
        "lmtPriceOffset": order.limit_offset,
        "parentId": order.parent,
        "goodTillDate": f"{order.good_till:%Y%m%d-%H:%M:%S}" if order.good_till is not None else None,
    }
    terms |= {name: value for name, value in named.items() if value is not None}
    if order.oca_group:
        terms |= {"ocaGroup": order.oca_group, "ocaType": 2}
    return terms


def _instruments(settings: Settings) -> dict[str, Instrument]:
    """What is traded, by symbol. con_id: its place, from 1 on."""
    made = {}
    for place, symbol in enumerate(settings.traded_symbols, start=1):
        known = settings.instruments[symbol]
        made[symbol] = Instrument(
            place,
            symbol,
            currency=known.currency,
            primary_exchange=known.exchange,
            min_tick=known.tick,
            market_rule=0,
            calendar=known.exchange,
            time_zone=str(ExchangeCalendar(known.exchange).tz),
            schedule=known.schedule if settings.costs.enabled else "none",
            shortable=_PLENTY if known.shortable else 0.0,
        )
    return made


def _by_instrument(
    instruments: Mapping[str, Instrument], frames: Mapping[str, pd.DataFrame]
) -> dict[Instrument, pd.DataFrame]:
    return {instruments[symbol]: frame for symbol, frame in frames.items() if symbol in instruments}


def _last_closes(instruments: Mapping[str, Instrument], history: History, begin: dt.datetime) -> dict[int, float]:
    """con_id -> the last close before the fine bars begin: the price that the account knows then."""
    prices = {}
    for symbol, instrument in instruments.items():
        earlier = history.frames[symbol]
        earlier = earlier[earlier.index <= begin]
        if len(earlier):
            prices[instrument.con_id] = float(earlier["close"].iloc[-1])
    return prices


def _interest(settings: Settings) -> Interest | None:
    costs = settings.costs
    if not costs.enabled:
        return None
    return Interest(Rates.benchmarks(costs.interest), costs.interest.credit, costs.interest.credit_spread)
