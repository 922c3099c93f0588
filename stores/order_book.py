"""The orders that IBKR has told of: what is new in a message, and what is a repeat or a step back."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import replace

from stores.events import ExecutionReported, OrderReported, OrderTwinned
from stores.records import ContractKey

NOWHERE = ContractKey(0, "", "", "")
KEPT = dt.timedelta(days=3)  # how long an order that is done is remembered

Slot = tuple[int, int]  # client id, order id
Put = Callable[[OrderReported | OrderTwinned], None]


class OrderBook:
    """Orders by permId, and by client and order id until that is known.

    A status is a state: a repeat is left out, and so is what steps back behind fills that are known (Submitted after
    Filled). Statuses may be missing: executions fill an order, too.
    """

    def __init__(self, put: Put) -> None:
        self._put = put
        self._orders: dict[int, OrderReported] = {}  # permId -> order
        self._new: dict[Slot, OrderReported] = {}  # orders without a permId yet
        self._perm_ids: dict[Slot, int] = {}  # the latest
        self._of_ref: dict[str, set[int]] = {}  # orderRef -> permIds, of one client's orders
        self._busted: set[int] = set()  # permIds whose fills were taken back
        self._changing: set[int] = set()  # ids of our orders with a change under way

    # -- what we do -----------------------------------------------------------------------------------------------

    def sent(self, order: OrderReported) -> None:
        """We have placed or changed an order."""
        slot = order.client_id, order.order_id
        if slot in self._perm_ids:
            self._changing.add(order.order_id)
        elif slot in self._new and self._new[slot].status:
            self._changing.add(order.order_id)
        else:
            self._new[slot] = order

    def is_known(self, client_id: int, order_id: int) -> bool:
        """Whether an id is an order's."""
        return (client_id, order_id) in self._perm_ids or (client_id, order_id) in self._new

    def is_changing(self, order_id: int) -> bool:
        """Whether a change of an acknowledged order is under way."""
        return order_id in self._changing

    def changed(self, order_id: int) -> None:
        """The change was refused or taken over."""
        self._changing.discard(order_id)

    def of(self, client_id: int, order_id: int) -> OrderReported | None:
        slot = client_id, order_id
        perm_id = self._perm_ids.get(slot)
        return self._orders[perm_id] if perm_id is not None else self._new.get(slot)

    def at(self, keys: Iterable[int | Slot]) -> tuple[OrderReported, ...]:
        """Orders by permId or slot, each once."""
        found = {key: self._orders.get(key) if isinstance(key, int) else self._new.get(key) for key in keys}
        return tuple(order for order in found.values() if order is not None)

    # -- what IBKR says -------------------------------------------------------------------------------------------

    def told(self, order: OrderReported, *, is_answer: bool) -> OrderReported:
        """An openOrder or completedOrder; ``is_answer``: it was asked for, so it is the truth of this moment."""
        before = self._find(order.client_id, order.order_id, order.perm_id)
        if before is None and order.source == "completed" and order.order_ref:
            before = next((each for each in self._new.values() if each.order_ref == order.order_ref), None)
        if before is None:
            return self._keep(order)
        self._changing.discard(before.order_id)
        if order.source == "completed":
            now = replace(
                before, status=order.status, filled=max(before.filled, order.filled), remaining=order.remaining,
                completed_status=order.completed_status, source=order.source, when=order.when,
                order_ref=before.order_ref or order.order_ref, perm_id=order.perm_id,
            )  # fmt: skip
            return self._keep(now, before)
        status = order.status
        if not is_answer and self._steps_back(before, status, before.filled):
            status = before.status
        if before.status == "Filled" and status != "Filled" and before.perm_id not in self._busted:
            status = before.status
        now = replace(
            order, status=status, filled=before.filled, remaining=before.remaining,
            avg_fill_price=before.avg_fill_price, why_held=before.why_held,
        )  # fmt: skip
        return self._keep(now, before)

    def status(
        self, client_id: int, order_id: int, perm_id: int, status: str, filled: float, remaining: float,
        avg_fill_price: float | None, why_held: str, parent_id: int, when: dt.datetime, *, is_answer: bool,
    ) -> None:  # fmt: skip
        """An orderStatus."""
        before = self._find(client_id, order_id, perm_id)
        if before is None:
            before = _unknown(client_id, order_id, perm_id, parent_id, when)
        elif self._steps_back(before, status, filled) and not (is_answer and filled >= before.filled):
            return
        now = replace(
            before, perm_id=perm_id or before.perm_id, status=status, filled=filled, remaining=remaining,
            avg_fill_price=avg_fill_price if filled else None, why_held=why_held, source="status", when=when,
        )  # fmt: skip
        self._keep(now, before)

    def executed(self, execution: ExecutionReported) -> None:
        """An execution fills its order where no status has said so."""
        before = self._find(execution.client_id, execution.order_id, execution.perm_id)
        if before is None:
            return
        if not before.order_id and execution.order_id > 0:  # it was known as completed, which carries no order id
            before = replace(before, order_id=execution.order_id, client_id=execution.client_id)
            self._orders[before.perm_id] = before
            self._perm_ids[before.client_id, before.order_id] = before.perm_id
        if execution.corrects:
            self._busted.add(execution.perm_id)
            return
        if execution.cum_qty <= before.filled:
            return
        left = max(0.0, before.quantity - execution.cum_qty)
        if before.perm_id in self._busted:
            return
        self._keep(
            replace(
                before,
                perm_id=execution.perm_id,
                filled=execution.cum_qty,
                remaining=left,
                avg_fill_price=execution.avg_price,
                status="Filled" if left == 0.0 else before.status or "Submitted",
                source="execution",
                when=execution.when,
            ),  # fmt: skip
            before,
        )

    def forget_before(self, when: dt.datetime) -> None:
        """Forget orders that have been done for days."""
        old = {
            perm_id for perm_id, order in self._orders.items() if order.is_done and order.when < when - KEPT
        }  # fmt: skip
        for perm_id in old:
            del self._orders[perm_id]
            self._busted.discard(perm_id)
        self._perm_ids = {slot: perm_id for slot, perm_id in self._perm_ids.items() if perm_id not in old}
        self._of_ref = {ref: kept for ref, perm_ids in self._of_ref.items() if (kept := perm_ids - old)}

    def twins(self) -> Iterable[OrderTwinned]:
        """orderRefs of which IBKR has shown more than one permId."""
        return [OrderTwinned(ref, tuple(sorted(ids))) for ref, ids in self._of_ref.items() if len(ids) > 1]

    # -- keeping --------------------------------------------------------------------------------------------------

    def _find(self, client_id: int, order_id: int, perm_id: int) -> OrderReported | None:
        if perm_id in self._orders:
            return self._orders[perm_id]
        slot = client_id, order_id
        if slot in self._new:
            return self._new[slot]
        known = self._perm_ids.get(slot)
        return self._orders[known] if known is not None and not perm_id else None

    def _steps_back(self, before: OrderReported, status: str, filled: float) -> bool:
        if before.perm_id in self._busted:
            return False
        if filled < before.filled:
            return True
        if before.status == "Filled":
            return status != "Filled"
        return before.status in ("Cancelled", "ApiCancelled") and status not in ("Filled", before.status)

    def _keep(self, order: OrderReported, before: OrderReported | None = None) -> OrderReported:
        slot = order.client_id, order.order_id
        if order.perm_id:
            self._new.pop(slot, None)
            self._orders[order.perm_id] = order
            if order.order_id > 0:
                self._perm_ids[slot] = order.perm_id
            self._watch(order)
        else:
            self._new[slot] = order
        if before is None or not _same(order, before):
            self._put(order)
        return order

    def _watch(self, order: OrderReported) -> None:
        """One permId for each orderRef."""
        if not order.order_ref:
            return
        perm_ids = self._of_ref.setdefault(order.order_ref, set())
        if order.perm_id not in perm_ids:
            perm_ids.add(order.perm_id)
            if len(perm_ids) > 1:
                self._put(OrderTwinned(order.order_ref, tuple(sorted(perm_ids))))


def _same(one: OrderReported, other: OrderReported) -> bool:
    return replace(one, when=other.when, source=other.source) == other


def _unknown(client_id: int, order_id: int, perm_id: int, parent_id: int, when: dt.datetime) -> OrderReported:
    """A status of an order whose terms are not known: of another client, or by hand."""
    return OrderReported(
        order_id=order_id, perm_id=perm_id, client_id=client_id, order_ref="", status="", filled=0.0, remaining=None,
        avg_fill_price=None, why_held="", account="", contract=NOWHERE, action="", quantity=0.0, order_type="",
        limit_price=None, aux_price=None, trail_stop_price=None, trailing_percent=None, tif="", good_till="",
        oca_group="", parent_id=parent_id, outside_rth=False, source="status", when=when,
    )  # fmt: skip
