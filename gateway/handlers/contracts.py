"""What contracts there are, market rules, and what the gateway has not: scanners, fundamentals, news, depth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.data.rules import price_increments
from gateway.handlers import NOT_SERVED, on
from gateway.model import Values
from gateway.refused import NO_DEFINITION, Refused

if TYPE_CHECKING:
    from gateway.session import Session
    from gateway.tws import Tws


@on("reqContractDetails")
def contract_details(tws: Tws, session: Session, values: Values) -> None:
    """All that fit; error 200 where there is none."""
    req_id, contract = values["reqId"], values["contract"]
    found = tws.book.search(contract)
    if not found:
        raise Refused(200, NO_DEFINITION)
    for instrument in found:
        details = tws.book.details(instrument, tws.clock.now(), str(contract.get("exchange") or ""))
        session.send("contractDetails", {"reqId": req_id, **details})
    session.send("contractDetailsEnd", {"reqId": req_id})


@on("reqMatchingSymbols")
def matching_symbols(tws: Tws, session: Session, values: Values) -> None:
    session.send(
        "symbolSamples", {"reqId": values["reqId"], "contractDescriptions": tws.book.samples(values["pattern"])}
    )


@on("reqMarketRule")
def market_rule(tws: Tws, session: Session, values: Values) -> None:
    rule = values["marketRuleId"]
    session.send("marketRule", {"marketRuleId": rule, "priceIncrements": price_increments(rule)})


@on("reqSecDefOptParams")
def option_parameters(tws: Tws, session: Session, values: Values) -> None:
    """No options are listed here."""
    session.send("securityDefinitionOptionParameterEnd", {"reqId": values["reqId"]})


@on("reqMktDepthExchanges")
def depth_exchanges(tws: Tws, session: Session, values: Values) -> None:
    session.send("mktDepthExchanges", {"depthMktDataDescriptions": []})


@on("reqNewsProviders")
def news_providers(tws: Tws, session: Session, values: Values) -> None:
    session.send("newsProviders", {"newsProviders": []})


@on("reqSoftDollarTiers")
def soft_dollar_tiers(tws: Tws, session: Session, values: Values) -> None:
    session.send("softDollarTiers", {"reqId": values["reqId"], "tiers": []})


@on("reqSmartComponents")
def smart_components(tws: Tws, session: Session, values: Values) -> None:
    """The exchanges behind the letters of SMART quotes: the one that ``tickReqParams`` speaks of."""
    components = [{"bitNumber": 0, "exchange": "NYSE", "exchangeLetter": "N"}]
    session.send("smartComponents", {"reqId": values["reqId"], "smartComponentMap": components})


@on("queryDisplayGroups")
def display_groups(tws: Tws, session: Session, values: Values) -> None:
    """There are no windows, so no groups of them."""
    session.send("displayGroupList", {"reqId": values["reqId"], "groups": ""})


@on(
    "reqNewsBulletins", "cancelNewsBulletins", "cancelFundamentalData", "cancelHistogramData", "cancelWshMetaData",
    "cancelWshEventData", "cancelCalculateImpliedVolatility", "cancelCalculateOptionPrice", "subscribeToGroupEvents",
    "unsubscribeFromGroupEvents", "updateDisplayGroup",
)  # fmt: skip
def without_answer(tws: Tws, session: Session, values: Values) -> None:
    """Nothing comes of these: there are no bulletins and no windows, and what is cancelled was refused."""


@on("cancelScannerSubscription")
def cancel_scanner(tws: Tws, session: Session, values: Values) -> None:
    raise Refused(365, f"No scanner subscription found for ticker id:{values['reqId']}")


@on("cancelMktDepth")
def cancel_depth(tws: Tws, session: Session, values: Values) -> None:
    raise Refused(310, f"Can't find the subscribed market depth with tickerId:{values['reqId']}")


_NOT_SUBSCRIBED = (
    10089,
    "Requested market data requires additional subscription for API. See link in 'Market Data Connections' dialog for "
    "more details.",
)
NOT_SERVED.update(
    {
        "reqScannerSubscription": (162, "Historical Market Data Service error message:Scanner not configured"),
        "reqScannerParameters": (321, "Error validating request.-'bK' : cause - Scanner parameters are not available"),
        "reqFundamentalData": (430, "The fundamentals data for the security specified is not available.Not allowed"),
        "reqMktDepth": (10092, "Deep market data is not supported for this combination of security type/exchange"),
        "reqHistogramData": _NOT_SUBSCRIBED,
        "reqNewsArticle": (10276, "News feed is not allowed."),
        "reqHistoricalNews": (10276, "News feed is not allowed."),
        "reqWshMetaData": (10276, "News feed is not allowed."),
        "reqWshEventData": (10276, "News feed is not allowed."),
        "requestFA": (321, "Error validating request.-'bM' : cause - FA data operations ignored for non FA customers."),
        "replaceFA": (321, "Error validating request.-'bM' : cause - FA data operations ignored for non FA customers."),
        "exerciseOptions": (200, NO_DEFINITION),
        "calculateImpliedVolatility": (200, NO_DEFINITION),
        "calculateOptionPrice": (200, NO_DEFINITION),
    }
)
