"""One order of ours: the intent, and what has become of it."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass, field

from books.intents_records import EPSILON, ChangeIntended, Intent, Terms
from books.intents_states import OrderState

Key = tuple[str, int]  # account, conId


@dataclass(slots=True)
class Order:
    """An intent and what has become of it."""

    intent: Intent
    written: dt.datetime  # when the intent was, UTC
    state: OrderState = OrderState.INTENDED
    quantity: float = 0.0  # as the broker was last told
    terms: Terms = field(default_factory=Terms)
    change: ChangeIntended | None = None  # under way
    is_cancelling: bool = False
    perm_id: int = 0
    other_perm_ids: tuple[int, ...] = ()  # of a second live order: must stay empty
    filled: float = 0.0  # by executions, after corrections
    reported: float = 0.0  # by executions, before busts took any back
    value: float = 0.0  # sum of shares x price, instrument currency
    told_state: OrderState | None = None  # what the broker said of the end, while executions are missing
    told_filled: float = 0.0
    told_price: float = 0.0  # average
    status: str = ""  # IBKR's last word
    why: str = ""  # last reason: of a refusal, a doubt, a resolution
    changed: dt.datetime | None = None  # last record, UTC

    @property
    def ref(self) -> str:
        return self.intent.ref

    @property
    def key(self) -> Key:
        return self.intent.account, self.intent.con_id

    @property
    def remaining(self) -> float:
        """Units not filled, >= 0."""
        return max(0.0, self.quantity - self.filled)

    @property
    def avg_fill_price(self) -> float:
        """0 where nothing has been filled."""
        return self.value / self.filled if self.filled > EPSILON else 0.0

    @property
    def limit(self) -> float:
        """The most that may be filled, units."""
        return max(self.quantity, self.change.quantity if self.change else 0.0)


def within(kept: float, now: float) -> float:
    """Of units held once, those that are held still: signed, never beyond ``now`` and never more than before."""
    return math.copysign(min(abs(kept), abs(now)), kept) if kept * now > 0.0 else 0.0
