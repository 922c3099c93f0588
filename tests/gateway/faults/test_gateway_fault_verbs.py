"""What each verb does to the message under way, to further messages, orders and executions."""

from __future__ import annotations

import datetime as dt
import logging

import pytest
from faulty.acting import EXECUTION, FILLED, MONDAY, PLACE, STATUS, stage

from gateway.model import Values

# The message under way ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "calls"),
    [
        ("drop", [("swallow",)]),
        ("close", [("close", 1, "before")]),
        ("close middle", [("close", 1, "middle")]),
        ("close after", [("close", 1, "after")]),
        ("close client=all", [("close", None, "before")]),
        ("set status=Cancelled", [("replace", STATUS | {"status": "Cancelled"})]),
        ("set filled=3 whyHeld=locate", [("replace", STATUS | {"filled": 3.0, "whyHeld": "locate"})]),
        ("set status=Cancelled; drop", [("swallow",)]),
        ("duplicate", [("send", 1, "orderStatus", STATUS)]),
        ("duplicate status=Filled", [("send", 1, "orderStatus", STATUS | {"status": "Filled"})]),
        (
            "pass; duplicate status=Filled",
            [("swallow",), ("send", 1, "orderStatus", STATUS), ("send", 1, "orderStatus", FILLED)],
        ),
        ("pass; pass", [("swallow",), ("send", 1, "orderStatus", STATUS)]),
        ("send openOrder orderId=$orderId", [("send", 1, "openOrder", {"orderId": 7})]),
        ("send error client=all reqId=-1", [("send", None, "error", {"reqId": -1})]),
        ("receive cancelOrder orderId=$orderId", [("receive", 1, "cancelOrder", {"orderId": 7})]),
        ("half_open", [("half_open", 1)]),
        ("stop_reading", [("stop_reading", 1, None)]),
        ("stop_reading 30", [("stop_reading", 1, MONDAY + dt.timedelta(seconds=30))]),
        ("refuse_logins 4h", [("refuse_logins", MONDAY + dt.timedelta(hours=4))]),
        ("change_port 4010", [("change_port", 4010)]),
        ("roll_back_ids 5", [("roll_back_ids", 5)]),
        ("lose_streams", [("lose_streams", None)]),
        ("lose_streams own", [("lose_streams", 1)]),
        ("limit messages 10 1s", [("limit", "messages", 10, 1.0)]),
        ("hold", [("hold_order", 1, 7)]),
        ("release", [("release_order", 1, 7)]),
        ("execute", [("execute", 1, 7, None, None)]),
        ("execute shares=50 price=12.34", [("execute", 1, 7, 50.0, 12.34)]),
        ('refuse 201 "no"', [("refuse", 1, 7, 201, "no", "")]),
        ("end_silently", [("end_silently", 1, 7)]),
        ("error 202", [("error", 1, 7, 202, "Order Canceled - reason:", "")]),
        ('error 999 "order $orderId is $status"', [("error", 1, 7, 999, "order 7 is Submitted", "")]),
        ('error 201 "x" reject="{1}" id=5 client=3', [("error", 3, 5, 201, "x", "{1}")]),
        ('error 201 "$filled of it"', [("error", 1, 7, 201, "0 of it", "")]),
        (
            "error 1102",
            [("error", None, -1, 1102, "Connectivity between IBKR and Trader Workstation has been restored - data "
              "maintained.", "")],
        ),
    ],
)  # fmt: skip
def test_what_an_action_does_to_an_answer(action: str, calls: list[tuple[object, ...]]) -> None:
    assert stage(f"on orderStatus: {action}").out("orderStatus", STATUS) == calls


def test_actions_on_a_request() -> None:
    one = stage("on placeOrder: set tif=DAY order.action=SELL; duplicate orderId=8; close after")
    changed = PLACE | {"order": {"action": "SELL", "totalQuantity": 100.0, "tif": "DAY"}}
    assert one.ask("placeOrder", PLACE) == [
        ("replace", changed),
        ("receive", 1, "placeOrder", changed | {"orderId": 8}),
        ("close", 1, "after"),
    ]
    assert PLACE["order"] == {"action": "BUY", "totalQuantity": 100.0}  # what came is left as it was


def test_a_delayed_message_comes_later_as_it_was() -> None:
    one = stage("on orderStatus 1: set status=Inactive; delay 2")
    assert one.out("orderStatus", STATUS) == [("swallow",)]
    assert one.wait(1) == [] and one.wait(1) == [("send", 1, "orderStatus", STATUS | {"status": "Inactive"})]


def test_a_swapped_message_comes_after_the_next_of_its_name_to_that_client() -> None:
    one = stage("on orderStatus 1: swap 10")
    second = STATUS | {"status": "Filled"}
    assert one.out("orderStatus", STATUS) == [("swallow",)]
    assert one.out("execDetails", EXECUTION) == [] and one.out("orderStatus", second, client=2) == []
    assert one.out("orderStatus", second) == [
        ("swallow",), ("send", 1, "orderStatus", second), ("send", 1, "orderStatus", STATUS),
    ]  # fmt: skip
    assert one.wait(10) == []


def test_a_swapped_message_without_a_next_comes_in_the_end() -> None:
    one = stage("on orderStatus 1: swap")
    one.out("orderStatus", STATUS)
    assert one.wait(0.9) == [] and one.wait(0.1) == [("send", 1, "orderStatus", STATUS)]
    assert one.out("orderStatus", STATUS) == []


def test_muted_messages_are_lost_and_the_others_are_not() -> None:
    one = stage("at start: mute data 60; wait 60; error 2104")
    one.wait(0)
    assert one.out("tickPrice") == [("swallow",)] and one.out("realtimeBar", client=2) == [("swallow",)]
    assert one.out("orderStatus", STATUS) == []
    assert [call[3] for call in one.wait(60)] == [2104]
    assert one.out("tickPrice") == []


def test_a_client_alone_can_be_muted_and_for_ever() -> None:
    one = stage("on tickPrice 1: mute tickPrice,tickSize client=own")
    assert one.out("tickPrice") == [("swallow",)]
    assert one.out("tickSize") == [("swallow",)] and one.out("tickSize", client=2) == []
    one.wait(10 * 86_400)
    assert one.out("tickPrice") == [("swallow",)]


def test_requests_can_be_muted() -> None:
    one = stage("at start: mute reqHistoricalData 5")
    one.wait(0)
    assert one.ask("reqHistoricalData") == [("swallow",)] and one.ask("reqIds") == []
    one.wait(5)
    assert one.ask("reqHistoricalData") == []


def test_held_back_messages_come_in_their_order_when_the_time_is_over() -> None:
    one = stage("at start: hold_back orders,reqIds 30")
    one.wait(0)
    assert one.out("execDetails", EXECUTION) == [("swallow",)]
    assert one.ask("reqIds", {"numIds": 1}) == [("swallow",)]
    assert one.out("orderStatus", STATUS, client=2) == [("swallow",)]
    assert one.wait(30) == [
        ("send", 1, "execDetails", EXECUTION),
        ("receive", 1, "reqIds", {"numIds": 1}),
        ("send", 2, "orderStatus", STATUS),
    ]


def test_a_message_never_overtakes_what_was_held_back_before_it() -> None:
    one = stage("at start: hold_back orders 30")
    one.wait(0)
    one.out("execDetails", EXECUTION)
    one.now += dt.timedelta(seconds=31)  # the clock has moved, and the tick is yet to come
    assert one.out("orderStatus", STATUS) == [("send", 1, "execDetails", EXECUTION)]
    assert one.wait(0) == []


def test_shuffled_rows_are_the_same_rows_in_another_order_by_the_seed() -> None:
    rows = {"reqId": 3, "bars": [{"date": f"2024060{n}"} for n in range(1, 8)], "start": ""}
    first, again = (stage("on historicalData: shuffle", 4).out("historicalData", dict(rows)) for _ in range(2))
    assert first == again
    ((name, values),) = first
    assert name == "replace" and values["bars"] != rows["bars"]
    assert sorted(row["date"] for row in values["bars"]) == [row["date"] for row in rows["bars"]]


def test_rows_that_are_all_alike_cannot_be_shuffled() -> None:
    same: Values = {"bars": [{"date": "1"}, {"date": "1"}]}
    assert stage("on historicalData: shuffle").out("historicalData", same) == [("replace", same)]


# Orders and executions that a message does not name ----------------------------------------------------------------


def test_a_timed_action_is_about_the_latest_order() -> None:
    one = stage("at start: wait 10; execute fraction=0.25; end_silently")
    one.wait(0)
    one.ask("placeOrder", PLACE)
    one.ask("placeOrder", PLACE | {"orderId": 9}, client=4)
    assert one.wait(10) == [("execute", 4, 9, 25.0, None), ("end_silently", 4, 9)]


def test_a_timed_action_is_about_the_latest_execution() -> None:
    one = stage("at start: wait 10; correct price_by=0.05; bust")
    one.wait(0)
    one.out("execDetails", EXECUTION)
    assert one.wait(10) == [("correct", "0001.02.01.01", None, 12.55), ("bust", "0001.02.01.01")]


def test_an_order_belongs_to_the_client_that_the_message_names() -> None:
    one = stage("on execDetails: execute shares=1")
    other = EXECUTION | {"execution": EXECUTION["execution"] | {"clientId": 5}}
    assert one.out("execDetails", other) == [("execute", 5, 7, 1.0, None)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("at start: execute", "no order was placed yet"),
        ("at start: bust", "nothing was executed yet"),
        ("at start: halt first", "nothing on the tape yet"),
    ],
)
def test_what_is_not_there_is_said_and_nothing_is_done(text: str, said: str, caplog: pytest.LogCaptureFixture) -> None:
    one = stage(text)
    with caplog.at_level(logging.WARNING, "gateway.faults"):
        assert one.wait(0) == []
    assert said in caplog.text and "script, line 1" in caplog.text


@pytest.mark.parametrize(
    "text",
    ["at message 1: error 202 $stauts", "at message 1: scale stauts 2", "at message 1: set stauts=x"],
)
def test_a_field_that_a_message_does_not_have_is_said(text: str, caplog: pytest.LogCaptureFixture) -> None:
    one = stage(text)
    with caplog.at_level(logging.WARNING, "gateway.faults"):
        assert one.out("orderStatus", STATUS) == []
    assert caplog.text.count("field 'stauts'; did you mean 'status'?") == 1


def test_what_is_missing_in_each_message_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    one = stage("on tickPrice: error 354 $size")  # a field that its sender may leave to the layout
    with caplog.at_level(logging.WARNING, "gateway.faults"):
        for _ in range(3):
            assert one.out("tickPrice", {"reqId": 1, "price": 2.0}) == []
    assert caplog.text.count("no field 'size'") == 1


def test_a_field_that_its_sender_leaves_to_the_layout_is_empty() -> None:
    one = stage("on orderStatus where whyHeld!=locate: drop\non orderStatus where whyHeld=: duplicate")
    assert one.out("orderStatus", STATUS) == [("swallow",), ("send", 1, "orderStatus", STATUS)]
