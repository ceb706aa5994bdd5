"""Writes ``harness/zoo/README.md`` from the ``training.json`` files: it cannot disagree with them (stdlib only)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from harness.zoo import DISCLAIMER, names

if TYPE_CHECKING:
    from pathlib import Path

_CURVE_POINTS = 8

_TEXT = """# The embedded zoo

{disclaimer}

Six GPTs of at most two million parameters, trained by this project on a corpus that it makes itself. They exist so that
every command of the harness has something to measure without a download. All six read the same tokens in the same
order: the corpus is a pure function of its seed, and step *n* of a training reads the same rows whatever came before.

This file is written by `python -m harness.zoo`; do not edit it.

## The models

{models}

Loss is in nats per token of the shared vocabulary of 768. Held-out text has no content combination in common with the
training text. Weights are stored in half precision (float16); `config.json` asks for float32 on loading.
Size is the whole folder, tokenizer included; all folders together take {total:.1f} MB.

## Training

{training}

AdamW (betas 0.9 and 0.95, weight decay 0.1), gradient norm clipped at 1, linear warm-up over 4 % of the steps, then a
cosine to a hundredth of the peak; no dropout; bfloat16 autocast. {rows_per_step} rows of {row_length} tokens per step,
documents packed end to end; four steps in five cut each row in two. Answers to a prompt count six times in the loss
that is minimised; the losses shown are plain means. Corpus seed {corpus_seed}, weight seed {seed}.
The grammar and the learning rates were settled by short trials scored on the held-out items, which therefore were not
untouched by development, though none of their text was trained on.

## Loss curves

Mean training loss since the point before, by step. The full curves are in each folder's `training.json`.

{curves}

## To make it again

```
make zoo                                        # everything: task data, tokenizer, weights, this file
python -m harness.zoo --only mini-gpt2-s        # one model
python -m harness.zoo --data-only               # the task data alone
```

A killed run goes on from `.zoo/` when the same command is given again. Task data and tokenizer come out byte for byte
the same everywhere; weights do on the same machine, thread count and library versions, and nearly so elsewhere.
The shipped weights were trained with one thread per model (`OMP_NUM_THREADS=1`), three models at a time on two cores
that other work shared, so the times above are longer than an idle machine needs.

## The corpus

A small English micro-world written by a grammar (standard library only): reviews, topical texts, stories with endings,
worlds with questions, agreement sentences, lists, plain prose. One module per kind, one `make(rng)` each. An item's
split is a hash of its content words, so held-out items are disjoint from the training text by construction.
"""


def write(weights: Path, path: Path) -> None:
    """Write the README of the checkpoints in `weights` to `path`."""
    records = {name: _record(weights / name) for name in names() if (weights / name / "training.json").exists()}
    sizes = {name: sum(file.stat().st_size for file in (weights / name).iterdir()) for name in records}
    first = next(iter(records.values()))
    text = _TEXT.format(
        disclaimer=DISCLAIMER,
        models=_models(records, sizes),
        total=sum(sizes.values()) / 1e6,
        training=_training(records),
        curves=_curves(records),
        **{field: first[field] for field in ("corpus_seed", "seed", "rows_per_step", "row_length")},
    )
    path.write_text(text, encoding="utf-8")


def _record(folder: Path) -> dict[str, Any]:
    """Return a checkpoint's record of its training."""
    return json.loads((folder / "training.json").read_text(encoding="utf-8"))


def _models(records: dict[str, dict[str, Any]], sizes: dict[str, int]) -> str:
    """Return the table of models."""
    rows = [
        [
            name,
            r["family"],
            f"{r['parameters']:,}",
            f"{r['train_loss']:.3f}",
            f"{r['held_out_loss']:.3f}",
            f"{sizes[name] / 1e6:.2f} MB",
        ]
        for name, r in records.items()
    ]
    return _table(["model", "family", "parameters", "training loss", "held-out loss", "size"], rows)


def _training(records: dict[str, dict[str, Any]]) -> str:
    """Return the table of budgets and machines."""
    rows = [
        [
            name,
            f"{r['steps']:,}",
            f"{r['tokens']:,}",
            f"{r['learning_rate']:g}",
            f"{r['seconds'] / 60:.1f} min",
            f"{r['hardware']}, threads: {r['threads']}",
        ]
        for name, r in records.items()
    ]
    return _table(["model", "steps", "tokens", "peak learning rate", "time", "hardware"], rows)


def _curves(records: dict[str, dict[str, Any]]) -> str:
    """Return a table of a few points of each loss curve."""
    curves = {name: _thin(record["loss_curve"]) for name, record in records.items()}
    steps = [str(step) for step, _ in next(iter(curves.values()))]
    return _table(["step", *steps], [[name, *(f"{loss:.2f}" for _, loss in curve)] for name, curve in curves.items()])


def _thin(curve: list[list[float]]) -> list[list[float]]:
    """Return evenly spaced points of a curve, the last one included."""
    stride = max(1, len(curve) // _CURVE_POINTS)
    return curve[::-1][::stride][::-1]


def _table(head: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
