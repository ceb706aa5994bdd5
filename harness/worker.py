"""The worker process: loads one subject, measures its cells, writes their records.

Layer: below `execute`, above workloads and models. One fresh process per subject, and per cell for probes (unless their
points are to share one), so that memory figures mean something and a crash costs one cell. Here, and only here,
exceptions of every kind are caught and turned into records.
"""

from __future__ import annotations

import dataclasses
import fcntl
import gc
import os
import signal
import sys
import tempfile
import threading
import time
import traceback
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from harness import provenance, resume, subjects
from harness.attacks import examples
from harness.devices import Device, slug
from harness.models.api.answers import Stopped
from harness.models.unloaded import Unloaded
from harness.nodes import build
from harness.records import Cell, Outcome, OutOfMemory, Record, Status, Unsupported
from harness.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from multiprocessing.connection import Connection

    from harness.journal import Journal

MESSAGE_SECONDS = 0.1
"""Least time between two progress messages of one phase."""


@final
@dataclass(frozen=True, kw_only=True)
class Job:
    """What a worker is told: cells of one subject, what constructs their workloads, and where their records go.

    `aside` are fields of the model that stand in no cell.
    """

    cells: tuple[Cell, ...]
    nodes: Mapping[str, Mapping[str, Any]]
    folder: Path
    log: Path
    command: tuple[str, ...]
    aside: Mapping[str, Any] = field(default_factory=dict[str, Any])


@final
@dataclass(frozen=True)
class _Reporter:
    """Sends what happens to the parent process."""

    connection: Connection

    def __call__(self, kind: str, *rest: Any) -> None:
        self.connection.send((kind, *rest))


def serve(connection: Connection, job: Job) -> None:
    """Entry point of the worker process. Everything it learns goes to the store and, in short, through `connection`.

    Messages: `("start", id)`, `("phase", id, phase, done, total)`, `("end", id, status, error)`, `("store", error)`.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides what it means.
    threading.Thread(target=_die_with_parent, args=(connection,), daemon=True).start()
    report = _Reporter(connection)
    try:
        with _output_to(job.log):
            _measure_all(job, report)
    except OSError as error:
        report("store", provenance.scrub(str(error)))


def _die_with_parent(connection: Connection) -> None:
    """The parent never writes: a read that ends means that it is gone, and so must we be."""
    with suppress(EOFError, OSError):
        connection.recv()
    os._exit(1)


@contextmanager
def alone(cell: Cell, report: Callable[..., None]) -> Iterator[None]:
    """Keeps a probe's measuring apart from all other measuring of this user on the same devices of this machine.

    Quality cells share the lock, a probe holds it alone: two runs, or a launcher with several jobs, never time each
    other. The system frees the lock of a process that dies.
    """
    path = Path(tempfile.gettempdir()) / f"harness-{os.getuid()}-{slug(_devices(cell.spec['device']))}.lock"
    with path.open("a") as file:
        kind = fcntl.LOCK_EX if cell.kind == "probe" else fcntl.LOCK_SH
        try:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            report("phase", cell.id, "waiting for other measurements on this machine", 0, 0)
            fcntl.flock(file, kind)
        yield


def _devices(device: Mapping[str, Any]) -> str:
    """What is to be held alone: the GPUs that will be used, by the names that CUDA_VISIBLE_DEVICES gives them."""
    if device["kind"] != "cuda":
        return str(device["kind"])  # What an API takes its time for disturbs no probe here.
    count = int(device.get("count") or 1)
    named = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    return ",".join(named[:count] or [str(index) for index in range(count)])


def _among_others(cell: Cell, report: Callable[..., None]) -> AbstractContextManager[None]:
    """`alone` for a quality cell; a probe's process holds the lock already."""
    return nullcontext() if cell.kind == "probe" else alone(cell, report)


@contextmanager
def _output_to(log: Path) -> Iterator[None]:
    """Sends what libraries print, C++ ones included, to the study's log instead of through the progress bars."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a", encoding="utf-8") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        yield
        sys.stdout.flush()
        sys.stderr.flush()


def _measure_all(job: Job, report: _Reporter) -> None:
    """All cells of `job`; where they are probes, nothing else is measured or loaded meanwhile, loading included."""
    first = job.cells[0]
    with alone(first, report) if first.kind == "probe" else nullcontext():
        _load_and_measure(job, report)


def _load_and_measure(job: Job, report: _Reporter) -> None:
    store = Store(job.folder)
    first = job.cells[0]
    device = Device.of(first.spec["device"])
    base = {**provenance.collect(device), "command": list(job.command)}
    report("phase", first.id, "loading", 0, 0)
    try:
        with _among_others(first, report):
            subject = _subject(job, device, report)
    except Exception as error:  # noqa: BLE001 - a model that cannot be loaded is a record of each of its cells
        for cell in job.cells:
            _write(store, _failure(cell, error, base), report)
        return
    if not isinstance(subject, Unloaded):
        base["subject"] = dict(subject.facts)
    session = _Session(job=job, store=store, subject=subject, base=base, report=report)
    for cell in job.cells:
        report("start", cell.id)
        if store.done(cell):  # Another run of the same study was faster.
            report("end", cell.id, Status.OK.value, "")
            continue
        session.measure(cell)


def _subject(job: Job, device: Device, report: _Reporter) -> Any:
    """What the cells of `job` measure: a loaded subject, or what a probe is given that loads it itself."""
    first = job.cells[0]
    unloaded = subjects.unloaded(first, device, aside=job.aside, folder=job.folder)
    if first.kind == "probe" and getattr(build(job.nodes[first.id], where=first.workload), "loads_itself", False):
        return unloaded
    return unloaded.load(_throttled(first, report))


@final
@dataclass(frozen=True, kw_only=True)
class _Session:
    """A loaded subject with everything that its cells have in common."""

    job: Job
    store: Store
    subject: Any
    base: Mapping[str, Any]
    report: _Reporter

    def measure(self, cell: Cell) -> None:
        """Measures one cell and writes its record, which makes the journal superfluous if all is well."""
        started, base = time.perf_counter(), {**self.base, "started": provenance.now()}
        with self._journal(cell) as journal:
            with _among_others(cell, self.report):
                record, outcome = self._run(cell, journal, base)
            seconds = {"seconds": round(time.perf_counter() - started, 3)}
            record = dataclasses.replace(record, provenance={**record.provenance, **seconds})
            note = resume.note(journal) if journal and outcome else ""
            status = _write(self.store, record, self.report, outcome, note=note)
            if journal and status is Status.OK:
                journal.discard()

    def _journal(self, cell: Cell) -> Journal | nullcontext[None]:
        """Only what tasks ask can be kept: a probe's timings cannot be resumed."""
        if cell.kind != "task":
            return nullcontext()
        lm = self.subject.lm
        return resume.journal(self.store, cell, self.subject.facts, lambda: lm.computed_tokens)

    def _run(self, cell: Cell, journal: Journal | None, base: Mapping[str, Any]) -> tuple[Record, Outcome | None]:
        try:
            subjects.check(cell)
            workload = build(self.job.nodes[cell.id], where=cell.workload)
            if journal:
                self._configure(cell, journal)
            outcome = workload.run(self.subject, _throttled(cell, self.report))
            outcome = resume.told(outcome, journal) if journal else outcome
        except Exception as error:  # noqa: BLE001 - the one place where a failure becomes data
            record = _failure(cell, error, base)
        else:
            record = Record(
                cell=cell,
                status=Status.OK,
                measurements=outcome.measurements,
                warnings=outcome.warnings,
                provenance={**base, **_facts(outcome)},
            )
            return record, outcome
        _free_memory()
        return record, None

    def _configure(self, cell: Cell, journal: Journal) -> None:
        """Tells the engine how the cell is to be scored, and where answers are kept."""
        if journal.earlier:
            phase = "answers kept by an earlier run"
            self.report("phase", cell.id, phase, journal.earlier, journal.earlier)
        scoring = build(cell.spec["scoring"], where="scoring")
        device, told = Device.of(cell.spec["device"]), _throttled(cell, self.report)
        exact, folder = {"dtype": "float32", "quantisation": "none"}, self.job.folder
        self.subject.lm.configure(
            scoring,
            journal=journal,
            full=lambda: subjects.unloaded(cell, device, aside=exact, folder=folder).load(told).model,
            repeated=cell.workload if sum(c.workload == cell.workload for c in self.job.cells) > 1 else "",
        )


def _facts(outcome: Outcome) -> dict[str, Any]:
    """The facts of `outcome` as they stand in a record; a probe that loads its subject itself tells that one's, too."""
    facts = dict(outcome.facts)
    subject = {"subject": dict(facts.pop("subject"))} if "subject" in facts else {}
    return {**subject, "task": facts}


def _free_memory() -> None:
    """Gives back what a failed cell may still hold, so that the next one has the whole device."""
    gc.collect()
    torch = sys.modules.get("torch")  # Where it is not imported, as for an API model, it holds nothing.
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()


def _failure(cell: Cell, error: Exception, base: Mapping[str, Any]) -> Record:
    """The record of a cell that could not be measured; the traceback goes to the log."""
    traceback.print_exception(error)
    if isinstance(error, Stopped) and error.budget:
        return Record(cell=cell, status=Status.NOT_RUN, error=provenance.scrub(str(error)), provenance=base)
    out_of_memory = isinstance(error, (OutOfMemory, MemoryError)) or type(error).__name__ == "OutOfMemoryError"
    status = Status.UNSUPPORTED if isinstance(error, Unsupported) else Status.OOM if out_of_memory else Status.FAILED
    text = (
        str(error) if isinstance(error, (ValueError, Unsupported, OutOfMemory)) else f"{type(error).__name__}: {error}"
    )
    return Record(cell=cell, status=status, error=provenance.scrub(text) or type(error).__name__, provenance=base)


def _write(
    store: Store, record: Record, report: _Reporter, outcome: Outcome | None = None, *, note: str = ""
) -> Status:
    """Writes a record and tells how the cell ended, with a note for the person who waits; returns what was written."""
    try:
        samples = outcome.samples if outcome else ()
        store.write(record, samples, examples=examples.lines(record, samples))
    except (TypeError, ValueError) as error:  # A value that no record can hold is that cell's failure.
        record = _failure(record.cell, error, record.provenance)
        store.write(record)
    status = record.status.value
    report("end", record.cell.id, f"{status}; {note}" if note else status, record.error)
    return record.status


def _throttled(cell: Cell, report: _Reporter) -> Any:
    """A progress callback that sends at most ten messages a second: measuring does not wait for the terminal."""
    last = {"time": 0.0, "phase": ""}

    def progress(phase: str, done: int, total: int) -> None:
        now = time.monotonic()
        if phase != last["phase"] or done >= total or now - last["time"] >= MESSAGE_SECONDS:
            last["time"], last["phase"] = now, phase
            report("phase", cell.id, phase, done, total)

    return progress
