"""Scenarios of orders and fills, as a raw client sees them on its socket."""

from __future__ import annotations

import pytest
from faulty.wire import Client, Message, codes, gateway, named, statuses

from gateway import Gateway
from gateway.faults.scenarios import SCENARIOS

LIMIT = {"orderType": "LMT", "lmtPrice": 10.0}  # far below the market: it rests
SHORT = {"action": "SELL"}


def open_ids(client: Client) -> list[int]:
    """Order ids of the open orders, as the gateway lists them."""
    client.tell("reqOpenOrders")
    return [values["orderId"] for values in named(client.until("openOrderEnd"), "openOrder")]


def fills(client: Client) -> list[tuple[str, float, float]]:
    """Executions of the day: id, shares, price."""
    client.tell("reqExecutions", reqId=77)
    found = [values["execution"] for values in named(client.until("execDetailsEnd"), "execDetails")]
    return [(one["execId"], one["shares"], one["price"]) for one in found]


def position(client: Client) -> float:
    client.tell("reqPositions")
    held = named(client.until("positionEnd"), "position")
    client.tell("cancelPositions")
    return sum(values["position"] for values in held)


def after(tws: Gateway, client: Client, seconds: float) -> list[Message]:
    tws.advance(seconds=seconds)
    return client.sync()


# Orders that are lost or told wrongly ------------------------------------------------------------------------------


def test_a_dropped_order_leaves_no_trace_and_the_next_one_is_placed() -> None:
    with gateway("order_dropped") as tws, Client(tws.port) as client:
        client.place(client.next_id)
        assert client.sync() == [] and after(tws, client, 5) == []
        client.place(client.next_id + 1)
        assert statuses(client.sync() + after(tws, client, 2))[-1] == "Filled"
        assert open_ids(client) == [] and len(fills(client)) == 1


def test_an_order_vanishes_after_it_was_acknowledged() -> None:
    with gateway("order_vanishes") as tws, Client(tws.port) as client:
        client.place(client.next_id, **LIMIT)
        assert statuses(client.sync()) == ["Submitted"]
        assert after(tws, client, 5) == [] and open_ids(client) == []
        client.tell("reqCompletedOrders", apiOnly=True)
        assert client.until("completedOrdersEnd") == []


def test_an_order_is_reported_cancelled_and_filled_later() -> None:
    with gateway("reported_cancelled") as tws, Client(tws.port) as client:
        client.place(client.next_id, **LIMIT)
        first = client.sync()
        assert statuses(first) == ["Submitted", "Cancelled"] and codes(first) == [202]
        assert open_ids(client) == [client.next_id]  # the truth
        later = after(tws, client, 6)
        assert [fill["execution"]["shares"] for fill in named(later, "execDetails")] == [100.0]
        assert statuses(later)[-1] == "Filled" and position(client) == 100.0


def test_each_status_comes_twice() -> None:
    with gateway("status_duplicated") as tws, Client(tws.port) as client:
        client.place(client.next_id)
        seen = client.sync() + after(tws, client, 2)
        assert statuses(seen) == ["Submitted", "Submitted", "Filled", "Filled"]
        assert len(named(seen, "execDetails")) == 1


def test_submitted_comes_after_filled() -> None:
    with gateway("status_out_of_order") as tws, Client(tws.port) as client:
        client.place(client.next_id)
        assert statuses(client.sync()) == []
        assert statuses(after(tws, client, 2)) == ["Filled", "Submitted"]


def test_there_is_no_status_at_all() -> None:
    with gateway("status_missing") as tws, Client(tws.port) as client:
        client.place(client.next_id)
        seen = client.sync() + after(tws, client, 2)
        assert statuses(seen) == []
        assert named(seen, "openOrder") and len(named(seen, "execDetails")) == 1


def test_a_modification_becomes_a_second_order() -> None:
    with gateway("modify_twin") as tws, Client(tws.port) as client:
        client.place(client.next_id, **LIMIT)
        (first,) = {values["permId"] for values in named(client.sync(), "orderStatus")}
        client.place(client.next_id, **LIMIT | {"lmtPrice": 11.0})
        second = {values["permId"] for values in named(client.sync(), "orderStatus")}
        assert len(second) == 1 and first not in second
        client.tell("reqOpenOrders")
        listed = [v["order"] for v in named(client.until("openOrderEnd"), "openOrder")]
        assert sorted((order["permId"], order["lmtPrice"]) for order in listed) == [(first, 10.0), (*second, 11.0)]


# Refused orders ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in SCENARIOS if name.startswith("rejected_")])
def test_a_rejected_order_ends_inactive_with_201(name: str) -> None:
    with gateway(name) as tws, Client(tws.port) as client:
        client.place(client.next_id, **SHORT)
        seen = client.sync()
        (error,) = named(seen, "error")
        assert (error["reqId"], error["errorCode"]) == (client.next_id, 201)
        assert error["errorString"].startswith("Order rejected - reason:")
        assert bool(error["advancedOrderRejectJson"]) is (name == "rejected_advanced")
        assert statuses(seen)[-1] == "Inactive"
        assert after(tws, client, 5) == [] and open_ids(client) == [] and fills(client) == []


@pytest.mark.parametrize("version", [157, 165, 166, 178])
def test_a_reject_has_its_json_where_the_version_has_it(version: int) -> None:
    with gateway("rejected_advanced") as tws, Client(tws.port, version=version) as client:
        client.place(client.next_id)
        (error,) = named(client.sync(), "error")
        assert bool(error.get("advancedOrderRejectJson")) is (version >= 166)


def test_a_rejected_short_sale_lets_a_purchase_pass() -> None:
    with gateway("rejected_short") as tws, Client(tws.port) as client:
        client.place(client.next_id)
        assert codes(client.sync()) == [] and len(fills(client)) == 0
        assert statuses(after(tws, client, 2))[-1] == "Filled"


def test_a_price_off_the_tick_is_never_placed() -> None:
    with gateway("price_off_tick") as tws, Client(tws.port) as client:
        client.place(client.next_id, **LIMIT)
        seen = client.sync()
        assert codes(seen) == [110] and statuses(seen) == [] and open_ids(client) == []


def test_a_modification_off_the_tick_leaves_the_order_as_it_was() -> None:
    with gateway("modify_off_tick") as tws, Client(tws.port) as client:
        client.place(client.next_id, **LIMIT)
        client.sync()
        client.place(client.next_id, **LIMIT | {"lmtPrice": 11.0})
        assert codes(client.sync()) == [110]
        client.tell("reqOpenOrders")
        (listed,) = named(client.until("openOrderEnd"), "openOrder")
        assert listed["order"]["lmtPrice"] == 10.0


def test_an_order_is_filled_before_it_can_be_modified() -> None:
    with gateway("modify_filled") as tws, Client(tws.port) as client:
        client.place(client.next_id, **LIMIT)
        client.sync()
        client.place(client.next_id, **LIMIT | {"lmtPrice": 11.0})
        seen = client.sync()
        assert codes(seen) == [104] and statuses(seen)[-1] == "Filled"
        assert [price for _, _, price in fills(client)] == [10.0]


def test_an_order_that_nobody_cancelled_is_cancelled() -> None:
    with gateway("cancelled_by_exchange") as tws, Client(tws.port) as client:
        client.place(client.next_id, **LIMIT)
        assert statuses(client.sync()) == ["Submitted"]
        seen = after(tws, client, 3)
        assert codes(seen) == [202] and statuses(seen)[-1] == "Cancelled" and open_ids(client) == []


# Cancels in vain ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "code"), [("cancel_not_possible", 161), ("cancel_not_found", 10147)])
def test_a_cancel_is_refused_and_the_order_lives(name: str, code: int) -> None:
    with gateway(name) as tws, Client(tws.port) as client:
        client.place(client.next_id, **LIMIT)
        client.sync()
        client.tell("cancelOrder", orderId=client.next_id)
        seen = client.sync()
        assert codes(seen) == [code] and named(seen, "error")[0]["reqId"] == client.next_id
        assert open_ids(client) == [client.next_id]
        client.tell("cancelOrder", orderId=client.next_id)
        assert statuses(client.sync())[-1] == "Cancelled"  # the second attempt is heard


def test_a_cancel_crosses_the_fill() -> None:
    with gateway("cancel_crosses_fill") as tws, Client(tws.port) as client:
        client.place(client.next_id, **LIMIT)
        client.sync()
        client.tell("cancelOrder", orderId=client.next_id)
        seen = client.sync()
        (error,) = named(seen, "error")
        assert (
            error["errorString"]
            == f"OrderId {client.next_id} that needs to be cancelled cannot be cancelled, state: Filled."
        )
        assert statuses(seen)[-1] == "Filled" and position(client) == 100.0


# Notices that are none of refusals ---------------------------------------------------------------------------------


def test_the_preset_sets_the_time_in_force_and_the_order_lives() -> None:
    with gateway("tif_preset") as tws, Client(tws.port) as client:
        client.place(client.next_id, tif="")
        seen = client.sync()
        assert codes(seen) == [10349]
        assert named(seen, "openOrder")[-1]["order"]["tif"] == "DAY"
        assert statuses(after(tws, client, 2))[-1] == "Filled"


def test_a_warning_about_hours_is_only_a_warning() -> None:
    with gateway("outside_hours_warning") as tws, Client(tws.port) as client:
        client.place(client.next_id)
        seen = client.sync()
        assert codes(seen) == [399] and statuses(seen) == ["Submitted"]
        assert statuses(after(tws, client, 2))[-1] == "Filled"


def test_a_short_sale_waits_for_its_shares() -> None:
    with gateway("locate_hold:seconds=30") as tws, Client(tws.port) as client:
        client.place(client.next_id, **SHORT)
        assert codes(client.sync()) == [404]
        assert named(after(tws, client, 29), "execDetails") == [] and open_ids(client) == [client.next_id]
        assert statuses(after(tws, client, 3))[-1] == "Filled" and position(client) == -100.0


def test_a_held_order_may_be_cancelled_before_its_shares_are_found() -> None:
    with gateway("locate_hold:seconds=30") as tws, Client(tws.port) as client:
        client.place(client.next_id, **SHORT)
        client.tell("cancelOrder", orderId=client.next_id)
        assert statuses(client.sync())[-1] == "Cancelled"
        assert after(tws, client, 60) == []


# Fills -------------------------------------------------------------------------------------------------------------


def test_a_fill_after_the_cancel() -> None:
    with gateway("fill_after_cancel") as tws, Client(tws.port) as client:
        client.place(client.next_id, **LIMIT)
        client.tell("cancelOrder", orderId=client.next_id)
        first = client.sync()
        assert statuses(first)[-1] == "Cancelled" and codes(first) == [202]
        later = after(tws, client, 3)
        assert len(named(later, "execDetails")) == 1 and position(client) == 100.0


def test_a_part_is_filled_and_the_rest_refused() -> None:
    with gateway("partial_fill_then_reject") as tws, Client(tws.port) as client:
        client.place(client.next_id)
        first = client.sync()
        assert [fill["execution"]["shares"] for fill in named(first, "execDetails")] == [50.0]
        later = after(tws, client, 3)
        assert codes(later) == [201] and statuses(later)[-1] == "Inactive"
        assert position(client) == 50.0 and open_ids(client) == []


def test_an_execution_comes_twice_and_counts_once() -> None:
    with gateway("execution_duplicated") as tws, Client(tws.port) as client:
        client.place(client.next_id)
        client.sync()
        seen = [fill["execution"]["execId"] for fill in named(after(tws, client, 2), "execDetails")]
        assert len(seen) == 2 and len(set(seen)) == 1
        assert position(client) == 100.0


def test_an_execution_is_corrected() -> None:
    with gateway("execution_corrected:seconds=10") as tws, Client(tws.port) as client:
        client.place(client.next_id)
        client.sync()
        (first,) = named(after(tws, client, 5), "execDetails")
        (second,) = named(after(tws, client, 10), "execDetails")
        was, now = first["execution"], second["execution"]
        assert was["execId"].rsplit(".", 1) == [now["execId"].rsplit(".", 1)[0], "01"]
        assert now["execId"].endswith(".02") and now["shares"] == was["shares"]
        assert now["price"] == pytest.approx(was["price"] + 0.05)
        assert position(client) == 100.0


def test_an_execution_is_busted() -> None:
    with gateway("execution_busted:seconds=10") as tws, Client(tws.port) as client:
        client.place(client.next_id)
        client.sync()
        assert len(named(after(tws, client, 5), "execDetails")) == 1 and position(client) == 100.0
        (bust,) = named(after(tws, client, 10), "execDetails")
        assert bust["execution"]["execId"].endswith(".02") and bust["execution"]["shares"] == 0.0
        assert position(client) == 0.0


def test_a_commission_comes_late() -> None:
    with gateway("commission_late:seconds=30") as tws, Client(tws.port) as client:
        client.place(client.next_id)
        client.sync()
        seen = after(tws, client, 5)
        (fill,) = named(seen, "execDetails")
        assert named(seen, "commissionReport") == []
        (report,) = named(after(tws, client, 30), "commissionReport")
        assert report["execId"] == fill["execution"]["execId"] and report["commission"] > 0


def test_a_commission_never_comes() -> None:
    with gateway("commission_never") as tws, Client(tws.port) as client:
        client.place(client.next_id)
        seen = client.sync() + after(tws, client, 600)
        assert named(seen, "execDetails") and named(seen, "commissionReport") == []
        client.tell("reqExecutions", reqId=77)
        assert named(client.until("execDetailsEnd"), "commissionReport") == []
