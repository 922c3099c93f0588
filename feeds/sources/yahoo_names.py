"""Yahoo's words for symbols, exchanges and currencies, and ours."""

from __future__ import annotations

import re

from core.currencies import HUNDREDTHS
from core.errors import FeedError

# Yahoo's exchange code -> code of exchange_calendars; see Yahoo's help page SLN2310 and yfinance.const
EXCHANGES = {
    "NMS": "XNAS", "NGM": "XNAS", "NCM": "XNAS", "NAS": "XNAS", "NIM": "XNAS", "NYQ": "XNYS", "NYS": "XNYS",
    "PCX": "ARCX", "ASE": "XASE", "BTS": "BATS", "WCB": "XNYS", "SNP": "XNYS", "DJI": "XNYS",
    "PNK": "XNYS", "OQB": "XNYS", "OQX": "XNYS", "OEM": "XNYS", "OGM": "XNYS",  # OTC keeps New York's hours
    "TOR": "XTSE", "VAN": "XTSX", "MEX": "XMEX", "SAO": "BVMF", "BUE": "XBUE", "SGO": "XSGO", "BVC": "XBOG",
    "LSE": "XLON", "IOB": "XLON", "ISE": "XDUB", "PAR": "XPAR", "AMS": "XAMS", "BRU": "XBRU", "LIS": "XLIS",
    "GER": "XETR", "FRA": "XFRA", "DUS": "XDUS", "HAM": "XHAM", "EBS": "XSWX", "VIE": "XWBO", "MIL": "XMIL",
    "MCE": "XMAD", "STO": "XSTO", "CPH": "XCSE", "HEL": "XHEL", "OSL": "XOSL", "ICE": "XICE", "WSE": "XWAR",
    "PRA": "XPRA", "BUD": "XBUD", "BVB": "XBSE", "ATH": "ASEX", "IST": "XIST", "TLV": "XTAE", "JNB": "XJSE",
    "SAU": "XSAU", "JPX": "XTKS", "OSA": "XTKS", "HKG": "XHKG", "SHH": "XSHG", "KSC": "XKRX", "KOE": "XKRX",
    "TAI": "XTAI", "SES": "XSES", "BSE": "XBOM", "NSI": "XBOM", "ASX": "XASX", "NZE": "XNZE", "SET": "XBKK",
    "KLS": "XKLS", "JKT": "XIDX", "PHS": "XPHS", "CCC": "24/7", "CCY": "24/5", "CME": "CMES", "CBT": "CMES",
    "NYM": "CMES", "CMX": "CMES",
}  # fmt: skip
_SUFFIXES = frozenset("FLTV")  # Frankfurt, London, Tokyo, TSX Venture; any other single letter is a class of shares
_CLASS = re.compile(r"([A-Z]+)\.([A-Z])")
_ISIN = re.compile(r"[A-Z]{2}[A-Z0-9]{9}[0-9]")


def yahoo_symbol(symbol: str) -> str:
    """BRK.B is BRK-B there; VOD.L stays. Raises FeedError for an ISIN, for which yfinance would look up a symbol."""
    name = symbol.upper()
    if _ISIN.fullmatch(name):
        raise FeedError(f"{symbol} is an ISIN; give the symbol under which Yahoo has it (AAPL, SAP.DE, BRK.B)")
    match = _CLASS.fullmatch(name)
    return f"{match[1]}-{match[2]}" if match and match[2] not in _SUFFIXES else name


def currency_of(quoted: object) -> tuple[str | None, float, list[str]]:
    """ISO 4217 code, the size of one quoted unit in it, and what is worth knowing."""
    text = str(quoted or "")
    if text in HUNDREDTHS:
        code = HUNDREDTHS[text]
        return code, 0.01, [f"Yahoo quotes in {text}; prices and dividends were divided by 100 into {code}."]
    if re.fullmatch(r"[A-Z]{3}", text):
        return text, 1.0, []
    return None, 1.0, [f"Yahoo names no currency that is known ({text or 'none'})."]


def exchange_of(code: object) -> tuple[str | None, list[str]]:
    """Code of exchange_calendars, or None and a note."""
    text = str(code or "")
    if text in EXCHANGES:
        return EXCHANGES[text], []
    return None, [f"Yahoo's exchange {text or 'none'} has no calendar here; the one that was asked for is used."]
