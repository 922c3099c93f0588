"""docs/strategies.md says what the code says."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from sizers import SIZERS
from strategies import STRATEGIES

SET_BY_THE_DESK = {"unit", "allotment_eur", "trade_from"}


def test_the_table_of_parameters_is_the_models(repository: Path) -> None:
    page = (repository / "docs" / "strategies.md").read_text()
    for name, component in {**STRATEGIES, **SIZERS}.items():
        row = re.search(rf"^\| {name} \| (`.*`) \|$", page, re.MULTILINE)
        assert row, f"no row for {name}"
        said = dict(cell.split("=", 1) for cell in re.findall(r"`([^`]*)`", row.group(1)))
        fields = {k: field.default for k, field in component.model.model_fields.items() if k not in SET_BY_THE_DESK}
        text = {True: "true", False: "false", "": '""'}
        assert said == {k: text.get(v, str(v)) if isinstance(v, bool | str) else str(v) for k, v in fields.items()}


def test_the_settings_shown_are_possible(repository: Path) -> None:
    page = (repository / "docs" / "strategies.md").read_text()
    shown = tomllib.loads(re.search(r"```toml\n(.*?)```", page, re.DOTALL).group(1))["strategies"]["meanrev"]  # type: ignore[union-attr]
    strategy = STRATEGIES[shown["strategy"]]
    strategy.check(shown["parameters"])
    strategy.default_sizer.check(shown["sizing"])
