"""What clients send, by EClient's names; ``reqId`` where EClient has tickerId."""

from __future__ import annotations

from gateway.wire.layout import Inside, Message, Spare
from gateway.wire.tables.contracts import COMBO, DELTA_NEUTRAL, EXERCISED, FUNDAMENTAL, asked
from gateway.wire.tables.orders import PLACE_ORDER

_EXPIRED = "includeExpired:bool"

ORDERS = (
    PLACE_ORDER,
    Message(4, "cancelOrder", "#1 orderId:int manualCancelOrderTime@169"),
    Message(58, "reqGlobalCancel", "#1"),
    Message(5, "reqOpenOrders", "#1"),
    Message(16, "reqAllOpenOrders", "#1"),
    Message(15, "reqAutoOpenOrders", "#1 bAutoBind:bool"),
    Message(99, "reqCompletedOrders", "apiOnly:bool"),
    Message(8, "reqIds", "#1 numIds:int=1"),
    Message(
        7,
        "reqExecutions",
        ("#3 reqId:int", Inside("execFilter", "clientId:int acctCode time symbol secType exchange side")),
    ),
    Message(
        21,
        "exerciseOptions",
        (
            "#2 reqId:int",
            Inside("contract", EXERCISED),
            "exerciseAction:int=1 exerciseQuantity:int account override:int",
        ),
    ),
)

ACCOUNTS = (
    Message(17, "reqManagedAccts", "#1"),
    Message(6, "reqAccountUpdates", "#2 subscribe:bool acctCode"),
    Message(61, "reqPositions", "#1"),
    Message(64, "cancelPositions", "#1"),
    Message(74, "reqPositionsMulti", "#1 reqId:int account modelCode"),
    Message(75, "cancelPositionsMulti", "#1 reqId:int"),
    Message(62, "reqAccountSummary", "#1 reqId:int groupName tags"),
    Message(63, "cancelAccountSummary", "#1 reqId:int"),
    Message(76, "reqAccountUpdatesMulti", "#1 reqId:int account modelCode ledgerAndNLV:bool"),
    Message(77, "cancelAccountUpdatesMulti", "#1 reqId:int"),
    Message(92, "reqPnL", "reqId:int account modelCode"),
    Message(93, "cancelPnL", "reqId:int"),
    Message(94, "reqPnLSingle", "reqId:int account modelCode conid:int"),
    Message(95, "cancelPnLSingle", "reqId:int"),
    Message(18, "requestFA", "#1 faData:int"),
    Message(19, "replaceFA", "#1 faData:int cxml reqId:int"),
    Message(79, "reqSoftDollarTiers", "reqId:int"),
    Message(80, "reqFamilyCodes"),
    Message(104, "reqUserInfo", "reqId:int"),
)

CONTRACTS = (
    Message(9, "reqContractDetails", ("#8 reqId:int", asked(f"{_EXPIRED} secIdType secId issuerId@176"))),
    Message(81, "reqMatchingSymbols", "reqId:int pattern"),
    Message(91, "reqMarketRule", "marketRuleId:int"),
    Message(
        78, "reqSecDefOptParams", "reqId:int underlyingSymbol futFopExchange underlyingSecType underlyingConId:int"
    ),
    Message(
        22,
        "reqScannerSubscription",
        (
            "reqId:int",
            Inside(
                "subscription",
                "numberOfRows:int?=-1 instrument locationCode scanCode abovePrice:float? belowPrice:float? "
                "aboveVolume:int? marketCapAbove:float? marketCapBelow:float? moodyRatingAbove moodyRatingBelow "
                "spRatingAbove spRatingBelow maturityDateAbove maturityDateBelow couponRateAbove:float? "
                "couponRateBelow:float? excludeConvertible:bool averageOptionVolumeAbove:int? scannerSettingPairs "
                "stockTypeFilter",
            ),
            "scannerSubscriptionFilterOptions:tags scannerSubscriptionOptions:tags",
        ),
    ),
    Message(23, "cancelScannerSubscription", "#1 reqId:int"),
    Message(24, "reqScannerParameters", "#1"),
    Message(
        52,
        "reqFundamentalData",
        ("#2 reqId:int", Inside("contract", FUNDAMENTAL), "reportType", Spare("0", 1), "fundamentalDataOptions:tags"),
    ),
    Message(53, "cancelFundamentalData", "#1 reqId:int"),
)

MARKET_DATA = (
    Message(
        1,
        "reqMktData",
        (
            "#11 reqId:int",
            asked(),
            COMBO,
            Inside("contract", (DELTA_NEUTRAL,)),
            "genericTickList snapshot:bool regulatorySnapshot:bool mktDataOptions:tags",
        ),
    ),
    Message(2, "cancelMktData", "#2 reqId:int"),
    Message(59, "reqMarketDataType", "#1 marketDataType:int=1"),
    Message(97, "reqTickByTickData", ("reqId:int", asked(), "tickType numberOfTicks:int ignoreSize:bool")),
    Message(98, "cancelTickByTickData", "reqId:int"),
    Message(83, "reqSmartComponents", "reqId:int bboExchange"),
    Message(82, "reqMktDepthExchanges"),
    Message(10, "reqMktDepth", ("#5 reqId:int", asked(), "numRows:int isSmartDepth:bool mktDepthOptions:tags")),
    Message(11, "cancelMktDepth", "#1 reqId:int isSmartDepth:bool"),
    Message(
        50,
        "reqRealTimeBars",
        ("#3 reqId:int", asked(), "barSize:int=5 whatToShow useRTH:bool realTimeBarsOptions:tags"),
    ),
    Message(51, "cancelRealTimeBars", "#1 reqId:int"),
    Message(
        54,
        "calculateImpliedVolatility",
        ("#3 reqId:int", asked(), "optionPrice:float underPrice:float", Spare("0", 1), "implVolOptions:tags"),
    ),
    Message(
        55,
        "calculateOptionPrice",
        ("#3 reqId:int", asked(), "volatility:float underPrice:float", Spare("0", 1), "optPrcOptions:tags"),
    ),
    Message(56, "cancelCalculateImpliedVolatility", "#1 reqId:int"),
    Message(57, "cancelCalculateOptionPrice", "#1 reqId:int"),
)

HISTORY = (
    Message(
        20,
        "reqHistoricalData",
        (
            "reqId:int",
            asked(_EXPIRED),
            "endDateTime barSizeSetting durationStr useRTH:bool whatToShow formatDate:int=1",
            COMBO,
            "keepUpToDate:bool chartOptions:tags",
        ),
    ),
    Message(25, "cancelHistoricalData", "#1 reqId:int"),
    Message(87, "reqHeadTimestamp", ("reqId:int", asked(_EXPIRED), "useRTH:bool whatToShow formatDate:int=1")),
    Message(90, "cancelHeadTimestamp", "reqId:int"),
    Message(
        96,
        "reqHistoricalTicks",
        (
            "reqId:int",
            asked(_EXPIRED),
            "startDateTime endDateTime numberOfTicks:int whatToShow useRth:bool ignoreSize:bool miscOptions:tags",
        ),
    ),
    Message(88, "reqHistogramData", ("reqId:int", asked(_EXPIRED), "useRTH:bool timePeriod")),
    Message(89, "cancelHistogramData", "reqId:int"),
)

SESSION = (
    Message(71, "startApi", "#2 clientId:int optionalCapabilities"),
    Message(49, "reqCurrentTime", "#1"),
    Message(14, "setServerLogLevel", "#1 logLevel:int"),
    Message(65, "verifyRequest", "#1 apiName apiVersion"),
    Message(66, "verifyMessage", "#1 apiData"),
    Message(72, "verifyAndAuthRequest", "#1 apiName apiVersion opaqueIsvKey"),
    Message(73, "verifyAndAuthMessage", "#1 apiData xyzResponse"),
    Message(67, "queryDisplayGroups", "#1 reqId:int"),
    Message(68, "subscribeToGroupEvents", "#1 reqId:int groupId:int"),
    Message(69, "updateDisplayGroup", "#1 reqId:int contractInfo"),
    Message(70, "unsubscribeFromGroupEvents", "#1 reqId:int"),
)

NEWS = (
    Message(12, "reqNewsBulletins", "#1 allMsgs:bool"),
    Message(13, "cancelNewsBulletins", "#1"),
    Message(84, "reqNewsArticle", "reqId:int providerCode articleId newsArticleOptions:tags"),
    Message(85, "reqNewsProviders"),
    Message(
        86,
        "reqHistoricalNews",
        "reqId:int conId:int providerCodes startDateTime endDateTime totalResults:int historicalNewsOptions:tags",
    ),
    Message(100, "reqWshMetaData", "reqId:int"),
    Message(101, "cancelWshMetaData", "reqId:int"),
    Message(
        102,
        "reqWshEventData",
        (
            "reqId:int",
            Inside(
                "wshEventData",
                "conId:int? filter@171 fillWatchlist:bool@171 fillPortfolio:bool@171 fillCompetitors:bool@171 "
                "startDate@173 endDate@173 totalLimit:int?@173",
            ),
        ),
    ),
    Message(103, "cancelWshEventData", "reqId:int"),
)

REQUESTS = ORDERS + ACCOUNTS + CONTRACTS + MARKET_DATA + HISTORY + SESSION + NEWS
