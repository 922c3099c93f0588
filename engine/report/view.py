"""What the report reads of a result, and the frames that its tables and pictures share.

A result is anything with the attributes of ``Result``; ``engine.results.RunResult`` is the one that runs make.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import pandas as pd

from analyzers.sessions import session_equity, session_pnl, sessions_of, utc
from core.calendar import ExchangeCalendar, desk_calendar
from core.errors import CalendarError
from core.settings import Settings
from engine.report import formats

TRADE_COLUMNS = (
    "trade_id", "strategy", "instrument", "side", "size", "entry_time", "entry_price", "exit_time", "exit_price",
    "gross_eur", "commission_eur", "borrow_eur", "slippage_eur", "fx_eur", "net_eur", "mae_eur", "mfe_eur", "bars",
    "exit_reason",
)  # fmt: skip
EQUITY_COLUMNS = ("equity_eur", "cash_eur", "gross_exposure_eur", "net_exposure_eur")
ORDER_COLUMNS = (
    "ref", "unit", "strategy", "instrument", "role", "reason", "kind", "side", "size", "price", "limit", "created",
    "done", "status", "filled", "average_price", "commission_eur", "refusal", "detail",
)  # fmt: skip
CALENDAR_MARGIN = pd.Timedelta(days=14)  # a bar after the last close belongs to a session that is still to come


class Result(Protocol):
    """A run as the report sees it. Times UTC, money in the account's currency; see ``docs/results.md``."""

    @property
    def settings(self) -> Settings: ...
    @property
    def equity(self) -> pd.DataFrame:
        """EQUITY_COLUMNS on each bar."""

    @property
    def strategy_equity(self) -> Mapping[str, pd.Series]:
        """Strategy name -> allotment plus net result on each bar."""

    @property
    def trades(self) -> pd.DataFrame:
        """TRADE_COLUMNS of closed trades, a row for each instrument."""

    @property
    def open_trades(self) -> pd.DataFrame:
        """The same columns for positions open at the end, without an exit."""

    @property
    def orders(self) -> pd.DataFrame:
        """ORDER_COLUMNS, refused orders too."""

    @property
    def bars(self) -> Mapping[str, pd.DataFrame]:
        """Symbol -> open, high, low, close, volume."""

    @property
    def summary(self) -> Mapping[str, Any]:
        """What summary.json holds."""

    @property
    def notes(self) -> Sequence[str]:
        """Sentences on what is wrong with the sample."""

    @property
    def events(self) -> Sequence[Any]:
        """Dated events of the risk gate."""

    @property
    def partial(self) -> bool:
        """True when the run was interrupted."""

    @property
    def seconds(self) -> float: ...


def table(summary: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """A part of the summary; an empty one when it is absent or null."""
    part = summary.get(key)
    return part if isinstance(part, Mapping) else {}


def strategy_of(settings: Settings, unit: str) -> str:
    """The strategy that a unit belongs to; a name that is no unit stays."""
    return settings.units[unit][0] if unit in settings.units else unit


def strategy_names(result: Result) -> list[str]:
    """Names in the order of the settings."""
    known = table(result.summary, "strategies")
    return [name for name in result.settings.strategies if name in known or name in result.strategy_equity]


def trade_frame(result: Result, frame: pd.DataFrame | None = None) -> pd.DataFrame:
    """Closed trades (or ``frame``) with TRADE_COLUMNS, UTC times, and the extra columns ``unit`` and ``name``.

    ``unit`` is the owner of the book, ``name`` the strategy that the unit belongs to.
    """
    given = (result.trades if frame is None else frame).reset_index(drop=True)
    trades = given.reindex(columns=list(TRADE_COLUMNS))
    for column in ("entry_time", "exit_time"):
        trades[column] = utc(trades[column])
    units = given["unit" if "unit" in given else "strategy"].astype("object")
    names = {unit: strategy_of(result.settings, str(unit)) for unit in units.unique()}
    return trades.assign(unit=units, name=units.map(names))


def round_trips(trades: pd.DataFrame) -> pd.DataFrame:
    """One row for each trade, the legs of a pair together, in order of exit.

    Columns: name, unit, trade_id, label, side, entry_time, exit_time, net_eur, mae_eur, mfe_eur, bars, exit_reason.
    Side is that of the first leg. Excursions of a pair are the sums over its legs, so they are bounds: the legs need
    not have been at their worst at the same time.
    """
    if trades.empty:
        columns = ["name", "unit", "trade_id", "label", "side", "entry_time", "exit_time", "net_eur"]
        return pd.DataFrame(columns=[*columns, "mae_eur", "mfe_eur", "bars", "exit_reason"])
    grouped = trades.groupby(["name", "unit", "trade_id"], sort=False, observed=True)
    rows = grouped.agg(
        label=("instrument", " / ".join),
        side=("side", "first"),
        entry_time=("entry_time", "min"),
        exit_time=("exit_time", "max"),
        net_eur=("net_eur", "sum"),
        mae_eur=("mae_eur", "sum"),
        mfe_eur=("mfe_eur", "sum"),
        bars=("bars", "max"),
        exit_reason=("exit_reason", "first"),
    )
    return rows.reset_index().sort_values("exit_time", kind="stable", ignore_index=True)


def costs_of(trades: pd.DataFrame) -> pd.Series:
    """What each trade row paid: commission, borrow and slippage, less currency gains."""
    return trades["commission_eur"] + trades["borrow_eur"] + trades["slippage_eur"] - trades["fx_eur"]


def gross_equity(net: pd.Series, trades: pd.DataFrame) -> pd.Series:
    """Equity with the costs of closed trades added back from their exits on."""
    closed = trades.dropna(subset=["exit_time"]).sort_values("exit_time")
    if closed.empty or net.empty:
        return net
    paid = np.concatenate(([0.0], costs_of(closed).fillna(0.0).to_numpy(dtype=float).cumsum()))
    return net + paid[utc(closed["exit_time"]).searchsorted(utc(net.index), side="right")]


def drawdown(equity: pd.Series, start: float | None = None) -> pd.Series:
    """Fall from the running peak as a fraction <= 0; ``start`` is the capital before the first bar."""
    peak = equity.cummax()
    if start is not None:
        peak = peak.clip(lower=start)
    with np.errstate(all="ignore"):
        return (equity / peak - 1.0).where(peak > 0.0)


def session_calendar(result: Result) -> ExchangeCalendar | None:
    """The desk's calendar; None where it does not reach the bars, whose sessions are UTC dates then."""
    index = utc(result.equity.index)
    if not len(index):
        return None
    try:
        calendar = desk_calendar(result.settings)
        for when in (index.min(), index.max() + CALENDAR_MARGIN):
            calendar.session_of(when.to_pydatetime(warn=False))
    except CalendarError:
        return None
    return calendar


def sessions(result: Result) -> pd.Series:
    """Net result of each session in EUR."""
    if result.equity.empty:
        return pd.Series(dtype=float, index=pd.DatetimeIndex([]), name="pnl_eur")
    equity, capital = result.equity["equity_eur"], result.settings.account.capital
    return session_pnl(equity, capital, session_calendar(result))


def in_market(result: Result) -> pd.Series:
    """For each session of ``sessions`` whether a position was open in it, the one it began with included.

    A position that was opened and closed within one bar is seen by its exit.
    """
    calendar = session_calendar(result)
    held = result.equity["gross_exposure_eur"].fillna(0.0) > 0.0
    at_end = session_equity(held, calendar)
    within = session_equity(held.groupby(sessions_of(held.index, calendar)).cummax(), calendar)
    exits = utc(result.trades["exit_time"]).dropna()
    exits = exits[(exits >= utc(held.index).min()) & (exits <= utc(held.index).max())]
    closed = at_end.index.isin(sessions_of(exits, calendar))
    return (within > 0.0) | (at_end.shift(1, fill_value=0.0) > 0.0) | closed


def idle_losses(result: Result) -> int:
    """Sessions that lost without a position, so by interest on the account's debits alone."""
    if result.equity.empty:
        return 0
    return int(((sessions(result) < 0.0) & ~in_market(result)).sum())


def rebased(result: Result, name: str) -> pd.Series:
    """Equity of a strategy as if it had the whole capital: the capital plus the strategy's own result in EUR.

    So drawn, strategies and portfolio share a scale.
    """
    account = result.settings.account
    return result.strategy_equity[name] + account.capital * (1.0 - result.settings.strategies[name].allotment)


def monthly_returns(result: Result) -> pd.DataFrame:
    """Year x month (1 to 12) returns as fractions, and the column ``year``; NaN where there was no session."""
    columns = [*range(1, 13), "year"]
    if result.equity.empty:
        return pd.DataFrame(columns=columns, dtype=float)
    ends = session_equity(result.equity["equity_eur"], session_calendar(result))
    days = pd.DatetimeIndex(ends.index)
    months = ends.groupby([days.year, days.month]).last()
    years = ends.groupby(days.year).last()
    start = result.settings.account.capital
    with np.errstate(all="ignore"):
        monthly = (months / months.shift(1, fill_value=start) - 1.0).unstack()
        frame = monthly.reindex(columns=range(1, 13))
        frame["year"] = years / years.shift(1, fill_value=start) - 1.0
    return frame.replace([np.inf, -np.inf], np.nan)


def yearly_eur(result: Result) -> pd.Series:
    """Year -> net result in EUR."""
    pnl = sessions(result)
    return pnl.groupby(pd.DatetimeIndex(pnl.index).year).sum()


def benchmark(result: Result) -> str:
    """Symbol by which regimes are told apart: that of the settings, or the first one traded."""
    return result.settings.regimes.benchmark or result.settings.traded_symbols[0]


def buy_and_hold(result: Result) -> pd.Series | None:
    """The benchmark's close on each bar of equity, scaled to the capital at the first; None without such closes.

    Price alone: no dividends, no costs and no currency conversion.
    """
    symbol = benchmark(result)
    if result.equity.empty or symbol not in result.bars or result.bars[symbol].empty:
        return None
    close = result.bars[symbol]["close"]
    held = close.reindex(result.equity.index.union(close.index)).ffill().reindex(result.equity.index)
    first = held.first_valid_index()
    if first is None or not held[first] > 0.0:
        return None
    scaled: pd.Series = held / held[first] * result.settings.account.capital
    return scaled


def exit_reasons(trips: pd.DataFrame) -> pd.DataFrame:
    """Reason -> trades, share of trades, net_eur, avg_eur, win_rate; the most frequent first."""
    if trips.empty:
        return pd.DataFrame(columns=["trades", "share", "net_eur", "avg_eur", "win_rate"])
    net = trips.groupby("exit_reason", sort=False)["net_eur"]
    frame = pd.DataFrame(
        {
            "trades": net.size(),
            "share": net.size() / len(trips),
            "net_eur": net.sum(),
            "avg_eur": net.mean(),
            "win_rate": net.agg(lambda values: (values > 0).mean()),
        }
    )
    return frame.sort_values("trades", ascending=False, kind="stable")


def refusals(orders: pd.DataFrame) -> pd.Series:
    """Reason of the gate -> refused orders, the most frequent first."""
    if "refusal" not in orders:
        return pd.Series(dtype=int)
    reasons = orders["refusal"].dropna().astype(str)
    return reasons[~reasons.isin(["", "None"])].value_counts()


def event_rows(events: Sequence[Any]) -> list[dict[str, Any]]:
    """Events as dictionaries: dataclasses by field, mappings as they are, anything else as text."""
    rows = []
    for event in events:
        if dataclasses.is_dataclass(event) and not isinstance(event, type):
            rows.append(dataclasses.asdict(event))
        else:
            rows.append(dict(event) if isinstance(event, Mapping) else {"detail": str(event)})
    return rows


def collapsed_events(result: Result) -> list[dict[str, Any]]:
    """Events, those joined that say the same of several instruments at once, as the legs of a pair make them."""
    found: dict[tuple[str, ...], tuple[dict[str, Any], list[str]]] = {}
    for row in event_rows(result.events):
        said = str(row.get("detail") or row.get("reason") or "")
        symbol, _, rest = said.partition(" ")
        if symbol not in result.bars:
            symbol, rest = "", said
        _, symbols = found.setdefault((str(row.get("when")), str(row.get("kind", "")), rest), (row, []))
        if symbol not in symbols:
            symbols.append(symbol)
    return [_of_all(row, rest, symbols) for (_, _, rest), (row, symbols) in found.items()]


def _of_all(row: dict[str, Any], rest: str, symbols: list[str]) -> dict[str, Any]:
    if len(symbols) < 2:
        return row
    verb = "were" if rest.startswith("was ") else ""
    return {**row, "detail": f"{formats.listed(symbols)} {verb}{rest.removeprefix('was') if verb else rest}"}


def pairs(result: Result) -> dict[str, tuple[str, str]]:
    """Unit -> its two symbols, for the units that trade two and whose bars are there."""
    units = result.settings.units.items()
    found = {unit: (symbols[0], symbols[1]) for unit, (_, symbols) in units if len(symbols) == 2}
    return {unit: legs for unit, legs in found.items() if legs[0] in result.bars and legs[1] in result.bars}
