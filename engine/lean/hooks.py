"""Which analyzers listen to what: calls that would reach only empty methods are left out.

Why it is exact: a method that is ``Analyzer``'s own does nothing but call its children, so an analyzer is silent on a
hook when it and all its children have stock's methods for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import backtrader as bt
from backtrader.analyzers import TradeAnalyzer

NEXT = ("_next", "_prenext", "_nextstart", "next", "prenext", "nextstart")
ACCOUNT = ("_notify_cashvalue", "notify_cashvalue", "_notify_fund", "notify_fund")
ORDER = ("_notify_order", "notify_order")
TRADE = ("_notify_trade", "notify_trade")


def overrides(thing: Any, stock: type, names: tuple[str, ...]) -> bool:
    """Whether a class, or an instance, brings one of the methods itself."""
    cls = type(thing)
    return any(getattr(cls, name, None) is not getattr(stock, name) or name in vars(thing) for name in names)


def _listens(analyzer: bt.Analyzer, names: tuple[str, ...]) -> bool:
    if "_deferral" in vars(analyzer):
        return names is TRADE and analyzer.__class__ is TradeAnalyzer  # fed later, but it gathers its trades
    return overrides(analyzer, bt.Analyzer, names) or any(_listens(child, names) for child in analyzer._children)


def listeners(analyzers: Iterable[bt.Analyzer], names: tuple[str, ...]) -> list[bt.Analyzer]:
    """Those of the analyzers that do something on a hook, in their order."""
    return [analyzer for analyzer in analyzers if _listens(analyzer, names)]


def direct(analyzer: Any, name: str) -> Callable[..., None]:
    """What a hook comes to: the method ``name`` itself where the analyzer has no children that are told, too."""
    inner = f"_{name}"
    is_alone = not getattr(analyzer, "_children", ()) and not overrides(analyzer, bt.Analyzer, (inner,))
    found: Callable[..., None] = getattr(analyzer, name if is_alone else inner)
    return found
