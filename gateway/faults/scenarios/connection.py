"""Scenarios of the connection: sockets, log-ins, connectivity to IBKR's servers, ids, the clock."""

from __future__ import annotations

from gateway.faults.scenarios.scenario import IB_ASYNC, IB_INSYNC, IBKR, LEAN_IB, NAUTILUS, PYSYSTEMTRADE, Scenario

_SOON = {"when": "at start", "after": "60"}

CONNECTION = {
    "drop_before": Scenario(
        "on {message} {n}: close before",
        "The connection is dropped before a message that is due: it is lost.",
        "Reconnect with the same id and ask for open orders, completed orders, executions and positions.",
        f"{IB_INSYNC}/422",
        {"message": "orderStatus", "n": "1"},
    ),
    "drop_after": Scenario(
        "on {message} {n}: close after",
        "The connection is dropped right after a message.",
        "Deal with what came, then reconnect and reconcile.",
        f"{IB_INSYNC}/422",
        {"message": "orderStatus", "n": "1"},
    ),
    "drop_middle": Scenario(
        "on {message} {n}: close middle",
        "The connection is dropped after half of the bytes of a message.",
        "Discard the half; never act on it; reconnect and reconcile.",
        f"{IB_INSYNC}/289",
        {"message": "execDetails", "n": "1"},
    ),
    "half_open": Scenario(
        "on {message} {n}: pass; half_open",
        "The connection looks open, but nothing is read or answered any more.",
        "Probe with reqCurrentTime and a timeout; drop the socket when it does not answer.",
        f"{IB_ASYNC}/84",
        {"message": "openOrder", "n": "1"},
    ),
    "slow_reader": Scenario(
        "on {message} {n}: stop_reading {seconds}",
        "The gateway reads nothing for a while: requests pile up in the socket, answers still come.",
        "Bound the wait for each answer, and do not send again what is only late.",
        "https://github.com/ml4t/live/pull/87",
        {"message": "reqCurrentTime", "n": "1", "seconds": "30"},
    ),
    "connectivity_lost": Scenario(
        "{when}: wait {after}; error 1100; hold_back orders,account 1d; mute data",
        "1100: the gateway has lost IBKR's servers, and they do not come back.",
        "Freeze new orders, mark data as broken, keep handling what comes, alert.",
        f"{IBKR}/message_codes.html",
        _SOON,
    ),
    "connectivity_restored_data_lost": Scenario(
        "{when}: wait {after}; error 1100; hold_back orders,account {seconds}; lose_streams; "
        "wait {seconds}; error 1101",
        "1100, and after a while 1101: subscriptions are lost; what was filled meanwhile is told late.",
        "Subscribe anew, backfill, and reconcile orders and executions.",
        f"{IB_INSYNC}/256",
        _SOON | {"seconds": "60"},
    ),
    "connectivity_restored": Scenario(
        "{when}: wait {after}; error 1100; hold_back orders,account {seconds}; mute data {seconds}; "
        "wait {seconds}; error 1102",
        "1100, and after a while 1102: data goes on by itself; what was filled meanwhile is told late.",
        "Reconcile all the same: fills that came in between must not be dropped.",
        f"{LEAN_IB}/issues/249",
        _SOON | {"seconds": "60"},
    ),
    "port_reset": Scenario(
        "{when}: wait {after}; change_port {port}",
        "1300: the port was changed; the connection is dropped, and only the new port listens.",
        "Reconnect on the port that the text names.",
        f"{IBKR}/message_codes.html",
        _SOON | {"port": "0"},
    ),
    "market_farm_broken": Scenario(
        "{when}: wait {after}; error 2103; lose_streams; wait {seconds}; error 2104",
        "2103, then 2104: the socket and orders are fine, but streams stay dead after the farm is back.",
        "Treat data as delayed, then subscribe anew and backfill; do not tear the socket down.",
        f"{NAUTILUS}/pull/3968",
        _SOON | {"seconds": "3"},
    ),
    "history_farm_broken": Scenario(
        "{when}: wait {after}; error 2105; mute reqHistoricalData,reqHeadTimestamp {seconds}; "
        "wait {seconds}; error 2106",
        "2105, then 2106: requests for history get no answer in between.",
        "Bound the wait, and ask again after 2106.",
        f"{NAUTILUS}/pull/4457",
        _SOON | {"seconds": "60"},
    ),
    "nightly_restart": Scenario(
        "{when}: refuse_logins {seconds}; close",
        "The gateway restarts: all connections are dropped, and nobody can log in "
        "for some minutes (lockstep: two sessions, to go on after it).",
        "Refuse orders, try again with the same id, then reconcile and subscribe anew.",
        f"{NAUTILUS}/pull/4412",
        {"when": "every day at 23:45 exchange", "seconds": "180"},
    ),
    "weekly_reauthentication": Scenario(
        "{when}: refuse_logins {seconds}; close",
        "After Sunday 01:00 in New York a person must log in by hand: nobody can "
        "connect for hours (lockstep: with sessions on both sides of the weekend).",
        "Keep trying slowly, and alert: being disconnected is never normal for hours.",
        f"{LEAN_IB}/issues/246",
        {"when": "every Sunday at 01:00 exchange", "seconds": "8h"},
    ),
    "client_id_in_use": Scenario(
        "on managedAccounts {n}: drop; error 326; close",
        "326: the id of the client is still taken by its old connection; this one is dropped.",
        "Wait and try again with the same id: another id sees other orders.",
        f"{IB_INSYNC}/376",
        {"n": "1"},
    ),
    "ids_rolled_back": Scenario(
        "{when}: wait {after}; roll_back_ids {by}; refuse_logins {seconds}; close",
        "After a restart the next valid id is lower than ids that were used already.",
        "Keep the highest id used and take the larger one; know orders by orderRef and permId.",
        f"{LEAN_IB}/issues/242",
        _SOON | {"by": "4", "seconds": "5"},
    ),
    "message_rate": Scenario(
        "at start: limit messages {count} {seconds}",
        "100 for a client that sends faster; one that goes on is dropped.",
        "Throttle below the limit (IBKR's own is 50 a second).",
        "https://github.com/erdewit/ib_insync/pull/35",
        {"count": "10", "seconds": "1"},
    ),
    "clock_skew": Scenario(
        "at start: skew_clock {seconds}",
        "The gateway's clock is off: current time, executions and ticks carry its time.",
        "Compare clocks at log-in, and take times of executions as the gateway's.",
        f"{PYSYSTEMTRADE}/pull/732",
        {"seconds": "90"},
    ),
}
