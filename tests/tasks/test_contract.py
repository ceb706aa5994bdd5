"""The bridge against lm-eval itself: same YAML, same documents, same prompts, log-likelihoods and metric values."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from harness.tasks.spec import Task

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from harness.models.subject import Subject
    from harness.records import Outcome

DOCUMENTS = 16
TOLERANCE = 1e-3

HEAD = """task: {name}
dataset_path: json
dataset_kwargs:
  data_files:
    test: {test}
    train: {train}
test_split: test
fewshot_split: train
fewshot_config:
  sampler: first_n
"""
CHOICE = """output_type: multiple_choice
doc_to_text: "{text}"
doc_to_choice: {choices}
doc_to_target: {gold}
metric_list:
  - {{metric: acc, aggregation: mean, higher_is_better: true}}
  - {{metric: acc_norm, aggregation: mean, higher_is_better: true}}
"""
GENERATION = """output_type: generate_until
doc_to_text: "Question: {{{{question}}}}\\nAnswer:"
doc_to_target: "{{{{answer}}}}"
generation_kwargs: {{until: ["Question:"], do_sample: false, temperature: 0.0, max_gen_toks: 24}}
filter_list:
  - name: first
    filter: [{{function: regex, regex_pattern: "([a-z]+)"}}, {{function: take_first}}]
  - name: whole
    filter: [{{function: remove_whitespace}}, {{function: take_first}}]
metric_list:
  - {{metric: exact_match, aggregation: mean, higher_is_better: true, ignore_case: true}}
"""
LAST_WORD = """output_type: loglikelihood
doc_to_text: "{{{{context}}}}"
doc_to_target: "{{{{' ' + continuation}}}}"
metric_list:
  - {{metric: acc, aggregation: mean, higher_is_better: true}}
  - {{metric: perplexity, aggregation: perplexity, higher_is_better: false}}
"""
ROLLING = """output_type: loglikelihood_rolling
doc_to_text: ""
doc_to_target: text
metric_list:
  - {{metric: bits_per_byte, aggregation: bits_per_byte, higher_is_better: false}}
  - {{metric: word_perplexity, aggregation: weighted_perplexity, higher_is_better: false}}
  - {{metric: byte_perplexity, aggregation: weighted_perplexity, higher_is_better: false}}
"""
MC, LM = "multiple_choice", "language_modelling"
REAL = {
    "sst2": (MC, "sst2_dev", "sst2_train", CHOICE.format(text="{{text}} It is", choices="[bad, good]", gold="label")),
    "piqa": (MC, "piqa", "piqa", CHOICE.format(text="{{query}}Answer:", choices="choices", gold="gold")),
    "gsm8k": ("generation", "gsm8k_test", "gsm8k_train", GENERATION.format()),
    "lambada": (LM, "lambada_openai", "lambada_openai", LAST_WORD.format()),
    "wikitext": (LM, "wikitext2_valid", "wikitext2_test", ROLLING.format()),
}  # fmt: skip
METRICS = {
    MC: ("acc", "acc_norm"),
    "generation": ("exact_match",),
    "loglikelihood": ("acc", "perplexity"),
    "rolling": ("bits_per_byte", "word_perplexity", "byte_perplexity"),
}


def write(folder: Path, name: str, body: str, splits: dict[str, list[dict[str, Any]]]) -> Path:
    """A local lm-eval YAML with its data beside it, absolute paths so that lm-eval finds them too."""
    files = {}
    for split, items in splits.items():
        files[split] = folder / f"{name}_{split}.jsonl"
        files[split].write_text("".join(json.dumps(item) + "\n" for item in items))
    path = folder / f"{name}.yaml"
    path.write_text(HEAD.format(name=f"contract_{name}", **files) + body)
    return path


def rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a file; one long text is cut into texts that need several windows of the tiny model."""
    found = [json.loads(line) for line in path.read_text().splitlines()]
    if len(found) > 1:
        return found
    return [{"text": found[0]["text"][start : start + 900]} for start in range(0, 60_000, 900)]


def metrics(body: str, kind: str) -> tuple[str, ...]:
    """The metrics a YAML of this file asks for."""
    key = next((key for key in ("rolling", "loglikelihood\n") if key in body), kind).strip()
    return METRICS[key]


@pytest.fixture
def theirs(tiny_folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Path, int], dict[str, Any]]:
    """lm-eval's own evaluation of a YAML with its own Hugging Face backend."""
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))

    def evaluate(path: Path, shots: int) -> dict[str, Any]:
        from lm_eval import simple_evaluate
        from lm_eval.models.huggingface import HFLM
        from lm_eval.tasks import TaskManager

        lm = HFLM(pretrained=str(tiny_folder), device="cpu", dtype="float32", batch_size=4)
        found = simple_evaluate(
            lm, tasks=[str(path)], num_fewshot=shots, bootstrap_iters=0, log_samples=True,
            task_manager=TaskManager(include_defaults=False),
        )  # fmt: skip
        assert found is not None
        return found

    return evaluate


def compare(ours: Outcome, found: dict[str, Any], name: str, wanted: tuple[str, ...]) -> float:
    """Asserts equality of prompts, log-likelihoods and metrics; the largest difference of a log-likelihood."""
    task = f"contract_{name}"
    samples = found["samples"][task]
    first = samples[0]["filter"]
    rows = {sample["doc_id"]: sample for sample in samples if sample["filter"] == first}
    assert len(rows) == len(ours.samples) == DOCUMENTS
    worst = 0.0
    for sample in ours.samples:
        row = rows[sample.index]
        assert row["arguments"][0][0] == sample.prompt
        if sample.logprobs:
            answers = [float(one[0][0] if isinstance(one[0], list | tuple) else one[0]) for one in row["resps"]]
            worst = max([worst, *(abs(a - b) for a, b in zip(answers, sample.logprobs, strict=True))])
        else:
            assert row["filtered_resps"][0] == sample.pred
    assert worst < TOLERANCE
    for metric in wanted:
        value = next(m.value for m in ours.measurements if m.metric == metric and not m.subset)
        assert value == pytest.approx(found["results"][task][f"{metric},{first}"], rel=1e-4)
    others = {s["filter"] for s in samples} - {first}
    for other in others:
        value = next(m.value for m in ours.measurements if m.metric == wanted[0] and m.subset == f"filter={other}")
        assert value == pytest.approx(found["results"][task][f"{wanted[0]},{other}"])
    return worst


@pytest.mark.parametrize(("name", "shots"), [("sst2", 3), ("piqa", 0), ("gsm8k", 2), ("lambada", 0), ("wikitext", 0)])
def test_real_documents_give_what_lm_eval_gives(  # noqa: PLR0913, PLR0917 - fixtures
    name: str, shots: int, harness_data: Path, tiny: Subject, theirs: Callable[..., Any], tmp_path: Path
) -> None:
    """On real documents every prompt, log-likelihood and metric value is lm-eval's own."""
    kind, test, train, body = REAL[name]
    splits = {
        "test": rows(harness_data / f"{test}.jsonl")[:DOCUMENTS],
        "train": rows(harness_data / f"{train}.jsonl")[DOCUMENTS : DOCUMENTS + 8],
    }
    path = write(tmp_path, name, body, splits)
    wanted = metrics(body, kind)
    ours = Task(name=name, kind=kind, source=str(path), shots=shots, metrics=wanted).run(tiny, lambda *_: None)
    worst = compare(ours, theirs(path, shots), name, wanted)
    print(f"{name}, {shots}-shot: largest difference {worst:.2e} nat")  # noqa: T201 - the number is the result


@pytest.mark.parametrize("shots", [0, 2])
def test_built_in_documents_give_what_lm_eval_gives(
    shots: int, tiny: Subject, theirs: Callable[..., Any], tmp_path: Path
) -> None:
    """The same on a data set made here, which is always there; options of several tokens, non-ASCII text."""
    words = ["cat", "mat", "Häuser", "big red question", "answer", "北京", "a", "the"]
    items = [
        {"query": f"{a} and {b}", "choices": [a, b, f"{a} {b}"], "gold": (i + j) % 3}
        for i, a in enumerate(words)
        for j, b in enumerate(words[:4])
    ]
    body = CHOICE.format(text="The {{query}} is", choices="choices", gold="gold")
    path = write(tmp_path, "own", body, {"test": items[:DOCUMENTS], "train": items[DOCUMENTS:]})
    task = Task(name="own", kind=MC, source=str(path), shots=shots, metrics=("acc", "acc_norm"))
    worst = compare(task.run(tiny, lambda *_: None), theirs(path, shots), "own", ("acc", "acc_norm"))
    print(f"built-in, {shots}-shot: largest difference {worst:.2e} nat")  # noqa: T201 - the number is the result
