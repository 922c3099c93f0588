"""Commissions and third-party fees of an order over all its fills.

A schedule (``books.fees``) is data; this module is the arithmetic:

1. Each fill adds its shares (or its value) to the month's counter; its part of the commission is the
   integral of the marginal tier rate between the old and the new level.
2. The order's commission so far is that sum, at least the minimum and at most the maximum. **Where the
   maximum is below the minimum, the maximum is charged.** The maximum is usually a fraction of the value traded.
3. The fill is charged what the order owes now less what its earlier fills were charged, so the charges of
   the fills add up to the fee of the same order in one fill. Both halves of a reversal are one order.
4. Third-party fees are linear in the fill's shares, value or commission, or are due once for each order.

The commission of a fill is never negative: shares, value and the tier sum only grow, and
``min(max(sum, minimum), fraction * value)`` grows with each of them. Only ``exchange`` can be
negative, where a venue pays for added liquidity.

IBKR counts an order that persists overnight as a new order for its minimum: a fill on a later UTC date starts
afresh (``FeeSettings.overnight_new_order``). Nothing is rounded: IBKR reports commissions with four and more
decimals, and its page names no rounding.
"""

from __future__ import annotations

import datetime as dt
import functools
import math
from dataclasses import dataclass, field
from typing import Literal

from books.tiers import Tiers, blended
from core.errors import CostError
from core.settings import FeeSettings


@dataclass(slots=True, unsafe_hash=True)
class Charge:
    """What a fill or an order costs, by kind, in the schedule's currency. Positive is paid."""

    commission: float = 0.0
    exchange: float = 0.0  # negative = a rebate for added liquidity
    clearing: float = 0.0
    regulatory: float = 0.0

    @property
    def total(self) -> float:
        return self.commission + self.exchange + self.clearing + self.regulatory

    def __add__(self, other: Charge) -> Charge:
        return Charge(
            self.commission + other.commission,
            self.exchange + other.exchange,
            self.clearing + other.clearing,
            self.regulatory + other.regulatory,
        )


NOTHING = Charge()
_KINDS = ("exchange", "clearing", "regulatory")
_BASES = ("share", "value", "commission", "order")


@dataclass(slots=True)
class MonthlyVolume:
    """What an account traded in each calendar month (UTC): one object for all orders of an account."""

    traded: dict[tuple[str, int, int], float] = field(default_factory=dict)  # (pool, year, month) -> shares or value

    def of(self, pool: str, when: dt.datetime) -> float:
        return self.traded.get((pool, when.year, when.month), 0.0)

    def add(self, pool: str, when: dt.datetime, amount: float) -> None:
        key = (pool, when.year, when.month)
        self.traded[key] = self.traded.get(key, 0.0) + amount


@dataclass(slots=True)
class OrderFees:
    """The fees of one order so far. Give all orders of an account the same ``volume``.

    ``shares``, ``value``, ``raw`` and ``commission`` are of the order's current day (see the module).
    """

    volume: MonthlyVolume = field(default_factory=MonthlyVolume)
    charged: Charge = NOTHING  # over all fills
    day: dt.date | None = None
    shares: float = 0.0
    value: float = 0.0
    raw: float = 0.0  # commission before minimum and maximum
    commission: float = 0.0  # charged


@dataclass(frozen=True, slots=True)
class Levy:
    """A third-party fee: which setting holds its rate, what that multiplies, and when it is due."""

    kind: Literal["exchange", "clearing", "regulatory"]
    setting: str  # a field of core.settings.FeeSettings
    basis: Literal["share", "value", "commission", "order"]
    on: Literal["all", "sales", "adding", "removing"] = "all"


@dataclass(frozen=True, slots=True)
class FeeSchedule:
    """One schedule: the commission's tiers with its minimum and maximum, and the third-party fees.

    ``tiers`` are marginal within the calendar month, in shares or value as ``basis`` says.
    """

    name: str
    currency: str  # of minimum, maximum and every charge; "" = charges nothing in any currency
    basis: Literal["share", "value"]
    tiers: Tiers
    minimum: float = 0.0  # an order
    maximum: float = math.inf  # an order
    maximum_fraction: float = math.inf  # an order, of the value traded
    levies: tuple[Levy, ...] = ()
    fees: FeeSettings = FeeSettings()
    _levied: dict[tuple[bool, bool], list[tuple[int, float, int]]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def charge(
        self,
        order: OrderFees,
        shares: float,
        price: float,
        is_sale: bool,
        adds_liquidity: bool,
        when: dt.datetime,
    ) -> Charge:
        """Return what one fill is charged, and remember it in ``order``.

        ``shares`` > 0 whichever side, ``price`` > 0 in the instrument's currency, ``when`` UTC.
        Raises CostError, with the order unchanged, where they are not positive finite numbers.
        """
        if not (shares > 0.0 and price > 0.0 and math.isfinite(shares) and math.isfinite(price)):
            raise CostError(
                f"{self.name} cannot charge {shares!r} shares at {price!r} on {when:%Y-%m-%d}: both must be positive "
                f"and finite; give sizes without sign, and use the schedule 'none' where prices can be negative"
            )
        day = when.date()
        if order.day is not None and day != order.day and self.fees.overnight_new_order:
            order.shares = order.value = order.raw = order.commission = 0.0
        order.day = day

        first = order.shares == 0.0
        value = shares * price
        amount = shares if self.basis == "share" else value
        order.raw += blended(self.tiers, amount, order.volume.of(self.name, when))
        order.volume.add(self.name, when, amount)
        order.shares += shares
        order.value += value
        due = min(max(order.raw, self.minimum), self.maximum, self.maximum_fraction * order.value)
        commission = due - order.commission
        order.commission = due

        sums, multiplied = [0.0, 0.0, 0.0], (shares, value, commission, 1.0 if first else 0.0)
        for kind, rate, basis in self._due(is_sale, adds_liquidity):
            sums[kind] += rate * multiplied[basis]
        charge = Charge(commission, *sums)
        order.charged = charge if order.charged is NOTHING else order.charged + charge
        return charge

    def _due(self, is_sale: bool, adds_liquidity: bool) -> list[tuple[int, float, int]]:
        """Kind (place in ``_KINDS``), rate and basis (place in ``_BASES``) of the third-party fees of a fill."""
        key = is_sale, adds_liquidity
        due = self._levied.get(key)
        if due is None:
            applies = {"all": True, "sales": is_sale, "adding": adds_liquidity, "removing": not adds_liquidity}
            due = self._levied[key] = [
                (_KINDS.index(levy.kind), getattr(self.fees, levy.setting), _BASES.index(levy.basis))
                for levy in self.levies
                if applies[levy.on]
            ]
        return due

    def quote(self, shares: float, price: float, is_sale: bool = False, adds_liquidity: bool = False) -> Charge:
        """Return the fee of an order of this size in one fill, first of its month: for sizers and reports."""
        return self.charge(OrderFees(), shares, price, is_sale, adds_liquidity, _midnight(self.fees.as_of))


@functools.cache
def _midnight(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), dt.UTC)
