"""One position of a strategy and the orders around it, rebuilt from notifications alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from backtrader import Order

WORKING = frozenset({Order.Created, Order.Submitted, Order.Accepted, Order.Partial})
DEAD = frozenset({Order.Canceled, Order.Expired, Order.Margin, Order.Rejected})
JUST_SENT = frozenset({Order.Created, Order.Submitted, Order.Accepted})
FILLING = frozenset({Order.Partial, Order.Completed})


@dataclass(slots=True, eq=False)
class Holding:
    """From the entry order to flat. An order slot is None once its order can no longer fill."""

    data: Any
    trade: str  # trade id, shared by the legs of a pair
    sign: int  # of the entry: +1 long, -1 short
    reason: str  # of the entry
    stop_reason: str
    stop_price: float | None = None
    target_price: float | None = None
    is_bare: bool = False  # it was entered without a stop, as its strategy wanted it
    is_taken_over: bool = False  # found at the broker, not entered here
    entry: Any = None
    stop: Any = None
    beside: Any = None  # a second stop, for units beyond what the bracket of the first one may close
    target: Any = None
    exit: Any = None
    exit_reason: str = ""  # set once the strategy wants to be flat, or by the protective order that filled
    entered: int = 0  # len(data) at the first fill; 0 = not yet
    time_limit: int = 0  # bars after the fill at which the time stop acts; 0 = not known
    fills: dict[int, float] = field(default_factory=dict)  # order ref -> executed size, signed
    size: float = field(init=False)  # what its own orders have bought less what they have sold

    def __post_init__(self) -> None:
        self.size = sum(self.fills.values())

    @property
    def bars(self) -> int:
        """Bars of the data since the bar of the first fill."""
        return len(self.data) - self.entered if self.entered else 0

    @property
    def orders(self) -> list[Any]:
        """Orders that may still fill."""
        every = self.entry, self.stop, self.beside, self.target, self.exit
        return [order for order in every if order is not None]

    @property
    def over(self) -> bool:
        """Flat with nothing working."""
        if self.entry is not None or self.stop is not None or self.target is not None or self.exit is not None:
            return False
        return self.beside is None and not self.size

    def slot(self, ref: int) -> str:
        """Name of the slot, as ``entry`` or ``stop``; empty when the order is not (or no longer) in one."""
        if self.entry is not None and self.entry.ref == ref:
            return "entry"
        if self.stop is not None and self.stop.ref == ref:
            return "stop"
        if self.target is not None and self.target.ref == ref:
            return "target"
        if self.exit is not None and self.exit.ref == ref:
            return "exit"
        return "beside" if self.beside is not None and self.beside.ref == ref else ""

    def book(self, order: Any) -> str:
        """Take in a notification; return the slot that the order had when it came."""
        name = self.slot(order.ref)
        if order.executed.size or order.ref in self.fills:  # all of it may have been taken back
            self.fills[order.ref] = order.executed.size
            self.size = sum(self.fills.values())
            self.entered = self.entered or len(self.data)
        if name and order.status not in WORKING:
            setattr(self, name, None)
        return name
