"""Trade rows: what each position earned, cost and suffered, from the fills and bars of its book.

The rules of the split, so that rows and cash book add up to the change in equity to the cent:

- *gross* is the result at unslipped prices, *slippage* what the fills were worse; both are converted at the
  rate of the moment at which they are realised.
- *commission* holds fees of every kind, *borrow* the fee on shorts, at the rate of the day they are charged.
- *fx*: under ``borrow`` a foreign purchase leaves a debit in its own currency, so the principal carries no currency
  risk and fx is zero. Under ``sweep`` the principal was bought with the base currency: its revaluation between entry
  and exit, and the cost of the conversions, are the trade's fx.
"""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass, field
from enum import StrEnum

SIZE_EPSILON = 1e-9  # units; a smaller rest is a rounding of partial fills
_CENT_FRACTION = 1e-7  # money; less is a rounding


class FillTime(StrEnum):
    """When in a bar a fill happened: it decides which part of the bar's range the position saw."""

    OPEN = "open"
    INTRABAR = "intrabar"
    CLOSE = "close"


@dataclass(slots=True)
class Fill:
    """One execution in a book. Prices and fees in the instrument's currency."""

    book: str  # "unit/SYMBOL"
    when: dt.datetime  # UTC, the stamp of the bar
    size: float  # signed units
    price: float  # paid or received
    unslipped_price: float  # what the bar offered
    fees: float  # of every kind, >= 0 but for exchange rebates
    rate: float  # base currency for one unit of the instrument's currency
    conversion_eur: float = 0.0  # cost of converting the proceeds, base currency
    timing: FillTime = FillTime.OPEN
    reason: str = ""  # why, for closing fills
    trade: str = ""  # id that the legs of a pair share


@dataclass(slots=True)
class TradeRow:
    """A row of trades.csv: one instrument from flat to flat. Costs are positive and reduce ``net_eur``."""

    trade_id: str
    strategy: str  # the unit
    instrument: str
    side: str  # "long" or "short"
    size: float  # units opened in total, > 0
    entry_time: dt.datetime
    entry_price: float  # volume-weighted fill price, instrument currency
    exit_time: dt.datetime | None
    exit_price: float
    gross_eur: float
    commission_eur: float
    borrow_eur: float
    slippage_eur: float
    fx_eur: float
    net_eur: float  # gross - commission - borrow - slippage + fx
    mae_eur: float  # maximum adverse excursion, <= 0, at unslipped prices and before costs
    mfe_eur: float  # maximum favourable excursion, >= 0
    bars: int  # bars at whose close the position was open
    exit_reason: str


@dataclass(slots=True)
class _Open:
    """Sums of the trade under way."""

    trade_id: str
    sign: int
    entry_time: dt.datetime
    entry_timing: FillTime
    opened: float = 0.0
    entry_value: float = 0.0
    closed: float = 0.0
    exit_value: float = 0.0
    gross: float = 0.0
    slippage: float = 0.0
    commission: float = 0.0
    borrow: float = 0.0
    fx: float = 0.0
    mae: float = 0.0
    mfe: float = 0.0
    bars: int = 0


@dataclass(slots=True)
class TradeBook:
    """Position and trades of one (unit, instrument). ``size`` is signed; averages follow the open rest."""

    unit: str
    symbol: str
    currency: str
    funded_in_base: bool  # fx.policy "sweep"
    size: float = 0.0
    price: float = 0.0  # average entry price, as filled
    unslipped_price: float = 0.0  # average entry price, unslipped
    rate: float = 1.0  # value-weighted average rate at entry
    last_price: float = math.nan
    closed_net_eur: float = 0.0  # of all closed trades
    trades_made: int = 0
    _open: _Open | None = field(default=None, repr=False)

    @property
    def principal(self) -> float:
        """Signed cost of the open position, instrument currency."""
        return self.size * self.price

    def fill(self, fill: Fill) -> TradeRow | None:
        """Book ``fill``; return the row of the trade that it closed, if it did.

        A fill that crosses zero closes one trade and opens the next; its fees are split by size.
        """
        self.last_price = fill.price
        closing = 0.0
        if self.size * fill.size < 0.0:
            closing = math.copysign(min(abs(fill.size), abs(self.size)), fill.size)
        opening = fill.size - closing
        if abs(opening) <= SIZE_EPSILON:
            opening, closing = (0.0, fill.size) if closing else (fill.size, 0.0)
        row = self._close(fill, closing) if closing else None
        if opening:
            self._extend(fill, opening)
        return row

    def _extend(self, fill: Fill, size: float) -> None:
        share = size / fill.size
        if self._open is None:
            self.trades_made += 1
            trade_id = fill.trade or f"{self.unit}/{self.symbol}#{self.trades_made}"
            self._open = _Open(trade_id, 1 if size > 0 else -1, fill.when, fill.timing)
        trade = self._open
        total = self.size + size
        value, unslipped = self.size * self.price + size * fill.price, self.unslipped_price * self.size
        self.rate = (self.size * self.price * self.rate + size * fill.price * fill.rate) / value
        self.price = value / total
        self.unslipped_price = (unslipped + size * fill.unslipped_price) / total
        self.size = total
        trade.opened += abs(size)
        trade.entry_value += abs(size) * fill.price
        trade.commission += share * fill.fees * fill.rate
        trade.fx -= share * fill.conversion_eur

    def _close(self, fill: Fill, size: float) -> TradeRow | None:
        trade = self._require_open()
        share = size / fill.size
        quantity, rate = -size, fill.rate  # signed like the position
        gross = quantity * (fill.unslipped_price - self.unslipped_price)
        trade.gross += gross * rate
        trade.slippage += (gross - quantity * (fill.price - self.price)) * rate
        trade.commission += share * fill.fees * rate
        trade.fx -= share * fill.conversion_eur
        if self.funded_in_base:
            trade.fx += quantity * self.price * (rate - self.rate)
        trade.closed += abs(size)
        trade.exit_value += abs(size) * fill.price
        self.size += size
        self._excursion(trade, fill.unslipped_price, rate)
        if abs(self.size) > SIZE_EPSILON:
            return None
        self.size = self.price = self.unslipped_price = 0.0
        self._open = None
        row = self._row(trade, fill.when, fill.reason, trade.gross, trade.slippage, trade.fx)
        self.closed_net_eur += row.net_eur
        return row

    def is_of_open(self, when: dt.datetime) -> bool:
        """Whether a fill at this time belongs to the trade that is open."""
        return self._open is not None and when >= self._open.entry_time

    def take_back(self, fill: Fill, rate: float) -> bool:
        """Undo ``fill`` of the open trade as if it had never been, at the ``rate`` of now; False: it cannot be undone
        so (the trade is another one by now, or what it opened is closed in part).

        Its fees stay (see ``pay_more``). What is left may be empty: fill it again, or call ``drop_empty``.
        """
        trade, size = self._open, fill.size
        if trade is None or fill.when < trade.entry_time:
            return False
        if size * trade.sign < 0:  # it closed a part: the units are back at their average
            quantity = -size
            gross = quantity * (fill.unslipped_price - self.unslipped_price)
            trade.gross -= gross * rate
            trade.slippage -= (gross - quantity * (fill.price - self.price)) * rate
            if self.funded_in_base:
                trade.fx -= quantity * self.price * (rate - self.rate)
            trade.closed -= abs(size)
            trade.exit_value -= abs(size) * fill.price
            self.size += quantity
            return True
        left = self.size - size
        if abs(left) <= SIZE_EPSILON:
            left = 0.0
        if left * trade.sign < 0 or trade.opened - abs(size) < -SIZE_EPSILON:
            return False
        value = self.size * self.price * self.rate - size * fill.price * fill.rate
        principal = self.principal - size * fill.price
        if left and abs(principal) <= _CENT_FRACTION:
            return False  # what is left would have cost nothing
        trade.opened -= abs(size)
        trade.entry_value -= abs(size) * fill.price
        if left:
            if self.funded_in_base:
                trade.fx += size * fill.price * (rate - fill.rate)
            self.unslipped_price = (self.size * self.unslipped_price - size * fill.unslipped_price) / left
            self.rate, self.price = value / principal, principal / left
        else:  # what the averages differ from this fill is realised
            gross = size * (fill.unslipped_price - self.unslipped_price)
            trade.gross += gross * rate
            trade.slippage += (gross - size * (fill.price - self.price)) * rate
            if self.funded_in_base:
                trade.fx += size * self.price * (rate - self.rate)
            self.price = self.unslipped_price = 0.0
        self.size = left
        return True

    def drop_empty(self, when: dt.datetime, reason: str) -> TradeRow | None:
        """End an open trade without units; a row where anything was earned or paid all the same."""
        trade = self._open
        if trade is None or self.size:
            return None
        self._open = None
        earned = (trade.gross, trade.slippage, trade.fx, trade.commission, trade.borrow)
        if trade.opened <= SIZE_EPSILON and all(abs(each) < _CENT_FRACTION for each in earned):
            return None
        row = self._row(trade, when, reason, trade.gross, trade.slippage, trade.fx)
        self.closed_net_eur += row.net_eur
        return row

    def pay_more(self, row: TradeRow | None, fees_eur: float, conversion_eur: float = 0.0) -> None:
        """Add fees, base currency, to the trade that is open or to the closed one of ``row``."""
        if row is None:
            trade = self._require_open()
            trade.commission += fees_eur
            trade.fx -= conversion_eur
            return
        row.commission_eur += fees_eur
        row.fx_eur -= conversion_eur
        row.net_eur -= fees_eur + conversion_eur
        self.closed_net_eur -= fees_eur + conversion_eur

    def charge_borrow(self, fee_eur: float, conversion_eur: float = 0.0) -> None:
        """Add a borrow fee and the cost of converting it, base currency, to the short that is open."""
        trade = self._require_open()
        trade.borrow += fee_eur
        trade.fx -= conversion_eur

    def see_range(self, when: dt.datetime, high: float, low: float, rate: float) -> None:
        """Let a position that was open throughout a bar see its whole range (before a fill at that bar's close)."""
        trade = self._open
        if trade is not None and (trade.entry_time < when or trade.entry_timing is FillTime.OPEN):
            self._excursion(trade, high, rate)
            self._excursion(trade, low, rate)

    def mark(self, when: dt.datetime, high: float, low: float, close: float, rate: float) -> None:
        """End of a bar: last price, excursions and the count of bars."""
        self.last_price = close
        trade = self._open
        if trade is None:
            return
        trade.bars += 1
        self.see_range(when, high, low, rate)
        self._excursion(trade, close, rate)

    def _excursion(self, trade: _Open, price: float, rate: float) -> None:
        result = trade.gross + self.size * (price - self.unslipped_price) * rate
        if result < trade.mae:
            trade.mae = result
        if result > trade.mfe:
            trade.mfe = result

    def open_row(self, rate: float) -> TradeRow | None:
        """The trade under way, valued at the last price and ``rate``; None when flat."""
        if self._open is None:
            return None
        return self._row(self._open, None, "", *self._open_result(self._open, rate))

    def result_eur(self, rate: float) -> float:
        """Net result of all trades, closed and open, at the last price and ``rate``."""
        trade = self._open
        if trade is None:
            return self.closed_net_eur + 0.0
        gross, slippage, fx = self._open_result(trade, rate)
        return self.closed_net_eur + (gross - trade.commission - trade.borrow - slippage + fx)

    def _open_result(self, trade: _Open, rate: float) -> tuple[float, float, float]:
        """Gross, slippage and fx of the trade under way, what is still open at the last price and ``rate``."""
        gross = self.size * (self.last_price - self.unslipped_price)
        slipped = self.size * (self.last_price - self.price)
        fx = self.principal * (rate - self.rate) if self.funded_in_base else 0.0
        return trade.gross + gross * rate, trade.slippage + (gross - slipped) * rate, trade.fx + fx

    def _row(
        self, trade: _Open, exit_time: dt.datetime | None, reason: str, gross: float, slippage: float, fx: float
    ) -> TradeRow:
        return TradeRow(
            trade_id=trade.trade_id,
            strategy=self.unit,
            instrument=self.symbol,
            side="long" if trade.sign > 0 else "short",
            size=trade.opened,
            entry_time=trade.entry_time,
            entry_price=trade.entry_value / trade.opened if trade.opened else math.nan,
            exit_time=exit_time,
            exit_price=trade.exit_value / trade.closed if trade.closed else math.nan,
            gross_eur=gross,
            commission_eur=trade.commission,
            borrow_eur=trade.borrow,
            slippage_eur=slippage,
            fx_eur=fx,
            net_eur=gross - trade.commission - trade.borrow - slippage + fx,
            mae_eur=trade.mae,
            mfe_eur=trade.mfe,
            bars=trade.bars,
            exit_reason=reason,
        )

    def _require_open(self) -> _Open:
        if self._open is None:
            raise LookupError(f"{self.unit}/{self.symbol} is flat: there is no trade to charge or close")
        return self._open
