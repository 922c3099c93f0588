"""Orders on their way out: into the journal in one record, then to the socket one after the other, never twice."""

from __future__ import annotations

import datetime as dt
import logging
import math
from collections.abc import Sequence

from books.intents_records import Intent
from books.intents_states import DONE
from core.errors import IntentError, LedgerError, NotSentError, RequestError
from core.events import RefusalEvent
from core.orders import Refusal, Role
from engine.venue import VenueOrder, VenueRefused
from live.hands import HandWatch, closes
from live.previews import Previews
from live.rules import conforming, smallest_size, steps_of
from live.shorts import ShortBook
from live.venue_desk import VenueDesk
from live.venue_hearing import Hearing
from live.venue_orders import OcaNames, draft_of, order_terms, terms_of, transmits
from stores import Instrument
from stores.records import PriceStep

logger = logging.getLogger(__name__)
SILENCE = dt.timedelta(minutes=15)  # before a refusal for the same cause is told again
_BEFORE = (NotSentError, RequestError)  # nothing has left this machine


class Sender:
    """Places, changes and cancels orders."""

    def __init__(
        self, desk: VenueDesk, hearing: Hearing, previews: Previews, shorts: ShortBook | None, hands: HandWatch
    ) -> None:
        self._desk = desk
        self._hearing = hearing
        self._previews = previews
        self._shorts = shorts
        self._hands = hands
        self._names = OcaNames(desk.journal.book.journal_id)
        # unit, symbol -> cause of refusals since an order last went out -> when it was told
        self._refused: dict[tuple[str, str], dict[tuple[str, str], dt.datetime]] = {}
        self._steps: dict[str, tuple[PriceStep, ...]] = {}  # symbol -> its market rule
        for symbol, instrument in desk.instruments.items():
            rule = desk.store.market_rule(instrument.market_rule) if instrument.market_rule else ()
            self._steps[symbol] = steps_of(instrument, rule)

    # -- new orders -----------------------------------------------------------------------------------------------

    def place(self, orders: Sequence[VenueOrder]) -> None:
        """See ``engine.venue.Venue.place``."""
        try:
            self._place(orders)
        except VenueRefused as refused:
            self._tell(orders[0], refused)
            raise
        for order in orders:
            self._refused.pop((order.unit, order.symbol), None)

    def _tell(self, order: VenueOrder, refused: VenueRefused) -> None:
        """Once for each cause; what stays refused for it is told again from time to time."""
        now, place = self._desk.clock.now(), (order.unit, order.symbol)
        told = self._refused.setdefault(place, {})
        cause = str(refused.refusal), refused.detail
        last = told.get(cause)
        if last is not None and now - last < SILENCE:
            return
        told[cause] = now
        self._desk.bus.publish(
            RefusalEvent(
                at=now, unit=order.unit, symbol=order.symbol, by="journal", reason=cause[0], text=cause[1]
            )
        )  # fmt: skip

    def _place(self, orders: Sequence[VenueOrder]) -> None:
        desk = self._desk
        if not desk.store.is_ready:
            raise VenueRefused(Refusal.NOT_SENT, desk.store.why_not_ready())
        fitted = [self._conforming(order) for order in orders]
        entries = [order for order in fitted if order.role in ("", Role.ENTRY) and order.parent is None]
        exits = [order for order in fitted if closes(order)]
        if why := self._hands.objection(exits):
            raise VenueRefused(Refusal.UNRESOLVED, why)
        self._require_shares(entries)
        self._previews.check(entries)
        intents = self._intend(fitted, past_halts=len(exits) == len(fitted))
        for order, intent in zip(orders, intents, strict=True):
            desk.teller.know(order.ref, intent.ref, order.quantity)
        self._send(fitted, intents)

    def _instrument(self, order: VenueOrder) -> Instrument:
        found = self._desk.instruments.get(order.symbol)
        if found is None:
            raise VenueRefused(
                Refusal.INVALID, f"{order.symbol} is no instrument of this session; name it in the settings"
            )
        return found

    def _conforming(self, order: VenueOrder) -> VenueOrder:
        instrument = self._instrument(order)
        for price in (order.limit_price, order.aux_price, order.trail_stop_price):
            if price is not None and not 0.0 < price < math.inf:
                raise VenueRefused(Refusal.INVALID, f"{order.symbol} at {price!r}: a price has to be above zero")
        made = conforming(order, instrument, self._steps[order.symbol])
        if made.quantity <= 0.0:
            least = max(instrument.min_size, smallest_size(instrument))
            detail = f"{order.quantity:.12g} {order.symbol} is fractional, or below the smallest order of {least:.12g}"
            raise VenueRefused(Refusal.INVALID, detail)
        return made

    def _require_shares(self, entries: Sequence[VenueOrder]) -> None:
        if self._shorts is None:
            return
        for order in entries:
            if order.action == "SELL":
                why = self._shorts.why_not(self._desk.instruments[order.symbol], order.quantity)
                if why:
                    raise VenueRefused(Refusal.NO_BORROW, why)

    def _intend(self, orders: Sequence[VenueOrder], *, past_halts: bool) -> list[Intent]:
        """Write the orders. Raises VenueRefused: then nothing may be sent."""
        desk, journal = self._desk, self._desk.journal
        place_of = {order.ref: place for place, order in enumerate(orders)}
        for order in orders:
            if order.parent is not None and order.parent not in place_of:
                raise VenueRefused(Refusal.INVALID, f"{order.symbol}: the parent of a bracket has to go out with it")
        first = journal.book.last_number + 1
        drafts = [
            draft_of(order, self._instrument(order), place_of, self._names.name(order.oca_group, first + place))
            for place, order in enumerate(orders)
        ]
        try:
            desk.store.raise_order_ids(journal.book.order_id_mark + 1)
            return journal.intend(drafts, next_order_id=desk.store.next_order_id(), past_halts=past_halts)
        except IntentError as error:
            is_kill = bool(journal.killed) and any(draft.role is Role.ENTRY for draft in drafts)
            raise VenueRefused(Refusal.KILLED if is_kill else Refusal.UNRESOLVED, str(error.args[0])) from error
        except LedgerError as error:
            desk.unwritten("intent journal", error)
            raise VenueRefused(Refusal.NOT_SENT, str(error.args[0])) from error
        except NotSentError as error:
            raise VenueRefused(Refusal.NOT_SENT, str(error.args[0])) from error

    def _send(self, orders: Sequence[VenueOrder], intents: Sequence[Intent]) -> None:
        """To the socket, in the order of their ids."""
        desk = self._desk
        ids = {intent.ref: intent.order_id for intent in intents}
        for place, (order, intent, transmit) in enumerate(zip(orders, intents, transmits(orders), strict=True)):
            terms = order_terms(intent, intent.terms, intent.quantity, ids.get(intent.parent_ref, 0), transmit=transmit)
            try:
                desk.store.place(self._instrument(order), terms)
            except _BEFORE as error:
                self._stopped(intents, place, place, str(error.args[0]))
                if place == 0:
                    for each in intents:
                        desk.teller.forget(each.ref)
                    raise VenueRefused(Refusal.NOT_SENT, str(error.args[0])) from error
                return
            except Exception as error:
                logger.exception("the outcome of %s is not known", intent.ref)
                self._stopped(intents, place, place + 1, f"it is not known whether it was sent: {error}")
                return
            except BaseException:
                self._stopped(intents, place, place + 1, "interrupted while it was sent")
                raise
        with desk.writing("sent"):
            desk.journal.sent([intent.ref for intent in intents])
        for intent in intents:
            self._hearing.expect(intent.ref, "sent")

    def _stopped(self, intents: Sequence[Intent], sent: int, rest: int, why: str) -> None:
        """Of a batch ``intents[:sent]`` went out, ``intents[rest:]`` did not, and what is between is not known.

        Where something did not go out the rest is cancelled, for a batch is all or none. Reports tell what becomes of
        it; what is not known is asked.
        """
        desk = self._desk
        with desk.writing("orders that were not sent"):
            for intent in intents[rest:]:
                desk.journal.withdrawn(intent.ref, why)
            desk.journal.sent([intent.ref for intent in intents[:sent]])
            desk.journal.mark_unknown(why, [intent.ref for intent in intents[sent:rest]])
        if rest == 0:
            return
        for intent in intents[:rest]:
            self._hearing.expect(intent.ref, "sent")
            if rest < len(intents):
                self._hearing.cancel(intent.ref, f"the rest of its batch was not sent: {why}")
        for intent in intents[rest:]:
            desk.tell(intent.ref)
        self._hearing.ask(why)

    # -- working orders -------------------------------------------------------------------------------------------

    def cancel(self, ref: int, why: str) -> None:
        """See ``engine.venue.Venue.cancel``."""
        order_ref = self._desk.teller.order_ref(ref)
        if not order_ref:
            logger.warning("cancel of %s: no order of this venue", ref)
            return
        self._hearing.cancel(order_ref, why)

    def modify(self, order: VenueOrder) -> None:
        """See ``engine.venue.Venue.modify``."""
        desk = self._desk
        known = desk.order(desk.teller.order_ref(order.ref))
        if known is None or known.state in DONE:
            what = "is not known" if known is None else f"is {known.state}"
            raise VenueRefused(Refusal.INVALID, f"order {order.ref} {what} and cannot be changed")
        made = self._conforming(order)
        terms = terms_of(made, known.terms.oca_group)
        if (known.quantity, known.terms) == (made.quantity, terms):
            return
        try:
            desk.journal.changing(known.ref, made.quantity, terms)
        except IntentError as error:
            raise VenueRefused(Refusal.UNRESOLVED, str(error.args[0])) from error
        except LedgerError as error:
            desk.unwritten("intent journal", error)
            raise VenueRefused(Refusal.NOT_SENT, str(error.args[0])) from error
        parent = desk.order(known.intent.parent_ref)
        sent = order_terms(known.intent, terms, made.quantity, parent.intent.order_id if parent else 0)
        try:
            desk.store.modify(self._instrument(order), sent)
        except _BEFORE as error:
            with desk.writing("change that was not sent"):
                desk.journal.change_refused(known.ref, 0, str(error.args[0]))
            raise VenueRefused(Refusal.NOT_SENT, str(error.args[0])) from error
        except Exception as error:
            logger.exception("the outcome of a change of %s is not known", known.ref)
            self._hearing.ask(f"it is not known whether a change was sent: {error}")
        desk.teller.changing(known.ref, made.quantity, terms)
        self._hearing.expect(known.ref, "change")
