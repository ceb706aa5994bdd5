"""Trains one zoo model, step by step the same on every run of one machine, and picks up where a killed run stopped."""

from __future__ import annotations

import math
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, final

import torch
from torch.nn.functional import cross_entropy
from tqdm import tqdm
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

from harness.zoo.shapes import Shape, dropout

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from harness.zoo.batches import Rows

SEED = 1234
ROWS_PER_STEP = 4
_WARM_UP = 0.04
# Four steps in five cut their rows in two: most texts are short, and attention over half the length costs far less. The
# fifth step trains the far positions.
_LONG_EVERY = 5
_EVERY = 100


@final
@dataclass(kw_only=True)
class Run:
    """A training under way: all that a checkpoint holds."""

    model: PreTrainedModel
    optimizer: torch.optim.Optimizer
    step: int = 0
    seconds: float = 0.0
    losses: list[float] = field(default_factory=list)


def build(shape: Shape, *, end: int) -> PreTrainedModel:
    """Return a fresh model of a shape with seeded weights; `end` is the id of the end token."""
    torch.manual_seed(SEED)
    config = AutoConfig.for_model(
        shape.family,
        **shape.architecture,
        **dropout(shape.family),
        initializer_range=0.05,
        bos_token_id=end,
        eos_token_id=end,
        pad_token_id=end,
    )
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32, attn_implementation="eager")
    _spread_positions(model)
    return model


@torch.no_grad()
def _spread_positions(model: PreTrainedModel) -> None:
    """Start learned position embeddings as sinusoids: "so many tokens back" then need not be learned once per position.

    Source: Vaswani et al. 2017, "Attention Is All You Need", section 3.5, here as an initialisation. Rotary models have
    no such table.
    """
    table = getattr(model.base_model, "wpe", None)
    if table is None:
        return
    positions, width = table.weight.shape
    rates = torch.exp(-math.log(1000.0) * torch.arange(0, width, 2) / width)
    angles = torch.arange(positions)[:, None] * rates
    table.weight.copy_(0.1 * torch.stack((angles.sin(), angles.cos()), dim=-1).flatten(1))


def start(shape: Shape, *, end: int, device: torch.device) -> Run:
    """Return a run at step 0."""
    model = build(shape, end=end)
    torch.nn.Module.to(model, device).train()
    optimizer = torch.optim.AdamW(model.parameters(), betas=(0.9, 0.95), weight_decay=0.1, fused=True)
    return Run(model=model, optimizer=optimizer)


def advance(run: Run, rows: Rows, *, peak: float, checkpoint: Path, until: int | None = None) -> Run:
    """Train on `rows` (each read once) from `run.step` on, and return the run.

    Step ``i`` reads the rows ``i * ROWS_PER_STEP`` and following, whatever happened before, so a resumed run sees the
    same data in the same order. A checkpoint is written every 100 steps and at the end, by rename.

    Args:
        run: Where to begin.
        rows: All rows of the training.
        peak: The highest learning rate.
        checkpoint: The file to write.
        until: Stop before this step; None trains to the end.
    """
    total = len(rows) // ROWS_PER_STEP
    stop = total if until is None else min(until, total)
    began = time.perf_counter() - run.seconds
    for step in _progress(range(run.step, stop), total=total, label=checkpoint.stem):
        part = slice(step * ROWS_PER_STEP, (step + 1) * ROWS_PER_STEP)
        cut = 1 if step % _LONG_EVERY == 0 else 2
        tokens, weights = (table[part].reshape(cut * ROWS_PER_STEP, -1) for table in (rows.tokens, rows.weights))
        run.losses.append(_update(run, tokens, weights, rate=learning_rate(step, total, peak=peak)))
        run.step, run.seconds = step + 1, time.perf_counter() - began
        if run.step % _EVERY == 0 or run.step == stop:
            save(run, checkpoint)
    return run


def learning_rate(step: int, total: int, *, peak: float) -> float:
    """Return the learning rate of a step: linear warm-up, then a cosine down to a hundredth of the peak.

    >>> learning_rate(0, 1000, peak=1.0)
    0.025
    """
    warm = max(1, round(total * _WARM_UP))
    if step < warm:
        return peak * (step + 1) / warm
    done = (step - warm) / max(1, total - warm)
    return peak * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done)))


@torch.no_grad()
def evaluate(model: PreTrainedModel, rows: torch.Tensor) -> float:
    """Return the mean loss per token in nats over `rows`, in single precision and without autocast."""
    model.eval()
    device = next(model.parameters()).device
    losses = [_losses(model, part.to(device)).mean().item() for part in rows.split(ROWS_PER_STEP)]
    return sum(losses) / len(losses)


def _losses(model: PreTrainedModel, tokens: torch.Tensor) -> torch.Tensor:
    """Return the loss of every token but the first, ``float32 [count, length - 1]``."""
    logits = model(input_ids=tokens, use_cache=False).logits
    return cross_entropy(logits[:, :-1].flatten(0, 1).float(), tokens[:, 1:].flatten(), reduction="none").view(
        len(tokens), -1
    )


def save(run: Run, path: Path) -> None:
    """Write a checkpoint so that a kill leaves either the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    state = {
        "model": run.model.state_dict(),
        "optimizer": run.optimizer.state_dict(),
        "step": run.step,
        "seconds": run.seconds,
        "losses": run.losses,
    }
    temporary = path.with_suffix(".tmp")
    torch.save(state, temporary)
    temporary.replace(path)


def resume(run: Run, path: Path) -> Run:
    """Return the run that a checkpoint holds, or `run` as it is where there is no checkpoint."""
    if not path.exists():
        return run
    state: dict[str, Any] = torch.load(path, weights_only=True)
    run.model.load_state_dict(state["model"])
    run.optimizer.load_state_dict(state["optimizer"])
    run.step, run.seconds, run.losses = state["step"], state["seconds"], state["losses"]
    return run


def _update(run: Run, tokens: torch.Tensor, weights: torch.Tensor, *, rate: float) -> float:
    """Make one optimizer step and return the plain mean loss before it, comparable with `evaluate`."""
    device = next(run.model.parameters()).device
    tokens, weights = tokens.to(device), weights.to(device)[:, 1:]
    for group in run.optimizer.param_groups:
        group["lr"] = rate
    with torch.autocast(device.type, torch.bfloat16):
        each = _losses(run.model, tokens)
    ((each * weights).sum() / weights.sum()).backward()
    torch.nn.utils.clip_grad_norm_(run.model.parameters(), 1.0)
    run.optimizer.step()
    run.optimizer.zero_grad()
    return each.mean().item()


def _progress(steps: range, *, total: int, label: str) -> Iterable[int]:
    """Yield the steps with a bar on a terminal, a plain line every 100 steps elsewhere."""
    if sys.stderr.isatty():
        yield from tqdm(steps, desc=label, initial=steps.start, total=total, unit="step")
        return
    for step in steps:
        if step % _EVERY == 0:
            sys.stderr.write(f"{label}: step {step} of {total}\n")
        yield step
