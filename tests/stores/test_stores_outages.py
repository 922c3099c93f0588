"""IBKR's servers, pacing, fast clocks, lost messages, and days of chance. Nothing is lost, doubled or sent again."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from stored.desk import desk

from core.errors import NotSentError, UnansweredError
from stores.account import AccountBook
from stores.codes import Reaction
from stores.events import (
    ConnectionChanged,
    ConnectionState,
    ErrorReported,
    OrderReported,
    PositionReported,
    Synchronised,
)

S = ConnectionState


# -- IBKR's servers ---------------------------------------------------------------------------------------------------


def test_lost_servers_freeze_orders_and_nothing_else() -> None:
    with desk("connectivity_lost:after=60") as one:
        one.after(61)
        assert one.store.state is S.BROKEN and one.codes() == [1100]
        instrument, terms = one.instrument(), one.terms()
        with pytest.raises(NotSentError, match="lost IBKR's servers"):
            one.store.place(instrument, terms)
        assert one.store.current_time() == one.tws.now() and one.live() == []
        assert one.of(ConnectionChanged)[-1].down_since == one.tws.now()


@pytest.mark.parametrize(
    ("fault", "code"), [("connectivity_restored", 1102), ("connectivity_restored_data_lost", 1101)]
)
def test_fills_of_an_outage_are_told_once_when_it_is_over(fault: str, code: int) -> None:
    with desk(f"{fault}:after=2,seconds=60") as one:
        order = one.buy()
        one.after(1)
        one.after(30)
        assert one.store.state is S.BROKEN
        before = len(one.fills())
        one.after(61)
        one.until_again()
        assert one.codes() == [1100, code] and len(one.fills()) == 1 >= before
        assert one.states()[-3:] == [S.BROKEN, S.SYNCHRONISING, S.READY]
        assert one.statuses(order.order_id)[-1] == "Filled" and one.position() == 100.0
        assert one.of(Synchronised)[-1].reason.startswith(str(code)) and S.DISCONNECTED not in one.states()


def test_servers_lost_during_log_in_leave_it_broken_until_they_are_back() -> None:
    with desk("on completedOrdersEnd 1: error 1100; pass") as one:
        assert one.store.state is S.BROKEN
        one.tws.call(lambda tws: [each.error(-1, 1102, "restored") for each in tws.connections])
        one.until_again()


def test_a_loss_that_restores_itself_ends_with_a_farm_that_is_fine() -> None:
    with desk("at start: wait 5; error 2110; wait 5; error 2104") as one:
        one.after(6)
        assert one.store.state is S.BROKEN
        one.after(6)
        one.until_again()


def test_a_message_rate_that_is_tightened_is_kept_by_pacing() -> None:
    with desk("message_rate:count=10,seconds=1", settings={"messages_per_second": 0}, wait=False) as one:
        one.until_again(1)
        assert one.store.is_ready


def test_the_clock_of_the_gateway_can_be_compared() -> None:
    with desk("clock_skew:seconds=90") as one:
        assert (one.store.current_time() - one.tws.now()).total_seconds() == 90
        one.buy()
        one.after(3)
        assert len(one.fills()) == 1


def test_a_burst_is_sent_within_the_rate_and_orders_go_first() -> None:
    with desk("at start: limit messages 50 1000", settings={"messages_per_second": 10}) as one:
        got = [one.buy("LMT", limit_price=1.0 + n).order_id for n in range(19)]
        one.settle()
        assert one.live() == got and 100 not in one.codes()


def test_a_rehearsal_sixty_times_as_fast_goes_through_a_restart() -> None:
    with desk("on reqMarketRule 1: refuse_logins 60; close before", speed=60.0) as one:
        one.buy("LMT", limit_price=10.0, tif="GTC")
        with pytest.raises(UnansweredError):
            one.store.market_rule(26)
        one.until_again()
        (live,) = one.of(Synchronised)[-1].snapshot.open_orders
        assert (live.limit_price, live.status) == (10.0, "Submitted")
        assert any(each.attempt for each in one.of(ConnectionChanged)), "it was not let in at once"


def test_many_reconnects_leave_no_socket_thread_or_order_behind() -> None:
    def held() -> tuple[int, int]:
        return len(list(Path("/proc/self/fd").iterdir())), threading.active_count()

    if not Path("/proc/self/fd").is_dir():
        pytest.skip("open files can be counted on Linux only")
    with desk() as one:
        one.store.subscribe_bars(one.instrument())
        order = one.buy("LMT", limit_price=10.0)
        one.settle()
        before = held()
        for times in range(40):
            one.tws.call(lambda tws: [each.close() for each in list(tws.connections)])
            one.until_again(times + 2)
        one.settle()
        one.until(lambda: held()[0] <= before[0] + 1)
        assert held()[1] == before[1] and one.live() == [order.order_id] and one.fills() == []
        assert one.statuses(order.order_id) == ["Submitted"] * len(one.statuses(order.order_id))
        assert len(one.statuses(order.order_id)) <= 2


def test_a_message_that_cannot_be_read_is_told_and_the_account_is_asked_for_anew(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with desk() as one:
        one.buy("LMT", limit_price=10.0)
        one.settle()
        garbage = b"11\x00-1\x00half an execution\x00"
        one.tws.call(lambda tws: [each.write(len(garbage).to_bytes(4, "big") + garbage) for each in tws.connections])
        one.until_again()
        (error,) = [each for each in one.of(ErrorReported) if each.code == 0]
        assert error.reaction is Reaction.RECONCILE and "Error handling fields" in error.text
        assert len(one.of(Synchronised)[-1].snapshot.open_orders) == 1 and S.DISCONNECTED not in one.states()
        caplog.clear()


def test_while_messages_are_lost_again_and_again_no_order_goes_out(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    position = AccountBook.position

    def fail(self: AccountBook, told: PositionReported) -> None:
        raise ValueError("no such position")

    with desk(settings={"mending": 0.5}) as one:
        instrument, _ = one.instrument(), one.buy()
        terms = one.terms()
        monkeypatch.setattr(AccountBook, "position", fail)
        one.after(3)
        one.until_state(S.BROKEN)
        with pytest.raises(NotSentError):
            one.store.place(instrument, terms)
        monkeypatch.setattr(AccountBook, "position", position)
        one.until(lambda: one.store.is_ready)
        one.store.place(instrument, terms)
        one.after(3)
        assert len(one.fills()) == 2 and one.position() == 200.0
        caplog.clear()


def test_a_log_in_whose_answers_are_lost_is_none(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(self: AccountBook, told: object) -> None:
        raise ValueError("no such value")

    with desk(wait=False, start=False) as one:
        monkeypatch.setattr(AccountBook, "value", fail)
        one.store.start(wait=False)
        one.until(lambda: any(each.attempt >= 2 for each in one.of(ConnectionChanged)))
        assert one.of(Synchronised) == [] and "could not deal with a message" in one.of(ConnectionChanged)[-1].why
        monkeypatch.undo()
        one.until_again(1)
        caplog.clear()


def test_every_order_status_of_a_day_of_chance_ends_where_the_gateway_is() -> None:
    faults = [
        "on orderStatus with probability 0.2: duplicate", "on openOrder with probability 0.2: duplicate",
        "on orderStatus with probability 0.2: drop", "on execDetails with probability 0.2: duplicate",
        "on execDetails with probability 0.1: close before", "on orderStatus with probability 0.05: close middle",
        "on commissionReport with probability 0.1: close after",
    ]  # fmt: skip
    for seed in range(3):
        with desk(*faults, seed=seed) as one:
            for n in range(12):
                try:
                    one.until(lambda: one.store.is_ready)
                    one.buy() if n % 3 else one.buy("LMT", limit_price=10.0 + n)
                except (NotSentError, UnansweredError):
                    continue
                one.try_settle()
                one.tws.advance(seconds=2)
            one.until(lambda: one.store.is_ready)
            told = {each.exec_id: each for each in one.insist(one.store.executions)}
            truth = one.tws.call(lambda tws: {each.exec_id: each.shares for each in tws.market.executions})
            assert {key: each.shares for key, each in told.items()} == truth
            one.drain()
            ids = [each.exec_id for each in one.fills()]
            assert sorted(ids) == sorted(truth), "each fill once"
            assert one.insist(one.position) == sum(truth.values())
            live = {each.order_id for each in one.insist(one.store.open_orders)}
            assert live == set(one.live()) and len(truth) + len(live) <= 12
            last = {each.order_id: each for each in one.of(OrderReported)}
            filled = {each.order_id for each in told.values()}
            assert all(last[order_id].status == "Filled" for order_id in filled)
