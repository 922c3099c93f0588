"""Progress: on stderr as text, in a notebook's cell as HTML, or as a function of the caller's own."""

from __future__ import annotations

import io
import sys
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from core.progress import progress_bar, shown


def test_bar_is_on_stderr_and_counts(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar("import") as bar:
        for done in range(4):
            bar(done + 1, 4)
    out, err = capsys.readouterr()
    assert out == "" and "import" in err and "4/4" in err


def test_bar_is_drawn_on_the_console_given() -> None:
    console = Console(file=io.StringIO(), width=80)
    with progress_bar("check", console) as bar:
        bar(3, 7)
    assert "3/7" in console.file.getvalue()  # type: ignore[attr-defined]


def test_caller_with_a_function_gets_every_step() -> None:
    steps: list[tuple[int, int]] = []
    with shown("check", lambda done, total: steps.append((done, total))) as told:
        told(1, 2)
        told(2, 2)
    assert steps == [(1, 2), (2, 2)]


def test_nothing_is_shown_unless_asked(capsys: pytest.CaptureFixture[str]) -> None:
    with shown("check", False) as told:
        told(1, 2)
    assert capsys.readouterr() == ("", "")
    with shown("check", True) as told:
        told(2, 2)
    assert "2/2" in capsys.readouterr().err


class Kernel:
    """Stands for IPython in a Jupyter kernel: what was displayed, and each update of it."""

    def __init__(self) -> None:
        self.pictures: list[str] = []

    def display(self, thing: Any, display_id: bool = False) -> Kernel:
        assert display_id
        self.update(thing)
        return self

    def update(self, thing: Any) -> None:
        self.pictures.append(thing._repr_html_())


def test_notebook_shows_one_bar_in_its_cell(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kernel = Kernel()
    shell = SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=kernel.display))
    with progress_bar("A & B") as bar:
        for done in range(10_000):
            bar(done + 1, 10_000)
    assert capsys.readouterr() == ("", "")
    assert "A &amp; B" in kernel.pictures[0] and "value" not in kernel.pictures[0]
    assert '<progress max="10000" value="10000">' in kernel.pictures[-1] and "10,000 of 10,000" in kernel.pictures[-1]
    assert len(kernel.pictures) < 1_000  # not one for each step
