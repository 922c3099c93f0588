"""How an intent journal is shown to a person: halts with their commands, orders in doubt, positions, working orders."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from rich.console import RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from books.intents_book import IntentBook
from books.intents_order import Order
from books.intents_states import AT_BROKER
from live.reconcile_commands import mends


def standing(book: IntentBook, suffix: str = "") -> Iterator[RenderableType]:
    """Tables and lines on a journal; ``suffix`` is added to commands (where its folder is not the usual one)."""
    yield Text(f"{book.account}, intent journal {book.journal_id}: {len(book.orders):,} orders so far.")
    if book.killed is not None:
        yield Text.assemble(
            ("Kill switch latched", "bold red"), f" {book.killed.at:%Y-%m-%d %H:%M} UTC: {book.killed.why}\n",
            f"  halflife reconcile --rearm{suffix}",
        )  # fmt: skip
    for halt in sorted(book.halts.values(), key=lambda halt: halt.at):
        name = halt.symbol or ("the account" if not halt.con_id else str(halt.con_id))
        lines = "".join(f"\n  {command}{suffix}" for command in mends(halt, book))
        yield Text.assemble(
            ("Halted ", "bold red"), (name, "bold"), f" since {halt.at:%Y-%m-%d %H:%M} UTC ({halt.cause}): {halt.why}",
            lines,
        )  # fmt: skip
    doubtful = book.unresolved()
    if doubtful:
        yield _orders("Orders in doubt", doubtful, "why", lambda order: order.why or "no answer yet")
        yield Text(
            "  They are asked about at the next start. Where the answer is out of reach:\n"
            f"  halflife reconcile --resolve REF --filled N --price P{suffix}"
        )
    yield from _positions(book)
    working = [order for order in book.open_orders() if order.state in AT_BROKER]
    if working:
        yield _orders("Working orders, as last told", working, "role", lambda order: str(order.intent.role))
    if not (book.killed or book.halts or doubtful):
        yield Text("Nothing is halted or in doubt.")


def _positions(book: IntentBook) -> Iterator[Table]:
    rows = sorted((key, size) for key, size in book.unit_positions().items() if size)
    if not rows:
        return
    table = Table(title="Positions by the journal", title_justify="left")
    table.add_column("book")
    table.add_column("symbol")
    table.add_column("units", justify="right")
    for (unit, con_id), size in rows:
        table.add_row(escape(unit or "your own"), escape(book.symbols.get(con_id, str(con_id))), f"{size:,.12g}")
    yield table


def _orders(title: str, orders: list[Order], last: str, about: Callable[[Order], str]) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("orderRef", no_wrap=True)
    table.add_column("order")
    table.add_column("filled", justify="right")
    table.add_column("state")
    table.add_column(last, overflow="fold")
    for order in orders:
        table.add_row(
            escape(order.ref), escape(in_words(order)), f"{order.filled:,.12g}", str(order.state),
            escape(about(order)),
        )  # fmt: skip
    return table


def in_words(order: Order) -> str:
    """``"BUY 100 BAC LMT 13.5 GTC"``."""
    terms = order.terms
    prices = [f"{price:g}" for price in (terms.aux_price, terms.limit_price) if price is not None]
    return " ".join(
        [order.intent.action, f"{order.quantity:,.12g}", order.intent.symbol, terms.order_type, *prices, terms.tif]
    )
