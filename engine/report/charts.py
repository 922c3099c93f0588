"""The interactive charts of the page: plotly figures in the light colours, without fixed width."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from analyzers.sessions import utc
from engine.report import formats
from engine.report.palette import LIGHT, series_color
from engine.report.rows import EXIT_REASONS, interval, words
from engine.report.thin import MIN_POINTS, thin
from engine.report.view import Result, drawdown, gross_equity, pairs, round_trips, sessions, strategy_names, table

POINTS = 60_000  # values drawn in all lines of a report; what is beyond is thinned
MARKS = 4_000  # trades drawn in all price charts
INSTRUMENTS = 12  # price charts in a report
FLAT = 0.005  # EUR; a session that moved less is flat
FONT = 'ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif'


@dataclass(frozen=True, slots=True)
class Chart:
    """A figure with its caption. ``id`` is unique in the page, ``height`` in CSS pixels."""

    id: str
    title: str
    figure: go.Figure
    height: int
    caption: str = ""


@dataclass(slots=True)
class Drawing:
    """How much may be drawn, and what was left out for it."""

    daily: bool
    lines: int  # lines that share the budget of points
    remarks: list[str] = field(default_factory=list)
    thinned: bool = False

    def line(self, series: pd.Series) -> tuple[list[str], np.ndarray]:
        """x and y of a line, thinned to its share; float32 halves the file and is finer than any screen."""
        drawn = thin(series, max(POINTS // max(self.lines, 1), MIN_POINTS))
        self.thinned = self.thinned or len(drawn) < len(series)
        return self.times(drawn.index), drawn.to_numpy(dtype=np.float32)

    def times(self, index: Any) -> list[str]:
        """Times as plotly reads them: days for daily bars, else to the second, UTC."""
        values = utc(index).tz_localize(None).to_numpy()
        text: list[str] = np.datetime_as_string(values, unit="D" if self.daily else "s").tolist()
        return text


def escape(text: object) -> str:
    """Text for plotly, which reads a little HTML in names and hovers."""
    return html.escape(str(text))


def plan_drawing(result: Result) -> Drawing:
    """Share the points between the lines that the page will draw."""
    strategies = len(strategy_names(result))
    lines = 3 + 2 * strategies + min(len(result.bars), INSTRUMENTS) + len(pairs(result))
    return Drawing(daily=result.settings.data.bar == "1d", lines=lines)


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


def equity_chart(result: Result, trades: pd.DataFrame, drawing: Drawing) -> Chart:
    """Equity of the portfolio, net and gross, and of each strategy, above the drawdown of the portfolio."""
    net = result.equity["equity_eur"]
    made = figure(hovermode="x unified")
    made.update_layout(
        yaxis={"domain": [0.36, 1.0], "tickformat": ",.0f", "title": {"text": "EUR"}},
        yaxis2={
            "domain": [0.0, 0.27], "anchor": "x", "tickformat": ".0%", "title": {"text": "Drawdown"},
            "gridcolor": LIGHT.line, "zeroline": True, "zerolinecolor": LIGHT.muted, "automargin": True,
        },
        xaxis={"anchor": "y2"},
    )  # fmt: skip
    names = strategy_names(result)
    if not trades.empty:
        _add_line(made, drawing, gross_equity(net, trades), "Portfolio before costs", LIGHT.gross, 1.1, dash="dot")
    for position, name in enumerate(names):
        if name in result.strategy_equity and len(names) > 1:
            curve, color = result.strategy_equity[name], series_color(position)
            _add_line(made, drawing, curve, name, color, 1.3)
            own = trades[trades["name"] == name]
            if not own.empty:
                _add_line(
                    made, drawing, gross_equity(curve, own), f"{name} before costs", color, 1.0, dash="dot",
                    visible="legendonly",
                )  # fmt: skip
    _add_line(made, drawing, net, "Portfolio", LIGHT.accent, 2.2)
    capital = result.settings.account.capital
    _add_line(
        made, drawing, drawdown(net, capital), "Drawdown", LIGHT.loss, 1.0, fill=LIGHT.loss_soft, form=".1%",
        yaxis="y2", showlegend=False,
    )  # fmt: skip
    made.add_hline(y=capital, line={"color": LIGHT.muted, "width": 1, "dash": "dash"}, opacity=0.6)
    caption = (
        "Before costs: net equity with the commissions, borrow fees, slippage and currency results of closed trades "
        "added back from their exits on; interest stays in."
    )
    return Chart("chart-equity", "Equity and drawdown", made, 520, caption)


def price_charts(result: Result, trades: pd.DataFrame, drawing: Drawing) -> list[Chart]:
    """One chart for each instrument: closes, and each trade from its entry to its exit."""
    counts = trades["instrument"].value_counts()
    traded = [symbol for symbol in result.settings.traded_symbols if symbol in result.bars]
    traded.sort(key=lambda symbol: -int(counts.get(symbol, 0)))
    if len(traded) > INSTRUMENTS:
        drawing.remarks.append(f"Prices are drawn for the {INSTRUMENTS} of {len(traded)} instruments traded most.")
    charts = []
    for number, symbol in enumerate(traded[:INSTRUMENTS]):
        own = _largest(trades[trades["instrument"] == symbol], MARKS // min(len(traded), INSTRUMENTS), symbol, drawing)
        made = figure("Price", hovermode="closest", yaxis={"tickformat": ",~g"})
        close = result.bars[symbol]["close"]
        _add_line(made, drawing, close, "Close", LIGHT.price, 1.0, form=",.2f", legend=False)
        hovers = [_trade_hover(row) for row in own.itertuples()]
        _add_trades(made, drawing, own, own["entry_price"], own["exit_price"], hovers)
        currency = result.settings.instruments[symbol].currency if symbol in result.settings.instruments else ""
        charts.append(Chart(f"chart-price-{number}", f"{symbol}, {currency}" if currency else symbol, made, 380))
    return charts


def pair_charts(result: Result, trades: pd.DataFrame, drawing: Drawing) -> list[Chart]:
    """One chart for each pair: the ratio of the two closes with the pair's entries and exits."""
    charts = []
    known = pairs(result)
    for number, (unit, (first, second)) in enumerate(list(known.items())[:INSTRUMENTS]):
        a, b = result.bars[first]["close"].align(result.bars[second]["close"], join="inner")
        with np.errstate(all="ignore"):
            relation = (a / b).replace([np.inf, -np.inf], np.nan)
        made = figure(f"{escape(first)} / {escape(second)}", hovermode="closest", yaxis={"tickformat": ",~g"})
        _add_line(made, drawing, relation, "Ratio", LIGHT.price, 1.0, form=".4f", legend=False)
        legs = trades[trades["unit"] == unit]
        trips = _largest(round_trips(legs), MARKS // len(known), unit, drawing)
        if not trips.empty:
            grouped = legs.groupby("trade_id", sort=False)
            hovers = [_pair_hover(row, grouped.get_group(row.trade_id)) for row in trips.itertuples()]
            entry, leave = (_at(relation, trips[column]) for column in ("entry_time", "exit_time"))
            _add_trades(made, drawing, trips, entry, leave, hovers)
        caption = f"Ratio of the closes, not the hedged spread itself. Long means long {first}."
        charts.append(Chart(f"chart-pair-{number}", f"{unit}: {first} / {second}", made, 340, caption))
    return charts


def trade_histogram(trips: pd.DataFrame) -> Chart:
    """Distribution of the net results of trades."""
    made = figure("Trades", barmode="overlay", bargap=0.04, hovermode="closest")
    net = trips["net_eur"].to_numpy(dtype=float)
    edges = histogram_edges(net)
    for label, values, color in (("Won", net[net > 0], LIGHT.gain), ("Lost", net[net <= 0], LIGHT.loss)):
        _add_bars(made, values, edges, color, label)
    if len(net):
        _mark(made, float(net.mean()), f"mean {formats.signed_cents(net.mean())}", LIGHT.ink)
    made.update_xaxes(title={"text": "Net result, EUR"}, tickformat=",~g")
    return Chart("chart-trades", "Net result of each trade", made, 320)


def excursion_chart(trips: pd.DataFrame, drawing: Drawing) -> Chart:
    """Worst open loss against best open profit of each trade (Sweeney, *Maximum Adverse Excursion*)."""
    shown = _largest(trips, MARKS, "the excursions", drawing)
    made = figure("Best open result, EUR", hovermode="closest", yaxis={"tickformat": ",~g"})
    for label, won, color in (("Won", True, LIGHT.gain), ("Lost", False, LIGHT.loss)):
        part = shown[(shown["net_eur"] > 0) == won]
        made.add_scatter(
            x=part["mae_eur"].abs().to_numpy(np.float32),
            y=part["mfe_eur"].to_numpy(np.float32),
            mode="markers",
            name=label,
            marker={"color": color, "size": 6, "opacity": 0.65, "symbol": "circle" if won else "x-thin",
                    "line": {"color": color, "width": 0 if won else 1.5}},
            customdata=[
                [escape(row.label), formats.signed_cents(row.net_eur), escape(words(row.exit_reason, EXIT_REASONS))]
                for row in part.itertuples()
            ],
            hovertemplate="%{customdata[0]}<br>net %{customdata[1]}<br>worst \u2212%{x:,.0f}, best %{y:,.0f}"
                          "<br>%{customdata[2]}<extra></extra>",
        )  # fmt: skip
    made.update_xaxes(title={"text": "Worst open result, EUR of loss"}, tickformat=",~g", showgrid=True)
    return Chart("chart-excursions", "Worst against best open result", made, 320)


def daily_chart(result: Result) -> Chart:
    """Distribution of the net result of a session with the target, the mean and its confidence interval."""
    account = result.settings.account
    pnl = sessions(result)
    moved = pnl[pnl.abs() >= FLAT].to_numpy(dtype=float)
    made = figure("Sessions", bargap=0.04, hovermode="closest")
    edges = histogram_edges(moved)
    _add_bars(made, moved, edges, LIGHT.accent, "Sessions")
    target = table(result.summary, "daily_target")
    low, high = interval(target.get("mean_interval_eur"))
    if np.isfinite(low) and np.isfinite(high):
        made.add_vrect(x0=low, x1=high, fillcolor=LIGHT.accent_soft, line_width=0, layer="below")
    mean = formats.number(target.get("mean_eur"))
    if np.isfinite(mean):
        _mark(made, mean, f"mean {formats.signed_cents(mean)}", LIGHT.ink, side="left")
    _mark(made, account.daily_target_eur, f"target {formats.eur(account.daily_target_eur)}", LIGHT.warn)
    made.update_xaxes(title={"text": "Net result of a session, EUR"}, tickformat=",~g")
    made.update_layout(showlegend=False)
    flat = len(pnl) - len(moved)
    caption = f"{flat:,} of {len(pnl):,} sessions were flat (no change of equity) and are not drawn." if flat else ""
    if len(moved) and edges[0] > moved.min() or len(moved) and edges[-1] < moved.max():
        caption += " The outermost bars hold everything beyond them."
    return Chart("chart-daily", "Net result of each session", made, 340, caption.strip())


def histogram_edges(values: np.ndarray) -> np.ndarray:
    """Bin edges: about the Freedman-Diaconis width, 8 to 60 bins, 0 always an edge, so no bin mixes signs.

    The range is cut at the 0.5% and 99.5% quantiles, else a single crash would squeeze all else into one bar.
    """
    finite = values[np.isfinite(values)]
    if not len(finite):
        return np.array([-1.0, 0.0, 1.0])
    low, high = np.quantile(finite, [0.005, 0.995]) if len(finite) >= 200 else (finite.min(), finite.max())
    low, high = min(float(low), 0.0), max(float(high), 0.0)
    reach = max(high - low, 1e-9)
    q1, q3 = np.quantile(finite, [0.25, 0.75])
    width = float(2 * (q3 - q1) / len(finite) ** (1 / 3))
    width = min(max(width, reach / 60), reach / 8)
    first, last = int(np.floor(low / width)), int(np.ceil(high / width))
    return np.arange(min(first, -1), max(last, 1) + 1) * width


def histogram(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Counts in the bins; what lies beyond counts in the outermost ones."""
    inside = np.clip(values, edges[0], np.nextafter(edges[-1], -np.inf))
    return np.histogram(inside, edges)[0]


def _add_line(
    made: go.Figure, drawing: Drawing, series: pd.Series, name: str, color: str, width: float, *,
    dash: str | None = None, fill: str | None = None, form: str = ",.0f", legend: bool = True, **more: Any,
) -> None:  # fmt: skip
    x, y = drawing.line(series)
    label = escape(name)
    made.add_scatter(
        x=x, y=y, name=label, mode="lines" if len(x) > 1 else "markers",
        line={"color": color, "width": width, "dash": dash}, marker={"color": color, "size": 6},
        fill="tozeroy" if fill else None, fillcolor=fill,
        hovertemplate=f"%{{y:{form}}}<extra>{label}</extra>", **({"showlegend": legend} | more),
    )  # fmt: skip


def _add_trades(
    made: go.Figure, drawing: Drawing, rows: pd.DataFrame, entry: pd.Series, leave: pd.Series, hovers: Sequence[str]
) -> None:
    """Entries (triangles in the direction of the trade), exits (crosses) and the line between, by outcome."""
    if rows.empty:
        return
    start, end = drawing.times(rows["entry_time"]), drawing.times(rows["exit_time"])
    first, last = entry.to_numpy(dtype=np.float32), leave.to_numpy(dtype=np.float32)
    won = (rows["net_eur"] > 0).to_numpy()
    up = (rows["side"] == "long").to_numpy()
    for outcome, label, color in ((True, "Won", LIGHT.gain), (False, "Lost", LIGHT.loss)):
        chosen = np.flatnonzero(won == outcome)
        if not len(chosen):
            continue
        x = [value for i in chosen for value in (start[i], end[i], None)]
        y = np.column_stack([first[chosen], last[chosen], np.full(len(chosen), np.nan)]).ravel()
        made.add_scatter(
            x=x, y=y.astype(np.float32), mode="lines", line={"color": color, "width": 1.4}, hoverinfo="skip",
            name=label, legendgroup=label, showlegend=False, connectgaps=False,
        )  # fmt: skip
        made.add_scatter(
            x=[start[i] for i in chosen], y=first[chosen], mode="markers", name=f"{label}: entry",
            legendgroup=label, hovertext=[hovers[i] for i in chosen], hovertemplate="%{hovertext}<extra></extra>",
            marker={
                "color": color, "size": 8, "line": {"color": LIGHT.panel, "width": 0.8},
                "symbol": ["triangle-up" if up[i] else "triangle-down" for i in chosen],
            },
        )  # fmt: skip
        made.add_scatter(
            x=[end[i] for i in chosen], y=last[chosen], mode="markers", name=f"{label}: exit", legendgroup=label,
            hovertext=[hovers[i] for i in chosen], hovertemplate="%{hovertext}<extra></extra>",
            marker={"color": color, "size": 6, "symbol": "x-thin", "line": {"color": color, "width": 1.6}},
        )  # fmt: skip


def _trade_hover(row: Any) -> str:
    return (
        f"<b>{formats.signed_cents(row.net_eur)} EUR</b> {escape(row.side)} {formats.decimal(row.size, 0)} "
        f"· {escape(row.name)}<br>{formats.moment(row.entry_time)} at {formats.price(row.entry_price)}<br>"
        f"{formats.moment(row.exit_time)} at {formats.price(row.exit_price)}<br>"
        f"{escape(words(str(row.exit_reason), EXIT_REASONS))}, {formats.integer(row.bars)} bars"
    )


def _pair_hover(row: Any, legs: pd.DataFrame) -> str:
    lines = [
        f"{escape(leg.side)} {formats.decimal(leg.size, 0)} {escape(leg.instrument)}: "
        f"{formats.signed_cents(leg.net_eur)}"
        for leg in legs.itertuples()
    ]
    return (
        f"<b>{formats.signed_cents(row.net_eur)} EUR</b><br>{'<br>'.join(lines)}<br>"
        f"{formats.moment(row.entry_time)} to {formats.moment(row.exit_time)}<br>"
        f"{escape(words(str(row.exit_reason), EXIT_REASONS))}, {formats.integer(row.bars)} bars"
    )


def _largest(rows: pd.DataFrame, most: int, what: str, drawing: Drawing) -> pd.DataFrame:
    """The rows with the largest results when there are too many to draw, in their order."""
    if len(rows) <= most:
        return rows
    drawing.remarks.append(f"{what}: the {most:,} largest of {len(rows):,} trades are drawn.")
    kept = rows["net_eur"].abs().fillna(0.0).nlargest(most).index
    return rows.loc[rows.index.isin(kept)]


def _at(series: pd.Series, times: pd.Series) -> pd.Series:
    """The last value at or before each time."""
    if series.empty:
        return pd.Series(np.nan, index=times.index)
    positions = utc(series.index).searchsorted(utc(times), side="right") - 1
    return pd.Series(series.to_numpy(dtype=float)[np.clip(positions, 0, None)], index=times.index)


def _add_bars(made: go.Figure, values: np.ndarray, edges: np.ndarray, color: str, name: str) -> None:
    counts = histogram(values, edges)
    used = np.flatnonzero(counts)
    made.add_bar(
        x=((edges[:-1] + edges[1:]) / 2)[used], y=counts[used], width=np.diff(edges)[used], name=name,
        marker={"color": color, "line": {"width": 0}},
        customdata=np.column_stack([edges[:-1][used], edges[1:][used]]),
        hovertemplate="%{customdata[0]:,.0f} to %{customdata[1]:,.0f} EUR: %{y:,}<extra></extra>",
    )  # fmt: skip


def _mark(made: go.Figure, x: float, text: str, color: str, side: str = "right") -> None:
    made.add_vline(
        x=x, line={"color": color, "width": 1.4, "dash": "dash"}, annotation={"text": text, "font": {"color": color}},
        annotation_position=f"top {side}",
    )  # fmt: skip
