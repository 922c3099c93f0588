"""After each log-in and each return of IBKR's servers: what is true about the account now."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from stores.account import kind_of
from stores.events import OrderReported, Snapshot, Synchronised
from stores.inbox import ACCOUNT, COMPLETED, OPEN, POSITIONS
from stores.library import load

if TYPE_CHECKING:
    from stores.desk import Desk

LOOK = "look"  # the reason of a Synchronised that was asked for without a log-in


async def look(desk: Desk, account: str) -> Synchronised:
    """The same questions while orders go out, but for the account's values, which are of another moment."""
    asked_at = desk.now()
    open_orders, completed = await ask_open(desk), await ask_completed(desk)
    await ask_executions(desk)
    await ask_positions(desk)
    snapshot = _snapshot(desk, account, open_orders, completed)
    return Synchronised(replace(snapshot, account_values=()), False, LOOK, asked_at)


async def synchronise(desk: Desk, account: str, reason: str, is_first: bool) -> Synchronised:
    """Ask in the order in which answers explain each other: open orders, completed, executions, positions, account.

    An order that is filled in between is then in the executions, though it was open when that was asked. Raises
    UnansweredError, RequestError or NotSentError.
    """
    settings, asked_at = desk.settings, desk.now()
    if settings.market_data_type != 1:
        await desk.send("reqMarketDataType", settings.market_data_type)
    open_orders: tuple[OrderReported, ...] = ()
    completed: tuple[OrderReported, ...] = ()
    if settings.is_trading:
        if settings.client_id == 0:
            await desk.send("reqAutoOpenOrders", True)
        await desk.ask_named(OPEN, OPEN, "reqOpenOrders")
        open_orders = await ask_open(desk)
        completed = await ask_completed(desk)
    await ask_executions(desk)
    await ask_positions(desk)
    await desk.ask_named(ACCOUNT, f"values of account {account}", "reqAccountUpdates", True, account)
    now = desk.now()
    desk.orders.forget_before(now)
    desk.executions.forget_before(now)
    return Synchronised(_snapshot(desk, account, open_orders, completed), is_first, reason, asked_at)


def _snapshot(
    desk: Desk, account: str, open_orders: tuple[OrderReported, ...], completed: tuple[OrderReported, ...]
) -> Snapshot:
    return Snapshot(
        when=desk.now(), account=account, kind=kind_of(account), client_id=desk.settings.client_id,
        next_order_id=desk.ids.next, open_orders=open_orders, completed_orders=completed,
        executions=desk.executions.valid(), commissions=desk.executions.commissions(),
        positions=tuple(desk.account.positions.values()), account_values=tuple(desk.account.values.values()),
    )  # fmt: skip


async def ask_open(desk: Desk) -> tuple[OrderReported, ...]:
    """Open orders of all clients of this log-in, and those made by hand."""
    keys = await desk.ask_named(OPEN, OPEN, "reqAllOpenOrders")
    return desk.orders.at(keys)


async def ask_completed(desk: Desk) -> tuple[OrderReported, ...]:
    """Orders of the current day that are done."""
    keys = await desk.ask_named(COMPLETED, COMPLETED, "reqCompletedOrders", False)
    return desk.orders.at(keys)


async def ask_executions(desk: Desk) -> None:
    """Executions of the current day; what is new comes out as an event."""
    req_id = desk.request_ids.take()
    await desk.ask(req_id, "executions", "reqExecutions", req_id, load().ExecutionFilter())


async def ask_positions(desk: Desk) -> None:
    """All positions; what is not named is gone."""
    await desk.ask_named(POSITIONS, POSITIONS, "reqPositions", before=desk.account.listing)
