"""What IBKR says about orders: codes and texts as TWS sends them.

Sources: IBKR's page of error codes, and messages quoted in public threads and logs (in brackets: where none was found
that quotes it in full, the wording of the error table).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Notice:
    """An error or a warning about an order."""

    code: int
    text: str


DUPLICATE_ID = Notice(103, "Duplicate order id")
FILLED_ALREADY = Notice(104, "Cannot modify a filled order.")
OTHER_ORDER = Notice(105, "Order being modified does not match the original order.")
OFF_TICK = Notice(110, "The price does not conform to the minimum price variation for this contract.")
CANCELLED = Notice(202, "Order Canceled - reason:")
NO_NEW_TYPE = Notice(329, "Order modify failed. Cannot change to the new order type.")
BAD_TIME = Notice(
    343,
    "The date, time, or time-zone entered is invalid. The correct format is YYYYMMDD hh:mm:ss {xx/xxxx} where yyyymmdd "
    "and xx/xxxx are optional. E.g.: 20031126 15:59:00 US/Eastern",
)
NO_SUCH_TYPE = Notice(387, "Unsupported order type for this exchange and security type.")
LOCATING = Notice(404, "Order held while securities are located.")
NO_SIZE = Notice(434, "The order size cannot be zero.")
NO_ACCOUNT = Notice(435, "You must specify an account.")
OUTSIDE_IGNORED = Notice(
    2109,
    "Order Event Warning:Attribute 'Outside Regular Trading Hours' is ignored based on the order type and "
    "destination. PlaceOrder is now being processed.",
)
NO_PARENT = Notice(10006, "Missing parent order.")
FRACTIONAL = Notice(
    10243, "Fractional-sized order cannot be placed via API. Please use desktop TWS to place this order."
)
TIF_BY_PRESET = Notice(10349, "Order TIF was set to DAY based on order preset.")


def rejected(reason: str) -> Notice:
    """A rejection by IBKR's servers."""
    return Notice(201, f"Order rejected - reason:{reason}")


OCA_FILLED = rejected("OCA group is already filled.")
TRIGGERED_ALREADY = rejected("Stop price revision is disallowed after order has triggered")
TOO_LATE = rejected("Order has been cancelled already, too late to replace")
NO_SHORTING = rejected("The contract is not available for short sale.")


def margin(equity: float, needed: float, currency: str) -> Notice:
    """Not enough margin. Both amounts in the base currency; the double space is IBKR's."""
    return rejected(
        "We are unable to accept your order. Your Available Funds are in sufficient to cover the change in the "
        "account's margin requirements if this order executes. In order to obtain the desired position your Equity "
        f"with Loan Value [{equity:.2f} {currency}] must exceed the new total Initial Margin of  [{needed:.2f} "
        f"{currency}]."
    )


def no_rate(currency: str, base: str) -> Notice:
    """The account's books cannot value what the order would bring into them."""
    return rejected(
        f"We are unable to accept your order. There is no exchange rate of {currency} to your base currency {base}."
    )


def beyond_parent(most: float) -> Notice:
    """A child that closes a position is made larger than what its parent, which has ended, left to close."""
    return rejected(f"The size of the child order exceeds what its parent order has filled [{most:.0f}].")


def too_many(limit: int) -> Notice:
    """Too many working orders on one side of a contract."""
    return rejected(
        f"Your account has a minimum of {limit} orders working on either the buy or sell side for this particular "
        "contract."
    )


def invalid(cause: str) -> Notice:
    """A request that TWS itself refuses."""
    return Notice(321, f"Error validating request.-'bH' : cause - {cause}")


def unknown_tif(tif: str) -> Notice:
    return Notice(10052, f"Invalid time in force:{tif}.")


def waits_for_open(side: str, quantity: float, symbol: str, venue: str, opens: str) -> Notice:
    """The market is closed. ``opens``: ``2026-06-11 09:30:00 US/Eastern``."""
    return Notice(
        399,
        f"Order Message:\n{side} {quantity:.0f} {symbol} {venue}\n"
        f"Warning: Your order will not be placed at the exchange until {opens}.",
    )


def not_cancellable(perm_id: int) -> Notice:
    """TWS has the order, but it is being cancelled already (global cancel)."""
    return Notice(161, f"Cancel attempted when order is not in a cancellable state.  Order permId ={perm_id}")


def not_found(order_id: int) -> Notice:
    """A cancel of an order that TWS does not know by this client."""
    return Notice(10147, f"OrderId {order_id} that needs to be cancelled is not found.")


def too_late_to_cancel(order_id: int, status: str) -> Notice:
    """A cancel of an order that has ended or is being cancelled."""
    return Notice(10148, f"OrderId {order_id} that needs to be cancelled cannot be cancelled, state: {status}.")
