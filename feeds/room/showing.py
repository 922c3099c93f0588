"""What the catalog holds: a listing from its index alone, and one series in full."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, ClassVar

import pandas as pd

from core.calendar import ExchangeCalendar
from core.errors import AdjustmentError
from feeds.adjusted_bars import adjusted_bars
from feeds.bars import CorporateAction
from feeds.catalog import Act, Catalog, Repair, Series
from feeds.room.checking import Change
from feeds.room.coverage import by_year, expected_bars
from feeds.room.results import RoomResult, counted
from feeds.room.series import stamp

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LAST = 5  # bars shown of one series


@dataclass(frozen=True, repr=False, kw_only=True)
class Listing(RoomResult):
    """Series and how much of their sessions they cover, from the index of the catalog alone."""

    series: tuple[Series, ...] = ()

    columns: ClassVar[tuple[str, ...]] = (
        "symbol", "bar", "rows", "first", "last", "coverage", "errors", "repairs", "actions", "adjusted", "currency",
        "exchange", "source", "updated",
    )  # fmt: skip

    def rows(self) -> list[tuple[Any, ...]]:
        return [
            (
                one.symbol, one.bar, one.rows, one.first, one.last, coverage(one), one.errors, one.repairs, one.actions,
                one.adjusted, one.currency, one.exchange, one.source, one.updated,
            )
            for one in self.series
        ]  # fmt: skip

    def sentence(self) -> str:
        symbols = len({one.symbol for one in self.series})
        return (
            f"{counted(symbols, 'symbol')}, {counted(len(self.series), 'series', 'series')}, "
            f"{sum(one.rows for one in self.series):,} bars."
        )


@dataclass(frozen=True, repr=False, kw_only=True)
class Shown(RoomResult):
    """One series in full."""

    series: Series
    raw: pd.DataFrame  # bars as they came
    bars: pd.DataFrame  # repaired
    adjusted: pd.DataFrame | None  # repaired and adjusted for everything; None where ``trouble`` says why not
    years: pd.DataFrame  # sessions of each year and how many have a bar
    repairs: tuple[Repair, ...] = ()
    actions: tuple[CorporateAction, ...] = ()
    acts: tuple[Act, ...] = ()  # newest last
    trouble: str = ""

    def table(self) -> pd.DataFrame:
        """The last bars, repaired; not adjusted."""
        return self.bars.tail(LAST)

    def last_bars(self) -> pd.DataFrame:
        """The same with the time as a column."""
        return self.table().rename_axis("time").reset_index()

    def year_table(self) -> pd.DataFrame:
        """Sessions of each year and how many have a bar."""
        table = self.years.reset_index()
        return table.assign(year=table["year"].astype(str))

    def action_table(self) -> pd.DataFrame:
        """Corporate actions, a row each."""
        rows = [(a.ex_date, a.kind, a.value, a.source) for a in self.actions]
        return pd.DataFrame(rows, columns=["ex-date", "kind", "value", "source"])

    def repair_table(self) -> pd.DataFrame:
        """Repairs, a row each."""
        changes = [Change(self.series.symbol, self.series.bar, repair) for repair in self.repairs]
        rows = [(c.repair.time, c.repair.rule, c.before, c.after) for c in changes]
        return pd.DataFrame(rows, columns=["time", "rule", "before", "after"])

    def act_table(self) -> pd.DataFrame:
        """What was done to the series: imports, pulls, repairs."""
        return pd.DataFrame([(act.when, act.act, act.detail) for act in self.acts], columns=["when", "act", "detail"])

    def facts(self) -> dict[str, str]:
        """What is known about the series, in words."""
        one = self.series
        sessions = int(self.years["sessions"].sum())
        covered = int(self.years["covered"].sum())
        return {
            "bars": f"{one.rows:,} of {one.bar}, {stamp(one.first)} to {stamp(one.last)}",
            "coverage": f"{covered:,} of {counted(sessions, 'session')} of {one.exchange} have a bar",
            "source": one.source,
            "prices": f"{one.currency}, {_ADJUSTED[one.adjusted]}",
            "repairs": f"{len(self.repairs):,}",
            "actions": f"{len(self.actions):,}",
            "checked": _CHECKED.get(one.errors, f"{one.errors} errors that no repair mends yet"),
            "updated": f"{one.updated:%Y-%m-%d %H:%M:%S} UTC",
            **({"cannot be adjusted": self.trouble} if self.trouble else {}),
        }

    def sentence(self) -> str:
        return f"{self.series.symbol} {self.series.bar}: {self.facts()['bars']}."

    def picture(self) -> Figure:
        """Close as it came and as it is used, with repairs and corporate actions marked; a matplotlib Figure."""
        from feeds.room.picture import price_picture

        title = f"{self.series.symbol} {self.series.bar}, {self.series.currency}"
        used = self.bars if self.adjusted is None else self.adjusted
        return price_picture(title, self.raw, used, self.repairs, self.actions)

    def _repr_html_(self) -> str:
        facts = pd.Series(self.facts(), name="").to_frame().to_html(header=False, border=0)
        return f"<p><b>{escape(self.sentence())}</b></p>{facts}{self.table().to_html(border=0)}"


_CHECKED = {None: "not since the last change", 0: "no error is left"}
_ADJUSTED = {
    "raw": "as traded on their day",
    "split": "adjusted for splits by the source",
    "total": "adjusted for splits and dividends by the source",
}


def coverage(one: Series) -> float:
    """Bars over those that the sessions between the first and the last have, at most 1.

    NaN where no session lies between, or the calendar ends before. Rows that come twice or outside the sessions count
    as well, for the index has only their number.
    """
    expected = expected_bars(ExchangeCalendar(one.exchange), one.bar, one.first, one.last)
    return min(one.rows / expected, 1.0) if expected else float("nan")


def show(catalog: Catalog, one: Series) -> Shown:
    """Everything about one series; what keeps it from being adjusted is told. Raises CatalogError, CalendarError."""
    raw, bars = catalog.raw(one.symbol, one.bar), catalog.bars(one.symbol, one.bar)
    actions, adjusted, trouble = catalog.actions(one.symbol), None, ""
    try:
        adjusted = adjusted_bars(catalog, one, "total").frame
    except AdjustmentError as error:
        trouble = str(error)
    return Shown(
        series=one,
        raw=raw,
        bars=bars,
        adjusted=adjusted,
        trouble=trouble,
        years=by_year(bars, ExchangeCalendar(one.exchange)),
        repairs=catalog.repairs(one.symbol, one.bar),
        actions=actions,
        acts=tuple(act for act in catalog.acts(one.symbol) if act.bar in (one.bar, None)),
    )
