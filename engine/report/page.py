"""The report: one HTML file that opens without a network."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import jinja2
import plotly.offline

from core.config import dump_toml
from engine.report import page_tables, price_charts, result_charts
from engine.report.chart import Chart, plan_drawing
from engine.report.page_tables import MONTHS, Context
from engine.report.palette import DARK, LIGHT, Scheme, css_variables, swaps
from engine.report.view import Result, round_trips, trade_frame

SECTIONS = (
    ("equity", "Equity"),
    ("prices", "Prices"),
    ("months", "Months"),
    ("trades", "Trades"),
    ("regimes", "Regimes"),
    ("costs", "Costs"),
    ("daily-target", "Daily target"),
    ("risk", "Risk"),
    ("notes", "Caveats"),
    ("facts", "Run"),
)


@dataclass(frozen=True, slots=True)
class ChartHtml:
    """A chart as the template wants it."""

    id: str
    title: str
    caption: str
    height: int
    static: bool
    json: str  # safe in a script element


def render_page(result: Result, pictures: list[str], remarks: list[str], files: list[str]) -> str:
    """HTML of the report. ``pictures`` and ``files`` are names in the same folder, ``remarks`` what was left out."""
    trades = trade_frame(result)
    trips = round_trips(trades)
    drawing = plan_drawing(result)
    drawn: dict[str, list[Chart | None]] = {
        "equity": [],
        "prices": [
            *price_charts.price_charts(result, trades, drawing),
            *price_charts.pair_charts(result, trades, drawing),
        ],
        "trades": [],
        "daily": [],
    }
    if len(result.equity):
        drawn["equity"] = [result_charts.equity_chart(result, trades, drawing)]
        drawn["daily"] = [result_charts.target_chart(result), result_charts.daily_chart(result)]
    if len(trips):
        drawn["trades"] = [result_charts.trade_histogram(trips), result_charts.excursion_chart(trips, drawing)]
    if drawing.thinned:
        drawing.remarks.append(
            "Lines are drawn from the first, last, lowest and highest value of each stretch, since there are more bars "
            "than a page can hold; every number is computed from all bars, and equity.csv has them."
        )
    context: Context = page_tables.context(result, trades, trips)
    context |= {
        "sections": SECTIONS,
        "charts": {name: [_chart_html(chart) for chart in made if chart] for name, made in drawn.items()},
        "month_names": MONTHS,
        "notes": list(result.notes),
        "remarks": [*remarks, *drawing.remarks],
        "settings": dump_toml(result.settings),
        "files": [name for name in dict.fromkeys([*files, *pictures]) if name != "report.html"],
        "currency": result.settings.account.currency,
        "palette": script_json(swaps()),
        "css": _styles(),
        "plotly": _script(plotly.offline.get_plotlyjs()),
        "js": _script(_asset("page.js")),
    }
    return str(_environment().from_string(_asset("page.html.j2")).render(context))


def script_json(value: Any) -> str:
    """JSON that may stand in a script element: no ``<`` that could end it, no separator that JavaScript dislikes."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _chart_html(chart: Chart) -> ChartHtml:
    spec = json.loads(chart.figure.to_json(validate=False))
    share_texts(spec["data"])
    return ChartHtml(chart.id, chart.title, chart.caption, chart.height, chart.static, script_json(spec))


def share_texts(traces: list[dict[str, Any]]) -> None:
    """Write times and hovers that several traces have in common once.

    The others say in ``meta`` which trace holds them (attribute -> its number); page.js puts them back.
    """
    for attribute in ("x", "hovertext"):
        seen: dict[tuple[str, ...], int] = {}
        for position, trace in enumerate(traces):
            texts = trace.get(attribute)
            if isinstance(texts, list) and len(texts) > 20 and all(isinstance(text, str) for text in texts):
                holder = seen.setdefault(tuple(texts), position)
                if holder != position:
                    del trace[attribute]
                    trace.setdefault("meta", {})[attribute] = holder


def _script(source: str) -> str:
    """JavaScript that may stand in a script element."""
    return source.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def _styles() -> str:
    def declared(scheme: Scheme) -> str:
        return " ".join(f"--{name}: {color};" for name, color in css_variables(scheme).items())

    return str(jinja2.Template(_asset("page.css")).render(light=declared(LIGHT), dark=declared(DARK)))


@cache
def _asset(name: str) -> str:
    return resources.files("engine.report").joinpath(name).read_text(encoding="utf-8")


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=False)
