"""Deterministic records of varied cells beside the clean ones of `synthetic`.

Written through the real `Record` and `Store`. What is planted: every perturbation turns a known share of right answers
wrong, the same documents at every higher severity; `keyboard_typo` hurts twice as much as the others.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from harness.records import Measurement, Record, Sample, Status
from harness.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path
    from types import ModuleType

STRICT = ("char_delete", "keyboard_typo", "whitespace")
SOFT = ("synonym",)
FAIRNESS = ("name_swap",)
SEVERITIES = (0.1, 0.3, 0.5)
MODELS = ("mini-gpt2-l", "mini-neox", "mini-gpt2-s")


class How(NamedTuple):
    """How a cell is varied.

    Attributes:
        name: label.
        group: strict, soft, fairness, prompt, attack or transfer.
        severity: strength.
        draw: number of the replicate.
        more: further fields of its node.
    """

    name: str
    group: str
    severity: float = 0.0
    draw: int = 0
    more: Mapping[str, object] = MappingProxyType({})


TEXTS = tuple(
    How(name=name, group=group, severity=severity)
    for group, names in (("strict", STRICT), ("soft", SOFT), ("fairness", FAIRNESS))
    for name in names
    for severity in SEVERITIES
)
VARIANTS = tuple(
    How(name=name, group="prompt", draw=draw)
    for name, number in (("prompt_format", 6), ("option_order", 3), ("example_draw", 3))
    for draw in range(number)
)


def build(
    synthetic: ModuleType,
    folder: Path,
    *,
    models: Sequence[str] = MODELS,
    tasks: Sequence[str] = ("topic", "review_sentiment"),
    documents: int = 120,
) -> Path:
    """Writes clean cells, text perturbations, prompt variants, attacks and transfer of every model and task."""
    store = Store(folder)
    for model in models:
        for task in tasks:
            record, samples = synthetic.task_record(model, task, documents=documents)
            store.write(record, samples)
            made = [perturbed(record, samples, how) for how in TEXTS]
            made += [variant(record, samples, how) for how in VARIANTS]
            made += [attacked(record, samples, search=search) for search in ("greedy", "random", "hotflip")]
            made += [transferred(record, samples, victim=victim) for victim in models if victim != model]
            for one in made:
                store.write(*one)
    return folder


def varied(record: Record, samples: Iterable[Sample], how: How) -> tuple[Record, list[Sample]]:
    """The record of a varied cell with these samples."""
    node = {"_target_": "example", "name": how.name, "group": how.group, "severity": how.severity, "seed": 0,
            "replicates": 1, "replicate": how.draw, **how.more}  # fmt: skip
    spec = {**record.cell.spec, "perturbation": node}
    cell = replace(record.cell, perturbation=how.name, severity=how.severity, spec=spec)
    kept = list(samples)
    metric = next(iter(record.measurements))
    held = [sample.metrics[metric.metric] for sample in kept if metric.metric in sample.metrics]
    value = float(np.mean(held)) if held else 0.0
    number = Measurement(metric=metric.metric, value=round(value, 9), unit=metric.unit, n=len(kept),
                         higher_is_better=metric.higher_is_better)  # fmt: skip
    return replace(record, cell=cell, measurements=(number,), warnings=(), status=Status.OK), kept


def perturbed(record: Record, samples: Sequence[Sample], how: How) -> tuple[Record, list[Sample]]:
    """A text perturbation that turns right answers wrong: 0.4 of them at severity 1, of `keyboard_typo` 0.8."""
    luck = _rng(how.name, how.draw, record.cell.model).random((len(samples), 3))
    share = how.severity * (0.8 if how.name == "keyboard_typo" else 0.4)
    made = []
    for sample, (hit, noise, found) in zip(samples, luck, strict=True):
        changed = float(found < 0.9)
        worse = _wrong(sample) if hit < share and changed else sample
        shifted = tuple(value + how.severity * noise * k for k, value in enumerate(worse.logprobs))
        facts = {"changed": changed, "applicable": changed, "edits": 2.0 * changed,
                 "query_tokens": 20.0 + 10 * how.severity, "clean_query_tokens": 20.0}  # fmt: skip
        made.append(replace(worse, prompt=f"{sample.prompt} ~", logprobs=shifted, truncated=bool(noise < 0.02),
                            metrics={**worse.metrics, **facts}))  # fmt: skip
    return varied(record, made, how)


def variant(record: Record, samples: Sequence[Sample], how: How) -> tuple[Record, list[Sample]]:
    """A prompt variant; formats differ in how many answers they spoil, the others only in which."""
    luck = _rng(how.name, how.draw, record.cell.model).random(len(samples))
    share = 0.06 * how.draw if how.name == "prompt_format" else 0.05
    made = []
    for sample, hit in zip(samples, luck, strict=True):
        own = _wrong(sample) if hit < share else sample
        places = [(_index(sample.options, answer) + how.draw + 1) % max(len(sample.options), 1)
                  for answer in (sample.gold, own.pred)]  # fmt: skip
        shown = dict(zip(("gold_position", "pred_position"), map(float, places), strict=True))
        made.append(replace(own, metrics={**own.metrics, **(shown if how.name == "option_order" else {})}))
    shape = {"format": {"separator": ": ", "casing": "upper", "number": how.draw}}
    return varied(record, made, how._replace(more=shape if how.name == "prompt_format" else {}))


def attacked(record: Record, samples: Sequence[Sample], *, search: str) -> tuple[Record, list[Sample]]:
    """An attack that breaks half of the right answers, or a tenth by random edits."""
    luck = _rng(search, record.cell.model).random(len(samples))
    made = []
    for sample, hit in zip(samples, luck, strict=True):
        right = sample.metrics["acc"]
        won = right == 1 and hit < (0.1 if search == "random" else 0.5)
        own = _wrong(sample) if won else sample
        facts = {"clean_acc": right, "attacked": right, "queries": 20.0 + sample.index % 7 if right else 0.0,
                 "query_budget": 40.0, "words": 12.0}  # fmt: skip
        if right:
            facts["success"] = float(won)
        if won:
            facts |= {"success_queries": 5.0 + sample.index % 15, "words_changed": 0.2, "similarity": 0.9}
        made.append(replace(own, metrics={**own.metrics, **facts}))
    more = {"search": search, "candidates": "characters"}
    return varied(record, made, How(name=f"{search}_characters", group="attack", severity=0.3, more=more))


def transferred(record: Record, samples: Sequence[Sample], *, victim: str) -> tuple[Record, list[Sample]]:
    """Examples found on another model: every third breaks this one too."""
    made = []
    for sample in samples[::2]:
        right = sample.metrics["acc"]
        won = right == 1 and sample.index % 3 == 0
        facts = {"clean_acc": right, "attacked": right} | ({"success": float(won)} if right else {})
        own = _wrong(sample) if won else sample
        made.append(replace(own, metrics={**own.metrics, **facts}))
    more = {"attack": "greedy_characters", "victim": victim}
    return varied(record, made, How(name="transfer", group="transfer", severity=0.3, more=more))


def _wrong(sample: Sample) -> Sample:
    """The sample answered wrong; one that was wrong stays as it is."""
    metric = next(iter(sample.metrics))
    if metric == "bits_per_byte":
        return replace(sample, metrics={**sample.metrics, metric: sample.metrics[metric] + 0.3})
    if not sample.metrics[metric]:
        return sample
    other = next((option for option in sample.options if option != sample.gold), "wrong")
    return replace(sample, pred=other, metrics={**sample.metrics, metric: 0.0})


def _rng(*parts: object) -> np.random.Generator:
    return np.random.default_rng(int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:8]))


def _index(options: Sequence[str], answer: str) -> int:
    return options.index(answer) if answer in options else 0
