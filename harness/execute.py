"""Cells -> records: what is done is skipped, the rest is measured in fresh processes, and a crash becomes a record.

Trainings come first, each in a process of its own. Quality cells of one model share a process, whatever adapters and
jobs they belong to; a probe's cell has one of its own, unless the probe says `isolate: false`.

Layer: above `plan`, `schedule` and `worker`. It does not know the catalogue of workloads, models or methods. It keeps
torch out of its own process: workers are forked from a server process that has the heavy imports behind it but no CUDA
context and no thread pool, so that "fresh" costs no seconds.
"""

from __future__ import annotations

import multiprocessing
import signal
import time
from dataclasses import dataclass, replace
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any, final

from harness import provenance, trainings
from harness.budget import Pace
from harness.devices import Device
from harness.records import Cell, Record, Status
from harness.schedule import blocks, merged
from harness.store import Store
from harness.worker import Job, serve

if TYPE_CHECKING:
    from collections.abc import Sequence
    from multiprocessing.process import BaseProcess

    from harness.plan import Plan
    from harness.progress import Display
    from harness.schedule import Group

PRELOAD = ["harness.preload"]
"""Imported once by the server that workers are forked from."""

PRELOAD_TRAINING = [*PRELOAD, "harness.preload_training"]
"""Where models are trained, too."""


class StoreError(OSError):
    """Results cannot be written: nothing that is measured could be kept, so the run ends."""


def pending(plan: Plan) -> tuple[Cell, ...]:
    """The cells of `plan` that still have to be measured.

    Done are those with an `ok` or `unsupported` record and, where `plan.retry` is off, those that failed. What an
    earlier run had no time for is never done.
    """
    store = Store(plan.folder)
    settled = {Status.OK, Status.UNSUPPORTED} if plan.retry else set(Status) - {Status.NOT_RUN}
    return tuple(c for c in plan.cells if (record := store.read(c)) is None or record.status not in settled)


def execute(plan: Plan, display: Display) -> None:
    """Measures the pending cells of `plan` alone, as a launcher does that runs each job elsewhere.

    Raises:
        StoreError: records cannot be written.
        KeyboardInterrupt: passed on after the worker was ended; finished cells are kept.
    """
    began = time.monotonic()
    train([plan], display)
    quality([plan], display)
    probes([plan], display, began=began)


def train(plans: Sequence[Plan], display: Display) -> None:
    """Runs the pending trainings of all jobs, one after the other: what each takes is measured.

    Raises:
        StoreError: records cannot be written.
        KeyboardInterrupt: passed on after the worker was ended; it goes on from its last checkpoint in the next run.
    """
    seen = set[str]()
    for plan in plans:
        for cell in trainings.due(pending(plan), plan.cells, Store(plan.folder)):
            if cell.id not in seen:
                seen.add(cell.id)
                _choose_server(PRELOAD_TRAINING)
                _Workers(plan=plan, display=display).measure([cell])


def quality(plans: Sequence[Plan], display: Display) -> None:
    """Measures the pending quality cells of all jobs, each model once loaded. Failures are records, not exceptions.

    Raises:
        StoreError: records cannot be written.
        KeyboardInterrupt: passed on after the worker was ended; finished cells are kept.
    """
    for plan in merged(plans):
        workers = _Workers(plan=plan, display=display)
        cells = [c for c in pending(plan) if c.kind == "task" and not workers.lacks_adapter(c)]
        if cells:
            workers.measure(cells)


def probes(plans: Sequence[Plan], display: Display, *, began: float) -> None:
    """Measures the pending probe cells of all jobs in randomised blocks (`schedule.blocks`), within their time budget.

    No cell is stopped: a group of cells is not started where it would probably end too late. What is left gets a record
    that says so, unless it has an older one.

    Args:
        plans: all jobs of a run.
        display: where progress is shown.
        began: when the run began, in seconds of `time.monotonic`.

    Raises:
        StoreError: records cannot be written.
        KeyboardInterrupt: passed on after the worker was ended; finished cells are kept.
    """
    todo = {c.id for plan in plans for c in pending(plan)}
    order = blocks(plans)
    replicates = 1 + max((group.replicate for group in order), default=0)
    queue = [g for group in order if (g := replace(group, cells=tuple(c for c in group.cells if c.id in todo))).cells]
    if queue and queue[0].plan.budget:
        _start_server()
    pace = Pace()
    left: list[Group] = []
    for group in queue:
        first, budget = group.cells[0], group.plan.budget
        start = time.monotonic()
        estimate = pace.estimate(first.model, first.workload, cells=len(group.cells))
        if budget and start - began + estimate > budget.seconds:
            left.append(group)  # A shorter one may still fit.
            continue
        display.block(f"replicate {group.replicate + 1} of {replicates}" if replicates > 1 else "")
        _Workers(plan=group.plan, display=display).measure(group.cells)
        pace.note(first.model, first.workload, cells=len(group.cells), seconds=time.monotonic() - start)
    for group in left:
        _leave_out(group)


def _start_server() -> None:
    """Waits for the imports of the server that workers are forked from, which the first probe would seem to take."""
    _choose_server()
    process = multiprocessing.Process(target=_choose_server)
    process.start()
    process.join()


def _context(cell: Cell) -> Any:
    """How the worker is started: forked from the server with torch; one that only talks to an API needs no torch."""
    if cell.spec["device"]["kind"] == "api":
        return multiprocessing.get_context("spawn")
    _choose_server()
    return multiprocessing


def _choose_server(preload: list[str] = PRELOAD) -> None:
    # A launcher's process may have a start method of its own (loky's), which our workers could not follow.
    multiprocessing.set_start_method("forkserver", force=True)
    multiprocessing.set_forkserver_preload(preload)  # It counts until the server runs, which the first worker starts.


def _leave_out(group: Group) -> None:
    plan = group.plan
    why, base = plan.budget.used_up if plan.budget else "", _provenance(group.cells[0], plan)
    for cell in group.cells:
        if Store(plan.folder).read(cell) is None:
            _keep(plan, Record(cell=cell, status=Status.NOT_RUN, error=why, provenance=base))


def _provenance(cell: Cell, plan: Plan) -> dict[str, Any]:
    command = plan.commands.get(cell.id, plan.command)
    return {**provenance.collect(Device.of(cell.spec["device"])), "command": list(command)}


def _keep(plan: Plan, record: Record) -> None:
    try:
        Store(plan.folder).write(record)
    except OSError as error:
        raise StoreError(f"cannot write to {plan.folder}: {error.strerror}") from None


@final
@dataclass(frozen=True, kw_only=True)
class _Workers:
    """One worker process after another, until cells that share one are measured."""

    plan: Plan
    display: Display

    def measure(self, cells: Sequence[Cell]) -> None:
        """Starts a worker; one that dies costs the cell it was at, and another one takes the rest."""
        left = list(cells)
        while left:
            started, ended, how = self._work(left)
            left = [c for c in left if c.id not in ended]
            if not left:
                return
            # A worker that died while loading would die again: every cell left gets the record.
            lost = [c for c in left if c.id == started] if started else left
            for cell in lost:
                self._lost(cell, how)
            left = [c for c in left if c not in lost]

    def _work(self, cells: Sequence[Cell]) -> tuple[str, set[str], str]:
        """Runs one worker to its end: the cell it was at, the cells it finished, and how it ended."""
        ours, theirs = multiprocessing.Pipe()
        log = self.plan.folder / "logs" / f"{Store(self.plan.folder).record_path(cells[0]).stem}.log"
        job = Job(
            cells=tuple(cells),
            nodes=self.plan.nodes,
            folder=self.plan.folder,
            log=log,
            command=self.plan.command,
            aside=self.plan.aside,
            commands=self.plan.commands,
        )
        self.display.phase(cells[0].title, "starting", done=0, total=0)
        process = _context(cells[0]).Process(target=serve, args=(theirs, job), name=f"harness {cells[0].model}")
        process.start()
        theirs.close()
        try:
            return (*self._listen(ours, process, cells), _how_it_ended(process))
        finally:
            _end(process)
            ours.close()

    def _listen(self, ours: Any, process: BaseProcess, cells: Sequence[Cell]) -> tuple[str, set[str]]:
        by_id = {c.id: c for c in cells}
        started, ended = "", set[str]()
        while True:
            wait([ours, process.sentinel])
            try:
                message = ours.recv() if ours.poll() else None
            except (EOFError, OSError):
                message = None
            if message is None:
                process.join()
                return started, ended
            kind, *rest = message
            if kind == "start":
                started = rest[0]
            elif kind == "phase":
                self.display.phase(by_id[rest[0]].title, rest[1], done=rest[2], total=rest[3])
            elif kind == "end":
                ended.add(rest[0])
                self._show_end(by_id[rest[0]], rest[1], rest[2])
            else:
                raise StoreError(f"cannot write to {self.plan.folder}: {rest[0]}")

    def _show_end(self, cell: Cell, status: str, error: str) -> None:
        self.display.finished(cell.title, status if not error else f"{status}: {error}")

    def lacks_adapter(self, cell: Cell) -> bool:
        """Whether there is no adapter to measure `cell` under; its record then says why."""
        found = trainings.missing(cell, Store(self.plan.folder))
        if found is not None:
            self._without(cell, found.status, found.why, **({"subject": found.subject} if found.subject else {}))
        return found is not None

    def _lost(self, cell: Cell, how: str) -> None:
        self._without(cell, Status.FAILED, how)

    def _without(self, cell: Cell, status: Status, why: str, **known: Any) -> None:
        """Keeps and shows that a cell ended without a result."""
        found = {**_provenance(cell, self.plan), **known}
        _keep(self.plan, Record(cell=cell, status=status, error=why, provenance=found))
        self._show_end(cell, status.value, why)


def _how_it_ended(process: BaseProcess) -> str:
    code = process.exitcode or 0
    if code < 0:
        name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
        hint = ", as the system does when memory runs out" if name == "SIGKILL" else ""
        return f"the worker process was ended by {name}{hint}"
    return f"the worker process ended early with exit code {code}"


def _end(process: BaseProcess) -> None:
    if process.is_alive():
        process.terminate()
        process.join(timeout=5)
    if process.is_alive():
        process.kill()
        process.join()
