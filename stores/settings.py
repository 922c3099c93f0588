"""How the store connects."""

from __future__ import annotations

import math
from dataclasses import dataclass

from core.errors import SettingsError


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """Where TWS or IB Gateway is, and how long to wait for what. All durations are seconds, by the machine's clock;
    a clock with a ``factor``, as of an accelerated rehearsal, shortens them (waits for answers to 5 seconds at most).

    ``client_id`` stays the same for ever: another one sees other orders. ``account``: the account to trade; empty:
    the only one of the log-in. ``first_order_id``: ids below are never used (the high-water mark of the journal).
    ``heartbeat`` 0 sends none: in lockstep the question for the time is what moves it.
    """

    host: str = "127.0.0.1"
    port: int = 4002
    client_id: int = 1
    account: str = ""
    first_order_id: int = 1
    is_trading: bool = True  # False: orders are neither asked for nor sent, as with TWS's read-only API
    login_timeout: float = 15.0  # from the socket to the first ids
    answer_timeout: float = 20.0  # of a request
    history_timeout: float = 90.0  # of a request for history
    start_timeout: float = 60.0  # start() gives up after this long
    heartbeat: float = 10.0  # silence after which the gateway is asked for the time
    heartbeat_timeout: float = 10.0  # silence after that which means a dead connection
    backoff_first: float = 1.0
    backoff_most: float = 60.0
    backoff_jitter: float = 1.0
    settle: float = 0.0  # between log-in and the first request, for a TWS that is still loading
    messages_per_second: int = 45  # IBKR's limit is 50; 0: no limit
    history_requests: int = 58  # in ten minutes, of bars of 30 seconds and less; IBKR's limit is 60
    market_data_type: int = 1  # 1 live, 3 delayed where there is no live data
    resubscribe_after: float = 1.0  # after a farm is back
    mending: float = 60.0  # between two reconciliations after messages that could not be dealt with

    def __post_init__(self) -> None:
        if not self.host:
            raise SettingsError("the store has no host; give the one that TWS runs on, such as 127.0.0.1")
        if not 0 < self.port < 65536:
            raise SettingsError(f"port {self.port} is none; TWS has 7496 and 7497, IB Gateway 4001 and 4002")
        if not 0 <= self.client_id < 2**31:
            raise SettingsError(f"client_id {self.client_id} is none; give a whole number from 0 on, such as 1")
        if self.first_order_id < 1:
            raise SettingsError(f"first_order_id {self.first_order_id} is none; give 1 or more")
        if self.market_data_type not in (1, 2, 3, 4):
            raise SettingsError(f"market_data_type {self.market_data_type} is none; 1 is live, 3 delayed")
        for name in _WAITS:
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise SettingsError(f"{name} = {value} is no duration; give seconds above 0")
        for name in _LEAST_ZERO:
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise SettingsError(f"{name} = {value} cannot be; give 0 or more")


_WAITS = (
    "login_timeout", "answer_timeout", "history_timeout", "start_timeout", "heartbeat_timeout", "backoff_first",
    "backoff_most", "history_requests", "mending",
)  # fmt: skip
_LEAST_ZERO = ("heartbeat", "backoff_jitter", "settle", "messages_per_second", "resubscribe_after")
