"""The words and tables of the page, as plain records for the template. Numbers are those of the summary, unchanged."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from analyzers.daily_target import MIN_SESSIONS, answer
from engine.report import formats
from engine.report.cells import Cell, Fact, Heading, Row, Table, by_name, facts, is_plain, metric_cell, number_cell
from engine.report.rows import (
    BY_KEY,
    COST_FACTS,
    COSTS,
    COSTS_OFF_MEANS,
    DAILY_TARGET,
    EXIT_REASONS,
    HASHES,
    METRICS,
    REFUSALS,
    RUN_FACTS,
    STRETCH_METRICS,
    TOO_FEW,
    interval,
    net_of_costs,
    words,
)
from engine.report.view import (
    Result,
    benchmark,
    collapsed_events,
    exit_reasons,
    idle_losses,
    monthly_returns,
    refusals,
    sessions,
    strategy_names,
    table,
    trade_frame,
    yearly_eur,
)

Context = dict[str, Any]
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
MOST_EVENTS = 200
EXTREMES = 5
MOST_STRATEGIES = 4  # below each period and regime


def context(result: Result, trades: pd.DataFrame, trips: pd.DataFrame) -> Context:
    """Everything in the page that is no chart. ``trades`` and ``trips`` are those of ``view``."""
    summary = result.summary
    return {
        "head": _head(result),
        "tables": {
            "metrics": metrics_table(result),
            "reasons": reasons_table(trips),
            "extremes": extremes_table(trips),
            "open": open_table(result),
            "regimes": regimes_table(result),
            "periods": periods_table(result),
            "costs": costs_table(table(summary, "costs")),
            "events": events_table(result, throttle=False),
            "throttle": events_table(result, throttle=True),
            "refusals": refusals_table(result),
            "data": data_table(table(summary, "data"), daily=_daily(result)),
        },
        "facts": {
            "daily": daily_facts(result),
            "costs": cost_facts(table(summary, "costs")),
            "run": run_facts(result),
        },
        "months": months(monthly_returns(result), yearly_eur(result)),
        "net": net_of_costs(result.settings),
        "few": f"Annual figures are left out: {TOO_FEW}." if 0 < len(sessions(result)) < MIN_SESSIONS else "",
        "regime_rule": _regime_rule(result),
    }


def metrics_table(result: Result) -> Table:
    """Metrics down, the portfolio and the strategies across."""
    names, count = strategy_names(result), len(sessions(result))
    portfolio = table(result.summary, "portfolio")
    strategies = table(result.summary, "strategies")
    columns = [("portfolio", portfolio)] + [(f"strategies.{name}", table(strategies, name)) for name in names]
    rows = [
        Row(metric.heading, [metric_cell(metric, v, place, count) for place, v in columns], hint=metric.meaning)
        for metric in METRICS
        if any(metric.key in values for _, values in columns)
    ]
    return Table([Heading(""), Heading("Portfolio"), *(Heading(name) for name in names)], rows)


def regimes_table(result: Result) -> Table:
    names = {name: words(name, {}) for name in table(result.summary, "regimes")}
    return _stretches(result, "regimes", "Regime", names, {})


def periods_table(result: Result) -> Table:
    known = result.settings.periods
    dates = {name: f"{period.start} to {period.end}" for name, period in known.items()}
    return _stretches(result, "periods", "Period", {}, dates)


def _stretches(result: Result, place: str, title: str, names: Mapping[str, str], small: Mapping[str, str]) -> Table:
    """Periods or regimes down, metrics across: the portfolio, and below it each strategy when there are a few."""
    metrics = [BY_KEY[key] for key in STRETCH_METRICS]
    headings = [Heading(title), Heading("Sessions"), *(Heading(m.heading, hint=m.meaning) for m in metrics)]
    parts = table(result.summary, place)
    rows = []
    for name in parts:
        part, at = table(parts, name), f"{place}.{name}"
        count = formats.number(part.get("sessions"))
        cells = [metric_cell(metric, table(part, "portfolio"), f"{at}.portfolio", count) for metric in metrics]
        length = number_cell(part.get("sessions"), formats.integer, f"{at}.sessions")
        rows.append(Row(names.get(name, name), [length, *cells], small=small.get(name, "")))
        strategies = table(part, "strategies")
        for strategy in strategies if 1 < len(strategies) <= MOST_STRATEGIES else ():
            values = table(strategies, strategy)
            cells = [metric_cell(metric, values, f"{at}.strategies.{strategy}", count) for metric in metrics]
            rows.append(Row(strategy, [Cell(""), *cells], sub=True))
    return Table(headings, rows)


def costs_table(costs: Mapping[str, Any]) -> Table:
    """Costs of the portfolio by kind, the largest first; the total below."""
    kinds = table(costs, "portfolio")
    paid = {kind: value for kind, value in kinds.items() if isinstance(value, Mapping) and "eur" in value}
    order = sorted((k for k in paid if k != "total"), key=lambda k: -abs(_or_zero(paid[k]["eur"])))
    widest = max((abs(_or_zero(paid[kind]["eur"])) for kind in order), default=0.0) or 1.0
    headings = [Heading("Kind"), Heading("EUR"), Heading("bps of traded value"), Heading("Share of gross"), Heading("")]
    rows = []
    for kind in [*order, *(["total"] if "total" in paid else [])]:
        row, at = paid[kind], f"costs.portfolio.{kind}"
        cells = [
            number_cell(row["eur"], formats.cents, f"{at}.eur"),
            number_cell(row.get("bps_of_traded"), formats.ratio, f"{at}.bps_of_traded"),
            number_cell(row.get("share_of_gross"), formats.percent, f"{at}.share_of_gross"),
        ]
        eur = _or_zero(row["eur"])
        bar = 0.0 if kind == "total" else round(100 * abs(eur) / widest, 1)
        known = {"total": "Total", "interest": "Interest on cash", "cash_fx": "Revaluation of cash"} | COSTS
        rows.append(
            Row(words(kind, known), cells, bar=bar, bar_css="gain" if eur < 0 else "loss", total=kind == "total")
        )
    return Table(headings, rows)


def cost_facts(costs: Mapping[str, Any]) -> list[Fact]:
    """What the costs say beside their kinds: plain numbers, and the break-even size of a trade by strategy."""
    plain = {key: value for key, value in costs.items() if not isinstance(value, Mapping)}
    found = facts(plain, "costs", COST_FACTS)
    for name, row in table(costs, "break_even").items():
        if isinstance(row, Mapping):
            size = number_cell(row.get("break_even_notional_eur"), formats.eur, f"costs.break_even.{name}")
            hopeless = "the edge does not even pay the costs that grow with the size" if size.text == "∞" else ""
            found.append(Fact(f"Break-even trade of {name}, EUR", size, hopeless))
    return found


def daily_facts(result: Result) -> list[Fact]:
    """What daily_target says beside its sentence, estimates with their intervals."""
    target = table(result.summary, "daily_target")
    found, idle = [], idle_losses(result)
    for key, (heading, form, around) in DAILY_TARGET.items():
        if key in target:
            low, high = interval(target.get(around))
            level = formats.percent(target.get("confidence"), 0)
            small = f"{level} interval {form(low)} to {form(high)}" if math.isfinite(low + high) else ""
            if key == "share_negative" and idle:
                small = f"{idle:,} of them without a position, by interest alone"
            cell = number_cell(target[key], form, f"daily_target.{key}")
            if key == "sharpe" and formats.number(target.get("sessions")) < MIN_SESSIONS:
                cell, small = Cell(formats.DASH), TOO_FEW
            found.append(Fact(heading, cell, small))
    doubts = target.get("doubts")
    if isinstance(doubts, list | tuple) and doubts:
        found.append(Fact("Doubts", Cell("; ".join(str(doubt) for doubt in doubts))))
    return found


def reasons_table(trips: pd.DataFrame) -> Table:
    """Trades by the reason of their exit."""
    frame = exit_reasons(trips)
    widest = float(frame["net_eur"].abs().max()) if len(frame) else 0.0
    rows = [
        Row(
            words(str(reason), EXIT_REASONS),
            [
                number_cell(int(row["trades"]), formats.integer),
                number_cell(row["win_rate"], formats.percent),
                number_cell(row["net_eur"], formats.signed_eur, signed=True),
                number_cell(row["avg_eur"], formats.signed_cents, signed=True),
            ],
            bar=round(100 * abs(_or_zero(row["net_eur"])) / widest, 1) if widest else 0.0,
            bar_css="gain" if row["net_eur"] > 0 else "loss",
        )
        for reason, row in frame.iterrows()
    ]
    names = ("Exit", "Trades", "Won", "Net, EUR", "Average", "")
    return Table([Heading(name) for name in names], rows, "By reason of exit")


def extremes_table(trips: pd.DataFrame) -> Table:
    """The best and the worst trades."""
    ranked = trips.sort_values("net_eur", ascending=False, kind="stable")
    chosen = ranked if len(ranked) <= 2 * EXTREMES else pd.concat([ranked.head(EXTREMES), ranked.tail(EXTREMES)])
    rows = [
        Row(
            str(row.label),
            [
                Cell(str(row.side), "text"),
                Cell(formats.date(row.exit_time)),
                Cell(words(str(row.exit_reason), EXIT_REASONS), "text"),
                number_cell(row.net_eur, formats.signed_eur, signed=True),
            ],
        )
        for row in chosen.itertuples()
    ]
    headings = [Heading("Instrument"), Heading("Side", "text"), Heading("Closed"), Heading("Exit", "text")]
    return Table([*headings, Heading("Net, EUR")], rows, "Best and worst")


def open_table(result: Result) -> Table:
    """Positions that were open at the end."""
    when = formats.date if _daily(result) else formats.moment
    rows = [
        Row(
            str(row.instrument),
            [
                Cell(str(row.name), "text"),
                Cell(str(row.side), "text"),
                number_cell(row.size, formats.integer),
                Cell(when(row.entry_time)),
                number_cell(row.entry_price, formats.price),
                number_cell(row.net_eur, formats.signed_cents, signed=True),
            ],
        )
        for row in trade_frame(result, result.open_trades).itertuples(index=False)
    ]
    text = ("Strategy", "Side")
    names = ("Instrument", *text, "Size", "Since", "Entry", "Result so far, EUR")
    return Table([Heading(name, "text" if name in text else "") for name in names], rows, "Open at the end")


def events_table(result: Result, *, throttle: bool) -> Table:
    """What the risk gate did, dated: the changes of the volatility throttle, which are many, or all else."""
    when = formats.date if _daily(result) else formats.moment
    events = [row for row in collapsed_events(result) if str(row.get("kind", "")).startswith("throttle") == throttle]
    rows = [
        Row(
            when(event.get("when")),
            [
                Cell(words(str(event.get("kind", "")), REFUSALS), "text"),
                Cell(str(event.get("detail") or event.get("reason") or ""), "text prose"),
            ],
        )
        for event in events[:MOST_EVENTS]
    ]
    more = f"the first {MOST_EVENTS} of {len(events):,} events" if len(events) > MOST_EVENTS else ""
    if throttle and not more:
        more = f"{len(events):,} changes"
    return Table(
        [
            Heading("When" if _daily(result) else "When, UTC"),
            Heading("Event", "text"),
            Heading("What happened", "text"),
        ],
        rows,
        more,
    )


def refusals_table(result: Result) -> Table:
    """Refused orders by reason."""
    counts = refusals(result.orders)
    widest = int(counts.max()) if len(counts) else 1
    rows = [
        Row(words(str(reason), REFUSALS), [number_cell(int(n), formats.integer)], bar=round(100 * int(n) / widest, 1))
        for reason, n in counts.items()
    ]
    return Table([Heading("Refused for"), Heading("Orders"), Heading("")], rows)


def run_facts(result: Result) -> list[Fact]:
    """The facts of the run and of its data, times as dates, and what each hash is of."""
    found = []
    for place in ("run", "data"):
        values = {k: formats.dated(v, daily=_daily(result)) for k, v in table(result.summary, place).items()}
        found += [replace(fact, small=HASHES.get(fact.title, "")) for fact in facts(values, place, RUN_FACTS[place])]
    return found


def _daily(result: Result) -> bool:
    return result.settings.data.bar == "1d"


def data_table(data: Mapping[str, Any], *, daily: bool) -> Table:
    """One row for each instrument that the summary describes; nested tables are left to summary.json."""
    described = {name: table(table(data, "symbols"), name) for name in table(data, "symbols")}
    keys = list(dict.fromkeys(k for row in described.values() for k, v in row.items() if is_plain(v)))
    rows = [
        Row(name, [by_name(key, formats.dated(row.get(key), daily=daily)) for key in keys])
        for name, row in described.items()
    ]
    return Table([Heading("Instrument"), *(Heading(words(key, {})) for key in keys)], rows) if keys else Table()


def months(frame: pd.DataFrame, eur: pd.Series) -> list[dict[str, Any]]:
    """Years down, months across, each with the heat (0 to 50) of its return; the heat is full at the 95th centile.

    The last two cells are the return of the year and its net result in EUR.
    """
    sizes = frame[list(range(1, 13))].abs().to_numpy(dtype=float)
    scale = float(np.nanquantile(sizes, 0.95)) if np.isfinite(sizes).any() else 0.0
    rows = []
    for year, row in frame.iterrows():
        cells = []
        for column, value in row.items():
            x = formats.number(value)
            heat = 0 if not scale or not math.isfinite(x) or column == "year" else round(min(abs(x) / scale, 1) * 50)
            css = "" if heat == 0 else "up" if x > 0 else "down"
            text = formats.decimal(x * 100, 1) if math.isfinite(x) else ""
            cells.append({"text": text, "css": css, "heat": heat})
        cells.append({"text": formats.signed_eur(eur.get(year)), "css": "", "heat": 0})
        rows.append({"year": year, "cells": cells})
    return rows


def verdict(target: Mapping[str, Any], wanted: float) -> str:
    """The answer in a few words, from the interval of the mean and the doubts; empty without an evaluation."""
    if not target:
        return ""
    ends, enough = interval(target.get("mean_interval_eur")), bool(target.get("enough_evidence"))
    return answer(wanted, ends, formats.number(target.get("confidence")), enough)


def _head(result: Result) -> Context:
    settings = result.settings
    portfolio, target = table(result.summary, "portfolio"), table(result.summary, "daily_target")
    capital = settings.account.capital
    net = formats.number(portfolio.get("final_equity_eur")) - capital
    first, last = (result.equity.index[0], result.equity.index[-1]) if len(result.equity) else (None, None)
    what = f"{formats.listed(settings.strategies)} on {formats.listed(settings.traded_symbols)}"
    what += f", {settings.data.bar} bars"
    if first is not None:
        what += f", {formats.date(first)} to {formats.date(last)}"
    what += f". Capital {settings.account.currency} {formats.eur(capital)}"
    what += "; all results are net of costs." if settings.costs.enabled else "."
    share, count = formats.signed_percent(net / capital), len(sessions(result))
    low, high = interval(target.get("mean_interval_eur"))
    known = math.isfinite(low + high)
    around = f"{formats.signed_cents(low)} to {formats.signed_cents(high)}" if known else "too few sessions to bound it"
    win = formats.percent(portfolio.get("win_rate"))
    length = formats.integer(portfolio.get("max_drawdown_sessions"))
    return {
        "name": settings.name,
        "what": what,
        "partial": result.partial,
        "costs_off": "" if settings.costs.enabled else COSTS_OFF_MEANS,
        "until": formats.moment(last) if last is not None else "",
        "question": f"Does it earn EUR {formats.eur(settings.account.daily_target_eur)} a day?",
        "verdict": verdict(target, settings.account.daily_target_eur),
        "sentence": str(target.get("sentence") or "The daily target was not evaluated."),
        "tiles": [
            Fact("Net result, EUR", number_cell(net, formats.signed_eur, signed=True), f"{share} of the capital"),
            Fact("CAGR", metric_cell(BY_KEY["cagr"], portfolio, "portfolio", count), "a year, compound"),
            Fact("Sharpe", metric_cell(BY_KEY["sharpe"], portfolio, "portfolio", count), "annual"),
            Fact("Max drawdown", metric_cell(BY_KEY["max_drawdown"], portfolio, "portfolio"), f"{length} sessions"),
            Fact("Trades", metric_cell(BY_KEY["trades"], portfolio, "portfolio"), f"{win} won"),
            Fact(
                "Mean a day, EUR",
                number_cell(target.get("mean_eur"), formats.signed_cents, "daily_target.mean_eur", signed=True),
                around,
            ),
        ],
    }


def _regime_rule(result: Result) -> str:
    rule = result.settings.regimes
    return (
        f"Bull: {benchmark(result)} is more than {formats.percent(rule.band, 0)} above its average of "
        f"{rule.average_sessions} sessions and the average has risen over {rule.slope_sessions} sessions; bear: the "
        "reverse; else sideways. A session is sorted by the closes before it. Figures are annualised over the sessions "
        "of the row."
    )


def _or_zero(value: Any) -> float:
    x = formats.number(value)
    return x if math.isfinite(x) else 0.0
