"""Units that come into a book, or leave it, without an order of ours: whose a difference is, and what a person decides.

A difference against what units hold is theirs: as the owner's own it would stand against them, the broker would have
neither, and the exit of the unit would open a position.
"""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import replace

from books import intents_records as rec
from books.intents_book import IntentBook
from books.intents_records import EPSILON, Record
from books.intents_states import SELF_LIFTING
from core.errors import IntentError

Share = tuple[str, float]  # unit ("" = the owner's own), signed units


def holders(book: IntentBook, con_id: int, difference: float) -> list[Share]:
    """Units that ``difference`` (signed) is against, with what they hold, the largest first."""
    found = [
        (unit, size) for (unit, held), size in book.unit_positions().items()
        if unit and held == con_id and size * difference < 0.0
    ]  # fmt: skip
    return sorted(found, key=lambda share: (-abs(share[1]), share[0]))


def unit_shares(book: IntentBook, con_id: int, difference: float) -> list[Share]:
    """How units bear a difference against what they hold: the one that holds exactly as much, for whole positions are
    closed by hand; else the largest first, each with what it holds at the most."""
    found = holders(book, con_id, difference)
    for unit, size in found:
        if abs(size + difference) <= EPSILON:
            return [(unit, difference)]
    made, rest = list[Share](), abs(difference)
    for unit, size in found:
        if rest > EPSILON:
            made.append((unit, math.copysign(min(abs(size), rest), difference)))
            rest -= abs(made[-1][1])
    return made


def shares(book: IntentBook, con_id: int, difference: float) -> list[Share]:
    """Whose a difference is, in the order in which to accept it.

    The owner's own where he holds what it takes away; else that of units, and what they do not hold is the owner's own.
    """
    own = book.unit_size("", con_id)
    if own * difference < 0.0 and abs(difference) <= abs(own) + EPSILON:
        return [("", difference)]
    made = unit_shares(book, con_id, difference)
    rest = difference - sum(share for _, share in made)
    return [*made, ("", rest)] if abs(rest) > EPSILON else made


def accept_command(con_id: int, unit: str, quantity: float, *, closes: bool) -> str:
    """``closes``: it takes away from what the unit holds, which has a price."""
    command = f"halflife reconcile --accept {con_id} --quantity {quantity:.12g}"
    return command + (f" --unit {unit}" if unit else "") + (" --price PRICE" if closes else "")


def adopt_commands(book: IntentBook, con_id: int, difference: float) -> list[str]:
    """The commands that give units what the owner has traded against them."""
    return [
        f"halflife reconcile --adopt {con_id} --quantity {share:.12g} --unit {unit} --price PRICE"
        for unit, share in unit_shares(book, con_id, difference)
    ]


def accept_commands(book: IntentBook, con_id: int, difference: float) -> list[str]:
    """The commands that settle a difference, one after the other."""
    return [
        accept_command(con_id, unit, share, closes=bool(unit)) for unit, share in shares(book, con_id, difference)
    ]  # fmt: skip


def accepted(
    book: IntentBook, con_id: int, symbol: str, quantity: float, why: str, unit: str, price: float | None,
    at: dt.datetime,
) -> list[Record]:  # fmt: skip
    """Records that accept ``quantity`` signed units; see ``IntentJournal.accept``."""
    _check(book, con_id, symbol, quantity, unit, price)
    carried = rec.Carried(
        at=at, account=book.account, con_id=con_id, symbol=symbol, unit=unit, quantity=quantity, price=price,
        why=f"accepted: {why}",
    )  # fmt: skip
    records: list[Record] = [carried]
    for cause in sorted(SELF_LIFTING):
        halt = book.halts.get((book.account, con_id, cause))
        if halt is None:
            continue
        expected, found = halt.expected, halt.found
        if expected is None or found is None or abs(found - expected - quantity) <= EPSILON:
            records.append(rec.Released(at=at, account=book.account, con_id=con_id, why=carried.why, cause=cause))
        else:
            expected += quantity
            said = f"{found:.12g} found, {expected:.12g} expected: a part of the difference was accepted"
            records.append(replace(halt, at=at, expected=expected, why=said))
    return records


def _check(book: IntentBook, con_id: int, symbol: str, quantity: float, unit: str, price: float | None) -> None:
    what = f"{quantity:+.12g} {symbol}"
    if price is not None and not 0.0 < price < math.inf:
        raise IntentError(f"{what} at {price:.12g} cannot be accepted: a price has to be above zero")
    if unit:
        held = book.unit_size(unit, con_id)
        if price is None and held * quantity < 0.0:
            raise IntentError(
                f"{what} closes what {unit} holds ({held:.12g}), and nothing tells at which price; give it with "
                f"--price, in the currency of the instrument"
            )
        return
    if price is not None:
        raise IntentError(
            f"{what} as your own has no price: your own units are not counted by price; leave --price out, or name "
            f"the --unit whose book they go into"
        )
    against = holders(book, con_id, quantity)
    own, sign = book.unit_size("", con_id), math.copysign(1.0, quantity)
    # No more of the owner's may stand against the units than did before
    if against and max(0.0, sign * (own + quantity)) > max(0.0, sign * own) + EPSILON:
        theirs = ", ".join(f"{name} holds {size:.12g}" for name, size in against)
        commands = " and then ".join(f"`{command}`" for command in accept_commands(book, con_id, quantity))
        raise IntentError(
            f"{what} cannot be accepted as your own: {theirs}, and with units of yours against that its exit would "
            f"open a position; give {commands}"
        )


def adopted(
    book: IntentBook, con_id: int, symbol: str, unit: str, quantity: float, price: float, at: dt.datetime
) -> list[Record]:
    """Records that move signed units of the owner's into the book of ``unit``; see ``IntentJournal.adopt``."""
    own = book.unit_size("", con_id)
    if quantity * own <= 0.0 or abs(quantity) > abs(own) + EPSILON:
        raise IntentError(f"{quantity:.12g} {symbol} cannot be adopted: held by hand are {own:.12g}; give at most that")
    return [
        rec.Carried(
            at=at, account=book.account, con_id=con_id, symbol=symbol, unit=into, quantity=size, price=price,
            why=f"adopted by {unit}",
        )
        for into, size in (("", -quantity), (unit, quantity))
    ]  # fmt: skip
