"""Real output of lm-eval, and the same tasks for our own run: a tiny model with random weights on a few rows."""

from __future__ import annotations

import json
import runpy
from dataclasses import dataclass
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
ROWS = [
    {"text": f"the cat sat {i} on the mat", "label": i % 2, "question": f"What is {i}?", "answer": "cat"}
    for i in (0, 1, 2, 3, 4, 5, 6, 7, 7, 8)
]
HEAD = """task: {name}
dataset_path: json
dataset_kwargs: {{data_files: {{test: {data}}}}}
test_split: test
"""
BODIES = {
    "choice": """output_type: multiple_choice
doc_to_text: "{{text}} It is"
doc_to_choice: [bad, good]
doc_to_target: label
metric_list: [{metric: acc, aggregation: mean, higher_is_better: true}]
metadata: {version: 1.5}
""",
    "answer": """output_type: generate_until
doc_to_text: "Question: {{question}}"
doc_to_target: "{{answer}}"
generation_kwargs: {until: ["Question:"], do_sample: false, temperature: 0.0, max_gen_toks: 8}
metric_list: [{metric: exact_match, aggregation: mean, higher_is_better: true}]
""",
    "prose": """output_type: loglikelihood_rolling
doc_to_text: ""
doc_to_target: text
metric_list: [{metric: bits_per_byte, aggregation: bits_per_byte, higher_is_better: false}]
""",
}


@dataclass(frozen=True, kw_only=True)
class Theirs:
    """What lm-eval wrote.

    Attributes:
        folder: its output path.
        model: folder of the model.
        yamls: the tasks by name.
        found: what its function returned.
    """

    folder: Path
    model: Path
    yamls: dict[str, Path]
    found: dict


@pytest.fixture(scope="session")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Theirs:
    """A run of lm-eval itself with logged samples, as its command line writes them."""
    from lm_eval import simple_evaluate
    from lm_eval.loggers import EvaluationTracker
    from lm_eval.tasks import TaskManager

    folder = tmp_path_factory.mktemp("theirs")
    model = runpy.run_path(str(TESTS / "tasks" / "conftest.py"))["save_tiny"](folder / "tiny-model")
    data = folder / "rows.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    yamls = {name: folder / f"{name}.yaml" for name in BODIES}
    for name, path in yamls.items():
        path.write_text(HEAD.format(name=name, data=data) + BODIES[name])
    patch = pytest.MonkeyPatch()
    patch.setenv("HF_DATASETS_CACHE", str(folder / "cache"))
    tracker = EvaluationTracker(output_path=str(folder / "out"))
    found = simple_evaluate(
        "hf", model_args=f"pretrained={model},dtype=float32,token=hf_secretsecretsecret", device="cpu", batch_size=4,
        tasks=[str(path) for path in yamls.values()], bootstrap_iters=0, log_samples=True,
        task_manager=TaskManager(include_defaults=False), evaluation_tracker=tracker,
    )  # fmt: skip
    patch.undo()
    assert found is not None
    samples = found.pop("samples")
    tracker.save_results_aggregated(results=found, samples=samples)
    for task in yamls:
        tracker.save_results_samples(task_name=task, samples=samples[task])
    return Theirs(folder=folder / "out", model=model, yamls=yamls, found=found)
