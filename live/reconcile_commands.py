"""The commands that accept or mend what halts an instrument."""

from __future__ import annotations

from books.intents_book import IntentBook
from books.intents_records import Halted
from books.intents_states import SELF_LIFTING, HaltCause
from books.intents_taken import accept_command, accept_commands, holders


def mends(halt: Halted, book: IntentBook) -> tuple[str, ...]:
    """Commands by conId; ``book``: who holds what.

    A difference against what units hold is settled in the units, one command after the other where several hold it.
    Where the owner's own units explain it just as well that comes first, and the unit's is the other choice.
    """
    if halt.cause not in SELF_LIFTING:
        return (f"halflife reconcile --release {halt.con_id}",)
    difference = (halt.found or 0.0) - (halt.expected or 0.0)
    commands = accept_commands(book, halt.con_id, difference)
    against = holders(book, halt.con_id, difference)
    if not against:
        commands.append(accept_command(halt.con_id, "UNIT", difference, closes=False))
    elif commands == [accept_command(halt.con_id, "", difference, closes=False)]:
        commands += [
            accept_command(halt.con_id, unit, difference, closes=True)
            for unit, size in against
            if abs(size) >= abs(difference)
        ]
    if halt.cause is HaltCause.AMBIGUOUS:
        commands.append("halflife reconcile --resolve ORDER_REF --filled QUANTITY --price PRICE")
    return tuple(commands)
