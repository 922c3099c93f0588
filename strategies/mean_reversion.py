"""Mean reversion on one instrument."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from core.errors import did_you_mean
from core.leaping import EVERY_STEP
from core.orders import ExitReason
from core.steps import Flags
from indicators import ADX, ATR, Bollinger, HalfLife, Hurst, RealisedVol, Regime
from strategies.base import BookStrategy, Off, Period, StrategyParameters, to_tick
from strategies.entries import ENTRIES
from strategies.holding import Holding
from strategies.stretch import Stretch, reached_on
from strategies.wakes import CommonBars, Gate, PassedOver, Watched, forbidden, is_restless, time_wakes

REGIMES = {"bear": -1, "sideways": 0, "bull": 1}  # values of indicators.Regime

Positive = Annotated[float, Field(gt=0.0)]
Fraction = Annotated[float, Field(gt=0.0, lt=1.0)]


class MeanReversionParameters(StrategyParameters):
    """Defaults are the textbooks', not fitted to any sample. Periods are bars; 0 switches a filter off."""

    entry: Literal["bollinger", "zscore", "rsi", "keltner"] = "bollinger"
    side: Literal["long", "short", "both"] = "both"

    bollinger_period: Period = 20
    bollinger_devs: Positive = 2.0
    bollinger_entry: float = 0.0  # %b at or below which long is entered; short from 1 less it
    bollinger_exit: float = 0.5  # %b that is back at the mean for a long; 1 less it for a short
    zscore_period: Period = 20
    zscore_entry: Positive = 2.0
    zscore_exit: float = 0.5
    rsi_period: Period = 2
    rsi_entry: Annotated[float, Field(gt=0.0, lt=50.0)] = 10.0
    rsi_exit: Annotated[float, Field(gt=0.0, lt=100.0)] = 50.0
    keltner_period: Period = 20
    keltner_atr_period: Period = 10
    keltner_mult: Positive = 2.0
    keltner_exit: float = 0.0  # average true ranges from the middle line

    stop: Literal["atr", "fraction"] = "atr"  # there is always one
    stop_atr: Positive = 3.0  # average true ranges from the close of the signal bar
    stop_fraction: Fraction = 0.08  # of that close
    target: Literal["none", "atr", "fraction"] = "none"
    target_atr: Positive = 3.0
    target_fraction: Fraction = 0.05
    atr_period: Period = 14
    time_stop: Off = 3.0  # multiple of the half-life at the signal; 0 = off
    half_life_average: Period = 20  # moving average from which the deviation is taken
    half_life_period: Annotated[int, Field(ge=4)] = 60  # deviations in the estimate
    half_life_min: Positive = 2.0  # bars; the estimate is clamped to [min, max]
    half_life_max: Positive = 20.0  # bars; also stands in where nothing reverts

    adx_max: Off = 30.0
    adx_period: Period = 14
    vol_min: Off = 0.0  # annual fraction
    vol_max: Off = 0.0
    vol_period: Period = 20
    long_regimes: str = ""  # as "bull,sideways"; empty = any
    short_regimes: str = ""
    regime_period: Period = 200
    regime_slope: Annotated[int, Field(ge=1)] = 20
    regime_band: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.02
    hurst_max: Off = 0.0
    hurst_period: Annotated[int, Field(ge=22)] = 100
    bars_per_year: Positive = 252.0

    @field_validator("long_regimes", "short_regimes")
    @classmethod
    def _known(cls, text: str) -> str:
        for name in regimes_in(text):
            if name not in REGIMES:
                raise ValueError(f"unknown regime '{name}'{did_you_mean(name, REGIMES)}")
        return text

    @model_validator(mode="after")
    def _ordered(self) -> MeanReversionParameters:
        entry, leave = ENTRIES[self.entry].levels(self)
        if not leave < entry:
            raise ValueError(f"{self.entry}_exit is no nearer to the mean than the entry: a trade would end at once")
        if self.half_life_min > self.half_life_max:
            raise ValueError(f"half_life_min {self.half_life_min} is above half_life_max {self.half_life_max}")
        if self.vol_max and self.vol_min >= self.vol_max:
            raise ValueError(f"vol_min {self.vol_min} is not below vol_max {self.vol_max}")
        return self


def regimes_in(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


class MeanReversion(BookStrategy):
    """Buys what has fallen too far from its mean and sells what has risen too far, on the bar on which it gets there.

    Entry: the stretch of the family (``strategies.entries``) reaches the entry level on this bar and had not on the
    bar before, so a stopped-out trade is not repeated until the price has been back inside. Filters: ADX ceiling,
    band of realised volatility, regimes, Hurst ceiling; a filter without a value blocks.
    Exits: return to the mean, hard stop and profit target at the broker, time stop after ``time_stop`` half-lives.
    The half-life is that of the deviation of the close from its moving average (AR(1) over ``half_life_period`` bars),
    taken at the signal bar and clamped; bars are counted from the bar of the fill.
    See Chan, *Algorithmic Trading*, ch. 2 and 3; Connors and Alvarez 2009 for RSI(2).
    """

    model = MeanReversionParameters

    @classmethod
    def bars_needed(cls, values: Mapping[str, Any]) -> int:
        p = cls.check(values)
        needed = [indicator.settle_bars(settings) for indicator, settings in cls._used(p).values()]
        if p.time_stop:
            average = Bollinger.settle_bars({"period": p.half_life_average})
            needed.append(average + HalfLife.settle_bars({"period": p.half_life_period}))
        return max(needed) + 1  # one bar before, for the crossing

    @staticmethod
    def _used(p: Any) -> dict[str, tuple[Any, dict[str, Any]]]:
        """Name -> indicator class and its parameters, of those that these parameters ask for."""
        family = ENTRIES[p.entry]
        used: dict[str, tuple[Any, dict[str, Any]]] = {
            "stretch": (family.indicator, family.settings(p)),
            "atr": (ATR, {"period": p.atr_period}),
            "vol": (RealisedVol, {"period": p.vol_period, "bars_per_year": p.bars_per_year}),
        }
        if p.adx_max:
            used["adx"] = (ADX, {"period": p.adx_period})
        if p.long_regimes or p.short_regimes:
            settings = {"period": p.regime_period, "slope": p.regime_slope, "band": p.regime_band}
            used["regime"] = (Regime, settings)
        if p.hurst_max:
            used["hurst"] = (Hurst, {"period": p.hurst_period})
        return used

    def __init__(self) -> None:
        super().__init__()
        self.family = ENTRIES[self.p.entry]
        self.entry_level, self.exit_level = self.family.levels(self.p)  # in the unit of the stretch
        self.stretch = Stretch()
        self.ind = {name: cls(self.data, **settings) for name, (cls, settings) in self._used(self.p).items()}
        if self.p.time_stop:
            average: Any = Bollinger(self.data, period=self.p.half_life_average)
            self.half_life = HalfLife(self.data.close - average.lines.mid, period=self.p.half_life_period)

    def observe(self) -> None:
        self.stretch.move(self.family.stretch(self.ind["stretch"], self.p))

    def decide(self) -> None:
        holding = self.holding(self.data)
        if holding is None:
            self._look_for_entry()
        elif holding.size:
            self._look_for_exit(holding)

    # -- leaping (core.leaping) -----------------------------------------------------------------------------------

    def wake_sets(self) -> dict[str, Flags]:
        entry, leave = self.entry_level, self.exit_level
        bars = CommonBars(self.datas, self._settled, self._first)
        self._watched = watched = Watched(bars, self.family.stretches(self.ind["stretch"], self.p))
        long, short = reached_on(watched.values, watched.before, entry)
        signals = {"long": long, "short": short, "both": long | short}[self.p.side] & bars.decided
        columns = {name: indicator.lines[0].array for name, indicator in self.ind.items()}
        gates = forbidden(
            self,
            signals,
            lambda number: self._gate(1 if long[number] else -1, lambda name: columns[name][bars.at[number]]),
        )
        self.passed_over = PassedOver(watched, gates)
        signals[list(gates)] = False
        return {
            "entry": bars.flags(signals),
            "exit_long": bars.flags(-watched.values <= leave),
            "exit_short": bars.flags(watched.values <= leave),
        }

    def wakes(self) -> list[str | int]:
        holding = self.holding(self.data)
        self.passed_over.is_flat = holding is None
        if not self._watched.bars.is_plain or (holding is not None and is_restless(holding)):
            return [EVERY_STEP]
        if holding is None:
            return ["entry"]
        if not holding.size or holding.exit_reason:
            return []  # its orders will be heard of
        return ["exit_long" if holding.sign > 0 else "exit_short", *time_wakes(self, holding)]

    def leapt(self) -> None:
        self.passed_over.count(self, is_turn=True)
        self._watched.restore(self, self.stretch)

    # -- entry --------------------------------------------------------------------------------------------------

    def _look_for_entry(self) -> None:
        sign = self.signal()
        if not sign:
            return
        if self.is_filtered(sign, self.blocked(sign)):
            return
        close, atr = float(self.data.close[0]), float(self.ind["atr"][0])
        stop = self.stop_for(self.data, sign)
        target = None
        if self.p.target != "none":
            gain = atr * self.p.target_atr if self.p.target == "atr" else close * self.p.target_fraction
            target = to_tick(self.data, close + sign * gain)
        self.plan = self.plan_for(self.data, sign, stop, atr=atr, vol_annual=float(self.ind["vol"][0]))
        size = self.getsizing(self.data, isbuy=sign > 0)
        self.count_size(size)
        holding = self.enter(self.data, sign, size, stop, target, self.p.entry)
        if holding is not None and self.half_life is not None:
            holding.time_limit = self.time_limit(float(self.half_life[0]))

    def stop_for(self, data: Any, sign: int) -> float:
        close = float(data.close[0])
        away = float(self.ind["atr"][0]) * self.p.stop_atr if self.p.stop == "atr" else close * self.p.stop_fraction
        return to_tick(data, close - sign * away)

    def signal(self) -> int:
        """+1 or -1 on the bar on which the stretch reaches the entry level, else 0."""
        sign = self.stretch.reached(self.entry_level)
        return 0 if self.p.side == ("short" if sign > 0 else "long") else sign

    def blocked(self, sign: int) -> Gate | None:
        """The filter that forbids the entry, with its value; None when none does."""
        return self._gate(sign, lambda name: self.ind[name][0])

    def _gate(self, sign: int, value: Callable[[str], float]) -> Gate | None:
        """The same on a bar on which ``value`` gives those of the indicators."""
        p = self.p
        if p.adx_max and not value("adx") <= p.adx_max:
            return "adx", value("adx")
        vol = value("vol")
        if (p.vol_min and not vol >= p.vol_min) or (p.vol_max and not vol <= p.vol_max):
            return "vol", vol
        allowed = regimes_in(p.long_regimes if sign > 0 else p.short_regimes)
        if allowed and value("regime") not in [REGIMES[name] for name in allowed]:
            return "regime", value("regime")
        if p.hurst_max and not value("hurst") <= p.hurst_max:
            return "hurst", value("hurst")
        return None

    # -- exit ---------------------------------------------------------------------------------------------------

    def _look_for_exit(self, holding: Holding) -> None:
        if -holding.sign * self.stretch.now <= self.exit_level:
            self.leave(self.data, ExitReason.MEAN)
        elif self.out_of_time(holding):
            self.leave(self.data, ExitReason.TIME)
