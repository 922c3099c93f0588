"""Names that a script may use: messages by IBKR's names (EWrapper, EClient), groups of answers, the tape's two."""

from __future__ import annotations

from gateway.wire.tables import answers, requests

ANSWERS = frozenset(message.name for message in answers.ANSWERS)
REQUESTS = frozenset(message.name for message in requests.REQUESTS)
TAPE = frozenset({"bar", "quote"})  # what the market is given, before it is matched and streamed

GROUPS = {
    "data": frozenset(
        """historicalDataUpdate realtimeBar tickByTickAllLast tickByTickBidAsk tickByTickMidPoint tickEFP tickGeneric
        tickNews tickOptionComputation tickPrice tickSize tickString updateMktDepth updateMktDepthL2""".split()
    ),
    "orders": frozenset("commissionReport completedOrder execDetails openOrder orderBound orderStatus".split()),
    "account": frozenset(
        """accountSummary accountUpdateMulti pnl pnlSingle position positionMulti updateAccountTime updateAccountValue
        updatePortfolio""".split()
    ),
    "all": ANSWERS,
}
