"""`harness run`: plan everything, measure what is missing, report.

The seam between the command line and the two halves.

Layer: below `cli`, above `compose`, `execute` and `analysis.report`.
"""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Any, final

from rich.console import Console
from rich.table import Table

from harness.compose import hand_over, plan_of, plans
from harness.config import ConfigError, construct
from harness.execute import StoreError, execute, pending, probes, quality, train
from harness.nodes import build
from harness.progress import Display, display
from harness.records import Cell, Record, Status
from harness.rehearsal import Rehearsed, rehearse, total_of
from harness.store import Store
from harness.transfers import crossed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from omegaconf import DictConfig

    from harness.plan import Plan

EXIT_FAILED = 1
EXIT_INTERRUPTED = 130


def run(arguments: Sequence[str]) -> int:
    """Measures the pending cells of what `arguments` compose, reports the study, and returns the exit code.

    Raises:
        ConfigError: something that was asked for cannot be; nothing was measured.
    """
    found = plans(arguments)
    found += crossed(found)
    folder = found[0].folder
    cells = {c.id: c for p in found for c in p.cells}
    todo = {c.id for p in found for c in pending(p)}
    console = Output(soft_wrap=True)
    if todo:
        _check_writable(folder)
        console.print(f"{found[0].study}: {len(cells)} cells, {len(cells) - len(todo)} done before", highlight=False)
        code = _measure(arguments, found, total=len(cells), done=len(cells) - len(todo))
        if code:
            return code
        _tell_left_out(found[0], cells.values(), console)
    return finish(folder, found[0].report, cells=tuple(cells.values()))


def _measure(arguments: Sequence[str], found: Sequence[Plan], *, total: int, done: int) -> int:
    """Hands the jobs to Hydra's launcher. Returns a non-zero exit code if the run could not go to its end."""
    console = Output()
    try:
        if found[0].launcher.endswith(".BasicLauncher"):
            with display(console, total=total, done=done) as shown:
                _all_jobs(arguments, shown)
        else:
            hand_over(arguments, _job)
            _transfers_apart(found, console)
    except KeyboardInterrupt:
        left = len({c.id for p in found for c in pending(p)})
        sys.stderr.write(
            f"\nharness: interrupted; {total - left} of {total} cells are kept. Run the same command to go on.\n"
        )
        return EXIT_INTERRUPTED
    except StoreError as error:
        sys.stderr.write(f"harness: {error}; finished cells are kept. Make room and run the same command to go on.\n")
        return EXIT_FAILED
    return 0


def _all_jobs(arguments: Sequence[str], shown: Display) -> None:
    """Runs the trainings of all jobs, then measures their quality cells, each model loaded once, then their probes."""
    began = time.monotonic()
    jobs: list[Plan] = []

    def job(config: DictConfig) -> None:
        jobs.append(plan_of(config))

    hand_over(arguments, job)
    train(jobs, shown)
    quality(jobs, shown)
    quality(crossed(jobs), shown)
    probes(jobs, shown, began=began)


def _transfers_apart(found: Sequence[Plan], console: Console) -> None:
    """The transfers of a run whose jobs were launched elsewhere, measured here."""
    extra = crossed([p for p in found if not _is_transfer(p)])
    cells, left = [c for p in extra for c in p.cells], sum(len(pending(p)) for p in extra)
    if left:
        with display(console, total=len(cells), done=len(cells) - left) as shown:
            quality(extra, shown)


def _is_transfer(plan: Plan) -> bool:
    return plan.cells[0].spec.get("perturbation", {}).get("group") == "transfer"


def _tell_left_out(plan: Plan, cells: Iterable[Cell], console: Console) -> None:
    store = Store(plan.folder)
    left = sum((r := store.read(c)) is not None and r.status is Status.NOT_RUN for c in cells)
    if left and plan.budget:
        why = f"the time budget of {plan.budget.text} was used up"
        console.print(f"{left} cells were not run: {why}. Run the same command to go on.", highlight=False)


@final
class Output(Console):
    """The terminal or the pipe. When its reader has gone (`| head`), measuring goes on in silence."""

    def on_broken_pipe(self) -> None:
        """Throws the rest of the output away."""
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _job(config: DictConfig) -> None:
    """One job under a launcher that runs elsewhere: a display of its own, in plain lines, and an order of its own."""
    plan = plan_of(config)
    todo = pending(plan)
    with display(Output(force_terminal=False), total=len(plan.cells), done=len(plan.cells) - len(todo)) as shown:
        execute(plan, shown)


def _check_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".tmp-{os.getpid()}-writable"
        probe.write_bytes(b"\0" * 65536)
        probe.unlink()
    except OSError as error:
        raise ConfigError(
            f"results cannot be written to {folder}: {error.strerror}; choose another with results="
        ) from None


def dry_run(arguments: Sequence[str]) -> int:
    """Prints the cells that `arguments` stand for, which are done, and what is left to do; loads no weights."""
    found = plans(arguments)
    found += crossed(found)
    todo = {c.id for p in found for c in pending(p)}
    cells = list({c.id: c for p in found for c in p.cells}.values())
    nodes = {i: node for p in found for i, node in p.nodes.items()}
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column, align in (
        ("cell", "left"),
        ("model", "left"),
        ("workload", "left"),
        ("point", "left"),
        ("documents", "right"),
        ("requests", "right"),
        ("", "left"),
    ):
        table.add_column(column, justify=align)  # pyright: ignore[reportArgumentType]
    requests = 0
    for cell in cells:
        known = _forecast(cell, nodes[cell.id])
        requests += known.get("requests", 0) if cell.id in todo else 0
        shown = [str(known[k]) if k in known else "—" for k in ("documents", "requests")]
        table.add_row(
            cell.id,
            cell.model if cell.method == "none" else f"{cell.model} + {cell.method}",
            cell.asked,
            ", ".join(filter(None, (cell.variation, cell.point))),
            *shown,
            "to do" if cell.id in todo else "done",
        )
    console = Output(width=None if sys.stdout.isatty() else 120)
    console.print(table)
    console.print(
        f"\n{found[0].study}: {len(cells)} cells, {len(cells) - len(todo)} done, {len(todo)} to do"
        f" (at least {requests} requests where known); records go to {found[0].folder}",
        highlight=False,
        soft_wrap=True,
    )
    _tell_costs(found, todo, console)
    return 0


def _tell_costs(found: Sequence[Plan], todo: set[str], console: Console) -> None:
    """What is left to ask of APIs, by cell and in all; nothing is sent for it."""
    told: dict[str, Rehearsed] = {}
    for one in found:
        left = [cell for cell in one.cells if cell.id in todo and cell.id not in told]
        told |= {r.cell.id: r for r in rehearse(left, one.nodes, aside=one.aside, folder=one.folder)}
    if not told:
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("cell", "asked of", "workload", "requests", "kept", "prompt tokens", "new tokens ≤", "USD"):
        table.add_column(column, justify="left" if column in ("cell", "asked of", "workload") else "right")
    for one in told.values():
        table.add_row(one.cell.id, one.cell.model, f"{one.cell.workload} {one.protocol}".strip(), *one.figures)
    console.print()
    console.print(table)
    for why in dict.fromkeys(one.why for one in told.values() if one.why):
        console.print(f"unsupported: {why}", highlight=False, soft_wrap=True)
    console.print(f"\n{total_of(told.values())}", highlight=False, soft_wrap=True)


def _forecast(cell: Cell, node: Mapping[str, Any]) -> dict[str, int]:
    known = build(node, where=cell.workload).forecast() or {}
    wanted = cell.spec["method"]["training"]["n_train"] if cell.kind == "training" else None
    return {**known, **({"documents": wanted} if wanted else {})}


def finish(folder: Path, report: Mapping[str, Any], *, cells: Sequence[Cell] = (), anew: bool = False) -> int:
    """Writes the report of a study where its records have changed, prints the table, and returns the exit code.

    Args:
        folder: `results/STUDY`.
        report: node of the report's settings; empty for the default.
        cells: cells of this run, whose failures decide the exit code; empty for none.
        anew: write the report even if no record has changed.
    """
    from harness.analysis import report as reports
    from harness.analysis import terminal
    from harness.analysis.settings import ReportSettings

    settings = construct(report, where="report") if report else ReportSettings()
    console = Output(width=None if sys.stdout.isatty() else 120)
    terminal.show(folder, console)
    if anew or not reports.up_to_date(folder, settings):
        try:
            paths = reports.build(folder, settings)
        except OSError as error:
            sys.stderr.write(f"harness: the report cannot be written to {folder}: {error.strerror}; records are kept\n")
            return EXIT_FAILED
        console.print(f"\nreport: {paths.main}", highlight=False, soft_wrap=True)
    else:
        console.print(f"\nreport: {reports.paths(folder, settings).main}", highlight=False, soft_wrap=True)
    failed = [r for c in cells if (r := Store(folder).read(c)) is not None and _is_failure(r)]
    return EXIT_FAILED if failed else 0


def _is_failure(record: Record) -> bool:
    return record.status in (Status.FAILED, Status.OOM)
