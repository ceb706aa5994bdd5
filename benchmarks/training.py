"""`python -m benchmarks.training`: full fine-tuning of a miniature model, ours beside a plain PyTorch loop.

Both take the same rows in batches of the same size for the same number of steps, in turns, one training each a round.
Ours is what a run does: evaluation of the final loss, checkpoint and all are outside of the plain loop and inside of
ours. Prints, as the last line, figures for machines:

    bench: ratio=… least=… most=… ours=… theirs=… rounds=… steps=… batch=…

ratio: their tokens per second over ours, median of the rounds (wanted: at most 1.1).
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from harness.compose import plans, rewrite
from harness.devices import Device
from harness.nodes import build
from harness.subjects import unloaded
from harness.tasks import splits
from harness.training.rows import Collator, language
from harness.training.train import train


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line."""
    options = _parser().parse_args(arguments)
    words = [f"model={options.model}", "method=full", "task=zoo-topic", f"device={options.device}"]
    settings = [f"method.training.n_train={options.examples}", f"method.training.epochs={options.epochs}"]
    (plan,) = plans(rewrite([*words, *settings]))
    cell = plan.cells[0]
    method = build(cell.spec["method"], where="method")
    data = splits.data(build(plan.nodes[cell.id], where="task"), method.training, _silent).data
    rounds = [_round(cell, method, data) for _ in range(options.rounds)]
    ratios = [ours / theirs for ours, theirs in rounds]
    ours, theirs = (statistics.median(seconds) for seconds in zip(*rounds, strict=True))
    steps = -(-len(data.train) // method.training.batch) * method.training.epochs
    sys.stdout.write(
        f"bench: ratio={statistics.median(ratios):.3f} least={min(ratios):.3f} most={max(ratios):.3f} "
        f"ours={ours:.3f}s theirs={theirs:.3f}s rounds={len(rounds)} steps={steps} batch={method.training.batch}\n"
    )
    return 0


def _round(cell: Any, method: Any, data: Any) -> tuple[float, float]:
    """Seconds of ours, and of the plain loop."""
    found = []
    for take in (_ours, _plain):
        device = Device.of(cell.spec["device"])
        subject = unloaded(cell, device, aside={}, folder=Path()).load(_silent)
        found.append(take(subject, method, data))
    return found[0], found[1]


def _ours(subject: Any, method: Any, data: Any) -> float:
    with tempfile.TemporaryDirectory() as folder:
        return train(subject, method, data, folder=Path(folder) / "adapter", progress=_silent).seconds


def _plain(subject: Any, method: Any, data: Any) -> float:
    training, model = method.training, subject.model
    rows = language(data.train, subject.tokenizer, limit=subject.facts["context"])
    collate = Collator.of(model, subject.tokenizer, side="left", labelled=False)
    optimizer = torch.optim.AdamW(model.parameters(), lr=training.learning_rate, weight_decay=0.0, fused=True)
    model.train()
    torch.manual_seed(training.seed)
    start = time.perf_counter()
    for _ in range(training.epochs):
        order = torch.randperm(len(rows)).tolist()
        for first in range(0, len(rows), training.batch):
            batch = collate([rows[i] for i in order[first : first + training.batch]])
            _step(model, optimizer, {name: _moved(value, model.device) for name, value in batch.items()})
    if model.device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def _step(model: Any, optimizer: Any, batch: dict[str, Any]) -> None:
    labels = batch.pop("labels")
    logits = model(**batch, use_cache=False).logits[:, -labels.shape[1] :]
    loss = cross_entropy(logits.flatten(0, 1).float(), labels.flatten(), ignore_index=-100)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad()


def _moved(value: Any, device: Any) -> Any:
    return value.to(device) if isinstance(value, torch.Tensor) else value


def _silent(phase: str, done: int, total: int) -> None:
    del phase, done, total


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training", description=__doc__)
    parser.add_argument("--model", default="mini-gpt2-l", help="a model of the zoo (default: %(default)s)")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--examples", type=int, default=512, help="training examples (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=2, help="passes over them (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="trainings of each (default: %(default)s)")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
