"""What a strategy and an analyzer say so that the engine may leap over bars.

The engine calls ``next`` of a strategy on the bars on which it may act and on no other. A class that implements none
of this is called on every bar.

**A strategy** (any ``bt.Strategy``) has three methods:

- ``wake_sets()`` is asked once, when all indicators have been computed over all bars. It names sets of bars of the
  strategy's first data: arrays of bool, one item for each bar of that data.
- ``wakes()`` is asked after each call, and before the first. It gives what can make the strategy act from here on,
  until it is asked again: names of sets, whole numbers n > 0 for "in n bars of the first data", and ``EVERY_STEP`` for
  "whichever data moves next". Anything that the strategy is told (order, trade, data, store, timer) makes the engine
  call it on that step, too, and the bar on which the minimum period is reached (``nextstart``) is always called.
- ``leapt()`` is called before a ``next`` that follows bars on which the strategy was not called, with ``len(data)``
  and all lines already on the new bar. It brings the strategy to where calls on all bars before it would have.

A declaration that leaves out a bar changes results. It may name bars on which then nothing happens.

**An analyzer** says ``leaps = True`` where it need not be called on bars that are leapt over. Where it has something to
do for them, a method ``leapt(first, end)`` does it for the steps of a whole stretch at once (``core.steps``). An
analyzer without ``leaps`` must be called on every bar.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import CodeType, FunctionType, MethodType
from typing import Any, Protocol, runtime_checkable

from core.steps import Flags

WakeSets = Mapping[str, Flags]
Wakes = Iterable[str | int]
EVERY_STEP = "*"


@runtime_checkable
class LeapingStrategy(Protocol):
    """A strategy that says when it acts; see the module."""

    def wake_sets(self) -> WakeSets: ...

    def wakes(self) -> Wakes: ...

    def leapt(self) -> None: ...


# What a subclass may bring without a word: the engine calls it on the same bars in any case
HARMLESS = frozenset(
    {
        "notify_order", "notify_trade", "notify_timer", "notify_store", "notify_data", "notify_cashvalue",
        "notify_fund", "log", "start", "stop", "wake_sets", "leapt",
    }
)  # fmt: skip
_LOOKED_UP_BY_NAME = frozenset({"getattr", "hasattr", "vars", "dir", "__dict__", "methodcaller"})


def declares_wakes(strategy: Any) -> bool:
    """Whether a strategy says when it acts: its class, or one above it of which nothing that acts was overridden.

    A method of any kind (property, static, class or cached included) counts as overridden where the class above has it,
    names it in its code, or looks methods up by names that it makes; so does a method bound on the object.
    """
    if not isinstance(strategy, LeapingStrategy):
        return False
    order = type(strategy).__mro__
    declared = next(at for at, cls in enumerate(order) if "wakes" in vars(cls))
    brought = {name for cls in order[:declared] for name, value in vars(cls).items() if _is_method(value)}
    bound = {name for name, value in vars(strategy).items() if isinstance(value, FunctionType | MethodType)}
    acting = {name for name in brought if _may_act(name)} - {"wakes"}
    if any(_may_act(name) and hasattr(type(strategy), name) for name in bound - {"wakes"}):
        return False
    if any(hasattr(order[declared], name) for name in acting):
        return False
    if not acting:
        return True
    named = {name for cls in order[declared:] if not _is_stock(cls) for name in _names_in(cls)}
    return named.isdisjoint(acting | _LOOKED_UP_BY_NAME)


def _is_method(value: Any) -> bool:
    return not isinstance(value, type) and (callable(value) or hasattr(type(value), "__get__"))


def _may_act(name: str) -> bool:
    is_special = name.startswith("__") and name not in ("__getattr__", "__getattribute__")
    return name not in HARMLESS and not is_special


def _is_stock(cls: type) -> bool:
    return cls is object or cls.__module__.startswith("backtrader.")


def _names_in(cls: type) -> Iterator[str]:
    """Names and texts in the code of a class's methods."""
    codes = []
    for value in vars(cls).values():
        parts = (value, *(getattr(value, part, None) for part in ("fget", "fset", "func", "__func__")))
        codes += [part.__code__ for part in parts if isinstance(part, FunctionType)]
    while codes:
        code = codes.pop()
        yield from code.co_names
        yield from (each for each in code.co_consts if isinstance(each, str))
        codes += [each for each in code.co_consts if isinstance(each, CodeType)]


def hears_last(ear: Any) -> bool:
    """Whether a strategy or an analyzer needs only the last of the notices of an order that come together.

    That is: of an order that was sent, accepted and filled since it was last told of, the fill. It says so by
    ``hears_last = True`` in the class that has its ``notify_order``; a subclass that overrides it declares anew.
    """
    declared: Any = next((cls for cls in type(ear).__mro__ if "hears_last" in vars(cls)), None)
    children: Any = getattr(ear, "_children", ())
    if declared is None or not ear.hears_last or children:
        return False
    return bool(type(ear).notify_order is declared.notify_order and "notify_order" not in vars(ear))


def can_leap(analyzer: Any) -> bool:
    """Whether an analyzer need not be called on bars that are leapt over, its children included.

    ``leaps`` counts in the class that defines it and in those below it that leave the per-bar methods as they are:
    a subclass that overrides ``next`` declares anew. It may be a property, asked once the analyzer has started.
    """
    declared: Any = next((cls for cls in type(analyzer).__mro__ if "leaps" in vars(cls)), None)
    if declared is None or not analyzer.leaps:
        return False
    for name in ("next", "prenext", "nextstart", "notify_cashvalue", "notify_fund", "leapt"):
        if getattr(type(analyzer), name, None) is not getattr(declared, name, None):
            return False
    return all(can_leap(child) for child in getattr(analyzer, "_children", ()))


def leapt_of(analyzer: Any) -> list[Callable[[int, int], None]]:
    """``leapt`` of the children of an analyzer that can leap, and its own: what must be told of steps leapt over."""
    found = [leapt for child in getattr(analyzer, "_children", ()) for leapt in leapt_of(child)]
    return found if getattr(analyzer, "leapt", None) is None else [*found, analyzer.leapt]
