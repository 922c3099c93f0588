"""What TWS says of an account: account values, portfolio rows and account summary tags, with TWS's keys and formats.

The keys are those that a paper account of EUR base sends (updateAccountValue); those of assets that the gateway does
not trade are 0.00, as there.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from gateway.market.account import AccountState
from gateway.model import Instrument, Values

Row = tuple[str, str, str]  # key, value, currency

_NO_CURRENCY = {
    "AccountReady": "true",
    "AccountType": "INDIVIDUAL",
    "DayTradesRemaining": "-1",
    "DayTradesRemainingT+1": "-1",
    "DayTradesRemainingT+2": "-1",
    "DayTradesRemainingT+3": "-1",
    "DayTradesRemainingT+4": "-1",
    "HighestSeverity": "",
    "LookAheadNextChange": "0",
    "NLVAndMarginInReview": "false",
    "SegmentTitle-S": "Securities",
    "TradingType-S": "STKMRGN",
}
_ZERO_BASE = (
    "AccruedDividend",
    "Billable",
    "Guarantee",
    "IndianStockHaircut",
    "NetLiquidationUncertainty",
    "PhysicalCertificateValue",
    "PostExpirationExcess",
    "PostExpirationMargin",
    "TotalDebitCardPendingCharges",
)
_ZERO_LEDGER = (
    "AccruedCash",
    "CorporateBondValue",
    "Cryptocurrency",
    "FundValue",
    "FutureOptionValue",
    "FuturesPNL",
    "FxCashBalance",
    "IssuerOptionValue",
    "MoneyMarketFundValue",
    "MutualFundValue",
    "NetDividend",
    "OptionMarketValue",
    "TBillValue",
    "TBondValue",
    "WarrantValue",
)
_SEGMENTED = frozenset(
    {
        "AvailableFunds",
        "EquityWithLoanValue",
        "ExcessLiquidity",
        "FullAvailableFunds",
        "FullExcessLiquidity",
        "FullInitMarginReq",
        "FullMaintMarginReq",
        "GrossPositionValue",
        "InitMarginReq",
        "LookAheadAvailableFunds",
        "LookAheadExcessLiquidity",
        "LookAheadInitMarginReq",
        "LookAheadMaintMarginReq",
        "MaintMarginReq",
        "NetLiquidation",
        "RegTEquity",
        "RegTMargin",
        "SMA",
        "TotalCashValue",
    }
)
SUMMARY_TAGS = (
    "AccountType,NetLiquidation,TotalCashValue,SettledCash,AccruedCash,BuyingPower,EquityWithLoanValue,"
    "PreviousDayEquityWithLoanValue,GrossPositionValue,RegTEquity,RegTMargin,SMA,InitMarginReq,MaintMarginReq,"
    "AvailableFunds,ExcessLiquidity,Cushion,FullInitMarginReq,FullMaintMarginReq,FullAvailableFunds,"
    "FullExcessLiquidity,LookAheadNextChange,LookAheadInitMarginReq,LookAheadMaintMarginReq,LookAheadAvailableFunds,"
    "LookAheadExcessLiquidity,HighestSeverity,DayTradesRemaining,Leverage"
).split(",")


def cents(amount: float) -> str:
    """Two decimals; no minus zero."""
    return f"{amount + 0.0:.2f}" if abs(amount) >= 0.005 else "0.00"


def exact(amount: float) -> str:
    """Two to four decimals, as balances are told."""
    text = f"{amount:.4f}" if abs(amount) >= 0.00005 else "0.0000"
    return text[:-2] if text.endswith("00") else text.rstrip("0")


def account_values(state: AccountState, when: dt.datetime) -> list[Row]:
    """The rows of updateAccountValue, by key, and for a key with ledger rows BASE before the currencies."""
    rows: list[Row] = [("AccountCode", state.name, "")]
    rows += [(key, value, "") for key, value in _NO_CURRENCY.items()]
    base = state.base
    rows += [(key, "0.00", base) for key in _ZERO_BASE]
    amounts = base_amounts(state, when)
    rows.append(("Cushion", _ratio(amounts["ExcessLiquidity"], amounts["NetLiquidation"], 6), ""))
    leverage = _ratio(amounts["GrossPositionValue"], amounts["NetLiquidation"], 2)
    rows += [("Leverage", leverage, ""), ("Leverage-S", leverage, "")]
    for key, amount in amounts.items():
        rows.append((key, cents(amount), base))
        if key in _SEGMENTED:
            rows += [(key + "-C", "0.00", base), (key + "-S", cents(amount), base)]
    rows += ledger(state, when)
    rows.sort(key=lambda row: row[0])  # stable: the currencies keep their order
    return rows


def base_amounts(state: AccountState, when: dt.datetime) -> dict[str, float]:
    """What is told in the base currency alone: key -> amount."""
    equity, cash = state.equity(when), state.cash.value(when)
    initial, maintenance = state.margins(when)
    fx = state.cash.fx
    gross = sum(
        abs(state.value(p)) * fx.rate(p.instrument.currency, when)
        for p in state.positions.values()
        if p.quantity and p.instrument.sec_type != "CASH"
    )
    available, excess = equity - initial, equity - maintenance
    amounts = {
        "NetLiquidation": equity,
        "TotalCashValue": cash,
        "SettledCash": cash,
        "EquityWithLoanValue": equity,
        "PreviousDayEquityWithLoanValue": state.began_equity,
        "GrossPositionValue": gross,
        "BuyingPower": max(available, 0.0) / state.margin.initial_long,
        "RegTEquity": equity,
        "RegTMargin": gross * 0.5,
        "SMA": max(equity - gross * 0.5, 0.0),
    }
    for prefix in ("", "Full", "LookAhead"):
        amounts[prefix + "InitMarginReq"] = initial
        amounts[prefix + "MaintMarginReq"] = maintenance
        amounts[prefix + "AvailableFunds"] = available
        amounts[prefix + "ExcessLiquidity"] = excess
    return amounts


def ledger(state: AccountState, when: dt.datetime) -> list[Row]:
    """What is told by currency: BASE first, then the base currency and the others."""
    fx = state.cash.fx
    balances = state.cash.balances
    stocks: dict[str, float] = {}
    unrealized: dict[str, float] = {}
    for position in state.positions.values():
        if position.quantity and position.instrument.sec_type != "CASH":
            currency, value = position.instrument.currency, state.value(position)
            stocks[currency] = stocks.get(currency, 0.0) + value
            unrealized[currency] = unrealized.get(currency, 0.0) + value - position.cost
    others = sorted((balances.keys() | stocks.keys()) - {state.base})
    rows: list[Row] = []
    totals = [0.0] * 4
    for currency in (state.base, *others):
        rate = fx.rate(currency, when)
        cash, stock = balances.get(currency, 0.0), stocks.get(currency, 0.0)
        amounts = (cash, stock, unrealized.get(currency, 0.0), state.realized.get(currency, 0.0))
        totals = [total + amount * rate for total, amount in zip(totals, amounts, strict=True)]
        rows += _ledger_rows(state.name, currency, rate, amounts)
    return _ledger_rows(state.name, "BASE", 1.0, totals) + rows


def _ledger_rows(account: str, currency: str, rate: float, amounts: Iterable[float]) -> list[Row]:
    cash, stock, unrealized, realized = amounts
    told = {
        "AccountOrGroup": account,
        "CashBalance": exact(cash),
        "Currency": currency,
        "ExchangeRate": f"{rate:.7f}".rstrip("0") if rate != 1.0 else "1.00",
        "NetLiquidationByCurrency": exact(cash + stock),
        "RealCurrency": currency,
        "RealizedPnL": cents(realized),
        "StockMarketValue": cents(stock),
        "TotalCashBalance": exact(cash),
        "UnrealizedPnL": cents(unrealized),
    }
    rows = [(key, value, currency) for key, value in told.items()]
    return rows + [(key, "0.00", currency) for key in _ZERO_LEDGER]


def summary(state: AccountState, tags: str, when: dt.datetime) -> list[Row]:
    """The rows of accountSummary for a comma-separated list of tags.

    ``All`` is every tag; ``$LEDGER`` the ledger in BASE, ``$LEDGER:USD`` of a currency, ``$LEDGER:ALL`` of all. A tag
    that TWS does not know gives no row.
    """
    asked = [tag.strip() for tag in tags.split(",") if tag.strip()]
    by_key: dict[str, list[Row]] = {}
    for row in account_values(state, when):
        by_key.setdefault(row[0], []).append(row)
    rows: list[Row] = []
    for tag in SUMMARY_TAGS if asked == ["All"] else asked:
        if tag.startswith("$LEDGER"):
            currency = tag.partition(":")[2] or "BASE"
            rows += [row for row in ledger(state, when) if currency == "ALL" or row[2] == currency]
        else:
            rows += [row for row in by_key.get(tag, ()) if row[2] in ("", state.base)][:1]
    return rows


def portfolio(state: AccountState) -> list[tuple[Instrument, Values]]:
    """The rows of updatePortfolio, in the instruments' currencies; a position closed today is told with 0 shares."""
    rows = []
    for position in state.positions.values():
        value = state.value(position) if position.quantity else 0.0
        price = state.prices.get(position.instrument.con_id, position.average_cost)
        told = {
            "position": position.quantity,
            "marketPrice": price,
            "marketValue": value,
            "averageCost": position.average_cost,
            "unrealizedPNL": value - position.cost,
            "realizedPNL": position.realized,
            "accountName": state.name,
        }
        rows.append((position.instrument, told))
    return rows


def _ratio(part: float, whole: float, decimals: int) -> str:
    return f"{part / whole:.{decimals}f}" if whole else "0"
