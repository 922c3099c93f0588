"""The injector: what it counts, when it fires, and that the same seed gives the same faults."""

from __future__ import annotations

import datetime as dt
import logging

import pytest
from faulty.acting import EXECUTION, MONDAY, PLACE, STATUS, Stage, stage

from gateway.faults import Injector, make_injector, parse

# Counting ----------------------------------------------------------------------------------------------------------


def fires(one: Stage, times: int, client: int = 1) -> list[int]:
    """Which of so many order statuses were hit, from 1."""
    return [n for n in range(1, times + 1) if one.out("orderStatus", STATUS, client)]


@pytest.mark.parametrize(
    ("trigger", "hit"),
    [
        ("on orderStatus", [1, 2, 3, 4, 5, 6]),
        ("on orderStatus 1", [1]),
        ("on orderStatus 4", [4]),
        ("on orderStatus every 2", [2, 4, 6]),
        ("on orderStatus every 7", []),
        ("at message 5", [5]),
        ("on orderStatus where status=Filled", []),
        ("on orderStatus where status!=Filled 2", [2]),
        ("on orderStatus where filled=0 client=1 every 3", [3, 6]),
        ("on orderStatus where client=2", []),
        ("on execDetails", []),
    ],
)
def test_which_messages_are_hit(trigger: str, hit: list[int]) -> None:
    assert fires(stage(f"{trigger}: drop"), 6) == hit


def test_messages_are_counted_over_all_clients_by_name_and_overall() -> None:
    by_name, overall = stage("on orderStatus 3: drop"), stage("at message 3: drop")
    for one, hit in ((by_name, [5]), (overall, [3])):
        seen = [("tickPrice", 1), ("orderStatus", 1), ("orderStatus", 2), ("tickPrice", 2), ("orderStatus", 1)]
        assert [n for n, (name, client) in enumerate(seen, 1) if one.out(name, STATUS, client)] == hit


def test_requests_are_counted_apart_from_answers() -> None:
    one = stage("at request 2: close")
    assert one.ask("reqIds") == []
    assert one.out("nextValidId") == []
    assert one.ask("reqPositions") == [("close", 1, "before")]


def test_only_messages_that_meet_the_conditions_count() -> None:
    one = stage("on orderStatus where status=Filled 2: drop")
    states = ["Filled", "Submitted", "Filled", "Filled"]
    assert [bool(one.out("orderStatus", STATUS | {"status": state})) for state in states] == [False, False, True, False]


def test_a_new_order_and_a_modification_are_told_apart_by_client_and_id() -> None:
    one = stage("on placeOrder where new=no: drop")
    assert one.ask("placeOrder", PLACE) == []
    assert one.ask("placeOrder", PLACE, client=2) == []
    assert one.ask("placeOrder", PLACE | {"orderId": 8}) == []
    assert one.ask("placeOrder", PLACE) == [("swallow",)]


def test_an_order_that_was_lost_is_new_the_next_time() -> None:
    one = stage("on placeOrder where new=yes 1: drop\non placeOrder where new=no: error 104")
    assert one.ask("placeOrder", PLACE) == [("swallow",)]
    assert one.ask("placeOrder", PLACE) == []


# Chance ------------------------------------------------------------------------------------------------------------


def test_chance_is_the_same_for_a_seed_and_another_for_another() -> None:
    text = "on orderStatus with probability 0.5: drop"
    first, again, other = (fires(stage(text, seed), 64) for seed in (1, 1, 2))
    assert first == again != other
    assert 16 < len(first) < 48


def test_the_seed_stands_in_the_script_and_a_given_one_comes_first() -> None:
    text = "on orderStatus with probability 0.5: drop"
    assert fires(stage("seed 5\n" + text), 64) == fires(stage(text, 5), 64)
    assert fires(stage("seed 5\n" + text, 6), 64) == fires(stage(text, 6), 64)


def test_the_frequency_is_the_probability() -> None:
    # binomial(4000, 0.2): mean 800, standard deviation 25.3
    assert abs(len(fires(stage("on orderStatus with probability 0.2: drop", 3), 4_000)) - 800) < 100


def test_the_chances_of_a_rule_do_not_hang_on_other_rules() -> None:
    alone = stage("on orderStatus with probability 0.5: close after", 9)
    beside = stage("on execDetails with probability 0.5: drop\non orderStatus with probability 0.5: close after", 9)
    for _ in range(10):
        beside.out("execDetails", EXECUTION)
    assert fires(alone, 64) == fires(beside, 64)


def test_two_rules_of_the_same_text_have_chances_of_their_own() -> None:
    one = stage("on orderStatus with probability 0.5: duplicate\non orderStatus with probability 0.5: duplicate", 1)
    counts = [len(one.out("orderStatus", STATUS)) for _ in range(64)]
    assert set(counts) == {0, 1, 2}


# Time --------------------------------------------------------------------------------------------------------------


def test_at_start_is_the_first_tick() -> None:
    one = stage("at start: skew_clock -90s")
    assert one.injector.next_due() == MONDAY
    assert one.wait(0) == [("skew_clock", -90.0)]
    assert one.wait(86_400) == [] and one.injector.next_due() is None


def utc(*parts: int) -> dt.datetime:
    return dt.datetime(*parts, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("trigger", "due"),
    [
        ("at 10:15 exchange", utc(2024, 6, 10, 14, 15)),
        ("at 14:15:30 UTC", utc(2024, 6, 10, 14, 15, 30)),
        ("at 10:00 exchange", utc(2024, 6, 11, 14, 0)),  # later than now, not now
        ("at 09:59 exchange", utc(2024, 6, 11, 13, 59)),
        ("at 2024-12-02 10:15 exchange", utc(2024, 12, 2, 15, 15)),  # winter time
        ("every Sunday at 01:00 exchange", utc(2024, 6, 16, 5, 0)),
        ("every Monday at 11:00 exchange", utc(2024, 6, 10, 15, 0)),
        ("every Monday at 09:00 exchange", utc(2024, 6, 17, 13, 0)),
        ("every day at 23:45 exchange", utc(2024, 6, 11, 3, 45)),
    ],
)
def test_when_a_time_is_due(trigger: str, due: dt.datetime) -> None:
    one = stage(f"{trigger}: close")
    assert one.injector.next_due() == due
    before = (due - MONDAY).total_seconds() - 1
    assert one.wait(before) == []
    assert one.wait(1) == [("close", None, "before")]


def test_a_time_that_is_past_does_not_come(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "gateway.faults"):
        one = stage("at 2024-06-07 10:00 UTC: close")
    assert one.injector.next_due() is None
    assert "is past and will not happen" in caplog.text


def test_every_day_comes_again_and_once_only_however_long_the_leap() -> None:
    one = stage("every day at 15:00 UTC: close")
    assert one.wait(3_600) == [("close", None, "before")]
    assert one.wait(86_399) == [] and one.wait(1) == [("close", None, "before")]
    assert one.wait(10 * 86_400) == [("close", None, "before")]
    assert one.wait(86_400) == [("close", None, "before")]


def test_a_day_that_changes_its_clocks_keeps_the_hour_of_the_exchange() -> None:
    one = Stage(parse("every day at 09:30 exchange: close"), now=dt.datetime(2024, 3, 8, 15, 0, tzinfo=dt.UTC))
    due = []
    for _ in range(3):
        when = one.injector.next_due()
        assert when is not None
        due.append(when)
        one.wait((when - one.now).total_seconds())
    assert [f"{when:%d %H:%M}" for when in due] == ["09 14:30", "10 13:30", "11 13:30"]


def test_what_follows_a_wait_comes_later_about_the_same_message() -> None:
    one = stage("on orderStatus 1: wait 30; error 399; wait 2m; error 202")
    assert one.out("orderStatus", STATUS) == []
    assert one.wait(29) == []
    assert [call[:4] for call in one.wait(1)] == [("error", 1, 7, 399)]
    assert one.wait(119) == []
    assert [call[:4] for call in one.wait(1)] == [("error", 1, 7, 202)]


def test_things_that_are_due_at_once_come_in_the_order_in_which_they_were_planned() -> None:
    one = stage("at start: wait 5; error 2103\nat start: wait 5; error 2104")
    one.wait(0)
    assert [call[3] for call in one.wait(5)] == [2103, 2104]


# Cost --------------------------------------------------------------------------------------------------------------


def test_without_faults_there_is_no_injector() -> None:
    assert make_injector([], lambda: MONDAY) is None


def test_messages_that_no_rule_is_about_cost_no_list() -> None:
    injector = Injector(parse("on execDetails: drop"), lambda: pytest.fail("the time was asked for"))
    assert injector.outgoing(1, "tickPrice", {}) is injector.incoming(1, "reqIds", {})


def test_rules_apply_in_their_order_to_the_message_as_it_came() -> None:
    one = stage(
        "on orderStatus where status=Submitted: set status=Filled\n"
        "on orderStatus where status=Filled: drop\n"
        "on orderStatus where status=Submitted: duplicate\n"
    )
    filled = STATUS | {"status": "Filled"}
    assert one.out("orderStatus", STATUS) == [("replace", filled), ("send", 1, "orderStatus", filled)]
