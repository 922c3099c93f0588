"""Parts of layouts that describe a contract."""

from __future__ import annotations

from gateway.wire.layout import Flag, If, Inside, Repeat, one_of

_HEAD = "conId:int symbol secType lastTradeDateOrContractMonth strike:float right multiplier exchange "

# What clients send: all of it, an exercise of an option, a request for fundamental data
ASKED = _HEAD + "primaryExchange currency localSymbol tradingClass"
EXERCISED = _HEAD + "currency localSymbol tradingClass"
FUNDAMENTAL = "conId:int symbol secType exchange primaryExchange currency localSymbol"

# What TWS answers; `?` is its word for a contract that has no right
_TOLD = "conId:int symbol secType lastTradeDateOrContractMonth strike:float=0 right=? multiplier "
TOLD = _TOLD + "exchange currency localSymbol tradingClass"
HELD = _TOLD + "primaryExchange currency localSymbol tradingClass"  # a portfolio line

LEGS = Repeat("comboLegs", "conId:int ratio:int action exchange")
ORDER_LEGS = Repeat(
    "comboLegs",
    "conId:int ratio:int action exchange openClose:int shortSaleSlot:int designatedLocation exemptCode:int=-1",
)
DELTA_NEUTRAL = Flag("deltaNeutralContract", "conId:int delta:float price:float")


def asked(*more: str) -> Inside:
    """A contract in a request, with the fields that follow it directly."""
    return Inside("contract", (ASKED, *more))


# The legs of a combination, in requests for its prices
COMBO = Inside("contract", (If("secType", one_of("BAG"), (LEGS,)),))
