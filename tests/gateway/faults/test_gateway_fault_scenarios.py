"""Each named scenario: it parses, its settings are used, and what it does is what its line says."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from typing import Any

import pytest
from faulty.acting import MONDAY, Stage

from gateway.faults import load, parse
from gateway.faults.scenarios import FAMILIES, SCENARIOS
from gateway.faults.texts import SYSTEM
from gateway.model import Instrument, Values

Play = Callable[[Stage], object]

STATUS: Values = {"orderId": 7, "status": "Submitted", "filled": 0.0, "remaining": 100.0, "clientId": 1}
PLACE: Values = {
    "orderId": 7,
    "contract": {"symbol": "BAC", "exchange": "SMART"},
    "order": {"action": "SELL", "totalQuantity": 100.0, "tif": "", "orderType": "LMT"},
}
CANCEL: Values = {"orderId": 7}
EXECUTION: Values = {"execution": {"execId": "a.01", "orderId": 7, "clientId": 1, "shares": 100.0, "price": 12.5}}
COMMISSION: Values = {"execId": "a.01", "commission": 1.0, "currency": "USD"}
HISTORY: Values = {
    "reqId": 5,
    "contract": {"symbol": "BAC", "exchange": "NYSE", "secType": "STK"},
    "whatToShow": "TRADES",
}
TICK: Values = {"reqId": 5, "tickType": 4, "price": 12.5, "size": 3.0}
BAR5: Values = {"reqId": 5, "open": 12.5, "high": 12.6, "low": 12.4, "close": 12.5}
BAC, AIG = Instrument(1, "BAC"), Instrument(2, "AIG")


def told(stage: Stage) -> list[tuple[Any, ...]]:
    """What the actor was told, with errors and refusals cut to client, id and code."""
    return [call[:4] if call[0] in ("error", "refuse") else call for call in stage.calls]


def passes(name: str, values: Values, times: int = 1) -> Play:
    return lambda stage: [stage.out(name, values) for _ in range(times)]


def asks(name: str, values: Values, times: int = 1) -> Play:
    return lambda stage: [stage.ask(name, values) for _ in range(times)]


def waits(seconds: float) -> Play:
    return lambda stage: stage.wait(seconds)


def sees_tape(stage: Stage) -> None:
    stage.injector.memory.rewrites.see((BAC, AIG))


def at(seconds: float) -> dt.datetime:
    return MONDAY + dt.timedelta(seconds=seconds)


PASSED = [("swallow",), ("receive", 1, "placeOrder", PLACE)]
HELD = [("swallow",), ("hold_order", 1, 7), ("receive", 1, "placeOrder", PLACE)]
REFUSED = [*HELD, ("refuse", 1, 7, 201)]
STARTED = [waits(0), waits(60)]  # at start, and its "after"
CHANGED = asks("placeOrder", PLACE, 2)  # a new order, and its modification

UPDATE: Values = {"reqId": 5, "bar": {name: price for name, price in BAR5.items() if name != "reqId"}}
CORRUPT = [("replace", BAR5 | {"low": pytest.approx(18.6)})]
STREAMS_ASKED: list[Play] = [  # each once more than it is refused, and history that is not kept up to date
    asks("reqHistoricalData", HISTORY),
    *(
        asks(name, HISTORY | {"keepUpToDate": True}, 2)
        for name in ("reqMktData", "reqRealTimeBars", "reqHistoricalData")
    ),
]

# name -> what happens in the gateway, what the actor is told
PLAYS: dict[str, tuple[list[Play], list[tuple[Any, ...]]]] = {
    "drop_before": ([passes("orderStatus", STATUS, 2)], [("close", 1, "before")]),
    "drop_after": ([passes("orderStatus", STATUS, 2)], [("close", 1, "after")]),
    "drop_middle": ([passes("execDetails", EXECUTION, 2)], [("close", 1, "middle")]),
    "half_open": (
        [passes("openOrder", {"orderId": 7})],
        [("swallow",), ("send", 1, "openOrder", {"orderId": 7}), ("half_open", 1)],
    ),
    "slow_reader": ([asks("reqCurrentTime", {})], [("stop_reading", 1, at(30))]),
    "connectivity_lost": (
        [*STARTED, passes("execDetails", EXECUTION), passes("tickPrice", TICK), waits(80_000)],
        [("error", None, -1, 1100), ("swallow",), ("swallow",)],
    ),
    "connectivity_restored_data_lost": (
        [*STARTED, passes("execDetails", EXECUTION), waits(60)],
        [
            ("error", None, -1, 1100), ("lose_streams", None), ("swallow",),
            ("send", 1, "execDetails", EXECUTION), ("error", None, -1, 1101),
        ],
    ),
    "connectivity_restored": (
        [*STARTED, passes("tickPrice", TICK), passes("execDetails", EXECUTION), waits(60), passes("tickPrice", TICK)],
        [
            ("error", None, -1, 1100), ("swallow",), ("swallow",),
            ("send", 1, "execDetails", EXECUTION), ("error", None, -1, 1102),
        ],
    ),
    "port_reset": ([*STARTED], [("change_port", 0)]),
    "market_farm_broken": (
        [*STARTED, waits(3)],
        [("error", None, -1, 2103), ("lose_streams", None), ("error", None, -1, 2104)],
    ),
    "history_farm_broken": (
        [*STARTED, asks("reqHistoricalData", HISTORY), waits(60), asks("reqHistoricalData", HISTORY)],
        [("error", None, -1, 2105), ("swallow",), ("error", None, -1, 2106)],
    ),
    "nightly_restart": (  # 23:45 in New York is 13:45 hours away
        [waits(13.75 * 3600), waits(86_400)],
        [
            ("refuse_logins", at(13.75 * 3600 + 180)), ("close", None, "before"),
            ("refuse_logins", at(37.75 * 3600 + 180)), ("close", None, "before"),
        ],
    ),
    "weekly_reauthentication": (  # Sunday 05:00 UTC
        [waits(5 * 86_400 + 15 * 3600)],
        [("refuse_logins", at(5 * 86_400 + 23 * 3600)), ("close", None, "before")],
    ),
    "client_id_in_use": (
        [passes("managedAccounts", {"accountsList": "DU1"}, 2)],
        [("swallow",), ("error", 1, -1, 326), ("close", 1, "before")],
    ),
    "ids_rolled_back": ([*STARTED], [("roll_back_ids", 4), ("refuse_logins", at(65)), ("close", None, "before")]),
    "message_rate": ([waits(0)], [("limit", "messages", 10, 1.0)]),
    "clock_skew": ([waits(0)], [("skew_clock", 90.0)]),
    "order_dropped": ([asks("placeOrder", PLACE, 2)], [("swallow",)]),
    "order_vanishes": (
        [passes("orderStatus", STATUS), waits(2)],
        [("swallow",), ("send", 1, "orderStatus", STATUS), ("end_silently", 1, 7)],
    ),
    "reported_cancelled": (
        [passes("orderStatus", STATUS), waits(5)],
        [
            ("swallow",), ("send", 1, "orderStatus", STATUS),
            ("send", 1, "orderStatus", STATUS | {"status": "Cancelled", "remaining": 0.0}),
            ("error", 1, 7, 202), ("execute", 1, 7, None, None),
        ],
    ),
    "status_duplicated": ([passes("orderStatus", STATUS, 2)], [("send", 1, "orderStatus", STATUS)] * 2),
    "status_out_of_order": (
        [passes("orderStatus", STATUS), passes("orderStatus", STATUS | {"status": "Filled"})],
        [
            ("swallow",), ("swallow",), ("send", 1, "orderStatus", STATUS | {"status": "Filled"}),
            ("send", 1, "orderStatus", STATUS),
        ],
    ),
    "status_missing": ([passes("orderStatus", STATUS, 2), passes("openOrder", {})], [("swallow",)] * 2),
    "modify_twin": ([CHANGED], [("twin", 1, 7)]),
    **{name: ([asks("placeOrder", PLACE)], REFUSED) for name in SCENARIOS if name.startswith("rejected_")},
    "cancelled_by_exchange": (
        [passes("orderStatus", STATUS), waits(2)],
        [("swallow",), ("send", 1, "orderStatus", STATUS), ("receive", 1, "cancelOrder", CANCEL)],
    ),
    "modify_filled": ([CHANGED], [("swallow",), ("execute", 1, 7, None, None), ("error", 1, 7, 104)]),
    "price_off_tick": ([asks("placeOrder", PLACE)], [("swallow",), ("error", 1, 7, 110)]),
    "modify_off_tick": ([CHANGED], [("swallow",), ("error", 1, 7, 110)]),
    "cancel_not_possible": ([asks("cancelOrder", CANCEL)], [("swallow",), ("error", 1, 7, 161)]),
    "cancel_not_found": ([asks("cancelOrder", CANCEL)], [("swallow",), ("error", 1, 7, 10147)]),
    "cancel_crosses_fill": (
        [asks("cancelOrder", CANCEL)],
        [("swallow",), ("execute", 1, 7, None, None), ("error", 1, 7, 10148)],
    ),
    "tif_preset": (
        [asks("placeOrder", PLACE)],
        [("replace", PLACE | {"order": PLACE["order"] | {"tif": "DAY"}}), ("error", 1, 7, 10349)],
    ),
    "outside_hours_warning": ([asks("placeOrder", PLACE)], [*PASSED, ("error", 1, 7, 399)]),
    "locate_hold": (
        [asks("placeOrder", PLACE), waits(60)],
        [*HELD, ("error", 1, 7, 404), ("release_order", 1, 7)],
    ),
    "fill_after_cancel": (
        [passes("orderStatus", STATUS | {"status": "Cancelled"}), waits(2)],
        [
            ("swallow",), ("send", 1, "orderStatus", STATUS | {"status": "Cancelled"}), ("execute", 1, 7, None, None),
        ],
    ),
    "partial_fill_then_reject": (
        [asks("placeOrder", PLACE), waits(1)],
        [*HELD, ("execute", 1, 7, 50.0, None), ("refuse", 1, 7, 201)],
    ),
    "execution_duplicated": ([passes("execDetails", EXECUTION)], [("send", 1, "execDetails", EXECUTION)]),
    "execution_corrected": (
        [passes("execDetails", EXECUTION), waits(2)],
        [("swallow",), ("send", 1, "execDetails", EXECUTION), ("correct", "a.01", None, 12.55)],
    ),
    "execution_busted": (
        [passes("execDetails", EXECUTION), waits(2)],
        [("swallow",), ("send", 1, "execDetails", EXECUTION), ("bust", "a.01")],
    ),
    "commission_late": (
        [passes("commissionReport", COMMISSION), waits(29), waits(1)],
        [("swallow",), ("send", 1, "commissionReport", COMMISSION)],
    ),
    "commission_never": ([passes("commissionReport", COMMISSION), waits(10**6)], [("swallow",)]),
    **{
        name: ([asks("reqHistoricalData", HISTORY)], [("swallow",), ("error", 1, 5, 162)])
        for name in SCENARIOS
        if name.startswith("history_") and name not in ("history_rate", "history_farm_broken")
    },
    "history_rate": ([waits(0)], [("limit", "historical", 5, 600.0)]),
    "not_subscribed": (STREAMS_ASKED, [("swallow",), ("error", 1, 5, 354)] * 3),
    "needs_subscription": (STREAMS_ASKED, [("swallow",), ("error", 1, 5, 10089)] * 3),
    "delayed_shown": (
        [
            *STREAMS_ASKED[1:], passes("marketDataType", {"reqId": 5, "marketDataType": 1}),
            passes("tickPrice", TICK), passes("tickSize", {"reqId": 5, "tickType": 5, "size": 3.0}),
        ],
        [
            *[("error", 1, 5, 10167)] * 6, ("replace", {"reqId": 5, "marketDataType": 3}),
            ("replace", TICK | {"tickType": 68}), ("replace", {"reqId": 5, "tickType": 71, "size": 3.0}),
        ],
    ),
    "delayed_disabled": (STREAMS_ASKED, [("swallow",), ("error", 1, 5, 10168)] * 3),
    "competing_session": (
        [
            passes("tickPrice", TICK, 10), passes("realtimeBar", BAR5, 5), passes("historicalDataUpdate", UPDATE, 4),
            passes("tickPrice", TICK, 2), waits(60), passes("tickPrice", TICK),
        ],
        [("swallow",), ("error", 1, 5, 10197), ("swallow",)],
    ),
    "updates_dead": (
        [
            passes("historicalDataUpdate", {"reqId": 5}, 5), passes("historicalDataUpdate", {"reqId": 6}),
            passes("realtimeBar", {"reqId": 8}, 4), passes("realtimeBar", {"reqId": 9}),
        ],
        [
            ("swallow",), ("error", 1, 5, 10182), ("swallow",), ("swallow",),
            ("swallow",), ("error", 1, 8, 10225), ("swallow",),
        ],
    ),
    "midnight_silence": ([waits(14 * 3600)], [("lose_streams", None)]),
    "silent_feed": ([*STARTED, passes("tickPrice", TICK), waits(300), passes("tickPrice", TICK)], [("swallow",)]),
    "outlier_tick": (
        [passes("tickPrice", TICK, 21), passes("realtimeBar", BAR5, 21)],
        [
            ("replace", TICK | {"price": 18.75}),
            ("replace", BAR5 | {name: pytest.approx(1.5 * BAR5[name]) for name in ("open", "high", "low", "close")}),
        ],
    ),
    "bar_corrupt": ([passes("historicalDataUpdate", UPDATE, 2), passes("realtimeBar", BAR5, 4)], CORRUPT),
    "bars_out_of_order": (
        [passes("realtimeBar", BAR5, 3), passes("realtimeBar", BAR5 | {"open": 12.0})],
        [
            ("swallow",), ("swallow",), ("send", 1, "realtimeBar", BAR5 | {"open": 12.0}),
            ("send", 1, "realtimeBar", BAR5),
        ],
    ),
    "split_overnight": ([sees_tape, waits(17 * 3600)], [("split", "BAC", 2.0)]),
    "symbol_halt": ([sees_tape, *STARTED, waits(300)], [("halt", "BAC"), ("resume", "BAC")]),
    # What these do is done to the tape: see test_gateway_fault_rewrites.py
    "stale_data": ([sees_tape, *STARTED], []),
    "outlier_print": ([sees_tape, *STARTED], []),
    "crossed_quote": ([sees_tape, *STARTED], []),
}  # fmt: skip


def test_every_scenario_has_its_play() -> None:
    assert sorted(PLAYS) == sorted(SCENARIOS)


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_a_scenario_does_what_it_says(name: str) -> None:
    plays, calls = PLAYS[name]
    stage = Stage(load(name))
    for play in plays:
        play(stage)
    assert told(stage) == calls


def test_stale_outlier_and_crossed_are_asked_of_the_tape() -> None:
    rewrites = {}
    for name in ("stale_data", "outlier_print", "crossed_quote"):
        stage = Stage(load(name))
        for play in PLAYS[name][0]:
            play(stage)
        rewrites[name] = stage.injector.memory.rewrites
    assert rewrites["stale_data"].stale == {"BAC": at(360)}
    assert rewrites["outlier_print"].outliers == {"BAC": 1.5}
    assert rewrites["crossed_quote"].crossed == {"BAC"}


# The faults that item 5 of the plan of the gateway names, and the scenario of each
NAMED = {
    "connection drop before / after / in the middle": "drop_before drop_after drop_middle",
    "half-open socket, slow reader": "half_open slow_reader",
    "1100/1101/1102": "connectivity_lost connectivity_restored_data_lost connectivity_restored",
    "1300": "port_reset",
    "farm broken and restored": "market_farm_broken history_farm_broken",
    "nightly restart, weekly re-authentication": "nightly_restart weekly_reauthentication",
    "326, id roll-back": "client_id_in_use ids_rolled_back",
    "silently dropped order": "order_dropped order_vanishes",
    "acknowledged but reported cancelled and filled later": "reported_cancelled",
    "fill after cancel": "fill_after_cancel cancel_crosses_fill",
    "duplicate, out-of-order and no order status": "status_duplicated status_out_of_order status_missing",
    "duplicate execDetails, correction and bust": "execution_duplicated execution_corrected execution_busted",
    "commission late or never": "commission_late commission_never",
    "partial fill then reject": "partial_fill_then_reject",
    "twin permId on modify": "modify_twin",
    "201 in its variants": "rejected_margin rejected_funds rejected_closed rejected_account rejected_size "
    "rejected_permission rejected_short rejected_advanced",
    "202, 104, 110, 161": "cancelled_by_exchange modify_filled price_off_tick modify_off_tick cancel_not_possible",
    "10147, 10148, 10349, 399, 404": "cancel_not_found cancel_crosses_fill tif_preset outside_hours_warning "
    "locate_hold",
    "162 in its variants": "history_no_data history_pacing history_cancelled history_other_address "
    "history_no_permission",
    "pacing violation": "history_rate message_rate",
    "354, 10089, 10167, 10168, 10197, 10182": "not_subscribed needs_subscription delayed_shown delayed_disabled "
    "competing_session updates_dead",
    "stale data, outlier tick, crossed quote, bars out of order": "stale_data silent_feed outlier_tick outlier_print "
    "crossed_quote bars_out_of_order",
    "split overnight, symbol halt, clock skew": "split_overnight symbol_halt clock_skew",
}


@pytest.mark.parametrize("fault", NAMED)
def test_every_fault_that_was_asked_for_is_a_scenario(fault: str) -> None:
    assert set(NAMED[fault].split()) <= set(SCENARIOS)


CODES = {
    "connectivity_lost": {1100}, "connectivity_restored_data_lost": {1100, 1101}, "connectivity_restored": {1100, 1102},
    "market_farm_broken": {2103, 2104}, "history_farm_broken": {2105, 2106}, "client_id_in_use": {326},
    "reported_cancelled": {202}, "modify_filled": {104}, "price_off_tick": {110}, "modify_off_tick": {110},
    "cancel_not_possible": {161}, "cancel_not_found": {10147}, "cancel_crosses_fill": {10148}, "tif_preset": {10349},
    "outside_hours_warning": {399}, "locate_hold": {404}, "not_subscribed": {354}, "needs_subscription": {10089},
    "delayed_shown": {10167}, "delayed_disabled": {10168}, "competing_session": {10197}, "updates_dead": {10182, 10225},
}  # fmt: skip


@pytest.mark.parametrize("name", CODES)
def test_the_codes_of_a_scenario_are_sent_and_named_in_its_line(name: str) -> None:
    stage = Stage(load(name))
    for play in PLAYS[name][0]:
        play(stage)
    sent = {call[3] for call in stage.calls if call[0] == "error"}
    assert sent == CODES[name]
    said = set(map(int, re.findall(r"\b\d{3,5}\b", SCENARIOS[name].happens)))
    assert said == sent or name == "reported_cancelled"  # whose line speaks of what it means
    assert all(call[2] == -1 and call[1] is None for call in stage.calls if call[0] == "error" and call[3] in SYSTEM)


def test_texts_of_162_are_told_apart() -> None:
    texts = {}
    for name in sorted(SCENARIOS):
        if PLAYS[name][1] == [("swallow",), ("error", 1, 5, 162)]:
            stage = Stage(load(name))
            stage.ask("reqHistoricalData", HISTORY)
            texts[name] = stage.calls[-1][4].removeprefix("Historical Market Data Service error message:")
    assert texts == {
        "history_cancelled": "API historical data query cancelled: 5",
        "history_no_data": "HMDS query returned no data: BAC@NYSE Trades",
        "history_no_permission": "No market data permissions for NYSE STK",
        "history_other_address": "Trading TWS session is connected from a different IP address",
        "history_pacing": "Historical data request pacing violation",
    }


def test_a_reject_comes_with_its_json() -> None:
    stage = Stage(load("rejected_advanced"))
    stage.ask("placeOrder", PLACE)
    assert stage.calls[-1][-1] == '{"8229=IBDBUYTX": "needs a confirmation"}'


def test_a_short_sale_is_refused_and_a_purchase_is_not() -> None:
    stage = Stage(load("rejected_short"))
    assert stage.ask("placeOrder", PLACE | {"order": PLACE["order"] | {"action": "BUY"}}) == []
    assert stage.ask("placeOrder", PLACE | {"orderId": 8}) != []


# The table ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_a_scenario_is_complete(name: str) -> None:
    scenario = SCENARIOS[name]
    assert re.fullmatch(r"[a-z_]+", name)
    for line in (scenario.happens, scenario.must):
        assert re.fullmatch(r"[A-Z0-9].*\.", line)
    assert re.fullmatch(r"https?://\S+", scenario.reference)
    assert set(re.findall(r"\{(\w+)\}", scenario.text)) == set(scenario.settings)
    assert parse(str(load(name))) == load(name)


def test_families_hold_each_scenario_once() -> None:
    names = [name for family in FAMILIES.values() for name in family]
    assert len(names) == len(set(names)) == len(SCENARIOS)
