"""Bars from plain CSV files: one file for each symbol."""
from __future__ import annotations

from collections.abc import Sequence

from core.settings import Settings
from feeds.history import SourceBars


class CsvSource:
    def symbols(self, settings: Settings) -> Sequence[str]:
        return ()

    def load(self, settings: Settings, symbols: Sequence[str]) -> SourceBars:
        return SourceBars({}, [])
