"""The worker process: loads one subject, measures its cells, writes their records.

Layer: below `execute`, above workloads and models. One fresh process per subject, and per cell for trainings and probes
(unless their points are to share one), so that memory figures mean something and a crash costs one cell. Here, and only
here, exceptions of every kind are caught and turned into records.
"""

from __future__ import annotations

import dataclasses
import gc
import os
import signal
import sys
import threading
import time
import traceback
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, final

from harness import adapters, provenance, resume, subjects
from harness.attacks import examples
from harness.devices import Device
from harness.exclusive import alone, among_others
from harness.models.api.answers import Stopped
from harness.models.unloaded import Unloaded
from harness.nodes import build
from harness.records import Cell, Outcome, OutOfMemory, Record, Status, Unsupported
from harness.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from multiprocessing.connection import Connection
    from pathlib import Path

    from harness.journal import Journal

MESSAGE_SECONDS = 0.1
"""Least time between two progress messages of one phase."""


@final
@dataclass(frozen=True, kw_only=True)
class Job:
    """What a worker is told: cells of one subject, what constructs their workloads, and where their records go.

    `aside` are fields of the model that stand in no cell; `commands` those of cells that another one asked for.
    """

    cells: tuple[Cell, ...]
    nodes: Mapping[str, Mapping[str, Any]]
    folder: Path
    log: Path
    command: tuple[str, ...]
    aside: Mapping[str, Any] = field(default_factory=dict[str, Any])
    commands: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])


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
    """All cells of `job`; where they are timed, nothing else is measured or loaded meanwhile, loading included."""
    first = job.cells[0]
    with nullcontext() if first.kind == "task" else alone(first, report):
        _load_and_measure(job, report)


def _load_and_measure(job: Job, report: _Reporter) -> None:
    store = Store(job.folder)
    first = job.cells[0]
    device = Device.of(first.spec["device"])
    base = {**provenance.collect(device), "command": list(job.command)}
    report("phase", first.id, "loading", 0, 0)
    try:
        with among_others(first, report):
            subject = _subject(job, device, report)
    except Exception as error:  # noqa: BLE001 - a model that cannot be loaded is a record of each of its cells
        _fail(job.cells, error, _Session(job=job, store=store, subject=None, base=base, report=report))
        return
    for group in adapters.groups(job.cells):
        session = _Session(job=job, store=store, subject=subject, base=base, report=report, cells=group.cells)
        with ExitStack() as stack:
            try:
                adapted, facts = stack.enter_context(adapters.on(subject, group, store))
            except Exception as error:  # noqa: BLE001 - so is an adapter that cannot be put on it
                _fail(group.cells, error, session)
                continue
            session.on(adapted, facts).measure_all()


def _fail(cells: Sequence[Cell], error: Exception, session: _Session) -> None:
    for cell in cells:
        _write(session.store, _failure(cell, error, session.base_of(cell)), session.report)


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
    cells: tuple[Cell, ...] = ()

    def on(self, subject: Any, facts: Mapping[str, Any]) -> _Session:
        """The same of the subject under an adapter, whose facts stand in every record."""
        told = {"task": dict(facts)} if facts else {}
        told |= {} if isinstance(subject, Unloaded) else {"subject": dict(subject.facts)}
        return dataclasses.replace(self, subject=subject, base={**self.base, **told})

    def base_of(self, cell: Cell) -> dict[str, Any]:
        """The provenance of a cell before it is measured."""
        return {**self.base, "command": list(self.job.commands.get(cell.id, self.job.command))}

    def measure_all(self) -> None:
        """Measures every cell that no other run of the same study was faster with."""
        for cell in self.cells:
            self.report("start", cell.id)
            if adapters.done(cell, self.store):
                self.report("end", cell.id, Status.OK.value, "")
            else:
                self.measure(cell)

    def measure(self, cell: Cell) -> None:
        """Measures one cell and writes its record, which makes the journal superfluous if all is well."""
        started, base = time.perf_counter(), {**self.base_of(cell), "started": provenance.now()}
        with self._journal(cell) as journal:
            with among_others(cell, self.report):
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
            if journal:
                self._configure(cell, journal)
            outcome = self._outcome(cell)
            outcome = resume.told(outcome, journal) if journal else outcome
        except Exception as error:  # noqa: BLE001 - the one place where a failure becomes data
            record = _failure(cell, error, base)
        else:
            record = Record(
                cell=cell,
                status=Status.OK,
                measurements=outcome.measurements,
                warnings=outcome.warnings,
                provenance={**base, **_facts(outcome, base.get("task", {}))},
            )
            return record, outcome
        _free_memory()
        return record, None

    def _outcome(self, cell: Cell) -> Outcome:
        node, told = self.job.nodes[cell.id], _throttled(cell, self.report)
        if cell.kind == "training":
            return adapters.train(cell, self.subject, node, folder=self.job.folder, progress=told)
        return build(node, where=cell.workload).run(self.subject, told)

    def _configure(self, cell: Cell, journal: Journal) -> None:
        """Tells the engine how the cell is to be scored, and where answers are kept."""
        if journal.earlier:
            phase = "answers kept by an earlier run"
            self.report("phase", cell.id, phase, journal.earlier, journal.earlier)
        scoring = build(cell.spec["scoring"], where="scoring")
        device, told = Device.of(cell.spec["device"]), _throttled(cell, self.report)
        exact = {"dtype": "float32", "quantisation": "none"}
        self.subject.lm.configure(
            scoring,
            journal=journal,
            full=lambda: adapters.whole(cell, device, aside=exact, store=self.store, progress=told),
            repeated=cell.workload if sum(c.workload == cell.workload for c in self.cells) > 1 else "",
        )


def _facts(outcome: Outcome, known: Mapping[str, Any]) -> dict[str, Any]:
    """The facts of `outcome` as they stand in a record; a probe that loads its subject itself tells that one's, too."""
    facts = dict(outcome.facts)
    subject = {"subject": dict(facts.pop("subject"))} if "subject" in facts else {}
    return {**subject, "task": {**facts, **known}}


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
