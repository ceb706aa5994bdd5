"""Training data: nested, stratified, none of it evaluated, and word for word what scoring compares."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from harness.tasks import run, splits
from harness.tasks.load import load
from harness.tasks.prompts import Prompter
from harness.tasks.spec import Task
from harness.tasks.training_split import TrainingSplit
from harness.training.settings import Training

if TYPE_CHECKING:
    from pathlib import Path

    from harness.training.examples import Data

ZOO = {"zoo-sentiment": "sentiment", "zoo-topic": "topic"}


def _silent(phase: str, done: int, total: int) -> None:
    """A progress that nobody sees."""


def _task(name: str) -> Task:
    data = f"zoo/data/{ZOO[name]}_learn.jsonl"
    return Task(name=name, kind="classification", source=f"zoo/{ZOO[name]}.yaml", metrics=["acc"], train=data)


def _data(task: Task, **settings: Any) -> Data:
    return splits.data(TrainingSplit.of(task), Training(**settings), _silent).data


@pytest.mark.parametrize("name", ZOO)
def test_smaller_sets_are_within_larger_ones(name: str) -> None:
    """For every size of one seed; every label has its share, and the dev documents are always the same ones."""
    task, sizes = _task(name), (8, 32, 128, None)
    found = [_data(task, n_train=n, n_dev=64, seed=1) for n in sizes]
    ids = [{one.item_id for one in data.train} for data in found]
    assert [len(one) for one in ids] == [8, 32, 128, 960]
    assert ids[0] < ids[1] < ids[2] < ids[3]
    assert len({tuple(one.item_id for one in data.dev) for data in found}) == 1
    assert not ids[3] & {one.item_id for one in found[3].dev}
    shares = Counter(one.answer for one in (*found[3].train, *found[3].dev))
    for data, size in zip(found, sizes, strict=True):
        counts = data.counts()
        assert set(counts) == set(data.labels) == set(shares)
        for label, count in counts.items():
            assert abs(count - shares[label] * (size or 960) / 1024) <= 2.1, (label, size)


def test_seeds_draw_other_documents_and_the_same_dev_split() -> None:
    """A seed is a whole replicate of a training, its choice of examples included."""
    one, other = (_data(_task("zoo-sentiment"), n_train=32, n_dev=16, seed=seed) for seed in (0, 1))
    assert {e.item_id for e in one.train} != {e.item_id for e in other.train}
    assert one.dev == other.dev
    assert one.digest() != other.digest()


@pytest.mark.parametrize("name", ZOO)
def test_examples_are_what_scoring_compares(name: str) -> None:
    """Prompt and answer are one of the requests of that document; the part to edit is the text without its frame."""
    task = _task(name)
    (loaded,) = load(task, _silent)
    asked = run.documents_of(loaded)[0]
    first, *_ = Prompter(loaded, task).requests(asked)
    data = _data(task, n_train=8)
    for one in data.train:
        assert one.answer in data.labels
        assert one.text
        assert one.prompt.startswith(first.args[0].split(" ")[0])
        assert one.prompt.endswith(first.args[0].split("\n")[-1])
        assert "\n" not in one.text.strip()
        assert not one.text.startswith(first.args[0].split(" ")[0])
    assert {first.args[1]} <= set(data.labels)


def _rows(file: Path, texts: list[str]) -> Path:
    rows = [{"text": text, "label": "yes" if number % 2 else "no"} for number, text in enumerate(texts)]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def _own(folder: Path, train: list[str], dev: list[str] | None = None) -> Task:
    data = {
        "file": str(_rows(folder / "test.jsonl", ["one day", "two days", "three days", "four days"])),
        "train": str(_rows(folder / "train.jsonl", train)),
        "template": "{text}. Good?",
        "target": "label",
        "choices": ["no", "yes"],
    }
    watched = str(_rows(folder / "dev.jsonl", dev)) if dev else None
    return Task(name="mine", kind="classification", metrics=["acc"], data=data, dev=watched)


def test_evaluated_documents_are_never_learnt(tmp_path: Path) -> None:
    """Nor are those of the dev split, whatever their labels say; how many were left out is told."""
    train = ["two days", "three days", "watched", "a", "b", "c", "d"]
    task = _own(tmp_path, train, dev=["watched", "one day", "other", "more"])
    found = splits.data(TrainingSplit.of(task), Training(), _silent)
    assert [one.prompt for one in found.data.train] == [f"{text}. Good?" for text in "abcd"]
    assert [one.prompt for one in found.data.dev] == [f"{t}. Good?" for t in ("watched", "other", "more")]
    assert found.facts["dropped_as_evaluated"] == 3
    assert found.data.labels == (" no", " yes")
    assert {one.text for one in found.data.train} == {f"{text}." for text in "abcd"}


def test_what_only_the_documents_tell_is_one_line(tmp_path: Path) -> None:
    """Too few documents once the evaluated ones are left out, or none at all."""
    task = _own(tmp_path, ["two days", "a", "b"])
    with pytest.raises(ValueError, match=r"task mine: n_train=3, but there are 2 documents to train on"):
        _data(task, n_train=3)
    with pytest.raises(ValueError, match=r"task mine: n_dev=2 of its 2 training documents leaves none"):
        _data(task, n_dev=2)
    with pytest.raises(ValueError, match=r"its training split 'train' holds only documents that are evaluated"):
        _data(_own(tmp_path, ["one day", "two days"]))


def test_a_label_that_no_example_has_is_one_line(tmp_path: Path) -> None:
    """Known before the first step, not after the evaluation."""
    task = _own(tmp_path, ["a", "b", "c"])
    (tmp_path / "train.jsonl").write_text('{"text": "a", "label": "no"}\n{"text": "b", "label": "no"}\n')
    with pytest.raises(ValueError, match=r"task mine: no training example has label ' yes': raise n_train"):
        _data(task).check(Training())


def test_a_changed_training_file_is_another_training(tmp_path: Path) -> None:
    """The evaluation's own identity stays."""
    task = _own(tmp_path, ["a", "b"], dev=["c", "d"])
    before, asked = TrainingSplit.of(task).fingerprint(), task.fingerprint()
    _rows(tmp_path / "dev.jsonl", ["c", "e"])
    assert TrainingSplit.of(task).fingerprint() != before
    assert task.fingerprint() == asked


def test_free_answers_are_examples_without_labels(tmp_path: Path) -> None:
    """A generation task teaches its references."""
    rows = [{"q": f"Add {n} and 1:", "a": str(n + 1)} for n in range(6)]
    for name, part in (("test", rows[:2]), ("train", rows[2:])):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in part))
    data = {"template": "{q}", "target": "a", "file": str(tmp_path / "test.jsonl")}
    given = {**data, "train": str(tmp_path / "train.jsonl")}
    found = _data(Task(name="sums", kind="generation", metrics=["exact_match"], data=given))
    assert [(one.prompt, one.answer) for one in found.train][:2] == [("Add 2 and 1:", " 3"), ("Add 3 and 1:", " 4")]
    assert found.labels == ()
