"""PNG plots of a result. Figures are made without pyplot, so nobody's backend or open figures are touched."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import Formatter, FuncFormatter, MaxNLocator

from analyzers.sessions import utc
from engine.report import formats, tear_sheet
from engine.report.chart import INSTRUMENTS
from engine.report.folder import file_name
from engine.report.palette import LIGHT, series_color
from engine.report.rows import COSTS_OFF, EXIT_REASONS, interval, net_of_costs, words
from engine.report.thin import histogram, histogram_edges, thin
from engine.report.view import (
    Result,
    benchmark,
    buy_and_hold,
    drawdown,
    exit_reasons,
    gross_equity,
    in_market,
    monthly_returns,
    rebased,
    round_trips,
    sessions,
    strategy_names,
    table,
    trade_frame,
)

log = logging.getLogger(__name__)

DPI = 140
CROWD = 500  # trades of an instrument above which they are dots
POINTS = 6_000  # of a line: more than a picture has pixels across
MONTHS = "JFMAMJJASOND"
STYLE: dict[str, Any] = {
    "font.family": "sans-serif", "font.size": 9.5, "text.color": LIGHT.ink, "text.parse_math": False,
    "axes.edgecolor": LIGHT.line, "axes.labelcolor": LIGHT.muted, "axes.titlesize": 11, "axes.titleweight": "bold",
    "axes.titlelocation": "left", "axes.titlecolor": LIGHT.ink, "axes.facecolor": LIGHT.panel, "axes.grid": True,
    "axes.grid.axis": "y", "axes.axisbelow": True, "axes.spines.top": False, "axes.spines.right": False,
    "axes.unicode_minus": True, "grid.color": LIGHT.line, "grid.linewidth": 0.8, "xtick.color": LIGHT.muted,
    "ytick.color": LIGHT.muted, "xtick.labelsize": 8.5, "ytick.labelsize": 8.5, "legend.frameon": False,
    "legend.fontsize": 8.5, "figure.facecolor": LIGHT.panel, "savefig.facecolor": LIGHT.panel, "lines.linewidth": 1.2,
    "figure.constrained_layout.h_pad": 0.12, "figure.constrained_layout.w_pad": 0.12, "lines.solid_joinstyle": "round",
    "agg.path.chunksize": 20_000,
}  # fmt: skip
THOUSANDS = FuncFormatter(lambda value, _: formats.decimal(value, 0))
PRICES = FuncFormatter(lambda value, _: f"{value:,.10g}")
HEAT = LinearSegmentedColormap.from_list("returns", [LIGHT.loss, LIGHT.panel, LIGHT.gain])
MOST_DECIMALS = 6
SQUASHED = 2.0  # buy and hold that moves more times as far as the result would flatten it


class PercentTicks(Formatter):
    """Fractions as percent, all with the decimals that the step between the ticks needs."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        return self.format_ticks([x])[0]

    def format_ticks(self, values: Sequence[float]) -> list[str]:
        ticks = np.asarray(values, dtype=float) * 100
        step = float(np.abs(np.diff(ticks)).min()) if len(ticks) > 1 else float(np.abs(ticks).sum())
        digits = 0
        while digits < MOST_DECIMALS and (np.abs(ticks - ticks.round(digits)) > 1e-3 * step).any():
            digits += 1
        return [formats.percent(value, digits) for value in values]


def draw_figures(result: Result, folder: Path) -> tuple[list[str], list[str]]:
    """Draw every picture that the result has data for into ``folder``.

    Returns the names of the files and remarks on what could not be drawn. Errors of writing are the OSError of the
    system.
    """
    trades = trade_frame(result)
    trips = round_trips(trades)
    names: list[str] = []
    remarks: list[str] = []
    if result.equity.empty:
        return names, ["No pictures were drawn, since the run has no bar."]
    drawings: dict[str, Callable[[Figure], None]] = {
        "equity_drawdown.png": lambda figure: draw_equity(figure, result, trades),
        "monthly_returns.png": lambda figure: draw_months(
            figure, monthly_returns(result), net_of_costs(result.settings)
        ),
        "daily_target.png": lambda figure: draw_daily(figure, result),
    }
    if len(trips):
        drawings["trades.png"] = lambda figure: draw_trades(figure, trips, costs=result.settings.costs.enabled)
    taken: set[str] = set()
    traded = [symbol for symbol in result.settings.traded_symbols if len(result.bars.get(symbol, ()))]
    if len(traded) > INSTRUMENTS:
        remarks.append(f"Price plots were made for the first {INSTRUMENTS} of {len(traded)} instruments.")
    for symbol in traded[:INSTRUMENTS]:
        name = f"prices_{file_name(symbol, taken)}.png"
        drawings[name] = lambda figure, symbol=symbol: draw_prices(figure, result, trades, symbol)  # type: ignore[misc]
    with _style():
        for name, draw in drawings.items():
            figure = Figure(layout="constrained")
            FigureCanvasAgg(figure)
            draw(figure)
            figure.savefig(folder / name, dpi=DPI)
            names.append(name)
    if result.settings.report.tear_sheet:
        remark = tear_sheet.write_tear_sheet(result, folder / "tear_sheet.png")
        if remark:
            remarks.append(remark)
        else:
            names.append("tear_sheet.png")
    return names, remarks


def draw_equity(figure: Figure, result: Result, trades: pd.DataFrame) -> None:
    """Equity of portfolio and strategies above the drawdown of the portfolio."""
    figure.set_size_inches(11, 6.6)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    net, capital = result.equity["equity_eur"], result.settings.account.capital
    names = strategy_names(result)
    if (held := buy_and_hold(result)) is not None and np.ptp(held.dropna()) <= SQUASHED * np.ptp(net):
        _line(upper, held, LIGHT.price, f"Buy and hold {benchmark(result)}, no costs", linewidth=0.8)
    if len(trades) and result.settings.costs.enabled:
        _line(upper, gross_equity(net, trades), LIGHT.gross, "Portfolio before costs", linestyle=":")
    for position, name in enumerate(names if len(names) > 1 else ()):
        if name in result.strategy_equity:
            _line(upper, rebased(result, name), series_color(position), name)
    _line(upper, net, LIGHT.accent, "Portfolio", linewidth=1.7)
    upper.axhline(capital, color=LIGHT.muted, linewidth=0.8, linestyle="--", alpha=0.7)
    upper.set_title(f"{result.settings.name}: equity, EUR, {net_of_costs(result.settings)}{_partial(result)}")
    upper.yaxis.set_major_formatter(PRICES)
    if len(names) > 1:
        note = "a strategy is drawn as the capital plus its own result"
        upper.set_title(note, loc="right", fontsize=8.5, fontweight="normal", color=LIGHT.muted)
    _legend(upper)
    fall = drawdown(net, capital)
    drawn = thin(fall, POINTS)
    lower.fill_between(_naive(drawn.index), drawn.to_numpy(), 0.0, color=LIGHT.loss, alpha=0.18, linewidth=0)
    _line(lower, fall, LIGHT.loss, "", linewidth=0.9)
    lower.set_title("Drawdown of the portfolio")
    lower.yaxis.set_major_formatter(PercentTicks())
    lower.yaxis.set_major_locator(MaxNLocator(4))


def draw_months(figure: Figure, returns: pd.DataFrame, net: str) -> None:
    """Returns by year and month as a heat map; ``net`` says whether costs are in them."""
    rows = max(len(returns), 1)
    figure.set_size_inches(9.5, 1.1 + 0.3 * rows)
    axes = figure.subplots()
    values = returns.to_numpy(dtype=float)
    months = values[:, :12]
    finite = np.abs(months[np.isfinite(months)])
    scale = max(float(np.quantile(finite, 0.95)), 1e-9) if len(finite) else 1.0
    shown = np.column_stack([np.clip(months / scale, -1, 1) * 0.6, np.zeros(len(values))])
    axes.imshow(np.ma.masked_invalid(shown), cmap=HEAT, vmin=-1, vmax=1, aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            weight = "bold" if column == 12 else "normal"
            axes.text(
                column, row, formats.decimal(value * 100, 1), ha="center", va="center", fontsize=8.5, weight=weight
            )
    axes.set_xticks(range(13), [*MONTHS, "Year"])
    axes.set_yticks(range(len(returns)), [str(year) for year in returns.index])
    axes.tick_params(length=0)
    axes.xaxis.tick_top()
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.axvline(11.5, color=LIGHT.ink, linewidth=0.8)
    axes.set_title(f"Monthly returns of the portfolio, %, {net}")


def draw_trades(figure: Figure, trips: pd.DataFrame, *, costs: bool) -> None:
    """Distribution, results by exit, excursions and the running sum of trades."""
    figure.set_size_inches(11, 7.4)
    (results, reasons), (excursions, running) = figure.subplots(2, 2)
    net = trips["net_eur"].to_numpy(dtype=float)
    edges = histogram_edges(net)
    for values, color, label in ((net[net > 0], LIGHT.gain, "Won"), (net[net <= 0], LIGHT.loss, "Lost")):
        results.stairs(histogram(values, edges), edges, fill=True, color=color, label=label)
    results.axvline(net.mean(), color=LIGHT.ink, linewidth=1.1, linestyle="--")
    what = f"Net result of {len(net):,} trades" if costs else f"{COSTS_OFF}: result of {len(net):,} trades"
    results.set_title(f"{what}, EUR (mean {formats.signed_cents(net.mean())})")
    results.xaxis.set_major_formatter(THOUSANDS)
    _legend(results)

    by_reason = exit_reasons(trips).iloc[::-1]
    labels = [f"{words(str(reason), EXIT_REASONS)} ({row['trades']:.0f})" for reason, row in by_reason.iterrows()]
    won = by_reason["net_eur"].to_numpy(dtype=float)
    reasons.barh(labels, won, color=np.where(won > 0, LIGHT.gain, LIGHT.loss), height=0.6)
    reasons.axvline(0, color=LIGHT.muted, linewidth=0.8)
    reasons.set_title("Net result by exit, EUR (trades)")
    reasons.grid(visible=False)
    reasons.grid(visible=True, axis="x")
    reasons.xaxis.set_major_formatter(THOUSANDS)
    reasons.xaxis.set_major_locator(MaxNLocator(5))

    for chosen, color, shape in ((net > 0, LIGHT.gain, "o"), (net <= 0, LIGHT.loss, "x")):
        part = trips[chosen]
        style: dict[str, Any] = {"s": 14, "alpha": 0.6, "color": color, "linewidths": 0 if shape == "o" else 1}
        excursions.scatter(part["mae_eur"].abs(), part["mfe_eur"], marker=shape, **style)
    excursions.set_title("Worst (across) against best (up) open result, EUR")
    excursions.xaxis.set_major_formatter(THOUSANDS)
    excursions.yaxis.set_major_formatter(THOUSANDS)
    excursions.xaxis.set_major_locator(MaxNLocator(6))

    running.step(_naive(trips["exit_time"]), net.cumsum(), where="post", color=LIGHT.accent)
    running.axhline(0, color=LIGHT.muted, linewidth=0.8)
    running.set_title("Sum of net results of closed trades, EUR")
    running.yaxis.set_major_formatter(THOUSANDS)


def draw_daily(figure: Figure, result: Result) -> None:
    """Distribution of the net result of a session, and the mean with its interval against the target."""
    figure.set_size_inches(11, 5.2)
    upper, lower = figure.subplots(2, 1, height_ratios=(4, 1))
    wanted, pnl = result.settings.account.daily_target_eur, sessions(result)
    moved = pnl[in_market(result)].to_numpy(dtype=float)
    edges = histogram_edges(moved)
    upper.stairs(histogram(moved, edges), edges, fill=True, color=LIGHT.accent, alpha=0.85)
    upper.axvline(wanted, color=LIGHT.warn, linestyle="--", label=f"target {formats.eur(wanted)}")
    reached = formats.percent(float((pnl >= wanted).mean()))
    kind = "Net result" if result.settings.costs.enabled else f"{COSTS_OFF}: result"
    upper.set_title(f"{kind} of a session, EUR: {reached} of {len(pnl):,} reached {formats.eur(wanted)}")
    if len(pnl) > len(moved):
        upper.set_xlabel(f"{len(pnl) - len(moved):,} sessions without a position are not drawn")
    upper.xaxis.set_major_formatter(THOUSANDS)
    _legend(upper)

    target = table(result.summary, "daily_target")
    mean, (low, high) = formats.number(target.get("mean_eur")), interval(target.get("mean_interval_eur"))
    level = formats.percent(target.get("confidence"), 0)
    lower.axvline(0, color=LIGHT.muted, linewidth=0.8)
    lower.axvline(wanted, color=LIGHT.warn, linestyle="--")
    text = formats.DASH
    if np.isfinite(mean):
        lower.plot([mean], [0], "o", color=LIGHT.accent, markersize=9)
        text = formats.signed_cents(mean)
    if np.isfinite(low + high):
        lower.plot([low, high], [0, 0], color=LIGHT.accent, linewidth=5, alpha=0.4, solid_capstyle="butt")
        text += f", {level} interval {formats.signed_cents(low)} to {formats.signed_cents(high)}"
    lower.set_title(f"Mean of a session, EUR: {text}")
    lower.set_yticks([])
    lower.set_ylim(-1, 1)
    lower.grid(visible=False)
    lower.margins(x=0.06)
    lower.spines["left"].set_visible(False)


def draw_prices(figure: Figure, result: Result, trades: pd.DataFrame, symbol: str) -> None:
    """Closes of an instrument with each trade from entry to exit."""
    figure.set_size_inches(11, 5)
    axes = figure.subplots()
    own = trades[trades["instrument"] == symbol]
    _line(axes, result.bars[symbol]["close"], LIGHT.price, "", linewidth=0.9)
    how = _mark_crowd(axes, own) if len(own) > CROWD else _mark_trades(axes, own)
    currency = result.settings.instruments[symbol].currency
    axes.set_title(f"{symbol}, {currency}: {len(own):,} trades, {how}{_partial(result)}")
    axes.yaxis.set_major_formatter(PRICES)
    _legend(axes)


def _mark_trades(axes: Axes, own: pd.DataFrame) -> str:
    """Entries, exits and the line between them; returns the key."""
    size = 34 if len(own) <= 60 else 18 if len(own) <= 250 else 9
    entry, leave = (_naive(own[column]) for column in ("entry_time", "exit_time"))
    first, last = own["entry_price"].to_numpy(dtype=float), own["exit_price"].to_numpy(dtype=float)
    won, up = (own["net_eur"] > 0).to_numpy(), (own["side"] == "long").to_numpy()
    for outcome, color in ((True, LIGHT.gain), (False, LIGHT.loss)):
        chosen = won == outcome
        # One line with gaps: a line for each trade takes seconds when there are thousands
        times = np.column_stack([entry[chosen], leave[chosen], leave[chosen]]).ravel()
        gaps = np.full(int(chosen.sum()), np.nan)
        prices = np.column_stack([first[chosen], last[chosen], gaps]).ravel()
        axes.plot(times, prices, color=color, linewidth=1.1, alpha=0.8)
        for direction, shape, label in ((True, "^", "long"), (False, "v", "short")):
            part = chosen & (up == direction)
            if part.any():
                name = f"{label}, {'won' if outcome else 'lost'} ({int(part.sum()):,})"
                axes.scatter(entry[part], first[part], marker=shape, s=size, color=color, zorder=3, label=name)
        axes.scatter(leave[chosen], last[chosen], s=size * 0.6, facecolors="none", edgecolors=color, zorder=3)
    return "from entry (triangle) to exit (ring)"


def _mark_crowd(axes: Axes, own: pd.DataFrame) -> str:
    """Entries as dots in the order of time: drawn by outcome, the later colour would hide the earlier."""
    won = (own["net_eur"] > 0).to_numpy()
    colors = np.where(won, LIGHT.gain, LIGHT.loss)
    axes.scatter(_naive(own["entry_time"]), own["entry_price"], s=4, c=colors, alpha=0.5, linewidths=0, zorder=3)
    for label, count, color in (("won", won.sum(), LIGHT.gain), ("lost", (~won).sum(), LIGHT.loss)):
        axes.scatter([], [], s=18, color=color, label=f"{label} ({int(count):,})")
    return "entries"


@contextmanager
def _style() -> Iterator[None]:
    """Our style, and no warning for a name in letters that the font does not have; both end with the block."""
    with matplotlib.rc_context(cast(Any, STYLE)), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font", category=UserWarning)
        yield


def _partial(result: Result) -> str:
    return " (PARTIAL RUN)" if result.partial else ""


def _naive(times: Any) -> pd.DatetimeIndex:
    """Naive UTC: matplotlib warns about zones."""
    return utc(times).tz_localize(None)


def _line(axes: Axes, series: pd.Series, color: str, label: str, **style: Any) -> None:
    drawn = thin(series, POINTS)
    marker = "o" if len(drawn) == 1 else None
    axes.plot(_naive(drawn.index), drawn.to_numpy(dtype=float), color=color, label=label, marker=marker, **style)


def _legend(axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        axes.legend(handles, [label[:40] for label in labels], ncols=min(len(labels), 4), loc="best")
