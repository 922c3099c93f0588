"""The tables a run prints: strategies and portfolio, the answer about the daily target, what is wrong with the data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from analyzers.daily_target import MIN_SESSIONS
from engine.report import formats
from engine.report.formats import Format
from engine.report.page_tables import verdict
from engine.report.rows import BY_KEY, COSTS_OFF_MEANS, TOO_FEW, net_of_costs
from engine.report.view import Result, collapsed_events, refusals, sessions, strategy_names, table

STYLES = {"gain": "green", "loss": "red", "": ""}
COLUMNS: tuple[tuple[str, str, Format, bool], ...] = (  # key, heading, form, coloured by sign
    ("net_eur", "Net EUR", formats.signed_eur, True),
    ("cagr", "CAGR", formats.signed_percent, True),
    ("sharpe", "Sharpe", formats.ratio, False),
    ("max_drawdown", "Max DD", formats.percent, False),
    ("profit_factor", "PF", formats.ratio, False),
    ("trades", "Trades", formats.integer, False),
    ("win_rate", "Won", formats.percent, False),
    ("avg_trade_eur", "Avg trade", formats.signed_cents, True),
    ("exposure", "In market", formats.percent, False),
)


def summary_tables(result: Result) -> list[RenderableType]:
    """What to print after a run, in order; fits 100 columns. Names are shown as text, never as rich markup."""
    shown: list[RenderableType] = []
    if result.partial:
        shown.append(Text("PARTIAL RESULTS: the run was interrupted, later bars are missing.", style="bold"))
    if not result.settings.costs.enabled:
        shown.append(Text(COSTS_OFF_MEANS, style="bold red"))
    shown += [_metrics(result), *_account_result(result), _daily_target(result)]
    if (risk := _risk(result)) is not None:
        shown.append(risk)
    if result.notes:
        shown.append(_notes(result))
    return shown


def _metrics(result: Result) -> Table:
    view = Table(
        box=box.SIMPLE_HEAD,
        padding=0,
        pad_edge=False,
        title=_title(result),
        title_justify="left",
        title_style="bold",
    )
    view.add_column("", max_width=22, overflow="ellipsis", no_wrap=True)
    for _, heading, _, _ in COLUMNS:
        view.add_column(heading, justify="right", no_wrap=True)
    capital, few = result.settings.account.capital, len(sessions(result)) < MIN_SESSIONS
    strategies = table(result.summary, "strategies")
    for name in strategy_names(result):
        allotted = capital * result.settings.strategies[name].allotment
        view.add_row(Text(name), *_cells(table(strategies, name), allotted, few))
    view.add_section()
    view.add_row(Text("Portfolio", style="bold"), *_cells(table(result.summary, "portfolio"), capital, few))
    if few:
        view.caption, view.caption_justify = Text(f"Annual figures are left out: {TOO_FEW}."), "left"
    return view


def _title(result: Result) -> Text:
    title = Text(result.settings.name)
    if len(result.equity):
        first, last = result.equity.index[0], result.equity.index[-1]
        title.append(f"  {formats.date(first)} to {formats.date(last)}", style="not bold")
    title.append(f", capital EUR {formats.eur(result.settings.account.capital)}, ", style="not bold")
    title.append(net_of_costs(result.settings), style="not bold" if result.settings.costs.enabled else "bold red")
    return title


def _cells(metrics: Mapping[str, Any], start: float, few: bool) -> list[Text]:
    """``few``: the sessions are too few for annual figures, which become dashes."""
    left_out = {key for key, metric in BY_KEY.items() if few and metric.annual}
    values = {key: None if key in left_out else value for key, value in metrics.items()}
    values["net_eur"] = formats.number(metrics.get("final_equity_eur")) - start
    shown = [(form(values.get(key)), values.get(key), signed) for key, _, form, signed in COLUMNS]
    return [Text(text, style=STYLES[formats.sign(value, text)] if signed else "") for text, value, signed in shown]


def _account_result(result: Result) -> list[RenderableType]:
    """Why the strategies do not add up to the portfolio."""
    costs = table(result.summary, "costs")
    interest, revalued = formats.number(costs.get("interest_eur")), formats.number(costs.get("cash_fx_eur"))
    parts = [
        f"{label} of EUR {formats.signed_eur(value)}"
        for label, value in (("interest", interest), ("revaluation of foreign cash", revalued))
        if abs(value) >= 0.5
    ]
    text = f"The portfolio also holds {' and '.join(parts)}; no strategy is charged for it."
    return [Padding(Text(text), (0, 0, 1, 0))] if parts else []


def _daily_target(result: Result) -> RenderableType:
    target = table(result.summary, "daily_target")
    wanted = result.settings.account.daily_target_eur
    lines = [Text(str(target.get("sentence") or "The daily target was not evaluated."))]
    if short := verdict(target, wanted):
        lines.insert(0, Text(f"Does it earn EUR {formats.eur(wanted)} a day? {short}.", style="bold"))
    return Padding(Group(*lines), (0, 0, 1, 0))


def _risk(result: Result) -> RenderableType | None:
    """Kills with their dates, and how many orders the gate refused."""
    lines = [
        Text(f"Kill switch {formats.date(event.get('when'))}: {event.get('detail', '')}")
        for event in collapsed_events(result)
        if str(event.get("kind")) == "kill"
    ]
    refused = refusals(result.orders)
    if len(refused):
        reasons = formats.listed((f"{count:,} {reason}" for reason, count in refused.items()), rest="reason")
        orders = f"{int(refused.sum()):,} order{'s' if refused.sum() > 1 else ''}"
        lines.append(Text(f"{orders} refused by the risk gate: {reasons}."))
    return Padding(Group(*lines), (0, 0, 1, 0)) if lines else None


def _notes(result: Result) -> RenderableType:
    view = Table.grid(padding=(0, 1))
    view.add_column(width=1)
    view.add_column()
    for note in result.notes:
        view.add_row("·", Text(note))
    return Padding(Group(Text("What is wrong with this sample", style="bold"), view), (0, 0, 1, 0))
