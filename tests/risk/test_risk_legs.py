"""When a pair is left alone, hedged or unwound. Numbers by hand: legs of 100 units at 10 EUR and 50 units at 20 EUR."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.settings import LegSettings
from risk.legs import Leg, PairWatch, Phase, hopeless_eur, late_leg, naked_eur

START = dt.datetime(2024, 3, 5, 15, 0, tzinfo=dt.UTC)


def at(seconds: float) -> dt.datetime:
    return START + dt.timedelta(seconds=seconds)


def y(held: float = 0.0, coming: float | None = None, **rest: Any) -> Leg:
    """100 units at 10 EUR; what is not held is on its way unless ``coming`` says otherwise."""
    return Leg(ordered=100.0, held=held, coming=100.0 - held if coming is None else coming, unit_eur=10.0, **rest)


def x(held: float = 0.0, coming: float | None = None, **rest: Any) -> Leg:
    return Leg(ordered=50.0, held=held, coming=50.0 - held if coming is None else coming, unit_eur=20.0, **rest)


def watch(**settings: Any) -> PairWatch:
    return PairWatch(LegSettings(**{"timeout_seconds": 10.0, **settings}))


@pytest.mark.parametrize(
    ("one", "other", "naked"),
    [
        (y(0), x(0), 0.0),
        (y(100), x(50), 0.0),
        (y(100), x(0), 1_000.0),
        (y(60), x(10), 400.0),  # 60% against 20%: 40 units at 10
        (y(20), x(50), 800.0),  # 20% against 100%: 40 units at 20
        (y(100), x(-5), 1_100.0),  # and 5 on the wrong side
        (y(50), Leg(ordered=0.0, held=0.0, unit_eur=20.0), 500.0),
    ],
)
def test_naked_is_what_one_leg_has_beyond_the_fraction_of_the_other(one: Leg, other: Leg, naked: float) -> None:
    assert naked_eur(one, other) == pytest.approx(naked)
    assert naked_eur(other, one) == pytest.approx(naked)


def test_hopeless_is_what_the_other_can_never_come_to() -> None:
    assert hopeless_eur(y(100), x(0)) == 0.0  # 50 are on their way
    assert hopeless_eur(y(100), x(20, coming=0)) == pytest.approx(600.0)  # 40% and no more
    assert hopeless_eur(y(0), x(0, coming=0)) == pytest.approx(1_000.0)  # nothing is held yet, all of y will be


def test_a_leg_that_waits_is_waited_for_until_the_time_is_over() -> None:
    pair = watch()
    assert pair.look(at(0), y(0), x(0)) is Phase.WATCHED and pair.due() is None
    assert pair.look(at(5), y(100), x(0)) is Phase.WATCHED and pair.due() == at(15)
    assert pair.look(at(14.999), y(100), x(49)) is Phase.WATCHED
    assert pair.look(at(15), y(100), x(49)) is Phase.UNWOUND and pair.due() is None


def test_the_time_begins_anew_where_the_legs_met_meanwhile() -> None:
    pair = watch()
    pair.look(at(0), y(60), x(0))
    assert pair.look(at(9), y(60), x(30)) is Phase.WATCHED and pair.since is None
    assert pair.look(at(12), y(100), x(30)) is Phase.WATCHED and pair.due() == at(22)


def test_up_to_the_cap_nothing_is_done() -> None:
    pair = watch(max_naked_eur=400.0)
    assert pair.look(at(0), y(100, coming=0), x(30, coming=0)) is Phase.WATCHED  # 40 units at 10
    assert pair.look(at(900), y(100, coming=0), x(30, coming=0)) is Phase.WATCHED and pair.due() is None
    assert pair.look(at(901), y(100, coming=0), x(29, coming=0)) is Phase.UNWOUND


@pytest.mark.parametrize("action", ["unwind", "hedge"])
def test_a_leg_that_ended_short_is_not_waited_for(action: str) -> None:
    pair = watch(action=action)
    assert pair.look(at(0), y(100), x(20, coming=0, can_retry=False)) is Phase.UNWOUND


def test_a_leg_that_was_refused_before_the_other_filled_calls_it_off() -> None:
    assert watch().look(at(0), y(0), x(0, coming=0)) is Phase.UNWOUND


def test_a_leg_that_closes_has_the_time_that_an_entry_has() -> None:
    """Both legs leave; the exit of X has filled, that of Y works."""
    pair = watch()
    assert pair.look(at(0), y(100, is_leaving=True, is_closing=True), x(0, coming=0)) is Phase.WATCHED
    assert pair.look(at(9), y(20, coming=0, is_leaving=True, is_closing=True), x(0, coming=0)) is Phase.WATCHED
    assert pair.look(at(10), y(20, coming=0, is_leaving=True, is_closing=True), x(0, coming=0)) is Phase.UNWOUND


def test_a_leg_whose_exit_works_no_more_is_not_waited_for() -> None:
    pair = watch()
    pair.look(at(0), y(100, coming=0, is_leaving=True, is_closing=True), x(0, coming=0))
    assert pair.look(at(1), y(100, coming=0, is_leaving=True), x(0, coming=0)) is Phase.UNWOUND


@pytest.mark.parametrize("action", ["unwind", "hedge"])
def test_an_opposite_position_is_not_waited_for(action: str) -> None:
    assert watch(action=action).look(at(0), y(100), x(-1, coming=0, is_leaving=True)) is Phase.UNWOUND


def test_a_refused_leg_is_ordered_once_more_and_has_what_is_left_of_the_time() -> None:
    pair = watch(action="hedge")
    pair.look(at(0), y(100), x(0))
    assert pair.look(at(2), y(100), x(0, coming=0)) is Phase.HEDGED
    pair.has_retried = True
    assert pair.look(at(2), y(100), x(0)) is Phase.HEDGED and pair.due() == at(10)
    assert pair.look(at(10), y(100), x(0)) is Phase.UNWOUND


def test_a_late_leg_is_ordered_once_more_at_half_of_the_time() -> None:
    pair = watch(action="hedge")
    pair.look(at(0), y(100), x(0))
    assert pair.due() == at(5)
    assert pair.look(at(5), y(100), x(0)) is Phase.HEDGED


def test_what_is_refused_twice_is_unwound_at_once() -> None:
    pair = watch(action="hedge")
    pair.look(at(0), y(100), x(0, coming=0))
    pair.has_retried = True
    assert pair.look(at(1), y(100), x(0, coming=0)) is Phase.UNWOUND


def test_nothing_is_entered_again_while_a_leg_leaves() -> None:
    assert watch(action="hedge").look(at(0), y(100, is_leaving=True), x(0, coming=0)) is Phase.UNWOUND
    pair = watch(action="hedge")
    pair.look(at(0), y(100), x(0, coming=0))
    assert pair.look(at(1), y(100, is_leaving=True), x(0)) is Phase.UNWOUND


def test_a_leg_that_fills_at_its_pace_is_not_ordered_again() -> None:
    pair = watch(action="hedge")
    pair.look(at(0), y(100), x(10, can_retry=False))
    assert pair.look(at(5), y(100), x(20, can_retry=False)) is Phase.WATCHED
    assert pair.look(at(10), y(100), x(40, can_retry=False)) is Phase.UNWOUND


def test_what_is_unwound_stays_so() -> None:
    pair = watch()
    pair.look(at(0), y(100), x(0, coming=0))
    assert pair.look(at(1), y(0, coming=0), x(0, coming=0)) is Phase.UNWOUND
    assert pair.look(at(2), y(100, coming=0), x(50, coming=0)) is Phase.UNWOUND  # late fills


def test_the_late_leg_is_the_one_that_has_less_ahead() -> None:
    assert late_leg(y(100), x(0)) == 1 and late_leg(y(0), x(50)) == 0
    assert late_leg(y(0, coming=0), x(0)) == 0


@st.composite
def any_leg(draw: Any) -> Leg:
    held = draw(st.integers(min_value=-20, max_value=100).map(float))
    coming = draw(st.sampled_from([0.0, 100.0 - held]))
    return Leg(
        ordered=100.0, held=held, coming=coming, unit_eur=draw(st.sampled_from([0.5, 10.0])),
        is_leaving=draw(st.booleans()), is_closing=draw(st.booleans()), can_retry=held == 0.0,
    )  # fmt: skip


@given(
    st.lists(st.tuples(st.integers(0, 8), any_leg(), any_leg(), st.booleans()), min_size=1, max_size=20),
    st.sampled_from([0.0, 150.0]),
    st.sampled_from(["unwind", "hedge"]),
)
def test_nothing_stands_naked_beyond_the_cap_for_longer_than_the_time(
    moments: list[tuple[int, Leg, Leg, bool]], cap: float, action: str
) -> None:
    pair = watch(action=action, max_naked_eur=cap)
    when, naked_since, was_over = START, None, False
    for wait, one, other, retries in moments:
        when += dt.timedelta(seconds=wait)
        phase = pair.look(when, one, other)
        over = naked_eur(one, other) > cap + 1e-6
        naked_since = (naked_since or when) if over else None
        if naked_since is not None and when >= naked_since + dt.timedelta(seconds=10):
            assert phase is Phase.UNWOUND
        if was_over:
            assert phase is Phase.UNWOUND  # for good
        was_over = phase is Phase.UNWOUND
        if phase is Phase.HEDGED:
            assert action == "hedge" and not (one.is_leaving or other.is_leaving)
            pair.has_retried = pair.has_retried or retries
        if phase is Phase.WATCHED:
            assert hopeless_eur(one, other) <= cap + 1e-6
        if over and phase is not Phase.UNWOUND:
            due = pair.due()
            assert due is not None and when < due <= naked_since + dt.timedelta(seconds=10)


@given(any_leg(), any_leg())
def test_the_measures_do_not_ask_which_leg_comes_first(one: Leg, other: Leg) -> None:
    assert naked_eur(one, other) == pytest.approx(naked_eur(other, one))
    assert hopeless_eur(one, other) == pytest.approx(hopeless_eur(other, one))
    assert naked_eur(one, other) >= 0.0
    assert {late_leg(one, other), late_leg(other, one)} <= {0, 1}
