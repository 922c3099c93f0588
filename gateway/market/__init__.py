"""Orders' life, matching, sessions and halts, OCA groups and brackets, accounts, margin and commissions."""

from __future__ import annotations

from gateway.market.account import AccountState, MarginRates, Position
from gateway.market.accounts import Accounts
from gateway.market.market import Market, MarketError
from gateway.market.rows import SUMMARY_TAGS, account_values, portfolio, summary
from gateway.market.texts import Notice, not_found

__all__ = [
    "SUMMARY_TAGS",
    "AccountState",
    "Accounts",
    "MarginRates",
    "Market",
    "MarketError",
    "Notice",
    "Position",
    "account_values",
    "not_found",
    "portfolio",
    "summary",
]
