"""The engine beside stock backtrader and its peers: workloads A to F of issue 4, and the price of an order.

Run from the repository: ``python benchmarks/engine.py``. All contenders of a workload are measured in turns in one run;
times are medians. Stock takes about a minute for a million bars, so the whole takes some fifteen; the options:

- ``--workloads A C F-pairs``: only these (A, B, C, C4, D, E, F-meanrev, F-pairs, order)
- ``--runs 5``, ``--stock-runs 1``: how often each runs; the second is for stock on the workloads of a million bars
- ``--scale 0.1``: a tenth of the bars, to try things; what is asked of the engine is meant for the whole
- ``--out FILE.json``: the numbers; ``--check``: exit code 1 when anything that is asked is missed

Peers are in the ``bench`` extra (``pip install -e .[bench]``); without them their rows say so. They run the same
signals, filled at the next open, with the same commission and size, so the final equity of A and B must be one number
for all: stock's to the last bit for ours, to 1e-9 for peers. ``ours`` leaps where the strategy says when it acts;
``ours, stepping`` calls it on every bar, as it does any strategy that says nothing. vectorbt compiles before it is
timed; as orders of backtesting.py its closed trades are counted. Memory is the peak that Python and numpy allocate
beyond the frame and the lines of the feed, on 200,000 bars, each contender in a process of its own.
"""

from __future__ import annotations

import argparse
import functools
import json
import logging
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

FOLDER = Path(__file__).resolve().parent
sys.path[:0] = [str(FOLDER.parent), str(FOLDER)]  # the package ``engine`` comes before this file

from engine_workloads import catalogue  # noqa: E402
from engine_workloads.catalogue import (  # noqa: E402
    MEMORY_BYTES,
    ORDER_US,
    OURS_NAME,
    STEPPING,
    STOCK_NAME,
    Runs,
    Workload,
)
from engine_workloads.measure import Contender, peak_bytes, take_turns  # noqa: E402

SAME = 1e-9  # relative, of final equity
EXACT = (OURS_NAME, STEPPING)
MEMORY_SCALE = 0.2  # of the million bars
PASS, FAIL = "[green]pass[/]", "[red]MISSED[/]"


def verdicts(workload: Workload) -> list[tuple[str, str, bool]]:
    """(what is asked, what was measured, whether it is met) for each bar of the workload that could be measured."""
    by_name = {contender.name: contender for contender in workload.contenders}
    ours, found = by_name[OURS_NAME], []
    for name, wanted in workload.faster.items():
        other = by_name[name]
        if not other.times:
            continue
        if wanted >= 1.0:
            ratio = other.median / ours.median
            found.append((f"at least {wanted:.0f}x {name}", f"{ratio:.1f}x", ratio >= wanted))
        else:
            ratio = ours.median / other.median
            found.append((f"at most {1 / wanted:.0f}x the time of {name}", f"{ratio:.1f}x", ratio <= 1 / wanted))
    if workload.at_most_ms is not None:
        spent = ours.median * 1e3
        found.append((f"at most {workload.at_most_ms:.0f} ms", f"{spent:.1f} ms", spent <= workload.at_most_ms))
    if workload.memory and ours.bytes_a_bar is not None:
        met = ours.bytes_a_bar <= MEMORY_BYTES
        found.append((f"at most {MEMORY_BYTES:.0f} bytes a bar", f"{ours.bytes_a_bar:.0f}", met))
    if workload.order_us:
        spent = order_us(by_name, OURS_NAME)
        found.append((f"at most {ORDER_US:.0f} us an order", f"{spent:.1f} us", spent <= ORDER_US))
    stock = by_name[STOCK_NAME].outcome
    for name in workload.same_equity:
        outcome = by_name[name].outcome
        if stock is not None and outcome is not None and name in EXACT:
            met = (outcome.equity, outcome.orders) == (stock.equity, stock.orders)
            found.append(
                (
                    f"orders and final equity of {name} are stock's to the bit",
                    "they are" if met else "they are not",
                    met,
                )
            )
        elif stock is not None and outcome is not None:
            apart = abs(outcome.equity - stock.equity) / abs(stock.equity)
            wanted_of = f"final equity of {name} is stock's to {SAME:.0e}"
            found.append((wanted_of, f"{apart:.1e}", apart <= SAME))
    return found


def order_us(by_name: dict[str, Contender], name: str) -> float:
    """Microseconds that an order adds to a run."""
    outcome = by_name[name].outcome
    orders = outcome.orders if outcome is not None else 0
    return (by_name[name].median - by_name[f"{name}, no orders"].median) / max(orders, 1) * 1e6


def shown(workload: Workload) -> Table:
    """One row for each contender; below them what is asked of ours."""
    table = Table(title=f"{workload.letter}: {workload.title}; {workload.bars:,} bars", title_justify="left")
    for heading in (
        "engine", "runs", "ms", "us a bar", "bars a second", "ours is", "us an order", "bytes a bar", "orders",
        "final equity",
    ):  # fmt: skip
        table.add_column(heading, justify="left" if heading == "engine" else "right")
    by_name = {contender.name: contender for contender in workload.contenders}
    ours = by_name[OURS_NAME]
    for c in workload.contenders:
        if c.run is None or c.outcome is None:
            table.add_row(c.name, c.note)
            continue
        an_order = ""
        if workload.order_us and f"{c.name}, no orders" in by_name:
            an_order = f"{order_us(by_name, c.name):.1f}"
        memory = f"{c.bytes_a_bar:.0f}" if c.bytes_a_bar is not None else ""
        table.add_row(
            c.name, str(len(c.times)), f"{c.median * 1e3:,.1f}", f"{c.median / workload.bars * 1e6:.3f}",
            f"{workload.bars / c.median:,.0f}", f"{c.median / ours.median:.2f}x" if c is not ours else "", an_order,
            memory, f"{c.outcome.orders:,}", f"{c.outcome.equity:.6f}",
        )  # fmt: skip
    for c in workload.contenders:
        if c.run is not None and c.note:
            table.caption = "; ".join(filter(None, [str(table.caption or ""), f"{c.name}: {c.note}"]))
    return table


def asked_table(checks: dict[str, list[tuple[str, str, bool]]]) -> Table:
    table = Table(title="What is asked of ours", title_justify="left")
    for heading in ("workload", "bar", "measured", ""):
        table.add_column(heading)
    for letter, found in checks.items():
        for wanted, measured, met in found:
            table.add_row(letter, wanted, measured, PASS if met else FAIL)
    return table


def measure_memory(contender: str, scale: float) -> float | None:
    """Bytes a bar of a contender of A, in a process of its own; None where it is not installed.

    On fewer bars: under tracemalloc stock takes minutes for a million.
    """
    command = [sys.executable, __file__, "--memory-of", contender, "--scale", str(scale)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return json.loads(printed.splitlines()[-1])  # type: ignore[no-any-return]


def print_memory(name: str, scale: float) -> None:
    """The other end of ``measure_memory``."""
    workload = catalogue.workload_a(MEMORY_SCALE * scale, Runs(1, 1))
    run = next(contender.run for contender in workload.contenders if contender.name == name)
    used = None
    if run is not None:
        run()  # modules load
        used = peak_bytes(run) / workload.bars
    sys.stdout.write(f"\n{json.dumps(used)}\n")


def as_json(workload: Workload) -> dict[str, Any]:
    return {
        "title": workload.title,
        "bars": workload.bars,
        "contenders": {
            c.name: {
                "seconds": c.times, "median": c.median, "us_a_bar": c.median / workload.bars * 1e6, "note": c.note,
                "orders": c.outcome and c.outcome.orders, "equity": c.outcome and c.outcome.equity,
                "bytes_a_bar": c.bytes_a_bar,
            }
            for c in workload.contenders
        },
        "asked": [{"bar": wanted, "measured": measured, "met": met} for wanted, measured, met in verdicts(workload)],
    }  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--workloads", nargs="+", choices=list(catalogue.WORKLOADS), default=list(catalogue.WORKLOADS))
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--stock-runs", type=int, help="on A and E; default: as --runs")
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--memory-of", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    warnings.filterwarnings("ignore", category=SyntaxWarning)
    logging.disable(logging.WARNING)  # what an engine has to say is not what is timed here
    if asked.memory_of:
        print_memory(asked.memory_of, asked.scale)
        return 0
    runs = Runs(asked.runs, asked.stock_runs or asked.runs)
    console = Console(width=max(Console().width, 150))
    checks: dict[str, list[tuple[str, str, bool]]] = {}
    written: dict[str, Any] = {}
    out = asked.out.resolve() if asked.out else None
    for name in asked.workloads:
        workload = catalogue.WORKLOADS[name](asked.scale, runs)
        with Progress(console=console, transient=True) as progress:
            in_all = sum(contender.runs for contender in workload.contenders if contender.run)
            bar = progress.add_task(f"{name}: {workload.title}", total=in_all)
            take_turns(workload.contenders, functools.partial(progress.advance, bar))
        if workload.memory:
            for contender in workload.contenders:
                contender.bytes_a_bar = measure_memory(contender.name, asked.scale)
        console.print(shown(workload))
        checks[name], written[name] = verdicts(workload), as_json(workload)
    console.print(asked_table(checks))
    if asked.scale != 1.0:
        console.print(f"scale {asked.scale}: what is asked is meant for all bars")
    if out is not None:
        out.write_text(json.dumps(written, indent=2) + "\n", encoding="utf-8")
    return 1 if asked.check and not all(met for found in checks.values() for _, _, met in found) else 0


if __name__ == "__main__":
    sys.exit(main())
