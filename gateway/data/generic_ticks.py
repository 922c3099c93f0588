"""Generic ticks: what may be asked for beside bid, ask and last, by IBKR's numbers and names."""

from __future__ import annotations

from gateway.refused import invalid

_ALL = (
    (100, "Option Volume"),
    (101, "Option Open Interest"),
    (105, "Average Opt Volume"),
    (106, "impvolat"),
    (162, "Index Future Premium"),
    (165, "Misc. Stats"),
    (221, "Creditman Mark Price"),
    (225, "Auction"),
    (232, "Pl Price"),
    (233, "RTVolume"),
    (236, "inventory"),
    (258, "Fundamentals"),
    (292, "Wide_news"),
    (293, "TradeCount"),
    (294, "TradeRate"),
    (295, "VolumeRate"),
    (318, "LastRTHTrade"),
    (375, "RTTrdVolume"),
    (411, "rthistvol"),
    (456, "IBDividends"),
    (460, "Bond Factor Multiplier"),
    (577, "EtfNavLast(navlast)"),
    (586, "IPOHLMPRC"),
    (587, "Pl Price Delayed"),
    (588, "Futures Open Interest"),
    (595, "Short-Term Volume X Mins"),
    (614, "EtfNavMisc(high/low)"),
    (619, "Creditman Slow Mark Price"),
    (623, "EtfFrozenNavLast(fznavlast)"),
)
_ALIASES = {220: 221, 47: 258, 59: 456}
_ONLY = {  # the security types of those that are not for all
    162: frozenset({"IND"}),
    456: frozenset({"STK", "IND"}),
    595: frozenset({"STK"}),
}
_UNLISTED = frozenset({104})  # historical volatility: legal, though the text of the error does not name it


def parse_generic_ticks(text: str, sec_type: str) -> frozenset[int]:
    """The numbers of a genericTickList; ``mdoff`` is none of them. Raises Refused (321) for one that is not legal."""
    found = set()
    for token in filter(None, (part.strip() for part in text.split(","))):
        if token.lower() == "mdoff":
            continue
        number, colon, parameter = token.partition(":")
        code = int(number) if number.strip().isdigit() else -1
        code = _ALIASES.get(code, code)
        if code not in _legal(sec_type) | _UNLISTED or (colon and not parameter):
            raise invalid(
                f"Incorrect generic tick list of {text}.  Legal ones for ({sec_type}) are: "
                + ",".join(f"{_name(each)}({name})" for each, name in _ALL if each in _legal(sec_type))
            )
        found.add(code)
    return frozenset(found)


def _legal(sec_type: str) -> frozenset[int]:
    return frozenset(code for code, _ in _ALL if sec_type in _ONLY.get(code, {sec_type}))


def _name(code: int) -> str:
    alias = {221: "220", 232: "221", 258: "47", 456: "59"}.get(code)
    return f"{code}/{alias}" if alias else str(code)
