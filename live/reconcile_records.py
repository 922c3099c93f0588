"""What reconciliation reads and what it finds: the broker's snapshot, doubts, findings."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from books.intents_records import BrokerOrder, Commission, Execution, Record


@dataclass(frozen=True, slots=True)
class BrokerPosition:
    """Netted units of one instrument in one account."""

    account: str
    con_id: int
    symbol: str
    size: float  # signed units
    avg_cost: float = 0.0  # for one unit, instrument currency


@dataclass(frozen=True, slots=True)
class BrokerSnapshot:
    """What the broker says, asked in this order: open orders, completed ones, executions, positions, cash.

    Orders of all clients of the account, not of ours alone.
    """

    account: str
    taken_at: dt.datetime  # when the first question was sent, UTC
    executions_since: dt.datetime  # executions are complete from here on, UTC: the start of the broker's day
    open_orders: tuple[BrokerOrder, ...] = ()
    completed: tuple[BrokerOrder, ...] = ()
    executions: tuple[Execution, ...] = ()
    commissions: tuple[Commission, ...] = ()
    positions: tuple[BrokerPosition, ...] = ()
    cash: Mapping[str, float] = field(default_factory=dict)  # currency -> balance; empty = not asked
    next_order_id: int = 0


class FindingKind(StrEnum):
    """What a finding says."""

    MATCHED = "matched"  # an instrument's position is the expected one
    ADOPTED = "adopted"  # an execution of ours that we had not heard of
    BY_HAND = "by_hand"  # an order, execution or position of the owner: left alone
    RESOLVED = "resolved"  # an outcome that was unknown is known
    REVIVED = "revived"  # an order that we thought done is open
    TERMS = "terms"  # the broker works other terms than the journal had
    WAITING = "waiting"  # absent or different at the first look: the second one decides
    HALT = "halt"  # it cannot be explained, and new orders are halted
    RELEASED = "released"  # a halt whose reason is gone
    CASH = "cash"  # money moved that executions and commissions do not explain


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that reconciliation found."""

    kind: FindingKind
    text: str
    con_id: int = 0
    symbol: str = ""
    ref: str = ""
    expected: float | None = None  # signed units, or money
    found: float | None = None
    commands: tuple[str, ...] = ()  # that accept or mend it


@dataclass(frozen=True, slots=True)
class Doubt:
    """Something seen once. Absence and differences count when they are seen twice, ``grace`` apart."""

    since: dt.datetime
    con_id: int
    is_confirmed: bool = False  # seen twice: it waits for nothing any more
    of_position: bool = False  # the position is not the expected one; else it is about an order


Doubts = Mapping[str, Doubt]


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """Findings, the records that bring the journal in line, and what must be asked again."""

    findings: tuple[Finding, ...]
    records: tuple[Record, ...]
    doubts: Doubts  # give them to the next ``reconcile``
    version: int  # of the book that was reconciled

    @property
    def held(self) -> frozenset[int]:
        """conIds on which nothing may be ordered before the next look."""
        return frozenset(doubt.con_id for doubt in self.doubts.values() if not doubt.is_confirmed)

    @property
    def open_to_exits(self) -> frozenset[int]:
        """Of these, conIds where a position alone is in doubt, which may be older than a fill: the venue knows what of
        it can be closed (``live.hands``)."""
        about_orders = {doubt.con_id for doubt in self.doubts.values() if not (doubt.is_confirmed or doubt.of_position)}
        return self.held - about_orders

    @property
    def is_settled(self) -> bool:
        """Whether nothing is left to ask; halts may stand."""
        return all(doubt.is_confirmed for doubt in self.doubts.values())

    def of(self, kind: FindingKind) -> list[Finding]:
        return [finding for finding in self.findings if finding.kind is kind]
