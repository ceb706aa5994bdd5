"""Tasks out of domain: they ask as their counterpart asks, and only of the documents that fit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from lm_eval.tasks._yaml_loader import load_yaml
from lm_eval.utils import apply_template

from harness.config import ConfigError, construct
from harness.tasks import index, recipe
from harness.tasks.load import load

if TYPE_CHECKING:
    from harness.tasks.spec import Task

LEAVES = Path(__file__).resolve().parents[2] / "conf" / "task"
GLUE = {
    "sst2": {"sentence": "it 's a fine mess ."},
    "qqp": {"question1": "Is it so ?", "question2": "Is it ?"},
    "mnli": {"premise": "Boats lie there .", "hypothesis": " Bars are near the boats"},
    "qnli": {"question": "What was tested ?", "sentence": "They tested it at sea ."},
    "rte": {"sentence1": "Doctors come to Darfur .", "sentence2": "Doctors help ."},
}
ROWS = [
    *({"task": name, "idx": 0, **fields, "label": 1} for name, fields in GLUE.items()),
    {"task": "mnli", "idx": 1, "premise": "A .", "hypothesis": "B .", "label": 2},
    {"task": "mnli-mm", "idx": 0, "premise": "C .", "hypothesis": "D .", "label": 0},
]
FINANCE = [("up", "positive"), ("flat", "neutral"), ("down", "negative"), ("up again", "positive")]
PAIRS = {
    **{f"advglue-{name}": name for name in GLUE},
    **{f"local-advglue-{name}": "local-sst2" if name == "sst2" else name for name in GLUE},
    "zoo-sentiment-ood": "zoo-sentiment",
    "local-financial": "local-sst2",
    "financial-polarity": "sst2",
}


def quiet(*_: Any) -> None:
    """No progress."""


def leaf(name: str, **changes: Any) -> Task:
    """The task of a leaf of `conf/task`."""
    node = yaml.safe_load((LEAVES / f"{name}.yaml").read_text(encoding="utf-8"))
    return construct({**node, **changes}, where=f"task.{name}")


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of small data files, set as `HARNESS_DATA`."""
    finance = [{"text": text, "label": label} for text, label in FINANCE]
    reviews = [{"text": f"film {i}", "label": i % 2} for i in range(4)]
    for name, rows in (("advglue_dev", ROWS), ("financial_phrasebank", finance), ("sst2_train", reviews)):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("name", GLUE)
def test_attacked_documents_are_asked_as_lm_eval_asks_the_clean_ones(name: str, files: Path) -> None:
    """Prompt, options and target of every GLUE task; other tasks' rows of the file are left out."""
    assert files
    task = leaf(f"local-advglue-{name}")
    task.check()
    (loaded,) = load(task, quiet)
    documents = list(loaded.task.eval_docs)
    assert len(documents) == (2 if name == "mnli" else 1)
    theirs = load_yaml(index.folder() / index.find(name).path)
    for document in documents:
        assert set(document) == {*GLUE[name], "label"}
        asked = theirs["doc_to_text"]
        wanted = asked(document) if callable(asked) else apply_template(asked, document)
        assert loaded.task.doc_to_text(document) == wanted
        assert loaded.task.doc_to_choice(document) == theirs["doc_to_choice"]
        assert loaded.task.doc_to_target(document) == document["label"]


@pytest.mark.parametrize("name", GLUE)
def test_the_hub_and_the_file_are_one_recipe(name: str) -> None:
    """Both ask alike; the hub's has the configuration of its task."""
    folder = LEAVES.parents[1] / "harness" / "tasks" / "definitions" / "advglue"
    hub, local = recipe.read(folder / f"{name}.yaml"), recipe.read(folder / f"local_{name}.yaml")
    assert all(hub[key] == local[key] for key in ("doc_to_text", "doc_to_choice", "doc_to_target", "validation_split"))
    assert (hub["dataset_path"], hub["dataset_name"]) == ("AI-Secure/adv_glue", f"adv_{name}")
    assert leaf(f"advglue-{name}").forecast() is None


def test_neutral_sentences_are_left_out(files: Path) -> None:
    """Of the financial news only what sst2's labels fit, asked as sst2 asks; examples are film reviews."""
    assert files
    task = leaf("local-financial", shots=2)
    task.check()
    (loaded,) = load(task, quiet)
    documents = list(loaded.task.eval_docs)
    assert [(d["text"], d["label"]) for d in documents] == [("up", 1), ("down", 0), ("up again", 1)]
    films = leaf("local-sst2")
    theirs = recipe.read(LEAVES.parents[1] / "harness" / "tasks" / "definitions" / films.source)
    assert loaded.task.doc_to_text(documents[0]) == apply_template(theirs["doc_to_text"], documents[0])
    assert loaded.task.doc_to_choice(documents[0]) == theirs["doc_to_choice"]
    assert all(example["text"].startswith("film") for example in loaded.task.fewshot_docs())


@pytest.mark.parametrize(("name", "known"), PAIRS.items())
def test_a_pair_has_one_label_space(name: str, known: str) -> None:
    """The counterpart exists, and is of the same kind with the same chance and primary metric."""
    task, other = leaf(name), leaf(known)
    assert task.domain_of == known
    assert not other.domain_of
    assert (task.kind, task.chance, task.metrics, task.shots) == (other.kind, other.chance, other.metrics, other.shots)


def test_every_pair_is_listed() -> None:
    """No leaf names a counterpart that this file does not know of."""
    nodes = {path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in LEAVES.glob("*.yaml")}
    assert {name: node["domain_of"] for name, node in nodes.items() if "domain_of" in node} == PAIRS


@pytest.mark.parametrize("value", ["t", 3])
def test_a_counterpart_is_another_task(value: Any) -> None:
    """A task cannot be out of its own domain."""
    node = {"_target_": "harness.tasks.spec.Task", "name": "t", "kind": "classification", "source": "sst2"}
    with pytest.raises(ConfigError, match="must name another task"):
        construct({**node, "metrics": ["acc"], "domain_of": value}, where="task.t")


def test_a_file_without_rows_of_the_task(files: Path) -> None:
    """One line says which task was looked for."""
    (files / "advglue_dev.jsonl").write_text('{"task": "wnli", "label": 0}\n', encoding="utf-8")
    with pytest.raises(ValueError, match="no row has task 'rte'") as caught:
        load(leaf("local-advglue-rte"), quiet)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("name", "documents"), [("sst2", 148), ("qqp", 78), ("mnli", 121), ("qnli", 148), ("rte", 81)])
def test_the_real_file_has_its_documents(name: str, documents: int, harness_data: Path) -> None:
    """As many as the data set states."""
    assert (harness_data / "advglue_dev.jsonl").is_file()
    (loaded,) = load(leaf(f"local-advglue-{name}"), quiet)
    assert len(list(loaded.task.eval_docs)) == documents
