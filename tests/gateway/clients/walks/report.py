"""What a walk writes down, and its line to the test that started it. Needs nothing but the standard library."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

ACCOUNT = "DU1234567"
TAGS = ("AccountType", "NetLiquidation", "BuyingPower", "InitMarginReq")  # of the account summary
VALUES = ("CashBalance BASE", "CashBalance EUR", "ExchangeRate EUR", "NetLiquidation EUR")  # of the account updates
SCHEDULES = 165  # clients ask for schedules from this version on
LOTS_BELOW = 163  # older clients are told sizes of US stocks in hundreds


class Report:
    """``results``: step -> what the client was told; ``errors``: step -> codes; ``objections``: what must not be."""

    def __init__(self, version: int) -> None:
        self.lot = 100 if version < LOTS_BELOW else 1
        self.results: dict[str, Any] = {}
        self.errors: dict[str, list[int]] = {}
        self.objections: list[str] = []
        self._step = ""
        self._out, sys.stdout = sys.stdout, sys.stderr

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Errors that come meanwhile are those of the step; what it raises is an objection."""
        self._step = name
        try:
            yield
        except Exception as fault:
            self.objections.append(f"{name}: raised {fault!r}")

    def tell(self, name: str, value: Any) -> None:
        self.results[name] = value

    def error(self, code: int) -> None:
        self.errors.setdefault(self._step, []).append(code)

    def shares(self, size: Any) -> float:
        """A size of ticks or bars in shares, whatever the version."""
        return float(size) * self.lot

    def advance(self, seconds: float) -> None:
        """Have the gateway's time pass; what happens is on its way when this returns."""
        self._say({"advance": seconds})
        sys.stdin.readline()

    def end(self, version: int) -> None:
        self._say({"version": version, "results": self.results, "errors": self.errors, "objections": self.objections})

    def _say(self, line: dict[str, Any]) -> None:
        self._out.write(json.dumps(line) + "\n")
        self._out.flush()
