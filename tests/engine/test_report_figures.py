"""PNG plots and the tear sheet: they are there, they are pictures, and the caller's matplotlib is as it was."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.image
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from engine.report.figures import PercentTicks, draw_daily, draw_equity, draw_figures, draw_months, draw_trades
from engine.report.palette import LIGHT
from engine.report.rows import net_of_costs
from engine.report.tear_sheet import write_tear_sheet
from engine.report.view import monthly_returns, round_trips, trade_frame

Vary = Callable[..., Any]


@pytest.fixture
def backend() -> Iterator[str]:
    """A backend of the caller other than Agg, and an own figure in it."""
    before = plt.get_backend()
    plt.switch_backend("svg")
    plt.figure("mine")
    yield "svg"
    plt.close("mine")
    plt.switch_backend(before)


@pytest.fixture
def short(sample: Any, vary: Vary) -> Any:
    """Two years, without a tear sheet."""
    report = sample.settings.report.model_copy(update={"tear_sheet": False})
    index = sample.equity.index[:504]
    return vary(
        settings=sample.settings.model_copy(update={"report": report}),
        equity=sample.equity.loc[index],
        strategy_equity={name: curve.loc[index] for name, curve in sample.strategy_equity.items()},
        bars={name: bars.loc[index] for name, bars in sample.bars.items()},
        trades=sample.trades[sample.trades["exit_time"] <= index[-1]],
    )


def color(picture: np.ndarray, wanted: str) -> int:
    """Pixels of about this colour."""
    rgb = np.array([int(wanted[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return int((np.abs(picture[..., :3] - rgb).max(axis=-1) < 0.02).sum())


def test_pictures_show_what_they_are_named_for(written: Path) -> None:
    used = {
        "equity_drawdown.png": (LIGHT.accent, LIGHT.loss, *LIGHT.series[:2]),
        "monthly_returns.png": (LIGHT.ink,),
        "trades.png": (LIGHT.gain, LIGHT.loss, LIGHT.accent),
        "daily_target.png": (LIGHT.warn, LIGHT.accent),
        "prices_SPX.png": (LIGHT.gain, LIGHT.loss, LIGHT.price),
        "prices_IXIC.png": (LIGHT.gain, LIGHT.loss, LIGHT.price),
    }
    for name, colors in used.items():
        picture = matplotlib.image.imread(written / name)
        height, width = picture.shape[:2]
        assert width >= 1_000 and height >= 600, name
        assert all(color(picture, wanted) > 50 for wanted in colors), name
        border = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])[:, :3]
        assert (border > 0.99).all(), f"{name} is clipped at its border"


def test_tear_sheet_is_made_by_pyfolio(written: Path) -> None:
    picture = matplotlib.image.imread(written / "tear_sheet.png")
    assert picture.shape[0] > 2_000 and picture.shape[1] > 800
    assert (picture[..., :3] < 0.99).any(axis=-1).mean() > 0.2  # not a white page


def test_tear_sheet_leaves_pyfolio_matplotlib_and_the_console_as_they_were(
    sample: Any, vary: Vary, tmp_path: Path, backend: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the first import, which is not ours here
        from pyfolio import plotting
    functions = (plotting.show_perf_stats, plotting.show_worst_drawdown_periods)
    styles, filters = dict(matplotlib.rcParams), list(warnings.filters)
    result = vary(equity=sample.equity.iloc[:252])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert write_tear_sheet(result, tmp_path / "sheet.png") == ""
    assert caught == []
    assert capsys.readouterr() == ("", "")
    assert (plotting.show_perf_stats, plotting.show_worst_drawdown_periods) == functions
    assert dict(matplotlib.rcParams) == styles and warnings.filters == filters
    assert plt.get_backend() == backend
    assert plt.get_figlabels() == ["mine"]


def test_tear_sheet_of_too_few_sessions_is_a_remark(sample: Any, vary: Vary, tmp_path: Path) -> None:
    remark = write_tear_sheet(vary(equity=sample.equity.iloc[:1]), tmp_path / "sheet.png")
    assert remark == "The tear sheet needs 2 sessions with a return, the run has 1."
    assert not (tmp_path / "sheet.png").exists()


def test_what_pyfolio_cannot_draw_costs_a_picture_and_no_results(
    sample: Any, vary: Vary, tmp_path: Path, backend: str, caplog: pytest.LogCaptureFixture
) -> None:
    """An account that loses everything every other day: the returns overflow, and pyfolio finds no number left."""
    equity = sample.equity.iloc[:60].assign(equity_eur=np.where(np.arange(60) % 2, 1e300, 1e-300))
    remark = write_tear_sheet(vary(equity=equity), tmp_path / "sheet.png")
    assert remark.startswith("The tear sheet could not be drawn: pyfolio raised ValueError")
    assert "pyfolio could not draw the tear sheet" in caplog.text
    assert not (tmp_path / "sheet.png").exists()
    assert plt.get_backend() == backend and plt.get_figlabels() == ["mine"]


def test_pictures_do_not_touch_pyplot(short: Any, tmp_path: Path, backend: str) -> None:
    styles = dict(matplotlib.rcParams)
    names, remarks = draw_figures(short, tmp_path)
    assert sorted(names) == sorted(path.name for path in tmp_path.iterdir())
    assert remarks == []
    assert plt.get_backend() == backend and plt.get_figlabels() == ["mine"]
    assert dict(matplotlib.rcParams) == styles


@pytest.mark.parametrize("bars", [0, 1, 2])
def test_hardly_any_bar(short: Any, vary: Vary, tmp_path: Path, bars: int) -> None:
    empty = short.trades.iloc[:0]
    result = vary(
        settings=short.settings,
        equity=short.equity.iloc[:bars],
        bars={name: frame.iloc[:bars] for name, frame in short.bars.items()},
        strategy_equity={name: curve.iloc[:bars] for name, curve in short.strategy_equity.items()},
        trades=empty,
        summary={},
    )
    names, remarks = draw_figures(result, tmp_path)
    assert bool(names) == (bars > 0)
    assert remarks == ([] if bars else ["No pictures were drawn, since the run has no bar."])
    assert "trades.png" not in names


@pytest.mark.parametrize(
    ("ticks", "labels"),
    [
        ([-0.045, -0.03, -0.015, 0.0], ["\u22124.5%", "\u22123.0%", "\u22121.5%", "0.0%"]),
        ([-0.04, -0.02, 0.0], ["\u22124%", "\u22122%", "0%"]),
        ([-0.0075, -0.005, -0.0025, 0.0], ["\u22120.75%", "\u22120.50%", "\u22120.25%", "0.00%"]),
        ([0.1, 0.30000000000000004], ["10%", "30%"]),
        ([0.0], ["0%"]),
        ([], []),
    ],
)
def test_percent_ticks_have_the_decimals_of_their_step(ticks: list[float], labels: list[str]) -> None:
    assert PercentTicks().format_ticks(ticks) == labels


def titles(result: Any, draw: Callable[[Figure], None]) -> str:
    figure = Figure(layout="constrained")
    draw(figure)
    legends = [text.get_text() for axes in figure.axes if axes.get_legend() for text in axes.get_legend().get_texts()]
    return " | ".join([axes.get_title(loc="left") + axes.get_title() for axes in figure.axes] + legends)


def test_titles_say_whether_costs_are_in_the_result(short: Any, vary: Vary) -> None:
    costs = short.settings.costs.model_copy(update={"enabled": False})
    off = vary(
        settings=short.settings.model_copy(update={"costs": costs}), equity=short.equity, bars=short.bars,
        trades=short.trades, strategy_equity=short.strategy_equity,
    )  # fmt: skip
    trades, trips = trade_frame(short), round_trips(trade_frame(short))
    for result, said, not_said in ((short, "net of costs", "COSTS ARE OFF"), (off, "COSTS ARE OFF", "et of costs")):
        net = net_of_costs(result.settings)
        shown = [
            titles(result, lambda figure, r=result: draw_equity(figure, r, trades)),
            titles(result, lambda figure, n=net, r=result: draw_months(figure, monthly_returns(r), n)),
        ]
        assert all(said in text and not_said not in text for text in shown)
        assert ("before costs" in shown[0]) == (result is short)
        enabled = result.settings.costs.enabled
        shown = [
            titles(result, lambda figure, e=enabled: draw_trades(figure, trips, costs=e)),
            titles(result, lambda figure, r=result: draw_daily(figure, r)),
        ]
        assert all(("COSTS ARE OFF" in text) != enabled for text in shown)


def test_buy_and_hold_is_drawn_where_it_does_not_flatten_the_result(short: Any, vary: Vary) -> None:
    """The result moves by 30,000 EUR; the benchmark by 20% and by 100% of the capital of 100,000 EUR."""
    steps = np.linspace(0.0, 1.0, len(short.equity))
    equity = short.equity.assign(equity_eur=100_000 + 30_000 * steps)
    for growth, drawn in ((0.2, True), (1.0, False)):
        bars = {"SPX": short.bars["SPX"].assign(close=50.0 * (1.0 + growth * steps))}
        result = vary(settings=short.settings, equity=equity, bars=bars, trades=short.trades, strategy_equity={})
        shown = titles(result, lambda figure, r=result: draw_equity(figure, r, trade_frame(r)))
        assert ("Buy and hold SPX, no costs" in shown) == drawn


def test_names_in_any_letters_are_drawn(short: Any, vary: Vary, tmp_path: Path) -> None:
    """``$`` is no formula, and a letter that the font lacks is a box, not a warning (which is an error here)."""
    name = "$x_1^2$ 日経 <b>"
    values = short.settings.model_dump(mode="json")
    values["strategies"] = {name: values["strategies"]["meanrev"], "b": values["strategies"]["pairs"]}
    values["instruments"][name] = values["instruments"]["SPX"]
    values["strategies"][name]["instruments"] = [name]
    result = vary(
        settings=type(short.settings).model_validate(values),
        equity=short.equity,
        strategy_equity={name: short.strategy_equity["meanrev"], "b": short.strategy_equity["pairs"]},
        bars={name: short.bars["SPX"]},
        trades=short.trades.assign(instrument=name, exit_reason=name),
    )
    names, _ = draw_figures(result, tmp_path)
    assert "prices_x_1_2_b.png" in names


def test_thousands_of_trades_become_dots(short: Any, vary: Vary, tmp_path: Path) -> None:
    trades = pd.concat([short.trades[short.trades["instrument"] == "SPX"]] * 200, ignore_index=True)
    result = vary(settings=short.settings, equity=short.equity, bars=short.bars, trades=trades, strategy_equity={})
    assert len(trades) > 500
    names, _ = draw_figures(result, tmp_path)
    assert "prices_SPX.png" in names


def test_a_picture_that_cannot_be_written_is_an_error_of_the_system(short: Any, tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full, the disk that is always full")
    (tmp_path / "equity_drawdown.png").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        draw_figures(short, tmp_path)
