"""Scenarios of orders: lost, refused, reported wrongly, changed and cancelled in vain."""

from __future__ import annotations

from gateway.faults.scenarios.scenario import (
    IB_ASYNC,
    IB_INSYNC,
    IBKR,
    LEAN,
    LEAN_IB,
    NAUTILUS,
    PYSYSTEMTRADE,
    Scenario,
)

_FIRST = {"n": "1"}
_NEW = "on placeOrder where new=yes {n}"
_CHANGE = "on placeOrder where new=no {n}"


def _rejected(reason: str, happens: str, must: str, reference: str, where: str = _NEW, reject: str = "") -> Scenario:
    """201 with a reason: acknowledged, then Inactive."""
    json = ' reject="' + reject.replace('"', '\\"') + '"' if reject else ""
    return Scenario(
        f'{where}: hold; pass; refuse 201 "Order rejected - reason:{reason}"{json}', happens, must, reference, _FIRST
    )


ORDERS = {
    "order_dropped": Scenario(
        f"{_NEW}: drop",
        "An order is lost: no status, no error, no execution, ever.",
        "Never send it again blindly: look for its orderRef in open orders, completed orders and executions first.",
        f"{LEAN_IB}/issues/93",
        _FIRST,
    ),
    "order_vanishes": Scenario(
        "on orderStatus where status=Submitted {n}: pass; wait {seconds}; end_silently",
        "An order is acknowledged, and later neither open nor completed.",
        "Compare with open orders from time to time, and ask for executions before calling it cancelled.",
        f"{NAUTILUS}/issues/3958",
        _FIRST | {"seconds": "2"},
    ),
    "reported_cancelled": Scenario(
        "on orderStatus where status=Submitted {n}: pass; duplicate status=Cancelled remaining=0; error 202; "
        "wait {seconds}; execute",
        "An order is acknowledged, reported as cancelled, and filled later.",
        "Cancelled is final only together with executions: book the fill, and alert.",
        f"{PYSYSTEMTRADE}/issues/1580",
        _FIRST | {"seconds": "5"},
    ),
    "status_duplicated": Scenario(
        "on orderStatus: duplicate",
        "Each order status comes twice.",
        "Be idempotent: a status is a state, not an event.",
        "https://github.com/stoqey/ib/issues/239",
    ),
    "status_out_of_order": Scenario(
        "on orderStatus where status!=Filled: swap {seconds}",
        "A status comes after the one that followed it: Submitted after Filled.",
        "Never go back from Filled; count by executions.",
        f"{NAUTILUS}/issues/3958",
        {"seconds": "60"},
    ),
    "status_missing": Scenario(
        "on orderStatus: drop",
        "There is no order status at all, only open orders and executions.",
        "Follow execDetails as well: IBKR does not promise a status for every change.",
        f"{LEAN}/pull/851",
    ),
    "modify_twin": Scenario(
        f"{_CHANGE}: twin",
        "A modification becomes a second live order with a new permId; the first lives on.",
        "Do not modify while the connection is degraded; after a reconnect assert one permId for each orderRef.",
        f"{NAUTILUS}/issues/4564",
        _FIRST,
    ),
    "rejected_margin": _rejected(
        "YOUR ORDER IS NOT ACCEPTED. IN ORDER TO OBTAIN THE DESIRED POSITION YOUR EQUITY WITH LOAN VALUE [1000.00 EUR] "
        "MUST EXCEED THE INITIAL MARGIN OF [1500.00 EUR]",
        "201: not enough margin.",
        "Treat it as a margin refusal, and ask what-if before trying a smaller size.",
        f"{IB_INSYNC}/245",
    ),
    "rejected_funds": _rejected(
        "The Available Funds in your account are insufficient to cover the change in the margin requirements in your "
        "account should this order execute.",
        "201 in another wording: not enough available funds.",
        "Do not tell margin refusals by one text alone.",
        f"{LEAN_IB}/issues/136",
    ),
    "rejected_closed": _rejected(
        "Exchange is closed.",
        "201: the exchange is closed, as seconds before or after its hours.",
        "Send orders for the open well before it, and no order right at the close.",
        f"{LEAN_IB}/issues/204",
    ),
    "rejected_account": _rejected(
        "Invalid or missing IBCustAcctNo",
        "201: the account is missing or unknown; the id is used up.",
        "Always name the account, and take a new id for the next attempt.",
        f"{IB_INSYNC}/80",
    ),
    "rejected_size": _rejected(
        "In accordance with our regulatory obligations as a broker, we cannot accept Large Limit Orders that you have "
        "submitted. Please submit a smaller order or convert your order to an algorithmic Order (IBALGO)",
        "201: the order is too large.",
        "Split it, or cap sizes before they are sent.",
        f"{IBKR}/automated_considerations.html",
    ),
    "rejected_permission": _rejected(
        "No Trading Permission",
        "201: no permission to trade the contract, for regulatory reasons too.",
        "Take the instrument out of the universe; trying again does not help.",
        f"{PYSYSTEMTRADE}/pull/1624",
    ),
    "rejected_short": _rejected(
        "The contract is not available for short sale.",
        "201: no shares can be borrowed.",
        "Hedge or unwind the other leg; watch the shortable tick (236).",
        "https://www.interactivebrokers.com/en/software/apiReleaseNotes/api9.2.php",
        where="on placeOrder where new=yes order.action=SELL {n}",
    ),
    "rejected_advanced": _rejected(
        "The order needs a confirmation",
        "201 with advancedOrderRejectJson (server versions from 166 on).",
        "Read the JSON's tags; override only by a person's decision.",
        f"{IBKR}/error_handling.html",
        reject='{"8229=IBDBUYTX": "needs a confirmation"}',
    ),
    "cancelled_by_exchange": Scenario(
        "on orderStatus where status=Submitted {n}: pass; wait {seconds}; receive cancelOrder orderId=$orderId",
        "202: an order that nobody cancelled is cancelled.",
        "Treat it as gone only together with the status; check protective orders at once.",
        f"{LEAN}/pull/1026",
        _FIRST | {"seconds": "2"},
    ),
    "modify_filled": Scenario(
        f"{_CHANGE}: execute; drop; error 104",
        "104: the order was filled before it could be modified.",
        "It is not rejected: wait for the execution.",
        f"{LEAN}/pull/1053",
        _FIRST,
    ),
    "price_off_tick": Scenario(
        f"{_NEW}: drop; error 110",
        "110: the price does not conform to the tick; the order was never placed.",
        "Round to the market rule before sending.",
        f"{PYSYSTEMTRADE}/issues/1196",
        _FIRST,
    ),
    "modify_off_tick": Scenario(
        f"{_CHANGE}: drop; error 110",
        "110 on a modification: the change is refused, the order lives on as it was.",
        "Do not take the order for cancelled, nor the new price for accepted, whatever the library says.",
        f"{IB_INSYNC}/502",
        _FIRST,
    ),
    "cancel_not_possible": Scenario(
        "on cancelOrder {n}: drop; error 161",
        "161: the order is not in a state in which it can be cancelled; it stays as it is.",
        "Ask for its state; it may still fill.",
        f"{IBKR}/message_codes.html",
        _FIRST,
    ),
    "cancel_not_found": Scenario(
        "on cancelOrder {n}: drop; error 10147",
        "10147: the order to be cancelled is not found (here it is live all the same).",
        "Reconcile before deciding that it is gone.",
        f"{LEAN_IB}/pull/248",
        _FIRST,
    ),
    "cancel_crosses_fill": Scenario(
        "on cancelOrder {n}: execute; drop; error 10148",
        "10148: the order is filled while the request to cancel it is under way.",
        "Expect a fill after every request to cancel, and book it.",
        f"{IB_INSYNC}/656",
        _FIRST,
    ),
    "tif_preset": Scenario(
        f"{_NEW}: set tif=DAY; error 10349",
        "10349: the preset sets the time in force; the order is live, and ib_insync and ib_async call it cancelled.",
        "Always set tif; take 10349 as a notice.",
        f"{IB_ASYNC}/191",
        _FIRST,
    ),
    "outside_hours_warning": Scenario(
        f"{_NEW}: pass; error 399",
        "399: a warning that the order waits for the next session; it is live.",
        "Leave the order alone; it is not rejected.",
        "https://github.com/stoqey/ib/issues/239",
        _FIRST,
    ),
    "locate_hold": Scenario(
        "on placeOrder where new=yes order.action=SELL {n}: hold; pass; error 404; wait {seconds}; release",
        "404: a short sale is held while shares are located, and goes on after a while.",
        "The leg is not filled and not dead: hedge or unwind the other one.",
        f"{IB_INSYNC}/328",
        _FIRST | {"seconds": "60"},
    ),
}
