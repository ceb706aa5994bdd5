"""Fine-tuning in plans: which trainings there are, what is asked under which adapter, what is refused beforehand."""

from __future__ import annotations

import dataclasses
import json
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness import adapters, subjects, trainings
from harness.compose import plans, rewrite
from harness.config import ConfigError
from harness.devices import Device
from harness.records import Cell, Measurement, Record, Status, Unsupported
from harness.schedule import merged
from harness.store import Store

if TYPE_CHECKING:
    from conftest import Command

    from harness.plan import Plan

LORA = ("model=mini-gpt2-s", "method=lora", "device=cpu")


def _plans(*words: str) -> list[Plan]:
    return plans(rewrite(words))


def _cells(*words: str) -> list[Cell]:
    return list(_plans(*words)[0].cells)


def _under(cells: list[Cell]) -> set[tuple[str, str]]:
    """What is asked, and the task whose adapter it is asked under."""
    return {(c.workload, c.spec.get("training", {}).get("name", "")) for c in cells if c.kind == "task"}


def _learnt(cells: list[Cell]) -> list[str]:
    return [c.workload for c in cells if c.kind == "training"]


def test_every_task_with_options_is_trained_on_by_itself() -> None:
    """What is not learnt is asked under every adapter, another domain under that of its task."""
    cells = _cells(*LORA, "task=[zoo-sentiment,zoo-sentiment-ood,zoo-topic,zoo-perplexity,zoo-list]")
    assert _learnt(cells) == ["zoo-sentiment", "zoo-topic"]
    assert _under(cells) == {
        ("zoo-sentiment", "zoo-sentiment"),
        ("zoo-sentiment-ood", "zoo-sentiment"),
        ("zoo-topic", "zoo-topic"),
        *((task, learnt) for task in ("zoo-perplexity", "zoo-list") for learnt in ("zoo-sentiment", "zoo-topic")),
    }
    assert cells[0].kind == cells[1].kind == "training", "trainings come first"
    assert {c.title for c in cells} >= {"mini-gpt2-s · lora · training on zoo-topic"}
    assert "mini-gpt2-s · lora · zoo-list after zoo-topic" in {c.title for c in cells}


def test_the_tasks_to_train_on_can_be_named() -> None:
    """Then all others are asked under theirs."""
    cells = _cells(*LORA, "task=[zoo-sentiment,zoo-topic,zoo-list]", "train_on=zoo-topic")
    assert _learnt(cells) == ["zoo-topic"]
    assert _under(cells) == {(task, "zoo-topic") for task in ("zoo-sentiment", "zoo-topic", "zoo-list")}
    alone = _cells(*LORA, "task=zoo-sentiment-ood")
    assert _learnt(alone) == ["zoo-sentiment-ood"], "the counterpart of nothing is a task as any other"


def test_variations_follow_their_task() -> None:
    """A perturbed task is asked under the adapter of the clean one."""
    cells = _cells(*LORA, "task=[zoo-sentiment,zoo-topic]", "perturbation=char_swap")
    varied = [c for c in cells if c.perturbation != "none"]
    assert len(varied) == 2
    assert all(c.workload == c.spec["training"]["name"] for c in varied)


def test_what_is_asked_changes_no_training() -> None:
    """Shots, limit, protocol and seed of the task are no part of a training; data sizes, seeds and rates are."""
    common = (*LORA, "task=zoo-sentiment")
    (training,) = [c for c in _cells(*common) if c.kind == "training"]
    for words in (["limit=8"], ["shots=3"], ["protocol=letter"], ["seed=5"], ["task.zoo-sentiment.metrics=[mcc]"]):
        assert training.id in {c.id for c in _cells(*common, *words)}, words
    for words in (["method.training.n_train=8"], ["method.training.seed=1"], ["method.rank=4"]):
        assert training.id not in {c.id for c in _cells(*common, *words)}, words


def test_evaluations_know_their_training() -> None:
    """Model, method, device and split, which stand in the cell, are the whole cell of the training."""
    cells = _cells(*LORA, "task=[zoo-sentiment,zoo-perplexity]", "method.training.seed=3")
    known = {c.id for c in cells if c.kind == "training"}
    assert {trainings.cell_of(c).id for c in cells if c.kind == "task"} == known  # pyright: ignore[reportOptionalMemberAccess]
    assert all(trainings.cell_of(c) is None for c in _cells("model=mini-gpt2-s", "task=zoo-sentiment"))


def test_settings_of_a_training_mean_nothing_to_the_unadapted_model() -> None:
    """Its jobs coincide: no cell is measured twice, and none is another one than before."""
    words = ["-m", "model=mini-gpt2-s", "method=none,lora", "task=zoo-sentiment", "method.training.n_train=8,16"]
    found = _plans(*words, "device=cpu")
    ids = [{c.id for c in p.cells} for p in found]
    assert ids[0] == ids[1] == {c.id for c in _cells("model=mini-gpt2-s", "task=zoo-sentiment", "device=cpu")}
    assert not ids[2] & ids[3]
    assert "training" not in found[0].cells[0].spec["method"]


def test_cells_of_the_unadapted_model_are_as_they_were() -> None:
    """Where a task's training documents lie is no part of what it asks."""
    for cell in _cells("model=mini-gpt2-s", "task=[zoo-sentiment,zoo-topic]", "device=cpu"):
        assert set(cell.spec) == {"model", "method", "device", "scoring", "workload"}
        assert not {"train", "dev"} & set(cell.spec["workload"])


def test_further_shots_are_for_the_unadapted_model() -> None:
    """`few_shot` gives the curve of examples in the prompt, beside what is trained."""
    words = ("model=mini-gpt2-s", "task=[zoo-sentiment,zoo-perplexity]", "few_shot=[1,4]", "device=cpu")
    plain = _cells(*words)
    assert [(c.workload, c.spec["workload"]["shots"]) for c in plain] == [
        *(("zoo-sentiment", shots) for shots in (0, 1, 4)),
        ("zoo-perplexity", 0),
    ]
    assert {c.spec["workload"]["shots"] for c in _cells(*words, "method=lora") if c.kind == "task"} == {0}


def test_jobs_of_one_model_are_one() -> None:
    """Every cell stands in it once, with the overrides that asked for it."""
    found = _plans("-m", "model=mini-gpt2-s,mini-neox", "method=none,lora", "task=zoo-sentiment", "device=cpu")
    joined = merged(found)
    assert [p.cells[0].model for p in joined] == ["mini-gpt2-s", "mini-neox"]
    assert [len(p.cells) for p in joined] == [3, 3]
    trained = next(c for c in joined[0].cells if c.kind == "training")
    assert "method=lora" in joined[0].commands[trained.id]
    assert "method=none" in joined[0].commands[joined[0].cells[0].id]


BAD = {
    "nothing to train on": ("task=zoo-perplexity",),
    "train_on='zoo-topics' is no task of this run: did you mean 'zoo-topic'": (
        "task=zoo-topic",
        "train_on=zoo-topics",
    ),
    "task zoo-list: training.objective=classification needs a fixed list of labels": (
        "task=[zoo-topic,zoo-list]",
        "train_on=zoo-list",
        "method.training.objective=classification",
    ),
    "kind=language_modelling has no answers to learn": ("task=zoo-perplexity", "train_on=zoo-perplexity"),
    "task zoo-sentiment: training.early_stopping=2 needs a dev split": (
        "task=zoo-sentiment",
        "method.training.early_stopping=2",
    ),
    "n_train=1000 and n_dev=100 ask for more than the 1024 documents": (
        "task=zoo-sentiment",
        "method.training.n_train=1000",
        "method.training.n_dev=100",
    ),
    "2 training documents are fewer than its 4 classes": (
        "task=[zoo-sentiment,zoo-topic]",
        "method.training.n_train=2",
    ),
    "task zoo-agreement has no training split: set task.zoo-agreement.train": ("task=[zoo-topic,zoo-agreement]",),
    "task mmlu cannot be trained on: it is a group of 57 tasks": ("task=mmlu",),
    "train='test' is the split that is evaluated": ("task=zoo-topic", "task.zoo-topic.train=test"),
    "few_shot='x' is not a valid value": ("task=zoo-topic", "few_shot=x"),
    "unknown training 'fmg': did you mean 'fgm'": ("task=zoo-topic", "training=fmg"),
}


@pytest.mark.parametrize("says", BAD)
def test_what_cannot_be_is_one_line_before_anything_runs(says: str) -> None:
    """It names the task and what would be right."""
    with pytest.raises(ConfigError) as error:
        _plans(*LORA, *BAD[says])
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_bad_input_ends_the_command_with_one_line(harness: Command, tmp_path: Path) -> None:
    """Own data without a training file: exit code 2, one line, nothing written."""
    rows = [{"text": f"a {word} day", "label": label} for word, label in (("good", "yes"), ("bad", "no")) * 4]
    (tmp_path / "mine.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "conf" / "task").mkdir(parents=True)
    leaf = {
        "_target_": "harness.tasks.spec.Task",
        "name": "mine",
        "kind": "classification",
        "metrics": ["acc"],
        "data": {"file": "mine.jsonl", "template": "{text}. Good?", "target": "label", "choices": ["no", "yes"]},
    }
    (tmp_path / "conf" / "task" / "mine.yaml").write_text(f"# @package task.mine\n{json.dumps(leaf)}\n")
    done = harness("run", *LORA, "task=mine")
    assert done.returncode == 2
    said = "method lora: task mine has no training split: set data.train to a file of training rows, or train_on to"
    assert done.stderr.splitlines() == [f"harness: {said} other tasks"]
    assert not (tmp_path / "results").exists()


def _training(cell: Cell, store: Store, *, address: str = "a", status: Status = Status.OK, error: str = "") -> None:
    training = trainings.cell_of(cell)
    assert training is not None
    store.write(Record(cell=training, status=status, error=error, provenance={"task": {"address": address}}))


def _check_missing(cell: Cell, store: Store, status: Status, why: str) -> None:
    found = trainings.missing(cell, store)
    assert found is not None
    assert (found.status, found.why) == (status, f"no adapter: training lora on zoo-sentiment {why}")


def test_without_an_adapter_an_evaluation_says_why(tmp_path: Path) -> None:
    """A training that failed, or cannot be, or whose folder was removed; one that is done is no hindrance."""
    cells = _cells(*LORA, "task=zoo-sentiment")
    (cell,) = [c for c in cells if c.kind == "task"]
    store = Store(tmp_path)
    _check_missing(cell, store, Status.FAILED, "has left none: train it again")
    _training(cell, store, status=Status.FAILED, error="the loss is nan at step 3 of 9")
    _check_missing(cell, store, Status.FAILED, "failed (the loss is nan at step 3 of 9)")
    _training(cell, store, status=Status.UNSUPPORTED, error="quantised")
    _check_missing(cell, store, Status.UNSUPPORTED, "is not supported (quantised)")
    _training(cell, store)
    assert trainings.due([cell], cells, store) == [cells[0]], "its adapter is gone: it is trained again"
    assert not adapters.done(cells[0], store)
    (tmp_path / "adapters" / "a").mkdir(parents=True)
    (tmp_path / "adapters" / "a" / "adapter.json").write_text("{}")
    assert trainings.missing(cell, store) is None
    assert trainings.due([cell], cells, store) == []
    assert adapters.done(cells[0], store)


@pytest.mark.parametrize("steps", [1, 199, 200, 201, 1000])
def test_curves_in_records_are_thin(steps: int) -> None:
    """At most 200 points of the loss of every step, evenly apart, the last one always; all of everything else."""
    curve = [Measurement(metric="train_step_loss", value=1.0, subset=f"step={n}") for n in range(1, steps + 1)]
    whole = [Measurement(metric="dev_step_loss", value=1.0, subset=f"step={n}") for n in range(300)]
    found = adapters.thinned([*whole, *curve])
    kept = [int(m.subset.removeprefix("step=")) for m in found if m.metric == "train_step_loss"]
    assert min(steps, 100) <= len(kept) <= 200
    assert kept[-1] == steps
    assert len({b - a for a, b in pairwise(kept)}) <= 1
    assert len(found) - len(kept) == 300


def test_cells_are_grouped_by_adapter() -> None:
    """What is asked of the base comes first; each adapter is put on once."""
    found = merged(_plans("-m", *LORA[:1], "method=lora,none", "task=[zoo-topic,zoo-sentiment,zoo-list]", "device=cpu"))
    groups = adapters.groups([c for c in found[0].cells if c.kind == "task"])
    assert [group.training and group.training.workload for group in groups] == [None, "zoo-topic", "zoo-sentiment"]
    assert [len(group.cells) for group in groups] == [3, 2, 2]


def test_an_adapter_is_found_whatever_else_a_cell_says() -> None:
    """A varied cell, or one of another protocol, is made under the same training."""
    cells = _cells(*LORA, "task=zoo-topic", "perturbation=char_swap", "protocol=[likelihood,letter]")
    ids = {trainings.cell_of(c).id for c in cells if c.kind == "task"}  # pyright: ignore[reportOptionalMemberAccess]
    assert len(ids) == 1
    other = dataclasses.replace(cells[1], workload="renamed")
    assert trainings.cell_of(other) == trainings.cell_of(cells[1])


@pytest.mark.parametrize(
    ("kind", "changes", "says"),
    [
        ("training", {"dtype": "float16"}, "in float16 the epsilon of AdamW is 0"),
        ("training", {"quantisation": "torchao_int8"}, "weights in torchao_int8 have no gradients"),
        ("probe", {}, "under method lora: probes measure models as they are loaded; use method=none"),
    ],
)
def test_what_cannot_be_trained_is_known_before_anything_is_loaded(kind: str, changes: dict, says: str) -> None:
    """Weights without gradients, and times of an adapted model, which are no one's."""
    words = (*LORA, "task=zoo-topic", "probe=decode-small")
    cell = next(c for c in _cells(*words) if c.kind == kind)
    changed = dataclasses.replace(cell, spec={**cell.spec, "model": {**cell.spec["model"], **changes}})
    with pytest.raises(Unsupported, match=says):
        subjects.unloaded(changed, Device.of(cell.spec["device"]), aside={}, folder=Path())
