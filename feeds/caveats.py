"""What is wrong with the bars of any source, for all that it could know: sentences for every report."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from core.settings import CATALOG, Settings

JUMP = 0.40  # close-to-close change, fraction, from which a split or an error is likelier than news
_SHOWN = 5


def caveats(settings: Settings, frames: Mapping[str, pd.DataFrame]) -> list[str]:
    """Survivorship, unadjusted prices and suspicious jumps of what is traded. ``frames``: checked bars."""
    of_kind: dict[str, list[str]] = {"stock": [], "etf": [], "index": []}
    for symbol in settings.traded_symbols:
        of_kind[settings.instruments[symbol].kind].append(symbol)
    notes = []
    if of_kind["index"]:
        notes.append(
            f"{', '.join(of_kind['index'])}: an index cannot be bought, and what follows it has costs and a tracking "
            "error of its own. An index drops the companies that fail and adds those that rise (survivorship), so it "
            "looks better than a fixed list of shares bought at the start would have been; dividends are not in the "
            "level of a price index."
        )
    shares = of_kind["stock"] + of_kind["etf"]
    if shares:
        notes.append(
            f"{', '.join(shares)}: a source cannot know which companies failed and which funds closed; a list of "
            "symbols chosen today leaves them out (survivorship), so results look better than they were to be had."
        )
        if settings.data.source != CATALOG:  # which says itself what it has adjusted
            notes.append(
                f"{', '.join(shares)}: prices are taken as the source has them; nothing is adjusted for splits and "
                "dividends here."
            )
    return notes + [note for symbol in settings.traded_symbols for note in _jumps(symbol, frames[symbol])]


def _jumps(symbol: str, bars: pd.DataFrame) -> list[str]:
    close = bars["close"].to_numpy()
    change = close[1:] / close[:-1] - 1.0
    at = np.flatnonzero(np.abs(change) > JUMP)
    if not len(at):
        return []
    first = ", ".join(f"{bars.index[i + 1]:%Y-%m-%d} {change[i]:+.0%}" for i in at[:_SHOWN])
    more = ", ..." if len(at) > _SHOWN else ""
    closes = "1 close is" if len(at) == 1 else f"{len(at)} closes are"
    return [
        f"{symbol}: {closes} more than {JUMP:.0%} from the close before ({first}{more}): a split that the prices are "
        "not adjusted for, or an error; it counts as a gain or a loss."
    ]
