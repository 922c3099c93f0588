"""The connection against the paper gateway: drops, restarts, outages. Nothing is lost, doubled or sent again."""

from __future__ import annotations

import socket
import threading
from dataclasses import replace

import pytest
from stored.desk import ACCOUNT, PATIENCE, SETTINGS, desk, gateway

from core.errors import AccountError, NotSentError, SettingsError, StoreError, UnansweredError, UnreachableError
from stores import IBStore, StoreSettings
from stores.codes import Reaction
from stores.events import (
    AccountKind,
    CommissionReported,
    ConnectionChanged,
    ConnectionState,
    ErrorReported,
    ExecutionReported,
    Synchronised,
)

S = ConnectionState


def test_a_log_in_tells_the_account_in_full_before_it_is_ready() -> None:
    with desk() as one:
        assert one.store.is_ready and one.store.account == ACCOUNT and one.store.accounts == (ACCOUNT,)
        assert one.store.account_kind is AccountKind.PAPER
        assert one.states() == [S.CONNECTING, S.SYNCHRONISING, S.READY]
        (told,) = one.of(Synchronised)
        kinds = [type(each) for each in one.seen]
        assert kinds.index(Synchronised) < len(kinds) - 1 - kinds[::-1].index(ConnectionChanged)
        snapshot = told.snapshot
        assert told.is_first and snapshot.account == ACCOUNT and snapshot.kind is AccountKind.PAPER
        assert snapshot.open_orders == () and snapshot.executions == () and snapshot.positions == ()
        assert snapshot.cash() == {"EUR": 100_000.0} and snapshot.value("NetLiquidation") == 100_000.0


def test_a_real_account_is_known_by_its_name() -> None:
    from stores.account import kind_of

    kinds = {name: kind_of(name) for name in ("DU1", "DF1", "du1", "U1", "F1", "I1")}
    assert [name for name, kind in kinds.items() if kind is AccountKind.PAPER] == ["DU1", "DF1", "du1"]


# -- what cannot be connected to --------------------------------------------------------------------------------------


def start(**settings: object) -> None:
    store = IBStore(replace(SETTINGS, **({"start_timeout": 0.5, "login_timeout": 0.2} | settings)))
    try:
        store.start()
    finally:
        store.stop()


def test_where_nothing_listens_the_cure_is_to_start_it() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(UnreachableError, match=f"nothing listens on 127.0.0.1:{port}; start TWS"):
        start(port=port)


def test_a_port_that_does_not_answer_is_an_api_that_is_not_enabled() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        with pytest.raises(UnreachableError, match="tick 'Enable ActiveX and Socket Clients'"):
            start(port=mute.getsockname()[1])


def test_a_port_that_closes_is_a_tws_that_wants_a_person() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        ended = threading.Event()

        def close_all() -> None:
            server.settimeout(0.1)
            while not ended.is_set():
                try:
                    server.accept()[0].close()
                except TimeoutError:
                    continue

        thread = threading.Thread(target=close_all)
        thread.start()
        try:
            with pytest.raises(UnreachableError, match="closed the connection during log-in"):
                start(port=server.getsockname()[1])
        finally:
            ended.set()
            thread.join()


def test_an_account_of_another_log_in_is_refused_at_once() -> None:
    with gateway() as tws, pytest.raises(AccountError, match="DU9 is not one of this log-in .DU1234567."):
        start(port=tws.port, account="DU9")


def test_settings_that_cannot_be_are_refused() -> None:
    for wrong in ({"port": 0}, {"host": ""}, {"client_id": -1}, {"answer_timeout": 0}, {"heartbeat": -1.0}):
        with pytest.raises(SettingsError):
            StoreSettings(**wrong)


def test_a_read_only_api_says_which_box_to_clear() -> None:
    text = "Error validating request.-'bO' : cause - The API interface is currently in Read-Only mode."
    with gateway(f'on reqOpenOrders: drop; error 321 "{text}" id=-1') as tws:
        with pytest.raises(UnreachableError, match="clear 'Read-Only API'"):
            start(port=tws.port, start_timeout=3.0, login_timeout=1.0)  # a log-in is under way, and the machine busy


def test_without_orders_a_read_only_api_will_do() -> None:
    with desk("on reqOpenOrders: drop", "on reqAllOpenOrders: drop", settings={"is_trading": False}) as one:
        assert one.store.is_ready
        with pytest.raises(NotSentError, match="is_trading"):
            one.buy()
        assert one.live() == []


def test_what_is_asked_of_a_store_that_does_not_run_is_an_error_with_the_cure() -> None:
    store = IBStore(SETTINGS)
    with pytest.raises(NotSentError, match="call start"):
        store.next_order_id()
    with pytest.raises(StoreError, match="make another IBStore"):
        store.current_time()
    store.stop()


def test_a_listener_cannot_call_the_store_and_one_that_fails_is_taken_off(caplog: pytest.LogCaptureFixture) -> None:
    with desk(start=False) as one:
        said: list[str] = []

        def ask(event: object) -> None:
            try:
                one.store.current_time()
            except StoreError as error:
                said.append(str(error))

        off = one.store.events.listen(ask)
        one.store.start()
        assert said and "its own thread" in said[0]
        off()
        count = len(said)
        one.buy()
        one.after(2)
        assert len(said) == count


# -- drops ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        "drop_before", "drop_after", "drop_middle:message=orderStatus", "drop_middle:message=openOrder",
        "drop_before:message=execDetails", "drop_middle:message=execDetails", "drop_after:message=execDetails",
        "drop_before:message=commissionReport", "drop_middle:message=commissionReport",
        "drop_middle:message=position,n=1",
    ],
)  # fmt: skip
def test_a_fill_around_a_drop_is_told_once_and_the_order_is_not_sent_again(fault: str) -> None:
    with desk(fault) as one:
        order = one.buy()
        one.try_settle()
        one.tws.advance(seconds=3)
        one.until_again()
        one.settle()
        assert [(each.order_ref, each.shares) for each in one.fills()] == [(order.order_ref, 100.0)]
        assert len(one.of(CommissionReported)) == 1 and one.position() == 100.0
        assert one.statuses(order.order_id)[-1] == "Filled"
        placed = one.tws.call(lambda tws: len(tws.market.completed_orders()) + len(tws.market.open_orders()))
        assert placed == 1
        assert S.DISCONNECTED in one.states() and one.states()[-1] is S.READY
        snapshot = one.of(Synchronised)[-1].snapshot
        assert [each.exec_id for each in snapshot.executions] == [one.fills()[0].exec_id]


@pytest.mark.parametrize(
    "message",
    ["managedAccounts", "nextValidId", "openOrderEnd", "completedOrdersEnd", "execDetailsEnd", "positionEnd",
     "accountDownloadEnd", "updateAccountValue"],
)  # fmt: skip
def test_a_drop_while_it_synchronises_starts_it_again(message: str) -> None:
    with desk(f"drop_middle:message={message}") as one:
        assert one.store.is_ready and len(one.of(Synchronised)) == 1
        assert one.states().count(S.CONNECTING) == 2
        assert one.of(Synchronised)[0].is_first


def test_working_orders_are_in_the_snapshot_after_a_drop() -> None:
    with desk("on reqMarketRule 1: close before") as one:
        order = one.buy("LMT", limit_price=10.0)
        one.settle()
        with pytest.raises(UnansweredError, match="connection was lost"):
            one.store.market_rule(26)
        one.until_again()
        (live,) = one.of(Synchronised)[-1].snapshot.open_orders
        assert (live.order_ref, live.limit_price, live.status) == (order.order_ref, 10.0, "Submitted")
        assert live.contract.symbol == "XMPLA"


def test_orders_are_refused_while_it_is_disconnected_and_nothing_reaches_the_gateway() -> None:
    with desk("on reqMarketRule 1: refuse_logins 60; close before") as one:
        instrument, terms = one.instrument(), one.terms()
        with pytest.raises(UnansweredError):
            one.store.market_rule(26)
        one.until_state(S.DISCONNECTED)
        for act in (
            lambda: one.store.place(instrument, terms),
            lambda: one.store.cancel(1),
            lambda: one.store.what_if(instrument, terms),
            one.store.global_cancel,
        ):
            with pytest.raises(NotSentError):
                act()
        assert not one.store.is_ready and "closed the connection" in one.store.why_not_ready()
        one.tws.advance(seconds=61)
        one.until_again()
        assert one.live() == [] and one.fills() == []
        one.store.place(instrument, terms)
        one.after(3)
        assert len(one.fills()) == 1


def test_an_order_that_was_never_acknowledged_is_found_by_its_ref_after_a_drop() -> None:
    with desk("on openOrder 1: close before") as one:
        order = one.buy("LMT", limit_price=10.0)
        one.until_again()
        assert [each.order_ref for each in one.of(Synchronised)[-1].snapshot.open_orders] == [order.order_ref]
        assert one.live() == [order.order_id]


def test_an_order_lost_with_the_connection_is_in_no_snapshot() -> None:
    with desk("on placeOrder 1: drop; close before") as one:
        order = one.buy("LMT", limit_price=10.0)
        one.until_again()
        snapshot = one.of(Synchronised)[-1].snapshot
        assert snapshot.open_orders == () and snapshot.completed_orders == () and one.live() == []
        assert one.statuses(order.order_id) == [] and snapshot.next_order_id == order.order_id + 1


def test_a_half_open_connection_is_found_by_the_heartbeat() -> None:
    with desk("half_open", settings={"heartbeat": 0.2}) as one:
        order = one.buy("LMT", limit_price=10.0)
        one.until_again()
        assert any("the connection is dead" in each.why for each in one.of(ConnectionChanged))
        assert one.live() == [order.order_id]
        assert [each.order_ref for each in one.of(Synchronised)[-1].snapshot.open_orders] == [order.order_ref]


def test_a_quiet_connection_that_answers_stays() -> None:
    with desk(settings={"heartbeat": 0.02}) as one:
        asked = one.tws.call(lambda tws: tws)
        one.until(lambda: one.store.current_time() and True)
        threading.Event().wait(0.3)
        assert asked is not None and one.states() == [S.CONNECTING, S.SYNCHRONISING, S.READY]


def test_a_gateway_that_reads_late_is_waited_for_and_nothing_is_sent_twice() -> None:
    with desk("slow_reader") as one:
        late: list[object] = []
        one.instrument()
        asker = threading.Thread(target=lambda: late.append(one.store.current_time()))
        asker.start()
        order = one.buy("LMT", limit_price=10.0)
        threading.Event().wait(0.1)
        assert one.live() == []
        one.tws.advance(seconds=31)
        asker.join(PATIENCE)
        one.settle()
        assert late and one.live() == [order.order_id] and S.DISCONNECTED not in one.states()


# -- restarts ---------------------------------------------------------------------------------------------------------


def test_a_nightly_restart_is_waited_out_with_the_same_id() -> None:
    with desk("nightly_restart:when=at 10:01 exchange,seconds=180") as one:
        order = one.buy("LMT", limit_price=10.0, tif="GTC")
        one.settle()
        one.tws.advance(seconds=61)
        one.until(lambda: any(each.attempt >= 3 for each in one.of(ConnectionChanged)))
        failed = [each for each in one.of(ConnectionChanged) if each.attempt]
        assert all(each.down_since is not None for each in failed) and not one.store.is_ready
        assert "wants a person to log in" in failed[-1].why
        one.tws.advance(seconds=181)
        one.until_again()
        assert [each.order_ref for each in one.of(Synchronised)[-1].snapshot.open_orders] == [order.order_ref]
        assert one.of(ConnectionChanged)[-1].down_since is None


def test_a_weekend_without_a_person_is_told_as_long_as_it_lasts() -> None:
    with desk("weekly_reauthentication:when=at 10:01 exchange,seconds=8h") as one:
        one.tws.advance(seconds=61)
        one.until(lambda: not one.store.is_ready and any(each.attempt for each in one.of(ConnectionChanged)))
        one.tws.advance(seconds=4 * 3600)
        count = len(one.of(ConnectionChanged))
        one.until(lambda: len(one.of(ConnectionChanged)) > count + 2)
        last = one.of(ConnectionChanged)[-1]
        assert last.down_since is not None and (last.when - last.down_since).total_seconds() >= 4 * 3600
        one.tws.advance(seconds=4 * 3600)
        one.until_again()


def test_one_that_has_never_been_connected_tells_so_too() -> None:
    with desk("at start: refuse_logins 60", wait=False) as one:
        one.until(lambda: any(each.attempt >= 2 for each in one.of(ConnectionChanged)))
        assert one.of(ConnectionChanged)[-1].down_since is not None and one.of(Synchronised) == []
        one.tws.advance(seconds=120)
        one.until_again(1)


def test_a_client_id_in_use_is_tried_again_with_the_same_id() -> None:
    with desk("client_id_in_use:n=1") as one:
        assert one.codes() == [326] and one.store.is_ready
        assert [e.reaction for e in one.of(ErrorReported) if e.code == 326] == [Reaction.RETRY_SAME_ID]
        assert list(one.tws.call(lambda tws: list(tws.clients))) == [1]
        assert any("in use (326)" in each.why for each in one.of(ConnectionChanged))


def test_ids_that_are_rolled_back_are_not_used_again() -> None:
    with desk("ids_rolled_back:after=60,by=4,seconds=5") as one:
        used = [one.buy("LMT", limit_price=10.0 + n).order_id for n in range(6)]
        one.settle()
        one.tws.advance(seconds=61)
        one.until(lambda: not one.store.is_ready)
        one.tws.advance(seconds=10)
        one.until_again()
        assert one.of(Synchronised)[-1].snapshot.next_order_id == used[-1] + 1
        fresh = one.buy("LMT", limit_price=20.0)
        one.settle()
        assert fresh.order_id == used[-1] + 1 and one.codes() == [] and one.live() == [*used, fresh.order_id]


def test_the_high_water_mark_of_the_journal_counts() -> None:
    with desk(settings={"first_order_id": 500}) as one:
        assert one.of(Synchronised)[0].snapshot.next_order_id == 500 and one.store.next_order_id() == 500
        one.store.raise_order_ids(700)
        assert one.buy("LMT", limit_price=10.0).order_id == 700
        one.settle()
        assert one.live() == [700] and one.codes() == []


def test_a_port_that_is_reset_is_followed() -> None:
    with desk("port_reset:after=60") as one:
        before = one.store.port
        order = one.buy("LMT", limit_price=10.0)
        one.settle()
        one.tws.advance(seconds=61)
        one.until_again()
        assert one.store.port == one.tws.port != before and 1300 in one.codes()
        assert one.live() == [order.order_id]


def test_a_restart_of_halflife_finds_the_fills_of_its_day_again() -> None:
    with desk() as one:
        order = one.buy()
        one.after(3)
        (fill,) = one.fills()
        one.store.stop()
        second = IBStore(replace(SETTINGS, port=one.tws.port), one.tws.tws.clock)
        with second:
            events = list(second.events.drain())
        (again,) = [each for each in events if isinstance(each, ExecutionReported)]
        assert again == replace(fill, is_recovered=True)
        (fee,) = [each for each in events if isinstance(each, CommissionReported)]
        assert fee.exec_id == fill.exec_id
        snapshot = next(each for each in events if isinstance(each, Synchronised)).snapshot
        assert [each.order_ref for each in snapshot.completed_orders] == [order.order_ref]
        assert snapshot.completed_orders[0].status == "Filled" and snapshot.completed_orders[0].quantity == 100.0
        assert [each.position for each in snapshot.positions] == [100.0]


def test_a_correction_during_an_absence_replaces_and_is_told_as_such() -> None:
    with desk("on reqMarketRule 1: refuse_logins 60; close before") as one:
        one.buy()
        one.after(3)
        (fill,) = one.fills()
        with pytest.raises(UnansweredError):
            one.store.market_rule(26)
        one.until_state(S.DISCONNECTED)
        one.tws.call(lambda tws: tws.market.correct(tws.market.executions[-1], shares=None, price=fill.price + 1))
        one.tws.advance(seconds=61)
        one.until_again()
        second = one.fills()[-1]
        assert len(one.fills()) == 2 and second.corrects == fill.exec_id and second.is_recovered
        assert [each.price for each in one.of(Synchronised)[-1].snapshot.executions] == [fill.price + 1]
