"""Feeds frames to the decoder of a client and says what it objects to.

Needs nothing but the standard library and one of ib_insync, ib_async, ibapi (IB's own, or nautilus-ibapi), so it runs
in the client's environment::

    python oracle.py frames.jsonl ib_async

Objections: an exception, an error in the client's log, fields that the decoder leaves over, no callback, and a value
that is not what was meant.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import importlib
import inspect
import json
import logging
import sys
from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

UNSET = {2147483647, 9223372036854775807, 1.7976931348623157e308, float(2**127 - 1)}
# What is called differently: in any message, and in one
ALIASES = {
    "tickerid": "reqid", "requestid": "reqid", "key": "tag", "val": "value", "accountname": "account",
    "pos": "position", "possize": "position", "average": "wap", "components": "smartcomponentmap",
    "marketdataid": "marketdatatype", "message": "newsmessage", "origexchange": "originexch",
    "fadatatype": "fadata", "faxmldata": "cxml", "dnc": "deltaneutralcontract", "apiclientid": "clientid",
    "apiorderid": "orderid", "exch": "exchange", "xyzchallange": "xyzchallenge",
}  # fmt: skip
ALIASES_OF = {
    "nextValidId": {"reqid": "orderid"},
    "orderBound": {"reqid": "permid"},
    "histogramData": {"count": "size"},
}
WRAPPED = ("contractdetails.", "commissionreport.")  # objects whose fields are at the top of our messages
METHODS = {"commissionReport": ("commissionAndFeesReport",), "tickPrice": ("priceSizeTick",)}
REPEATED = {"historicalData": "bars", "scannerData": "rows"}  # a call for each element

# Fields that a decoder skips, by message
_NEVER = {
    "tickByTickBidAsk": {"ticktype"},
    "tickByTickMidPoint": {"ticktype"},
    "contractDetails": {"mdsizemultiplier"},
    "bondContractDetails": {"mdsizemultiplier"},
}
UNSEEN = {
    "ib_insync": _NEVER | {"tickPrice": {"attrib"}},
    "ib_async": _NEVER | {"tickPrice": {"attrib"}},
    "ibapi": _NEVER
    | {
        "openOrder": {"etradeonly", "firmquoteonly", "nbbopricecap", "faprofile"},
        "completedOrder": {"faprofile"},
        "tickPrice": {"size"},
    },
}


class Objections(logging.Handler):
    """Error records of the client's loggers, and what else is wrong."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.exc_info and record.exc_info[1]:
            text += f" ({record.exc_info[1]!r})"
        self.texts.append(text)


class Fields(list[bytes]):
    """Fields of a message that remember how far they were read."""

    def __iter__(self) -> Iterator[bytes]:
        self.reading = super().__iter__()
        return self.reading

    def left_over(self) -> int:
        return sum(1 for _ in getattr(self, "reading", ()))


class Recorder:
    """A wrapper that remembers the calls: name -> arguments by name."""

    def __init__(self, model: type):
        self._model = model
        self.calls: list[tuple[str, dict[str, Any]]] = []

    @property
    def ib(self) -> Any:
        return self

    TimezoneTWS = "UTC"  # ib_insync and ib_async ask it, and ib_async the next
    defaultTimezone = dt.UTC

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        method = getattr(self._model, name, None)
        names = list(inspect.signature(method).parameters)[1:] if method else []

        def record(*arguments: Any, **named: Any) -> None:
            if names and len(arguments) > len(names):
                raise TypeError(f"{name} got {len(arguments)} arguments for {names}")
            called = names or [str(place) for place in range(len(arguments))]
            self.calls.append((name, dict(zip(called, arguments, strict=False)) | named))

        return record


class Client:
    """The decoder of one library. ``feed`` returns what it called and what is wrong."""

    def __init__(self, library: str, version: int):
        self.library, self.version = library, version
        self.objections = Objections()
        logger = logging.getLogger()
        logger.addHandler(self.objections)
        self.is_official = library == "ibapi"
        wrapper = importlib.import_module(f"{library}.wrapper")
        decoder = importlib.import_module(f"{library}.decoder")
        self.recorder = Recorder(wrapper.EWrapper if self.is_official else wrapper.Wrapper)
        self.decoder = decoder.Decoder(self.recorder, version)
        if self.is_official:
            self.decoder.discoverParams()
        self.takes_number = self.is_official and "msgId" in inspect.signature(self.decoder.interpret).parameters

    def knows(self, payload: str) -> bool:
        """Whether the library has a handler: one of 2020 has none for later messages."""
        handlers = self.decoder.msgId2handleInfo if self.is_official else self.decoder.handlers
        return int(payload.split("\0")[0]) in handlers

    def close(self) -> None:
        logging.getLogger().removeHandler(self.objections)

    def feed(self, payload: bytes) -> tuple[list[tuple[str, dict[str, Any]]], list[str]]:
        self.recorder.calls, self.objections.texts = [], []
        left = 0
        try:
            if self.is_official:
                fields = Fields(payload.split(b"\0")[:-1])
                if self.takes_number:
                    number = int(fields.pop(0))
                    self.decoder.interpret(fields, number)
                else:
                    self.decoder.interpret(fields)
                left = fields.left_over()
            else:
                self.decoder.interpret(payload.decode(errors="backslashreplace").split("\0")[:-1])
        except Exception as fault:
            self.objections.texts.append(f"raised {fault!r}")
        if left:
            self.objections.texts.append(f"{left} fields left over")
        if not self.recorder.calls:
            self.objections.texts.append("no callback")
        return self.recorder.calls, self.objections.texts


def flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Leaves of a value: path -> value."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    elif isinstance(value, tuple) and hasattr(value, "_fields"):
        value = value._asdict()
    elif isinstance(value, (set, frozenset)):
        value = sorted(value)
    elif hasattr(value, "__dict__") and not isinstance(value, (type, dt.tzinfo)):
        value = vars(value)
    if isinstance(value, dict):
        for name, part in value.items():
            yield from flat(part, f"{path}.{name}" if path else str(name))
    elif isinstance(value, (list, tuple)):
        for place, part in enumerate(value):
            yield from flat(part, f"{path}.{place}")
    else:
        yield path, value


def equal(meant: Any, got: Any) -> bool:
    """Whether a client shows what was meant; None: "no value", as zero or empty text where it has no better word."""
    if isinstance(got, dt.datetime):
        if isinstance(meant, str):
            day, time, *zone = meant.split()
            local = dt.datetime.strptime(day + time, "%Y%m%d%H:%M:%S").replace(tzinfo=ZoneInfo(*zone or ["UTC"]))
            return got == local
        got = got.timestamp()
    if isinstance(meant, str):
        return str(got) == meant
    if meant is None and got in (None, ""):
        return True
    try:
        number = float(got)
    except (TypeError, ValueError):
        return False
    return number == 0.0 or number in UNSET if meant is None else number == float(meant)


def canonical(path: str, name: str) -> str:
    """A path as both sides are compared by."""
    path = path.lower().replace("andfees", "")
    for prefix in WRAPPED:
        path = path.replace(prefix, "")
    aliases = ALIASES | ALIASES_OF.get(name, {})
    parts = [part.strip("_") for part in path.split(".")]
    return ".".join(aliases.get(part, part) for part in parts)


def shown(name: str, values: dict[str, Any], calls: list[tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    """What the calls of a client showed of a message: canonical path -> value."""
    merged: dict[str, Any] = {}
    rows: list[Any] = []
    for method, arguments in calls:
        if all(argument.isdigit() for argument in arguments):  # the library's wrapper has no such method
            arguments = dict(zip(values, arguments.values(), strict=False))
        if method == name and name in REPEATED:
            rows.append(arguments.get("bar", arguments))
            merged["reqId"] = arguments["reqId"]
        elif method == name or method in METHODS.get(name, ()) or method.startswith(name):
            merged.update(arguments)
    if name in REPEATED:
        merged[REPEATED[name]] = rows
    found = {canonical(path, name): value for path, value in flat(merged)}
    for path, value in list(found.items()):
        if path.endswith("isconjunctionconnection"):
            found[path.replace("isconjunctionconnection", "conjunction")] = "a" if value else "o"
    return found


def differences(library: str, name: str, values: dict[str, Any], calls: list[tuple[str, dict[str, Any]]]) -> list[str]:
    """Values that a client does not show as they were meant."""
    found = shown(name, values, calls)
    skipped = UNSEEN[library].get(name, set())
    wrong = []
    for original, meant in flat(values):
        path = canonical(original, name)
        if any(path == part or path.endswith("." + part) or path.startswith(part + ".") for part in skipped):
            continue
        if path == "suggestedsizeincrement" and library == "ibapi" and "minSize" not in values:
            continue  # read and dropped below 164
        if path not in found:
            if meant is not None:
                wrong.append(f"{path} is not shown")
        elif not equal(meant, found[path]):
            wrong.append(f"{path} is {found[path]!r}, meant was {meant!r}")
    return wrong


def check(library: str, lines: Iterator[str]) -> tuple[int, list[str]]:
    """Messages that a client read, and its objections."""
    clients: dict[int, Client] = {}
    objections = []
    count = 0
    for line in lines:
        sample = json.loads(line)
        version, name, values = sample["version"], sample["name"], sample["values"]
        if version not in clients:
            clients[version] = Client(library, version)
        if not clients[version].knows(sample["payload"]):
            continue
        calls, wrong = clients[version].feed(sample["payload"].encode("latin-1"))
        wrong += differences(library, name, values, calls)
        objections += [f"{version} {name}: {text}" for text in wrong]
        count += 1
    for client in clients.values():
        client.close()
    return count, objections


def main(arguments: list[str]) -> int:
    """Objections to standard output; the exit code is 1 if there are any."""
    path, library = arguments
    with open(path, encoding="utf-8") as lines:
        count, objections = check(library, iter(lines))
    sys.stdout.write("\n".join([*objections, f"{library}: {count} messages, {len(objections)} objections", ""]))
    return bool(objections)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
