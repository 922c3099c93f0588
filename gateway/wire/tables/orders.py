"""Layouts that carry an order: placeOrder, openOrder, completedOrder.

The defaults of openOrder are what a TWS of server version 176 sends (see kinds.py for "no value").
"""

from __future__ import annotations

from gateway.wire.layout import COUNTED, FILLED, POSITIVE, UP_TO_MID, If, Inside, Message, Repeat, Since, Switch, one_of
from gateway.wire.tables.contracts import ASKED, DELTA_NEUTRAL, ORDER_LEGS, TOLD

PEG_BENCH, PEG_BEST, PEG_MID = (one_of(f"PEG {name}", f"PEG{name}") for name in ("BENCH", "BEST", "MID"))

COMBO_PRICES = Repeat("orderComboLegs", "price:float?")
ROUTING = Repeat("smartComboRoutingParams", "tag value")
ALGO = ("algoStrategy", If("algoStrategy", FILLED, (Repeat("algoParams", "tag value"),)))
HEDGE = ("hedgeType", If("hedgeType", FILLED, "hedgeParam"))
SCALE = (
    "scaleInitLevelSize:int?=max scaleSubsLevelSize:int?=max scalePriceIncrement:float?",
    If(
        "scalePriceIncrement",
        POSITIVE,
        "scalePriceAdjustValue:float? scalePriceAdjustInterval:int? scaleProfitOffset:float? scaleAutoReset:bool "
        "scaleInitPosition:int? scaleInitFillQty:int? scaleRandomPercent:bool",
    ),
)
BENCHMARK = If(
    "orderType",
    PEG_BENCH,
    "referenceContractId:int isPeggedChangeAmountDecrease:bool peggedChangeAmount:float "
    "referenceChangeAmount:float referenceExchangeId",
)
_ON_CONTRACT = "conId:int exchange"
CONDITIONS = (
    Repeat(
        "conditions",
        (
            "condType:int conjunction=a",
            Switch(
                "condType",
                {
                    "1": f"isMore:bool price:float {_ON_CONTRACT} triggerMethod:int",
                    "3": "isMore:bool time",
                    "4": "isMore:bool percent:size",
                    "5": "secType exchange symbol",
                    "6": f"isMore:bool volume:size {_ON_CONTRACT}",
                    "7": f"isMore:bool changePercent:float? {_ON_CONTRACT}",
                },
            ),
        ),
    ),
    If("conditions", COUNTED, "conditionsIgnoreRth:bool conditionsCancelOrder:bool"),
)
OFFSETS = "midOffsetAtWhole:float? midOffsetAtHalf:float?"
BEST = Inside(
    "order",
    (
        "minCompeteSize:int? competeAgainstBestOffset:offset?",
        If("competeAgainstBestOffset", UP_TO_MID, OFFSETS),
    ),
)

PLACE_ORDER = Message(
    3,
    "placeOrder",
    (
        "orderId:int",
        Inside("contract", f"{ASKED} secIdType secId"),
        Inside(
            "order",
            "action totalQuantity:size? orderType lmtPrice:float? auxPrice:float? tif ocaGroup account openClose "
            "origin:int orderRef transmit:bool=1 parentId:int blockOrder:bool sweepToFill:bool displaySize:int? "
            "triggerMethod:int outsideRth:bool hidden:bool",
        ),
        If("contract.secType", one_of("BAG"), (Inside("contract", (ORDER_LEGS,)),)),
        If("contract.secType", one_of("BAG"), (Inside("order", (COMBO_PRICES, ROUTING)),)),
        Inside(
            "order",
            (
                "# discretionaryAmt:float goodAfterTime goodTillDate faGroup faMethod faPercentage faProfile@<177 "
                "modelCode shortSaleSlot:int designatedLocation exemptCode:int=-1 ocaType:int rule80A settlingFirm "
                "allOrNone:bool minQty:int? percentOffset:float? eTradeOnly:bool firmQuoteOnly:bool "
                "nbboPriceCap:float? auctionStrategy:int startingPrice:float? stockRefPrice:float? delta:float? "
                "stockRangeLower:float? stockRangeUpper:float? overridePercentageConstraints:bool "
                "volatility:float? volatilityType:int? deltaNeutralOrderType deltaNeutralAuxPrice:float?",
                If(
                    "deltaNeutralOrderType",
                    FILLED,
                    "deltaNeutralConId:int deltaNeutralSettlingFirm deltaNeutralClearingAccount "
                    "deltaNeutralClearingIntent deltaNeutralOpenClose deltaNeutralShortSale:bool "
                    "deltaNeutralShortSaleSlot:int deltaNeutralDesignatedLocation",
                ),
                "continuousUpdate:bool referencePriceType:int? trailStopPrice:float? trailingPercent:float?",
                *SCALE,
                "scaleTable activeStartTime activeStopTime",
                *HEDGE,
                "optOutSmartRouting:bool clearingAccount clearingIntent notHeld:bool",
            ),
        ),
        Inside("contract", (DELTA_NEUTRAL,)),
        Inside(
            "order",
            (
                *ALGO,
                "algoId whatIf:bool orderMiscOptions:tags solicited:bool randomizeSize:bool randomizePrice:bool",
                BENCHMARK,
                *CONDITIONS,
                "adjustedOrderType triggerPrice:float? lmtPriceOffset:float? adjustedStopPrice:float? "
                "adjustedStopLimitPrice:float? adjustedTrailingAmount:float? adjustableTrailingUnit:int extOperator",
                Inside("softDollarTier", "name val"),
                "cashQty:float? mifid2DecisionMaker mifid2DecisionAlgo mifid2ExecutionTrader mifid2ExecutionAlgo "
                "dontUseAutoPriceForHedge:bool isOmsContainer:bool discretionaryUpToLimitPrice:bool "
                "usePriceMgmtAlgo:bool? duration:int?@158 postToAts:int?@160 autoCancelParent:bool@162 "
                "advancedErrorOverride@166 manualOrderTime@169",
            ),
        ),
        Since(
            "170",
            (
                If("contract.exchange", one_of("IBKRATS"), (Inside("order", "minTradeQty:int?"),)),
                If("order.orderType", PEG_BEST, (BEST,)),
                If("order.orderType", PEG_MID, (Inside("order", OFFSETS),)),
            ),
        ),
    ),
)

_BEGIN = (
    "action totalQuantity:size orderType lmtPrice:float?=0.0 auxPrice:float?=0.0 tif ocaGroup account openClose "
    "origin:int orderRef"
)
_SHORT = "shortSaleSlot:int designatedLocation exemptCode:int=-1"
_REFERENCES = "startingPrice:float? stockRefPrice:float? delta:float? stockRangeLower:float? stockRangeUpper:float?"
_VOLATILITY = "volatility:float? volatilityType:int?=0 deltaNeutralOrderType=None deltaNeutralAuxPrice:float?"
_UPDATED = "continuousUpdate:bool referencePriceType:int?=0 trailStopPrice:float? trailingPercent:float?"
_CLEARING = "clearingAccount clearingIntent=IB notHeld:bool"
_LEGS = Inside("contract", ("comboLegsDescrip", ORDER_LEGS))
_PEGGED = (
    "minTradeQty:int?@170 minCompeteSize:int?@170 competeAgainstBestOffset:offset?@170 midOffsetAtWhole:float?@170 "
    "midOffsetAtHalf:float?@170"
)
_MARGIN = " ".join(
    f"{what}{when}=1.7976931348623157E308"  # text, as IBKR has it
    for when in ("Before", "Change", "After")
    for what in ("initMargin", "maintMargin", "equityWithLoan")
)

OPEN_ORDER = Message(
    5,
    "openOrder",
    (
        "orderId:int",
        Inside("contract", TOLD),
        Inside(
            "order",
            (
                f"{_BEGIN} clientId:int permId:int outsideRth:bool hidden:bool discretionaryAmt:float=0 goodAfterTime "
                "# faGroup faMethod faPercentage faProfile@<177 modelCode goodTillDate rule80A percentOffset:float? "
                f"settlingFirm {_SHORT} auctionStrategy:int {_REFERENCES} displaySize:int?=max blockOrder:bool "
                "sweepToFill:bool allOrNone:bool minQty:int? ocaType:int=3 eTradeOnly:bool firmQuoteOnly:bool "
                f"nbboPriceCap:float? parentId:int triggerMethod:int {_VOLATILITY}",
                If(
                    "deltaNeutralOrderType",
                    FILLED,
                    "deltaNeutralConId:int deltaNeutralSettlingFirm deltaNeutralClearingAccount "
                    "deltaNeutralClearingIntent deltaNeutralOpenClose=? deltaNeutralShortSale:bool "
                    "deltaNeutralShortSaleSlot:int deltaNeutralDesignatedLocation",
                ),
                f"{_UPDATED} basisPoints:float? basisPointsType:int?",
            ),
        ),
        _LEGS,
        Inside("order", (COMBO_PRICES, ROUTING, *SCALE, *HEDGE, f"optOutSmartRouting:bool {_CLEARING}")),
        Inside("contract", (DELTA_NEUTRAL,)),
        Inside("order", (*ALGO, "solicited:bool whatIf:bool")),
        Inside(
            "orderState",
            f"status {_MARGIN} commission:float? minCommission:float? maxCommission:float? commissionCurrency "
            "warningText",
        ),
        Inside(
            "order",
            (
                "randomizeSize:bool randomizePrice:bool",
                BENCHMARK,
                *CONDITIONS,
                "adjustedOrderType=None triggerPrice:float?=max trailStopPrice:float?=max lmtPriceOffset:float?=max "
                "adjustedStopPrice:float?=max adjustedStopLimitPrice:float?=max adjustedTrailingAmount:float?=max "
                "adjustableTrailingUnit:int",
                Inside("softDollarTier", "name val displayName"),
                "cashQty:float?=0 dontUseAutoPriceForHedge:bool=1 isOmsContainer:bool "
                "discretionaryUpToLimitPrice:bool usePriceMgmtAlgo:bool duration:int?@158 postToAts:int?@160 "
                f"autoCancelParent:bool@162 {_PEGGED}",
            ),
        ),
    ),
)

COMPLETED_ORDER = Message(
    101,
    "completedOrder",
    (
        Inside("contract", TOLD),
        Inside(
            "order",
            (
                f"{_BEGIN} permId:int outsideRth:bool hidden:bool discretionaryAmt:float=0 goodAfterTime faGroup "
                "faMethod faPercentage faProfile@<177 modelCode goodTillDate rule80A percentOffset:float? "
                f"settlingFirm {_SHORT} {_REFERENCES} displaySize:int?=max sweepToFill:bool allOrNone:bool "
                f"minQty:int? ocaType:int=3 triggerMethod:int {_VOLATILITY}",
                If(
                    "deltaNeutralOrderType",
                    FILLED,
                    "deltaNeutralConId:int deltaNeutralShortSale:bool deltaNeutralShortSaleSlot:int "
                    "deltaNeutralDesignatedLocation",
                ),
                _UPDATED,
            ),
        ),
        _LEGS,
        Inside("order", (COMBO_PRICES, ROUTING, *SCALE, *HEDGE, _CLEARING)),
        Inside("contract", (DELTA_NEUTRAL,)),
        Inside("order", (*ALGO, "solicited:bool")),
        Inside("orderState", "status"),
        Inside(
            "order",
            (
                "randomizeSize:bool randomizePrice:bool",
                BENCHMARK,
                *CONDITIONS,
                "trailStopPrice:float?=max lmtPriceOffset:float?=max cashQty:float?=0 "
                "dontUseAutoPriceForHedge:bool=1 isOmsContainer:bool autoCancelDate filledQuantity:size "
                "refFuturesConId:int autoCancelParent:bool shareholder imbalanceOnly:bool routeMarketableToBbo:bool "
                "parentPermId:int",
            ),
        ),
        Inside("orderState", "completedTime completedStatus"),
        Inside("order", _PEGGED),
    ),
)
