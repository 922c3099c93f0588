"""Bars: the columnar feed, the sources, and their checks."""

from feeds.bars import RawBars, Request, Source
from feeds.catalog_source import complete
from feeds.columnar import BarArrays, ColumnarData
from feeds.history import History
from feeds.hours import bars_in_session
from feeds.loader import SOURCES, get_source, load
from feeds.quality import check_bars, require_bars, require_overlap

__all__ = [
    "SOURCES",
    "BarArrays",
    "ColumnarData",
    "History",
    "RawBars",
    "Request",
    "Source",
    "bars_in_session",
    "check_bars",
    "complete",
    "get_source",
    "load",
    "require_bars",
    "require_overlap",
]
