"""lm-eval's evaluator runs on the model as on its own backend."""

import datasets
import pytest
from lm_eval import simple_evaluate
from lm_eval.api.task import ConfigurableTask
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager

from harness.scoring.lm import HarnessLM

ROWS = [
    {"question": "the cat sat on", "options": ["the mat", "the dog ran home"], "answer": 0},
    {"question": "Q: what is it?", "options": ["A café", "été 🙂"], "answer": 1},
    {"question": "naïve", "options": ["東京", "it is"], "answer": 1},
]
KINDS = {
    "choice": {
        "output_type": "multiple_choice",
        "doc_to_text": "{{question}}",
        "doc_to_target": "answer",
        "doc_to_choice": "options",
    },
    "rolling": {
        "output_type": "loglikelihood_rolling",
        "doc_to_text": "",
        "doc_to_target": "{{question}} {{options[0]}}",
        "metric_list": [{"metric": "bits_per_byte"}],
    },
    "generation": {
        "output_type": "generate_until",
        "doc_to_text": "{{question}}",
        "doc_to_target": "{{options[answer]}}",
        "generation_kwargs": {"until": [" "], "max_gen_toks": 6},
        "metric_list": [{"metric": "exact_match"}],
    },
}


def evaluate(lm):
    tasks = [
        ConfigurableTask(
            config={
                "task": kind,
                "custom_dataset": lambda **_: {"test": datasets.Dataset.from_list(ROWS)},
                "test_split": "test",
                **settings,
            }
        )
        for kind, settings in KINDS.items()
    ]
    manager = TaskManager(include_defaults=False)
    return simple_evaluate(model=lm, tasks=tasks, task_manager=manager, bootstrap_iters=0)


def numbers(value):
    """The floats of nested answers, flat."""
    if isinstance(value, (list, tuple)):
        return [n for part in value for n in numbers(part)]
    return [value] if isinstance(value, float) else []


def test_the_evaluator_agrees_with_its_own_backend(tiny):
    """Same metrics, same prompts, same answers per sample, for each type of request."""
    model, tokenizer = tiny.model("gpt2"), tiny.tokenizer()
    ours = evaluate(HarnessLM(model, tokenizer, batch=4, context=tiny.CONTEXT))
    theirs = evaluate(HFLM(pretrained=model, tokenizer=tokenizer, batch_size=1, max_length=tiny.CONTEXT))
    for kind in KINDS:
        pairs = list(zip(ours["samples"][kind], theirs["samples"][kind], strict=True))
        assert len(pairs) == len(ROWS)
        for mine, other in pairs:
            assert mine["arguments"] == other["arguments"]
            assert numbers(mine["filtered_resps"]) == pytest.approx(numbers(other["filtered_resps"]), abs=1e-3)
            assert kind != "generation" or mine["filtered_resps"] == other["filtered_resps"]
        for metric, value in theirs["results"][kind].items():
            expected = pytest.approx(value, abs=1e-3) if isinstance(value, float) else value
            assert ours["results"][kind][metric] == expected
