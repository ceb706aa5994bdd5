"""A large study in seconds: many models on many tasks, a thousand documents each, with log-likelihoods of options.

Records go through the real `Store`; the documents of a cell are written as one Arrow table, since making four hundred
thousand `Sample` objects would take longer than everything that is tested on them.
"""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from harness.records import Cell, Measurement, Record, Status
from harness.store import Store, write_atomic

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

FAMILIES = ("gpt2", "gpt_neo", "gpt_neox", "opt", "llama")
SIZES = (124e6, 355e6, 774e6, 1.6e9)
KINDS = ("classification", "multiple_choice", "multiple_choice", "classification", "generation", "multiple_choice",
         "language_modelling", "multiple_choice", "classification", "multiple_choice")  # fmt: skip


class Model(NamedTuple):
    """One of the models."""

    name: str
    family: str
    size: int
    ability: float


def build(synthetic: ModuleType, folder: Path, *, models: int = 20, tasks: int = 20, documents: int = 1000) -> Path:
    """Writes the study into `folder` and returns it; the same arguments give the same bytes."""
    store, known = Store(folder), [_model(number) for number in range(models)]
    for number in range(tasks):
        asked = _asked(number, documents)
        for model in known:
            _write(store, synthetic, model, asked)
    for model in known:
        record = synthetic.probe_record("mini-gpt2-m")
        cell, slower = _cell(record, model), 0.5 + model.size / 1e9
        numbers = tuple(replace(m, value=m.value * {"s": slower, "tok/s": 1 / slower, "B": slower}[m.unit])
                        for m in record.measurements)  # fmt: skip
        store.write(Record(cell=cell, status=Status.OK, measurements=numbers, provenance=record.provenance))
    return folder


def _model(number: int) -> Model:
    family, size = FAMILIES[number % len(FAMILIES)], SIZES[(number // len(FAMILIES)) % len(SIZES)]
    ability = 0.55 * float(np.log10(size / 1e8)) + 0.13 * (number % len(FAMILIES))
    return Model(name=f"{family.replace('_', '-')}-{number:02d}", family=family, size=int(size), ability=ability)


def _asked(number: int, documents: int) -> dict[str, object]:
    """One task: its documents, how hard each is, and what is right."""
    kind, rng = KINDS[number % len(KINDS)], np.random.default_rng(number)
    options = {"classification": 2 + number % 3, "multiple_choice": 4}.get(kind, 0)
    return {
        "name": f"task_{number:02d}_{kind[:5]}", "kind": kind, "options": options, "documents": documents,
        "hard": rng.normal(0.4, 0.9, documents), "gold": rng.integers(0, max(options, 1), documents),
        "ids": [f"{number:04x}{index:012x}" for index in range(documents)], "number": number,
    }  # fmt: skip


def _write(store: Store, synthetic: ModuleType, model: Model, asked: dict) -> None:
    rng = np.random.default_rng((asked["number"], sum(map(ord, model.name))))
    n, width = asked["documents"], asked["options"]
    strength = model.ability - asked["hard"]
    metric = {"generation": "exact_match", "language_modelling": "bits_per_byte"}.get(asked["kind"], "acc")
    if width:
        logits = 0.8 * rng.standard_normal((n, width))
        logits[np.arange(n), asked["gold"]] += strength + 0.6
        scores = (logits.argmax(axis=1) == asked["gold"]).astype(float)
        logprobs = -20.0 + 1.6 * logits
    elif metric == "exact_match":
        scores, logprobs = (rng.random(n) < 1 / (1 + np.exp(0.6 - strength))).astype(float), None
    else:
        scores, logprobs = 2.0 + 0.15 * asked["hard"] - 0.25 * model.ability + 0.03 * rng.standard_normal(n), None
    record, _ = synthetic.task_record("mini-gpt2-m", "topic", documents=2)
    workload = {**record.cell.spec["workload"], "name": asked["name"], "kind": asked["kind"], "metrics": [metric],
                "chance": 1 / width if width else None, "source": f"{asked['name']}.yaml", "limit": None}  # fmt: skip
    cell = _cell(record, model, workload)
    value = Measurement(metric=metric, value=float(scores.mean()), unit="bit/B" if metric == "bits_per_byte" else "1",
                        n=n, stderr=float(scores.std(ddof=1) / np.sqrt(n)),
                        higher_is_better=metric != "bits_per_byte")  # fmt: skip
    write_atomic(store.samples_path(cell), _samples(asked, scores, logprobs, metric))
    store.write(Record(cell=cell, status=Status.OK, measurements=(value,), provenance=record.provenance))


def _cell(record: Record, model: Model, workload: dict | None = None) -> Cell:
    """The cell of another one under this model; its provenance is made to say so."""
    own = {"family": model.family, "parameters": model.size, "source": f"example/{model.name}"}
    spec = {**record.cell.spec, "model": {**record.cell.spec["model"], "name": model.name, **own}}
    record.provenance["subject"].update(own)
    if workload is None:
        return replace(record.cell, model=model.name, spec=spec)
    return replace(record.cell, model=model.name, spec={**spec, "workload": workload}, workload=workload["name"])


def _samples(asked: dict, scores: np.ndarray, logprobs: np.ndarray | None, metric: str) -> bytes:
    n, width = asked["documents"], asked["options"]
    words = [f"option {letter}" for letter in "abcdefgh"[:width]]
    offsets = pa.array(np.arange(n + 1) * width, type=pa.int32())
    lists = {
        "options": pa.ListArray.from_arrays(offsets, pa.array(words * n, type=pa.string())),
        "logprobs": pa.ListArray.from_arrays(offsets, pa.array(logprobs.ravel() if width else [], type=pa.float64())),
        "tokens": pa.ListArray.from_arrays(offsets, pa.array(np.ones(n * width, dtype=np.int64))),
    }
    golds = [words[place] for place in asked["gold"]] if width else [f"answer {index}" for index in range(n)]
    preds = [words[place] for place in logprobs.argmax(axis=1)] if width else golds
    table = pa.table({
        "item_id": asked["ids"], "index": pa.array(np.arange(n)), "subset": [""] * n,
        "prompt_hash": [f"p{one}" for one in asked["ids"]],
        "prompt": [f"Question {index} of {asked['name']}: which is right?" for index in range(n)],
        "gold": golds, "pred": preds, "options": lists["options"], "logprobs": lists["logprobs"],
        "tokens": lists["tokens"], "truncated": pa.array(np.zeros(n, dtype=bool)), "edits": [""] * n,
        f"metric:{metric}": pa.array(scores),
    })  # fmt: skip
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()
