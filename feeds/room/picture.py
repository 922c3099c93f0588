"""The picture of one series: prices as they came, repaired and adjusted, with what was done to them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from core.errors import ResultsError
from feeds.bars import CorporateAction
from feeds.catalog import Repair
from feeds.room.results import write_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Dates = npt.NDArray[np.datetime64]
Floats = npt.NDArray[np.float64]

RAW, ADJUSTED, REPAIRED, DROPPED, SPLIT, DIVIDEND = "#9aa5b1", "#1f5fa8", "#d98c00", "#c0392b", "#6c3fa0", "#2f8f5b"
_POINTS = 20_000  # a longer line is drawn from its daily closes
_HOLE = np.timedelta64(8, "D")  # no exchange is closed for longer without a reason
_SPARSE = 40  # marks that are drawn large
_LABELS = 12  # splits with a label; more would hide the line
_TALL = 4.0  # highest price over lowest from which the scale is logarithmic


def price_picture(
    title: str,
    raw: pd.DataFrame,
    adjusted: pd.DataFrame,
    repairs: Sequence[Repair] = (),
    actions: Sequence[CorporateAction] = (),
) -> Figure:
    """Close as it came and as it is used, above the volume; repairs, splits and dividends are marked.

    ``raw``, ``adjusted``: bars of one series, see feeds.bars.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 5.2), layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    for axes in (top, bottom):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25, linewidth=0.6)
        axes.margins(x=0.01)
    _lines(top, raw, adjusted)
    _repairs(top, raw, repairs)
    _actions(top, raw, actions)
    close = raw["close"].to_numpy()
    positive = close[close > 0]
    if len(positive) and positive.max() > _TALL * positive.min():
        _logarithmic(top)
    top.set_title(title, loc="left", fontsize=11, fontweight="bold")
    top.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), frameon=False, fontsize=8, ncols=6, columnspacing=1.4)
    top.margins(y=0.08)
    dates, volume = _broken(_thinned(adjusted["volume"], "sum"))
    bottom.fill_between(dates, volume, color=RAW, linewidth=0, step="mid")
    bottom.set_ylim(bottom=0)
    bottom.yaxis.set_major_formatter(lambda value, _: _short(value))
    bottom.set_ylabel("volume", fontsize=8)
    for axes in (top, bottom):
        axes.tick_params(labelsize=8)
    return figure


def save_picture(figure: Figure, file: Path | str) -> Path:
    """Write a figure as PNG, SVG or PDF, by the ending of the name. Raises ResultsError."""
    path = Path(file)
    known = figure.canvas.get_supported_filetypes()
    if path.suffix.lstrip(".").lower() not in known:
        raise ResultsError(f"{path}: a picture cannot be written as '{path.suffix}'; end the name in .png")
    return write_whole(path, lambda draft: figure.savefig(draft, dpi=150))


def _lines(axes: Axes, raw: pd.DataFrame, adjusted: pd.DataFrame) -> None:
    axes.plot(*_broken(_thinned(raw["close"], "last")), color=RAW, linewidth=1.0, label="close as it came")
    axes.plot(*_broken(_thinned(adjusted["close"], "last")), color=ADJUSTED, linewidth=1.3, label="as it is used")


def _repairs(axes: Axes, raw: pd.DataFrame, repairs: Sequence[Repair]) -> None:
    """A cross where a row was dropped, a ring where a value was set, at the close as it came."""
    for action, marker, color, label in (("drop", "x", DROPPED, "row dropped"), ("set", "o", REPAIRED, "value set")):
        times = pd.DatetimeIndex([repair.time for repair in repairs if repair.action == action])
        if not len(times):
            continue
        closes = raw["close"][raw.index.isin(times)]
        axes.plot(
            _dates(closes.index), closes.to_numpy(), linestyle="", marker=marker, color=color,
            markersize=6 if len(times) <= _SPARSE else 3.5, markerfacecolor="none",
            markeredgewidth=1.2 if len(times) <= _SPARSE else 0.8, label=f"{label} ({len(times):,})",
        )  # fmt: skip


def _actions(axes: Axes, raw: pd.DataFrame, actions: Sequence[CorporateAction]) -> None:
    """A line with its ratio for each split and spin-off, a tick at the foot for each dividend."""
    from matplotlib.dates import date2num

    first, last = raw.index[0].date(), raw.index[-1].date()
    inside = [action for action in actions if first < action.ex_date <= last]
    splits = [action for action in inside if action.kind != "dividend"]
    for at, action in enumerate(splits):
        axes.axvline(
            date2num(action.ex_date), color=SPLIT, linewidth=0.9, linestyle=(0, (4, 2)),
            label="split or spin-off" if at == 0 else None,
        )  # fmt: skip
        if len(splits) <= _LABELS:
            axes.annotate(
                _ratio(action), (np.datetime64(action.ex_date), 0.02), xycoords=("data", "axes fraction"),
                xytext=(3, 0), textcoords="offset points", color=SPLIT, fontsize=8,
            )  # fmt: skip
    dividends = [np.datetime64(action.ex_date) for action in inside if action.kind == "dividend"]
    if dividends:
        axes.plot(
            dividends, np.zeros(len(dividends)), linestyle="", marker="^", color=DIVIDEND, markersize=4,
            transform=axes.get_xaxis_transform(), label=f"dividend ({len(dividends)})", clip_on=False,
        )  # fmt: skip


def _ratio(action: CorporateAction) -> str:
    if action.kind == "spin_off":
        return f"spin-off {action.value:.4g}"
    return f"{action.value:.4g}:1" if action.value >= 1 else f"1:{1 / action.value:.4g}"


def _logarithmic(axes: Axes) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter

    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(base=10, subs=(1.0, 2.0, 5.0), numticks=12))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.4g}")
    axes.yaxis.set_minor_formatter(NullFormatter())


def _thinned(series: pd.Series, how: str) -> pd.Series:
    if len(series) <= _POINTS:
        return series
    return series.resample("1D").agg(how).dropna()


def _broken(series: pd.Series) -> tuple[Dates, Floats]:
    """Dates and values with a hole where there are no bars for long: a line across it would be invented."""
    dates, values = _dates(series.index), series.to_numpy(dtype=np.float64)
    holes = np.flatnonzero(np.diff(dates) > _HOLE) + 1
    return np.insert(dates, holes, dates[holes - 1] + np.timedelta64(1, "s")), np.insert(values, holes, np.nan)


def _dates(index: pd.Index[Any]) -> Dates:
    """Times as matplotlib takes them: naive, UTC."""
    times = pd.DatetimeIndex(index)
    return (times if times.tz is None else times.tz_convert("UTC").tz_localize(None)).to_numpy()


def _short(value: float) -> str:
    for size, unit in ((1e9, "bn"), (1e6, "m"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.3g}"
