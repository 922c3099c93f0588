"""Answers with prices: ticks, bars, depth, history. Sizes are whole below version 163."""

from __future__ import annotations

from gateway.wire.layout import Inside, Message, Repeat

_PRICES = "open:float high:float low:float close:float"
_BY_TICK = 2  # position of the sort of tick

MARKET_DATA = (
    Message(
        1, "tickPrice", "#6 reqId:int tickType:int price:float size:lot attrib:bits(canAutoExecute,pastLimit,preOpen)"
    ),
    Message(2, "tickSize", "#6 reqId:int tickType:int size:lot"),
    Message(45, "tickGeneric", "#6 reqId:int tickType:int value:float"),
    Message(46, "tickString", "#6 reqId:int tickType:int value"),
    Message(
        47,
        "tickEFP",
        "#6 reqId:int tickType:int basisPoints:float formattedBasisPoints totalDividends:float holdDays:int "
        "futureLastTradeDate dividendImpact:float dividendsToLastTradeDate:float",
    ),
    Message(
        21,
        "tickOptionComputation",
        "reqId:int tickType:int tickAttrib:int impliedVol:float=-1 delta:float=-2 optPrice:float=-1 "
        "pvDividend:float=-1 gamma:float=-2 vega:float=-2 theta:float=-2 undPrice:float=-1",
    ),
    Message(57, "tickSnapshotEnd", "#1 reqId:int"),
    Message(58, "marketDataType", "#1 reqId:int marketDataType:int=1"),
    Message(81, "tickReqParams", "reqId:int minTick:float bboExchange snapshotPermissions:int"),
    Message(82, "smartComponents", ("reqId:int", Repeat("smartComponentMap", "bitNumber:int exchange exchangeLetter"))),
    Message(91, "rerouteMktDataReq", "reqId:int conId:int exchange"),
    Message(92, "rerouteMktDepthReq", "reqId:int conId:int exchange"),
    Message(12, "updateMktDepth", "#1 reqId:int position:int operation:int side:int price:float size:lot"),
    Message(
        13,
        "updateMktDepthL2",
        "#1 reqId:int position:int marketMaker operation:int side:int price:float size:lot isSmartDepth:bool",
    ),
    Message(
        80,
        "mktDepthExchanges",
        (Repeat("depthMktDataDescriptions", "exchange secType listingExch serviceDataType aggGroup:int=1"),),
    ),
    Message(
        99,
        "tickByTickAllLast",
        "reqId:int tickType:int=1 time:int price:float size:lot tickAttribLast:bits(pastLimit,unreported) exchange "
        "specialConditions",
        variant=(_BY_TICK, frozenset({"1", "2"})),
    ),
    Message(
        99,
        "tickByTickBidAsk",
        "reqId:int tickType:int=3 time:int bidPrice:float askPrice:float bidSize:lot askSize:lot "
        "tickAttribBidAsk:bits(bidPastLow,askPastHigh)",
        variant=(_BY_TICK, frozenset({"3"})),
    ),
    Message(
        99, "tickByTickMidPoint", "reqId:int tickType:int=4 time:int midPoint:float", variant=(_BY_TICK, frozenset("4"))
    ),
    Message(50, "realtimeBar", f"#3 reqId:int time:int {_PRICES} volume:lot wap:float count:int"),
    Message(
        17,
        "historicalData",
        ("reqId:int start end", Repeat("bars", f"date {_PRICES} volume:lot wap:float barCount:int")),
    ),
    Message(
        90,
        "historicalDataUpdate",
        (
            "reqId:int",
            Inside("bar", "barCount:int date open:float close:float high:float low:float wap:float volume:lot"),
        ),
    ),
    Message(88, "headTimestamp", "reqId:int headTimestamp"),
    Message(89, "histogramData", ("reqId:int", Repeat("items", "price:float size:lot"))),
    Message(96, "historicalTicks", ("reqId:int", Repeat("ticks", "time:int #0 price:float size:lot"), "done:bool=1")),
    Message(
        97,
        "historicalTicksBidAsk",
        (
            "reqId:int",
            Repeat(  # the bits are the other way round than in tickByTickBidAsk
                "ticks",
                "time:int tickAttribBidAsk:bits(askPastHigh,bidPastLow) priceBid:float priceAsk:float sizeBid:lot "
                "sizeAsk:lot",
            ),
            "done:bool=1",
        ),
    ),
    Message(
        98,
        "historicalTicksLast",
        (
            "reqId:int",
            Repeat(
                "ticks",
                "time:int tickAttribLast:bits(pastLimit,unreported) price:float size:lot exchange specialConditions",
            ),
            "done:bool=1",
        ),
    ),
    Message(
        106,
        "historicalSchedule",
        ("reqId:int startDateTime endDateTime timeZone", Repeat("sessions", "startDateTime endDateTime refDate")),
    ),
)
