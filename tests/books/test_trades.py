"""Trade rows worked by hand."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from books.trades import Fill, FillTime, TradeBook, TradeRow


def day(number: int) -> dt.datetime:
    return dt.datetime(2024, 1, number, 21, tzinfo=dt.UTC)


def fill(number: int, size: float, price: float, unslipped: float | None = None, **other: Any) -> Fill:
    known = {"fees": 0.0, "rate": 1.0, **other}
    return Fill("one/AAA", day(number), size, price, price if unslipped is None else unslipped, **known)


def closed(row: TradeRow | None) -> TradeRow:
    assert row is not None
    return row


def test_two_entries_and_two_exits_are_one_row() -> None:
    """Buy 10 at 100.1 (bar 100) and 30 at 104.4 (104); sell 20 at 109.8 (110) and 20 at 99.5 (100).

    Unslipped average 103, filled average 103.325. Gross 20*7 - 20*3 = 80; filled 20*6.475 - 20*3.825 = 53; slippage 27.
    """
    book = TradeBook("one", "AAA", "EUR", funded_in_base=False)
    assert book.fill(fill(2, 10, 100.1, 100.0)) is None
    assert book.fill(fill(3, 30, 104.4, 104.0)) is None
    assert book.price == pytest.approx(103.325) and book.principal == pytest.approx(4133.0)
    assert book.fill(fill(4, -20, 109.8, 110.0)) is None
    row = closed(book.fill(fill(5, -20, 99.5, 100.0, reason="mean")))
    assert (row.side, row.size, row.exit_reason) == ("long", 40, "mean")
    assert (row.entry_price, row.exit_price) == pytest.approx((103.325, 104.65))
    assert (row.gross_eur, row.slippage_eur, row.net_eur) == pytest.approx((80.0, 27.0, 53.0))
    assert (row.entry_time, row.exit_time) == (day(2), day(5))
    assert book.size == 0 and book.open_row(1.0) is None


def test_a_fill_through_zero_closes_one_trade_and_opens_the_next() -> None:
    """Short 10 at 50, buy 25 at 48 with fees of 5: 10/25 of them are the short's, the rest the new long's."""
    book = TradeBook("one", "AAA", "EUR", funded_in_base=False)
    book.fill(fill(2, -10, 50.0, fees=1.0))
    row = closed(book.fill(fill(3, 25, 48.0, fees=5.0)))
    assert (row.side, row.size, row.gross_eur, row.commission_eur) == ("short", 10, 20.0, 1.0 + 2.0)
    after = closed(book.open_row(1.0))
    assert (after.side, after.size, after.entry_price, after.commission_eur) == ("long", 15, 48.0, 3.0)
    assert after.trade_id != row.trade_id


def test_the_currency_of_a_borrowed_and_of_a_swept_position() -> None:
    """10 at USD 100, sold at 110; a dollar is EUR 0.90, then 0.80.

    Borrowed: 100 dollars of result at 0.80 = 80. Swept: the principal of 1,000 lost 0.10 on each dollar on top: -100,
    and so did the half that is bought at 0.85 by half as much.
    """
    borrowed = TradeBook("one", "AAA", "USD", funded_in_base=False)
    borrowed.fill(fill(2, 10, 100.0, rate=0.9))
    row = closed(borrowed.fill(fill(3, -10, 110.0, rate=0.8)))
    assert (row.gross_eur, row.fx_eur, row.net_eur) == pytest.approx((80.0, 0.0, 80.0))
    swept = TradeBook("one", "AAA", "USD", funded_in_base=True)
    swept.fill(fill(2, 5, 100.0, rate=0.90, conversion_eur=2.0))
    swept.fill(fill(2, 5, 100.0, rate=0.85))
    assert closed(swept.open_row(0.8)).fx_eur == pytest.approx(-500 * 0.10 - 500 * 0.05 - 2.0)
    row = closed(swept.fill(fill(3, -10, 110.0, rate=0.8, conversion_eur=1.0)))
    assert (row.gross_eur, row.fx_eur) == pytest.approx((80.0, -75.0 - 3.0))
    assert row.net_eur == pytest.approx(2.0)


def test_excursions_see_the_bars_of_the_trade_and_nothing_else() -> None:
    """Bought at the open of a bar of 99 to 103, next bar 96 to 104, stopped at 95 inside the third bar."""
    book = TradeBook("one", "AAA", "EUR", funded_in_base=False)
    book.fill(fill(2, 1, 100.0))
    book.mark(day(2), 103.0, 99.0, 101.0, 1.0)
    book.mark(day(3), 104.0, 96.0, 97.0, 1.0)
    row = closed(book.fill(fill(4, -1, 95.0, timing=FillTime.INTRABAR, reason="stop")))
    assert (row.mae_eur, row.mfe_eur, row.bars) == (-5.0, 4.0, 2)


def test_an_entry_at_the_close_has_not_seen_its_bar() -> None:
    book = TradeBook("one", "AAA", "EUR", funded_in_base=False)
    book.fill(fill(2, 1, 100.0, timing=FillTime.CLOSE))
    book.mark(day(2), 150.0, 50.0, 100.0, 1.0)
    row = closed(book.fill(fill(3, -1, 101.0)))
    assert (row.mae_eur, row.mfe_eur, row.bars) == (0.0, 1.0, 1)


def test_borrow_fees_belong_to_the_open_short() -> None:
    book = TradeBook("one", "AAA", "EUR", funded_in_base=False)
    book.fill(fill(2, -10, 50.0))
    book.charge_borrow(0.5)
    book.charge_borrow(0.25, conversion_eur=0.05)
    row = closed(book.fill(fill(5, 10, 49.0)))
    assert (row.borrow_eur, row.fx_eur) == (0.75, -0.05)
    assert row.net_eur == pytest.approx(10.0 - 0.75 - 0.05)
    with pytest.raises(LookupError, match="flat"):
        book.charge_borrow(1.0)
