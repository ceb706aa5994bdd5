"""The cells of a study as runs of a tracking tool: names, labels and steps that every tool takes.

Layer: above the reading half, below `to_tensorboard`, `to_wandb` and `to_mlflow`.
"""

# What stands in a frame has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false
from __future__ import annotations

import importlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np
import pandas as pd

from harness.analysis import frame
from harness.analysis.current import current
from harness.config import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

KEPT = ("model", "method", "workload", "kind", "perturbation", "severity", "seed", "device", "dtype", "attention",
        "batch", "prompt", "new", "replicate", "shots", "limit", "revision")  # fmt: skip
"""Columns of measurements that become labels of a run."""


@final
@dataclass(frozen=True, kw_only=True)
class CellRun:
    """One cell that was measured.

    Attributes:
        name: model, workload and id of the cell, in letters that every tool takes.
        labels: what was measured and how.
        rows: `(tag, step, value)` of its numbers; a step is a raw repeat.
    """

    name: str
    labels: Mapping[str, Any]
    rows: tuple[tuple[str, int, float], ...]


def runs(folder: Path) -> Iterator[CellRun]:
    """Every current cell that was measured.

    Raises:
        ConfigError: the study has no numbers.
    """
    numbers = current(frame.read(folder)).measurements
    if not len(numbers):
        raise ConfigError(f"study {folder.name!r} has no numbers to export")
    for cell, rows in numbers.groupby("cell", sort=True):
        labels = {key: _plain(rows.iloc[0][key]) for key in KEPT}
        values = rows[["metric", "subset", "repeat", "value"]].itertuples(index=False)
        yield CellRun(
            name=slug(f"{labels['model']}.{labels['workload']}.{cell}"), labels={"cell": cell, **labels},
            rows=tuple(
                (slug(f"{metric}.{subset}" if subset else str(metric)), int(step), float(value))
                for metric, subset, step, value in values
            ),
        )  # fmt: skip


def package(name: str, *, form: str) -> Any:
    """An optional package.

    Raises:
        ConfigError: it is not installed; the line says what is.
    """
    try:
        return importlib.import_module(name)
    except ImportError:
        raise ConfigError(
            f"export as {form} needs the package {form}: pip install {form} (or harness[{form}])"
        ) from None


def slug(text: str) -> str:
    """A name that every tool takes; the slash of a label would make a folder."""
    return re.sub(r"[^A-Za-z0-9_. -]+", "-", text).strip("-. ")[:200] or "unnamed"


def _plain(value: Any) -> Any:
    if pd.isna(value):
        return ""
    return value.item() if isinstance(value, np.generic) else value
