"""What IBKR says about orders: into the journal first, then to the broker.

A status or an error is never the end of an order by itself: executions are counted, and what is not clear is asked.
"""

from __future__ import annotations

import logging

from books.intents_order import Order
from books.intents_records import split_exec_id
from books.intents_ref import OrderRef
from books.intents_states import AT_BROKER, DONE, UNRESOLVED, HaltCause, OrderState
from core.errors import NotSentError, StoreError, UnansweredError
from core.events import HaltEvent, RefusalEvent
from live.reconcile_store import CURRENCY_PAIR, to_commission, to_execution, to_order
from live.venue_desk import VenueDesk
from live.venue_sync import Reconciler
from stores.codes import Reaction
from stores.events import CommissionReported, ErrorReported, ExecutionReported, OrderReported, OrderTwinned

logger = logging.getLogger(__name__)
ANSWER_SECONDS = 10.0  # from an order, change or cancel to a word about it; then it is asked
VERDICT_SECONDS = 3.0  # from an error that ends an order to the status that says so; then it is asked
MOST_CANCELS = 3  # requests to cancel one order; then a person is called
NEXT_IDS = 100  # how far order ids are raised after one was refused as used
FILLED_BEFORE_CHANGE = 104
_ENDS = (Reaction.ORDER_REFUSED, Reaction.ORDER_CANCELLED)
_ASKS = (Reaction.RECONCILE, Reaction.AWAIT_FILL)


class Hearing:
    """Handles the store's events about orders."""

    def __init__(self, desk: VenueDesk, reconciler: Reconciler) -> None:
        self._desk = desk
        self._reconciler = reconciler
        self._verdicts: dict[str, tuple[int, str]] = {}  # orderRef -> error that may have ended it
        self._cancels: dict[str, int] = {}  # orderRef -> requests to cancel
        self._stubborn: set[str] = set()  # orderRefs that a person was called for
        pump = desk.pump
        pump.on(OrderReported, self.order)
        pump.on(ExecutionReported, self.execution)
        pump.on(CommissionReported, self.commission)
        pump.on(ErrorReported, self.error)
        pump.on(OrderTwinned, self.twinned)
        reconciler.after.append(self.after_look)

    # -- orders ---------------------------------------------------------------------------------------------------

    def expect(self, order_ref: str, what: str) -> None:
        """A word about an order is due: ``what`` is sent, change or cancel."""
        self._desk.deadlines.set(f"{what} {order_ref}", ANSWER_SECONDS, lambda: self._unheard(order_ref, what))

    def ask(self, why: str) -> None:
        """Ask the broker what is true."""
        self._reconciler.look(why)

    def _unheard(self, order_ref: str, what: str) -> None:
        order = self._desk.order(order_ref)
        if order is None or order.state in DONE:
            return
        if what == "sent" and order.state in (OrderState.INTENDED, OrderState.SENT):
            with self._desk.writing(f"no answer to {order_ref}"):
                self._desk.journal.mark_unknown(f"no answer within {ANSWER_SECONDS:g} s", [order_ref])
        self._desk.tell(order_ref)
        self._reconciler.look(f"{what} {order_ref}: no answer within {ANSWER_SECONDS:g} s")

    def order(self, event: OrderReported) -> None:
        """openOrder, orderStatus, completedOrder."""
        desk = self._desk
        if event.account not in ("", desk.journal.account):
            return
        report = to_order(event)
        order_ref = desk.journal.book.owner(report.order_ref, report.perm_id)
        if not order_ref:
            if OrderRef.parse(report.order_ref) is not None:
                self._reconciler.look(f"{report.order_ref} is not in this journal")
            return
        with desk.writing(f"status of {order_ref}"):
            desk.halted(desk.journal.reported(report))
        self._heard(order_ref)

    def _heard(self, order_ref: str) -> None:
        """Judge what is open about an order after news of it, and tell it."""
        desk, order = self._desk, self._desk.order(order_ref)
        if order is None:
            return
        if order.state not in UNRESOLVED:
            desk.deadlines.drop(f"sent {order_ref}")
        if order.change is None:
            desk.deadlines.drop(f"change {order_ref}")
        if order.state is OrderState.INACTIVE and order_ref not in self._verdicts and not order.is_cancelling:
            desk.deadlines.set(f"inactive {order_ref}", ANSWER_SECONDS, lambda: self._still_inactive(order_ref))
        if order.state is OrderState.AWAITING:
            self._reconciler.look_soon(VERDICT_SECONDS, f"{order_ref} has fills that executions do not tell")
        was_cancelling = order.is_cancelling and order_ref in self._cancels
        self._judge(order_ref)
        desk.tell(order_ref)
        if order.state in DONE:
            for what in ("sent", "change", "cancel", "inactive", "verdict"):
                desk.deadlines.drop(f"{what} {order_ref}")
            if not order.is_cancelling and order.state in (OrderState.CANCELLED, OrderState.EXPIRED):
                self._reconciler.look_soon(VERDICT_SECONDS, f"nobody has cancelled {order_ref}")
        elif was_cancelling and f"cancel {order_ref}" not in desk.deadlines:
            self.expect(order_ref, "cancel")
        self._end_revived()

    def _still_inactive(self, order_ref: str) -> None:
        order = self._desk.order(order_ref)
        if order is not None and order.state is OrderState.INACTIVE:
            self.cancel(order_ref, "IBKR has it inactive and gives no reason")

    def twinned(self, event: OrderTwinned) -> None:
        """A change has become a second live order: both are there, and a person has to look."""
        desk, order = self._desk, self._desk.order(event.order_ref)
        if order is None or any(h.cause is HaltCause.DUPLICATE for h in desk.journal.book.halts_of(order.key[1])):
            return
        why = f"{event.order_ref} has {len(event.perm_ids)} permIds ({', '.join(map(str, event.perm_ids))})"
        with desk.writing("halt"):
            desk.journal.halt(order.intent.con_id, order.intent.symbol, why, HaltCause.DUPLICATE)
        halt = desk.journal.book.halts.get((*order.key, HaltCause.DUPLICATE))
        if halt is not None:
            desk.halted([halt])

    # -- executions -----------------------------------------------------------------------------------------------

    def execution(self, event: ExecutionReported) -> None:
        """A fill, a correction or a bust; late ones too."""
        desk = self._desk
        if event.account != desk.journal.account or event.contract.sec_type == CURRENCY_PAIR:
            return
        execution = to_execution(event)
        order_ref = desk.journal.book.owner(execution.order_ref, execution.perm_id, execution.root)
        with desk.writing(f"execution {execution.exec_id}"):
            booking = desk.journal.execution(execution)
            desk.halted(booking.halts)
        if not order_ref:
            if OrderRef.parse(execution.order_ref) is not None:
                self._reconciler.look(f"{execution.order_ref} is not in this journal")
            return
        roots = [execution.root, f"position.{order_ref}"]
        if not desk.is_journal_sound:
            desk.tell_unwritten(order_ref, execution)
            self._reconciler.look_soon(VERDICT_SECONDS, "a fill could not be written")
        desk.tell(order_ref, roots)
        self._heard(order_ref)

    def commission(self, event: CommissionReported) -> None:
        desk, cost = self._desk, to_commission(event)
        with desk.writing(f"commission of {event.exec_id}"):
            desk.journal.commission(cost)
        if split_exec_id(cost.exec_id)[0] in desk.journal.book.executions:
            desk.charge(cost)

    # -- errors ---------------------------------------------------------------------------------------------------

    def error(self, event: ErrorReported) -> None:
        """An error or notice about an order of ours; all others are the store's."""
        order = self._of(event)
        if order is None:
            return
        ref, reaction = order.ref, event.reaction
        about = f"{event.code} on {ref}: {event.text}"
        is_of_change = event.on_modify or event.code == FILLED_BEFORE_CHANGE
        if reaction is Reaction.CHANGE_REFUSED or (is_of_change and reaction in _ASKS):
            self._change_refused(order, event)
        if reaction in _ENDS:
            self._ended_by(order, event)
        elif reaction is Reaction.SEARCH_ORDER:
            self._used_id(order, about)
        elif reaction in _ASKS:
            self._reconciler.look(about)
            if order.is_cancelling:
                self.expect(ref, "cancel")
        else:
            logger.info("the order lives: %s", about)

    def _of(self, event: ErrorReported) -> Order | None:
        if event.order_id is None:
            return None
        found = self._desk.order(event.order_ref)
        if found is None:
            client_id = self._desk.journal.client_id
            same = (
                o
                for o in self._desk.journal.book.open_orders()
                if (o.intent.order_id, o.intent.client_id) == (event.order_id, client_id)
            )
            found = next(same, None)
        return found

    def _change_refused(self, order: Order, event: ErrorReported) -> None:
        desk = self._desk
        desk.deadlines.drop(f"change {order.ref}")
        if order.change is not None:
            with desk.writing(f"change of {order.ref}"):
                desk.journal.change_refused(order.ref, event.code, event.text)
        desk.put(desk.teller.change_refused(order.ref, event.code, event.text, event.when))

    def _ended_by(self, order: Order, event: ErrorReported) -> None:
        """201, 202 and their kin: terminal only together with the status and the executions."""
        desk = self._desk
        if order.state in DONE:
            return
        desk.teller.reasons[order.ref] = event.code, event.text
        self._verdicts[order.ref] = event.code, event.text
        if event.reaction is Reaction.ORDER_REFUSED:
            intent = order.intent
            desk.bus.publish(
                RefusalEvent(
                    at=event.when, unit=intent.unit, symbol=intent.symbol, by="broker", reason=str(event.code),
                    text=event.text,
                )
            )  # fmt: skip
        self._heard(order.ref)
        if order.ref in self._verdicts:
            desk.deadlines.set(
                f"verdict {order.ref}", VERDICT_SECONDS, lambda: self._reconciler.look(f"{event.code} on {order.ref}")
            )

    def _judge(self, order_ref: str, *, is_asked: bool = False) -> None:
        """Whether an error has ended an order."""
        desk, order = self._desk, self._desk.order(order_ref)
        if order is None or order_ref not in self._verdicts:
            return
        code, text = self._verdicts[order_ref]
        if order.state in DONE:
            del self._verdicts[order_ref]
        elif order.state is OrderState.AWAITING:
            return  # its executions are due
        elif code == 202:
            if is_asked and order.state in AT_BROKER:
                self._lives(order, code, text)
        elif order.state is OrderState.INACTIVE or not order.perm_id:
            del self._verdicts[order_ref]
            with desk.writing(f"refusal of {order_ref}"):
                desk.journal.refused(order_ref, code, text)
        elif is_asked:
            self._lives(order, code, text)

    def _lives(self, order: Order, code: int, text: str) -> None:
        del self._verdicts[order.ref]
        self._desk.teller.reasons.pop(order.ref, None)
        logger.warning("the order lives in spite of %s (%s): %s", code, text, order.ref)

    def _used_id(self, order: Order, about: str) -> None:
        """103: the id is used, perhaps by this very order: it is looked for by its name, and never sent again."""
        desk = self._desk
        desk.store.raise_order_ids(order.intent.order_id + NEXT_IDS)
        if order.state in UNRESOLVED:
            with desk.writing(f"103 on {order.ref}"):
                desk.journal.mark_unknown(about, [order.ref])
        self._reconciler.look(about)

    # -- cancelling -----------------------------------------------------------------------------------------------

    def cancel(self, order_ref: str, why: str) -> None:
        """Ask to cancel an order, now or as soon as there is a connection; again where it did not help."""
        desk, order = self._desk, self._desk.order(order_ref)
        if order is None or order.state in DONE:
            return
        if order.is_cancelling and f"cancel {order_ref}" in desk.deadlines:
            return  # it is under way
        if not order.is_cancelling:
            with desk.writing(f"cancel of {order_ref}"):
                desk.journal.cancelling(order_ref, why)
        self._send_cancel(order)

    def _send_cancel(self, order: Order) -> None:
        desk, ref = self._desk, order.ref
        try:
            desk.store.cancel(order.intent.order_id)
        except NotSentError as error:
            logger.warning("%s is cancelled as soon as there is a connection: %s", ref, error)
            return
        except (StoreError, UnansweredError) as error:
            desk.failed(f"cancel of {ref}", error)
            return
        self._cancels[ref] = self._cancels.get(ref, 0) + 1
        self.expect(ref, "cancel")

    def _end_revived(self) -> None:
        """An order that lives though the broker was told of its end: its owner has gone on without it."""
        revived = self._desk.teller.revived
        while revived:
            self.cancel(revived.pop(), "it was told as ended, and lives")

    def after_look(self) -> None:
        """After a reconciliation: judge what an error left open, and cancel what is to be and is not."""
        for order_ref in list(self._verdicts):
            self._judge(order_ref, is_asked=True)
            self._desk.tell(order_ref)
        self._end_revived()
        for order in self._desk.journal.book.open_orders():
            if order.is_cancelling and order.state in AT_BROKER:
                self._cancel_again(order)

    def _cancel_again(self, order: Order) -> None:
        desk, ref = self._desk, order.ref
        if f"cancel {ref}" in desk.deadlines:
            return
        if self._cancels.get(ref, 0) < MOST_CANCELS:
            self._send_cancel(order)
        elif ref not in self._stubborn:
            self._stubborn.add(ref)
            text = f"{ref} was to be cancelled {MOST_CANCELS} times and is at work; cancel it in TWS"
            desk.bus.publish(HaltEvent(at=desk.clock.now(), symbol=order.intent.symbol, cause="cancel", text=text))
