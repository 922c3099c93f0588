"""Watches the pairs of a broker, and acts where one leg has what the other has not.

What is decided stands in ``risk.legs``; here are the orders. The guard acts within a bar, so wherever orders are filled
within a bar: live, and in a backtest with ``matching = "ibkr"``. It sends exits with the role EXIT and the reason
OTHER_LEG in the OCA group of the protective stop, which the strategy takes for its own, and never a second one beside
an exit that works.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import backtrader as bt

from core.events import Bus, LegsEvent
from core.logs import log_event
from core.naming import symbol_of, unit_of
from core.orders import ExitReason, Role
from core.settings import LegSettings, Settings
from engine.leg_book import LegBook, Pair, restored, whole
from risk.boundary import closes_parent
from risk.legs import EPSILON, Phase, hopeless_eur, naked_eur
from strategies import STRATEGIES

logger = logging.getLogger(__name__)
_KEPT = dt.timedelta(days=2)  # how long a pair that is over is remembered: its executions may be corrected


class LegBroker(Protocol):
    """What the guard needs of a broker."""

    positions: Any  # data -> position

    def get_orders_open(self) -> Sequence[bt.Order]:
        """Orders that may still fill, those just sent included."""

    def fx_rate(self, data: bt.AbstractDataBase) -> float:
        """Account currency for one unit of the data's currency."""

    def cancel(self, order: bt.Order, *, why: str) -> Any:
        """Ask to cancel."""

    def buy(self, owner: Any, data: Any, size: float, **kwargs: Any) -> bt.Order:
        """Send a purchase."""

    def sell(self, owner: Any, data: Any, size: float, **kwargs: Any) -> bt.Order:
        """Send a sale."""


class LegGuard:
    """All pairs of a broker. ``bus``: is told what is done about a pair."""

    def __init__(self, settings: LegSettings, broker: LegBroker, bus: Bus | None = None) -> None:
        self._settings = settings
        self._bus = bus
        self._broker = broker
        self._seen: dt.datetime | None = None  # the last check
        self.pairs: dict[tuple[str, str], Pair] = {}  # unit, trade -> pair
        self._over: dict[tuple[str, str], tuple[dt.datetime, Pair]] = {}  # those that are flat, and since when

    # ------------------------------------------------------------------ what happens

    def opened(self, orders: Sequence[bt.Order]) -> None:
        """A batch goes out. It is a pair where it enters two instruments of one unit."""
        entries = entries_of(orders)
        if len(entries) != 2 or entries[0].data is entries[1].data:
            return
        pair = Pair(self._settings, entries[0].owner, str(entries[0].info.get("trade") or entries[0].info["batch"]))
        for entry in entries:
            value = float(entry.data.close[0]) * self._broker.fx_rate(entry.data)
            leg = LegBook(entry.data, 1 if entry.isbuy() else -1, abs(entry.size), value)
            for order in orders:
                if order.data is entry.data:
                    leg.add(order)
            pair.legs.append(leg)
        self.pairs[unit_of(entries[0].data), pair.trade] = pair

    def carried(self, orders: Sequence[bt.Order]) -> None:
        """Orders of an earlier run, with what they have filled: the pairs among them are watched as before.

        A leg that is naked has been so since the newest of the fills: a restart gives it no more time.
        """
        trades: dict[tuple[str, str], list[bt.Order]] = {}
        for order in orders:
            if order.info.get("trade"):
                trades.setdefault((unit_of(order.data), str(order.info.trade)), []).append(order)
        newest = {unit: trade for unit, trade in trades}
        for (unit, trade), own in trades.items():
            datas = [data for data in own[0].owner.datas if unit_of(data) == unit]
            if len(datas) != 2 or newest[unit] != trade:
                continue
            pair = Pair(self._settings, own[0].owner, trade)
            first = min(order.ref for order in own)
            for data in datas:  # what closed the pair may have been sent for no trade
                nameless = [o for o in orders if o.data is data and not o.info.get("trade") and o.ref > first]
                orders_of = [order for order in own if order.data is data] + nameless
                pair.legs.append(restored(data, orders_of, self._broker.fx_rate(data)))
            filled = [float(order.executed.dt) for order in own if order.executed.size]
            if filled:
                pair.watch.since = bt.num2date(max(filled)).replace(tzinfo=dt.UTC)
            self.pairs[unit, trade] = pair

    def heard(self, order: bt.Order) -> None:
        """Something became of an order."""
        pair = self._pair_of(order)
        if pair is not None:
            pair.leg_of(order).add(order)

    def unsettled(self) -> list[str]:
        """Pairs of which more than the cap is naked, or that are being hedged or unwound; a sentence each."""
        pairs = [(unit, pair) for (unit, _), pair in self.pairs.items() if not pair.is_over]
        open_ones = [(u, p) for u, p in pairs if p.watch.phase is not Phase.WATCHED or p.watch.since is not None]
        held = [(u, [f"{symbol_of(leg.data)} {leg.held:+g}" for leg in p.legs if leg.held]) for u, p in open_ones]
        return [f"{unit} has one leg without the other ({', '.join(legs)})" for unit, legs in held if legs]

    def next_due(self) -> dt.datetime | None:
        """When ``check`` must be called even if nothing is reported; what it was called for is not named again."""
        dues = [due for pair in self.pairs.values() if (due := pair.due()) is not None]
        return min((due for due in dues if self._seen is None or due > self._seen), default=None)

    def check(self, when: dt.datetime) -> None:
        """Look at every pair and act; ``when`` is the venue's time."""
        self._seen = when
        if not self.pairs:
            return
        for key, pair in list(self.pairs.items()):
            for _ in range(3):  # what was sent may be refused on the spot
                if not self._look(pair, when):
                    break
            if pair.is_over:
                self._over[key] = when, self.pairs.pop(key)
        for key in [key for key, (since, _) in self._over.items() if when - since > _KEPT]:
            del self._over[key]

    # ------------------------------------------------------------------ which pair

    def _pair_of(self, order: bt.Order) -> Pair | None:
        """The pair that an order belongs to: by its trade, else the pair that trades its data now."""
        trade = order.info.get("trade")
        if trade:
            key = unit_of(order.data), str(trade)
            if key in self._over:
                self.pairs[key] = self._over.pop(key)[1]
            found = self.pairs.get(key)
            return found if found is not None and found.trades(order.data) else None
        trading = [pair for pair in self.pairs.values() if pair.trades(order.data)]
        return trading[-1] if trading else None

    def _gather(self) -> set[int]:
        """Enter all working orders into their pairs; return their refs."""
        working = list(self._broker.get_orders_open())
        for order in working:
            self.heard(order)
        return {order.ref for order in working}

    # ------------------------------------------------------------------ acting

    def _look(self, pair: Pair, when: dt.datetime) -> bool:
        """Decide and act; whether anything was sent or cancelled."""
        pair.take(self._gather(), {id(leg.data): self._broker.positions[leg.data].size for leg in pair.legs})
        views = pair.views()
        phase = pair.watch.look(when, *views)
        if phase is not pair.told and max(naked_eur(*views), hopeless_eur(*views)) > EPSILON:
            pair.told = phase
            self._tell(pair, when, phase, naked_eur(*views))
        if phase is Phase.HEDGED:
            return self._hedge(pair, when)
        if phase is Phase.UNWOUND:
            return any([self._unwind(pair, leg, when) for leg in pair.legs])
        return False

    def _hedge(self, pair: Pair, when: dt.datetime) -> bool:
        """Cancel the late entry; once nothing of it works, order what is missing once more."""
        if pair.watch.has_retried:
            return False
        late, other = pair.late_and_other()
        working = late.working()
        if working:
            return self._cancel(pair, [order for order in working if order.ref in late.entries], when)
        pair.watch.has_retried = True
        size = whole(late.ordered * other.view(pair.asked).reach)
        if late.held or not size:
            return False
        late.ordered = size / other.view(pair.asked).reach
        self._enter_again(pair, late, size)
        return True

    def _enter_again(self, pair: Pair, leg: LegBook, size: float) -> None:
        """The same bracket at market, for the day, with the stop where it was."""
        first, stop = leg.first_entry, leg.first_stop
        about = {"trade": pair.trade, "retry_of": first.ref}
        reason = first.info.get("reason", "")
        entry = self._send(pair, leg, leg.sign, size, role=Role.ENTRY, reason=reason, valid=bt.Order.DAY,
                           transmit=stop is None, **about)  # fmt: skip
        if stop is not None:
            self._send(pair, leg, -leg.sign, size, role=Role.STOP, reason=stop.info.get("reason", ""),
                       exectype=bt.Order.Stop, price=float(stop.created.price), parent=entry, **about)  # fmt: skip

    def _unwind(self, pair: Pair, leg: LegBook, when: dt.datetime) -> bool:
        """Bring one leg to nothing: entries first, then what is held; never two exits at a time.

        An entry whose end is not heard of for ``timeout_seconds`` is not waited for: what it fills later goes as well.
        """
        working = leg.working()
        entries = [order for order in working if order.ref in leg.entries]
        if self._cancel(pair, entries, when):
            return True
        if not pair.is_unheard(entries, when):
            return False
        working = [order for order in working if order.ref not in leg.entries]
        held = leg.held
        if abs(held) <= EPSILON:
            orphans = working if not (leg.has_closed or entries) else []
            return self._cancel(pair, orphans, when)  # all that they could do is to open a position
        wrong = [order for order in working if order.isbuy() == (held > 0) or leg.is_beyond(order)]
        if wrong:
            return self._cancel(pair, wrong, when)
        if any(leg.closes(order) for order in working):
            return False
        begun = [order for order in working if order.executed.size]
        if begun:  # a group that has filled takes no further order
            return self._cancel(pair, working, when)
        next_exit = leg.next_exit(pair.timeout)
        if any(order.ref in pair.asked for order in working) or (next_exit is not None and when < next_exit):
            return False
        oco = next((order for order in working if order.info.get("role") == Role.STOP), None)
        leg.exit = self._send(pair, leg, -1 if held > 0 else 1, abs(held), role=Role.EXIT,
                              reason=ExitReason.OTHER_LEG, oco=oco or next(iter(working), None),
                              trade=pair.trade)  # fmt: skip
        leg.exit_sent = when
        return True

    def _cancel(self, pair: Pair, orders: Iterable[bt.Order], when: dt.datetime) -> bool:
        """Ask once for each order."""
        asked = [order for order in orders if order.ref not in pair.asked]
        pair.asked.update((order.ref, when) for order in asked)
        for order in asked:
            self._broker.cancel(order, why=ExitReason.OTHER_LEG)
        return bool(asked)

    def _send(self, pair: Pair, leg: LegBook, sign: int, size: float, **terms: Any) -> bt.Order:
        send = self._broker.buy if sign > 0 else self._broker.sell
        order = send(pair.owner, leg.data, size, **{"exectype": bt.Order.Market, **terms})
        leg.add(order)
        return order

    def _tell(self, pair: Pair, when: dt.datetime, phase: Phase, naked: float) -> None:
        legs = {leg.data._name: f"{leg.held:g} of {leg.ordered:g}" for leg in pair.legs}
        log_event(logger, "legs", level=logging.WARNING, when=when, trade=pair.trade, phase=phase, **legs)
        if self._bus is None:
            return
        held = tuple(f"{symbol_of(leg.data)} {leg.sign * leg.held:g} of {leg.ordered:g}" for leg in pair.legs)
        self._bus.publish(
            LegsEvent(
                at=when, unit=unit_of(pair.legs[0].data), trade=pair.trade, phase=str(phase),
                naked_eur=naked, legs=held,
            )
        )  # fmt: skip


def entries_of(orders: Iterable[bt.Order]) -> list[bt.Order]:
    """The orders of a batch that enter: those that close nothing of it, with the role ENTRY where roles are given."""
    return [o for o in orders if not closes_parent(o) and o.info.get("role", Role.ENTRY) == Role.ENTRY]


def legs_without_stops(settings: Settings) -> list[str]:
    """Units of pairs whose legs have no disaster stop at the broker."""
    without = []
    for unit, (name, symbols) in settings.units.items():
        chosen = settings.strategies[name]
        strategy = STRATEGIES.get(chosen.strategy)
        if strategy is None or len(symbols) != 2:
            continue
        if not getattr(strategy.check(chosen.parameters), "disaster_stop", 1.0):
            without.append(unit)
    return without
