"""Limits, the order gate, kill switch, volatility throttle and protections."""

from risk.events import KillAction, RiskEvent, RiskEventKind
from risk.gate import OrderGate

__all__ = ["KillAction", "OrderGate", "RiskEvent", "RiskEventKind"]
