"""Charts of the result: equity, trades, sessions against the daily target."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from engine.report import formats
from engine.report.chart import MARKS, Chart, Drawing, add_line, escape, figure, largest, mark
from engine.report.palette import LIGHT, series_color
from engine.report.rows import COSTS_OFF_MEANS, EXIT_REASONS, interval, words
from engine.report.thin import histogram, histogram_edges
from engine.report.view import (
    Result,
    benchmark,
    buy_and_hold,
    drawdown,
    gross_equity,
    in_market,
    rebased,
    sessions,
    strategy_names,
    table,
)

LAST = 2_000  # rank in the legend, where others have 1,000


def equity_chart(result: Result, trades: pd.DataFrame, drawing: Drawing) -> Chart:
    """Equity of the portfolio, net and gross, and of each strategy, above the drawdown of the portfolio."""
    net = result.equity["equity_eur"]
    made = figure(hovermode="x unified")
    made.update_layout(
        yaxis={"domain": [0.36, 1.0], "tickformat": ",~f", "title": {"text": "EUR"}},
        yaxis2={
            "domain": [0.0, 0.27], "anchor": "x", "tickformat": "~%", "title": {"text": "Drawdown"},
            "gridcolor": LIGHT.line, "zeroline": True, "zerolinecolor": LIGHT.muted, "automargin": True,
        },
        xaxis={"anchor": "y2"}, legend={"font": {"size": 11}}, margin={"t": 56},  # the mode bar above the legend
    )  # fmt: skip
    names, costs = strategy_names(result), result.settings.costs.enabled
    if (held := buy_and_hold(result)) is not None:
        add_line(
            made, drawing, held, f"Buy and hold {benchmark(result)}, no costs", LIGHT.price, 0.8,
            visible="legendonly", legendrank=LAST,
        )  # fmt: skip
    if costs and not trades.empty:
        add_line(made, drawing, gross_equity(net, trades), "Portfolio before costs", LIGHT.gross, 1.1, dash="dot")
    for position, name in enumerate(names):
        if name in result.strategy_equity and len(names) > 1:
            curve, color = rebased(result, name), series_color(position)
            add_line(made, drawing, curve, name, color, 1.3)
            own = trades[trades["name"] == name]
            if costs and not own.empty:
                add_line(
                    made, drawing, gross_equity(curve, own), f"{name} before costs", color, 1.0, dash="dot",
                    visible="legendonly",
                )  # fmt: skip
    add_line(made, drawing, net, "Portfolio", LIGHT.accent, 2.2)
    made.update_xaxes(range=drawing.span(net.index))
    capital = result.settings.account.capital
    add_line(
        made, drawing, drawdown(net, capital), "Drawdown", LIGHT.loss, 1.0, fill=LIGHT.loss_soft, form=".1%",
        yaxis="y2", showlegend=False,
    )  # fmt: skip
    made.add_hline(y=capital, line={"color": LIGHT.muted, "width": 1, "dash": "dash"}, opacity=0.6)
    caption = (
        "Before costs: net equity with the commissions, borrow fees, slippage and currency results of closed trades "
        "added back from their exits on; interest stays in."
        if costs
        else COSTS_OFF_MEANS
    )
    if held is not None:
        caption += (
            f" Buy and hold (a click in the legend shows it): the close of {benchmark(result)} scaled to the capital, "
            "without dividends, costs and currency conversion."
        )
    if len(names) > 1:
        caption += " A strategy is drawn as the capital plus its own result, so that all lines share a scale."
    return Chart("chart-equity", "Equity and drawdown", made, 545, caption)


def trade_histogram(trips: pd.DataFrame) -> Chart:
    """Distribution of the net results of trades."""
    made = figure("Trades", barmode="overlay", bargap=0.04, hovermode="closest")
    net = trips["net_eur"].to_numpy(dtype=float)
    edges = histogram_edges(net)
    for label, values, color in (("Won", net[net > 0], LIGHT.gain), ("Lost", net[net <= 0], LIGHT.loss)):
        _add_bars(made, values, edges, color, label)
    if len(net):
        mark(made, float(net.mean()), f"mean {formats.signed_cents(net.mean())}", LIGHT.ink)
    made.update_xaxes(title={"text": "Net result, EUR"}, tickformat=",~g")
    made.update_yaxes(range=[0, 1.18 * max(int(histogram(net, edges).max()), 1)])
    return Chart("chart-trades", "Net result of each trade", made, 320)


def excursion_chart(trips: pd.DataFrame, drawing: Drawing) -> Chart:
    """Worst open loss against best open profit of each trade (Sweeney, *Maximum Adverse Excursion*)."""
    shown = largest(trips, MARKS, "the excursions", drawing)
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
                [escape(label), formats.signed_cents(net), escape(words(str(reason), EXIT_REASONS))]
                for label, net, reason in zip(part["label"], part["net_eur"], part["exit_reason"], strict=True)
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
    moved = pnl[in_market(result)].to_numpy(dtype=float)
    made = figure("Sessions", bargap=0.04, hovermode="closest")
    edges = histogram_edges(moved)
    _add_bars(made, moved, edges, LIGHT.accent, "Sessions")
    target = table(result.summary, "daily_target")
    mean = formats.number(target.get("mean_eur"))
    if np.isfinite(mean):
        mark(made, mean, f"mean {formats.signed_cents(mean)}", LIGHT.ink, side="left")
    mark(made, account.daily_target_eur, f"target {formats.eur(account.daily_target_eur)}", LIGHT.warn)
    made.update_xaxes(title={"text": "Net result of a session, EUR"}, tickformat=",~g")
    made.update_yaxes(range=[0, 1.18 * max(int(histogram(moved, edges).max()), 1)])
    made.update_layout(showlegend=False)
    idle = len(pnl) - len(moved)
    caption = f"{idle:,} of {len(pnl):,} sessions passed without a position and are not drawn." if idle else ""
    if len(moved) and edges[0] > moved.min() or len(moved) and edges[-1] < moved.max():
        caption += " The outermost bars hold everything beyond them."
    return Chart("chart-daily", "Net result of each session", made, 340, caption.strip())


def target_chart(result: Result) -> Chart | None:
    """The mean of a session and its confidence interval on one axis with the target; None without a mean."""
    target = table(result.summary, "daily_target")
    mean, wanted = formats.number(target.get("mean_eur")), result.settings.account.daily_target_eur
    if not np.isfinite(mean):
        return None
    low, high = interval(target.get("mean_interval_eur"))
    known = bool(np.isfinite(low + high))
    low, high = (low, high) if known else (mean, mean)
    reach = max(high, wanted, 0.0) - min(low, 0.0)
    level, around = formats.percent(target.get("confidence"), 0), ""
    if known:
        around = f" ({formats.signed_cents(low)} to {formats.signed_cents(high)})"
    made = figure(hovermode=False, showlegend=False)
    made.add_scatter(x=[low, high], y=[0, 0], mode="lines", line={"color": LIGHT.accent, "width": 7}, opacity=0.4)
    made.add_scatter(x=[mean], y=[0], mode="markers", marker={"color": LIGHT.accent, "size": 14})
    made.add_annotation(
        x=mean, y=0, yshift=-20, showarrow=False, font={"color": LIGHT.ink}, bgcolor=LIGHT.panel,
        text=f"{formats.signed_cents(mean)}{around}",
    )  # fmt: skip
    made.add_vline(x=0.0, line={"color": LIGHT.muted, "width": 1})
    mark(made, wanted, f"target {formats.eur(wanted)}", LIGHT.warn, side="left")
    made.update_xaxes(range=[min(low, 0.0) - 0.12 * reach, max(high, wanted) + 0.06 * reach], tickformat=",~g")
    made.update_yaxes(visible=False, range=[-1, 1.4])
    title = f"Mean net result of a session, EUR, {f'with its {level} interval' if known else 'too few for an interval'}"
    return Chart("chart-target", title, made, 150, static=True)


def _add_bars(made: go.Figure, values: np.ndarray, edges: np.ndarray, color: str, name: str) -> None:
    counts = histogram(values, edges)
    used = np.flatnonzero(counts)
    made.add_bar(
        x=((edges[:-1] + edges[1:]) / 2)[used], y=counts[used], width=np.diff(edges)[used], name=name,
        marker={"color": color, "line": {"width": 0.6, "color": LIGHT.panel}},
        customdata=np.column_stack([edges[:-1][used], edges[1:][used]]),
        hovertemplate="%{customdata[0]:,.0f} to %{customdata[1]:,.0f} EUR: %{y:,}<extra></extra>",
    )  # fmt: skip
