"""A study for other tools: CSV and Parquet, LaTeX, TensorBoard, Weights & Biases, MLflow.

Layer: above the reading half. Tracking tools have a file each; no service is ever contacted, and an optional package
that is missing is named in one line.
"""

# What stands in a frame has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false
from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.analysis import derive, frame, tidy
from harness.analysis.latex import escape, tabular
from harness.config import ConfigError, nearest
from harness.exchange import to_mlflow, to_tensorboard, to_wandb
from harness.store import write_atomic

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import pandas as pd


def export(folder: Path, form: str, out: Path) -> list[Path]:
    """Writes a study in one of the `FORMS` into the folder `out`, and returns what was written.

    Raises:
        ConfigError: an unknown form, nothing to export, or an optional package that is not installed.
        OSError: `out` cannot be written.
    """
    if form not in FORMS:
        raise ConfigError(f"export as {form!r}: {nearest(form, sorted(FORMS))}")
    out.mkdir(parents=True, exist_ok=True)
    return FORMS[form](folder, out)


def csv(folder: Path, out: Path) -> list[Path]:
    """The four tidy tables as CSV and Parquet; `analysis.load(OUT)` reads them back."""
    found, documents = frame.read(folder), frame.documents(folder)
    files = tidy.files(found, documents, tidy.judged(found, documents))
    files["samples.csv"] = tidy.csv(documents.to_pandas())
    for name, data in files.items():
        write_atomic(out / name, data)
    return [out / name for name in sorted(files)]


def latex(folder: Path, out: Path) -> list[Path]:
    """The scores as a table for `booktabs`: a row per entry, a column per task, 95 % half-widths, best in bold."""
    comparison = derive.compare(frame.read(folder))
    if not len(comparison.scores):
        raise ConfigError(f"study {folder.name!r} has no scores to put in a table")
    path = out / "scores.tex"
    path.write_text(_latex(comparison), encoding="utf-8")
    return [path]


FORMS: Mapping[str, Callable[[Path, Path], list[Path]]] = MappingProxyType({
    "csv": csv, "latex": latex, "tensorboard": to_tensorboard.write, "wandb": to_wandb.write,
    "mlflow": to_mlflow.write,
})  # fmt: skip
"""What a study can be exported as."""


def _latex(comparison: derive.Comparison) -> str:
    tasks = [*comparison.tasks.itertuples()]
    heads = ["", *(escape(f"{task.task} ({task.metric})") for task in tasks)]
    rows = []
    for entry in comparison.entries["entry"]:
        own = comparison.scores[comparison.scores["entry"] == entry].set_index("task")
        rows.append([escape(entry), *(_cell(comparison.scores, own, task) for task in tasks)])
    said = " ".join(f"{comparison.basis}; 95 % intervals, half-width after +-".split())
    return f"% {said}\n" + tabular("l" + "r" * len(tasks), [heads], rows)


def _cell(scores: pd.DataFrame, own: pd.DataFrame, task: Any) -> str:
    if task.task not in own.index or not np.isfinite(own.loc[task.task, "value"]):
        return "--"
    row, column = own.loc[task.task], scores.loc[scores["task"] == task.task, "value"].dropna()
    scale, digits = (100, 1) if task.percent else (1, 3)
    text = f"{scale * row['value']:.{digits}f}"
    best = row["value"] == (column.max() if task.higher else column.min())
    half = scale * (row["hi"] - row["lo"]) / 2
    return (rf"\textbf{{{text}}}" if best else text) + (
        rf" {{\scriptsize $\pm${half:.{digits}f}}}" if np.isfinite(half) else ""
    )
