"""Does a results folder hold what the README promises? ``check_results.py RESULTS``: exit code 1 and why, if not."""

from __future__ import annotations

import json
import sys
from pathlib import Path

FILES = ("summary.json", "equity.csv", "trades.csv", "orders.csv", "settings.toml", "report.html")
KEYS = ("portfolio", "strategies", "periods", "regimes", "daily_target", "costs", "data")
MIN_TRADES = 30


def complaints(results: Path) -> list[str]:
    """What is wrong with the only run in ``results``; empty when nothing is."""
    folders = [path for path in results.iterdir() if path.is_dir()] if results.is_dir() else []
    if len(folders) != 1:
        return [f"expected one run in {results}/, found {len(folders)}"]
    folder = folders[0]
    wrong = [f"{name} is missing or empty" for name in FILES if not _has_content(folder / name)]
    if not list(folder.glob("*.png")):
        wrong.append("no PNG plots")
    if wrong:
        return wrong
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    wrong += [f"summary.json has no '{key}'" for key in KEYS if key not in summary]
    report = (folder / "report.html").read_text(encoding="utf-8")
    for name, metrics in summary.get("strategies", {}).items():
        trades = metrics["trades"]
        sys.stdout.write(f"{name}: {trades} trades\n")
        if trades < MIN_TRADES and f"{name} closed {trades} trades" not in report:
            wrong.append(f"{name} closed {trades} trades, and the report does not say why")
    if len(summary.get("strategies", {})) < 2:
        wrong.append("fewer than two strategies")
    return wrong


def _has_content(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0


if __name__ == "__main__":
    found = complaints(Path(sys.argv[1]))
    sys.stdout.writelines(f"{line}\n" for line in found)
    sys.exit(1 if found else 0)
