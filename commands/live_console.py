"""What a person sees of a live session: a line for each thing that matters, a status below, a table at the end."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.status import Status
from rich.table import Table

from core.events import (
    ConnectionEvent,
    DrawdownEvent,
    DriftEvent,
    ExceptionEvent,
    FillEvent,
    HaltEvent,
    LegsEvent,
    Level,
    MonitorEvent,
    OrderEvent,
    ProtectionEvent,
    RefusalEvent,
)
from live.summary import SessionSummary

_STYLES = {Level.INFO: "", Level.WARNING: "yellow", Level.CRITICAL: "bold red"}
_ENDED_BADLY = frozenset({"rejected", "absent", "unknown", "expired"})


class LiveConsole:
    """``heard`` subscribes to the bus, ``tell`` takes sentences, ``marked`` the account after a bar."""

    def __init__(self, console: Console, suffix: str = "") -> None:
        self._console = console
        self._suffix = suffix  # of the commands that mend something: where the account's files are
        self._status: Status | None = None

    def say(self, markup: str) -> None:
        if markup:
            self._console.print(markup, highlight=False, soft_wrap=True)

    def tell(self, text: str) -> None:
        self.say(f"         {escape(text)}")

    @contextmanager
    def running(self) -> Iterator[None]:
        """Show a status line while it runs, on a terminal."""
        if not self._console.is_terminal:
            yield
            return
        with self._console.status("connecting") as self._status:
            yield
        self._status = None

    def marked(self, when: dt.datetime, broker: Any) -> None:
        if self._status is None:
            return
        account = broker.account
        held = [f"{data._name} {position.size:+g}" for data, position in broker.positions.items() if position.size]
        self._status.update(
            f"{when:%H:%M:%S} UTC  equity EUR {account.equity_eur:,.2f}  {len(broker.working())} orders at work  "
            f"{escape(', '.join(held)) or 'flat'}"
        )

    def heard(self, event: MonitorEvent) -> None:
        text = in_words(event, self._suffix)
        if text:
            style = _STYLES[event.level]
            line = f"{event.at:%H:%M:%S} {escape(text)}"
            self.say(f"[{style}]{line}[/{style}]" if style else line)

    def summary(self, found: SessionSummary) -> None:
        for part in tables(found):
            self._console.print(part, highlight=False)


def in_words(event: MonitorEvent, suffix: str = "") -> str:
    """One line; "" for what a person need not see."""
    match event:
        case FillEvent():
            verb = "correction:" if event.is_correction else ("bought" if event.action == "BUY" else "sold")
            estimate = " (concluded from the position)" if event.is_estimated else ""
            return f"{event.unit}: {verb} {event.shares:,.12g} {event.symbol} at {event.price:,.6g}{estimate}"
        case OrderEvent() if event.state in _ENDED_BADLY:
            why = f": {event.text}" if event.text else ""
            return f"{event.unit}: {event.role} {event.action} {event.quantity:,.12g} {event.symbol} {event.state}{why}"
        case RefusalEvent():
            return f"{event.unit}: {event.symbol} refused by the {event.by} ({event.reason}): {event.text}"
        case ConnectionEvent():
            return f"connection {event.state}" + (f": {event.text}" if event.text else "")
        case HaltEvent() if event.is_released:
            return f"{event.symbol or 'the account'} may be traded again: {event.text}"
        case HaltEvent():
            commands = "".join(f"\n           {command}{suffix}" for command in event.commands)
            return f"{event.symbol or 'the account'} is halted ({event.cause}): {event.text}{commands}"
        case LegsEvent():
            what = f"{', '.join(event.legs)}; EUR {event.naked_eur:,.2f} without the other leg"
            return f"{event.unit}: the pair is {event.phase}: {what}"
        case ProtectionEvent() if event.is_protected:
            what = f"{event.size:+,.12g} {event.symbol} are protected" if event.size else f"{event.symbol} is flat"
            return f"{event.unit}: {what} again"
        case ProtectionEvent():
            return (
                f"{event.unit}: {event.size:+,.12g} {event.symbol} are held without a stop at the broker for more than "
                f"{event.seconds:g} s; look at TWS"
            )
        case DrawdownEvent():
            return f"drawdown of {event.drawdown:.1%} from a peak of EUR {event.peak_eur:,.2f}"
        case DriftEvent():
            found = f"IBKR reports {event.reported:,.2f}, the book has {event.book:,.2f}"
            return f"{event.what}: {found}; {event.moved:+,.2f} is new"
        case ExceptionEvent():
            return f"{event.where}: {event.error}: {event.text}"
    return ""


def tables(found: SessionSummary) -> Iterator[Table | str]:
    """The end of a session."""
    table = Table(title="Session", title_justify="left", show_footer=True)
    table.add_column("unit", footer="account")
    for name, total in (
        ("orders", sum(unit.orders for unit in found.units)),
        ("filled", sum(unit.fills for unit in found.units)),
        ("closed trades", sum(unit.trades for unit in found.units)),
    ):
        table.add_column(name, justify="right", footer=f"{total:,}")
    table.add_column("net EUR", justify="right", footer=f"{found.net_eur:+,.2f}")
    table.add_column("still held", overflow="fold")
    for unit in found.units:
        held = ", ".join(f"{size:+,.12g} {symbol}" for symbol, size in unit.positions.items())
        table.add_row(
            escape(unit.unit), f"{unit.orders:,}", f"{unit.fills:,}", f"{unit.trades:,}", f"{unit.net_eur:+,.2f}",
            escape(held) or "nothing",
        )  # fmt: skip
    yield table
    refused = f", {found.refusals:,} orders refused" if found.refusals else ""
    rest = found.net_eur - sum(unit.net_eur for unit in found.units)
    worth = found.net_liquidation_eur
    reported = f" ({worth:,.2f} as the broker told last)" if worth is not None else ""
    yield f"Equity EUR {found.equity_eur:,.2f}{reported}, costs EUR {found.costs_eur:,.2f}{refused}."
    yield f"Of the result EUR {rest:+,.2f} are exchange rates and interest."
    if found.protective:
        yield f"{found.protective:,} protective orders keep working at the broker."
    agreement = [
        f"{currency} {found.cash.get(currency, 0.0):,.2f} by the book, {amount:,.2f} by the broker"
        for currency, amount in sorted(found.reported_cash.items())
    ]
    if found.cash and agreement:
        yield f"Cash: {'; '.join(agreement)}."
