"""A study for Weights & Biases: one offline run per cell, which `wandb sync` may send later.

Layer: above `runs`. Needs the package wandb (extra `wandb`); no service is contacted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.exchange.runs import package, runs

if TYPE_CHECKING:
    from pathlib import Path


def write(folder: Path, out: Path) -> list[Path]:
    """Writes offline runs, and returns the folder of each.

    Raises:
        ConfigError: wandb is not installed, or the study has no numbers.
    """
    tool = package("wandb", form="wandb")
    for one in runs(folder):
        run = tool.init(
            project=folder.name, name=one.name, config=dict(one.labels), dir=str(out), mode="offline",
            reinit="finish_previous", settings=tool.Settings(silent=True),
        )  # fmt: skip
        for tag, step, value in one.rows:
            run.log({tag: value, "repeat": step})
        run.finish()
    return sorted((out / "wandb").glob("offline-run-*"))
