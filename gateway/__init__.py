"""The paper gateway: a TWS that runs on loopback, with a market behind it and faults on demand."""

from gateway.gateway import Gateway

__all__ = ["Gateway"]
