"""Positions and values of the account, as IBKR keeps them up to date."""

from __future__ import annotations

from collections.abc import Callable

from stores.events import AccountKind, AccountValueReported, PositionReported

Put = Callable[[PositionReported | AccountValueReported], None]


def kind_of(account: str) -> AccountKind:
    """Paper accounts begin with D (DU, DF, DI); all others trade real money."""
    return AccountKind.PAPER if account[:1].upper() == "D" else AccountKind.REAL


class AccountBook:
    """Keys: (account, conId) -> position; (account, tag, currency) -> value. Positions of 0 are not kept."""

    def __init__(self, put: Put) -> None:
        self._put = put
        self.positions: dict[tuple[str, int], PositionReported] = {}
        self.values: dict[tuple[str, str, str], AccountValueReported] = {}
        self._listed: set[tuple[str, int]] | None = None  # while IBKR lists all positions

    def listing(self) -> None:
        """IBKR is about to list all positions: what it does not name is gone."""
        self._listed = set()

    def position(self, told: PositionReported) -> None:
        key = told.account, told.contract.con_id
        if self._listed is not None:
            self._listed.add(key)
        before = self.positions.get(key)
        if told.position:
            self.positions[key] = told
        else:
            self.positions.pop(key, None)
        if before != told and (before is not None or told.position):
            self._put(told)

    def positions_end(self) -> None:
        listed, self._listed = self._listed, None
        if listed is None:
            return
        for key in [key for key in self.positions if key not in listed]:
            gone = self.positions.pop(key)
            self._put(PositionReported(gone.account, gone.contract, 0.0, 0.0))

    def value(self, told: AccountValueReported) -> None:
        key = told.account, told.tag, told.currency
        if self.values.get(key) != told:
            self.values[key] = told
            self._put(told)
