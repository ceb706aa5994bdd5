"""Fine-tuning as users run it: train, evaluate, pair, go on after a kill, train nothing twice, fail in records."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest

from harness import adapters, subjects
from harness.analysis import derive
from harness.analysis.frame import read
from harness.devices import Device
from harness.nodes import build
from harness.records import Cell
from harness.store import Store

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Command

SMALL = ("model=mini-gpt2-s", "device=cpu", "limit=16", "study=s")
TINY = (*SMALL, "method.training.epochs=1", "method.training.n_train=16")
GRID = ("run", "-m", *TINY, "method=none,lora,article,wild", "task=zoo-topic,zoo-sentiment,zoo-perplexity",
        "limit=12", "retry=false")  # fmt: skip
WILD = """# @package method
_target_: harness.methods.full.Full
name: wild
about: a rate at which no training goes well
training: {_target_: harness.training.settings.Training, learning_rate: 1.0e+30, clipping: 0.0, batch: 4}
"""
METHODS, TASKS = ("lora", "article", "wild"), ("zoo-topic", "zoo-sentiment")


def _run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "harness", *words]
    environment = {**os.environ, "COLUMNS": "200"}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=900, check=False
    )


def _records(root: Path, kind: str = "task") -> dict[str, dict[str, Any]]:
    """By method, task and the task that was trained on."""
    found = {}
    for path in sorted((root / "results" / "s" / "records").rglob("*.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        cell = record["cell"]
        if cell["kind"] == kind:
            learnt = cell["spec"].get("training", {}).get("name", "")
            found[" ".join(filter(None, (cell["method"], cell["workload"], learnt)))] = record
    return found


def _values(record: dict[str, Any]) -> dict[str, float]:
    return {m["metric"]: m["value"] for m in record["measurements"] if not m["subset"]}


def _logprobs(root: Path, cell: str) -> dict[str, list[float]]:
    (path,) = (root / "results" / "s" / "samples").rglob(f"*.{cell}.parquet")
    table = pq.read_table(path, columns=["item_id", "logprobs"]).to_pydict()
    return dict(zip(table["item_id"], table["logprobs"], strict=True))


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """Three methods, one of which cannot go well, and the model as it is on two tasks and held-out text: one run."""
    root = tmp_path_factory.mktemp("grid")
    (root / "conf" / "method").mkdir(parents=True)
    (root / "conf" / "method" / "wild.yaml").write_text(WILD)
    done = _run(root, *GRID)
    return SimpleNamespace(root=root, done=done, trained=_records(root, "training"), asked=_records(root))


def test_methods_are_a_grid(grid: SimpleNamespace) -> None:
    """Every method is trained on each task by itself, and asked each task under its own adapter, texts under both."""
    assert "Traceback" not in grid.done.stdout + grid.done.stderr
    assert set(grid.trained) == {f"{method} {task}" for method in METHODS for task in TASKS}
    learnt = {f"{method} {task} {task}" for method in METHODS for task in TASKS}
    texts = {f"{method} zoo-perplexity {task}" for method in METHODS for task in TASKS}
    assert set(grid.asked) == {*learnt, *texts, *(f"none {task}" for task in (*TASKS, "zoo-perplexity"))}
    for name, record in grid.trained.items():
        if record["status"] != "ok":
            continue
        values, facts = _values(record), record["provenance"]["task"]
        assert values["train_steps"] == 1, name
        assert 0 < values["trainable_share"] <= 1
        assert values["peak_host_bytes"] > 0
        assert (facts["n_train"], facts["n_dev"], facts["dropped_as_evaluated"]) == (16, 0, 0)
        assert (grid.root / "results/s/adapters" / facts["address"] / "adapter.safetensors").is_file()


def test_what_is_adapted_is_paired_with_what_is_not(grid: SimpleNamespace) -> None:
    """The same documents, other answers; each record names the adapter it was made under."""
    for task in TASKS:
        base, adapted = grid.asked[f"none {task}"], grid.asked[f"lora {task} {task}"]
        one, other = (_logprobs(grid.root, record["id"]) for record in (base, adapted))
        assert one.keys() == other.keys()
        assert one != other
        facts, trained = adapted["provenance"]["task"], grid.trained[f"lora {task}"]["provenance"]["task"]
        assert (facts["address"], facts["trained_on"], facts["n_train"]) == (trained["address"], task, 16)
        assert "address" not in base["provenance"]["task"]
        assert adapted["provenance"]["command"] != base["provenance"]["command"]


def test_a_second_run_trains_nothing(grid: SimpleNamespace) -> None:
    """And measures nothing, and writes no file anew; its exit code still tells of the failure."""
    before = {p: p.stat().st_mtime_ns for p in (grid.root / "results").rglob("*") if p.is_file()}
    again = _run(grid.root, *GRID)
    assert again.returncode == 1
    assert {p: p.stat().st_mtime_ns for p in (grid.root / "results").rglob("*") if p.is_file()} == before


def test_a_training_that_fails_is_a_record_and_so_is_what_needs_it(grid: SimpleNamespace) -> None:
    """The line names the step at which the loss is no number; the evaluations say what they lack; others go on."""
    assert grid.done.returncode == 1
    for task in TASKS:
        training = grid.trained[f"wild {task}"]
        assert training["status"] == "failed"
        assert training["error"].startswith("the loss is ")
        assert " of 4: lower learning_rate=1e+30" in training["error"]
        for name in (f"wild {task} {task}", f"wild zoo-perplexity {task}"):
            assert grid.asked[name]["status"] == "failed"
            assert grid.asked[name]["error"] == f"no adapter: training wild on {task} failed ({training['error']})"
    good = [r for name, r in grid.asked.items() if name.startswith(("none", "lora"))]
    assert {record["status"] for record in good} == {"ok"}


def test_what_a_classifier_cannot_be_asked_is_unsupported(grid: SimpleNamespace) -> None:
    """The article's recipe answers its own tasks; texts have a record with one line."""
    for task in TASKS:
        assert grid.asked[f"article {task} {task}"]["status"] == "ok"
        record = grid.asked[f"article zoo-perplexity {task}"]
        assert record["status"] == "unsupported"
        assert record["error"] == "a classification head does not score texts: use objective=language"


def test_an_adapter_gives_the_same_numbers_in_company(grid: SimpleNamespace) -> None:
    """On a base that was loaded for it alone as after others on the same one; so does the base after all of them."""
    store = Store(grid.root / "results" / "s")
    for name in ("none zoo-topic", "lora zoo-sentiment zoo-sentiment", "article zoo-sentiment zoo-sentiment"):
        cell = Cell(**grid.asked[name]["cell"])
        unloaded = subjects.unloaded(cell, Device.of(cell.spec["device"]), aside={}, folder=store.folder)
        (group,) = adapters.groups([cell])
        with adapters.on(unloaded.load(_silent), group, store) as (subject, _):
            subject.lm.configure(build(cell.spec["scoring"], where="scoring"))
            found = build(cell.spec["workload"], where="task").run(subject, _silent)
        alone = {sample.item_id: list(sample.logprobs) for sample in found.samples}
        assert alone == _logprobs(grid.root, cell.id), name


def test_trainings_stand_in_no_table_of_scores(grid: SimpleNamespace) -> None:
    """What was asked under several adapters of an entry is apart; the report shows what failed."""
    folder = grid.root / "results" / "s"
    study = read(folder)
    found = derive.compare(study)
    assert set(found.entries["entry"]) == {"mini-gpt2-s", *(f"mini-gpt2-s + {method}" for method in METHODS)}
    assert set(found.scores["kind"]) == {"task"}
    assert set(found.scores.loc[found.scores["task"] == "zoo-perplexity", "entry"]) == {"mini-gpt2-s"}
    assert "Cells under the adapters of other tasks: 6." in found.notes[0]
    cells = study.cells
    assert set(cells.loc[cells["method"] == "none", "trained_on"]) == {""}
    assert set(cells.loc[(cells["method"] == "lora"), "n_train"]) == {16}
    assert set(cells.loc[(cells["method"] == "lora"), "train_seed"]) == {0}
    (page,) = folder.rglob("report.html")
    assert "training on zoo-topic" in page.read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_killed_training_goes_on(tmp_path: Path) -> None:
    """From its last checkpoint, not from the beginning."""
    words = ("run", *SMALL, "method=lora", "task=zoo-topic", "method.training.n_train=256",
             "method.training.epochs=8", "method.training.evaluations=4")  # fmt: skip
    process = subprocess.Popen([sys.executable, "-m", "harness", *words], cwd=tmp_path, start_new_session=True,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    deadline = time.monotonic() + 300
    while not list(tmp_path.glob("results/s/adapters/*/checkpoints/checkpoint-*/trainer_state.json")):
        assert process.poll() is None, "it was over before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not _records(tmp_path, "training"), "it was over before it could be killed"
    done = _run(tmp_path, *words)
    assert done.returncode == 0, done.stdout
    (training,), (asked,) = (_records(tmp_path, kind).values() for kind in ("training", "task"))
    assert 4 <= training["provenance"]["task"]["resumed"] < 128
    assert _values(training)["train_steps"] == 128
    assert len([m for m in training["measurements"] if m["metric"] == "train_step_loss"]) == 128
    assert asked["status"] == "ok"


def test_a_dry_run_lists_trainings(harness: Command, tmp_path: Path) -> None:
    """With how many documents they learn from; nothing is trained."""
    done = harness("run", *TINY, "method=lora", "task=zoo-sentiment", "--dry-run")
    assert done.returncode == 0, done.stderr
    (line,) = [one for one in done.stdout.splitlines() if "training on zoo-sentiment" in one]
    assert line.split()[1:] == ["mini-gpt2-s", "+", "lora", "training", "on", "zoo-sentiment", "n", "16", "16", "—",
                                "to", "do"]  # fmt: skip
    assert not (tmp_path / "results").exists()


def _silent(phase: str, done: int, total: int) -> None:
    """A progress that nobody sees."""
