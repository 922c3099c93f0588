"""The base of all strategies: a unit with its own datas, checked parameters and settled indicators."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, final

from backtrader import date2num
from backtrader.lineroot import LineRoot
from backtrader.observers import DataTrades
from backtrader.strategy import MetaStrategy
from pydantic import Field

from core.errors import StrategyError
from core.naming import REFERENCE_UNIT, symbol_of
from core.orders import ExitReason
from core.parameters import Parameters, check, declared
from sizers import CappedSizer, EntryPlan, FixedRisk, PairPlan, PairSizer
from strategies.holding import Holding
from strategies.orders import ProtectedOrders
from strategies.recover import recover
from strategies.wakes import Gate

Off = Annotated[float, Field(ge=0.0)]  # a limit that 0 switches off
Period = Annotated[int, Field(ge=2)]


class StrategyParameters(Parameters):
    """What every strategy has."""

    unit: str = ""  # only datas with this ``unit`` are the strategy's; empty = all but reference datas
    allotment_eur: Off = 0.0  # capital of this unit, account currency; 0 = the broker's value
    trade_from: dt.datetime | None = None  # aware; bars before it settle indicators and are not decided on


class _OwnDatas(MetaStrategy):
    """Checks parameters and keeps only the unit's datas before backtrader sees either.

    Filtering later would leave the clock, minimum periods and line aliases on other units' datas.
    """

    def __new__(meta, name: str, bases: tuple[type, ...], body: dict[str, Any]) -> Any:
        return super().__new__(meta, name, bases, declared(name, body))

    def donew(cls, *args: Any, **kwargs: Any) -> Any:
        checked = cls.check(kwargs)
        datas = [arg for arg in args if isinstance(arg, LineRoot)]
        others = [arg for arg in args if not isinstance(arg, LineRoot)]
        own = [data for data in datas if _belongs(data, checked.unit)]
        cls.check_datas(own, datas, checked)
        return super().donew(*own, *others, **checked.model_dump())

    def dopreinit(cls, _obj: Any, *args: Any, **kwargs: Any) -> Any:
        _obj, args, kwargs = super().dopreinit(_obj, *args, **kwargs)
        _obj._sizer = cls.default_sizer()
        return _obj, args, kwargs


def _belongs(data: Any, unit: str) -> bool:
    own = getattr(data, "unit", "")
    return bool(own == unit if unit else own != REFERENCE_UNIT)


class BookStrategy(ProtectedOrders, metaclass=_OwnDatas):
    """A unit that trades its own datas. A subclass gives ``model``, ``bars_needed`` and ``decide``.

    Works in any Cerebro: without ``unit`` it trades all datas. ``decide`` is called once on each bar that all datas
    of the unit have at the same time, after the indicators have settled; other units' bars do not reach it. What must
    be known of earlier bars is gathered by ``observe``, which the bars before have too.
    Nothing survives a restart but what the broker and the bars know (see ``strategies.recover``).
    """

    model: ClassVar[type[StrategyParameters]] = StrategyParameters
    default_sizer: ClassVar[type[CappedSizer]] = FixedRisk
    data_count: ClassVar[int] = 1
    half_life: Any = None  # indicator of the time stop, on the first data
    stop_reason: ClassVar[ExitReason] = ExitReason.STOP  # of the stop that an entry carries

    # -- what can be checked before a run -----------------------------------------------------------------------

    @classmethod
    def check(cls, values: Mapping[str, Any]) -> Any:
        """Return the completed parameters (an instance of ``model``). Raises UnknownNameError or StrategyError."""
        unit = values.get("unit")
        return check(cls.model, values, f"{cls.__name__} ({unit})" if unit else cls.__name__)

    @classmethod
    def bars_needed(cls, values: Mapping[str, Any]) -> int:
        """Bars of each data until the indicators that these parameters ask for have settled."""
        raise NotImplementedError

    @classmethod
    def check_sizer(cls, sizer: type) -> None:
        """Raise StrategyError where ``sizer`` cannot size this strategy's entries."""
        if issubclass(sizer, PairSizer) != issubclass(cls.default_sizer, PairSizer):
            raise StrategyError(
                f"{cls.__name__} cannot be sized by {sizer.__name__}; "
                f"leave the sizer out to have {cls.default_sizer.__name__}"
            )

    @classmethod
    def check_datas(cls, own: list[Any], every: list[Any], checked: StrategyParameters) -> None:
        """Raise StrategyError unless the unit has as many datas as the strategy trades."""
        if len(own) != cls.data_count:
            units = sorted({str(getattr(data, "unit", "")) for data in every})
            raise StrategyError(
                f"{cls.__name__} trades {cls.data_count} data(s), but {len(own)} carry unit '{checked.unit}'; "
                f"set the parameter 'unit' to one of {units} or the attribute 'unit' of the datas"
            )

    # -- life cycle ---------------------------------------------------------------------------------------------

    def __init__(self) -> None:
        super().__init__()
        self.plan: EntryPlan | PairPlan | None = None  # what the sizer needs for the entry under way
        self._settled = self.bars_needed(self.p._getkwargs())
        self._is_settled = False
        self._first = date2num(self.p.trade_from) if self.p.trade_from else 0.0  # backtrader day number
        self._observed = 0  # len(data0) at the last common bar
        self._lengths: list[int] = []  # of all datas of the Cerebro
        self._started = self._is_begun = False
        self.passed_over: Any = None  # strategies.wakes.PassedOver, in a run that leaps

    def start(self) -> None:
        self._lengths = [len(data) for data in self.env.datas]
        self.check_sizer(type(self._sizer))

    @final
    def next(self) -> None:
        if not self._is_begun:
            self._recover()
        if self.holdings:
            for holding in list(self.holdings.values()):
                self.mend(holding)
        self.watch()
        if self._is_new() and self.data.datetime[0] >= self._first and self._has_settled():
            self.plan = None
            for holding in list(self.holdings.values()) if self.holdings else ():
                self._give_stop(holding)
            self.decide()

    @property
    def has_stops(self) -> bool:
        """Whether entries carry a stop at the broker, by the strategy's parameters."""
        return True

    def stop_for(self, data: Any, sign: int) -> float | None:
        """Where the strategy puts the stop of an entry (``sign``: +1 long) at this bar's close; None: there is no rule
        that needs no more than the bars."""
        return None

    def _give_stop(self, holding: Holding) -> None:
        """Units that were given to the unit have no stop of their own: they have the one of an entry on this bar."""
        is_waiting = holding.entry is not None or holding.exit is not None or holding.exit_reason
        if not holding.is_taken_over or holding.is_bare or holding.stop_price is not None or is_waiting:
            return
        price = self.stop_for(holding.data, holding.sign) if self.has_stops and holding.size else None
        if price is not None and math.isfinite(price) and price > 0:
            holding.stop_price, holding.stop_reason = price, str(self.stop_reason)
            self.mend(holding)

    def _recover(self) -> None:
        """Take up what was held before: a broker with bars before ``trade_from`` knows of it from then on."""
        is_first, self._started = not self._started, True
        self._is_begun = bool(self.data.datetime[0] >= self._first)
        if self.p.unit and (is_first or self._is_begun):  # a data without unit may hold another strategy's position
            self.holdings.update(recover(self))

    def taken_up(self, data: Any) -> Holding | None:
        """Also before the first bar that counts, of what an earlier run has left."""
        if not self._is_begun and self.p.unit and data._name not in self.holdings:
            self.holdings.update(recover(self))
        return self.holding(data)

    def _stop(self) -> None:
        if self.passed_over is not None:
            self.passed_over.count(self, is_turn=False)
        super()._stop()

    def _has_settled(self) -> bool:
        if not self._is_settled:
            self._is_settled = min(map(len, self.datas)) >= self._settled
        return self._is_settled

    @final
    def prenext(self) -> None:
        self._is_new()

    def _is_new(self) -> bool:
        """Whether this is the first call on a bar that all datas have; then it is observed."""
        length = len(self.data)
        if length == self._observed:
            return False
        for data in self.datas[1:]:
            if not len(data) or data.datetime[0] != self.data.datetime[0]:
                return False
        self._observed = length
        self.observe()
        return True

    def watch(self) -> None:
        """Called on every bar of any data of the Cerebro, before ``decide``: what cannot wait for a common bar."""

    def observe(self) -> None:
        """Called once on each common bar, before ``decide`` and before anything has settled: values may be NaN."""

    def decide(self) -> None:
        """Look at the bar that has just closed and call ``enter`` or ``leave``."""
        raise NotImplementedError

    def notify_stray(self, order: Any) -> None:
        """A fill that came after the end of its order, or an exit that was taken back, has left a position that nobody
        wants: it is closed."""
        if self._is_begun and self.p.unit and self.getposition(order.data).size:
            found = recover(self).get(order.data._name)
            if found is not None and found.exit is None:
                self.holdings[order.data._name] = found
                self.leave(order.data, ExitReason.SIGNAL)

    # -- what becomes of a signal -------------------------------------------------------------------------------

    def is_filtered(self, sign: int, gate: Gate | None) -> bool:
        """Count a signal to go ``sign`` and whether a gate forbids it."""
        if gate is None:
            self.tally.signals += 1
            return False
        self.tally.filter(gate[0])
        self.log("filtered", self.data, sign=sign, why=f"{gate[0]} {gate[1]:.4g}")
        return True

    def count_size(self, size: float) -> None:
        """Count a signal for which the sizer had nothing."""
        if not size:
            self.tally.not_sized[getattr(self._sizer, "refused_by", "") or type(self._sizer).__name__] += 1

    # -- time stop ----------------------------------------------------------------------------------------------

    def out_of_time(self, holding: Holding) -> bool:
        """Whether a position is ``time_stop`` half-lives old, those of its signal bar, counted from its fill.

        For strategies with ``half_life`` and the parameters ``time_stop``, ``half_life_min`` and ``half_life_max``.
        """
        if not (self.p.time_stop and holding.entered):
            return False
        if not holding.time_limit:  # recovered: look back, as far as the bars are kept
            line = self.half_life.lines.half_life
            holding.time_limit = self.time_limit(float(line[-min(holding.bars + 1, line.idx)]))
        return holding.bars >= holding.time_limit

    def time_limit(self, half_life: float) -> int:
        """Bars that a trade may take; ``half_life_max`` stands in where nothing reverts."""
        if not self.p.time_stop:
            return 0
        bars = half_life if math.isfinite(half_life) else self.p.half_life_max
        clamped = min(max(bars, self.p.half_life_min), self.p.half_life_max)
        return math.ceil(self.p.time_stop * clamped * (1.0 - 1e-12))  # 1.1 * 10 is 11 bars, not 12

    def _clk_update(self) -> int:
        # In stock next mode a strategy moves with its own datas and fails while none of them has a bar, in runonce
        # mode it moves with any data of the Cerebro. Here both do the latter.
        if self._oldsync:
            return int(super()._clk_update())
        lengths = [len(data) for data in self.env.datas]
        if any(new > old for new, old in zip(lengths, self._lengths, strict=True)):
            self.forward()
        self.lines.datetime[0] = max(data.datetime[0] for data in self.env.datas if len(data))
        self._lengths = lengths
        return len(self)

    def _addobserver(self, multi: bool, obscls: Any, *args: Any, **kwargs: Any) -> None:
        if multi or not issubclass(obscls, DataTrades):
            super()._addobserver(multi, obscls, *args, **kwargs)
            return
        # its lines are numbered by the place of a data in the Cerebro, not among the strategy's datas
        name = kwargs.pop("obsname", "") or obscls.__name__.lower()
        self.stats.append(obscls(*self.env.datas, *args, **kwargs), name)

    # -- money --------------------------------------------------------------------------------------------------

    def label(self) -> str:
        return self.p.unit or type(self).__name__

    def capital_eur(self) -> float:
        """What this unit may put at work: its allotment plus its own result, else the broker's value."""
        if not self.p.allotment_eur:
            return float(self.broker.getvalue())
        account = getattr(self.broker, "account", None)
        result = float(account.result_eur(self.p.unit)) if account is not None else 0.0
        return max(0.0, self.p.allotment_eur + result)

    def plan_for(self, data: Any, sign: int, stop_price: float | None, **known: float) -> EntryPlan:
        """The plan of an entry on ``data`` at its last close. ``known``: vol_annual, atr."""
        gate = getattr(self.broker, "gate", None)
        rate = getattr(self.broker, "fx_rate", None)
        return EntryPlan(
            sign=sign,
            price=float(data.close[0]),
            stop_price=stop_price,
            rate=float(rate(data)) if rate is not None else 1.0,
            capital_eur=self.capital_eur(),
            scale=float(gate.scale(symbol_of(data))) if gate is not None else 1.0,
            **known,
        )


def to_tick(data: Any, price: float) -> float:
    """``price`` on the instrument's price grid, where the data has an instrument."""
    instrument = getattr(data, "instrument", None)
    if instrument is None:
        return price
    return float(round(round(price / instrument.tick) * instrument.tick, 10))
