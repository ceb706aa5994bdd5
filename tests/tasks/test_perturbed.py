"""Tasks under text perturbations on a tiny real model: what is edited, what is kept, and what the samples say of it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from harness.config import ConfigError, construct
from harness.perturbations.edits import Edit, apply
from harness.records import Unsupported
from harness.tasks.own import OwnData
from harness.tasks.perturbed import PerturbedTask
from harness.tasks.spec import Task

if TYPE_CHECKING:
    from harness.models.subject import Subject
    from harness.perturbations.spec import Perturbation
    from harness.records import Outcome

CONF = Path(__file__).parents[2] / "conf"
TEXTS = [
    "Her brother thought that the second film was a good deal longer than it had to be.",
    "Nobody would call the ending bad, but the middle never quite comes together.",
    "He walked home with 3 friends and told them about the wonderful evening.",
    "The staff were friendly and the kitchen was spotless.",
]


def quiet(_phase: str, _done: int, _total: int) -> None:
    """Progress that is not shown."""


def perturbation(name: str, **change: Any) -> Perturbation:
    """The shipped perturbation of that name."""
    node = yaml.safe_load((CONF / "perturbation" / f"{name}.yaml").read_text())
    return construct({**node, **change}, where=name)


def under(task: Task, name: str, subject: Subject, **change: Any) -> Outcome:
    """What comes of `task` under a perturbation."""
    return PerturbedTask(task=task, variation=perturbation(name, **change)).run(subject, quiet)


def value(outcome: Outcome, metric: str) -> float:
    """The value of one measurement."""
    return next(m.value for m in outcome.measurements if m.metric == metric and not m.subset)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with `r.jsonl`: texts with a label, a number and an answer."""
    monkeypatch.chdir(tmp_path)
    items = [
        {"text": f"{text} ({i})", "label": ("good", "bad")[i % 2], "a": i, "b": 2 * i, "answer": "his coat"}
        for i, text in enumerate(TEXTS * 4)
    ]
    Path("r.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
    return tmp_path


def own(**change: Any) -> Task:
    """A classification of the texts by a user's own template."""
    data = OwnData(file="r.jsonl", template="Please review: {text}\nVerdict:", target="label", choices=["bad", "good"])
    return Task(**{"name": "r", "kind": "classification", "metrics": ["acc"], "data": data, **change})


def recipe(folder: Path, **keys: Any) -> Task:
    """A task by an lm-eval YAML over the same file."""
    content = {
        "task": "r", "dataset_path": "json", "dataset_kwargs": {"data_files": {"test": str(folder / "r.jsonl")}},
        "test_split": "test", "output_type": "multiple_choice", "doc_to_choice": ["bad", "good"],
        "doc_to_target": "label", "metric_list": [{"metric": "acc"}], **keys,
    }  # fmt: skip
    (folder / "r.yaml").write_text(yaml.safe_dump(content))
    kind = {"multiple_choice": "classification", "loglikelihood_rolling": "language_modelling"}
    output = content["output_type"]
    metrics = [one["metric"] for one in content["metric_list"]]
    return Task(name="r", kind=kind.get(output, "generation"), metrics=metrics, source=str(folder / "r.yaml"))


@pytest.mark.usefixtures("folder")
def test_only_the_query_is_edited_and_answers_stay_paired(tiny: Subject) -> None:
    """Template, labels, numbers and examples are kept; the edits in the sample lead from the clean prompt to this."""
    task = own(shots=2)
    clean, varied = task.run(tiny, quiet), under(task, "keyboard_typo", tiny, severity=1.0)
    assert [s.item_id for s in varied.samples] == [s.item_id for s in clean.samples]
    assert [s.gold for s in varied.samples] == [s.gold for s in clean.samples]
    for before, after in zip(clean.samples, varied.samples, strict=True):
        first, query = before.prompt.rsplit("\n\n", 1)
        assert after.prompt.rsplit("\n\n", 1)[0] == first
        edits = [Edit(*edit) for edit in json.loads(after.edits)["prompt"]]
        assert after.prompt.rsplit("\n\n", 1)[1] == apply(query, edits) != query
        assert after.prompt.endswith("\nVerdict:")
        for kept in ("Please review:", "good", "bad", "(1", "3"):
            assert after.prompt.count(kept) == before.prompt.count(kept)
        assert after.metrics["edits"] == len(edits)
    assert (value(varied, "changed"), value(varied, "applicable")) == (1.0, 1.0)
    assert value(varied, "token_inflation") == pytest.approx(
        sum(s.metrics["query_tokens"] for s in varied.samples)
        / sum(s.metrics["clean_query_tokens"] for s in varied.samples)
    )


@pytest.mark.usefixtures("folder")
def test_without_severity_nothing_changes(tiny: Subject) -> None:
    """Severity 0 asks the very same requests, and says that nothing was changed."""
    clean, varied = own().run(tiny, quiet), under(own(), "char_swap", tiny, severity=0.0)
    assert [(s.prompt_hash, s.logprobs) for s in varied.samples] == [(s.prompt_hash, s.logprobs) for s in clean.samples]
    assert value(varied, "changed") == 0
    assert value(varied, "token_inflation") == 1
    assert all(s.edits == "" for s in varied.samples)


@pytest.mark.usefixtures("folder")
def test_edits_do_not_depend_on_limit_or_shots(tiny: Subject) -> None:
    """A document is edited in one way whatever stands beside or before it; another draw edits it in another."""
    whole = {s.item_id: s.edits for s in under(own(), "char_delete", tiny, severity=0.5).samples}
    part = {s.item_id: s.edits for s in under(own(limit=5, shots=1), "char_delete", tiny, severity=0.5).samples}
    assert len(part) == 5
    assert part.items() <= whole.items()
    other = under(own(), "char_delete", tiny, severity=0.5, replicate=1)
    assert {s.item_id: s.edits for s in other.samples} != whole


@pytest.mark.usefixtures("folder")
def test_the_scope_can_be_the_demonstrations(tiny: Subject) -> None:
    """The examples are edited, but not their answers; the query is not."""
    clean = own(shots=2).run(tiny, quiet)
    varied = under(own(shots=2), "char_swap", tiny, severity=1.0, scope="demonstrations")
    for before, after in zip(clean.samples, varied.samples, strict=True):
        assert after.prompt.split("\n\n")[-1] == before.prompt.split("\n\n")[-1]
        assert all(a != b for a, b in zip(after.prompt.split("\n\n")[:-1], before.prompt.split("\n\n"), strict=False))
        assert after.prompt.count("Verdict: ") == 2
        assert set(json.loads(after.edits)) == {"example 1: prompt", "example 2: prompt"}


def test_the_scope_can_be_the_instruction(tiny: Subject, folder: Path) -> None:
    """The words of the template are edited, in every document alike; what it calls the labels is kept."""
    template = "{{text}}\nQuestion: Would somebody consider this sentence good or bad?\nAnswer:"
    task = recipe(folder, doc_to_text=template)
    clean = task.run(tiny, quiet)
    varied = under(task, "inner_shuffle", tiny, severity=1.0, scope="instruction")
    questions = {s.prompt.split("\n")[1] for s in varied.samples}
    assert len(questions) == 1
    (question,) = questions
    assert question.startswith("Question: ")
    assert question.endswith("good or bad?")
    assert question != clean.samples[0].prompt.split("\n")[1]
    assert [s.prompt.split("\n")[0] for s in varied.samples] == [s.prompt.split("\n")[0] for s in clean.samples]
    assert value(varied, "changed") == 1
    with pytest.raises(Unsupported, match="no instruction to perturb"):
        under(own(), "inner_shuffle", tiny, severity=1.0, scope="instruction")


def test_a_document_whose_answer_an_edit_would_change_is_left_alone(tiny: Subject, folder: Path) -> None:
    """As in LAMBADA the last word of the text is the answer: a text that gets another end is counted as it is."""
    task = recipe(
        folder, output_type="loglikelihood", doc_to_text="{{text.split(' ')[:-1]|join(' ')}}", doc_to_choice=None,
        doc_to_target="{{' ' + text.split(' ')[-1]}}",
    )  # fmt: skip
    clean = task.run(tiny, quiet)
    varied = under(task, "distractor", tiny, severity=1.0)
    assert [s.prompt_hash for s in varied.samples] == [s.prompt_hash for s in clean.samples]
    assert value(varied, "applicable") == 0
    typed = under(task, "keyboard_typo", tiny, severity=1.0)
    assert [s.gold for s in typed.samples] == [s.gold for s in clean.samples]
    assert value(typed, "changed") == 1


def test_bits_of_a_noisy_text_are_counted_per_byte_of_the_clean_one(tiny: Subject, folder: Path) -> None:
    """Look-alikes take more bytes: per byte of its own the noisy text would seem cheaper."""
    task = recipe(
        folder, output_type="loglikelihood_rolling", doc_to_text="", doc_to_target="{{text}}", doc_to_choice=None,
        metric_list=[{"metric": "bits_per_byte"}],
    )  # fmt: skip
    clean, varied = task.run(tiny, quiet), under(task, "homoglyph", tiny, severity=1.0)
    for before, after in zip(clean.samples, varied.samples, strict=True):
        assert len(after.prompt.encode()) > len(before.prompt.encode()) == before.metrics["bytes"]
        assert after.metrics["bytes"] == before.metrics["bytes"]
        assert after.metrics["bits_per_byte"] == pytest.approx(
            -after.logprobs[0] / math.log(2) / after.metrics["bytes"]
        )


def test_options_that_a_text_lists_are_kept(tiny: Subject, folder: Path) -> None:
    """As in a user's own prompts with letters as answers: neither edited, nor followed by another sentence."""
    listed = "A. a green carpet\nB. yellow bananas\nC. both of the doors"
    rows = [{"text": f"{text}\n{listed}\nAnswer:", "label": "ABC"[i % 3]} for i, text in enumerate(TEXTS)]
    (folder / "mc.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    data = OwnData(file="mc.jsonl", template="{text}", target="label", choices=["A", "B", "C"])
    task = Task(name="mc", kind="multiple_choice", metrics=["acc"], data=data)
    for name in ("keyboard_typo", "upper_case", "distractor"):
        varied = under(task, name, tiny, severity=1.0)
        assert all(f"\n{listed}\n" in sample.prompt for sample in varied.samples), name
    assert value(under(task, "keyboard_typo", tiny, severity=1.0), "changed") == 1


def test_a_scope_without_examples_says_so() -> None:
    """Demonstrations cannot be perturbed where there are none."""
    with pytest.raises(ConfigError, match="scope=demonstrations of char_swap has nothing to edit with shots=0"):
        PerturbedTask(task=own(), variation=perturbation("char_swap", scope="demonstrations")).check()


def test_a_counterfactual_changes_the_answer_with_the_question(tiny: Subject, folder: Path) -> None:
    """`He ... his coat` becomes `She ... her coat`, in text and reference; other documents stay as they are."""
    task = recipe(
        folder, output_type="generate_until", doc_to_text="{{text}}", doc_to_target="answer", doc_to_choice=None,
        metric_list=[{"metric": "exact_match"}],
    )  # fmt: skip
    clean, varied = task.run(tiny, quiet), under(task, "gender_swap", tiny, severity=1.0)
    for before, after in zip(clean.samples, varied.samples, strict=True):
        gendered = any(word in before.prompt for word in ("Her ", "He "))
        assert (after.prompt != before.prompt) == gendered
        assert after.gold == ("her coat" if gendered else "his coat")


def test_a_task_without_text_says_which_fields_it_has(tiny: Subject, folder: Path) -> None:
    """Numbers cannot be misspelt."""
    task = recipe(folder, doc_to_text="{{a + b}} =")
    with pytest.raises(Unsupported, match=r"task r: none of its fields \(text, label, a, b, answer\) is a text"):
        under(task, "keyboard_typo", tiny)
