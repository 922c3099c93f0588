"""One account: cash by currency, positions with their cost, margin, realised and unrealised P&L.

How IBKR counts, and so do we: the cost of a position includes the commissions of its fills, so ``averageCost`` does,
the unrealised P&L is the market value less that cost, and the realised P&L of a fill is net of the commissions of both
sides. With the exchange rates of each moment,

    equity - capital = realized_base + unrealised + cash.cash_fx_eur + cash.interest_eur + converted_base

holds as an identity (``converted_base``: what currency pairs were dealt at against the rates of the books).
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

from books.cash import CashBook
from books.charges import FeeSchedule, MonthlyVolume, OrderFees
from books.conversion import SPOT_MINIMUMS, SPOT_TIERS
from books.tiers import blended
from gateway.model import Instrument


@dataclass(frozen=True, slots=True)
class MarginRates:
    """Margin as fractions of a position's value: Regulation T, the house's for shorts, IBKR's for currency pairs."""

    initial_long: float = 0.50
    initial_short: float = 0.50
    maintenance_long: float = 0.25
    maintenance_short: float = 0.30
    pairs: float = 0.025

    def initial(self, instrument: Instrument, value: float) -> float:
        """Initial margin of a position of ``value`` (short < 0), in the value's currency."""
        if instrument.sec_type == "CASH":
            return abs(value) * self.pairs
        return value * self.initial_long if value > 0.0 else -value * self.initial_short

    def maintenance(self, instrument: Instrument, value: float) -> float:
        """Maintenance margin of a position of ``value`` (short < 0), in the value's currency."""
        if instrument.sec_type == "CASH":
            return abs(value) * self.pairs
        return value * self.maintenance_long if value > 0.0 else -value * self.maintenance_short


@dataclass(slots=True)
class Position:
    """What an account holds of an instrument, in the instrument's currency.

    ``cost`` has the sign of the position and includes commissions. ``realized`` is of the current day, as is ``flow``
    (received > 0); the day began with a value of ``began_worth``. ``fills`` of the day that can still be corrected:
    execution base id -> (signed shares, price, fee). ``settled``: quantity, cost, realized and flow before them.
    """

    instrument: Instrument
    quantity: float = 0.0
    cost: float = 0.0
    realized: float = 0.0
    flow: float = 0.0
    began_worth: float = 0.0
    fills: dict[str, tuple[float, float, float]] = field(default_factory=dict)
    settled: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)

    @property
    def average_cost(self) -> float:
        return self.cost / self.quantity if self.quantity else 0.0

    def add(self, signed: float, price: float, fee: float) -> float | None:
        """Book a fill; return what it realised net of commissions, None where it only opened."""
        flow = -signed * price - fee
        self.flow += flow
        held = self.quantity
        if held * signed >= 0.0:
            self.quantity = held + signed
            self.cost -= flow
            return None
        closed = min(abs(held), abs(signed))
        share = closed / abs(signed)
        part = self.cost * closed / abs(held)
        gained = flow * share - part
        self.realized += gained
        self.quantity = held + signed
        self.cost = self.cost - part - flow * (1.0 - share)
        if self.quantity == 0.0:
            self.cost = 0.0
        return gained

    def begin_day(self, price: float) -> None:
        """A new day begins at this price."""
        self.realized = self.flow = 0.0
        self.began_worth = self.quantity * price
        self.fills.clear()
        self.settled = (self.quantity, self.cost, 0.0, 0.0)

    def settle(self, key: str) -> None:
        """The oldest fill can no longer be corrected."""
        before = Position(self.instrument, *self.settled)
        before.add(*self.fills.pop(key))
        self.settled = (before.quantity, before.cost, before.realized, before.flow)

    def replay(self, key: str) -> float | None:
        """Book the day's fills anew; return what the fill ``key`` realises now."""
        gained = None
        self.quantity, self.cost, self.realized, self.flow = self.settled
        for fill, (signed, price, fee) in self.fills.items():
            realized = self.add(signed, price, fee)
            if fill == key:
                gained = realized
        return gained


class AccountState:
    """An account's money and positions. Amounts of ``base`` are in the account's base currency.

    ``prices``: con_id -> last price, kept by the market. ``changes`` counts whatever altered the account.
    """

    def __init__(
        self,
        name: str,
        capital: float,
        cash: CashBook,
        prices: dict[int, float],
        margin: MarginRates,
        when: dt.datetime,
    ) -> None:
        self.name = name
        self.base = cash.base
        self.cash = cash
        self.prices = prices
        self.margin = margin
        self.capital = capital
        self.volume = MonthlyVolume()
        self.positions: dict[int, Position] = {}  # con_id -> position, closed ones too
        self.principal: dict[str, float] = {}  # currency -> cost of the positions in it
        self.realized: dict[str, float] = {}  # currency -> of the current day
        self.realized_base = 0.0
        self.converted_base = 0.0
        self.commissions_base = 0.0
        self.changes = 0
        cash.post(self.base, capital, when)
        self.began_equity = capital  # of the current day

    # ------------------------------------------------------------------ fills

    def position(self, instrument: Instrument) -> Position:
        found = self.positions.get(instrument.con_id)
        if found is None:
            found = self.positions[instrument.con_id] = Position(instrument)
        return found

    def held(self, con_id: int) -> float:
        """Signed shares."""
        found = self.positions.get(con_id)
        return found.quantity if found is not None else 0.0

    def fill(
        self,
        instrument: Instrument,
        schedule: FeeSchedule,
        fees: OrderFees,
        key: str,
        signed: float,
        price: float,
        adds: bool,
        when: dt.datetime,
    ) -> tuple[float, str, float | None]:
        """Book a fill of ``signed`` shares under an execution's base id.

        Return its commission with the third-party fees, their currency, and what it realised (instrument currency,
        None: it opened).
        """
        self.changes += 1
        if instrument.sec_type == "CASH":
            return self._deal(instrument, fees, key, signed, price, when)
        charge = schedule.charge(fees, abs(signed), price, signed < 0.0, adds, when)
        fee = charge.total
        currency = instrument.currency
        position = self.position(instrument)
        if self.cash.fx.constant(currency) is None:
            self.cash.revalue(when, self.principal)
        before = position.cost
        realized = position.add(signed, price, fee)
        position.fills[key] = (signed, price, fee)
        self.principal[currency] = self.principal.get(currency, 0.0) + position.cost - before
        self.cash.post(currency, -signed * price - fee, when)
        rate = self.cash.fx.rate(currency, when)
        self.commissions_base += fee * rate
        if realized is not None:
            self.realized[currency] = self.realized.get(currency, 0.0) + realized
            self.realized_base += realized * rate
        return fee, currency, realized

    def _deal(
        self, pair: Instrument, fees: OrderFees, key: str, signed: float, price: float, when: dt.datetime
    ) -> tuple[float, str, float | None]:
        """A currency pair moves two balances; its position is only IBKR's virtual one. Commission in base currency."""
        fx = self.cash.fx
        fees.shares += abs(signed)
        due = self.pair_commission(pair, fees.shares, when)
        fee, fees.commission = due - fees.commission, due
        self.cash.revalue(when, self.principal)
        self.cash.post(pair.symbol, signed, when)
        self.cash.post(pair.currency, -signed * price, when)
        self.cash.post(self.base, -fee, when)
        self.converted_base += signed * (fx.rate(pair.symbol, when) - price * fx.rate(pair.currency, when)) - fee
        self.commissions_base += fee
        position = self.position(pair)
        realized = position.add(signed, price, 0.0)
        position.fills[key] = (signed, price, 0.0)
        return fee, self.base, realized

    def pair_commission(self, pair: Instrument, shares: float, when: dt.datetime) -> float:
        """The commission of an order for so much of a pair's first currency, base currency."""
        usd = self.cash.fx.rate("USD", when)
        value = shares * self.cash.fx.rate(pair.symbol, when) / usd
        return max(blended(SPOT_TIERS, value), SPOT_MINIMUMS[0]) * usd

    def correct(self, instrument: Instrument, key: str, signed: float, price: float, when: dt.datetime) -> float | None:
        """Replace a fill of the day (0 shares: take it back, with its fee); return what it realises now.

        Raises KeyError for a fill that is not of the current day.
        """
        self.changes += 1
        position = self.positions[instrument.con_id]
        old_signed, old_price, fee = position.fills[key]
        before, realized = position.cost, position.realized
        position.fills[key] = (signed, price, fee if signed else 0.0)
        self.cash.revalue(when, self.principal)
        told = position.replay(key)
        back = old_signed * old_price - signed * price
        if instrument.sec_type == "CASH":
            self.cash.post(instrument.symbol, signed - old_signed, when)
            self.cash.post(instrument.currency, back, when)
            fx = self.cash.fx
            moved = (signed - old_signed) * fx.rate(instrument.symbol, when)
            self.converted_base += moved + back * fx.rate(instrument.currency, when)
            return told
        refund = 0.0 if signed else fee
        self.cash.post(instrument.currency, back + refund, when)
        rate = self.cash.fx.rate(instrument.currency, when)
        self.commissions_base -= refund * rate
        currency = instrument.currency
        self.principal[currency] += position.cost - before
        gained = position.realized - realized
        self.realized[currency] = self.realized.get(currency, 0.0) + gained
        self.realized_base += gained * rate
        return told

    def split(self, con_id: int, ratio: float) -> None:
        """A split overnight: ``ratio`` new shares for one."""
        position = self.positions.get(con_id)
        if position is not None:
            self.changes += 1
            position.quantity *= ratio
            held, *rest = position.settled
            position.settled = (held * ratio, rest[0], rest[1], rest[2])
            position.fills = {k: (s * ratio, p / ratio, fee) for k, (s, p, fee) in position.fills.items()}

    # ------------------------------------------------------------------ values

    def value(self, position: Position) -> float:
        """Market value, instrument currency; at cost where the instrument has no price yet."""
        price = self.prices.get(position.instrument.con_id)
        return position.cost if price is None else position.quantity * price

    def equity(self, when: dt.datetime) -> float:
        """Net liquidation value, base currency."""
        total = self.cash.value(when)
        for position in self.positions.values():
            if position.quantity and position.instrument.sec_type != "CASH":
                total += self.value(position) * self.cash.fx.rate(position.instrument.currency, when)
        return total

    def unrealized(self, when: dt.datetime) -> float:
        """Base currency."""
        return sum(
            (self.value(p) - p.cost) * self.cash.fx.rate(p.instrument.currency, when)
            for p in self.positions.values()
            if p.quantity and p.instrument.sec_type != "CASH"
        )

    def margins(
        self, when: dt.datetime, instrument: Instrument | None = None, signed: float = 0.0, price: float = 0.0
    ) -> tuple[float, float]:
        """Initial and maintenance margin, base currency, were ``signed`` shares bought at ``price``."""
        initial = maintenance = 0.0
        rate, fx = self.margin, self.cash.fx
        asked = instrument.con_id if instrument is not None else None
        for con_id, position in self.positions.items():
            if con_id == asked or not position.quantity:
                continue
            held, value = position.instrument, self.value(position)
            in_base = fx.rate(held.currency, when)
            initial += rate.initial(held, value) * in_base
            maintenance += rate.maintenance(held, value) * in_base
        if instrument is not None:
            value = (self.held(instrument.con_id) + signed) * price
            in_base = fx.rate(instrument.currency, when)
            initial += rate.initial(instrument, value) * in_base
            maintenance += rate.maintenance(instrument, value) * in_base
        return initial, maintenance

    # ------------------------------------------------------------------ days

    def begin_day(self, when: dt.datetime) -> None:
        """A new day: interest is posted, the day's P&L and executions begin anew."""
        self.changes += 1
        held: dict[str, float] = {}
        for position in self.positions.values():
            if position.quantity < 0.0 and position.instrument.sec_type != "CASH":
                currency = position.instrument.currency
                held[currency] = held.get(currency, 0.0) - self.value(position)
        self.cash.accrue(when, held)
        self.cash.revalue(when, self.principal)
        self.realized.clear()
        for con_id, position in list(self.positions.items()):
            if not position.quantity:
                del self.positions[con_id]
                continue
            position.begin_day(self.value(position) / position.quantity)
        self.began_equity = self.equity(when)

    def pnl(self, when: dt.datetime) -> tuple[float, float, float]:
        """Daily, unrealised and (the day's) realised P&L, base currency."""
        fx = self.cash.fx
        realized = sum(amount * fx.rate(currency, when) for currency, amount in self.realized.items())
        return self.equity(when) - self.began_equity, self.unrealized(when), realized

    def pnl_single(self, con_id: int, when: dt.datetime) -> tuple[float, float, float, float, float]:
        """Position, daily, unrealised and realised P&L and market value, base currency; zeros without a position."""
        position = self.positions.get(con_id)
        if position is None:
            return 0.0, 0.0, 0.0, 0.0, 0.0
        rate = self.cash.fx.rate(position.instrument.currency, when)
        value = self.value(position) if position.quantity else 0.0
        daily = value - position.began_worth + position.flow
        unrealized = value - position.cost
        return position.quantity, daily * rate, unrealized * rate, position.realized * rate, value * rate
