"""What a graph knows of its orders, kept beside it: with these a record begins that is not the first of its run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from engine.venue import Carried, ChangeRefused, Charged, Corrected, Ended, Filled, Report, Resized, VenueOrder

_ROUNDING = 1e-9  # units; less than this is nothing left to fill


@dataclass(slots=True)
class Known:
    """An order as it works, and what was told of it."""

    order: VenueOrder
    reports: list[Report] = field(default_factory=list)
    before: VenueOrder | None = None  # the terms before a change that may be refused
    filled: dict[str, float] = field(default_factory=dict)  # exec id -> units
    is_over: bool = False  # filled, or ended by the venue

    def hear(self, report: Report) -> None:
        match report:
            case Resized():
                self.order = replace(self.order, quantity=report.quantity)
                return
            case ChangeRefused():
                self.order, self.before = self.before or self.order, None
                return
            case Filled():
                self.filled[report.exec_id] = report.quantity
                if sum(self.filled.values()) > self.order.quantity - _ROUNDING:
                    self.is_over = True
            case Corrected():
                self.filled.pop(report.corrects, None)
                self.filled[report.exec_id] = report.quantity
            case Ended():
                self.is_over = True
        self.reports.append(report)

    def carried(self) -> Carried:
        """Reports are booked in the order of their times, and a fee never before its fill."""
        at = {each.exec_id: each.when for each in self.reports if isinstance(each, Filled | Corrected)}
        reports = [
            replace(each, when=at[each.exec_id]) if isinstance(each, Charged) and each.exec_id in at else each
            for each in self.reports
        ]
        return Carried(self.order, tuple(reports), not self.is_over)


class KnownOrders:
    """All orders of a run and those of before, in the order in which they were sent."""

    def __init__(self) -> None:
        self._orders: dict[int, Known] = {}  # ref -> order

    def take_over(self, carried: Iterable[Carried]) -> None:
        """Orders of earlier runs."""
        for each in carried:
            known = self._orders[each.order.ref] = Known(each.order)
            for report in each.reports:
                known.hear(report)
            known.is_over = not each.is_working

    def place(self, orders: Iterable[VenueOrder]) -> None:
        for order in orders:
            self._orders[order.ref] = Known(order)

    def modify(self, order: VenueOrder) -> None:
        """Other terms were asked for, and work until they are refused."""
        known = self._orders.get(order.ref)
        if known is not None:
            known.before, known.order = known.order, order

    def hear(self, reports: Iterable[Report]) -> None:
        for report in reports:
            known = self._orders.get(report.ref)
            if known is not None:
                known.hear(report)

    def carried(self) -> list[Carried]:
        """As ``Venue.open`` gives them after a restart, but for their refs, which are those of the run."""
        return [known.carried() for known in self._orders.values()]


def renumbered(carried: Sequence[Carried]) -> tuple[list[Carried], dict[int, int]]:
    """The same orders with refs below zero, where backtrader has none, and the ref that each ref has become."""
    free = min((0, *(each.order.ref for each in carried)))
    refs: dict[int, int] = {}
    for each in carried:
        ref = each.order.ref
        if ref >= 0:
            free -= 1
        refs[ref] = free if ref >= 0 else ref
    made = []
    for each in carried:
        order = each.order
        parent = refs.get(order.parent, order.parent) if order.parent is not None else None
        reports = tuple(replace(report, ref=refs[order.ref]) for report in each.reports)
        made.append(Carried(replace(order, ref=refs[order.ref], parent=parent), reports, each.is_working))
    return made, refs
