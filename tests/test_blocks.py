"""The probes of several jobs in one order, in real worker processes: blocks, shared processes, crashes, budgets."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pytest

from harness.compose import plans, rewrite
from harness.execute import pending, probes
from harness.records import Record, Status
from harness.store import Store

if TYPE_CHECKING:
    from conftest import Command

    from harness.plan import Plan

DATA = Path(__file__).parent / "data"
PROBE = "# @package probe.nap\n_target_: nap.Nap\nname: nap\nabout: sleeps\nbatch: [1, 2]\n"
MODELS = "model=mini-gpt2-s,mini-neox"


class Watch:
    """A display that notes what is shown."""

    def __init__(self) -> None:
        self.shown: list[tuple[str, str]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *args: object) -> None:
        pass

    def phase(self, *_: str, **__: int) -> None:
        """Of no matter here."""

    def block(self, name: str) -> None:
        """Keeps its name."""
        self.shown.append(("block", name))

    def finished(self, title: str, note: str) -> None:
        """Keeps the note."""
        self.shown.append((title, note))


@pytest.fixture(autouse=True)
def _nap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A probe of the user's own, in a working folder of its own."""
    monkeypatch.syspath_prepend(DATA)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conf/probe").mkdir(parents=True)
    (tmp_path / "conf/probe/nap.yaml").write_text(PROBE)


def _plans(*overrides: str) -> list[Plan]:
    return plans(rewrite(["-m", MODELS, "probe=nap", "study=s", "device=cpu", *overrides]))


def _measured(found: list[Plan], *, began: float | None = None) -> tuple[list[Record], Watch]:
    watch = Watch()
    probes(found, watch, began=time.monotonic() if began is None else began)
    return [record for p in found for c in p.cells if (record := Store(p.folder).read(c))], watch


def _value(record: Record, metric: str) -> float:
    return next(m.value for m in record.measurements if m.metric == metric)


def test_blocks_go_over_all_jobs_in_fresh_processes() -> None:
    """Each block holds every model, the control's twin too, before the next begins; each cell has its own process."""
    found = _plans("control=mini-neox", "probe.nap.replicates=2")
    records, watch = _measured(found)
    assert {r.status for r in records} == {Status.OK}
    order = sorted(records, key=lambda r: _value(r, "at"))
    blocks = [order[i : i + 3] for i in range(0, 12, 3)]
    assert all({r.cell.model for r in b} == {"mini-gpt2-s", "mini-neox", "mini-neox (again)"} for b in blocks)
    assert [{(r.cell.replicate, r.cell.spec["workload"]["batch"]) for r in b} for b in blocks] == [
        {(0, 1)}, {(0, 2)}, {(1, 1)}, {(1, 2)},
    ]  # fmt: skip
    assert len({_value(r, "pid") for r in records}) == 12
    assert [note for kind, note in watch.shown if kind == "block"] == ["replicate 1 of 2"] * 6 + [
        "replicate 2 of 2"
    ] * 6
    assert not any(pending(p) for p in found)


def test_a_probe_that_loads_its_subject_itself_is_given_an_unloaded_one() -> None:
    """Nothing is loaded before; what it tells of the subject stands where that of a loaded one would."""
    records, _ = _measured(_plans("probe.nap.batch=1"))
    assert {_value(r, "unloaded") for r in records} == {1.0}
    assert {r.provenance["subject"]["family"] for r in records} == {"gpt2", "gpt_neox"}
    assert all("subject" not in r.provenance["task"] for r in records)


def test_a_crash_in_a_shared_process_costs_one_point() -> None:
    """With `isolate: false` the points share a process; where it dies, another one takes what is left."""
    overrides = ("probe.nap.batch=[1,2,3,4]", "probe.nap.isolate=false", "probe.nap.deadly=3")
    records, _ = _measured(_plans(*overrides))
    for records_of in (records[:4], records[4:]):
        assert [r.status.value for r in records_of] == ["ok", "ok", "failed", "ok"]
        assert "SIGKILL" in records_of[2].error
        pids = [_value(r, "pid") for r in records_of if r.status is Status.OK]
        assert pids[0] == pids[1] != pids[2]


def test_what_the_budget_leaves_out_is_told_and_measured_by_the_next_run() -> None:
    """No further cell is started once the time is up; a later run measures what was left and nothing else."""
    slow = ("probe.nap.seconds=1.2", "probe.nap.batch=1")
    records, watch = _measured(_plans(*slow, "budget=1h"), began=time.monotonic() - 3600 + 1)
    left = [r for r in records if r.status is Status.NOT_RUN]
    assert [len(records), len(left)] == [2, 1]
    assert {r.error for r in left} == {"not run: the time budget of 1h was used up"}
    assert all(r.provenance["versions"] for r in left)
    assert [note for _, note in watch.shown if note] == ["ok"]
    done = next(r for r in records if r.status is Status.OK)
    again, _ = _measured(_plans(*slow, "retry=false"))
    assert {r.status for r in again} == {Status.OK}
    assert done in again


def test_a_budget_hides_no_earlier_failure() -> None:
    """A cell that failed and cannot be tried again for lack of time still says how it failed."""
    failing = ("probe.nap.deadly=2", "probe.nap.batch=2")
    _measured(_plans(*failing))
    records, _ = _measured(_plans(*failing, "budget=1s"), began=time.monotonic() - 2)
    assert {r.status for r in records} == {Status.FAILED}


def test_the_command_says_what_was_not_run_and_is_content(harness: Command, tmp_path: Path) -> None:
    """One line, exit code 0, and the cells are still to be measured."""
    arguments = ("run", "-m", MODELS, "probe=nap", "study=s")
    done = harness(*arguments, "budget=0.001", PYTHONPATH=_path())
    assert done.returncode == 0, done.stdout + done.stderr
    said = "4 cells were not run: the time budget of 0.001s was used up. Run the same command to go on."
    assert said in " ".join(done.stdout.split())
    records = [json.loads(path.read_text(encoding="utf-8")) for path in tmp_path.rglob("records/*/*.json")]
    assert [r["status"] for r in records] == ["not_run"] * 4


def _path() -> str:
    return os.pathsep.join([str(DATA), *([os.environ["PYTHONPATH"]] if os.environ.get("PYTHONPATH") else [])])


@pytest.mark.slow
def test_ctrl_c_among_the_blocks(tmp_path: Path) -> None:
    """Interrupted among the probes of all jobs, the command keeps what is done and says how to go on."""
    words = [sys.executable, "-m", "harness", "run", "-m", MODELS, "probe=nap", "probe.nap.seconds=2", "study=s"]
    process = subprocess.Popen(
        words,
        env={**os.environ, "PYTHONPATH": _path()},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 120
    while not list((tmp_path / "results").rglob("*.json")) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "of 4 cells are kept. Run the same command to go on." in err
    assert "Traceback" not in err
