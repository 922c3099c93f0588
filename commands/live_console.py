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
from rich.text import Text

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
from feeds.room.results import counted
from live.summary import SessionSummary

_STYLES = {Level.INFO: "", Level.WARNING: "yellow", Level.CRITICAL: "bold red"}
_INDENT = " " * 9  # as wide as the time that a line begins with
_ENDED_BADLY = frozenset({"rejected", "absent", "unknown", "expired"})


class LiveConsole:
    """``heard`` subscribes to the bus, ``tell`` takes sentences, ``marked`` the account after a bar."""

    def __init__(self, console: Console, suffix: str = "") -> None:
        self._console = console
        self._suffix = suffix  # of the commands that mend something: where the account's files are
        self._status: Status | None = None

    def say(self, markup: str, indent: str = "") -> None:
        """A sentence, wrapped between words; commands behind it, on lines of their own, stay whole to be copied."""
        sentence, *commands = markup.split("\n")
        lines = wrapped(Text.from_markup(sentence), self._console.width, indent) if markup else []
        for line in [*lines, *(Text.from_markup(command) for command in commands)]:
            self._console.print(line, highlight=False, soft_wrap=True)

    def tell(self, text: str) -> None:
        self.say(f"{_INDENT}{escape(text)}", _INDENT)

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
            lines = f"{event.at:%H:%M:%S} {escape(text)}".split("\n")
            self.say("\n".join(f"[{style}]{line}[/{style}]" if style else line for line in lines), _INDENT)

    def summary(self, found: SessionSummary) -> None:
        for part in tables(found):
            if isinstance(part, str):
                self.say(part)
            else:
                self._console.print(part, highlight=False)


def wrapped(text: Text, width: int, indent: str = "") -> list[Text]:
    """A line as lines of at most ``width`` columns, broken at spaces alone; all but the first begin with ``indent``.

    A word that is longer, as a path or a command's option may be, has a line of its own and is not broken.
    """
    lines, rest = list[Text](), text
    while rest.plain.strip():
        plain, before = rest.plain, indent if lines else ""
        begin, end = len(plain) - len(plain.lstrip(" ")), len(plain)
        if len(before) + end > width:
            fitting = plain.rfind(" ", begin, width - len(before) + 1)
            first = plain.find(" ", begin)
            end = fitting if fitting >= 0 else (first if first >= 0 else end)
        lines.append(Text(before) + rest[:end])
        rest = rest[end + 1 :]
    return lines


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
            return ": ".join(part for part in (event.where, event.error, event.text) if part)
    return ""


def tables(found: SessionSummary) -> Iterator[Table | str]:
    """The end of a session."""
    table = Table(title="This session", title_justify="left", show_footer=True)
    table.add_column("unit", footer="all", overflow="fold")
    for name, total in (
        ("orders", sum(unit.orders for unit in found.units)),
        ("filled", sum(unit.fills for unit in found.units)),
        ("closed trades", sum(unit.trades for unit in found.units)),
    ):
        table.add_column(name, justify="right", footer=f"{total:,}")
    closed = sum(unit.closed_eur for unit in found.units)
    table.add_column("their net EUR", justify="right", footer=f"{closed:+,.2f}")
    table.add_column("still held", overflow="fold")
    for unit in found.units:
        held = ", ".join(f"{size:+,.12g} {symbol}" for symbol, size in unit.positions.items())
        table.add_row(
            escape(unit.unit), f"{unit.orders:,}", f"{unit.fills:,}", f"{unit.trades:,}", f"{unit.closed_eur:+,.2f}",
            escape(held) or "nothing",
        )  # fmt: skip
    yield table
    refused = f"; {counted(found.refusals, 'order')} refused" if found.refusals else ""
    yield f"Costs of this session EUR {sum(unit.costs_eur for unit in found.units):,.2f}{refused}."
    rest = round(found.net_eur - sum(unit.net_eur for unit in found.units), 2) + 0.0  # no minus before zero
    worth = found.net_liquidation_eur
    reported = f" ({worth:,.2f} as the broker told last)" if worth is not None else ""
    yield (
        f"The account, since its journal began: equity EUR {found.equity_eur:,.2f}{reported}, net EUR "
        f"{found.net_eur:+,.2f}, of which EUR {rest:+,.2f} are exchange rates and interest; costs EUR "
        f"{found.costs_eur:,.2f}."
    )
    if found.protective:
        keep = "keeps" if found.protective == 1 else "keep"
        yield f"{counted(found.protective, 'protective order')} {keep} working at the broker."
    agreement = [
        f"{currency} {found.cash.get(currency, 0.0):,.2f} by the book, {amount:,.2f} by the broker"
        for currency, amount in sorted(found.reported_cash.items())
    ]
    if found.cash and agreement:
        yield f"Cash: {'; '.join(agreement)}."
