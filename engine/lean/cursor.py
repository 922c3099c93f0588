"""Lines that share a cursor.

Stock backtrader keeps an index and a length in every line and moves each of them on every bar. In a run over preloaded
bars all lines of a data, and of the indicators that it clocks, stand on the same bar, and length is index + 1. So here
they look at one ``Cursor``, and moving a bar is one assignment.

Why it is exact: a line is tied only where stock would move it in step with its cursor, from "before the first bar".
Whatever sets a line's own index or length (``rewind``, ``forward``, ``home``, ``reset``, by whomever) first unties the
whole run: every line gets the index and length that stock would have given it, and the run goes on in stock's way.

No backtrader class is changed. The objects of this run get a subclass, whose instances say that their ``__class__`` is
the stock class, and lose it again when the run ends. ``type(line)`` is the only thing that tells. What an object must
remember for the length of a run is in its ``__dict__`` under names that begin with ``_halflife_``: the classes are the
users' own, who may have a ``_cursor`` themselves.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar, cast
from weakref import WeakValueDictionary

from backtrader.lineroot import LineRoot

set_class: Callable[[Any, type], None] = object.__dict__["__class__"].__set__


class Breakable(Protocol):
    """What unties a run; see ``ties.Ties``."""

    def break_off(self) -> None: ...


class Cursor:
    """The bar on which lines stand: an index into their arrays, -1 before the first bar."""

    __slots__ = ("idx", "ties")

    def __init__(self, ties: Breakable) -> None:
        self.idx = -1
        self.ties = ties


_Cached = TypeVar("_Cached", bound=Callable[..., Any])


def remembered(function: _Cached) -> _Cached:
    """``lru_cache`` that keeps the signature: types are hashable, whatever mypy thinks of backtrader's."""
    return cast(_Cached, functools.lru_cache(maxsize=1024)(function))


class _Untold:
    """First base of lean classes: what a user does for each new subclass of his (``__init_subclass__``) is not done."""

    def __init_subclass__(cls) -> None:
        pass


_made: WeakValueDictionary[tuple[int, int], type] = WeakValueDictionary()  # ids of the two classes -> the lean one


def lean_class(cls: Any, methods: Any) -> type:
    """A subclass with the members of ``methods``; nobody else keeps it, so it is gone when it is used no longer."""
    made = _made.get((id(cls), id(methods)))
    if made is None:
        body: dict[str, Any] = {}
        for base in reversed(methods.__mro__[:-1]):
            body |= {name: member for name, member in vars(base).items() if name not in _NO_MEMBERS}
        made = _made[id(cls), id(methods)] = _subclass(cls, body)
    return made


def watching_class(cls: type, write: Callable[[Any, str, Any], None], members: Mapping[str, Any]) -> type:
    """A subclass of ``cls`` whose instances hand every write to ``write``. Copies and pickles of them are stock's."""

    def reduce(thing: Any, protocol: Any) -> Any:
        plain: Any = object.__new__(cls)
        plain.__dict__.update(thing.__dict__)
        return plain.__reduce_ex__(protocol)

    return _subclass(cls, {**members, "__setattr__": write, "__reduce_ex__": reduce})


def real_dict(cls: type) -> Callable[[Any], dict[str, Any]]:
    """How to get at the ``__dict__`` of instances of a class, whatever a subclass says it is."""
    found: Any = next(vars(base)["__dict__"] for base in cls.__mro__ if "__dict__" in vars(base))
    get: Callable[[Any], dict[str, Any]] = found.__get__
    return get


def _subclass(cls: type, body: dict[str, Any]) -> type:
    """A subclass that says it is ``cls``, made past backtrader's metaclasses, which keep registers."""
    body |= {
        "__class__": property(lambda self: cls),
        "__module__": cls.__module__,
        "__qualname__": cls.__qualname__,
        "__doc__": cls.__doc__,
        "__slots__": (),
    }
    made: type = type.__new__(type(cls), cls.__name__, (_Untold, cls), body)
    return made


_NO_MEMBERS = {"__dict__", "__weakref__", "__module__", "__doc__", "__slots__", "__qualname__"}


def _stand(line: Any) -> int:
    return int(line._halflife_cursor.idx)


def _go(line: Any, idx: int) -> None:
    line._halflife_cursor.ties.break_off()
    line._idx = idx


def _length(line: Any) -> int:
    return int(line._halflife_cursor.idx) + 1


def _lengthen(line: Any, length: int) -> None:
    line._halflife_cursor.ties.break_off()
    line.lencount = length


def _comparison(name: str) -> Callable[[Any, Any], Any]:
    compare = getattr(operator, name)
    stock = getattr(LineRoot, name)

    def method(self: Any, other: Any) -> Any:
        if self._opstage == 1:
            return stock(self, other)
        if isinstance(other, LineRoot):
            other = other[0]
        return compare(self[0], other)

    method.__name__ = name
    return method


class _Comparable:
    """Comparisons by value, as in stage 2 of ``LineRoot``; before that stage stock makes lines of them."""

    __lt__ = _comparison("__lt__")
    __gt__ = _comparison("__gt__")
    __le__ = _comparison("__le__")
    __ge__ = _comparison("__ge__")
    __eq__ = _comparison("__eq__")
    __ne__ = _comparison("__ne__")
    __hash__ = object.__hash__


class LeanLine(_Comparable):
    """A line that stands where its cursor stands."""

    _idx = property(_stand, _go)
    lencount = property(_length, _lengthen)

    def __getitem__(self: Any, ago: int) -> Any:
        return self.array[self._halflife_cursor.idx + ago]

    def __setitem__(self: Any, ago: int, value: float) -> None:
        self.array[self._halflife_cursor.idx + ago] = value
        for binding in self.bindings:
            binding[ago] = value

    def __len__(self: Any) -> int:
        return int(self._halflife_cursor.idx) + 1


class LeanDataLine(LeanLine):
    """A line of a data. What was read from the feed stays in ``tick_*`` when a strategy writes over it, so who writes
    has the rest of the run stock's way."""

    def __setitem__(self: Any, ago: int, value: float) -> None:
        self._halflife_cursor.ties.break_off()
        self[ago] = value

    def set(self: Any, value: float, ago: int = 0) -> None:
        self._halflife_cursor.ties.break_off()
        self[ago] = value


class LeanSeries(_Comparable):
    """Lines of a data or an indicator that stand where one cursor stands."""

    def __getitem__(self: Any, key: int) -> Any:
        return self._halflife_first[key]

    def __len__(self: Any) -> int:
        return int(self._halflife_cursor.idx) + 1


class LeanData(LeanSeries):
    """A data whose ``tick_*`` are looked up when read: stock writes eight of them on every bar."""

    def __getattr__(self: Any, name: str) -> Any:
        if name.startswith("tick_"):
            ticks = self.__dict__.get("_halflife_ticks", {})
            if name in ticks:
                idx = self._halflife_cursor.idx
                if idx >= 0:
                    line = ticks[name]
                    return line.array[idx] if idx + 1 < line.buflen() else None  # stock: None on the last bar
                if name in self._halflife_old_ticks:
                    return self._halflife_old_ticks[name]
        return self.__class__.__getattr__(self, name)
