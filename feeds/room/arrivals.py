"""What bars say of themselves as they come in that nobody should learn from a backtest first."""

from __future__ import annotations

from collections.abc import Iterator

from core.calendar import ExchangeCalendar
from core.clock import Clock
from feeds.bars import RawBars
from feeds.checks import RULES
from feeds.checks.rows import Rows

TOLD_AT_ONCE = ("odd_date", "not_daily", "exchanged")  # rules about a file as a whole: its dates, size and columns


def doubt_bars(bars: RawBars, exchange: str, clock: Clock | None = None) -> Iterator[str]:
    """A note on columns without one value, and for each of these rules that the bars break, with its cure.

    Such bars are stored all the same. ``exchange``: whose sessions count.
    ``clock`` (None: the machine's) tells which bars are of the future; a session that has begun is not.
    """
    if not len(bars.frame):
        return
    rows = Rows(bars.symbol, bars.bar, bars.frame, ExchangeCalendar(exchange), (), clock)
    if rows.lacking:
        yield f"not one bar has a {' or a '.join(rows.lacking)}, and no run takes such bars: bring it, with --replace."
    for name in TOLD_AT_ONCE:
        yield from (f"{hit.detail}." for hit in RULES[name].find(rows))
