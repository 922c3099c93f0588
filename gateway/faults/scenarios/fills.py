"""Scenarios of fills: after a cancel, twice, corrected, busted, in part, and their commissions."""

from __future__ import annotations

from gateway.faults.scenarios.scenario import IB_INSYNC, NAUTILUS, PYSYSTEMTRADE, Scenario

_FIRST = {"n": "1"}

FILLS = {
    "fill_after_cancel": Scenario(
        "on orderStatus where status=Cancelled {n}: pass; wait {seconds}; execute",
        "An order that is reported as cancelled is filled afterwards.",
        "Book by executions: the position is real.",
        f"{PYSYSTEMTRADE}/issues/1580",
        _FIRST | {"seconds": "2"},
    ),
    "partial_fill_then_reject": Scenario(
        "on placeOrder where new=yes {n}: hold; pass; execute fraction={fraction}; wait {seconds}; "
        'refuse 201 "Order rejected - reason:Order was rejected by the exchange"',
        "A part of an order is filled, then the rest is refused.",
        "Keep the filled part, protect it, and do not treat the order as never placed.",
        f"{NAUTILUS}/issues/3603",
        _FIRST | {"fraction": "0.5", "seconds": "1"},
    ),
    "execution_duplicated": Scenario(
        "on execDetails: duplicate",
        "Each execution comes twice with the same execId.",
        "Book an execId once.",
        "https://github.com/softwarespartan/IB4m/issues/80",
    ),
    "execution_corrected": Scenario(
        "on execDetails {n}: pass; wait {seconds}; correct price_by={by}",
        "An execution is corrected: the same execId, but .02 in place of .01, with another price.",
        "Replace the first one; do not add them up.",
        f"{IB_INSYNC}/364",
        _FIRST | {"seconds": "2", "by": "0.05"},
    ),
    "execution_busted": Scenario(
        "on execDetails {n}: pass; wait {seconds}; bust",
        "An execution is taken back: its correction has 0 shares, and the position is as before.",
        "Take it out of the books, and check the position.",
        f"{IB_INSYNC}/364",
        _FIRST | {"seconds": "2"},
    ),
    "commission_late": Scenario(
        "on commissionReport: delay {seconds}",
        "Commissions come long after their executions.",
        "Never hold a fill for its fee; join by execId when it comes.",
        f"{PYSYSTEMTRADE}/pull/1661",
        {"seconds": "30"},
    ),
    "commission_never": Scenario(
        "on commissionReport: drop",
        "There is no commission report at all.",
        "Book an estimate, marked as such.",
        f"{IB_INSYNC}/155",
    ),
}
