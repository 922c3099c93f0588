"""The limits of an order, one small function each, in the order in which they are asked.

A limit sees a ``Proposal`` and returns a sentence with the limit, the value it would come to and the setting to
change, or None. Values within a relative 1e-9 of a limit are within it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from core.orders import AccountView, OrderView, Refusal
from core.settings import RiskSettings
from risk.exposure import TOLERANCE, Exposure, Opening, TradeSide


@dataclass(slots=True)
class Proposal:
    """A batch of orders that opens something, and what the account would look like in the worst case."""

    openings: Sequence[Opening]
    equity: float
    scale: float  # of the throttle, the smallest one of the instruments opened
    volatility: str  # what the throttle saw, in words
    trade: TradeSide  # all the books that the batch opens, in the direction it opens them
    before: Callable[[], Exposure]  # worst case without the batch; asked for where one with it is too much
    after: Exposure  # worst case with it

    @property
    def what(self) -> str:
        """The orders in words: ``buying 100 SPX and selling 40 IXIC``."""
        return " and ".join(
            f"{'buying' if o.order.sign > 0 else 'selling'} {o.units:,.10g} {o.order.symbol}" for o in self.openings
        )


Limit = Callable[[Proposal, RiskSettings], str | None]


def invalid(batch: Sequence[OrderView]) -> str | None:
    """An order whose size, price or direction is no number to work with. Asked of reducing orders too."""
    for order in batch:
        numbers = [("size", order.size), ("price", order.worst_price)]
        if order.stop_price is not None:
            numbers.append(("stop price", order.stop_price))
        for name, value in numbers:
            if not (math.isfinite(value) and value > 0.0):
                return f"{name} {value:g} of the order in {order.symbol} is not a positive number"
        if order.sign not in (1, -1):
            return f"sign {order.sign} of the order in {order.symbol} is neither +1 (buy) nor -1 (sell)"
    return None


def invalid_rate(openings: Sequence[Opening]) -> str | None:
    """An opening order that cannot be valued in the account's currency."""
    for opening in openings:
        rate = opening.order.rate
        if not (math.isfinite(rate) and rate > 0.0):
            return f"exchange rate {rate:g} of the order in {opening.order.symbol} is not a positive number"
    return None


def unknown_account(account: AccountView) -> str | None:
    """An account whose state is not known; it must never look like an empty one."""
    if not math.isfinite(account.equity_eur):
        return f"equity is {account.equity_eur}: unknown account state stops new orders"
    for position in account.positions:
        if not all(map(math.isfinite, (position.size, position.price, position.rate))):
            return (
                f"position {position.book} has size {position.size}, price {position.price}, rate {position.rate}:"
                " unknown account state stops new orders"
            )
    for order in account.working:
        if not all(map(math.isfinite, (order.size, order.worst_price, order.rate))):
            return (
                f"working order {order.ref} in {order.book} has size {order.size}, price {order.worst_price},"
                f" rate {order.rate}: unknown account state stops new orders"
            )
    return None


def not_shortable(openings: Sequence[Opening]) -> str | None:
    """An order that would open a short in an instrument that cannot be borrowed."""
    for opening in openings:
        order = opening.order
        if order.sign < 0 and not order.shortable:
            return (
                f"selling {opening.units:,.10g} {order.symbol} would open a short, and"
                f" instruments.{order.symbol}.shortable is false"
            )
    return None


def volatility(p: Proposal, settings: RiskSettings) -> str | None:
    if p.scale > 0.0:
        return None
    return f"{p.volatility} stops entries at or above risk.throttle.stop_above = {settings.throttle.stop_above:g}"


def max_trade_risk(p: Proposal, settings: RiskSettings) -> str | None:
    return _scaled(p, "would risk", p.trade.risk, "max_trade_risk", settings.max_trade_risk)


def max_trade_notional(p: Proposal, settings: RiskSettings) -> str | None:
    limit = settings.max_trade_notional
    return _scaled(p, "would make the trade's notional", p.trade.notional, "max_trade_notional", limit)


def max_open_positions(p: Proposal, settings: RiskSettings) -> str | None:
    limit = settings.max_open_positions
    count = len(p.after.books)
    if limit is None or count <= limit or count <= len(p.before().books):
        return None
    return f"{p.what} would make {count} open positions, working entries included; risk.max_open_positions = {limit}"


def max_gross_exposure(p: Proposal, settings: RiskSettings) -> str | None:
    return _exposure(p, "gross", lambda exposure: exposure.gross, settings.max_gross_exposure)


def max_net_exposure(p: Proposal, settings: RiskSettings) -> str | None:
    limit = settings.max_net_exposure
    return _exposure(p, "net long", lambda exposure: exposure.net_long, limit) or _exposure(
        p, "net short", lambda exposure: -exposure.net_short, limit
    )


ACCOUNT_LIMITS: tuple[tuple[Refusal, Limit], ...] = (
    (Refusal.VOLATILITY, volatility),
    (Refusal.TRADE_RISK, max_trade_risk),
    (Refusal.TRADE_NOTIONAL, max_trade_notional),
    (Refusal.OPEN_POSITIONS, max_open_positions),
    (Refusal.GROSS_EXPOSURE, max_gross_exposure),
    (Refusal.NET_EXPOSURE, max_net_exposure),
)


def _scaled(p: Proposal, verb: str, value: float, key: str, fraction: float | None) -> str | None:
    """A limit of a trade: a fraction of equity times the throttle's scale."""
    if fraction is None or value <= fraction * p.scale * p.equity * (1.0 + TOLERANCE):
        return None
    scale = f" at throttle scale {p.scale:.3f}" if p.scale < 1.0 else ""
    return (
        f"{p.what} {verb} EUR {value:,.2f}{_percent(value, p.equity)}, above risk.{key} = {fraction:g}{scale}"
        f" (EUR {fraction * p.scale * p.equity:,.2f})"
    )


def _exposure(p: Proposal, name: str, of: Callable[[Exposure], float], fraction: float | None) -> str | None:
    """A limit of the account. What the batch does not make worse is not its fault: prices moved."""
    value = of(p.after)
    if fraction is None or value <= fraction * p.equity * (1.0 + TOLERANCE) or value <= of(p.before()):
        return None
    key = f"max_{name.split()[0]}_exposure"
    return (
        f"{p.what} would bring {name} exposure to EUR {value:,.2f}{_percent(value, p.equity)} in the worst case,"
        f" working orders included; risk.{key} = {fraction:g} (EUR {fraction * p.equity:,.2f})"
    )


def _percent(value: float, equity: float) -> str:
    return f" ({value / equity:.2%} of equity)" if equity > 0.0 else ""
