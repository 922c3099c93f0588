"""What an order's terms mean: IBKR's fields, read and checked once."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from core.errors import CalendarError
from gateway.market import texts
from gateway.market.hours import hours
from gateway.market.texts import Notice
from gateway.model import Instrument, Values
from gateway.refused import Refused

UNSET = 1.7976931348623157e308  # how the wire writes a double that is not set

AT_MARKET = frozenset({"MKT", "STP", "TRAIL", "MOC"})  # types that take any price once they are live
STOPS = frozenset({"STP", "STP LMT", "TRAIL", "TRAIL LIMIT"})
TRAILING = frozenset({"TRAIL", "TRAIL LIMIT"})
LIMITED = frozenset({"LMT", "STP LMT", "TRAIL LIMIT", "LOC"})
AT_CLOSE = frozenset({"MOC", "LOC"})
TYPES = AT_MARKET | STOPS | LIMITED
TIFS = frozenset({"DAY", "GTC", "GTD", "IOC", "FOK", "OPG"})

MarketRules = Mapping[int, Sequence[tuple[float, float]]]  # id -> (from this price on, increment), ascending


class NotTaken(Refused):
    """An order that TWS does not take; ``notice`` is what it says."""

    def __init__(self, notice: Notice) -> None:
        super().__init__(notice.code, notice.text)
        self.notice = notice


class Terms:
    """The terms of an order, as matching needs them. Prices in the instrument's currency; None: not given.

    ``kind``: one of ``TYPES``. ``percent``: of a trailing stop, 1.5 = 1.5%. ``offset``: from stop to limit of a TRAIL
    LIMIT. ``good_after`` and ``good_till``: UTC. ``is_whole``: it fills in one piece or not at all. ``is_conditional``:
    it waits for what the gateway does not evaluate.
    """

    __slots__ = (
        "good_after",
        "good_till",
        "is_conditional",
        "is_outside",
        "is_whole",
        "kind",
        "limit",
        "offset",
        "parent_id",
        "percent",
        "quantity",
        "rules",
        "sign",
        "stop",
        "tif",
        "trail",
        "transmits",
    )

    def __init__(self, terms: Values, instrument: Instrument, rules: MarketRules) -> None:
        """Read ``terms``. Raises NotTaken with IBKR's error for what TWS would not take."""
        get = terms.get
        action, kind, tif = get("action"), get("orderType"), get("tif") or "DAY"
        if action not in ("BUY", "SELL"):
            raise NotTaken(texts.invalid("Invalid side field was entered"))
        if kind not in TYPES:
            raise NotTaken(texts.NO_SUCH_TYPE)
        if tif not in TIFS or (tif == "OPG" and kind not in ("MKT", "LMT")):
            raise NotTaken(texts.unknown_tif(tif))
        quantity = number(get("totalQuantity"))
        if quantity is None or not quantity > 0.0:
            raise NotTaken(texts.NO_SIZE)
        if quantity != math.floor(quantity):
            raise NotTaken(texts.FRACTIONAL)
        self.kind: str = kind
        self.tif: str = tif
        self.quantity = quantity
        self.rules = rules
        self.sign = 1 if action == "BUY" else -1
        self.parent_id = int(get("parentId") or 0)
        self.transmits = bool(get("transmit", True))
        self.is_outside = bool(get("outsideRth", False))
        self.is_whole = tif == "FOK" or bool(get("allOrNone", False))
        self.is_conditional = bool(get("conditions"))
        self.limit = self.stop = self.trail = self.percent = self.offset = None
        self.good_after = self.good_till = None
        if kind != "MKT":
            self._read_prices(terms, instrument, rules)
        if get("goodAfterTime"):
            self.good_after = moment(str(get("goodAfterTime")), instrument.time_zone)
            try:
                hours(instrument).next_close(self.good_after)
            except CalendarError as error:
                raise NotTaken(texts.BAD_TIME) from error  # it would never trade
        if tif == "GTD":
            self.good_till = moment(str(get("goodTillDate") or ""), instrument.time_zone, end_of_day=True)

    limit: float | None
    stop: float | None
    trail: float | None
    percent: float | None
    offset: float | None
    good_after: dt.datetime | None
    good_till: dt.datetime | None

    def _read_prices(self, terms: Values, instrument: Instrument, rules: MarketRules) -> None:
        get, kind = terms.get, self.kind
        if kind in LIMITED:
            self.limit = number(get("lmtPrice"))
        if kind in TRAILING:
            self.percent = number(get("trailingPercent")) or None
            self.trail = None if self.percent else number(get("auxPrice")) or None
            self.stop = number(get("trailStopPrice"))
            self.offset = number(get("lmtPriceOffset"))
            if self.trail is None and self.percent is None:
                raise NotTaken(texts.invalid("Please enter a valid trailing amount or percent"))
            if (self.trail or 0.0) < 0.0 or not 0.0 <= (self.percent or 0.0) < 100.0:
                raise NotTaken(texts.invalid("Please enter a valid trailing amount or percent"))
            if kind == "TRAIL LIMIT":
                if self.offset is None and self.limit is not None and self.stop is not None:
                    self.offset = (self.stop - self.limit) * -self.sign
                if self.offset is None:
                    raise NotTaken(texts.invalid("Please enter a valid limit price offset"))
                self.limit = None  # it follows the stop
        elif kind in STOPS:
            self.stop = number(get("auxPrice"))
            if self.stop is None:
                raise NotTaken(texts.invalid("Please enter a valid stop price"))
        if kind in LIMITED and kind != "TRAIL LIMIT" and self.limit is None:
            raise NotTaken(texts.invalid("Please enter a valid limit price"))
        stock = instrument.sec_type == "STK"
        for price in (self.limit, self.stop):
            if price is not None and ((stock and price <= 0.0) or not on_tick(price, instrument, rules)):
                raise NotTaken(texts.OFF_TICK)


def number(value: object) -> float | None:
    """A price or size of the wire; None where it is not set."""
    if value is None or value == "":
        return None
    read = float(value)  # type: ignore[arg-type]
    return None if read == UNSET or not math.isfinite(read) else read


def on_tick(price: float, instrument: Instrument, rules: MarketRules) -> bool:
    """Whether a price conforms to the market rule of the instrument (its minTick where the rule is not known)."""
    tick = increment(price, instrument, rules)
    steps = price / tick
    return abs(steps - round(steps)) < 1e-6


def increment(price: float, instrument: Instrument, rules: MarketRules) -> float:
    """The price increment that holds at ``price``."""
    tick = instrument.min_tick
    for low, step in rules.get(instrument.market_rule, ()):
        if price >= low:
            tick = step
    return tick


def moment(text: str, zone: str, end_of_day: bool = False) -> dt.datetime:
    """Read IBKR's ``YYYYMMDD hh:mm:ss zone``, ``YYYYMMDD-hh:mm:ss`` (UTC) or ``YYYYMMDD`` into UTC.

    Without a zone it is in ``zone``; a bare date is its midnight or, with ``end_of_day``, the last second of it.
    Raises NotTaken with error 343.
    """
    words = text.replace("-", " ").split() if "-" in text[:9] else text.split()
    try:
        if "-" in text[:9] and len(words) == 2:
            return dt.datetime.strptime(f"{words[0]} {words[1]}", "%Y%m%d %H:%M:%S").replace(tzinfo=dt.UTC)
        local = ZoneInfo(words[2]) if len(words) > 2 else ZoneInfo(zone)
        time = words[1] if len(words) > 1 else ("23:59:59" if end_of_day else "00:00:00")
        time += ":00" if time.count(":") == 1 else ""
        naive = dt.datetime.strptime(f"{words[0]} {time}", "%Y%m%d %H:%M:%S")  # noqa: DTZ007
        return naive.replace(tzinfo=local).astimezone(dt.UTC)
    except (ValueError, IndexError, OverflowError, ZoneInfoNotFoundError) as error:
        raise NotTaken(texts.BAD_TIME) from error
