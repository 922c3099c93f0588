"""What TWS sends, by EWrapper's names; ``reqId`` where EWrapper has tickerId or requestId."""

from __future__ import annotations

from gateway.wire.layout import Inside, Message, Repeat
from gateway.wire.tables.contracts import HELD, TOLD
from gateway.wire.tables.market_data import MARKET_DATA
from gateway.wire.tables.orders import COMPLETED_ORDER, OPEN_ORDER

_CONTRACT = Inside("contract", TOLD)
_SEC_IDS = Repeat("secIdList", "tag value")
_SIZES = "minSize:size=1@164 sizeIncrement:size=1@164 suggestedSizeIncrement:size=100@164"

ORDERS = (
    OPEN_ORDER,
    COMPLETED_ORDER,
    Message(
        3,
        "orderStatus",
        "orderId:int status filled:size remaining:size avgFillPrice:float permId:int parentId:int "
        "lastFillPrice:float clientId:int whyHeld mktCapPrice:float",
    ),
    Message(53, "openOrderEnd", "#1"),
    Message(102, "completedOrdersEnd"),
    Message(100, "orderBound", "permId:int clientId:int orderId:int"),
    Message(
        11,
        "execDetails",
        (
            "reqId:int=-1",
            Inside("execution", "orderId:int"),
            _CONTRACT,
            Inside(
                "execution",
                "execId time:when acctNumber exchange side shares:size price:float permId:int clientId:int "
                "liquidation:int cumQty:size avgPrice:float orderRef evRule evMultiplier:float? modelCode "
                "lastLiquidity:int pendingPriceRevision:bool@178",
            ),
        ),
    ),
    Message(55, "execDetailsEnd", "#1 reqId:int"),
    Message(
        59,
        "commissionReport",
        "#1 execId commission:float currency realizedPNL:float?=max yield_:float?=max yieldRedemptionDate:int?",
    ),
)

ACCOUNTS = (
    Message(15, "managedAccounts", "#1 accountsList"),
    Message(6, "updateAccountValue", "#2 key val currency accountName"),
    Message(
        7,
        "updatePortfolio",
        (
            "#8",
            Inside("contract", HELD),
            "position:size marketPrice:float marketValue:float averageCost:float unrealizedPNL:float "
            "realizedPNL:float accountName",
        ),
    ),
    Message(8, "updateAccountTime", "#1 timeStamp"),
    Message(54, "accountDownloadEnd", "#1 accountName"),
    Message(61, "position", ("#3 account", _CONTRACT, "position:size avgCost:float")),
    Message(62, "positionEnd", "#1"),
    Message(71, "positionMulti", ("#1 reqId:int account", _CONTRACT, "pos:size avgCost:float modelCode")),
    Message(72, "positionMultiEnd", "#1 reqId:int"),
    Message(63, "accountSummary", "#1 reqId:int account tag value currency"),
    Message(64, "accountSummaryEnd", "#1 reqId:int"),
    Message(73, "accountUpdateMulti", "#1 reqId:int account modelCode key value currency"),
    Message(74, "accountUpdateMultiEnd", "#1 reqId:int"),
    Message(94, "pnl", "reqId:int dailyPnL:float?=max unrealizedPnL:float?=max realizedPnL:float?=max"),
    Message(
        95,
        "pnlSingle",
        "reqId:int pos:size dailyPnL:float?=max unrealizedPnL:float?=max realizedPnL:float?=max value:float?=max",
    ),
    Message(78, "familyCodes", (Repeat("familyCodes", "accountID familyCodeStr"),)),
    Message(77, "softDollarTiers", ("reqId:int", Repeat("tiers", "name val displayName"))),
    Message(16, "receiveFA", "#1 faData:int cxml"),
    Message(103, "replaceFAEnd", "reqId:int text"),
    Message(107, "userInfo", "reqId:int whiteBrandingId"),
)

CONTRACTS = (
    Message(
        10,
        "contractDetails",
        (
            "#8@<164 reqId:int",
            Inside(
                "contract",
                "symbol secType lastTradeDateOrContractMonth strike:float=0 right exchange currency localSymbol",
            ),
            "marketName",
            Inside("contract", "tradingClass conId:int"),
            "minTick:float mdSizeMultiplier:int=1@<164",
            Inside("contract", "multiplier"),
            "orderTypes validExchanges priceMagnifier:int=1 underConId:int longName:text",
            Inside("contract", "primaryExchange"),
            "contractMonth industry category subcategory timeZoneId tradingHours liquidHours evRule evMultiplier:int?",
            _SEC_IDS,
            "aggGroup:int=1 underSymbol underSecType marketRuleIds realExpirationDate stockType "
            f"suggestedSizeIncrement:size=100@=163 {_SIZES}",
        ),
    ),
    Message(
        18,
        "bondContractDetails",
        (
            "#6@<164 reqId:int",
            Inside("contract", "symbol secType"),
            "cusip coupon:size maturity issueDate ratings bondType couponType convertible:bool callable:bool "
            "putable:bool descAppend",
            Inside("contract", "exchange currency"),
            "marketName",
            Inside("contract", "tradingClass conId:int"),
            "minTick:float mdSizeMultiplier:int=1@<164 orderTypes validExchanges nextOptionDate nextOptionType "
            "nextOptionPartial:bool notes longName evRule evMultiplier:int?",
            _SEC_IDS,
            f"aggGroup:int=1 marketRuleIds {_SIZES}",
        ),
    ),
    Message(52, "contractDetailsEnd", "#1 reqId:int"),
    Message(
        79,
        "symbolSamples",
        (
            "reqId:int",
            Repeat(
                "contractDescriptions",
                (
                    Inside("contract", "conId:int symbol secType primaryExchange currency"),
                    Repeat("derivativeSecTypes", each="str"),
                    Inside("contract", "description@176 issuerId@176"),
                ),
            ),
        ),
    ),
    Message(93, "marketRule", ("marketRuleId:int", Repeat("priceIncrements", "lowEdge:float increment:float"))),
    Message(
        75,
        "securityDefinitionOptionParameter",
        (
            "reqId:int exchange underlyingConId:int tradingClass multiplier",
            Repeat("expirations", each="str"),
            Repeat("strikes", each="float"),
        ),
    ),
    Message(76, "securityDefinitionOptionParameterEnd", "reqId:int"),
    Message(
        56,
        "deltaNeutralValidation",
        ("#1 reqId:int", Inside("deltaNeutralContract", "conId:int delta:float price:float")),
    ),
    Message(
        20,
        "scannerData",
        (
            "#3 reqId:int",
            Repeat(
                "rows",
                (
                    "rank:int",
                    Inside(
                        "contract",
                        "conId:int symbol secType lastTradeDateOrContractMonth strike:float=0 right=? exchange "
                        "currency localSymbol",
                    ),
                    "marketName",
                    Inside("contract", "tradingClass"),
                    "distance benchmark projection legsStr",
                ),
            ),
        ),
    ),
    Message(19, "scannerParameters", "#1 xml"),
    Message(51, "fundamentalData", "#1 reqId:int data"),
)

SESSION = (
    Message(9, "nextValidId", "#1 orderId:int"),
    Message(49, "currentTime", "#1 time:int"),
    Message(4, "error", "#2 reqId:int=-1 errorCode:int errorString:notice advancedOrderRejectJson:notice@166"),
    Message(65, "verifyMessageAPI", "#1 apiData"),
    Message(66, "verifyCompleted", "#1 isSuccessful:bool errorText"),
    Message(69, "verifyAndAuthMessageAPI", "#1 apiData xyzChallenge"),
    Message(70, "verifyAndAuthCompleted", "#1 isSuccessful:bool errorText"),
    Message(67, "displayGroupList", "#1 reqId:int groups"),
    Message(68, "displayGroupUpdated", "#1 reqId:int contractInfo"),
)

NEWS = (
    Message(14, "updateNewsBulletin", "#1 msgId:int msgType:int newsMessage originExch"),
    Message(83, "newsArticle", "reqId:int articleType:int articleText"),
    Message(84, "tickNews", "reqId:int timeStamp:int providerCode articleId headline extraData"),
    Message(85, "newsProviders", (Repeat("newsProviders", "code name"),)),
    Message(86, "historicalNews", "reqId:int time providerCode articleId headline"),
    Message(87, "historicalNewsEnd", "reqId:int hasMore:bool"),
    Message(104, "wshMetaData", "reqId:int dataJson"),
    Message(105, "wshEventData", "reqId:int dataJson"),
)

ANSWERS = ORDERS + ACCOUNTS + CONTRACTS + MARKET_DATA + SESSION + NEWS
