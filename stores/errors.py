"""What a call of the store can raise: what happened, where, and the cure. Whether something was sent is said, too."""

from __future__ import annotations

from core.errors import (
    AccountError,
    ContractError,
    LibraryError,
    NotSentError,
    RequestError,
    StoreError,
    UnansweredError,
    UnreachableError,
)

__all__ = [
    "AccountError",
    "ContractError",
    "LibraryError",
    "NotSentError",
    "RequestError",
    "RequestRefused",
    "StoreError",
    "UnansweredError",
    "UnreachableError",
]


class RequestRefused(RequestError):
    """IBKR answered a request with an error; ``number`` is IBKR's code and ``said`` its text."""

    def __init__(self, number: int, said: str, what: str, cure: str) -> None:
        super().__init__(f"{what}: IBKR refuses with {number}, {said.strip()}; {cure}")
        self.number = number
        self.said = said

    def __reduce__(self) -> tuple[object, ...]:
        return (RequestError, (self.args[0],))
