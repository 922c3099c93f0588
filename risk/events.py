"""What the gate did on its own account: dated events for the report, and what it asks of the broker."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum


class RiskEventKind(StrEnum):
    """What happened. ``RiskEvent.kind`` holds one of these."""

    KILL = "kill"  # the drawdown limit was reached
    REARM = "rearm"  # a backtest went on after kill_switch.rearm_sessions
    RESET = "reset"  # a person reset the kill switch
    DAILY_LOSS = "daily_loss"  # entries stop until the next session
    WEEKLY_LOSS = "weekly_loss"  # entries stop until the next week
    THROTTLE = "throttle"  # entries are scaled, stopped or back at full size
    THROTTLE_SOURCE = "throttle_source"  # volatility index or realised volatility
    COOLDOWN = "cooldown"
    STOP_GUARD = "stop_guard"
    INSTRUMENT_LOCK = "instrument_lock"
    ACCOUNT_UNKNOWN = "account_unknown"  # equity is not a number: new orders stop
    ACCOUNT_KNOWN = "account_known"  # ... and is one again


@dataclass(slots=True)
class RiskEvent:
    """One dated act of the gate. ``when`` is aware UTC, ``detail`` a plain sentence with numbers."""

    when: dt.datetime
    kind: RiskEventKind
    detail: str


@dataclass(slots=True)
class KillAction:
    """Asked of the broker once, when the kill switch trips: cancel working entries; close positions if ``flatten``."""

    reason: str
    flatten: bool
