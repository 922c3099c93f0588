"""What the store tells becomes the snapshot that reconciliation reads."""

from __future__ import annotations

import datetime as dt

import pytest

from books.intents_records import Commission
from live.reconcile_store import day_start, to_commission, to_execution, to_order, to_snapshot
from stores.events import (
    AccountKind,
    AccountValueReported,
    CommissionReported,
    ExecutionReported,
    OrderReported,
    PositionReported,
    Snapshot,
)  # fmt: skip
from stores.records import ContractKey

NOON = dt.datetime(2024, 6, 12, 16, tzinfo=dt.UTC)
BAC = ContractKey(7, "BAC", "STK", "USD")
EURUSD = ContractKey(9, "EUR", "CASH", "USD")


def order(account: str = "DU1", **more: object) -> OrderReported:
    values: dict[str, object] = {
        "order_id": 3, "perm_id": 11, "client_id": 1, "order_ref": "hl.test.unit.t1.entry.1", "status": "Submitted",
        "filled": 40.0, "remaining": None, "avg_fill_price": None, "why_held": "locate", "account": account,
        "contract": BAC, "action": "SELL", "quantity": 100.0, "order_type": "STP", "limit_price": None,
        "aux_price": 9.0, "trail_stop_price": None, "trailing_percent": None, "tif": "GTC", "good_till": "",
        "oca_group": "", "parent_id": 0, "outside_rth": False, "source": "open", "when": NOON,
    }  # fmt: skip
    return OrderReported(**{**values, **more})  # type: ignore[arg-type]


def execution(account: str = "DU1", contract: ContractKey = BAC, side: str = "SLD") -> ExecutionReported:
    return ExecutionReported(
        "a.b.01", 11, 3, 1, "hl.test.unit.t1.entry.1", account, contract, side, 40.0, 10.0, 40.0, 10.0, "NYSE", NOON
    )


def test_an_order_keeps_what_the_journal_needs() -> None:
    made = to_order(order(completed_status="Expired"))
    assert (made.order_ref, made.perm_id, made.status, made.filled, made.remaining) == (
        "hl.test.unit.t1.entry.1", 11, "Submitted", 40.0, 0.0,
    )  # fmt: skip
    assert (made.con_id, made.aux_price, made.limit_price, made.completed) == (7, 9.0, None, "Expired")


@pytest.mark.parametrize(("side", "signed"), [("BOT", 40.0), ("SLD", -40.0)])
def test_an_execution_keeps_its_sign(side: str, signed: float) -> None:
    made = to_execution(execution(side=side))
    assert (made.signed, made.currency, made.order_ref) == (signed, "USD", "hl.test.unit.t1.entry.1")


def test_a_commission_is_joined_by_its_exec_id() -> None:
    assert to_commission(CommissionReported("a.b.01", 1.0, "USD", None, 3, 11, "x")) == Commission("a.b.01", 1.0, "USD")


def test_a_snapshot_is_of_its_account_and_without_currency_pairs() -> None:
    values = AccountValueReported("DU1", "CashBalance", "-500.25", "USD")
    found = Snapshot(
        when=NOON, account="DU1", kind=AccountKind.PAPER, client_id=1, next_order_id=40,
        open_orders=(order(), order("DU2")), completed_orders=(order("DU2"),),
        executions=(execution(), execution("DU2"), execution(contract=EURUSD)), commissions=(),
        positions=(
            PositionReported("DU1", BAC, -40.0, 10.0), PositionReported("DU2", BAC, 1.0, 1.0),
            PositionReported("DU1", EURUSD, 5.0, 1.0),
        ),
        account_values=(values, AccountValueReported("DU1", "CashBalance", "1", "BASE")),
    )  # fmt: skip
    made = to_snapshot(found, NOON)
    assert (len(made.open_orders), len(made.completed), len(made.executions)) == (1, 0, 1)
    assert [(p.con_id, p.size) for p in made.positions] == [(7, -40.0)]
    assert (made.cash, made.next_order_id, made.account) == ({"USD": -500.25}, 40, "DU1")
    assert made.executions_since == dt.datetime(2024, 6, 12, 4, tzinfo=dt.UTC)


def test_the_day_begins_at_midnight_of_the_zone_in_winter_too() -> None:
    assert day_start(dt.datetime(2024, 1, 10, 3, tzinfo=dt.UTC), "America/New_York") == dt.datetime(
        2024, 1, 9, 5, tzinfo=dt.UTC
    )
    assert day_start(NOON, "Europe/Berlin") == dt.datetime(2024, 6, 11, 22, tzinfo=dt.UTC)
