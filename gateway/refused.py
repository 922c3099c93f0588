"""What TWS answers to a request that it does not serve: an error with its number and IBKR's text."""

from __future__ import annotations

from core.errors import HalflifeError


class Refused(HalflifeError, ValueError):
    """A request ends with IBKR's error ``number`` and ``text``: the answer to a client, not a fault of the gateway."""

    def __init__(self, number: int, text: str) -> None:
        super().__init__(number, text)
        self.number = number
        self.text = text

    def __str__(self) -> str:
        return f"{self.number} {self.text}"


NO_DEFINITION = "No security definition has been found for the request"


def hmds(reason: str) -> Refused:
    """Error 162 of the historical data farm."""
    return Refused(162, f"Historical Market Data Service error message:{reason}")


def invalid(cause: str, place: str = "bQ") -> Refused:
    """Error 321: TWS does not pass the request on. ``place``: the two letters by which TWS names its own check."""
    return Refused(321, f"Error validating request.-'{place}' : cause - {cause}")
