"""Strategies: one idea per file, on a base that protects entries and keeps units apart."""

from __future__ import annotations

from strategies.base import BookStrategy
from strategies.mean_reversion import MeanReversion
from strategies.pairs import PairsTrading

STRATEGIES: dict[str, type[BookStrategy]] = {strategy.__name__: strategy for strategy in (MeanReversion, PairsTrading)}

__all__ = ["STRATEGIES", "BookStrategy", "MeanReversion", "PairsTrading"]
