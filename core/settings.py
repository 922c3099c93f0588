"""Settings: frozen pydantic models, one for each table of the TOML file.

``core.config`` reads them from a file; nothing here touches the disk or the environment.
Units: fractions (0.02 = 2%), annual rates as fractions, money in the account's currency (EUR)
unless the name says otherwise, costs in basis points where the name ends in ``_bps``.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
NonNegative = Annotated[float, Field(ge=0.0)]
Positive = Annotated[float, Field(gt=0.0)]
PositiveInt = Annotated[int, Field(ge=1)]
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
ParameterValue = bool | int | float | str
CATALOG = "catalog"  # the data.source that knows what its instruments are


class Table(BaseModel):
    """A table of the settings: frozen, and without room for keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, validate_default=True)


class AccountSettings(Table):
    """The account, what its owner wants of it, and how it is margined."""

    currency: Literal["EUR"] = "EUR"  # every name that ends in _eur counts on it
    capital: Positive = 100_000.0  # money at the start, account currency
    daily_target_eur: Positive = 50.0  # wanted net result of a session
    max_drawdown_tolerated: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.20  # fraction of the peak
    risk_free: Annotated[float, Field(ge=-0.1, le=0.5)] = 0.0  # annual fraction, for Sharpe and Sortino
    initial_margin: Annotated[float, Field(gt=0.0, le=1.0)] = 0.5  # fraction of gross exposure (Reg T overnight)


class DataSettings(Table):
    """Where bars come from and which of them are used."""

    source: str = "sample"  # a name in feeds.SOURCES
    folder: str = ""  # csv: one SYMBOL.csv each; relative to the settings file
    bar: Literal["1d", "1h", "1m", "1s"] = "1d"
    adjustment: Literal["raw", "split", "total"] = "total"  # catalog only: for splits and spin-offs, or dividends too
    hours: Literal["regular", "all"] = "regular"  # intraday bars outside the exchange's session: left out, or used
    matching_bar: Literal["1d", "1h", "1m", "1s"] = "1s"  # matching = "ibkr" only: bars on which orders are filled
    start: dt.date | None = None  # first session used, inclusive
    end: dt.date | None = None  # last session used, inclusive

    @model_validator(mode="after")
    def _ordered(self) -> DataSettings:
        if self.start and self.end and self.start >= self.end:
            raise ValueError(f"start {self.start} is not before end {self.end}")
        return self


class InstrumentSettings(Table):
    """What an instrument is and what trading it costs."""

    currency: Currency = "USD"
    exchange: str = "XNYS"  # ISO 10383 code, as in exchange_calendars
    kind: Literal["stock", "etf", "index"] = "stock"
    schedule: str = "ibkr_us_fixed"  # a name in books.fees.SCHEDULES
    tick: Positive = 0.01  # smallest price step
    shortable: bool = True
    borrow_rate: NonNegative = 0.005  # annual fraction of the collateral mark
    half_spread_bps: NonNegative = 1.0  # half of the quoted spread, for slippage.model = "half_spread"
    tradable_eu: bool = True  # an EU retail account may buy it (a KID exists)
    file: str = ""  # csv: overrides folder/SYMBOL.csv


class StrategySettings(Table):
    """One strategy: its class, what it trades, its share of the capital and its parameters."""

    strategy: str  # a class name in strategies.STRATEGIES
    instruments: tuple[str, ...] = ()  # single-instrument strategies: one unit each
    pairs: tuple[tuple[str, str], ...] = ()  # pair strategies: one unit each
    allotment: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0  # fraction of account.capital, shared by the units
    sizer: str = ""  # a class name in sizers.SIZERS; empty = the strategy's own default
    parameters: dict[str, ParameterValue] = Field(default_factory=dict)
    sizing: dict[str, ParameterValue] = Field(default_factory=dict)  # parameters of the sizer

    @model_validator(mode="after")
    def _one_kind(self) -> StrategySettings:
        if bool(self.instruments) == bool(self.pairs):
            raise ValueError("give either 'instruments' or 'pairs'")
        for first, second in self.pairs:
            if first == second:
                raise ValueError(f"a pair needs two instruments, got {first} twice")
        units = self.instruments or self.pairs
        if len(set(units)) != len(units):
            raise ValueError(f"an instrument or pair is named twice: {units}")
        return self

    @property
    def units(self) -> tuple[tuple[str, ...], ...]:
        """The symbols of each unit: ``(("SPX",), ("IXIC",))`` or ``(("SPX", "IXIC"),)``."""
        return self.pairs or tuple((symbol,) for symbol in self.instruments)


class SlippageSettings(Table):
    """How far fills of market and stop orders are from the bar's price."""

    model: Literal["none", "bps", "half_spread", "volume_share"] = "half_spread"
    bps: NonNegative = 0.0  # "bps": of the price, against the order
    volume_limit: Annotated[float, Field(gt=0.0, le=1.0)] = 0.025  # "volume_share": most of a bar's volume
    price_impact: NonNegative = 0.1  # "volume_share": impact = price_impact * share**2 * price


class FeeSettings(Table):
    """Regulatory and exchange fees with the date on which they were taken from the public pages."""

    as_of: dt.date = dt.date(2024, 9, 1)
    overnight_new_order: bool = True  # an order's fills on a later date owe the minimum anew, as at IBKR
    sec_per_value: NonNegative = 0.0000278  # of the value of sales
    finra_taf_per_share: NonNegative = 0.000166  # of shares sold
    cat_per_share: NonNegative = 0.000072
    clearing_per_share: NonNegative = 0.00020  # tiered only
    nyse_pass_through: NonNegative = 0.000175  # of the commission, tiered only
    finra_pass_through: NonNegative = 0.000565  # of the commission, tiered only
    exchange_remove_per_share: float = 0.0030  # tiered only, orders that take liquidity
    exchange_add_per_share: float = -0.0020  # tiered only, orders that add liquidity (a rebate is negative)
    eu_exchange_per_value: NonNegative = 0.000048  # tiered only (IBIS: 0.96 on 20,000)
    eu_clearing_per_order: NonNegative = 0.18  # tiered only, in the instrument's currency
    eu_regulatory_per_value: NonNegative = 0.0000005  # tiered only (0.01 on 20,000)


class FxSettings(Table):
    """Exchange rates against the account currency and what happens to foreign balances."""

    policy: Literal["borrow", "sweep"] = "borrow"
    rates: dict[str, Positive] = Field(default_factory=lambda: {"USD": 0.90})  # EUR for one unit, constant
    files: dict[str, str] = Field(default_factory=dict)  # currency -> CSV date,rate (EUR for one unit)
    conversion: Literal["spot", "auto"] = "spot"  # spot order, or IBKR's automatic conversion
    auto_markup: NonNegative = 0.0003


class InterestSettings(Table):
    """Interest on balances by currency: benchmark plus spread by tiers, days / 360 (or 365)."""

    benchmarks: dict[str, Annotated[float, Field(ge=-0.05, le=1.0)]] = Field(
        default_factory=lambda: {"EUR": 0.02, "USD": 0.03}
    )  # annual, constant
    files: dict[str, str] = Field(default_factory=dict)  # currency -> CSV date,rate (annual fraction)
    credit: bool = False  # True: credits above the first 10,000 earn the benchmark less credit_spread
    credit_spread: NonNegative = 0.005


class CostSettings(Table):
    """Everything that trading costs. ``enabled = false`` is a frictionless account."""

    enabled: bool = True
    slippage: SlippageSettings = SlippageSettings()
    fees: FeeSettings = FeeSettings()
    fx: FxSettings = FxSettings()
    interest: InterestSettings = InterestSettings()


class KillSwitchSettings(Table):
    """What ends trading for good, and what then happens."""

    max_drawdown: Annotated[float, Field(gt=0.0, le=1.0)] = 0.20  # fraction of the equity peak
    flatten: bool = False  # True: close positions at market; their protective orders stay until then
    rearm_sessions: Annotated[int, Field(ge=0)] = 0  # backtest only: 0 = stays latched


class ThrottleSettings(Table):
    """Scale entries down, then stop them, as volatility rises."""

    enabled: bool = True
    series: str = ""  # symbol of a volatility index in percent points (VIX); empty = realised
    lag: Annotated[int, Field(ge=0)] = 1  # sessions; 1 = the previous session's value
    max_age_sessions: PositiveInt = 5  # an older value falls back to realised volatility
    realised_sessions: Annotated[int, Field(ge=2)] = 20
    scale_above: Positive = 0.25  # annual volatility from which the scale falls below 1 ...
    stop_above: Positive = 0.45  # ... and from which entries stop
    min_scale: Fraction = 0.25  # the scale just below stop_above

    @model_validator(mode="after")
    def _ordered(self) -> ThrottleSettings:
        if self.scale_above >= self.stop_above:
            raise ValueError(f"scale_above {self.scale_above} is not below stop_above {self.stop_above}")
        return self


class ProtectionSettings(Table):
    """Pauses after losses. 0 switches a rule off."""

    cooldown_sessions: Annotated[int, Field(ge=0)] = 0  # after a stop-out, for the instrument
    guard_stops: Annotated[int, Field(ge=0)] = 0  # this many stop-outs ...
    guard_window_sessions: PositiveInt = 20  # ... within this window ...
    guard_pause_sessions: PositiveInt = 5  # ... pause all entries for this long
    lock_loss_eur: NonNegative = 0.0  # an instrument that lost more than this ...
    lock_window_sessions: PositiveInt = 60  # ... within this window ...
    lock_sessions: PositiveInt = 20  # ... is locked for this long


class LegSettings(Table):
    """When one leg of a pair is filled and the other is not. Counts where orders are matched within a bar."""

    timeout_seconds: Positive = 30.0  # a naked leg above max_naked_eur may stand so long
    max_naked_eur: NonNegative = 0.0  # value of one leg that the other does not answer, account currency
    action: Literal["unwind", "hedge"] = "unwind"  # close what is naked, or first try once more to fill the other leg
    accept_without_stops: bool = False  # live: pairs whose legs have no disaster stop at the broker


class RiskSettings(Table):
    """Limits of the order gate. Fractions are of equity; ``None`` switches a limit off."""

    enabled: bool = True
    max_trade_risk: Positive | None = 0.02  # entry to stop; an order without a stop risks its notional
    max_trade_notional: Positive | None = 0.50
    max_open_positions: PositiveInt | None = 10
    max_gross_exposure: Positive | None = 1.5
    max_net_exposure: Positive | None = 1.0
    max_daily_loss: Fraction | None = 0.03
    max_daily_loss_eur: Positive | None = None
    max_weekly_loss: Fraction | None = 0.06
    max_weekly_loss_eur: Positive | None = None
    kill_switch: KillSwitchSettings = KillSwitchSettings()
    throttle: ThrottleSettings = ThrottleSettings()
    protections: ProtectionSettings = ProtectionSettings()
    legs: LegSettings = LegSettings()


class PeriodSettings(Table):
    """A named stretch of history that is reported apart."""

    start: dt.date
    end: dt.date

    @model_validator(mode="after")
    def _ordered(self) -> PeriodSettings:
        if self.start >= self.end:
            raise ValueError(f"start {self.start} is not before end {self.end}")
        return self


class RegimeSettings(Table):
    """Bull, bear or sideways: the benchmark against its average and the average's slope."""

    benchmark: str = ""  # symbol; empty = the first instrument
    average_sessions: Annotated[int, Field(ge=20)] = 200
    slope_sessions: PositiveInt = 20
    band: Fraction = 0.02  # within this distance of the average the market is sideways


class ReportSettings(Table):
    """What the report computes."""

    bootstrap_samples: Annotated[int, Field(ge=100)] = 2_000
    confidence: Annotated[float, Field(gt=0.5, lt=1.0)] = 0.95
    seed: int = 7
    min_trades: PositiveInt = 30  # fewer closed trades of a strategy are no evidence
    tear_sheet: bool = True


class LiveSettings(Table):
    """Trading through Interactive Brokers. Nothing in it changes what a strategy decides."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 4002  # 4002 IB Gateway paper, 4001 real; TWS 7497, 7496
    client_id: Annotated[int, Field(ge=0)] = 1  # always the same: another one sees other orders
    account: str = ""  # a real-money account must be named; a paper account only where the log-in has several
    qualification: str = ""  # file that allows real money; empty = paths.state/qualification.toml
    zone: str = "America/New_York"  # time zone of this TWS: its midnight is how far back executions reach
    on_stop: Literal["keep", "flatten"] = "keep"  # keep positions and their protective orders, or close them
    flatten_seconds: Positive = 60.0  # how long a flatten may take before it is given up and told
    stream: Literal["realtime", "update"] = "realtime"  # bars of 5 seconds, or IBKR's own bars (keepUpToDate)
    delayed_data: bool = False  # True: entries on delayed data are allowed
    stale_seconds: Positive = 15.0  # silence of a stream within the session after which it is asked for anew
    grace_seconds: NonNegative = 2.0  # how long a bar waits for the other instruments of its units
    outlier: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.2  # a jump of more holds entries back until bars confirm it
    fx: Literal["broker", "settings"] = "broker"  # whose exchange rates the book is kept at
    what_if_eur: NonNegative = 50_000.0  # orders from this value on are asked for their margin first; 0 = none
    record: bool = True  # keep each day for `halflife replay`

    @field_validator("zone")
    @classmethod
    def _is_a_zone(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (LookupError, ValueError, OSError):  # unknown, no name at all, a folder of names
            raise ValueError(f'"{zone}" is no time zone; write one as America/New_York or Europe/Berlin') from None
        return zone


class PathSettings(Table):
    """Folders, relative to the working directory."""

    results: str = "results"  # a folder for each run is made in it
    catalog: str = "catalog"  # the bars that ``halflife data`` keeps
    state: str = "state"  # the trial ledger, journals, logs, and what live trading keeps


class LoggingSettings(Table):
    """Console and rotating file."""

    console: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "WARNING"
    file: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    max_bytes: PositiveInt = 10_000_000
    backups: Annotated[int, Field(ge=0)] = 3


class Settings(Table):
    """All settings of a run. Made by ``core.config.load_settings``."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")] = "desk"
    engine: Literal["fast", "stock"] = "fast"  # engine.Cerebro or backtrader's own; the results are the same
    execution: Literal["next_open", "next_close"] = "next_open"
    matching: Literal["bar", "ibkr"] = "bar"  # on the bars themselves, or as IBKR does, on data.matching_bar
    account: AccountSettings = AccountSettings()
    data: DataSettings = DataSettings()
    instruments: dict[str, InstrumentSettings]  # data.source = "catalog" completes it: see feeds.complete
    strategies: dict[str, StrategySettings] = Field(min_length=1)
    costs: CostSettings = CostSettings()
    risk: RiskSettings = RiskSettings()
    periods: dict[str, PeriodSettings] = Field(default_factory=dict)
    regimes: RegimeSettings = RegimeSettings()
    report: ReportSettings = ReportSettings()
    paths: PathSettings = PathSettings()
    live: LiveSettings = LiveSettings()
    logging: LoggingSettings = LoggingSettings()

    @model_validator(mode="before")
    @classmethod
    def _tables_are_tables(cls, values: Any) -> Any:
        for key in ("instruments", "strategies", "periods"):
            if isinstance(values, dict) and key in values and not isinstance(values[key], dict):
                raise ValueError(f"'{key}' is a table of tables: [{key}.NAME]")
        data = values.get("data") if isinstance(values, dict) else None
        source = data.get("source") if isinstance(data, dict) else getattr(data, "source", None)
        return {"instruments": {}, **values} if source == CATALOG else values

    @model_validator(mode="after")
    def _has_instruments(self) -> Settings:
        if not self.instruments and self.data.source != CATALOG:
            raise ValueError("instruments is empty; add a table [instruments.SYMBOL] for each symbol")
        return self

    @property
    def units(self) -> dict[str, tuple[str, tuple[str, ...]]]:
        """Unit name -> (strategy name, symbols). A unit is one strategy instance with its own book.

        A strategy with one unit gives the unit its own name, else ``name:SYMBOL`` or ``name:A-B``.
        """
        units: dict[str, tuple[str, tuple[str, ...]]] = {}
        for name, strategy in self.strategies.items():
            for symbols in strategy.units:
                unit = name if len(strategy.units) == 1 else f"{name}:{'-'.join(symbols)}"
                units[unit] = (name, symbols)
        return units

    @property
    def traded_symbols(self) -> tuple[str, ...]:
        """Symbols that some strategy trades, in the order in which they are named."""
        return tuple(dict.fromkeys(s for _, symbols in self.units.values() for s in symbols))

    @property
    def wanted_symbols(self) -> tuple[str, ...]:
        """Symbols whose bars a run needs: the traded ones, then the throttle's series and the regimes' benchmark."""
        references = (self.risk.throttle.series, self.regimes.benchmark)
        return tuple(dict.fromkeys((*self.traded_symbols, *(symbol for symbol in references if symbol))))
