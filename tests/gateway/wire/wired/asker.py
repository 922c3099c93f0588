"""Has a client write requests, without a socket: what is asked -> the bytes of the library.

As ``oracle.py`` it needs nothing but the library, and runs in the library's environment::

    python asker.py asked.jsonl ib_async >sent.jsonl
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import json
import sys
from collections.abc import Iterator
from typing import Any

# Class of the elements of a list, and of a dict, by the name of the attribute
ELEMENTS = {
    "comboLegs": "ComboLeg",
    "orderComboLegs": "OrderComboLeg",
    "algoParams": "TagValue",
    "smartComboRoutingParams": "TagValue",
    "orderMiscOptions": "TagValue",
}
OBJECTS = {
    "contract": "Contract",
    "order": "Order",
    "deltaNeutralContract": "DeltaNeutralContract",
    "softDollarTier": "SoftDollarTier",
    "execFilter": "ExecutionFilter",
    "subscription": "ScannerSubscription",
    "wshEventData": "WshEventData",
}
CONDITIONS = {1: "Price", 3: "Time", 4: "Margin", 5: "Execution", 6: "Volume", 7: "PercentChange"}
MODULES = (
    "contract", "order", "order_condition", "order_cancel", "objects", "execution", "scanner", "softdollartier",
    "tag_value", "common",
)  # fmt: skip

NO_OPTIONS = {  # the official clients refuse to send them
    "reqMktData": "mktDataOptions",
    "reqMktDepth": "mktDepthOptions",
    "calculateImpliedVolatility": "implVolOptions",
    "calculateOptionPrice": "optPrcOptions",
}


class Pipe:
    """A connection that keeps what is sent."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def isConnected(self) -> bool:  # noqa: N802 - the library's name
        return True

    def sendMsg(self, data: bytes) -> None:  # noqa: N802
        self.sent.append(data)


class Wrapper:
    """Takes what a client says of its requests."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return lambda *arguments, **named: self.said.append(f"{name}{arguments}")


class Asker:
    """The client of one library at one version of the server."""

    def __init__(self, library: str, version: int):
        self.is_official = library == "ibapi"
        self.classes: dict[str, Any] = {}
        for module in MODULES:
            with contextlib.suppress(ModuleNotFoundError):
                self.classes |= vars(importlib.import_module(f"{library}.{module}"))
        self.pipe, self.wrapper = Pipe(), Wrapper()
        module = importlib.import_module(f"{library}.client")
        if self.is_official:
            self.client = module.EClient(self.wrapper)
            self.client.conn = self.pipe
            self.client.connState = module.EClient.CONNECTED
            self.client.serverVersion_ = version
            self.client.extraAuth = True
        else:
            self.client = module.Client(None)
            self.client.connState = module.Client.CONNECTED
            self.client._serverVersion = version
            self.client.sendMsg = lambda text: self.pipe.sendMsg(b"\0\0\0\0" + text.encode())
        self.client.clientId, self.client.optCapab = 0, ""
        self.methods = {name.lower(): getattr(self.client, name) for name in dir(self.client) if name[0] != "_"}

    def make(self, name: str, values: dict[str, Any]) -> Any:
        """An object of the library with these attributes; None leaves its own "no value"."""
        if name == "conditions":
            return self.condition(values)
        made = self.classes[ELEMENTS.get(name) or OBJECTS[name]]
        if made.__name__ in ("SoftDollarTier", "TagValue"):
            return made(*values.values())
        return self.fill(made(), values)

    def fill(self, made: Any, values: dict[str, Any]) -> Any:
        for name, value in values.items():
            if isinstance(value, dict):
                setattr(made, name, self.make(name, value))
            elif isinstance(value, list):
                setattr(made, name, [self.make(name, element) for element in value])
            elif value is not None:
                setattr(made, name, value)
        return made

    def condition(self, values: dict[str, Any]) -> Any:
        made = self.classes[CONDITIONS[values["condType"]] + "Condition"]()
        for name, value in values.items():
            if name == "conjunction" and self.is_official:
                made.isConjunctionConnection = value == "a"
            elif name == "exchange" and not self.is_official:
                made.exch = value
            else:
                setattr(made, name, value)
        return made

    def arguments(self, method: Any, values: dict[str, Any]) -> list[Any]:
        values = {"tickerId": values.get("reqId"), "data": values.get("wshEventData")} | values
        made: list[Any] = []
        for name in inspect.signature(method).parameters:
            if name == "orderCancel":
                made.append(self.classes["OrderCancel"]())
                made[-1].manualOrderCancelTime = values.get("manualCancelOrderTime", "")
            elif name == "professionalCustomer":
                made.append(False)
            elif name in ("manualOrderTime", "customerAccount", "manualCancelOrderTime"):
                made.append(values.get(name, ""))
            elif isinstance(values[name], dict):
                made.append(self.make("wshEventData" if name == "data" else name, values[name]))
            elif isinstance(values[name], list):
                made.append([self.make("orderMiscOptions", pair) for pair in values[name]])
            else:
                made.append(values[name])
        return made

    def ask(self, name: str, values: dict[str, Any]) -> bytes | None:
        """The payload of a request; None: the library has no such request in this version."""
        method = self.methods.get(name.lower())
        if name == "startApi":
            self.client.clientId, self.client.optCapab = values["clientId"], values["optionalCapabilities"]
        if method is None:
            return None
        self.pipe.sent, self.wrapper.said = [], []
        method(*self.arguments(method, values))
        return self.pipe.sent[0][4:] if self.pipe.sent else None


def main(arguments: list[str]) -> int:
    """Lines of JSON like the ones that are read, with ``payload``; null where the library sends nothing."""
    path, library = arguments
    with open(path, encoding="utf-8") as lines:
        for line in sent(library, lines):
            sys.stdout.write(line + "\n")
    return 0


def sent(library: str, lines: Iterator[str] | Any) -> Iterator[str]:
    askers: dict[int, Asker] = {}
    for line in lines:
        asked = json.loads(line)
        version = asked["version"]
        if version not in askers:
            askers[version] = Asker(library, version)
        asker = askers[version]
        if asker.is_official and asked["name"] in NO_OPTIONS:
            asked["values"][NO_OPTIONS[asked["name"]]] = []
        payload = asker.ask(asked["name"], asked["values"])
        asked["payload"] = None if payload is None else payload.decode("latin-1")
        asked["said"] = asker.wrapper.said
        yield json.dumps(asked)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
