"""Deterministic, realistic records: six miniature models on seven tasks and a probe, with the faults of a real folder.

Written through the real `Record` and `Store`; the numbers come from an item-response model with a fixed seed, so that
models are right on the same easy items, as real ones are.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from harness.records import Cell, Measurement, Record, Sample, Status
from harness.store import Store

if TYPE_CHECKING:
    from pathlib import Path

MODELS = {  # ability, family, parameters, decode tokens per second
    "mini-gpt2-s": (-0.5, "gpt2", 230_144, 1450.0),
    "mini-gpt2-m": (0.5, "gpt2", 983_040, 760.0),
    "mini-gpt2-l": (1.3, "gpt2", 3_422_208, 310.0),
    "mini-gptneo": (0.45, "gpt_neo", 985_088, 720.0),
    "mini-gptj": (0.6, "gptj", 981_504, 650.0),
    "mini-neox": (0.9, "gpt_neox", 979_968, 705.0),
}
TASKS = {  # kind, primary metric, chance, options, difficulty
    "review_sentiment": ("classification", "acc", 0.5, ("negative", "positive"), -0.6),
    "topic": ("classification", "acc", 0.25, ("food", "music", "sport", "travel"), 0.2),
    "story_ending": ("multiple_choice", "acc", 0.25, ("a", "b", "c", "d"), 0.6),
    "agreement": ("multiple_choice", "acc", 0.5, ("is", "are"), -1.2),
    "story_question": ("generation", "exact_match", None, (), 0.8),
    "continue_list": ("generation", "exact_match", None, (), 1.4),
    "heldout_text": ("language_modelling", "bits_per_byte", None, (), 0.0),
}
DEVICE = {"kind": "cpu", "slug": "cpu-example-2", "name": "Example CPU, 2 threads", "threads": 2, "batch": 16,
          "memory": 8 * 2**30}  # fmt: skip
FAILURES = {
    ("mini-gptj", "continue_list"): (
        Status.FAILED,
        "ValueError: the chat template | of the tokenizer has no <turn> tag",
    ),
    ("mini-gpt2-l", "story_question"): (Status.OOM, "8.0 GiB of host memory ran out at batch 1"),
}


def build(folder: Path, *, documents: int = 250, models: tuple[str, ...] = tuple(MODELS)) -> Path:
    """Writes the study into `folder` and returns it."""
    store = Store(folder)
    for model in models:
        for task in TASKS:
            record, samples = task_record(model, task, documents=documents)
            store.write(record, samples)
        store.write(probe_record(model))
    damage(folder)
    return folder


def damage(folder: Path) -> None:
    """Adds a foreign file and a half-written record to the records of a study."""
    records = folder / "records" / DEVICE["slug"]
    (records / "notes.json").write_text('{"hello": "not a record"}\n', encoding="utf-8")
    whole = probe_record("mini-gptj").to_json()
    (records / "mini-gptj.decode.half.json").write_text(whole[: len(whole) // 2], encoding="utf-8")


def cell(model: str, workload: str, *, kind: str = "task", source: str | None = None) -> Cell:
    """The cell of a model of `MODELS` (or of any other name) on a task of `TASKS` or on the probe."""
    _, family, parameters, _ = MODELS.get(model, MODELS["mini-gpt2-m"])
    spec = {
        "model": {"_target_": "harness.models.spec.ModelSpec", "name": model, "family": family,
                  "source": source or f"zoo:{model}", "dtype": "auto", "attention": "auto", "parameters": parameters},
        "method": {"_target_": "harness.methods.none.NoMethod", "name": "none"},
        "workload": _workload(workload) if kind == "task" else _probe(workload),
        "device": DEVICE,
    }  # fmt: skip
    return Cell(model=model, method="none", workload=workload, kind=kind, spec=spec)


def task_record(model: str, task: str, *, documents: int = 250) -> tuple[Record, list[Sample]]:
    """The record and samples of one task, or the failure that is listed for it."""
    this = cell(model, task)
    if (model, task) in FAILURES:
        status, error = FAILURES[model, task]
        facts = {k: v for k, v in provenance(model).items() if k != "subject"}
        return Record(cell=this, status=status, error=error, provenance=facts), []
    kind = TASKS[task][0]
    samples = _text_samples(model, task) if kind == "language_modelling" else _scored_samples(model, task, documents)
    numbers = (*_quality(task, samples), *_bookkeeping(len(samples)))
    share = 0.94 if (model, task) == ("mini-gpt2-s", "review_sentiment") else 0.0
    warnings = (f"one answer ('positive') takes {share:.0%} of the predictions",) if share else ()
    return Record(cell=this, status=Status.OK, measurements=numbers, warnings=warnings,
                  provenance=provenance(model)), samples  # fmt: skip


def probe_record(model: str) -> Record:
    """The record of the decode probe."""
    rng = _rng("decode", model)
    speed = MODELS.get(model, MODELS["mini-gpt2-m"])[3]
    numbers = []
    for repeat in range(5):
        decode = float(speed * rng.normal(1, 0.02))
        for metric, value, unit in (("decode_tok_s", decode, "tok/s"), ("prefill_tok_s", decode * 11, "tok/s"),
                                    ("ttft", 128 / (decode * 11), "s"), ("itl", 1 / decode, "s")):  # fmt: skip
            numbers.append(Measurement(metric=metric, value=round(value, 6), unit=unit, repeat=repeat,
                                       higher_is_better=unit == "tok/s"))  # fmt: skip
    size = MODELS.get(model, MODELS["mini-gpt2-m"])[2] * 4
    for metric, value in (("peak_host_bytes", 400e6 + 3 * size), ("weights_bytes", size), ("kv_bytes", size / 7)):
        numbers.append(Measurement(metric=metric, value=float(int(value)), unit="B", higher_is_better=False))
    return Record(cell=cell(model, "decode", kind="probe"), status=Status.OK, measurements=tuple(numbers),
                  provenance=provenance(model))  # fmt: skip


def provenance(model: str) -> dict[str, object]:
    """What `execute` writes beside the numbers."""
    _, family, parameters, _ = MODELS.get(model, MODELS["mini-gpt2-m"])
    return {
        "harness": "0.1.0", "commit": "0123456789ab", "started": "2026-01-02T03:04:05Z", "seconds": 1.25,
        "versions": {"python": "3.11.2", "torch": "2.13.0", "transformers": "5.23.0", "lm-eval": "0.4.13"},
        "device": DEVICE, "command": ["experiment=quickstart", "study=synthetic study"], "task": {},
        "subject": {"class": "GPT2LMHeadModel", "family": family, "source": f"zoo:{model}", "revision": "main",
                    "dtype": "float32", "attention": "sdpa", "device": "cpu", "device_map": "none",
                    "quantisation": "none", "weights": "pretrained", "parameters": parameters, "context": 256,
                    "trust_remote_code": False, "tokenizer": "PreTrainedTokenizerFast"},
    }  # fmt: skip


def _workload(task: str) -> dict[str, object]:
    kind, metric, chance, _, _ = TASKS.get(task, TASKS["topic"])
    return {"_target_": "harness.tasks.spec.Task", "name": task, "kind": kind, "source": f"zoo/{task}.yaml",
            "shots": 0, "limit": 250, "seed": 0, "metrics": [metric], "chance": chance}  # fmt: skip


def _probe(name: str) -> dict[str, object]:
    return {
        "_target_": "harness.probes.decode.Decode",
        "name": name,
        "batch": 1,
        "prompt": 128,
        "new": 32,
        "repeats": 5,
    }


def _scored_samples(model: str, task: str, documents: int) -> list[Sample]:
    _, metric, chance, options, difficulty = TASKS[task]
    ability = MODELS.get(model, MODELS["mini-gpt2-m"])[0]
    items = _rng("items", task).normal(difficulty, 1.0, size=documents)
    golds = _rng("golds", task).integers(0, max(len(options), 1), size=documents)
    luck, own = _rng("luck", task).random(documents), _rng("own", task, model).random(documents)
    floor = chance or 0.0
    right = np.where(own < 0.4, luck, own) < floor + (1 - floor) / (1 + np.exp(-(ability - items) * 1.6))
    samples = []
    for index in range(documents):
        gold = options[golds[index]] if options else f"answer {index}"
        other = options[(golds[index] + 1) % len(options)] if options else "something else"
        samples.append(Sample(
            item_id=_digest(task, index), index=index, prompt_hash=_digest("prompt", task, index), options=options,
            prompt=f"Question {index} of {task}:", gold=gold, pred=gold if right[index] else other,
            logprobs=tuple(-1.0 - k for k in range(len(options))), tokens=(1,) * len(options),
            metrics={metric: float(right[index])},
        ))  # fmt: skip
    return samples


def _text_samples(model: str, task: str) -> list[Sample]:
    ability = MODELS.get(model, MODELS["mini-gpt2-m"])[0]
    hard = _rng("texts", task).normal(2.2, 0.25, size=60)
    noise = _rng("noise", task, model).normal(-0.25 * ability, 0.05, size=60)
    return [
        Sample(item_id=_digest(task, i), index=i, prompt_hash=_digest("prompt", task, i), logprobs=(-100.0,),
               tokens=(60,), metrics={"bits_per_byte": round(float(hard[i] + noise[i]), 6)})
        for i in range(60)
    ]  # fmt: skip


def _quality(task: str, samples: list[Sample]) -> list[Measurement]:
    kind, metric, _, options, _ = TASKS[task]
    values = np.array([sample.metrics[metric] for sample in samples])
    n, mean = len(values), round(float(values.mean()), 9)  # rounded: the last bits differ between processors
    stderr = round(float(values.std(ddof=1) / np.sqrt(n)), 9) if n > 1 else None
    unit, up = ("bit/B", False) if metric == "bits_per_byte" else ("1", True)
    numbers = [Measurement(metric=metric, value=mean, unit=unit, n=n, stderr=stderr, higher_is_better=up)]
    if kind == "classification":
        for offset, name in enumerate(("balanced_accuracy", "precision_macro", "recall_macro", "f1_macro")):
            numbers.append(
                Measurement(metric=name, value=round(max(0.0, mean - 0.004 * offset), 9), n=n, higher_is_better=True)
            )
        numbers.append(Measurement(metric="mcc", value=round(2 * mean - 1, 9), n=n, higher_is_better=True))
        for gold in options:
            for pred in options:
                hits = sum(s.gold == gold and s.pred == pred for s in samples)
                numbers.append(
                    Measurement(metric="confusion", value=float(hits), subset=f"gold={gold},pred={pred}", n=n)
                )
    return numbers


def _bookkeeping(documents: int) -> list[Measurement]:
    return [
        Measurement(metric="seconds", value=1.5, unit="s"),
        Measurement(metric="requests", value=float(2 * documents)),
        Measurement(metric="prompt_tokens", value=40.0 * documents, unit="tok"),
        Measurement(metric="throughput", value=round(40.0 * documents / 1.5, 6), unit="tok/s"),
        Measurement(metric="peak_host_bytes", value=500e6, unit="B"),
    ]


def _digest(*parts: object) -> str:
    return hashlib.sha256("/".join(map(str, parts)).encode()).hexdigest()[:16]


def _rng(*parts: object) -> np.random.Generator:
    return np.random.default_rng(int(_digest(*parts), 16))
