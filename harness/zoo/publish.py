"""Turns a finished run into a shipped checkpoint: half-precision weights, tokenizer, and a record of the training."""

from __future__ import annotations

import json
import platform
from pathlib import Path
from typing import TYPE_CHECKING

import tokenizers
import torch
import transformers
from tokenizers import Tokenizer
from transformers import PreTrainedModel

from harness.zoo import corpus, tokenizer, trainer
from harness.zoo.trainer import ROWS_PER_STEP, Run

if TYPE_CHECKING:
    from harness.zoo.shapes import Shape

_POINTS = 40


def publish(run: Run, shape: Shape, words: Tokenizer, *, folder: Path, held_out: torch.Tensor) -> dict[str, object]:
    """Write a complete transformers checkpoint and ``training.json`` into `folder`, and return the latter.

    Raises:
        ValueError: If a weight is not finite in half precision.
    """
    model = run.model
    full = trainer.evaluate(model, held_out)
    _save(model, folder)
    tokenizer.save(words, folder)
    record: dict[str, object] = {
        "family": shape.family,
        "parameters": model.num_parameters(),
        "steps": run.step,
        "tokens": run.step * ROWS_PER_STEP * held_out.shape[1],
        "rows_per_step": ROWS_PER_STEP,
        "row_length": held_out.shape[1],
        "learning_rate": shape.learning_rate,
        "seed": trainer.SEED,
        "corpus_seed": corpus.SEED,
        "train_loss": round(_mean(run.losses[-50:]), 4),
        "held_out_loss": round(trainer.evaluate(model, held_out), 4),
        "held_out_loss_before_rounding": round(full, 4),
        "held_out_rows": len(held_out),
        "loss_curve": _curve(run.losses),
        "seconds": round(run.seconds, 1),
        **_machine(next(model.parameters()).device),
    }
    (folder / "training.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return record


def _save(model: PreTrainedModel, folder: Path) -> None:
    """Round the weights to half precision and write them; `model` keeps the rounded values in single precision."""
    model.half()
    if not all(torch.isfinite(weight).all() for weight in model.state_dict().values()):
        msg = f"a weight of {folder.name} is not finite in half precision"
        raise ValueError(msg)
    model.save_pretrained(folder)
    # The writer leaves the file readable by its owner alone, which an installed package would inherit.
    (folder / "model.safetensors").chmod(0o644)
    model.float()
    # Stored in half precision for size alone: whoever loads it without asking for a dtype computes in single precision.
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**config, "dtype": "float32"}, indent=2) + "\n", encoding="utf-8")


def _curve(losses: list[float]) -> list[list[float]]:
    """Return about 40 points ``[step, mean loss since the point before]``."""
    width = max(1, -(-len(losses) // _POINTS))
    parts = [(start, losses[start : start + width]) for start in range(0, len(losses), width)]
    return [[start + len(part), round(_mean(part), 4)] for start, part in parts]


def _mean(values: list[float]) -> float:
    """Return the mean."""
    return sum(values) / len(values)


def _machine(device: torch.device) -> dict[str, object]:
    """Return what the training ran on and with."""
    hardware = torch.cuda.get_device_name(device) if device.type == "cuda" else _processor()
    return {
        "hardware": hardware,
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "tokenizers": tokenizers.__version__,
    }


def _processor() -> str:
    """Return the model name of the processor."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()
