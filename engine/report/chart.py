"""What the charts of the page share: their style, the budget of points, and lines.

Figures are plotly's, in the light colours (``page.js`` swaps them) and without a fixed width.
"""

from __future__ import annotations

import html
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from analyzers.sessions import utc
from engine.report.palette import LIGHT
from engine.report.thin import MIN_POINTS, thin
from engine.report.view import Result, pairs, strategy_names

POINTS = 60_000  # values drawn in all lines of a report on daily bars; what is beyond is thinned
POINTS_INTRADAY = 30_000  # the same where times are longer texts and no two lines share theirs
MARKS = 2_000  # trades drawn in all price charts, and in the chart of excursions
INSTRUMENTS = 12  # price charts in a report
FONT = 'ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif'


@dataclass(frozen=True, slots=True)
class Chart:
    """A figure with its caption. ``id`` is unique in the page, ``height`` in CSS pixels."""

    id: str
    title: str
    figure: go.Figure
    height: int
    caption: str = ""
    static: bool = False  # nothing in it to zoom or to point at


@dataclass(slots=True)
class Drawing:
    """How much may be drawn, and what was left out for it."""

    daily: bool
    lines: int  # lines that share the budget of points
    remarks: list[str] = field(default_factory=list)
    thinned: bool = False

    def span(self, index: Any) -> list[str]:
        """Range of a time axis that ends with the bars, not with the marks around them."""
        stamps = utc(index)
        if not len(stamps):
            return []
        edge = max((stamps[-1] - stamps[0]) * 0.01, pd.Timedelta(days=1 if self.daily else 0), pd.Timedelta(minutes=1))
        return self.times(pd.DatetimeIndex([stamps[0] - edge, stamps[-1] + edge]))

    def line(self, series: pd.Series) -> tuple[list[str], np.ndarray]:
        """x and y of a line, thinned to its share; float32 halves the file and is finer than any screen."""
        points = POINTS if self.daily else POINTS_INTRADAY
        drawn = thin(series, max(points // max(self.lines, 1), MIN_POINTS))
        self.thinned = self.thinned or len(drawn) < len(series)
        return self.times(drawn.index), drawn.to_numpy(dtype=np.float32)

    def times(self, index: Any) -> list[str]:
        """Times as plotly reads them, UTC: days for daily bars, else to the minute, or the second where one counts."""
        values = utc(index).tz_localize(None).to_numpy().astype("datetime64[s]")
        fine = bool((values != values.astype("datetime64[m]")).any())
        text: list[str] = np.datetime_as_string(values, unit="D" if self.daily else "s" if fine else "m").tolist()
        return text


def escape(text: object) -> str:
    """Text for plotly, which reads a little HTML in names and hovers."""
    return html.escape(str(text))


def plan_drawing(result: Result) -> Drawing:
    """Share the points between the lines that the page will draw."""
    strategies = len(strategy_names(result))
    lines = 4 + 2 * strategies + min(len(result.bars), INSTRUMENTS) + len(pairs(result))
    return Drawing(daily=result.settings.data.bar == "1d", lines=lines)


def mark(made: go.Figure, x: float, text: str, color: str, side: str = "right") -> None:
    """A named vertical line."""
    made.add_vline(
        x=x, line={"color": color, "width": 1.4, "dash": "dash"}, annotation={"text": text, "font": {"color": color}},
        annotation_position=f"top {side}", annotation_xshift=5 if side == "right" else -5,
    )  # fmt: skip


def figure(y_title: str = "", **layout: Any) -> go.Figure:
    """An empty figure in the style of the page."""
    made = go.Figure()
    axis = {"gridcolor": LIGHT.line, "linecolor": LIGHT.line, "zerolinecolor": LIGHT.line, "tickcolor": LIGHT.line}
    made.update_layout(
        template=None,
        autosize=True,
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": FONT, "size": 12, "color": LIGHT.muted},
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        hoverlabel={"bgcolor": LIGHT.panel, "bordercolor": LIGHT.line, "font": {"color": LIGHT.ink, "size": 12}},
        legend={
            "orientation": "h", "x": 0, "y": 1.02, "xanchor": "left", "yanchor": "bottom",
            "font": {"color": LIGHT.ink}, "bgcolor": "rgba(0,0,0,0)",
        },
        modebar={"bgcolor": "rgba(0,0,0,0)", "color": LIGHT.muted, "activecolor": LIGHT.accent},
        dragmode="zoom",
    )  # fmt: skip
    made.update_xaxes(**axis, showgrid=False, automargin=True, showline=True, ticks="outside", ticklen=4)
    made.update_yaxes(**axis, automargin=True, zeroline=False, title={"text": y_title, "standoff": 8})
    return made.update_layout(**layout)


def add_line(
    made: go.Figure, drawing: Drawing, series: pd.Series, name: str, color: str, width: float, *,
    dash: str | None = None, fill: str | None = None, form: str = ",.0f", legend: bool = True, **more: Any,
) -> None:  # fmt: skip
    """Draw a series as a line, or as a point when it has but one; ``form`` is the d3 format of the hover."""
    x, y = drawing.line(series)
    label = escape(name)
    made.add_scatter(
        x=x, y=y, name=label, mode="lines" if len(x) > 1 else "markers",
        line={"color": color, "width": width, "dash": dash}, marker={"color": color, "size": 6},
        fill="tozeroy" if fill else None, fillcolor=fill,
        hovertemplate=f"%{{y:{form}}}<extra>{label}</extra>", **({"showlegend": legend} | more),
    )  # fmt: skip


def largest(rows: pd.DataFrame, most: int, what: str, drawing: Drawing) -> pd.DataFrame:
    """The rows with the largest results when there are too many to draw, in their order."""
    if len(rows) <= most:
        return rows
    drawing.remarks.append(f"{what}: the {most:,} largest of {len(rows):,} trades are drawn.")
    kept = rows["net_eur"].abs().fillna(0.0).nlargest(most).index
    return rows.loc[rows.index.isin(kept)]
