"""A cell that is killed in its middle goes on where it was, and its record is that of an undisturbed one."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
from dataclasses import replace
from typing import TYPE_CHECKING, Self

import pyarrow.parquet as pq
import pytest

from harness import resume
from harness.compose import plans, rewrite
from harness.execute import execute
from harness.journal import Journal
from harness.records import Measurement, Outcome, Record, Status
from harness.store import Store

if TYPE_CHECKING:
    from pathlib import Path

    from harness.plan import Plan
    from harness.records import Cell

SLOW = """\
# @package model
_target_: harness.models.spec.ModelSpec
name: slow
family: gpt2
source: drawn
weights: random
tokenizer: zoo:mini-gpt2-s
architecture: {vocab_size: 768, n_embd: 64, n_layer: 16, n_head: 4, n_positions: 256}
"""
"""A narrow, deep model, which in small passes takes seconds on any machine: there is a middle to be killed in."""

ASKED = ("model=slow", "task=zoo-story", "device=cpu", "device.threads=1", "study=s", "scoring.tokens=64")


class Watch:
    """A display that notes what is shown, and kills the worker as soon as some answers are on the disk."""

    def __init__(self, results: Path, *, kill: bool = False) -> None:
        self.notes: list[str] = []
        self.killed = False
        self._results, self._kill = results, kill

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *args: object) -> None:
        pass

    def phase(self, *_: str, **__: int) -> None:
        """Looks for answers on the disk."""
        if self._kill and not self.killed and any(p.stat().st_size for p in self._results.rglob("*.wal")):
            self.killed = True
            for process in multiprocessing.active_children():
                os.kill(process.pid, signal.SIGKILL)

    def finished(self, _: str, note: str) -> None:
        """Keeps the note."""
        self.notes.append(note)


def _plan(*overrides: str) -> Plan:
    (found,) = plans(rewrite([*ASKED, *overrides]))
    return found


def _run(plan: Plan, *, kill: bool = False) -> tuple[Record, Watch]:
    watch = Watch(plan.folder, kill=kill)
    execute(plan, watch)
    record = Store(plan.folder).read(plan.cells[0])
    assert record is not None
    return record, watch


def _value(record: Record, metric: str) -> float:
    (found,) = [m.value for m in record.measurements if m.metric == metric and not m.subset]
    return found


def _answers(plan: Plan) -> list[dict]:
    return pq.read_table(Store(plan.folder).samples_path(plan.cells[0])).to_pylist()


def _wal(plan: Plan) -> Path:
    return resume.path(Store(plan.folder), plan.cells[0])


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a slow model."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conf" / "model").mkdir(parents=True)
    (tmp_path / "conf" / "model" / "slow.yaml").write_text(SLOW)
    return tmp_path


def test_a_killed_cell_goes_on_inside(here: Path) -> None:
    """SIGKILL in the middle: the next run computes only what is missing, and the numbers are the same.

    The answers serve another layout and another size of passes as well, although that is another cell.
    """
    whole, plan = _plan("results=undisturbed"), _plan("results=killed")
    undisturbed, watch = _run(whole)
    assert watch.notes == ["ok"]
    failed, watch = _run(plan, kill=True)
    assert watch.killed
    assert (failed.status, "SIGKILL" in failed.error) == (Status.FAILED, True)
    assert _wal(plan).stat().st_size
    shutil.copytree(here / "killed", here / "other")

    record = _resumed(plan, like=whole)
    earlier = record.provenance["task"]["resumed"]
    assert 0 < _value(record, "computed_tokens") - earlier["earlier_tokens"] < _value(undisturbed, "computed_tokens")
    assert _value(record, "seconds") > earlier["earlier_seconds"] > 0.5
    rate = _value(record, "computed_tokens") / _value(record, "seconds")
    assert _value(record, "throughput") == pytest.approx(rate)
    again = _resumed(_plan("results=other", "scoring.layout=repeated", "scoring.tokens=512"), like=whole)
    assert again.cell.id != record.cell.id
    assert again.provenance["task"]["resumed"] == earlier


def _resumed(plan: Plan, *, like: Plan) -> Record:
    """The record of a cell that a killed run had begun, with the answers of an undisturbed one."""
    record, watch = _run(plan)
    assert record.status is Status.OK
    told = record.provenance["task"]["resumed"]
    assert 0 < told["answered"] < told["requests"] <= _value(record, "requests")
    assert watch.notes == [f"ok; resumed: {told['answered']} of {told['requests']} requests were already answered"]
    assert record.provenance["task"]["scoring"]["resumed"] >= told["answered"]
    assert not _wal(plan).exists()
    for mine, theirs in zip(_answers(plan), _answers(like), strict=True):
        assert mine.pop("logprobs") == pytest.approx(theirs.pop("logprobs"), abs=1e-3)
        assert mine == theirs
    return record


def test_what_cannot_be_kept_is_said_and_does_no_harm(here: Path) -> None:
    """A folder in the place of the file: the cell is measured, the line says why it could not be resumed."""
    plan = _plan("task.zoo-story.limit=4")
    _wal(plan).mkdir(parents=True)
    record, watch = _run(plan)
    assert record.status is Status.OK
    problem = "answers are not kept while the cell runs: Is a directory"
    assert watch.notes == [f"ok; {problem}"]
    assert record.provenance["task"]["journal"] == problem
    assert here.joinpath("results/s/records").is_dir()


def _cell(*overrides: str) -> Cell:
    (found,) = plans(rewrite(["model=mini-gpt2-s", "task=zoo-story", "device=cpu", *overrides]))
    return found.cells[0]


FACTS = {"dtype": "float32", "device": "cpu", "class": "GPT2LMHeadModel"}


def _place(cell: Cell, tmp_path: Path) -> tuple[Path, str]:
    return resume.path(Store(tmp_path), cell), resume.subject(cell, FACTS)


@pytest.mark.parametrize(
    "override",
    [
        "scoring.layout=tree",
        "scoring.layout=repeated",
        "scoring.kernels=torch",
        "scoring.tokens=64",
        "scoring.precision_audit=3",
    ],
)
def test_how_answers_are_computed_does_not_matter(tmp_path: Path, override: str) -> None:
    """Layout, kernels, size and audit make another cell with the same answers, so it shares the file."""
    one, other = _cell(), _cell(override)
    assert one.id != other.id
    assert _place(one, tmp_path) == _place(other, tmp_path)


def test_the_reference_and_screened_answers_stay_apart(tmp_path: Path) -> None:
    """The reference never takes what another layout computed, and nobody takes what bf16 computed."""
    places = [_place(_cell(f"scoring={name}"), tmp_path) for name in ("auto", "reference", "screened")]
    assert len({path for path, _ in places}) == len({subject for _, subject in places}) == 3


@pytest.mark.parametrize("override", ["model=mini-neox", "task=zoo-topic", "limit=7", "seed=3", "model.dtype=bfloat16"])
def test_another_question_has_another_file(tmp_path: Path, override: str) -> None:
    """Another model, task, subset or dtype does not displace the answers of this one."""
    assert _place(_cell(), tmp_path)[0] != _place(_cell(override), tmp_path)[0]


def test_other_weights_are_another_subject_in_the_same_place(tmp_path: Path) -> None:
    """A retrained checkpoint finds the file, does not use it, and replaces it; so does another precision in force."""
    cell = _cell()
    model = {**cell.spec["model"], "fingerprint": "sha256:other"}
    other = replace(cell, spec={**cell.spec, "model": model})
    assert cell.spec["model"].get("fingerprint")
    path, subject = _place(cell, tmp_path)
    assert _place(other, tmp_path)[0] == path
    assert len({subject, _place(other, tmp_path)[1], resume.subject(cell, {**FACTS, "dtype": "bfloat16"})}) == 3
    assert resume.subject(cell, {**FACTS, "device": "cuda:0"}) == subject


def test_the_file_lies_beside_the_samples(tmp_path: Path) -> None:
    """Its name begins like theirs, and says what it is."""
    cell, store = _cell(), Store(tmp_path)
    path = resume.path(store, cell)
    assert path.parent == store.samples_path(cell).parent
    assert path.name.startswith("mini-gpt2-s.zoo-story.")
    assert path.suffix == ".wal"


def test_time_of_all_parts_is_in_the_record(tmp_path: Path) -> None:
    """Seconds and computed tokens are summed and throughput is their ratio; other numbers stay."""
    with Journal(tmp_path / "a.wal", subject="s", computed=iter((0, 500)).__next__) as first:
        first.add_scored({"a": (-1.0, True)})
    cost = {"seconds": 2.0, "computed_tokens": 100.0, "throughput": 50.0, "acc": 0.5}
    outcome = Outcome(measurements=tuple(Measurement(metric=name, value=value) for name, value in cost.items()))
    with Journal(tmp_path / "a.wal", subject="s") as second:
        assert resume.told(outcome, second) == outcome
        assert resume.note(second) == ""
        second.scored("a")
        second.scored("b")
        told = resume.told(outcome, second)
        assert resume.note(second) == "resumed: 1 of 2 requests were already answered"
    values = {m.metric: m.value for m in told.measurements}
    assert values["seconds"] == 2.0 + second.seconds
    assert values["computed_tokens"] == 600
    assert values["throughput"] == pytest.approx(600 / values["seconds"])
    assert values["acc"] == 0.5
    assert told.facts["resumed"]["earlier_tokens"] == 500
    assert json.dumps(told.facts)
