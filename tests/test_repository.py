"""The repository keeps its own rules: packaging, layers, README, and nothing that belongs to one machine."""

from __future__ import annotations

import ast
import configparser
import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

CARD = {
    "backtrader", "ib-insync", "pandas", "numpy", "ta-lib", "statsmodels", "matplotlib", "pyfolio-reloaded", "optuna",
}  # fmt: skip
BROUGHT_ALONG = {"pydantic-core"}  # a part of pydantic, of the one version that pydantic pins
SCRIPTS = {"halflife", "run_backtest"}  # modules beside the folders
MAX_LINES = 400


@pytest.fixture(scope="module")
def tracked(repository: Path) -> list[Path]:
    """Files that git tracks and that exist, absolute."""
    if not (repository / ".git").exists():
        pytest.skip("not a git checkout")
    names = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-z"], cwd=repository, capture_output=True, text=True, check=True
    ).stdout
    return [repository / name for name in names.split("\0") if name and (repository / name).is_file()]


@pytest.fixture(scope="module")
def packages(repository: Path) -> set[str]:
    """Folders at the top that are Python packages."""
    return {path.parent.name for path in repository.glob("*/__init__.py")}


@pytest.fixture(scope="module")
def config(repository: Path) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(repository / "setup.cfg", encoding="utf-8")
    return parser


def _items(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _distribution(requirement: str) -> str:
    return re.split(r"[<>=!~;\[ ]", requirement)[0].lower().replace("_", "-")


# --- packaging and layers


def test_every_folder_is_installed_linted_and_typed(config: configparser.ConfigParser, packages: set[str]) -> None:
    include = set(_items(config["options.packages.find"]["include"]))
    assert include == packages | {f"{name}.*" for name in packages}
    assert set(_items(config["importlinter"]["root_packages"])) == packages
    files = {name.strip() for name in config["mypy"]["files"].split(",")}
    assert files == packages | {"halflife.py", "run_backtest.py"}


def test_every_folder_has_a_layer(config: configparser.ConfigParser, packages: set[str]) -> None:
    layers = config["importlinter:contract:layers"]["layers"]
    assert packages <= set(re.findall(r"[a-z_]+", layers))
    required = set(re.findall(r"[a-z_]+", re.sub(r"\([^)]*\)", "", layers)))
    assert required == packages


def test_layers_are_kept(repository: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()", "--no-cache"],
        cwd=repository, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr


def test_packages_are_mapped_flat(config: configparser.ConfigParser) -> None:
    assert _items(config["options"]["package_dir"]) == ["=."]
    assert config["options"]["packages"] == "find:"


def test_pyproject_holds_the_build_system_only(repository: Path) -> None:
    assert set(tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))) == {"build-system"}


def test_dependencies_are_those_that_the_code_imports(
    repository: Path, config: configparser.ConfigParser, packages: set[str]
) -> None:
    declared = {_distribution(line) for line in _items(config["options"]["install_requires"])}
    sources = [repository / f"{name}.py" for name in SCRIPTS]
    for package in packages:
        sources += (repository / package).rglob("*.py")
    own = packages | SCRIPTS
    imported = {
        name for path in sources for name in _imports(path) if name not in own | sys.stdlib_module_names
    }  # top-level modules of others
    distributions = importlib.metadata.packages_distributions()
    needed = {distributions[name][0].lower().replace("_", "-") for name in imported}
    assert declared == needed - BROUGHT_ALONG | CARD


def _imports(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names


# --- documents


def test_readme_gives_two_lines_that_begin_with_the_environment(repository: Path) -> None:
    lines = re.findall(r"^python3 -m venv .*$", (repository / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(lines) == 2
    assert all(line.startswith("python3 -m venv .venv && ") for line in lines)
    assert lines[0].endswith("run_backtest.py")
    assert '".[dev]"' in lines[1] and "-m pytest" in lines[1]


def test_ci_takes_its_lines_from_the_readme(repository: Path) -> None:
    script = (repository / ".ci/run").read_text(encoding="utf-8")
    assert 'show "$commit:README.md" | grep' in script
    assert "pip install" not in script
    assert (repository / ".ci/run").stat().st_mode & 0o111


def test_links_in_documents_lead_somewhere(tracked: list[Path]) -> None:
    missing = [
        f"{path.name}: {target}"
        for path in tracked
        if path.suffix == ".md"
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8"))
        if "://" not in target and not (path.parent / target).exists()
    ]
    assert not missing


def test_changelog_says_what_moves_numbers(repository: Path) -> None:
    text = (repository / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    assert versions and versions[0].startswith("[Unreleased]")
    assert re.search(r"^### Numbers change$", text, re.MULTILINE)


def test_licence_is_the_whole_text(repository: Path, config: configparser.ConfigParser) -> None:
    text = (repository / "LICENSE").read_text(encoding="utf-8")
    assert "GNU GENERAL PUBLIC LICENSE" in text and "Version 3, 29 June 2007" in text and len(text) > 30_000
    assert config["metadata"]["license"] == "GPL-3.0-or-later"


# --- sources


def test_run_backtest_is_a_thin_script(repository: Path) -> None:
    tree = ast.parse((repository / "run_backtest.py").read_text(encoding="utf-8"))
    code = [node for node in tree.body if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))]
    assert len(code) <= 3


def test_modules_hold_one_idea(tracked: list[Path]) -> None:
    lines = {path.name: path.read_text(encoding="utf-8").count("\n") for path in tracked if _is_module(path)}
    assert not {name: count for name, count in lines.items() if count > MAX_LINES}


def _is_module(path: Path) -> bool:
    return path.suffix == ".py" and not path.name.startswith("test_")


def test_test_modules_have_names_of_their_own(repository: Path) -> None:
    names = [path.name for path in (repository / "tests").rglob("test_*.py")]
    assert len(names) == len(set(names))
    assert not list((repository / "tests").rglob("__init__.py"))


# Each pattern is broken by a group, so that this file does not hold what it looks for
FOREIGN = {
    "path of one machine": r"(?<![\w.$}])/(?:root|home|tmp|work|Users)/[\w.]",
    "package host": r"(?:extra-)?index-(?:url)\b|find-(?:links)\b|//pypi(?:\.)org/simple",
    "private key": r"-----BEGIN (?:[A-Z ]*)PRIVATE KEY",
    "access token": r"\b(?:ghp|gho|github_pat|glpat|xox[bp])[_-](?:\w){16}|\bAKIA(?:[0-9A-Z]){16}\b",
    "password": r"(?i)\b(?:password|passwd|api_?key|secret_?key)\s*[=:]\s*[\"'](?:[^\"'\s$<{]){6,}[\"']",
}


@pytest.mark.parametrize("what", FOREIGN)
def test_nothing_of_one_machine_or_person_is_tracked(what: str, tracked: list[Path], repository: Path) -> None:
    found = []
    for path in tracked:
        if path.suffix in {".png", ".parquet", ".ico"} or path.name == "LICENSE":
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            if re.search(FOREIGN[what], line):
                found.append(f"{path.relative_to(repository)}:{number}: {line.strip()[:120]}")
    assert not found


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("path of one machine", "x = '/ho" "me/ann/data.csv'"),
        ("package host", "pip install --extra-index" "-url https://host/simple"),
        ("private key", "-----BEGIN RSA PRIV" "ATE KEY-----"),
        ("access token", "ghp" "_0123456789abcdefABCD"),
        ("password", "pass" "word = 'correcthorse'"),
    ],
)  # fmt: skip
def test_the_search_finds_what_it_looks_for(what: str, text: str) -> None:
    assert re.search(FOREIGN[what], text)
