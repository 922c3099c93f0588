"""The fee schedules of Interactive Brokers (Pro), as data. Sources and dates: docs/costs.md.

A new schedule is one more declaration in ``_DECLARED``.
"""

from __future__ import annotations

import dataclasses

from books.charges import Charge, FeeSchedule, Levy, MonthlyVolume, OrderFees
from books.tiers import tiers
from core.errors import CostError, UnknownNameError, did_you_mean
from core.settings import FeeSettings

__all__ = ["SCHEDULES", "Charge", "FeeSchedule", "Levy", "MonthlyVolume", "OrderFees", "get_schedule"]

_US_REGULATORY = (
    Levy("regulatory", "sec_per_value", "value", on="sales"),
    Levy("regulatory", "finra_taf_per_share", "share", on="sales"),
    Levy("regulatory", "cat_per_share", "share"),
)
_US_TIERED = (
    *_US_REGULATORY,
    Levy("regulatory", "finra_pass_through", "commission"),
    Levy("exchange", "nyse_pass_through", "commission"),
    Levy("exchange", "exchange_add_per_share", "share", on="adding"),
    Levy("exchange", "exchange_remove_per_share", "share", on="removing"),
    Levy("clearing", "clearing_per_share", "share"),
)
_EUROPE_TIERED = (
    Levy("exchange", "eu_exchange_per_value", "value"),
    Levy("clearing", "eu_clearing_per_order", "order"),
    Levy("regulatory", "eu_regulatory_per_value", "value"),
)

_DECLARED = (
    FeeSchedule("none", "", "share", tiers(above=0.0)),
    FeeSchedule(
        "ibkr_us_fixed",
        "USD",
        "share",
        tiers(above=0.005),
        minimum=1.00,
        maximum_fraction=0.01,
        levies=_US_REGULATORY,
    ),
    FeeSchedule(
        "ibkr_us_tiered",
        "USD",
        "share",
        tiers((300_000, 0.0035), (3_000_000, 0.0020), (20_000_000, 0.0015), (100_000_000, 0.0010), above=0.0005),
        minimum=0.35,
        maximum_fraction=0.01,
        levies=_US_TIERED,
    ),
    FeeSchedule("ibkr_eu_fixed", "EUR", "value", tiers(above=0.0005), minimum=3.00),  # SmartRouting
    FeeSchedule("ibkr_eu_fixed_direct", "EUR", "value", tiers(above=0.0010), minimum=4.00),
    FeeSchedule(
        "ibkr_eu_tiered",
        "EUR",
        "value",
        tiers((50_000_000, 0.0005), (100_000_000, 0.0003), (500_000_000, 0.0002), above=0.00015),
        minimum=1.25,
        maximum=29.00,
        levies=_EUROPE_TIERED,
    ),
    FeeSchedule(
        "ibkr_uk_tiered",
        "GBP",
        "value",
        tiers((40_000_000, 0.0005), (80_000_000, 0.0003), (400_000_000, 0.0002), above=0.00015),
        minimum=1.00,
        levies=_EUROPE_TIERED,
    ),
    FeeSchedule(
        "ibkr_ch_tiered",
        "CHF",
        "value",
        tiers((50_000_000, 0.0005), (100_000_000, 0.0003), (500_000_000, 0.0002), above=0.00015),
        minimum=1.50,
        levies=_EUROPE_TIERED,
    ),
)

SCHEDULES: dict[str, FeeSchedule] = {schedule.name: schedule for schedule in _DECLARED}  # name -> schedule


def get_schedule(name: str, fees: FeeSettings | None = None, currency: str = "") -> FeeSchedule:
    """Return the schedule with the third-party fees of the settings.

    ``currency``: the instrument's, where the caller wants it checked. Raises UnknownNameError for a name that
    does not exist, CostError where the schedule charges in another currency than the instrument's.
    """
    if name not in SCHEDULES:
        raise UnknownNameError(f"no fee schedule '{name}'{did_you_mean(name, SCHEDULES)}")
    schedule = SCHEDULES[name]
    if currency and schedule.currency not in ("", currency):
        fitting = sorted(s.name for s in SCHEDULES.values() if s.currency in ("", currency))
        raise CostError(
            f"schedule '{name}' charges in {schedule.currency}, the instrument trades in {currency}; "
            f"schedules for {currency}: {', '.join(fitting)}"
        )
    return dataclasses.replace(schedule, fees=fees or FeeSettings())
