"""The orderRef: the one name of an order that is ours to choose, so it is what an order is known by.

``hl.<journal>.<unit>.<trade>.<leg>.<number>``, at most 40 characters, letters, digits, ``-`` and ``.`` only. The number
is unique within a journal and the journal's own four characters tell the orders of two journals apart; unit, trade and
leg are there for the person who reads them in TWS, and are shortened where they do not fit.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass

PREFIX = "hl"
MAX_LENGTH = 40  # IBKR publishes no limit; statements and TWS show this many
_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"
_UNIT, _TRADE, _LEG = 12, 8, 6  # characters


@dataclass(frozen=True, slots=True)
class OrderRef:
    """The parts of an orderRef of ours."""

    journal: str  # four characters, drawn when the journal is made
    unit: str
    trade: str
    leg: str
    number: int  # > 0, unique within the journal

    @classmethod
    def make(cls, journal: str, unit: str, trade: str, leg: str, number: int) -> OrderRef:
        """Shorten the names so that the text fits."""
        fixed = len(f"{PREFIX}.{journal}....{number}")
        room = MAX_LENGTH - fixed
        leg, trade = _slug(leg, _LEG), _slug(trade, _TRADE, keep_end=True)
        return cls(journal, _slug(unit, max(1, min(_UNIT, room - len(leg) - len(trade)))), trade, leg, number)

    @classmethod
    def parse(cls, text: str) -> OrderRef | None:
        """The parts of ``text``; None where it is not an orderRef of this program."""
        parts = text.split(".")
        if len(parts) != 6 or parts[0] != PREFIX or not re.fullmatch(r"[1-9][0-9]*", parts[5], re.ASCII):
            return None
        return cls(parts[1], parts[2], parts[3], parts[4], int(parts[5]))

    def __str__(self) -> str:
        return f"{PREFIX}.{self.journal}.{self.unit}.{self.trade}.{self.leg}.{self.number}"


def new_journal_id() -> str:
    """Four characters that tell the orders of one journal from those of another."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(4))


def _slug(name: str, length: int, keep_end: bool = False) -> str:
    plain = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")
    return (plain[-length:] if keep_end else plain[:length]).strip("-") or "x"
