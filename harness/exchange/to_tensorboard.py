"""A study for TensorBoard: one run per cell, `tensorboard --logdir OUT` shows them.

Layer: above `runs`. Needs the package tensorboard (extra `tensorboard`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.exchange.runs import package, runs

if TYPE_CHECKING:
    from pathlib import Path


def write(folder: Path, out: Path) -> list[Path]:
    """Writes event files, and returns the folder of each run.

    Raises:
        ConfigError: tensorboard is not installed, or the study has no numbers.
    """
    package("tensorboard", form="tensorboard")
    writers = package("torch.utils.tensorboard", form="tensorboard")
    for run in runs(folder):
        writer = writers.SummaryWriter(log_dir=str(out / run.name))
        for tag, step, value in run.rows:
            writer.add_scalar(tag, value, step)
        writer.close()
    return sorted(path for path in out.iterdir() if path.is_dir())
