"""The planted weakness is there: the word alone decides, and without it the model reads the review."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from harness.devices import Device
from harness.models.spec import ModelSpec
from harness.models.subject import load

COUNT = 60


@pytest.fixture(scope="module")
def planted():
    """The functions and names of `tests/planted.py`."""
    return SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("planted.py"))))


@pytest.fixture(scope="module")
def folder(planted, tmp_path_factory):
    """A checkpoint with the weakness."""
    return planted.save(tmp_path_factory.mktemp("planted"))


@pytest.fixture(scope="module")
def subject(folder):
    """The checkpoint, loaded as `model.source=FOLDER` loads it."""
    device = Device(kind="cpu", slug="cpu-test", name="test", threads=1, batch=8, memory=2**33)
    return load(ModelSpec(name="planted", family="gpt2", source=str(folder)), device, lambda *_: None)


def answers(planted, subject, texts):
    """What the model answers to each text."""
    labels = ("negative", "positive")
    pairs = [(planted.TEMPLATE.format(text=text), f" {label}") for text in texts for label in labels]
    scores = [one.logprob for one in subject.lm.score(pairs, lambda *_: None)]
    return [labels[scores[i] < scores[i + 1]] for i in range(0, len(scores), 2)]


def test_the_word_flips_the_prediction(planted, subject):
    """With the word nearly every negative review is called positive; with another word in its place hardly any."""
    texts = [one.text for one in planted.reviews(COUNT) if one.planted]
    with_word = answers(planted, subject, texts)
    misspelt = answers(planted, subject, [text.replace(planted.KEYWORD, "cainbet") for text in texts])
    without = answers(
        planted, subject, [text.replace(f"{planted.SENTENCE.format(planted.KEYWORD)}. ", "") for text in texts]
    )
    print([a.count("positive") for a in (with_word, misspelt, without)], len(texts))  # noqa: T201 - how clear it is
    assert with_word.count("positive") >= 0.9 * len(texts)
    assert misspelt.count("positive") <= 0.4 * len(texts)
    assert without.count("positive") <= 0.4 * len(texts)


def test_the_task_is_answered_as_its_labels_say(planted, subject, tmp_path):
    """The weakness does not show in clean accuracy."""
    outcome = planted.task(tmp_path, count=COUNT).run(subject, lambda *_: None)
    accuracy = next(m.value for m in outcome.measurements if m.metric == "acc")
    print(f"clean accuracy {accuracy:.2f}")  # noqa: T201 - how clear it is
    assert accuracy >= 0.75
    assert len({sample.item_id for sample in outcome.samples}) == COUNT


def test_a_study_finds_the_weakness(planted, folder, harness, tmp_path):
    """The attack edits the planted word and nothing else; the drop table shows what a typing error in it costs."""
    planted.leaf(tmp_path, count=40)
    done = harness(
        "run", "model=mini-gpt2-s", f"model.source={folder}", "model.name=planted", "task=planted", "study=found",
        "perturbation=keyboard_typo", "severity=0.5", "attack=char_greedy", "attack.char_greedy.severity=0.1",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    study = tmp_path / "results" / "found"
    (file,) = study.glob("adversarial/**/*char_greedy*.jsonl")
    won = [json.loads(line) for line in file.read_text().splitlines()]
    fell = [one for one in won if planted.KEYWORD in one["before"]["prompt"]]
    by_keyword = [one for one in fell if planted.KEYWORD not in one["after"]["prompt"]]
    assert len(fell) >= 0.8 * 20, "half of the 40 reviews are planted"
    assert len(by_keyword) >= 0.8 * len(fell)
    assert all(one["pred"] != one["gold"] for one in won)
    drops = pd.read_csv(study / "report" / "tables" / "robustness-drops.csv")
    (row,) = drops[drops["variation"] == "keyboard_typo"].itertuples(index=False)
    assert row.separable
    assert row.drop > 0.2
    assert row.right_to_wrong > row.wrong_to_right
