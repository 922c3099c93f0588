"""A programme from bytes: what hypothesis draws is one string of bytes, each part of a programme at its own place.

A zero byte is always the plainest choice and an action of kind zero is none, so lowering bytes makes programmes smaller
without moving the rest, and a failing case shrinks to what it needs. Drawing one string also costs a tenth of
drawing each choice, which is what lets thousands of cases fit into a minute.
"""

from __future__ import annotations

from typing import Any, TypeVar

from parity.actions import SCHEMES
from parity.graphs import DATA, LINE, PAIR
from parity.programme import Action, Feed, Node, Plan, Programme

ACTIONS, NODES, FEEDS, PLANS = 14, 6, 3, 3
PLACES = {"options": (0, 60), "feeds": (60, 12), "plans": (96, 8), "nodes": (120, 5), "actions": (150, 12)}
SIZE = 150 + ACTIONS * 12
T = TypeVar("T")


class Choices:
    """Bytes read one by one; past the end they are zero."""

    def __init__(self, raw: bytes, start: int, count: int) -> None:
        self._raw, self._at, self._end = raw, start, start + count

    def byte(self) -> int:
        if self._at >= self._end:
            return 0
        self._at += 1
        return self._raw[self._at - 1]

    def of(self, *options: T) -> T:
        return options[self.byte() * len(options) // 256]

    def some(self, one_in: int) -> bool:
        return self.byte() >= 256 - 256 // one_in

    def rarely(self, one_in: int, *options: T) -> T | None:
        """One of the options, once in ``one_in`` times; takes two bytes."""
        wanted, option = self.some(one_in), self.of(*options)
        return option if wanted else None

    def number(self, low: int, high: int) -> int:
        return low + self.byte() * (high - low + 1) // 256


def part(raw: bytes, name: str, number: int = 0) -> Choices:
    start, size = PLACES[name]
    return Choices(raw, start + number * size, size)


# ------------------------------------------------------------------ parts

PRICES = (1.0, 0.99, 1.01, 0.97, 1.03, 0.9, 1.1)
TYPES = ("Market", "Limit", "Stop", "StopLimit", "StopTrail", "StopTrailLimit", "Close", "Historical", None)
VALIDS = (None, None, None, "day", "zero", "2 days", "hour", "date", "moment", "past", "number", "absolute")
LINKS = (None, None, None, "oco", "oco", "parent", "child", "last")
KINDS = (None,) + ("order",) * 11 + ("bracket",) * 4 + ("close", "close", "size", "value", "percent") + ("cancel",) * 2
RARE = (
    "read", "touch", "rebind", "setting", "alter", "add_cash", "set_cash", "commission", "sizing", "sizer",
)  # fmt: skip
ENDS = ("bar", "bar", "order", "trade", "open", "timer", "cash", "start", "stop")
PLACES_OF_ACTIONS = ("bar",) * 20 + ("order", "order", "trade", "open", "open", "timer", "cash", "start", "stop")


def decode_action(c: Choices, rare: tuple[str, ...]) -> Action | None:
    kind = c.of(*KINDS, *rare)
    if kind is None:
        return None
    at, where = c.number(1, 34), c.of(*PLACES_OF_ACTIONS)
    side, data = c.of("buy", "sell"), c.of(0, 0, 0, 1, 2)
    if where not in ("bar", "open"):
        at = at % 6 + 1
    common = {"where": where, "at": at, "do": kind, "side": side, "data": data}
    if kind not in ("order", "bracket", "close", "size", "value", "percent"):
        amounts = (500.0, -300.0, 40.0, 3.0, 7.0, -9.0) if kind in ("add_cash",) else tuple(map(float, range(12)))
        if kind == "set_cash":
            amounts = (9_000.0, 20_000.0, 300.0)
        return Action(**common, value=c.of(*amounts), price=c.of(None, *PRICES))
    size, exectype = c.of(10, 1, 25, 60, 95, 150, 7.5, None, 0), c.of(*TYPES)
    price, limit = c.of(*PRICES, None), c.of(*PRICES)
    spare = c.byte()
    valid, link = VALIDS[spare % len(VALIDS)], LINKS[spare // len(VALIDS) % len(LINKS)]
    more: dict[str, Any] = {"valid": valid, "link": link, "tradeid": spare % 3 // 2}
    trail = c.of(("percent", 0.01), ("amount", 1.5), ("percent", 0.03), ("amount", 0.0))
    if kind == "order":
        trails = exectype in ("StopTrail", "StopTrailLimit")
        more |= {"exectype": exectype, "size": size, "trail": trail if trails else None}
        more |= {"price": price if exectype not in ("Market", "Close", None) else None}
        more |= {"limit": limit if exectype in ("StopLimit", "StopTrailLimit") else None}
        if exectype == "Historical":
            more["price"] = price or 1.0
    elif kind == "bracket":
        exectype = {"Limit": "Limit", "Stop": "Stop", "StopLimit": "StopLimit"}.get(exectype or "", "Market")
        more |= {"exectype": exectype, "size": size or 5, "price": price, "value": float(spare % 4), "link": None}
    else:
        targets = {"size": (0.0, 5.0, -12.0, 30.0), "value": (0.0, 1500.0, -900.0), "percent": (0.0, 0.3, -0.2, 0.9)}
        more["value"] = c.of(*targets.get(kind, (0.0,)))
    return Action(**common, **more)


NAMES = (*LINE, *DATA, *PAIR)
FIELDS = ("close", "open", "high", "low", "volume")


def decode_node(c: Choices, before: int) -> Node | None:
    if not c.byte():
        return None
    name = NAMES[c.byte() * len(NAMES) // 256]
    if name in ("FaultyNext", "ahead") and not c.some(3):
        name = "SMA"
    n, first, second = c.number(1, 5), c.byte(), c.byte()

    def source(byte: int) -> str | int:
        if byte % 3 and before:
            return byte // 3 % before
        return f"d{byte // 3 % 4 // 2}.{FIELDS[byte // 24 % 5]}"

    if name in DATA:
        return Node(name, (f"d{first % 3 // 2}",), n)
    of = (source(first), source(second)) if name in PAIR else (source(first),)
    return Node(name, of, n, line=second % 2 if name not in PAIR else 0)


def decode_feed(c: Choices, number: int, minutes: int, several: bool) -> Feed:
    shape = c.of("walk", "walk", "ticks", "flat", "jumps", "zero", "nan")
    changes: dict[str, Any] = {"seed": c.byte() + 256 * number, "shape": shape, "minutes": minutes}
    changes["bars"] = c.of(40, 35, 45, 30, 52, 24) if not c.some(24) else c.of(1, 2, 6)
    changes["missing"] = c.of(0.0, 0.0, 0.1, 0.4) if several or c.some(3) else 0.0
    if several:
        changes["first"] = c.of(0, 0, 0, 3, 9, 25)
    if c.some(12):
        changes["tz"] = "America/New_York"
    if c.some(16):
        changes["aware"] = "Europe/Berlin"
    return Feed(**changes)


def decode_plan(c: Choices, actions: tuple[Action, ...], nodes: tuple[Node, ...]) -> Plan:
    timer = c.rarely(10, (("when", 1),), (("when", "17:00"), ("cheat", True)), (("when", 2), ("offset", 5)))
    loud, reads = c.of(True, False), c.of(2, 2, 1, 0)
    return Plan(actions=actions, nodes=nodes, loud=loud, reads=reads, timer=timer)


BROKER: tuple[tuple[str, tuple[Any, ...], int], ...] = (
    ("cash", (5_000.0, 50_000.0, 1_000.0), 3),
    ("checksubmit", (False,), 8),
    ("eosbar", (True,), 12),
    ("coc", (True,), 8),
    ("coo", (True,), 12),
    ("int2pnl", (False,), 8),
    ("shortcash", (False,), 6),
    ("fundmode", (True,), 12),
    ("slip_perc", (0.004, 0.05), 6),
    ("slip_fixed", (0.3, 4.0), 6),
    ("slip_open", (True,), 4),
    ("slip_match", (False,), 6),
    ("slip_limit", (False,), 6),
    ("slip_out", (True,), 6),
)
PLAIN = frozenset(
    ("cash", "checksubmit", "shortcash", "slip_perc", "slip_fixed", "slip_open", "slip_match", "slip_out")
)
ANALYZERS = (
    "TradeAnalyzer", "DrawDown", "TimeReturn", "SharpeRatio", "SQN", "Transactions", "Returns", "PositionsValue", "VWR",
    "PeriodStats", "AnnualReturn", "Calmar", "TimeDrawDown", "GrossLeverage", "LogReturnsRolling",
    "SharpeRatio_A", "PyFolio",
)  # fmt: skip
OBSERVERS = (
    "DrawDown", "TimeReturn", "Value", "Cash", "BuySell", "Trades", "DataTrades", "LogReturns", "FundValue",
    "Benchmark", "DrawDownLength", "Broker", "FundShares", "LogReturns2",
)  # fmt: skip
TIMERS = (
    (("when", 1),),
    (("when", 2), ("strats", True), ("cheat", True)),
    (("when", "16:00"), ("strats", True), ("repeat", 30)),
    (("when", "15:00"), ("weekdays", [1, 3]), ("weekcarry", True), ("strats", True)),
    (("when", 1), ("monthdays", [3, 15]), ("strats", True), ("offset", 10)),
)


MODES: tuple[dict[str, Any], ...] = (
    *({},) * 12, {"runonce": False}, {"preload": False}, {"exactbars": 1}, {"exactbars": -1}, {"exactbars": -2},
)  # fmt: skip
SIZERS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("FixedSize", {"stake": 7}), ("PercentSizer", {"percents": 35}), ("AllInSizer", {}),
    ("FixedReverser", {"stake": 3}), ("PercentSizerInt", {"percents": 20}), ("AllInSizerInt", {}),
)  # fmt: skip
HISTORY = (("2022-01-05T22:00:00", 10, 101.0), ("2022-01-12", -25, 99.0, 0), ("2022-01-20", 15, 98.0))


def decode_cerebro(c: Choices, profile: str) -> dict[str, Any]:
    options: dict[str, Any] = {}
    options |= c.of(*MODES)
    for name, value, one_in in (
        ("tradehistory", True, 10), ("quicknotify", True, 8), ("cheat_on_open", True, 6), ("broker_coo", False, 12),
        ("oldbuysell", True, 16), ("oldtrades", True, 16), ("objcache", True, 24), ("tz", "America/New_York", 16),
    ):  # fmt: skip
        if c.some(one_in):
            options[name] = value
    if profile == "everything" and c.some(20):
        options["oldsync"] = True
    return options


def decode(raw: bytes, profile: str = "everything") -> Programme:
    """Profiles: ``orders`` (one feed), ``calendars`` (several), ``graphs`` (indicators), ``everything``."""
    c = part(raw, "options")
    everything, graphs = profile == "everything", profile == "graphs"
    feeds = c.number(1, FEEDS) if profile != "orders" else 1
    feeds = max(feeds, 2) if profile == "calendars" else feeds
    plans = c.of(1, 1, 1, 2, 2, 3) if profile != "orders" or c.some(6) else 1
    minutes = c.of(1440, 1, 90, 1440)
    fancy = c.some(2)  # the other half keeps to what a fast path may take
    cerebro = decode_cerebro(c, profile) if fancy else {}
    drawn_broker = tuple((name, c.of(*values)) for name, values, one_in in BROKER if c.some(one_in))
    broker = tuple((name, value) for name, value in drawn_broker if fancy or name in PLAIN)
    changes: dict[str, Any] = {"cerebro": tuple(cerebro.items()), "broker": broker}
    schemes = [*SCHEMES, "tiered"]
    if c.some(2):
        changes["commissions"] = ((None, c.of(*schemes)),)
        if feeds > 1 and c.some(3):
            changes["commissions"] += ((1, c.of(*schemes)),)
    changes["filler"] = c.rarely(5, "size", "volume", "percent", "points") if fancy else None
    sizer = c.rarely(4, *SIZERS)
    changes["sizer"] = sizer and (sizer[0], tuple(sizer[1].items()))
    changes["analyzers"] = _several(c, ANALYZERS)
    changes["observers"] = _several(c, OBSERVERS)
    if feeds == 1:
        changes["observers"] = tuple(name for name in changes["observers"] if name != "DataTrades")
    changes["stdstats"] = c.some(4)
    changes["timers"] = tuple(TIMERS[i] for i in range(len(TIMERS)) if c.some(20))
    changes["writer"] = fancy and c.some(8)
    changes["optimised"] = everything and c.some(16)
    if changes["optimised"]:
        cerebro["maxcpus"] = 1
        cerebro["optreturn"] = c.of(True, False)
        changes["cerebro"] = tuple(cerebro.items())
    if c.some(24):
        changes["history"] = HISTORY if fancy else ()
    made = [decode_feed(part(raw, "feeds", i), i, minutes, feeds > 1) for i in range(feeds)]
    changes["feeds"] = tuple(_resampled(c, made) if everything or profile == "calendars" else made)
    nodes = _nodes(raw, everything or graphs)
    wanted = ACTIONS if not graphs else 4
    drawn = [decode_action(part(raw, "actions", i), RARE) for i in range(wanted)]
    ending = c.rarely(8, "fault", "fault", "runstop")
    drawn.append(ending and Action(where=c.of(*ENDS), at=c.number(1, 30), do=ending))
    actions = [action for action in drawn if action is not None]
    changes["plans"] = tuple(
        decode_plan(part(raw, "plans", i), tuple(actions[i::plans]), nodes if i == 0 else nodes[:1])
        for i in range(plans)
    )
    return Programme(**changes)


def _nodes(raw: bytes, many: bool) -> tuple[Node, ...]:
    nodes: list[Node] = []
    for number in range(NODES if many else 1):
        node = decode_node(part(raw, "nodes", number), len(nodes))
        if node is not None:
            nodes.append(node)
    return tuple(nodes)


def _several(c: Choices, names: tuple[str, ...]) -> tuple[str, ...]:
    """None in most cases, otherwise up to four."""
    if not c.some(3):
        return ()
    return tuple(dict.fromkeys(c.of(*names) for _ in range(c.number(1, 4))))


def _resampled(c: Choices, feeds: list[Feed]) -> list[Feed]:
    """Sometimes the last feed is resampled or replayed to longer bars."""
    how = c.rarely(8, "resample", "replay")
    if how is None:
        return feeds
    last = feeds[-1]
    unit, factor = ("Weeks", 1) if last.minutes >= 1440 else ("Minutes", 5 * last.minutes)
    return [*feeds[:-1], Feed(**{**vars(last), "to": (how, unit, factor)})]
