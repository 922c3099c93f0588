"""The HTML report: self-contained, true to the summary, safe with any name, and there in every empty case."""

from __future__ import annotations

import datetime as dt
import itertools
import json
import math
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import engine
from core.config import load_settings
from core.settings import Settings
from engine.report.page import render_page, script_json, share_texts
from engine.report.page_tables import months, verdict
from engine.report.palette import DARK, LIGHT, Scheme, css_variables, swaps
from engine.report.view import monthly_returns, yearly_eur

Vary = Callable[..., Any]
SECTIONS = [
    "equity", "prices", "months", "trades", "regimes", "costs", "daily-target", "risk", "notes", "facts",
]  # fmt: skip
VOID = {"meta", "br", "img", "link", "input", "hr"}


class Page(HTMLParser):
    """What a browser would find in the page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.data: dict[str, float] = {}  # data-key -> value
        self.shown: dict[str, str] = {}  # data-key -> text
        self.scripts: dict[str, str] = {}  # id -> content
        self.sections: dict[str, str] = {}  # id -> text
        self.text = ""
        self._open: list[str] = []
        self._key = self._script = self._section = ""
        self.feed(text)
        self.close()
        assert self._open == [], "unclosed elements"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.tags.append((tag, named))
        if tag not in VOID:
            self._open.append(tag)
        if tag == "data" and "data-key" in named:
            self._key = named["data-key"] or ""
            self.data[self._key] = float(named["value"] or "nan")
        if tag == "section":
            self._section = named["id"] or ""
        if tag == "script":
            self._script = named.get("id") or f"script {len(self.scripts)}"

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag
        self._key = ""
        if tag == "section":
            self._section = ""

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] == "script":
            self.scripts[self._script] = self.scripts.get(self._script, "") + data
            return
        if self._open and self._open[-1] == "style":
            return
        if self._key:
            self.shown[self._key] = data
        if self._section:
            self.sections[self._section] = self.sections.get(self._section, "") + data
        self.text += data

    def chart(self, name: str) -> dict[str, Any]:
        spec: dict[str, Any] = json.loads(self.scripts[f"{name}-data"])
        return spec


def page_of(result: Any, files: list[str] | None = None) -> Page:
    return Page(render_page(result, [], [], files or []))


@pytest.fixture(scope="module")
def text(sample: Any) -> str:
    return render_page(sample, ["trades.png"], ["a remark"], ["equity.csv"])


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    return Page(text)


def flat(values: Any, place: str = "") -> dict[str, float]:
    """Numbers of the summary by their path."""
    if isinstance(values, dict):
        parts = [flat(value, f"{place}.{key}" if place else str(key)) for key, value in values.items()]
        return {key: value for part in parts for key, value in part.items()}
    return {place: float(values)} if isinstance(values, int | float) and not isinstance(values, bool) else {}


def test_page_asks_for_nothing_outside_itself(text: str, page: Page) -> None:
    links = [(tag, named[name]) for tag, named in page.tags for name in ("src", "href", "srcset") if name in named]
    assert {target for _, target in links if target and not target.startswith("#")} == {"trades.png", "equity.csv"}
    assert not [tag for tag, _ in page.tags if tag in ("link", "img", "iframe", "object", "base")]
    policy = next(named["content"] for tag, named in page.tags if named.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None and policy.startswith("default-src 'none'") and "http" not in policy
    styles = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    assert len(styles) == 1 and "url(" not in styles[0] and "@import" not in styles[0]


def test_page_is_one_file_below_six_megabytes_with_plotly_once(text: str) -> None:
    assert len(text.encode()) < 6_000_000
    assert text.count("plotly.js v") == 1


def test_page_offers_no_button_that_sends_data_away(page: Page) -> None:
    """plotly's own bar has a button that uploads the chart to its cloud."""
    own = list(page.scripts.values())[-1]
    assert "modeBarButtons: [[" in own and "sendChartToCloud" not in own


def test_all_sections_are_there_and_named_in_the_contents(page: Page) -> None:
    assert list(page.sections) == SECTIONS
    targets = [named["href"] for tag, named in page.tags if tag == "a" and (named["href"] or "").startswith("#")]
    assert targets == [f"#{name}" for name in SECTIONS]
    ids = [named["id"] for _, named in page.tags if "id" in named]
    assert len(ids) == len(set(ids))


def test_numbers_are_those_of_the_summary(page: Page, sample: Any) -> None:
    known = {key: value for key, value in flat(sample.summary).items() if math.isfinite(value)}
    assert {key: known[key] for key in page.data} == page.data
    for place in ("portfolio", "strategies", "costs", "daily_target"):
        assert any(key.startswith(place) for key in page.data)
    metrics = "cagr volatility sharpe sortino calmar max_drawdown profit_factor win_rate avg_trade_eur trades exposure"
    for name in (*metrics.split(), "turnover", "final_equity_eur"):
        for owner in ("portfolio", "strategies.meanrev", "strategies.pairs"):
            assert f"{owner}.{name}" in page.data
    for name in ("bull", "bear", "sideways"):
        assert f"regimes.{name}.portfolio.sharpe" in page.data and f"regimes.{name}.strategies.pairs.cagr" in page.data
    for name in ("dotcom_bust", "gfc", "y2018"):
        assert f"periods.{name}.portfolio.max_drawdown" in page.data


def test_numbers_are_shown_rounded_but_not_changed(page: Page, sample: Any) -> None:
    portfolio = sample.summary["portfolio"]
    assert page.shown["portfolio.win_rate"] == f"{portfolio['win_rate'] * 100:.1f}%"
    assert page.shown["portfolio.final_equity_eur"] == f"{portfolio['final_equity_eur']:,.0f}"
    assert page.shown["strategies.pairs.sharpe"] == f"{portfolio_text(sample.summary['strategies']['pairs']['sharpe'])}"


def portfolio_text(value: float) -> str:
    return f"{value:.2f}".replace("-", "\u2212")


def test_headline_tells_the_sentence_and_the_question(page: Page, sample: Any) -> None:
    assert sample.summary["daily_target"]["sentence"] in page.text
    assert "Does it earn EUR 50 a day?" in page.text
    assert "Partial results" not in page.text


def test_notes_remarks_events_and_refusals_are_told(page: Page, sample: Any) -> None:
    assert all(note in page.sections["notes"] for note in sample.notes)
    assert "a remark" in page.sections["notes"]
    assert "drawdown 20.1% reached the limit of 20.0%" in page.sections["risk"]
    assert "Gross exposure" in page.sections["risk"] and "Cooldown after a stop-out" in page.sections["risk"]
    assert "3f" * 32 in page.sections["facts"] and "allotment = 0.5" in page.sections["facts"]


def test_every_trade_is_drawn_on_its_instrument(page: Page, sample: Any) -> None:
    for number, symbol in enumerate(("SPX", "IXIC")):
        own = sample.trades[sample.trades["instrument"] == symbol]
        titles = [c for c in (page.chart(f"chart-price-{n}") for n in (0, 1)) if marks(c, "entry") == len(own)]
        assert titles, f"{symbol}: {len(own)} entries are not drawn ({number})"
    pairs = sample.trades[sample.trades["strategy"] == "pairs"]["trade_id"].nunique()
    chart = page.chart("chart-pair-0")
    assert marks(chart, "entry") == marks(chart, "exit") == pairs
    hover = next(trace["hovertext"][0] for trace in chart["data"] if "hovertext" in trace)
    assert "SPX" in hover and "IXIC" in hover and "EUR" in hover


def marks(chart: dict[str, Any], what: str) -> int:
    traces = [trace for trace in chart["data"] if trace.get("name", "").endswith(what)]
    return sum(len(chart["data"][trace.get("meta", {}).get("x", 0)]["x"] if "x" not in trace else trace["x"])
               for trace in traces)  # fmt: skip


def test_scripts_are_valid_json_that_cannot_end_their_element(page: Page, text: str) -> None:
    specs = [name for name in page.scripts if name.endswith("-data") or name == "palette"]
    assert len(specs) == 9  # equity, two prices, a pair, trades, excursions, target, sessions, palette
    for name in specs:
        json.loads(page.scripts[name])
        assert "<" not in page.scripts[name]


def test_partial_run_has_a_banner_before_everything_else(vary: Vary) -> None:
    page = page_of(vary(partial=True))
    banner = next(named for _, named in page.tags if named.get("id") == "partial")
    assert banner["role"] == "alert"
    assert page.text.index("Partial results.") < page.text.index("Net result, EUR")
    assert "2018-12-31" in page.text


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ({}, ""),
        ({"mean_interval_eur": (-9.0, -1.0), "enough_evidence": False}, "No: it loses money"),
        ({"mean_interval_eur": (-1.0, 60.0), "enough_evidence": False}, "Not enough evidence"),
        ({"mean_interval_eur": (-2.21, 0.58), "enough_evidence": False}, "No, not at this capital"),
        ({"mean_interval_eur": (1.0, 49.0), "enough_evidence": True}, "No, not at this capital"),
        ({"mean_interval_eur": (1.0, 60.0), "enough_evidence": True}, "Perhaps: the 95% interval holds the target"),
        ({"mean_interval_eur": (50.0, 60.0), "enough_evidence": True}, "Yes, at 95% confidence"),
        ({"mean_interval_eur": (math.nan, math.nan), "enough_evidence": False}, "Not enough evidence"),
    ],
)
def test_verdict_is_yes_only_when_the_whole_interval_is(target: dict[str, Any], words: str) -> None:
    assert verdict(target and target | {"confidence": 0.95}, 50.0) == words


def test_readme_gives_the_answer_of_the_page_on_the_same_run(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    (said,) = re.findall(r"Its answer is \*\*(.+?)\*\*", (root / "README.md").read_text(encoding="utf-8"))
    settings = load_settings(overrides=["report.bootstrap_samples=300", f"paths.state={tmp_path}"])
    result = engine.backtest(settings)
    assert verdict(result.summary["daily_target"], settings.account.daily_target_eur) == said
    assert f"{said}: " in result.summary["daily_target"]["sentence"]


def costless(sample: Any) -> Settings:
    return sample.settings.model_copy(update={"costs": sample.settings.costs.model_copy(update={"enabled": False})})


def test_costs_that_are_off_are_said_and_nothing_is_called_net_of_them(sample: Any, vary: Vary, page: Page) -> None:
    assert "COSTS ARE OFF" not in page.text and "net of costs" in page.text
    off = page_of(vary(settings=costless(sample)))
    banner = next(named for _, named in off.tags if named.get("id") == "costs-off")
    assert banner["role"] == "alert"
    assert off.text.index("COSTS ARE OFF: no commission") < off.text.index("Net result, EUR")
    assert "net of costs" not in off.text
    names = [trace["name"] for trace in off.chart("chart-equity")["data"]]
    assert not [name for name in names if "before costs" in name]


def test_annual_figures_of_few_sessions_are_dashes_with_a_hint(sample: Any, vary: Vary) -> None:
    target = sample.summary["daily_target"] | {
        "mean_interval_eur": (math.nan, math.nan), "sessions": 2, "sharpe": -181.0,
    }  # fmt: skip
    periods = {"gfc": sample.summary["periods"]["gfc"] | {"sessions": 3}}
    summary = sample.summary | {"daily_target": target, "periods": periods}
    page = page_of(vary(equity=sample.equity.iloc[:2], summary=summary))
    annual = {"cagr", "volatility", "sharpe", "sortino", "calmar", "turnover"}
    assert not [key for key in page.data if key.startswith("portfolio.") and key.split(".")[1] in annual]
    assert "periods.gfc.portfolio.max_drawdown" in page.data and "periods.gfc.portfolio.cagr" not in page.data
    assert "regimes.bull.portfolio.cagr" in page.data  # 1,500 sessions
    assert "portfolio.win_rate" in page.data and "daily_target.sharpe" not in page.data
    assert "181" not in page.sections["daily-target"]
    assert "Annual figures are left out" in page.sections["equity"]
    hints = [named.get("title") for tag, named in page.tags if tag == "td"]
    assert "fewer than 20 sessions are too few for it" in hints
    assert "too few sessions to bound it" in page.text and "\u2013 to \u2013" not in page.text
    drawn = [json.dumps(page.chart(name)) for name in ("chart-target", "chart-daily")]
    assert not [text for text in drawn if "\\u2013" in text]


def test_files_are_listed_once(sample: Any) -> None:
    page = Page(render_page(sample, ["trades.png"], [], ["equity.csv", "report.html", "trades.png"]))
    links = [named["href"] for tag, named in page.tags if tag == "a" and not (named["href"] or "").startswith("#")]
    assert links == ["equity.csv", "trades.png"]


def test_header_lists_names_in_grammar_and_not_all_of_many(sample: Any, vary: Vary, page: Page) -> None:
    assert "meanrev and pairs on SPX and IXIC, 1d bars" in page.text
    values = sample.settings.model_dump(mode="json")
    values["strategies"] = {f"s{n}": values["strategies"]["meanrev"] | {"allotment": 0.1} for n in range(6)}
    many = page_of(vary(settings=Settings.model_validate(values), strategy_equity={}))
    assert "s0, s1, s2, s3 and 2 more on SPX and IXIC" in many.text


def test_what_both_legs_of_a_pair_cause_is_one_event(sample: Any, vary: Vary) -> None:
    when, said = dt.datetime(2008, 10, 9, 20, tzinfo=dt.UTC), "was stopped out (spread_stop): no entries for 5 sessions"
    events = [{"when": when, "kind": "cooldown", "detail": f"{symbol} {said}"} for symbol in ("SPX", "IXIC", "SPX")]
    events += [{"when": when + dt.timedelta(days=1), "kind": "cooldown", "detail": f"SPX {said}"}]
    events += [{"when": when, "kind": "kill", "detail": "drawdown 20.1%"}] * 2
    risk = page_of(vary(events=events)).sections["risk"]
    assert risk.count("stopped out") == 2 and risk.count("drawdown 20.1%") == 1
    assert "SPX and IXIC were stopped out (spread_stop): no entries for 5 sessions" in risk


def test_run_section_says_what_hashes_are_of_and_shows_days(sample: Any, vary: Vary) -> None:
    run = sample.summary["run"] | {"first": "1999-01-04T21:00:00+00:00"}
    facts = page_of(vary(summary=sample.summary | {"run": run})).sections["facts"]
    assert "SHA-256 of all settings that can move results" in facts
    assert "SHA-256 of all bars used" in facts
    assert "First bar1999-01-04SHA" not in facts and "First bar1999-01-04" in facts
    assert "T21:00" not in facts and "21:00" not in facts.split("Settings as resolved")[0]


def test_year_has_its_result_in_eur(page: Page, sample: Any) -> None:
    equity = sample.equity["equity_eur"]
    rows = months(monthly_returns(sample), yearly_eur(sample))
    shown = [float(row["cells"][-1]["text"].replace(",", "").replace("\u2212", "-")) for row in rows]
    assert sum(shown) == pytest.approx(equity.iloc[-1] - 100_000, abs=0.5 * len(rows))
    assert all(row["cells"][-1]["text"] in page.sections["months"] for row in rows)


def test_sessions_that_lost_by_interest_alone_are_told(sample: Any, vary: Vary) -> None:
    falling = 100_000.0 - 0.36 * np.arange(1, len(sample.equity) + 1)
    flat = sample.equity.assign(equity_eur=falling, gross_exposure_eur=0.0)
    flat = flat.set_axis(flat.index - pd.Timedelta(hours=4))  # before the close of the day, in summer too
    page = page_of(vary(equity=flat, trades=nothing(sample.trades)))
    count = f"{len(flat):,}"
    assert f"{count} of them without a position, by interest alone" in page.sections["daily-target"]


def test_buy_and_hold_is_there_but_hidden(page: Page, sample: Any) -> None:
    line = next(t for t in page.chart("chart-equity")["data"] if t["name"] == "Buy and hold SPX, no costs")
    assert line["visible"] == "legendonly"
    assert line["y"]["dtype"] == "f4"


# --- names come from users

ATTACKS = [
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '" onmouseover="alert(1)',
    "{{ 7 * 7 }}",
    "${alert(1)}",
    "<!-- <script>",
]


def test_names_cannot_become_markup(sample: Any, vary: Vary, page: Page) -> None:
    attack = " ".join(ATTACKS)
    values = sample.settings.model_dump(mode="json")
    values["strategies"] = {attack: values["strategies"]["meanrev"], f"{attack} pair": values["strategies"]["pairs"]}
    values["instruments"] = {attack: values["instruments"]["SPX"], "IXIC": values["instruments"]["IXIC"]}
    values["strategies"][attack]["instruments"] = [attack, "IXIC"]
    values["strategies"][f"{attack} pair"]["pairs"] = [[attack, "IXIC"]]
    values["periods"] = {attack: values["periods"]["gfc"]}
    values["regimes"]["benchmark"] = attack
    settings = Settings.model_validate(values)
    units = {"meanrev:SPX": f"{attack}:{attack}", "meanrev:IXIC": f"{attack}:IXIC", "pairs": f"{attack} pair"}
    trades = sample.trades.assign(
        strategy=sample.trades["strategy"].map(units),
        instrument=sample.trades["instrument"].replace("SPX", attack),
        exit_reason=attack,
    )
    summary = sample.summary | {
        "strategies": {attack: sample.summary["portfolio"], f"{attack} pair": sample.summary["portfolio"]},
        "periods": {attack: sample.summary["periods"]["gfc"]},
        "daily_target": sample.summary["daily_target"] | {"sentence": attack, "doubts": [attack]},
    }
    hostile = vary(
        settings=settings, trades=trades, open_trades=trades.tail(2), summary=summary, notes=[attack],
        bars={attack: sample.bars["SPX"], "IXIC": sample.bars["IXIC"]},
        strategy_equity={attack: sample.equity["equity_eur"], f"{attack} pair": sample.equity["equity_eur"]},
        orders=sample.orders.assign(refusal=attack), events=[{"when": "2008", "kind": attack, "detail": attack}],
    )  # fmt: skip
    attacked = Page(render_page(hostile, [], [attack], [attack]))
    assert {tag for tag, _ in attacked.tags} == {tag for tag, _ in page.tags}
    assert len(attacked.scripts) == len(page.scripts)
    assert not [name for _, named in attacked.tags for name in named if name.startswith("on")]
    assert all(attack in attacked.sections[name] for name in ("notes", "regimes", "risk"))  # as it was written
    drawn = json.dumps([json.loads(script) for name, script in attacked.scripts.items() if name.endswith("-data")])
    for name in ("<script", "<img", "onerror=alert(1)>"):
        assert name not in drawn  # plotly reads a little HTML in names


def test_script_json_holds_no_character_that_ends_a_script() -> None:
    text = script_json({"a": "</script><!--\u2028&"})
    assert json.loads(text) == {"a": "</script><!--\u2028&"}
    assert not set("<>&\u2028") & set(text)
    with pytest.raises(ValueError, match="not JSON compliant"):
        script_json(float("nan"))


# --- empty cases


def nothing(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.iloc[:0]


def test_no_trade(sample: Any, vary: Vary) -> None:
    empty = nothing(sample.trades)
    page = page_of(vary(trades=empty, open_trades=empty, orders=nothing(sample.orders), events=[], notes=[]))
    assert "No trade was closed." in page.sections["trades"]
    assert "No order was refused." in page.sections["risk"]
    assert "The source named nothing." in page.sections["notes"]
    assert marks(page.chart("chart-price-0"), "entry") == 0


@pytest.mark.parametrize("bars", [0, 1, 2])
def test_hardly_any_bar(sample: Any, vary: Vary, bars: int) -> None:
    empty = nothing(sample.trades)
    page = page_of(
        vary(
            equity=sample.equity.iloc[:bars], bars={name: frame.iloc[:bars] for name, frame in sample.bars.items()},
            strategy_equity={name: curve.iloc[:bars] for name, curve in sample.strategy_equity.items()},
            trades=empty, open_trades=empty,
        )
    )  # fmt: skip
    assert ("There is no bar" in page.sections["equity"]) == (bars == 0)
    assert ("chart-equity-data" in page.scripts) == (bars > 0)
    assert ("chart-price-0-data" in page.scripts) == (bars > 0)


def test_one_strategy_is_not_drawn_twice(sample: Any, vary: Vary) -> None:
    values = sample.settings.model_dump(mode="json")
    del values["strategies"]["pairs"]
    page = page_of(
        vary(
            settings=Settings.model_validate(values), trades=sample.trades[sample.trades["strategy"] != "pairs"],
            strategy_equity={"meanrev": sample.strategy_equity["meanrev"]},
            summary=sample.summary | {"strategies": {"meanrev": sample.summary["portfolio"]}},
        )
    )  # fmt: skip
    names = [trace["name"] for trace in page.chart("chart-equity")["data"]]
    assert names == ["Buy and hold SPX, no costs", "Portfolio before costs", "Portfolio", "Drawdown"]
    assert "chart-pair-0-data" not in page.scripts


def test_numbers_that_are_none_show_a_dash(sample: Any, vary: Vary) -> None:
    page = page_of(vary(summary=without_numbers(sample.summary)))
    assert "portfolio.sharpe" not in page.data
    assert "nan" not in page.text.lower().replace("finan", "").replace("domin", "")
    assert page_of(vary(summary={})).sections["equity"]


def without_numbers(values: Any) -> Any:
    if isinstance(values, dict):
        return {key: without_numbers(value) for key, value in values.items()}
    return math.nan if isinstance(values, float) else values


def test_million_minute_bars_are_thinned_and_the_page_says_so(sample: Any, vary: Vary) -> None:
    rng, size, many = np.random.default_rng(1), 1_000_000, 10_000
    index = pd.date_range("2015-01-02 14:31", periods=size, freq="min", tz="UTC")
    close = 100 * np.exp(np.cumsum(rng.normal(0, 2e-4, size)))
    bars = pd.DataFrame({"open": close, "high": close, "low": close, "close": close, "volume": 1.0}, index=index)
    equity = pd.DataFrame({"equity_eur": 1e3 * close, "cash_eur": 0.0, "gross_exposure_eur": 5e4}, index=index)
    entry = np.sort(rng.integers(0, size - 100, many))
    trades = pd.concat([sample.trades.head(1)] * many, ignore_index=True).assign(
        trade_id=[str(n) for n in range(many)], strategy="meanrev:SPX", instrument="SPX",
        entry_time=index[entry], exit_time=index[entry + 50], entry_price=close[entry], exit_price=close[entry + 50],
        net_eur=rng.normal(0, 50, many),
    )  # fmt: skip
    minutes = sample.settings.model_copy(update={"data": sample.settings.data.model_copy(update={"bar": "1m"})})
    result = vary(
        settings=minutes, equity=equity, bars={"SPX": bars, "IXIC": bars}, trades=trades,
        strategy_equity={"meanrev": equity["equity_eur"], "pairs": equity["equity_eur"]},
    )  # fmt: skip
    text = render_page(result, [], [], [])
    page = Page(text)
    assert len(text.encode()) < 6_000_000
    assert "more bars than a page can hold" in page.sections["notes"]
    assert re.search(r"SPX: the 1,000 largest of 10,000 trades are drawn", page.sections["notes"])


# --- colours


def luminance(color: str) -> float:
    """Relative luminance by WCAG 2.2."""
    channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: str, second: str) -> float:
    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=["light", "dark"])
def test_text_has_the_contrast_of_wcag_aa(scheme: Scheme) -> None:
    for color, ground in itertools.product(("ink", "muted", "accent", "gain", "loss", "warn"), ("paper", "panel")):
        assert contrast(getattr(scheme, color), getattr(scheme, ground)) >= 4.5, (color, ground)
    assert contrast(scheme.ink, scheme.warn_soft) >= 4.5
    for color in (*scheme.series, scheme.gross, scheme.price):  # lines need 3
        assert contrast(color, scheme.panel) >= 3.0, color


def test_every_light_colour_has_one_dark_partner() -> None:
    light, dark = css_variables(LIGHT), css_variables(DARK)
    assert list(light) == list(dark)
    assert len(set(light.values())) == len(light)
    assert swaps() == dict(zip(light.values(), dark.values(), strict=True))


def test_texts_that_traces_share_are_written_once() -> None:
    times = [f"2020-01-{day:02d}" for day in range(1, 31)]
    traces: list[dict[str, Any]] = [{"x": times}, {"x": list(times)}, {"x": times[:25]}, {"x": times[:5]}]
    share_texts(traces)
    assert traces == [{"x": times}, {"meta": {"x": 0}}, {"x": times[:25]}, {"x": times[:5]}]
