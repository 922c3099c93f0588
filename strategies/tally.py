"""What became of a unit's signals: counted where it happens, for a report that must say why there were few trades."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Tally:
    """Signals of one unit. Each ends in one of the other counts, but for entries that were cancelled or still work."""

    signals: int = 0  # entry rules met while flat
    filtered: Counter[str] = field(default_factory=Counter)  # gate of the strategy that said no -> signals
    not_sized: Counter[str] = field(default_factory=Counter)  # rule of the sizer that made the size 0 -> signals
    refusals: dict[str, str] = field(default_factory=dict)  # trade -> why the broker or its risk gate refused the entry
    trades: set[str] = field(default_factory=set)  # those of which an entry filled

    def filter(self, gate: str) -> None:
        """Count a signal that a gate forbids."""
        self.signals += 1
        self.filtered[gate] += 1

    def facts(self) -> dict[str, Any]:
        """The counts as plain values: signals, filtered, not_sized, refused, entered."""
        refused = Counter(reason for trade, reason in self.refusals.items() if trade not in self.trades)
        return {
            "signals": self.signals,
            "filtered": dict(self.filtered.most_common()),
            "not_sized": dict(self.not_sized.most_common()),
            "refused": dict(refused.most_common()),
            "entered": len(self.trades),
        }
