"""docs/gateway_faults.md lists every scenario with its reference and every action, and its examples are scripts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateway.faults import load, parse
from gateway.faults.actions import VERBS
from gateway.faults.names import GROUPS
from gateway.faults.scenarios import FAMILIES, SCENARIOS, Scenario
from gateway.faults.verbs import UNITS


@pytest.fixture(scope="module")
def page(repository: Path) -> str:
    return (repository / "docs" / "gateway_faults.md").read_text(encoding="utf-8")


def row(name: str, scenario: Scenario) -> str:
    settings = ", ".join(f"{key}={value}" for key, value in scenario.settings.items())
    short = re.sub(r"^https?://(www\.)?", "", scenario.reference).removeprefix("github.com/")
    cell = f"`{settings}`" if settings else ""
    return f"| `{name}` | {cell} | {scenario.happens} | {scenario.must} | [{short}]({scenario.reference}) |"


@pytest.mark.parametrize("family", FAMILIES)
def test_the_page_lists_the_scenarios_of_a_family_in_their_order(family: str, page: str) -> None:
    section = page.split(f"### {family}\n", 1)[1].split("\n#", 1)[0]
    rows = [line for line in section.splitlines() if line.startswith("| `")]
    assert rows == [row(name, scenario) for name, scenario in FAMILIES[family].items()]


def test_the_page_lists_no_other_scenario(page: str) -> None:
    section = page.split("## Scenarios\n", 1)[1]
    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == list(SCENARIOS)


def test_the_page_lists_every_action_with_its_parameters(page: str) -> None:
    section = page.split("## Actions\n", 1)[1].split("\n## ", 1)[0]
    rows = [line for line in section.splitlines() if line.startswith("| `")]
    assert rows == [f"| `{verb.signature()}` | {verb.says} |" for verb in VERBS.values()]


def test_the_examples_of_the_page_are_scripts(page: str) -> None:
    examples = re.findall(r"```text\n(.*?)```", page, re.DOTALL)
    assert len(examples) >= 3
    for example in examples:
        assert parse(example).rules


def test_the_command_lines_of_the_page_name_faults_that_load(page: str) -> None:
    faults = re.findall(r"""--fault (?:"([^"]+)"|(\S+))""", page)
    named = [fault for pair in faults for fault in pair if fault and not fault.endswith(".fault")]
    assert len(named) >= 3
    for fault in named:
        assert load(fault).rules


def test_groups_and_units_of_the_page_are_those_of_the_language(page: str) -> None:
    (groups,) = re.findall(r"groups `([^.]*)`\.", page)
    assert groups.split("`, `") == list(GROUPS)
    assert all(f"`5{unit}`" in page for unit in UNITS if unit)
