"""What the risk gate, the brokers and the books tell each other: plain records without backtrader in them.

Nobody changes a record that was made. The classes are not ``frozen``, here and wherever one is made for each order or
fill: to make a frozen one takes two to five times as long.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What an order is for. Carried in ``order.info.role``."""

    ENTRY = "entry"
    STOP = "stop"  # protective stop, child of a bracket
    TARGET = "target"  # profit target, child of a bracket
    EXIT = "exit"  # closes at market for a reason of the strategy or of the kill switch


class ExitReason(StrEnum):
    """Why a position was closed. Carried in ``order.info.reason`` of the closing order."""

    MEAN = "mean"  # price or spread came back
    STOP = "stop"  # hard stop at the broker
    TARGET = "target"
    TIME = "time"
    SPREAD_STOP = "spread_stop"
    DISASTER_STOP = "disaster_stop"  # wide stop on one leg of a pair
    OTHER_LEG = "other_leg"  # the other leg of the pair was closed or refused
    COINTEGRATION = "cointegration"  # the gate of a pair no longer holds
    KILL = "kill"
    SESSION = "session"  # the live session was stopped, and its settings want it flat
    SIGNAL = "signal"  # any strategy that gives no reason


class Refusal(StrEnum):
    """Why the gate refused an order. Carried in ``order.info.refusal``."""

    KILLED = "killed"
    TRADE_RISK = "max_trade_risk"
    TRADE_NOTIONAL = "max_trade_notional"
    OPEN_POSITIONS = "max_open_positions"
    GROSS_EXPOSURE = "max_gross_exposure"
    NET_EXPOSURE = "max_net_exposure"
    DAILY_LOSS = "max_daily_loss"
    WEEKLY_LOSS = "max_weekly_loss"
    VOLATILITY = "volatility_throttle"
    COOLDOWN = "cooldown"
    STOP_GUARD = "stop_loss_guard"
    INSTRUMENT_LOCK = "instrument_lock"
    NOT_SHORTABLE = "not_shortable"
    ACCOUNT_UNKNOWN = "account_unknown"  # equity, a position or a working order is not a number
    BLIND = "blind"  # data are missing, late or delayed, or the connection is
    UNRESOLVED = "unresolved"  # the intent journal or a reconciliation holds the instrument back
    NO_MARGIN = "no_margin"  # the venue's own preview (what-if) lacks the margin
    NO_BORROW = "no_borrow"  # the venue has no shares to borrow
    NO_STOP = "no_disaster_stop"  # the leg of a pair without a stop at the broker
    NOT_SENT = "not_sent"  # nothing has left this machine
    INVALID = "invalid_order"  # size or price that is zero, negative or not finite

    @property
    def may_pass(self) -> bool:
        """Whether the venue has not taken the order for a reason of this moment: it may be sent again soon."""
        return self in (Refusal.UNRESOLVED, Refusal.NOT_SENT)


@dataclass(slots=True)
class OrderView:
    """One order as the gate sees it. A bracket is a batch: the parent first, then its children."""

    ref: int
    book: str  # "unit/SYMBOL", the key of a position
    unit: str
    symbol: str
    sign: int  # +1 buys, -1 sells
    size: float  # not yet filled, units of the instrument, > 0
    worst_price: float  # worst price at which it may fill: limit price, trigger or last close
    rate: float  # account currency for one unit of the instrument's currency
    stop_price: float | None = None  # of the protective stop that comes with it
    parent: int | None = None  # ref of the bracket's parent
    group: int | None = None  # OCA group: one fill cancels the others
    shortable: bool = True


@dataclass(slots=True)
class PositionView:
    """One open position of a book."""

    book: str
    unit: str
    symbol: str
    size: float  # signed, units of the instrument
    price: float  # last price, instrument currency
    rate: float  # account currency for one unit of the instrument's currency


@dataclass(slots=True)
class AccountView:
    """The account at the moment of an order. Money in the account's currency."""

    when: dt.datetime  # UTC
    equity_eur: float
    positions: tuple[PositionView, ...]  # open ones only
    working: tuple[OrderView, ...]  # orders at the broker, children of unfilled parents included
