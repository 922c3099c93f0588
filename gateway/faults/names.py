"""Names that a script may use: messages by IBKR's names (EWrapper, EClient), groups of answers, the tape's two."""

from __future__ import annotations

ANSWERS = frozenset(
    """accountDownloadEnd accountSummary accountSummaryEnd accountUpdateMulti accountUpdateMultiEnd bondContractDetails
    commissionReport completedOrder completedOrdersEnd contractDetails contractDetailsEnd currentTime
    deltaNeutralValidation error execDetails execDetailsEnd familyCodes fundamentalData headTimestamp histogramData
    historicalData historicalDataUpdate historicalNews historicalNewsEnd historicalSchedule historicalTicks
    historicalTicksBidAsk historicalTicksLast managedAccounts marketDataType marketRule mktDepthExchanges newsArticle
    newsProviders nextValidId openOrder openOrderEnd orderBound orderStatus pnl pnlSingle position positionEnd
    positionMulti positionMultiEnd realtimeBar receiveFA scannerData scannerParameters
    securityDefinitionOptionParameter securityDefinitionOptionParameterEnd smartComponents softDollarTiers
    symbolSamples tickByTick tickEFP tickGeneric tickNews tickOptionComputation tickPrice tickReqParams tickSize
    tickSnapshotEnd tickString updateAccountTime updateAccountValue updateMktDepth updateMktDepthL2
    updateNewsBulletin updatePortfolio userInfo wshEventData wshMetaData""".split()
)

REQUESTS = frozenset(
    """calculateImpliedVolatility calculateOptionPrice cancelAccountSummary cancelAccountUpdatesMulti
    cancelCalculateImpliedVolatility cancelCalculateOptionPrice cancelFundamentalData cancelHeadTimestamp
    cancelHistogramData cancelHistoricalData cancelMktData cancelMktDepth cancelNewsBulletins cancelOrder cancelPnL
    cancelPnLSingle cancelPositions cancelPositionsMulti cancelRealTimeBars cancelScannerSubscription
    cancelTickByTickData cancelWshEventData cancelWshMetaData exerciseOptions placeOrder queryDisplayGroups replaceFA
    reqAccountSummary reqAccountUpdates reqAccountUpdatesMulti reqAllOpenOrders reqAutoOpenOrders reqCompletedOrders
    reqContractDetails reqCurrentTime reqExecutions reqFamilyCodes reqFundamentalData reqGlobalCancel reqHeadTimestamp
    reqHistogramData reqHistoricalData reqHistoricalNews reqHistoricalTicks reqIds reqManagedAccts reqMarketDataType
    reqMarketRule reqMatchingSymbols reqMktData reqMktDepth reqMktDepthExchanges reqNewsArticle reqNewsBulletins
    reqNewsProviders reqOpenOrders reqPnL reqPnLSingle reqPositions reqPositionsMulti reqRealTimeBars
    reqScannerParameters reqScannerSubscription reqSecDefOptParams reqSmartComponents reqSoftDollarTiers
    reqTickByTickData reqUserInfo reqWshEventData reqWshMetaData requestFA setServerLogLevel startApi
    subscribeToGroupEvents unsubscribeFromGroupEvents updateDisplayGroup verifyAndAuthMessage verifyAndAuthRequest
    verifyMessage verifyRequest""".split()
)

TAPE = frozenset({"bar", "quote"})  # what the market is given, before it is matched and streamed

GROUPS = {
    "data": frozenset(
        """historicalDataUpdate realtimeBar tickByTick tickEFP tickGeneric tickNews tickOptionComputation tickPrice
        tickSize tickString updateMktDepth updateMktDepthL2""".split()
    ),
    "orders": frozenset("commissionReport completedOrder execDetails openOrder orderBound orderStatus".split()),
    "account": frozenset(
        """accountSummary accountUpdateMulti pnl pnlSingle position positionMulti updateAccountTime updateAccountValue
        updatePortfolio""".split()
    ),
    "all": ANSWERS,
}
