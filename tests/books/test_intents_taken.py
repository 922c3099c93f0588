"""Whose a difference of positions is, what may be accepted as the owner's own, and what he has held beside ours."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from books import intents_records as rec
from books.intents_book import IntentBook
from books.intents_records import Execution
from books.intents_states import HaltCause
from books.intents_taken import Share, accepted, adopt_commands, shares, unit_shares
from core.errors import IntentError
from core.orders import Role

AT = dt.datetime(2024, 6, 12, 14, 0, tzinfo=dt.UTC)


def book_of(**sizes: float) -> IntentBook:
    """``own``: the owner's; else by unit."""
    book = IntentBook("DU1", "test")
    for unit, size in sizes.items():
        carry(book, "" if unit == "own" else unit, size)
    return book


def carry(book: IntentBook, unit: str, size: float, minutes: int = 0) -> None:
    when = AT + dt.timedelta(minutes=minutes)
    book.apply(
        rec.Carried(at=when, account="DU1", con_id=7, symbol="BAC", unit=unit, quantity=size, price=10.0, why="test")
    )  # fmt: skip


def accept(book: IntentBook, quantity: float, unit: str = "", price: float | None = None) -> None:
    book.apply_all(accepted(book, 7, "BAC", quantity, "test", unit, price, AT))


@pytest.mark.parametrize(
    ("sizes", "difference", "expected"),
    [
        ({}, 130.0, [("", 130.0)]),
        ({"a": 100.0}, 30.0, [("", 30.0)]),  # more of the same: nobody's position is closed by it
        ({"a": 100.0}, -100.0, [("a", -100.0)]),
        ({"a": 100.0}, -40.0, [("a", -40.0)]),
        ({"a": 100.0}, -130.0, [("a", -100.0), ("", -30.0)]),
        ({"a": -409.0}, 409.0, [("a", 409.0)]),
        ({"a": 100.0, "b": 60.0}, -60.0, [("b", -60.0)]),  # a whole position
        ({"a": 100.0, "b": 60.0}, -80.0, [("a", -80.0)]),
        ({"a": 60.0, "b": 100.0}, -120.0, [("b", -100.0), ("a", -20.0)]),
        ({"a": 100.0, "b": -60.0}, -50.0, [("a", -50.0)]),
        ({"own": 500.0, "a": 100.0}, -100.0, [("", -100.0)]),  # the owner has sold of his own
        ({"own": 50.0, "a": 100.0}, -120.0, [("a", -100.0), ("", -20.0)]),
        ({"own": -500.0, "a": 100.0}, -50.0, [("a", -50.0)]),
        ({"own": -500.0, "a": 100.0}, 50.0, [("", 50.0)]),
    ],
)
def test_whose_a_difference_is(sizes: dict[str, float], difference: float, expected: list[Share]) -> None:
    assert shares(book_of(**sizes), 7, difference) == expected


def test_what_was_traded_against_units_is_adopted_by_them() -> None:
    book = book_of(own=-100.0, a=60.0, b=100.0)
    assert adopt_commands(book, 7, -120.0) == [
        "halflife reconcile --adopt 7 --quantity -100 --unit b --price PRICE",
        "halflife reconcile --adopt 7 --quantity -20 --unit a --price PRICE",
    ]


SIZES = st.integers(-5, 5).map(lambda n: 100.0 * n)


@given(SIZES, SIZES, SIZES, SIZES.filter(bool))
def test_the_shares_are_accepted_one_after_the_other_and_nothing_is_left(
    own: float, first: float, second: float, difference: float
) -> None:
    """And no more of the owner's stands against a unit than before."""
    book = book_of(own=own, a=first, b=second)
    book.apply(
        rec.Halted(
            at=AT, account="DU1", con_id=7, symbol="BAC", cause=HaltCause.POSITION, why="test",
            expected=own + first + second, found=own + first + second + difference,
        )
    )  # fmt: skip
    todo = shares(book, 7, difference)
    assert sum(size for _, size in todo) == difference
    for unit, size in todo:
        assert book.halts
        accept(book, size, unit, 10.0 if unit else None)
    assert not book.halts
    after = book.unit_size("", 7)
    for unit, before in (("a", first), ("b", second)):
        assert abs(book.unit_size(unit, 7)) <= abs(before)
        if book.unit_size(unit, 7) * after < 0.0:
            assert abs(after) <= abs(own) and own * after > 0.0 or difference * book.unit_size(unit, 7) > 0.0


@given(SIZES, SIZES, SIZES.filter(bool))
def test_what_is_accepted_as_the_owners_never_takes_from_a_unit(own: float, held: float, quantity: float) -> None:
    book = book_of(own=own, a=held)
    takes = held * quantity < 0.0 and (own + quantity) * quantity > 0.0
    if takes:
        with pytest.raises(IntentError, match="cannot be accepted as your own: a holds"):
            accept(book, quantity)
    else:
        accept(book, quantity)
        assert book.unit_size("", 7) == own + quantity


@pytest.mark.parametrize(
    ("quantity", "unit", "price", "words"),
    [
        (-40.0, "a", None, "-40 BAC closes what a holds .100., and nothing tells at which price; give it with --price"),
        (-40.0, "a", 0.0, "a price has to be above zero"),
        (40.0, "a", -1.0, "a price has to be above zero"),
        (40.0, "", 10.0, "40 BAC as your own has no price"),
        (-40.0, "", None, "`halflife reconcile --accept 7 --quantity -40 --unit a --price PRICE`"),
    ],
)
def test_what_cannot_be_accepted_is_a_sentence(quantity: float, unit: str, price: float | None, words: str) -> None:
    book = book_of(a=100.0)
    with pytest.raises(IntentError, match=words):
        accept(book, quantity, unit, price)
    assert book.unit_positions() == {("a", 7): 100.0}


def test_shares_of_units_are_no_more_than_they_hold() -> None:
    assert unit_shares(book_of(own=500.0, a=100.0), 7, -300.0) == [("a", -100.0)]
    assert unit_shares(book_of(a=100.0), 7, 300.0) == []


# -- beside ours -------------------------------------------------------------------------------------------------------


def by_hand(book: IntentBook, signed: float, minutes: int) -> None:
    made = Execution(
        f"h{len(book.executions)}.01", "DU1", 7, "BAC", "BUY" if signed > 0 else "SELL", abs(signed), 10.0,
        AT + dt.timedelta(minutes=minutes),
    )  # fmt: skip
    book.apply(rec.ExecutionSeen(at=AT, execution=made))


def test_the_owner_has_beside_ours_what_he_held_before_and_holds_still() -> None:
    book = book_of(own=-500.0)
    assert book.beside[7] == -500.0
    carry(book, "a", 100.0, 1)
    by_hand(book, -50.0, 2)
    assert book.beside[7] == -500.0  # what he sold since is against ours
    by_hand(book, 250.0, 3)
    assert book.beside[7] == -300.0
    by_hand(book, -250.0, 4)
    assert book.beside[7] == -300.0
    carry(book, "a", -100.0, 5)
    assert book.beside[7] == -550.0  # nothing is ours


def test_a_trade_before_ours_that_is_told_late_was_before_ours() -> None:
    book = book_of()
    carry(book, "a", 100.0, 10)
    by_hand(book, -30.0, 5)
    by_hand(book, -40.0, 15)
    assert book.beside[7] == -30.0 and book.unit_size("", 7) == -70.0


def test_units_accepted_against_ours_are_not_beside_them() -> None:
    """As older versions let it be: a journal of theirs is read."""
    book = book_of(a=-409.0, own=409.0)
    assert book.beside[7] == 0.0


def test_a_correction_of_the_only_fill_does_not_make_the_owners_trade_one_of_before() -> None:
    book = book_of()
    intent = rec.Intent(
        ref="r", number=1, order_id=1, client_id=1, account="DU1", unit="a", trade="t", leg="entry", role=Role.ENTRY,
        con_id=7, symbol="BAC", action="BUY", quantity=100.0, terms=rec.Terms(),
    )  # fmt: skip
    book.apply(rec.Intended(at=AT, ref="r", intent=intent))
    fill = Execution("e.1.01", "DU1", 7, "BAC", "BUY", 100.0, 10.0, AT, order_ref="r")
    book.apply(rec.ExecutionSeen(at=AT, ref="r", execution=fill))
    by_hand(book, -100.0, 1)
    book.apply(rec.ExecutionSeen(at=AT, ref="r", execution=replace(fill, exec_id="e.1.02", price=10.5)))
    assert book.unit_positions() == {("a", 7): 100.0, ("", 7): -100.0} and book.beside[7] == 0.0
