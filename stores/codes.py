"""IBKR's error codes in one table: what kind of event each is, and what has to be done about it.

``docs/ibkr_errors.md`` shows the table. The sources are IBKR's list (interactivebrokers.github.io/tws-api/
message_codes.html) and the public threads that the page names.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Klass(StrEnum):
    """What an error is about."""

    INFO = "info"
    DATA = "data"
    ORDER = "order"
    CONNECTION = "connection"
    FATAL = "fatal"


class Reaction(StrEnum):
    """What has to be done. The store does what concerns the connection and subscriptions; orders are their owner's."""

    NOTE = "note"  # nothing
    FAIL_REQUEST = "fail_request"  # the caller of the request gets it
    RETRY_LATER = "retry_later"  # the request may be made again after a pause
    EMPTY = "empty"  # the answer is empty, not a failure
    RESUBSCRIBE = "resubscribe"
    RESUBSCRIBE_RECONCILE = "resubscribe_reconcile"
    RECONCILE = "reconcile"  # nothing is decided until open orders and executions have been asked for
    FREEZE = "freeze"  # no new orders; callbacks are handled on
    MARK_DELAYED = "mark_delayed"  # the farm is down: data is not live; the socket stays
    NOT_SUBSCRIBED = "not_subscribed"
    DELAYED = "delayed"
    PAUSE_DATA = "pause_data"  # another session has the data: no trading on quotes
    RECONNECT = "reconnect"
    RECONNECT_PORT = "reconnect_port"  # on the port in the text
    RETRY_SAME_ID = "retry_same_id"
    BACK_OFF = "back_off"
    ORDER_REFUSED = "order_refused"  # terminal once status and executions agree
    ORDER_CANCELLED = "order_cancelled"  # terminal once status and executions agree
    CHANGE_REFUSED = "change_refused"  # the original order is live
    ORDER_LIVE = "order_live"  # a notice: the order lives
    ORDER_HELD = "order_held"  # the order lives but is not worked (shares are being located)
    SEARCH_ORDER = "search_order"  # may be our own: look by orderRef, place again only if it is absent
    AWAIT_FILL = "await_fill"  # probably filled or done: wait for status or execution
    SLOW_DOWN = "slow_down"
    STOP = "stop"  # a person has to do something first


@dataclass(frozen=True, slots=True)
class Code:
    """``on_modify``: the reaction where the order was acknowledged before; else it is ``reaction``."""

    klass: Klass
    reaction: Reaction
    says: str
    on_modify: Reaction | None = None


I, D, O, C, F = Klass.INFO, Klass.DATA, Klass.ORDER, Klass.CONNECTION, Klass.FATAL  # noqa: E741
R = Reaction

CODES: dict[int, Code] = {
    # connectivity
    1100: Code(C, R.FREEZE, "TWS has lost IBKR's servers"),
    1101: Code(C, R.RESUBSCRIBE_RECONCILE, "restored, subscriptions are lost"),
    1102: Code(C, R.RECONCILE, "restored, subscriptions go on"),
    1300: Code(C, R.RECONNECT_PORT, "the port of TWS was changed"),
    2110: Code(C, R.FREEZE, "TWS has lost IBKR's servers; it restores the connection by itself"),
    326: Code(C, R.RETRY_SAME_ID, "the client id is in use: often by our own old connection"),
    501: Code(C, R.NOTE, "already connected"),
    502: Code(C, R.BACK_OFF, "TWS cannot be reached"),
    503: Code(F, R.STOP, "TWS is too old"),
    504: Code(C, R.BACK_OFF, "not connected"),
    506: Code(C, R.RECONNECT, "version unsupported, or the connection was closed during log-in"),
    507: Code(C, R.RECONNECT, "bad message length: the connection is broken"),
    509: Code(C, R.RECONNECT, "the socket raised an exception"),
    522: Code(F, R.STOP, "the client id is not a number"),
    1: Code(C, R.RECONNECT, "the session was ended by a log-in elsewhere"),
    100: Code(C, R.SLOW_DOWN, "more than 50 messages a second"),
    2100: Code(I, R.NOTE, "account data is unsubscribed by a newer request"),
    2101: Code(I, R.NOTE, "account data cannot be subscribed"),
    2102: Code(O, R.ORDER_LIVE, "the order is still being processed and cannot be changed", R.CHANGE_REFUSED),
    2103: Code(D, R.MARK_DELAYED, "market data farm broken"),
    2104: Code(D, R.RESUBSCRIBE, "market data farm is fine"),
    2105: Code(D, R.MARK_DELAYED, "historical data farm broken"),
    2106: Code(D, R.NOTE, "historical data farm is fine"),
    2107: Code(I, R.NOTE, "historical data farm is idle and wakes on demand"),
    2108: Code(I, R.NOTE, "market data farm is idle and wakes on demand"),
    2109: Code(O, R.ORDER_LIVE, "outside regular hours is ignored for this order"),
    2119: Code(I, R.NOTE, "market data farm is connecting"),
    2137: Code(O, R.ORDER_LIVE, "cross side warning"),
    2148: Code(O, R.ORDER_LIVE, "the order is checked before it is routed"),
    2157: Code(D, R.MARK_DELAYED, "security definition farm broken"),
    2158: Code(I, R.NOTE, "security definition farm is fine"),
    2161: Code(O, R.ORDER_LIVE, "the price was capped"),
    2168: Code(I, R.NOTE, "a field is not supported by this version"),
    2169: Code(I, R.NOTE, "a field is not supported by this version"),
    2176: Code(I, R.NOTE, "sizes of fractional shares are rounded for this version"),
    # requests
    200: Code(O, R.FAIL_REQUEST, "no such contract, or ambiguous: a rejection only where the id is an order's"),
    162: Code(D, R.FAIL_REQUEST, "historical data: no data, pacing, cancelled, or no permission: the text tells"),
    165: Code(D, R.NOTE, "historical data: a notice of the query"),
    166: Code(D, R.FAIL_REQUEST, "expired contracts have no such history"),
    300: Code(D, R.NOTE, "no such ticker id: what was cancelled had ended"),
    310: Code(D, R.NOTE, "no such market depth subscription"),
    316: Code(D, R.RESUBSCRIBE, "market depth was halted"),
    317: Code(D, R.NOTE, "market depth was reset"),
    320: Code(F, R.STOP, "TWS cannot read the request"),
    321: Code(O, R.ORDER_REFUSED, "the request is not valid: on a change the original lives", R.CHANGE_REFUSED),
    322: Code(D, R.FAIL_REQUEST, "TWS could not process the request"),
    323: Code(D, R.FAIL_REQUEST, "the history server answers with an error"),
    324: Code(D, R.RETRY_LATER, "the server failed while it answered"),
    325: Code(D, R.FAIL_REQUEST, "discretionary orders cannot be placed there"),
    354: Code(D, R.NOT_SUBSCRIBED, "market data is not subscribed"),
    366: Code(D, R.NOTE, "no such historical query: what was cancelled had ended"),
    420: Code(D, R.NOT_SUBSCRIBED, "real-time bars are refused: no permission, or pacing: the text tells"),
    430: Code(D, R.FAIL_REQUEST, "no such fundamental data"),
    492: Code(D, R.NOTE, "more market depth exists than is subscribed"),
    10089: Code(D, R.NOT_SUBSCRIBED, "market data needs an additional subscription for the API"),
    10090: Code(D, R.NOT_SUBSCRIBED, "a part of the market data is not subscribed"),
    10167: Code(D, R.DELAYED, "not subscribed; delayed data is sent instead"),
    10168: Code(D, R.NOT_SUBSCRIBED, "not subscribed, and delayed data is not enabled"),
    10182: Code(D, R.RESUBSCRIBE, "bars that are kept up to date are dead"),
    10186: Code(D, R.NOT_SUBSCRIBED, "not subscribed, and delayed data is not enabled"),
    10187: Code(D, R.RETRY_LATER, "historical ticks failed"),
    10190: Code(D, R.NOT_SUBSCRIBED, "too many tick-by-tick subscriptions"),
    10197: Code(D, R.PAUSE_DATA, "a competing live session has the market data"),
    10225: Code(D, R.RESUBSCRIBE, "a bust ended the subscription to real-time bars"),
    10276: Code(I, R.NOTE, "news feed is not allowed"),
    10285: Code(F, R.STOP, "this version cannot handle fractional sizes"),
    # orders
    103: Code(O, R.SEARCH_ORDER, "duplicate order id: may be our own order"),
    104: Code(O, R.AWAIT_FILL, "a filled order cannot be changed"),
    105: Code(O, R.ORDER_REFUSED, "the change does not fit the original", R.CHANGE_REFUSED),
    106: Code(O, R.ORDER_REFUSED, "the order cannot be transmitted", R.CHANGE_REFUSED),
    107: Code(O, R.ORDER_REFUSED, "the order is incomplete", R.CHANGE_REFUSED),
    109: Code(O, R.ORDER_REFUSED, "the price is outside the allowed range", R.CHANGE_REFUSED),
    110: Code(O, R.ORDER_REFUSED, "the price does not conform to the tick", R.CHANGE_REFUSED),
    111: Code(O, R.ORDER_REFUSED, "tif and order type do not go together", R.CHANGE_REFUSED),
    113: Code(O, R.ORDER_REFUSED, "MOC and LOC need tif DAY", R.CHANGE_REFUSED),
    116: Code(O, R.ORDER_REFUSED, "the order goes to an inactive exchange", R.CHANGE_REFUSED),
    117: Code(O, R.ORDER_REFUSED, "the block size is too small", R.CHANGE_REFUSED),
    118: Code(O, R.ORDER_REFUSED, "VWAP orders must go to the VWAP exchange", R.CHANGE_REFUSED),
    135: Code(O, R.RECONCILE, "no order of this id is found"),
    136: Code(O, R.AWAIT_FILL, "the order cannot be cancelled"),
    137: Code(O, R.ORDER_REFUSED, "VWAP orders cannot be cancelled", R.CHANGE_REFUSED),
    161: Code(O, R.RECONCILE, "the order is not in a state in which it can be cancelled"),
    201: Code(O, R.ORDER_REFUSED, "the order is rejected: the text tells why", R.RECONCILE),
    202: Code(O, R.ORDER_CANCELLED, "the order is cancelled"),
    203: Code(O, R.ORDER_REFUSED, "the contract is not available to this account", R.CHANGE_REFUSED),
    328: Code(O, R.ORDER_REFUSED, "trailing stops need a trigger", R.CHANGE_REFUSED),
    329: Code(O, R.ORDER_REFUSED, "the order cannot be changed to this type", R.CHANGE_REFUSED),
    387: Code(O, R.ORDER_REFUSED, "the order type does not fit the contract", R.CHANGE_REFUSED),
    388: Code(O, R.ORDER_REFUSED, "the size is below the minimum", R.CHANGE_REFUSED),
    399: Code(O, R.ORDER_LIVE, "a notice about the order, such as that it waits for the session"),
    404: Code(O, R.ORDER_HELD, "a short sale is held while shares are located"),
    434: Code(O, R.ORDER_REFUSED, "the size cannot be zero", R.CHANGE_REFUSED),
    436: Code(O, R.ORDER_REFUSED, "an allocation is needed", R.CHANGE_REFUSED),
    460: Code(O, R.ORDER_REFUSED, "no trading permission", R.CHANGE_REFUSED),
    481: Code(O, R.ORDER_LIVE, "the size was cut to a limit"),
    10020: Code(O, R.ORDER_REFUSED, "the display size is not valid", R.CHANGE_REFUSED),
    10147: Code(O, R.RECONCILE, "the order that is to be cancelled is not found"),
    10148: Code(O, R.AWAIT_FILL, "the order cannot be cancelled: it is filled or done"),
    10268: Code(O, R.ORDER_REFUSED, "the attribute EtradeOnly is not supported", R.CHANGE_REFUSED),
    10269: Code(O, R.ORDER_REFUSED, "the attribute FirmQuoteOnly is not supported", R.CHANGE_REFUSED),
    10318: Code(O, R.ORDER_REFUSED, "the order does not fit its trading class", R.CHANGE_REFUSED),
    10326: Code(O, R.ORDER_REFUSED, "the OCA group cannot be changed", R.CHANGE_REFUSED),
    10327: Code(O, R.ORDER_REFUSED, "the OCA type cannot be changed", R.CHANGE_REFUSED),
    10329: Code(O, R.ORDER_REFUSED, "a partly filled order cannot be changed like this", R.CHANGE_REFUSED),
    10349: Code(O, R.ORDER_LIVE, "a preset of TWS sets the time in force: the order is live"),
}

# 162 is four things: a piece of the text -> what it is
HISTORICAL = (
    ("returned no data", Reaction.EMPTY),
    ("pacing violation", Reaction.RETRY_LATER),
    ("query cancelled", Reaction.RETRY_LATER),
    ("different IP address", Reaction.PAUSE_DATA),
    ("No market data permissions", Reaction.NOT_SUBSCRIBED),
    ("No data of type EODChart", Reaction.EMPTY),
)
READ_ONLY = "Read-Only"
MARGIN = ("margin", "available funds", "equity with loan value", "insufficient")


def find(code: int, text: str = "", *, is_order: bool = False, on_modify: bool = False) -> Code:
    """What a code means. Codes that the table does not know are an order's refusal where the id is an order's (and to
    be reconciled on a change), notices between 2100 and 2200, and failures of their request otherwise."""
    known = CODES.get(code)
    if known is None:
        return _unknown(code, is_order, on_modify)
    if code in (162, 420):
        for piece, reaction in HISTORICAL:
            if piece.lower() in text.lower():
                return Code(Klass.DATA, reaction, known.says)
    if code == 200 and is_order:
        return Code(Klass.ORDER, Reaction.CHANGE_REFUSED if on_modify else Reaction.ORDER_REFUSED, known.says)
    if code == 321 and not is_order:
        if READ_ONLY.lower() in text.lower():
            return Code(Klass.FATAL, Reaction.STOP, "the API of TWS is read-only")
        return Code(Klass.DATA, Reaction.FAIL_REQUEST, known.says)
    if on_modify and known.on_modify is not None:
        return Code(known.klass, known.on_modify, known.says)
    return known


def _unknown(code: int, is_order: bool, on_modify: bool) -> Code:
    says = "a code that halflife does not know"
    if 2100 <= code < 2200:
        return Code(Klass.INFO, Reaction.NOTE, says)
    if is_order:
        return Code(Klass.ORDER, Reaction.RECONCILE, says)
    return Code(Klass.DATA, Reaction.FAIL_REQUEST, says)


def is_margin(text: str) -> bool:
    """Whether the text of a 201 is about margin or funds: IBKR words it in several ways."""
    return any(piece in text.lower() for piece in MARGIN)
