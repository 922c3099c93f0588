"""States of an order as the intent journal knows them, and IBKR's words for them."""

from __future__ import annotations

from enum import StrEnum


class OrderState(StrEnum):
    """What is known of an order of ours."""

    INTENDED = "intended"  # written; whether it was sent is not known
    SENT = "sent"  # handed to the socket; nothing heard yet
    WORKING = "working"  # the broker has it
    INACTIVE = "inactive"  # the broker has it and does not work it; it may come alive
    AWAITING = "awaiting"  # the broker says that it is done with more filled than executions have told
    UNKNOWN = "unknown"  # no answer, or contradicting ones: it is asked about, never sent again
    FILLED = "filled"  # executions account for the whole quantity
    CANCELLED = "cancelled"  # done, perhaps with a part filled
    EXPIRED = "expired"  # done by its time in force
    REJECTED = "rejected"  # refused by the broker, nothing filled
    ABSENT = "absent"  # asked about, and the broker never had it
    WITHDRAWN = "withdrawn"  # it never left this process


UNRESOLVED = frozenset({OrderState.INTENDED, OrderState.SENT, OrderState.AWAITING, OrderState.UNKNOWN})
IN_DOUBT = frozenset({OrderState.AWAITING, OrderState.UNKNOWN})  # no new order on the instrument until resolved
AT_BROKER = frozenset({OrderState.WORKING, OrderState.INACTIVE})
OPEN = UNRESOLVED | AT_BROKER
DONE = frozenset(OrderState) - OPEN
NEVER_LIVED = frozenset({OrderState.REJECTED, OrderState.ABSENT, OrderState.WITHDRAWN})  # a fill contradicts these

_OF_STATUS = {  # IBKR's orderStatus.status -> state
    "ApiPending": OrderState.WORKING,
    "PendingSubmit": OrderState.WORKING,
    "PreSubmitted": OrderState.WORKING,
    "Submitted": OrderState.WORKING,
    "PendingCancel": OrderState.WORKING,
    "Inactive": OrderState.INACTIVE,
    "ApiCancelled": OrderState.CANCELLED,
    "Cancelled": OrderState.CANCELLED,
    "Filled": OrderState.FILLED,
}


def state_of_status(status: str) -> OrderState:
    """The state that IBKR's status speaks of; a status nobody knows leaves the order working."""
    return _OF_STATUS.get(status, OrderState.WORKING)


class HaltCause(StrEnum):
    """Why new orders are halted, for one instrument or for the account."""

    POSITION = "position"  # the broker's position is not what the journal expects
    AMBIGUOUS = "ambiguous"  # more than one order could explain the broker's position
    DUPLICATE = "duplicate"  # one orderRef has two permIds: two orders live
    OVERFILL = "overfill"  # more filled than was ordered
    CONTRADICTION = "contradiction"  # the broker's records contradict each other or the journal
    GHOST = "ghost"  # an order came alive after it was found absent
    LOST_RECORD = "lost_record"  # an orderRef of this journal that it does not hold: an older copy was restored
    OTHER_JOURNAL = "other_journal"  # open orders or fills of another journal of this program
    PERSON = "person"


SELF_LIFTING = frozenset({HaltCause.POSITION, HaltCause.AMBIGUOUS})  # gone when the positions agree again
