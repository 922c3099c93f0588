"""Executions, each once: repeats are left out, corrections replace, commissions are joined by execId."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, replace

from stores.events import CommissionReported, ExecutionReported

KEPT = dt.timedelta(days=3)
Put = Callable[[ExecutionReported | CommissionReported], None]


@dataclass(frozen=True, slots=True)
class Fee:
    """A commissionReport as it came."""

    exec_id: str
    commission: float
    currency: str
    realized_pnl: float | None


def version_of(exec_id: str) -> tuple[str, int]:
    """An execId without its last segment, and that as the number of its version: ``.02`` corrects ``.01``."""
    base, dot, last = exec_id.rpartition(".")
    return (base, int(last)) if dot and last.isdigit() else (exec_id, 0)


class ExecutionBook:
    """Executions of the last days: base of the execId -> the valid version."""

    def __init__(self, put: Put) -> None:
        self._put = put
        self._valid: dict[str, ExecutionReported] = {}
        self._fees: dict[str, CommissionReported] = {}  # execId -> reported
        self._early: dict[str, Fee] = {}  # execId -> fee of an execution that has not come yet

    def arrived(self, execution: ExecutionReported) -> ExecutionReported | None:
        """Book an execution; None where this version, or one that corrects it, is booked already."""
        base, version = version_of(execution.exec_id)
        before = self._valid.get(base)
        if before is not None:
            if version <= version_of(before.exec_id)[1]:
                return None
            execution = replace(execution, corrects=before.exec_id)
        elif version > 1 and execution.shares == 0.0:
            execution = replace(execution, corrects=f"{base}.{version - 1:02d}")
        self._valid[base] = execution
        self._put(execution)
        fee = self._early.pop(execution.exec_id, None)
        if fee is not None:
            self.charged(fee)
        return execution

    def charged(self, fee: Fee) -> None:
        """Report a commission, once, and after its execution: one that comes before waits for it."""
        base, _ = version_of(fee.exec_id)
        execution = self._valid.get(base)
        if execution is None:
            self._early[fee.exec_id] = fee
            return
        report = CommissionReported(
            fee.exec_id, fee.commission, fee.currency, fee.realized_pnl, execution.order_id, execution.perm_id,
            execution.order_ref,
        )  # fmt: skip
        if self._fees.get(fee.exec_id) != report:
            self._fees[fee.exec_id] = report
            self._put(report)

    def valid(self) -> tuple[ExecutionReported, ...]:
        """The valid version of each, by time."""
        return tuple(sorted(self._valid.values(), key=lambda each: (each.when, each.exec_id)))

    def commissions(self) -> tuple[CommissionReported, ...]:
        """Those of valid executions."""
        return tuple(self._fees[each.exec_id] for each in self.valid() if each.exec_id in self._fees)

    def without_commission(self) -> tuple[str, ...]:
        """execIds whose commission has not been told."""
        return tuple(each.exec_id for each in self.valid() if each.shares and each.exec_id not in self._fees)

    def forget_before(self, when: dt.datetime) -> None:
        """Forget what is days old: IBKR tells of the current day only."""
        self._valid = {base: each for base, each in self._valid.items() if each.when >= when - KEPT}
        kept = {each.exec_id for each in self._valid.values()}
        self._fees = {exec_id: fee for exec_id, fee in self._fees.items() if exec_id in kept}
