"""A study for other tools: CSV and Parquet, LaTeX, TensorBoard, Weights & Biases, MLflow.

Layer: above the reading half. One function per tool, no service is ever contacted: Weights & Biases runs in offline
mode, MLflow writes into a local file. What an optional package is needed for says so in one line.
"""

# Optional packages have no types here:
# pyright: reportMissingImports=false, reportArgumentType=false, reportAttributeAccessIssue=false
from __future__ import annotations

import importlib
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from harness.analysis import derive, frame
from harness.analysis.current import current
from harness.config import ConfigError, nearest
from harness.exchange import tidy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
}  # fmt: skip


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
    """The four tidy tables as CSV and Parquet."""
    return tidy.write(folder, out)


def latex(folder: Path, out: Path) -> list[Path]:
    """The scores as a table for `booktabs`: a row per entry, a column per task, 95 % half-widths, best in bold."""
    comparison = derive.compare(frame.read(folder))
    if not len(comparison.scores):
        raise ConfigError(f"study {folder.name!r} has no scores to put in a table")
    path = out / "scores.tex"
    path.write_text(_latex(comparison), encoding="utf-8")
    return [path]


def tensorboard(folder: Path, out: Path) -> list[Path]:
    """One TensorBoard run per cell: `tensorboard --logdir OUT`; needs the package tensorboard."""
    _package("tensorboard", form="tensorboard")
    writers = _package("torch.utils.tensorboard", form="tensorboard")
    for name, _, rows in _runs(folder):
        writer = writers.SummaryWriter(log_dir=str(out / name))
        for tag, step, value in rows:
            writer.add_scalar(tag, value, step)
        writer.close()
    return sorted(path for path in out.iterdir() if path.is_dir())


def wandb(folder: Path, out: Path) -> list[Path]:
    """One offline run of Weights & Biases per cell, which `wandb sync` may send later; needs the package wandb."""
    tool = _package("wandb", form="wandb")
    for name, labels, rows in _runs(folder):
        quiet = tool.Settings(silent=True)
        run = tool.init(
            project=folder.name, name=name, config=labels, dir=str(out), mode="offline", reinit="finish_previous",
            settings=quiet,
        )  # fmt: skip
        for tag, step, value in rows:
            run.log({tag: value, "repeat": step})
        run.finish()
    return sorted((out / "wandb").glob("offline-run-*"))


def mlflow(folder: Path, out: Path) -> list[Path]:
    """One MLflow run per cell: `mlflow ui --backend-store-uri sqlite:///OUT/mlflow.db`; needs the package mlflow."""
    tool = _package("mlflow", form="mlflow")
    client = tool.MlflowClient(tracking_uri=f"sqlite:///{(out / 'mlflow.db').resolve()}")
    known = client.get_experiment_by_name(folder.name)
    experiment = known.experiment_id if known else client.create_experiment(
        folder.name, artifact_location=(out / "artifacts").resolve().as_uri())  # fmt: skip
    for name, labels, rows in _runs(folder):
        run = client.create_run(experiment, run_name=name)
        numbers = [tool.entities.Metric(tag, value, 0, step) for tag, step, value in rows]
        params = [tool.entities.Param(key, str(value)) for key, value in labels.items()]
        client.log_batch(run.info.run_id, params=params)
        for start in range(0, len(numbers), 1000):
            client.log_batch(run.info.run_id, metrics=numbers[start : start + 1000])
        client.set_terminated(run.info.run_id)
    return [out / "mlflow.db"]


FORMS: dict[str, Callable[[Path, Path], list[Path]]] = {
    "csv": csv, "latex": latex, "tensorboard": tensorboard, "wandb": wandb, "mlflow": mlflow,
}  # fmt: skip
"""What a study can be exported as."""


def _package(name: str, *, form: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        package = name.partition(".")[0] if name != "torch.utils.tensorboard" else form
        raise ConfigError(
            f"export as {form} needs the package {package}: pip install {package} (or harness[{form}])"
        ) from None


def _runs(folder: Path) -> Iterator[tuple[str, dict[str, Any], list[tuple[str, int, float]]]]:
    """Every cell that was measured: a name, its labels, and `(tag, step, value)` of its numbers."""
    numbers = current(frame.read(folder)).measurements
    if not len(numbers):
        raise ConfigError(f"study {folder.name!r} has no numbers to export")
    kept = ["model", "method", "workload", "kind", "perturbation", "severity", "seed", "device", "dtype", "attention",
            "batch", "prompt", "new", "replicate", "shots", "limit", "revision"]  # fmt: skip
    for cell, rows in numbers.groupby("cell", sort=True):
        labels = {key: _plain(rows.iloc[0][key]) for key in kept}
        name = _slug(f"{labels['model']}.{labels['workload']}.{cell}")
        yield name, {"cell": cell, **labels}, [
            (_slug(f"{metric}.{subset}" if subset else str(metric)), int(step), float(value))
            for metric, subset, step, value in rows[["metric", "subset", "repeat", "value"]].itertuples(index=False)
        ]  # fmt: skip


def _plain(value: Any) -> Any:
    if pd.isna(value):
        return ""
    return value.item() if isinstance(value, np.generic) else value


def _slug(text: str) -> str:
    """A name that every tool takes; the slash of a label would make a folder."""
    return re.sub(r"[^A-Za-z0-9_. -]+", "-", text).strip("-. ")[:200] or "unnamed"


def _latex(comparison: derive.Comparison) -> str:
    tasks = comparison.tasks
    heads = [_escape(f"{task.task} ({task.metric})") for task in tasks.itertuples()]
    lines = [f"% {comparison.basis}; 95 % intervals, half-width after ±".replace("±", "+-"),
             rf"\begin{{tabular}}{{l{'r' * len(tasks)}}}", r"\toprule",
             " & ".join(["", *heads]) + r" \\", r"\midrule"]  # fmt: skip
    for entry in comparison.entries["entry"]:
        own = comparison.scores[comparison.scores["entry"] == entry].set_index("task")
        cells = [_cell(comparison.scores, own, task) for task in tasks.itertuples()]
        lines.append(" & ".join([_escape(entry), *cells]) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


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


def _escape(text: str) -> str:
    return "".join(_LATEX.get(letter, letter) for letter in " ".join(str(text).split()))
