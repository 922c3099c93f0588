"""What a reconciliation has found, in a few words for a person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from feeds.room.results import counted
from live.reconcile_records import Finding, FindingKind

# kind -> what one of them is, and several; a position as expected is nothing to tell
_NAMES = {
    FindingKind.HALT: ("halt", "halts"),
    FindingKind.RELEASED: ("halt that ended", "halts that ended"),
    FindingKind.WAITING: ("doubt that is asked about again", "doubts that are asked about again"),
    FindingKind.ADOPTED: ("execution that was not known", "executions that were not known"),
    FindingKind.RESOLVED: ("order whose end was not known", "orders whose end was not known"),
    FindingKind.REVIVED: ("order that lives again", "orders that live again"),
    FindingKind.TERMS: ("order with other terms", "orders with other terms"),
    FindingKind.BY_HAND: ("trade or order of your own", "trades or orders of your own"),
    FindingKind.CASH: ("movement of cash without a trade", "movements of cash without a trade"),
}


def in_words(findings: Iterable[Finding]) -> str:
    """``"2 executions that were not known, 1 halt"``; "" where all is as expected."""
    number = Counter(finding.kind for finding in findings)
    return ", ".join(counted(number[kind], *names) for kind, names in _NAMES.items() if number[kind])
