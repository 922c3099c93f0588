"""The page in a real browser, without a network: every chart is drawn, in both schemes, and nothing complains."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from engine.report.page import render_page
from engine.report.palette import DARK, LIGHT, Scheme

pytestmark = pytest.mark.slow

# The page's own policy forbids requests; this name server makes sure that one would fail, too
OFFLINE = "--host-resolver-rules=MAP * ~NOTFOUND"


@pytest.fixture(scope="module")
def browser() -> str:
    found = next((name for name in ("chromium", "chromium-browser", "google-chrome") if shutil.which(name)), None)
    if found is None:
        pytest.skip("no chromium on this machine")
    return found


@pytest.mark.parametrize(("scheme", "setting"), [(LIGHT, 1), (DARK, 0)], ids=["light", "dark"])
def test_every_chart_is_drawn_in_the_scheme_of_the_reader(
    browser: str, sample: Any, tmp_path: Path, scheme: Scheme, setting: int
) -> None:
    path = tmp_path / "report.html"
    path.write_text(render_page(sample, [], [], []), encoding="utf-8")
    run = subprocess.run(
        [
            browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}",
            f"--blink-settings=preferredColorScheme={setting}", "--virtual-time-budget=15000", OFFLINE,
            "--enable-logging=stderr", "--dump-dom", path.as_uri(),
        ],
        capture_output=True, text=True, check=True, timeout=300,
    )  # fmt: skip
    assert not re.findall(r"CONSOLE.*", run.stderr)
    drawn = re.findall(r'<div class="plot[^"]*js-plotly-plot"', run.stdout)
    assert len(drawn) == 8
    red, green, blue = (int(scheme.accent[i : i + 2], 16) for i in (1, 3, 5))
    assert f"rgb({red}, {green}, {blue})" in run.stdout
