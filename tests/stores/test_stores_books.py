"""The parts of the store by themselves: codes, ids, books of orders and executions, pacing, hours, the library."""

from __future__ import annotations

import asyncio
import datetime as dt
import random
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import LibraryError, StoreError
from stores import codes, library
from stores.account import AccountBook
from stores.codes import CODES, Klass, Reaction, find
from stores.contracts import hours
from stores.converting import number, time_text
from stores.events import CommissionReported, ExecutionReported, OrderReported, PositionReported
from stores.execution_book import ExecutionBook, Fee, version_of
from stores.ids import REQUESTS_FROM, OrderIds, RequestIds
from stores.inbox import _moment
from stores.order_book import NOWHERE, OrderBook
from stores.outlet import Outlet
from stores.pacing import HistoryPacer, MessagePacer
from stores.records import ContractKey

WHEN = dt.datetime(2024, 6, 12, 14, 0, tzinfo=dt.UTC)


# -- codes ------------------------------------------------------------------------------------------------------------


def test_the_page_shows_the_table(repository: Path) -> None:
    page = (repository / "docs" / "ibkr_errors.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| (\w+) \| (.+?) \| `(\w+)` \| (?:`(\w+)`)? ?\|$", page, re.M)
    told = {int(code): (klass, says, reaction, change) for code, klass, says, reaction, change in rows}
    assert told == {
        number: (code.klass.value, code.says, code.reaction.value, code.on_modify.value if code.on_modify else "")
        for number, code in CODES.items()
    }
    assert {each.value for each in Reaction} <= set(re.findall(r"`(\w+)`", page))


@pytest.mark.parametrize(
    ("code", "text", "order", "change", "reaction"),
    [
        (1100, "", False, False, Reaction.FREEZE),
        (1101, "", False, False, Reaction.RESUBSCRIBE_RECONCILE),
        (1102, "", False, False, Reaction.RECONCILE),
        (1300, "", False, False, Reaction.RECONNECT_PORT),
        (326, "", False, False, Reaction.RETRY_SAME_ID),
        (504, "", False, False, Reaction.BACK_OFF),
        (103, "", True, False, Reaction.SEARCH_ORDER),
        (104, "", True, True, Reaction.AWAIT_FILL),
        (10148, "", True, False, Reaction.AWAIT_FILL),
        (10147, "", True, False, Reaction.RECONCILE),
        (105, "", True, True, Reaction.CHANGE_REFUSED),
        (321, "not valid", True, True, Reaction.CHANGE_REFUSED),
        (321, "not valid", True, False, Reaction.ORDER_REFUSED),
        (321, "not valid", False, False, Reaction.FAIL_REQUEST),
        (321, "The API interface is currently in Read-Only mode.", False, False, Reaction.STOP),
        (329, "", True, True, Reaction.CHANGE_REFUSED),
        (2102, "", True, True, Reaction.CHANGE_REFUSED),
        (10349, "", True, False, Reaction.ORDER_LIVE),
        (399, "", True, False, Reaction.ORDER_LIVE),
        (2109, "", True, False, Reaction.ORDER_LIVE),
        (404, "", True, False, Reaction.ORDER_HELD),
        (200, "No security definition", False, False, Reaction.FAIL_REQUEST),
        (200, "No security definition", True, False, Reaction.ORDER_REFUSED),
        (162, "Service error message:HMDS query returned no data: X", False, False, Reaction.EMPTY),
        (162, "Historical data request pacing violation", False, False, Reaction.RETRY_LATER),
        (162, "Trading TWS session is connected from a different IP address", False, False, Reaction.PAUSE_DATA),
        (162, "No market data permissions for NYSE STK", False, False, Reaction.NOT_SUBSCRIBED),
        (354, "", False, False, Reaction.NOT_SUBSCRIBED),
        (10167, "", False, False, Reaction.DELAYED),
        (10197, "", False, False, Reaction.PAUSE_DATA),
        (10182, "", False, False, Reaction.RESUBSCRIBE),
        (2107, "", False, False, Reaction.NOTE),
        (2199, "", False, False, Reaction.NOTE),
        (99_999, "", True, False, Reaction.RECONCILE),
        (99_999, "", False, False, Reaction.FAIL_REQUEST),
    ],
)  # fmt: skip
def test_a_code_means(code: int, text: str, order: bool, change: bool, reaction: Reaction) -> None:
    assert find(code, text, is_order=order, on_modify=change).reaction is reaction


def test_classes_are_as_ibkr_groups_them() -> None:
    assert {CODES[each].klass for each in (1100, 1300, 326, 502, 504)} == {Klass.CONNECTION}
    assert {CODES[each].klass for each in (110, 201, 202, 404, 10147)} == {Klass.ORDER}
    assert {CODES[each].klass for each in (162, 354, 2103, 2105)} == {Klass.DATA}
    assert codes.is_margin("YOUR EQUITY WITH LOAN VALUE MUST EXCEED THE INITIAL MARGIN")
    assert not codes.is_margin("No Trading Permission")


# -- ids --------------------------------------------------------------------------------------------------------------


@given(st.lists(st.one_of(st.tuples(st.just("told"), st.integers(1, 50)), st.tuples(st.just("take"), st.just(0)))))
def test_an_order_id_is_never_taken_twice_and_never_below_what_ibkr_says(steps: list[tuple[str, int]]) -> None:
    ids, taken, told = OrderIds(1), [], 0
    ids.told(1)
    for what, value in steps:
        if what == "told":
            ids.told(value)
            told = value
        else:
            taken.append(ids.take())
            assert taken[-1] >= told
    assert taken == sorted(set(taken))


def test_ids_of_requests_and_orders_do_not_meet() -> None:
    assert RequestIds().take() == REQUESTS_FROM
    with pytest.raises(StoreError, match="Reset API order ID sequence"):
        OrderIds(1).told(REQUESTS_FROM)
    ids = OrderIds(10)
    ids.told(20)
    assert ids.rolled_back == 0
    ids.told(15)
    assert ids.rolled_back == 5 and ids.take() == 20


# -- executions -------------------------------------------------------------------------------------------------------


def execution(exec_id: str, shares: float = 100.0, price: float = 10.0, **more: Any) -> ExecutionReported:
    values: dict[str, Any] = {
        "perm_id": 7, "order_id": 1, "client_id": 1, "order_ref": "r", "account": "DU1", "side": "BOT",
        "contract": ContractKey(1, "A", "STK", "USD"), "cum_qty": shares, "avg_price": price, "exchange": "X",
        "when": WHEN,
    } | more  # fmt: skip
    return ExecutionReported(exec_id=exec_id, shares=shares, price=price, **values)


def test_the_last_segment_is_the_version() -> None:
    assert version_of("0000e0d5.1.01.02") == ("0000e0d5.1.01", 2) and version_of("odd") == ("odd", 0)


@given(st.randoms(use_true_random=False), st.lists(st.tuples(st.integers(0, 4), st.integers(1, 3)), max_size=30))
def test_in_any_order_and_however_often_the_highest_version_is_valid(
    chance: random.Random, told: list[tuple[int, int]]
) -> None:
    out: list[Any] = []
    book = ExecutionBook(out.append)
    for base, version in told + chance.sample(told, len(told)):
        book.arrived(execution(f"a{base}.{version:02d}", price=float(version)))
    highest = {base: max(v for b, v in told if b == base) for base, _ in told}
    assert {each.exec_id for each in book.valid()} == {f"a{b}.{v:02d}" for b, v in highest.items()}
    ids = [each.exec_id for each in out]
    assert len(ids) == len(set(ids))
    seen: dict[str, str] = {}
    for each in out:
        base = version_of(each.exec_id)[0]
        assert each.corrects == seen.get(base, "")
        seen[base] = each.exec_id


def test_a_fee_waits_for_its_execution_and_is_told_once() -> None:
    out: list[Any] = []
    book = ExecutionBook(out.append)
    fee = Fee("a.01", 1.25, "USD", None)
    book.charged(fee)
    assert out == []
    book.arrived(execution("a.01"))
    book.charged(fee)
    assert [type(each) for each in out] == [ExecutionReported, CommissionReported]
    assert out[1].commission == 1.25 and out[1].order_ref == "r"
    book.charged(Fee("a.01", 1.30, "USD", 4.0))
    assert (out[2].commission, out[2].realized_pnl) == (1.30, 4.0)
    assert [each.commission for each in book.commissions()] == [1.30] and book.without_commission() == ()


def test_a_bust_of_an_execution_that_was_never_seen_says_what_it_takes_back() -> None:
    out: list[Any] = []
    ExecutionBook(out.append).arrived(execution("a.02", shares=0.0))
    assert out[0].is_bust and out[0].corrects == "a.01"


def test_books_forget_what_is_days_old() -> None:
    book = ExecutionBook(lambda event: None)
    book.arrived(execution("a.01"))
    book.charged(Fee("a.01", 1.0, "USD", None))
    book.forget_before(WHEN + dt.timedelta(days=2))
    assert len(book.valid()) == 1
    book.forget_before(WHEN + dt.timedelta(days=4))
    assert book.valid() == () and book.commissions() == ()


# -- orders -----------------------------------------------------------------------------------------------------------


def order(**more: Any) -> OrderReported:
    values: dict[str, Any] = {
        "order_id": 1, "perm_id": 7, "client_id": 1, "order_ref": "r", "status": "Submitted", "filled": 0.0,
        "remaining": None, "avg_fill_price": None, "why_held": "", "account": "DU1", "contract": NOWHERE,
        "action": "BUY", "quantity": 100.0, "order_type": "LMT", "limit_price": 10.0, "aux_price": None,
        "trail_stop_price": None, "trailing_percent": None, "tif": "DAY", "good_till": "", "oca_group": "",
        "parent_id": 0, "outside_rth": False, "source": "open", "when": WHEN,
    } | more  # fmt: skip
    return OrderReported(**values)


def status(book: OrderBook, said: str, filled: float, *, perm_id: int = 7) -> None:
    book.status(1, 1, perm_id, said, filled, 100.0 - filled, 10.0, "", 0, WHEN, is_answer=False)


STEPS = [("Submitted", 0.0), ("Submitted", 30.0), ("Submitted", 60.0), ("Filled", 100.0)]


@given(st.lists(st.sampled_from(STEPS), max_size=20), st.lists(st.integers(0, 3), max_size=6))
def test_fills_never_go_back_whatever_order_statuses_come_in(said: list[tuple[str, float]], fills: list[int]) -> None:
    out: list[Any] = []
    book = OrderBook(out.append)
    book.told(order(), is_answer=False)
    for at, (what, filled) in enumerate(said):
        status(book, what, filled)
        if at < len(fills) and fills[at]:
            book.executed(execution(f"e{at}.01", shares=10.0, cum_qty=STEPS[fills[at]][1]))
    filled_so_far = [each.filled for each in out]
    assert filled_so_far == sorted(filled_so_far)
    states = [(each.status, each.filled, each.remaining) for each in out]
    assert len(states) == len(set(states))
    if any(what == "Filled" for what, _ in said):
        assert out[-1].status == "Filled"


def test_a_status_before_the_order_and_one_of_another_client_are_told() -> None:
    out: list[Any] = []
    book = OrderBook(out.append)
    status(book, "Submitted", 0.0)
    assert out[0].action == "" and out[0].perm_id == 7
    book.told(order(), is_answer=False)
    assert (out[1].action, out[1].status, len(out)) == ("BUY", "Submitted", 2)


def test_our_order_without_a_perm_id_is_found_as_completed_by_its_ref() -> None:
    out: list[Any] = []
    book = OrderBook(out.append)
    book.sent(order(perm_id=0, status="", source="sent"))
    assert book.is_known(1, 1) and not book.is_changing(1) and out == []
    book.told(order(order_id=0, client_id=0, status="Filled", filled=100.0, source="completed"), is_answer=True)
    assert [(each.order_id, each.perm_id, each.status, each.filled) for each in out] == [(1, 7, "Filled", 100.0)]


def test_a_bust_lets_a_status_step_back() -> None:
    out: list[Any] = []
    book = OrderBook(out.append)
    book.told(order(), is_answer=False)
    status(book, "Filled", 100.0)
    book.executed(execution("e.02", shares=0.0, corrects="e.01"))
    status(book, "Submitted", 0.0)
    assert (out[-1].status, out[-1].filled) == ("Submitted", 0.0)


def test_orders_that_are_done_for_days_are_forgotten() -> None:
    book = OrderBook(lambda event: None)
    book.told(order(status="Cancelled"), is_answer=False)
    book.told(order(order_id=2, perm_id=8, order_ref="s"), is_answer=False)
    book.forget_before(WHEN + dt.timedelta(days=4))
    assert not book.is_known(1, 1) and book.is_known(1, 2) and list(book.twins()) == []


# -- account ----------------------------------------------------------------------------------------------------------


def test_a_position_that_is_not_listed_any_more_is_told_as_gone() -> None:
    out: list[Any] = []
    book = AccountBook(out.append)
    held = PositionReported("DU1", ContractKey(1, "A", "STK", "USD"), 100.0, 10.0)
    book.position(held)
    book.position(held)
    book.listing()
    book.positions_end()
    assert [each.position for each in out] == [100.0, 0.0] and book.positions == {}


# -- pacing -----------------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.floats(0.0, 5.0)), max_size=150))
def test_history_pacing_keeps_ibkrs_limits(asked: list[tuple[int, int, float]]) -> None:
    pacer, now, made = HistoryPacer(58), 0.0, []
    for subject, request, pause in asked:
        now += pause
        now += pacer.wait(now, subject, (subject, request))
        assert pacer.wait(now, subject, (subject, request)) == 0.0
        pacer.made(now, subject, (subject, request))
        made.append((now, subject, request))
    for at, (when, subject, request) in enumerate(made):
        window = made[: at + 1]
        assert sum(when - each < 600.0 for each, _, _ in window) <= 60
        assert sum(when - each < 2.0 for each, other, _ in window if other == subject) < 6
        assert sum(when - each < 15.0 for each, *same in window if same == [subject, request]) == 1


def test_bid_ask_counts_twice_and_a_violation_rests() -> None:
    pacer = HistoryPacer(4)
    pacer.made(0.0, "a", None, 2)
    assert pacer.wait(0.0, "b", None, 2) == 0.0
    pacer.made(0.0, "b", None, 2)
    assert pacer.wait(1.0, "c", None) == pytest.approx(599.25)
    rested = HistoryPacer(58)
    rested.violated(0.0, 15.0)
    assert rested.wait(5.0, "a", None) == pytest.approx(10.25)


def test_orders_go_before_what_waits() -> None:
    async def run() -> list[str]:
        pacer, went = MessagePacer(2), list[str]()
        sends = [pacer.send(lambda name=name: went.append(name), priority) for name, priority in (
            ("a", 1), ("b", 1), ("stream", 2), ("question", 1), ("order", 0),
        )]  # fmt: skip
        await asyncio.gather(*sends)
        return went

    assert asyncio.run(run()) == ["a", "b", "order", "question", "stream"]


def test_what_waits_is_told_when_the_connection_is_lost() -> None:
    async def run() -> list[Any]:
        pacer, went = MessagePacer(1), list[str]()
        tasks = [asyncio.ensure_future(pacer.send(lambda: went.append("x"), 1)) for _ in range(3)]
        await asyncio.sleep(0)
        pacer.fail(StoreError("lost"))
        return [*await asyncio.gather(*tasks, return_exceptions=True), went]

    first, *rest, went = asyncio.run(run())
    assert first is None and [type(each) for each in rest] == [StoreError, StoreError] and went == ["x"]


# -- the rest ---------------------------------------------------------------------------------------------------------


def test_hours_are_read_in_both_of_ibkrs_forms() -> None:
    new = hours("20240612:0930-20240612:1600;20240615:CLOSED", "US/Eastern")
    assert new == ((WHEN.replace(hour=13, minute=30), WHEN.replace(hour=20)),)
    assert hours("20240612:0930-1600", "EST") == new and hours("20240612:0930-1600", "Nowhere/Land") == ()


def test_times_are_read_in_all_of_ibkrs_forms() -> None:
    assert _moment("1718200800") == WHEN
    assert _moment("20240612 10:00:00 US/Eastern") == WHEN and _moment("20240612-14:00:00") == WHEN
    assert _moment("20240612") == WHEN.date() and time_text(WHEN) == "20240612 14:00:00 UTC"


def test_unset_numbers_are_none() -> None:
    unset = ("", None, 1.7976931348623157e308, "1.7976931348623157E308", 2147483647, float("nan"), float("inf"))
    assert [number(each) for each in unset] == [None] * len(unset) and number("1.5") == 1.5


def test_the_library_is_chosen_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(library.VARIABLE, "ibapi")
    with pytest.raises(LibraryError, match="use one of ib_async, ib_insync"):
        library.library_name()
    monkeypatch.delenv(library.VARIABLE)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(LibraryError, match="pip install ib_async"):
        library.library_name()


def test_a_listener_that_fails_is_taken_off_and_the_queue_goes_on() -> None:
    outlet: Outlet[int] = Outlet()
    said: list[int] = []
    outlet.listen(said.append)
    outlet.listen(lambda event: said.append(1 // event))
    outlet.put(1)
    assert outlet.get(0) == 1 and outlet.get(0) is None and len(outlet) == 0 and said == [1, 1]
