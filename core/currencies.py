"""Currencies by their codes of ISO 4217."""

from __future__ import annotations

from core.errors import UnknownNameError, did_you_mean

# List one with its amendments up to January 2026; XTS and XXX, which stand for no currency, are left out
_IN_FORCE = """
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW
    CLF CLP CNY COP COU CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL
    HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA
    MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD
    RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD
    USN UYI UYU UYW UZS VED VES VND VUV WST XAD XAF XAG XAU XBA XBB XBC XBD XCD XCG XDR XOF XPD XPF XPT XSU XUA YER ZAR
    ZMW ZWG
"""
# Of list three: what old prices are in
_WITHDRAWN = "ANG ATS BEF BGN CYP DEM EEK ESP FIM FRF GRD HRK IEP ITL LTL LUF LVL MTL NLG PTE ROL SIT SKK TRL VEF ZWL"
CURRENCIES = frozenset((_IN_FORCE + _WITHDRAWN).split())
# How vendors write hundredths, in which shares are quoted; no account holds them, IBKR's neither
HUNDREDTHS = {"GBX": "GBP", "GBp": "GBP", "ZAc": "ZAR", "ILA": "ILS"}


def check_currency(code: str) -> str:
    """The code itself. Raises UnknownNameError, with a did-you-mean, where it is none of ISO 4217."""
    if code in CURRENCIES:
        return code
    if code in HUNDREDTHS:
        whole = HUNDREDTHS[code]
        raise UnknownNameError(f"currency {code} is a hundredth of {whole}; divide the prices by 100, and say {whole}")
    near = f"; did you mean '{code.upper()}'?" if code.upper() in CURRENCIES else did_you_mean(code, CURRENCIES)
    hint = near if near.startswith("; did") else "; give its code of ISO 4217, such as USD, EUR or GBP"
    raise UnknownNameError(f"currency {code} does not exist{hint}")
