"""Pairs trading: two instruments, one position."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, model_validator

from core.leaping import EVERY_STEP
from core.orders import ExitReason
from core.steps import Flags, Floats
from indicators import (
    Cointegration,
    Correlation,
    HalfLife,
    HedgeKalman,
    HedgeOLS,
    HedgeTLS,
    RealisedVol,
    ZScore,
)
from sizers import PairPlan, PairSizer
from strategies.base import BookStrategy, Off, Period, StrategyParameters, to_tick
from strategies.holding import Holding
from strategies.stretch import Stretch, latched_on, reached_on
from strategies.wakes import CommonBars, Gate, PassedOver, Watched, forbidden, is_restless, time_wakes

Positive = Annotated[float, Field(gt=0.0)]
HEDGES = {"ols": HedgeOLS, "tls": HedgeTLS, "kalman": HedgeKalman}


class PairsTradingParameters(StrategyParameters):
    """Defaults are of the kind the literature uses, not fitted to a sample. Periods are bars; 0 switches a gate off."""

    hedge: Literal["ols", "tls", "kalman"] = "ols"
    log_prices: bool = True  # regress logarithms: the ratio is in value, not in units
    hedge_period: Annotated[int, Field(ge=3)] = 60
    zscore_period: Period = 60  # spreads in the z-score (ols, tls)
    # The filter's noises are in the units of the prices. For logarithms of daily prices these give forecast errors
    # of about the size that the filter expects; for prices as they are, Chan's 1e-4 and 1e-3 are a start.
    kalman_delta: Annotated[float, Field(gt=0.0, lt=1.0)] = 1e-7
    kalman_obs_var: Positive = 1e-5
    kalman_memory: Annotated[int, Field(ge=0)] = 252  # bars; so that a restart changes nothing; 0 = all
    neutrality: Literal["beta", "dollar"] = "beta"

    entry_z: Positive = 2.0
    exit_z: Annotated[float, Field(ge=0.0)] = 0.5
    stop_z: Off = 4.0
    disaster_stop: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.10  # of the close, on each leg, at the broker; 0 = none
    time_stop: Off = 3.0  # multiple of the half-life of the spread at the signal
    leg_timeout: Annotated[int, Field(ge=1)] = 2  # bars after the first fill by which both legs must be filled

    coint_max: Annotated[float, Field(ge=0.0, le=1.0)] = 0.10  # p-value ceiling for entries
    coint_exit: Annotated[float, Field(ge=0.0, le=1.0)] = 0.0  # p-value above which a pair is closed
    coint_period: Annotated[int, Field(ge=8)] = 252
    half_life_period: Annotated[int, Field(ge=4)] = 60
    half_life_min: Off = 1.0  # bars: band for entries ...
    half_life_max: Off = 30.0  # ... and the clamp of the time stop
    correlation_min: Annotated[float, Field(ge=0.0, le=1.0)] = 0.5
    correlation_period: Period = 60
    vol_period: Period = 20
    bars_per_year: Positive = 252.0

    @model_validator(mode="after")
    def _ordered(self) -> PairsTradingParameters:
        if not self.exit_z < self.entry_z:
            raise ValueError(f"exit_z {self.exit_z} is not below entry_z {self.entry_z}, so a trade would end at once")
        if self.stop_z and self.stop_z <= self.entry_z:
            raise ValueError(f"stop_z {self.stop_z} is not above entry_z {self.entry_z}, so a trade would end at once")
        if self.half_life_max and self.half_life_min > self.half_life_max:
            raise ValueError(f"half_life_min {self.half_life_min} is above half_life_max {self.half_life_max}")
        if self.time_stop and not self.half_life_max:
            raise ValueError("time_stop needs half_life_max, which bounds it; set time_stop = 0 or half_life_max > 0")
        if self.coint_exit and self.coint_exit < self.coint_max:
            raise ValueError(f"coint_exit {self.coint_exit} is below coint_max {self.coint_max}; raise it")
        return self


class PairsTrading(BookStrategy):
    """Sells the dear leg and buys the cheap one when their spread is stretched; y = data0, x = data1.

    The spread is y - beta * x - alpha by rolling least squares, total least squares or a Kalman filter. ``z`` is the
    spread's rolling z-score (ols, tls) or the filter's forecast error over its standard deviation (kalman).
    Entry: |z| reaches ``entry_z`` on this bar and had not on the bar before, the gates hold and beta is positive.
    Gates: rolling cointegration p-value, half-life of the least-squares spread, correlation of returns; one without a
    value blocks.
    Exits: z back within ``exit_z``, spread stop at ``stop_z``, time, loss of cointegration, other leg gone. Once |z|
    has been at ``stop_z`` there is no entry until it has come back within ``exit_z``: a rule about the data alone, so
    a restart does not forget it.
    Both legs share ``trade``; each has a wide disaster stop at the broker, unless that is off. When one leg is refused
    or stopped, or an entry still works ``leg_timeout`` bars after the first fill, the rest is cancelled or closed on
    the same bar.
    See Gatev, Goetzmann and Rouwenhorst 2006; Chan, *Algorithmic Trading*, ch. 3; Engle and Granger 1987.
    """

    model = PairsTradingParameters
    default_sizer = PairSizer
    data_count = 2
    stop_reason = ExitReason.DISASTER_STOP

    @classmethod
    def bars_needed(cls, values: Mapping[str, Any]) -> int:
        p = cls.check(values)
        hedge = HEDGES[p.hedge].settle_bars(cls._hedge_settings(p))
        needed = [
            hedge,
            max(p.hedge_period, hedge) + HalfLife.settle_bars({"period": p.half_life_period}),
            RealisedVol.settle_bars({"period": p.vol_period}),
        ]
        if p.hedge != "kalman":
            needed.append(hedge + ZScore.settle_bars({"period": p.zscore_period}))
        if p.coint_max or p.coint_exit:
            needed.append(Cointegration.settle_bars({"period": p.coint_period}))
        if p.correlation_min:
            needed.append(Correlation.settle_bars({"period": p.correlation_period}))
        return max(needed) + 1  # one bar before, for the crossing

    @staticmethod
    def _hedge_settings(p: Any) -> dict[str, Any]:
        if p.hedge == "kalman":
            noises = {"delta": p.kalman_delta, "obs_var": p.kalman_obs_var}
            return {**noises, "log": p.log_prices, "memory": p.kalman_memory}
        return {"period": p.hedge_period, "log": p.log_prices}

    def __init__(self) -> None:
        super().__init__()
        p = self.p
        self.y, self.x = self.datas
        self.hedge: Any = HEDGES[p.hedge](self.y, self.x, **self._hedge_settings(p))
        spread = self.hedge.lines.spread
        self.zscore: Any = None
        if p.hedge == "kalman":  # a filter's forecast errors are nearly white: their half-life tells nothing
            fit: Any = HedgeOLS(self.y, self.x, period=p.hedge_period, log=p.log_prices)
            self.half_life = HalfLife(fit.lines.spread, period=p.half_life_period)
        else:
            self.zscore = ZScore(spread, period=p.zscore_period)
            self.half_life = HalfLife(spread, period=p.half_life_period)
        self.coint: Any = None
        self.correlation: Any = None
        if p.coint_max or p.coint_exit:
            self.coint = Cointegration(self.y, self.x, period=p.coint_period, log=p.log_prices)
        if p.correlation_min:
            self.correlation = Correlation(self.y, self.x, period=p.correlation_period)
        self.vols = [RealisedVol(data, period=p.vol_period, bars_per_year=p.bars_per_year) for data in self.datas]
        self.stretch = Stretch()  # z on common bars
        self._stopped = False  # |z| has been at stop_z and not yet back within exit_z

    def z(self) -> float:
        if self.zscore is not None:
            return float(self.zscore[0])
        std = float(self.hedge.lines.spread_std[0])
        return float(self.hedge.lines.spread[0]) / std if std > 0 else math.nan

    def observe(self) -> None:
        z = self.z()
        self.stretch.move(z)
        if abs(z) <= self.p.exit_z:
            self._stopped = False
        elif self.p.stop_z and abs(z) >= self.p.stop_z:
            self._stopped = True

    def decide(self) -> None:
        y, x = (self.holding(data) for data in self.datas)
        if y is None and x is None:
            self._look_for_entry()
        elif y is not None and x is not None:
            self._look_for_exit(y)

    # -- leaping (core.leaping) -----------------------------------------------------------------------------------

    def _z_values(self) -> Floats:
        """``z`` on every bar of y."""
        if self.zscore is not None:
            return np.array(self.zscore.lines[0].array)
        spread, std = (np.array(line.array) for line in (self.hedge.lines.spread, self.hedge.lines.spread_std))
        with np.errstate(all="ignore"):
            return np.where(std > 0, spread / std, np.nan)

    def wake_sets(self) -> dict[str, Flags]:
        p = self.p
        bars = CommonBars(self.datas, self._settled, self._first)
        self._watched = watched = Watched(bars, self._z_values())
        z, far = watched.values, p.stop_z or math.inf
        self._stopped_on = latched_on(np.abs(z) >= far, np.abs(z) <= p.exit_z)
        long, short = reached_on(z, watched.before, p.entry_z)
        signals = (long | short) & bars.decided
        gates = forbidden(self, signals, self._gate_on)
        self.passed_over = PassedOver(watched, gates)
        signals[list(gates)] = False
        lost = np.array(self.coint.lines[0].array)[bars.at] > p.coint_exit if p.coint_exit else np.False_
        return {
            "entry": bars.flags(signals),
            "exit_long": bars.flags((z >= -p.exit_z) | (z <= -far) | lost),
            "exit_short": bars.flags((-z >= -p.exit_z) | (-z <= -far) | lost),
        }

    def wakes(self) -> list[str | int]:
        y, x = legs = [self.holding(data) for data in self.datas]
        self.passed_over.is_flat = y is None and x is None
        if not self._watched.bars.is_plain or any(leg is not None and is_restless(leg) for leg in legs):
            return [EVERY_STEP]
        if y is None and x is None:
            return ["entry"]
        if y is None or x is None or bool(y.exit_reason) != bool(x.exit_reason):
            return [EVERY_STEP]  # see watch
        if y.exit_reason:
            return []  # its orders will be heard of
        if (y.entry is not None or x.entry is not None) and (y.entered or x.entered):
            return [EVERY_STEP]  # see _late
        return ["exit_long" if y.sign > 0 else "exit_short", *time_wakes(self, y)]

    def leapt(self) -> None:
        self.passed_over.count(self, is_turn=True)
        number = self._watched.restore(self, self.stretch)
        self._stopped = number >= 0 and bool(self._stopped_on[number])

    # -- entry --------------------------------------------------------------------------------------------------

    def _look_for_entry(self) -> None:
        p, z = self.p, self.stretch.now
        sign = self.stretch.reached(p.entry_z)  # of leg y
        if not sign:
            return
        if self.is_filtered(sign, self.blocked(z)):
            return
        stops = [self.stop_for(data, way) for data, way in ((self.y, sign), (self.x, -sign))]
        plans = [
            self.plan_for(data, way, stop, vol_annual=float(vol[0]))
            for data, way, stop, vol in zip(self.datas, (sign, -sign), stops, self.vols, strict=True)
        ]
        self.plan = PairPlan(plans[0], plans[1], hedge_ratio=self.units_of_x(plans), neutrality=p.neutrality)
        size = self._sizer.pair_size(self.y, self.x, self.plan)
        self.count_size(size.y and size.x)
        if not (size.y and size.x):
            return
        trade = self.trade_id()
        self.log("pair", self.y, trade=trade, z=z, beta=float(self.hedge.lines.beta[0]), y=size.y, x=size.x,
                 residual_eur=size.residual_eur, residual=size.residual_fraction)  # fmt: skip
        for data, way, units, stop in zip(self.datas, (sign, -sign), (size.y, size.x), stops, strict=True):
            leg = self.enter(
                data, way, units, stop, reason=p.hedge, trade=trade, stop_reason=self.stop_reason,
                batch=trade, batch_size=2,
            )  # fmt: skip
            if leg is not None:
                leg.time_limit = self.time_limit(float(self.half_life[0]))

    @property
    def has_stops(self) -> bool:
        return bool(self.p.disaster_stop)

    def stop_for(self, data: Any, sign: int) -> float | None:
        away = float(self.p.disaster_stop)
        return to_tick(data, float(data.close[0]) * (1 - sign * away)) if away else None

    def blocked(self, z: float) -> Gate | None:
        """What forbids an entry, with its value; None when nothing does."""
        return self._gate(z, self._stopped, lambda line: float(line[0]))

    def _gate_on(self, number: int) -> Gate | None:
        """The same on any common bar, once the indicators are computed."""
        watched = self._watched
        bar, z, stopped = watched.bars.at[number], float(watched.values[number]), bool(self._stopped_on[number])
        return self._gate(z, stopped, lambda line: float(line.array[bar]))

    def _gate(self, z: float, stopped: bool, value: Callable[[Any], float]) -> Gate | None:
        p, beta = self.p, value(self.hedge.lines.beta)
        if not (math.isfinite(beta) and beta > 0):
            return "hedge_ratio", beta
        if stopped:
            return "spread_stop", z
        if p.coint_max and not value(self.coint.lines.p_value) <= p.coint_max:
            return "cointegration", value(self.coint.lines.p_value)
        half_life = value(self.half_life.lines.half_life)
        if not half_life >= p.half_life_min or (p.half_life_max and not half_life <= p.half_life_max):
            return "half_life", half_life
        if p.correlation_min and not value(self.correlation.lines.correlation) >= p.correlation_min:
            return "correlation", value(self.correlation.lines.correlation)
        return None

    def units_of_x(self, plans: list[Any]) -> float:
        """Units of x that hedge one unit of y: beta as it is, or from values where logarithms were regressed."""
        beta = float(self.hedge.lines.beta[0])
        return beta * plans[0].unit_value / plans[1].unit_value if self.p.log_prices else beta

    # -- exit ---------------------------------------------------------------------------------------------------

    def _look_for_exit(self, leg: Holding) -> None:
        p, side = self.p, leg.sign * self.stretch.now  # side: below 0 while the spread is away from its mean
        if side >= -p.exit_z:
            self._leave_both(ExitReason.MEAN)
        elif p.stop_z and side <= -p.stop_z:
            self._leave_both(ExitReason.SPREAD_STOP)
        elif p.coint_exit and self.coint[0] > p.coint_exit:
            self._leave_both(ExitReason.COINTEGRATION)
        elif self.out_of_time(leg):
            self._leave_both(ExitReason.TIME)

    def _leave_both(self, reason: str) -> None:
        for data in self.datas:
            self.leave(data, reason)

    # -- the pair is one position -------------------------------------------------------------------------------

    def watch(self) -> None:
        legs = [self.holding(data) for data in self.datas]
        for data, leg, other in ((self.y, *legs), (self.x, *legs[::-1])):
            if leg is None or leg.exit_reason:
                continue
            if other is None or other.exit_reason or self._late(leg, other):
                self.leave(data, ExitReason.OTHER_LEG)

    def _late(self, leg: Holding, other: Holding) -> bool:
        """Whether an entry still works too long after the first fill of the pair."""
        bars = max(leg.bars, other.bars)
        if bars < self.p.leg_timeout or (leg.entry is None and other.entry is None):
            return False
        self.log("leg_timeout", leg.data, trade=leg.trade, bars=bars)
        return True
