"""Prices of the instruments and of the pairs, with each trade from its entry to its exit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from analyzers.sessions import utc
from engine.report import formats
from engine.report.chart import INSTRUMENTS, MARKS, Chart, Drawing, add_line, escape, figure, largest
from engine.report.palette import LIGHT
from engine.report.rows import EXIT_REASONS, words
from engine.report.view import Result, pairs, round_trips


def price_charts(result: Result, trades: pd.DataFrame, drawing: Drawing) -> list[Chart]:
    """One chart for each instrument: closes, and each trade from its entry to its exit."""
    counts = trades["instrument"].value_counts()
    traded = [symbol for symbol in result.settings.traded_symbols if len(result.bars.get(symbol, ()))]
    traded.sort(key=lambda symbol: -int(counts.get(symbol, 0)))
    if len(traded) > INSTRUMENTS:
        drawing.remarks.append(f"Prices are drawn for the {INSTRUMENTS} of {len(traded)} instruments traded most.")
    charts = []
    for number, symbol in enumerate(traded[:INSTRUMENTS]):
        own = largest(trades[trades["instrument"] == symbol], MARKS // min(len(traded), INSTRUMENTS), symbol, drawing)
        made = figure("Price", hovermode="closest", yaxis={"tickformat": ",~g"})
        close = result.bars[symbol]["close"]
        add_line(made, drawing, close, "Close", LIGHT.price, 1.0, form=",.2f", legend=False)
        hovers = [_trade_hover(row) for row in own.itertuples()]
        _add_trades(made, drawing, own, own["entry_price"], own["exit_price"], hovers)
        currency = result.settings.instruments[symbol].currency if symbol in result.settings.instruments else ""
        _time_axis(made, drawing, close.index)
        charts.append(Chart(f"chart-price-{number}", f"{symbol}, {currency}" if currency else symbol, made, 440))
    return charts


def pair_charts(result: Result, trades: pd.DataFrame, drawing: Drawing) -> list[Chart]:
    """One chart for each pair: the ratio of the two closes with the pair's entries and exits."""
    charts = []
    known = pairs(result)
    for number, (unit, (first, second)) in enumerate(list(known.items())[:INSTRUMENTS]):
        a, b = result.bars[first]["close"].align(result.bars[second]["close"], join="inner")
        with np.errstate(all="ignore"):
            relation = (a / b).replace([np.inf, -np.inf], np.nan)
        if relation.empty:
            continue
        made = figure(f"{escape(first)} / {escape(second)}", hovermode="closest", yaxis={"tickformat": ",~g"})
        add_line(made, drawing, relation, "Ratio", LIGHT.price, 1.0, form=".4f", legend=False)
        legs = trades[trades["unit"] == unit]
        trips = largest(round_trips(legs), MARKS // len(known), unit, drawing)
        if not trips.empty:
            grouped = legs.groupby("trade_id", sort=False)
            hovers = [_pair_hover(row, grouped.get_group(row.trade_id)) for row in trips.itertuples()]
            entry, leave = (_at(relation, trips[column]) for column in ("entry_time", "exit_time"))
            _add_trades(made, drawing, trips, entry, leave, hovers)
        caption = f"Ratio of the closes, not the hedged spread itself. Long means long {first}."
        _time_axis(made, drawing, relation.index)
        charts.append(Chart(f"chart-pair-{number}", f"{unit}: {first} / {second}", made, 400, caption))
    return charts


def _add_trades(
    made: go.Figure, drawing: Drawing, rows: pd.DataFrame, entry: pd.Series, leave: pd.Series, hovers: Sequence[str]
) -> None:
    """Entries (triangles in the direction of the trade), exits (rings) and the line between, by outcome."""
    if rows.empty:
        return
    start, end = drawing.times(rows["entry_time"]), drawing.times(rows["exit_time"])
    first, last = entry.to_numpy(dtype=np.float32), leave.to_numpy(dtype=np.float32)
    size = 9 if len(rows) <= 60 else 7 if len(rows) <= 250 else 5.5
    won = (rows["net_eur"] > 0).to_numpy()
    up = (rows["side"] == "long").to_numpy()
    for outcome, label, color in ((True, "Won", LIGHT.gain), (False, "Lost", LIGHT.loss)):
        chosen = np.flatnonzero(won == outcome).tolist()
        if not chosen:
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
                "color": color, "size": size, "line": {"color": LIGHT.panel, "width": 0.6},
                "symbol": ["triangle-up" if up[i] else "triangle-down" for i in chosen],
            },
        )  # fmt: skip
        made.add_scatter(
            x=[end[i] for i in chosen], y=last[chosen], mode="markers", name=f"{label}: exit", legendgroup=label,
            hovertext=[hovers[i] for i in chosen], hovertemplate="%{hovertext}<extra></extra>",
            marker={"color": color, "size": size - 2, "symbol": "circle-open", "line": {"color": color, "width": 1.2}},
        )  # fmt: skip


def _time_axis(made: go.Figure, drawing: Drawing, index: Any) -> None:
    """End with the bars, and offer the last years: decades of trades are a crowd."""
    buttons = [{"count": years, "step": "year", "stepmode": "backward", "label": f"{years} y"} for years in (1, 3, 10)]
    made.update_xaxes(range=drawing.span(index))
    if index[-1] - index[0] > pd.Timedelta(days=366):
        made.update_xaxes(
            rangeselector={
                "buttons": [*buttons, {"step": "all", "label": "all"}],
                "x": 1, "xanchor": "right", "y": 1.02, "yanchor": "bottom", "bgcolor": LIGHT.paper,
                "activecolor": LIGHT.line, "bordercolor": LIGHT.line, "borderwidth": 1,
                "font": {"color": LIGHT.muted, "size": 11},
            }
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


def _at(series: pd.Series, times: pd.Series) -> pd.Series:
    """The last value at or before each time."""
    if series.empty:
        return pd.Series(np.nan, index=times.index)
    positions = utc(series.index).searchsorted(utc(times), side="right") - 1
    return pd.Series(series.to_numpy(dtype=float)[np.clip(positions, 0, None)], index=times.index)
