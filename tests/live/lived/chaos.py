"""What goes wrong at the gateway while both strategies trade, and what must be true afterwards.

Each case is a scenario of the gateway (with the public thread that tells of it), set so that it strikes while orders
work. ``may_halt``: the outcome cannot be known by asking, so that the instrument may end halted.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.faults.scenarios import SCENARIOS


@dataclass(frozen=True)
class Case:
    """``scenario`` with ``settings``; ``script``: more that goes wrong."""

    scenario: str
    settings: str = ""
    script: str = ""
    may_halt: bool = False
    outage: float = 0.0  # seconds for which the gateway itself cannot be reached, or does not say what happens
    is_paced: bool = False  # time goes on by itself: a client that waits for ever would stop it in lockstep

    def __str__(self) -> str:
        return f"{self.scenario}{'-' + self.settings if self.settings else ''}"

    @property
    def faults(self) -> tuple[str, ...]:
        name = f"{self.scenario}:{self.settings}" if self.settings else self.scenario
        return (name, self.script) if self.script else (name,)

    @property
    def reference(self) -> str:
        return SCENARIOS[self.scenario].reference


CASES = (
    Case("drop_before", "message=orderStatus,n=5"),
    Case("drop_after", "message=orderStatus,n=6"),
    Case("drop_after", "message=execDetails,n=2"),
    Case("drop_middle", "message=execDetails,n=3"),
    Case("drop_middle", "message=openOrder,n=4"),
    Case("half_open", "message=openOrder,n=7", is_paced=True),
    Case("slow_reader", "message=placeOrder,n=3,seconds=30", outage=30.0, is_paced=True),
    Case("connectivity_restored_data_lost", "after=640,seconds=60", outage=60.0),
    Case("connectivity_restored", "after=640,seconds=60", outage=60.0),
    Case("port_reset", "after=640"),
    Case("market_farm_broken", "after=640,seconds=30"),
    Case("history_farm_broken", "after=640,seconds=60"),
    Case("nightly_restart", "when=at 09:45 exchange,seconds=180", outage=180.0),
    Case("client_id_in_use", script="on orderStatus 6: close"),
    Case("ids_rolled_back", "after=640,by=4,seconds=5"),
    Case("clock_skew", "seconds=20"),
    Case("order_dropped", "n=1", may_halt=True),
    Case("order_dropped", "n=3", may_halt=True),
    Case("order_vanishes", "n=1,seconds=2", may_halt=True),
    Case("order_vanishes", "n=2,seconds=2", may_halt=True),
    Case("reported_cancelled", "n=2,seconds=5"),
    Case("status_duplicated"),
    Case("status_out_of_order", "seconds=60", outage=60.0),
    Case("status_missing"),
    Case("rejected_margin", "n=1"),
    Case("rejected_funds", "n=3"),
    Case("rejected_closed", "n=2"),
    Case("rejected_account", "n=1"),
    Case("rejected_permission", "n=3"),
    Case("rejected_short", "n=3"),
    Case("rejected_advanced", "n=1"),
    Case("cancelled_by_exchange", "n=2,seconds=2"),
    Case("price_off_tick", "n=2"),
    Case("cancel_not_possible", "n=1"),
    Case("cancel_not_found", "n=1"),
    Case("cancel_crosses_fill", "n=1"),
    Case("tif_preset", "n=1"),
    Case("outside_hours_warning", "n=1"),
    Case("locate_hold", "n=1,seconds=60"),
    Case("fill_after_cancel", "n=1,seconds=2"),
    Case("partial_fill_then_reject", "n=1,fraction=0.5,seconds=1"),
    Case("partial_fill_then_reject", "n=3,fraction=0.5,seconds=1"),
    Case("execution_duplicated"),
    Case("execution_corrected", "n=1,seconds=2,by=0.05"),
    Case("execution_busted", "n=1,seconds=2"),
    Case("execution_busted", "n=2,seconds=2"),
    Case("commission_late", "seconds=30"),
    Case("commission_never"),
    Case("competing_session", "n=20,seconds=60"),
    Case("silent_feed", "after=640,seconds=90"),
    Case("stale_data", "after=640,seconds=90"),
    Case("outlier_print", "after=640,factor=1.5"),
    Case("bar_corrupt", "n=100"),
    Case("bars_out_of_order", "n=7,seconds=60"),
    Case("symbol_halt", "after=640,seconds=90", outage=90.0),
)
