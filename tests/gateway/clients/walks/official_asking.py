"""IB's own client, of 2020 or of today, and what it is told. Every field of every message has to be consumed."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

import ibapi.client
from ibapi.wrapper import EWrapper
from report import Report
from wired.oracle import Fields, Objections, Recorder

LONGEST = 20.0  # seconds for an answer
Call = tuple[str, dict[str, Any]]


class Asking:
    """A client whose decoder is watched."""

    def __init__(self, port: int, version: int) -> None:
        ibapi.client.MAX_CLIENT_VER = version
        self.report = Report(version)
        self.objections = Objections()
        logging.getLogger().addHandler(self.objections)
        self.wrapper = Recorder(EWrapper)
        self.client = ibapi.client.EClient(self.wrapper)
        self.port = port
        self.order_id = self.req_id = 0
        self.known = 0  # calls that are dealt with
        self.messages = 0

    def _interpret(self, interpret: Callable[..., None], fields: list[bytes], *number: int) -> None:
        """Have a message decoded, and object to what is left of it."""
        counted, before = Fields(fields), len(self.wrapper.calls)
        name = f"message {[*number, *fields][0]!r}"
        self.messages += 1
        try:
            interpret(counted, *number)
        except Exception as fault:
            self.report.objections.append(f"{name}: raised {fault!r}")
        left = counted.left_over()
        if left:
            self.report.objections.append(f"{name}: {left} fields left over of {fields}")
        if len(self.wrapper.calls) == before:
            self.report.objections.append(f"{name}: no callback for {fields}")

    def ask(self, request: str = "", *arguments: Any) -> list[Call]:
        """Make a request and return what was told since the last one, up to the answer to a request for the time."""
        if request:
            getattr(self.client, request)(*arguments)
        self.client.reqCurrentTime()
        deadline = time.monotonic() + LONGEST
        while not any(name == "currentTime" for name, _ in self.wrapper.calls[self.known :]):
            if time.monotonic() > deadline:
                raise TimeoutError(f"no answer to {request or 'reqCurrentTime'}")
            time.sleep(0.0003)
        told = self.wrapper.calls[self.known :]
        self.known += len(told)
        for name, values in told:
            if name == "error":
                self.report.error(values["errorCode"])
        return told

    def rows(self, name: str, request: str, *arguments: Any) -> list[dict[str, Any]]:
        """The arguments of the calls of one kind that a request, with a new id, leads to."""
        self.req_id += 1
        return [values for called, values in self.ask(request, self.req_id, *arguments) if called == name]
