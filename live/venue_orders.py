"""An order of the venue as a draft of the intent journal, as terms for IBKR, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from books.intents_order import Order
from books.intents_records import Carried, Draft, Intent, Terms
from core.orders import Role
from engine.venue import VenueOrder
from stores import Instrument, OrderTerms

REDUCE_WITH_BLOCK = 2  # ocaType: a fill reduces the others of the group, one order works at a time
TAKEN = -1_000_000_000  # refs of units that came into a book without an order are below


class OcaNames:
    """Names of OCA groups: the broker's, unique within a run, and IBKR's, unique over all runs of a journal."""

    def __init__(self, journal_id: str) -> None:
        self._prefix = f"hl.{journal_id}.oca."
        self._names: dict[str, str] = {}  # the broker's -> IBKR's

    def name(self, group: str, number: int) -> str:
        """IBKR's name of ``group``; ``number``: of the intent that is written first with it."""
        if not group or group.startswith(self._prefix):  # of an earlier run
            return group
        return self._names.setdefault(group, f"{self._prefix}{number}")


def ref_of(intent: Intent) -> int:
    """The ref of an order of an earlier run: below zero, where backtrader has none."""
    return -intent.number


def draft_of(order: VenueOrder, instrument: Instrument, place_of: Mapping[int, int], oca_group: str) -> Draft:
    """``place_of``: ref -> place of the orders that stand before it in the same call."""
    role = Role(order.role or Role.ENTRY)
    return Draft(
        unit=order.unit, trade=order.trade, leg=order.leg or str(role), role=role, con_id=instrument.con_id,
        symbol=order.symbol, action=order.action, quantity=order.quantity,
        terms=terms_of(order, oca_group), currency=instrument.currency, multiplier=instrument.multiplier,
        parent=None if order.parent is None else place_of[order.parent], reason=order.reason, bar=order.bar,
    )  # fmt: skip


def terms_of(order: VenueOrder, oca_group: str) -> Terms:
    return Terms(
        order_type=order.kind, limit_price=order.limit_price, aux_price=order.aux_price,
        trail_stop_price=order.trail_stop_price, trailing_percent=order.trailing_percent,
        limit_offset=order.limit_offset, tif=order.tif, good_till=order.good_till, oca_group=oca_group,
        oca_type=REDUCE_WITH_BLOCK if oca_group else 0,
    )  # fmt: skip


def order_terms(intent: Intent, terms: Terms, quantity: float, parent_id: int, *, transmit: bool = True) -> OrderTerms:
    """What goes to the socket."""
    return OrderTerms(
        order_id=intent.order_id, order_ref=intent.ref, action=intent.action, quantity=quantity,
        kind=terms.order_type, tif=terms.tif, limit_price=terms.limit_price, aux_price=terms.aux_price,
        trail_stop_price=terms.trail_stop_price, trailing_percent=terms.trailing_percent,
        limit_offset=terms.limit_offset, good_till=terms.good_till, oca_group=terms.oca_group,
        oca_type=terms.oca_type, parent_id=parent_id, transmit=transmit, outside_rth=terms.outside_rth,
        account=intent.account,
    )  # fmt: skip


def transmits(orders: Sequence[VenueOrder]) -> list[bool]:
    """Whether each order sends off its bracket: the last of each family does."""
    family = [order.ref if order.parent is None else order.parent for order in orders]
    return [key not in family[place + 1 :] for place, key in enumerate(family)]


def order_of(order: Order, ref: int, parent: int | None) -> VenueOrder:
    """The order of the venue that an order of the journal is, with the terms that hold now."""
    intent, terms = order.intent, order.terms
    return VenueOrder(
        ref=ref, unit=intent.unit, symbol=intent.symbol, action=intent.action, quantity=order.quantity,
        kind=terms.order_type, tif=terms.tif, bar=intent.bar or order.written, limit_price=terms.limit_price,
        aux_price=terms.aux_price, trail_stop_price=terms.trail_stop_price,
        trailing_percent=terms.trailing_percent, limit_offset=terms.limit_offset, good_till=terms.good_till,
        parent=parent, oca_group=terms.oca_group, role=str(intent.role), trade=intent.trade,
        leg="" if intent.leg == str(intent.role) else intent.leg, reason=intent.reason,
    )  # fmt: skip


def order_of_taken(record: Carried, place: int) -> VenueOrder:
    """Units that were adopted or accepted into a unit's book, as an order that has filled."""
    return VenueOrder(
        ref=TAKEN - place, unit=record.unit, symbol=record.symbol, action="BUY" if record.quantity > 0 else "SELL",
        quantity=abs(record.quantity), kind="MKT", tif="DAY", bar=record.at, trade=f"taken-{place}",
        reason=record.why,
    )  # fmt: skip
