"""Trainings -> frames: what each took, what each setting took over its seeds, how losses fell.

Layer: above `finetune_join` and `finetune_stats`, below `finetune`; pure but for the facts it is given.
"""

# What stands in a frame has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false, reportIndexIssue=false, reportOperatorIssue=false, reportReturnType=false
from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import pandas as pd

from harness.analysis import finetune_stats as fs
from harness.analysis.finetune_join import ALL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

METRICS = {
    "trainable_parameters": "trainable", "trainable_share": "share", "stored_bytes": "stored_bytes",
    "train_seconds": "seconds", "train_tokens": "tokens", "train_tok_s": "tok_s", "train_steps": "steps",
    "train_examples": "examples", "best_step": "best_step", "peak_host_bytes": "peak_host_bytes",
    "peak_device_bytes": "peak_device_bytes", "train_energy": "energy", "train_loss": "train_loss",
    "train_accuracy": "train_accuracy", "dev_loss": "dev_loss", "dev_accuracy": "dev_accuracy",
    "loss_gap": "loss_gap", "accuracy_gap": "accuracy_gap",
}  # fmt: skip
"""Metrics of a training and the columns they become."""

TRAININGS = (
    "id", "entry", "how", "model", "method", "task", "size", "n_train", "n_dev", "seed", "status", "error",
    "objective", *METRICS.values(), "peak_bytes", "stopped_early", "resumed", "address",
)  # fmt: skip
"""Columns of trainings."""

MEANS = ("seconds", "tok_s", "peak_bytes", "stored_bytes", "energy", "best_step", "steps", "loss_gap", "accuracy_gap")
"""What is averaged over seeds, with the lowest and the highest of them."""

SETTINGS = (
    "id", "entry", "how", "model", "method", "task", "size", "n_train", "n_dev", "objective", "seeds", "failed",
    "trainable", "share", *(f"{name}{end}" for name in MEANS for end in ("", "_min", "_max")), "loss_gap_sd",
    "accuracy_gap_sd", "train_loss", "dev_loss", "train_accuracy", "dev_accuracy", "accuracy_gap_lo",
    "accuracy_gap_hi", "stopped_early",
)  # fmt: skip
"""Columns of settings."""

CURVES = ("id", "entry", "how", "model", "method", "task", "size", "n_train", "curve", "step", "seeds", "value", "lo",
          "hi")  # fmt: skip
"""Columns of learning curves."""

STEPS = {"train_step_loss": "train loss", "dev_step_loss": "dev loss", "dev_step_accuracy": "dev accuracy"}
"""Metrics by step and what their curves are called."""

KEYS = ["id", "task", "size"]


def trainings(rows: pd.DataFrame, facts: Sequence[Mapping[str, Any]], measurements: pd.DataFrame) -> pd.DataFrame:
    """One row per training, failed ones included: `TRAININGS`.

    Args:
        rows: as `finetune_join.trainings` makes them.
        facts: of their records.
        measurements: of the study.
    """
    whole = measurements[(measurements["subset"] == "") & measurements["cell"].isin(set(rows["cell"]))]
    numbers: dict[str, dict[str, float]] = {}
    for cell, metric, value in whole[["cell", "metric", "value"]].itertuples(index=False, name=None):
        if metric in METRICS:
            numbers.setdefault(cell, {})[METRICS[metric]] = float(value)
    made = [_training(row, said, numbers.get(row["cell"], {}))
            for row, said in zip(rows.to_dict("records"), facts, strict=True)]  # fmt: skip
    return pd.DataFrame(made, columns=[*TRAININGS])


def _training(row: Mapping[str, Any], said: Mapping[str, Any], numbers: Mapping[str, float]) -> dict[str, Any]:
    asked = math.nan if row["size"] == ALL else float(row["size"])
    peak = numbers.get("peak_device_bytes") or numbers.get("peak_host_bytes", math.nan)
    return {
        **{name: row[name] for name in ("id", "how", "model", "method", "size", "status", "error")},
        "entry": row["recipe"], "task": row["trained_on"], "seed": row["train_seed"],
        "n_train": float(said.get("n_train") or asked), "n_dev": float(said.get("n_dev") or 0) if said else math.nan,
        "objective": str(said.get("objective") or _objective(row)), **dict.fromkeys(METRICS.values(), math.nan),
        **numbers, "peak_bytes": peak, "stopped_early": bool(said.get("stopped_early", False)),
        "resumed": float(said.get("resumed") or 0), "address": str(said.get("address") or ""),
    }  # fmt: skip


def _objective(row: Mapping[str, Any]) -> str:
    return str(json.loads(row["subject_spec"]).get("method.training.objective", ""))


def settings(made: pd.DataFrame) -> pd.DataFrame:
    """One row per setting that was trained once at least, its seeds together: `SETTINGS`."""
    groups = made.groupby(KEYS, sort=False) if len(made) else ()
    rows = [_setting(own) for _, own in groups if (own["status"] == "ok").any()]
    return pd.DataFrame(rows, columns=[*SETTINGS])


def _setting(own: pd.DataFrame) -> dict[str, Any]:
    good = own[own["status"] == "ok"]
    first = good.iloc[0]
    row = {name: first[name] for name in ("id", "entry", "how", "model", "method", "task", "size", "objective",
                                          "trainable", "share")}  # fmt: skip
    row |= {"seeds": len(good), "failed": len(own) - len(good), "stopped_early": int(good["stopped_early"].sum()),
            "n_train": good["n_train"].max(), "n_dev": good["n_dev"].max()}  # fmt: skip
    for name in MEANS:
        row |= {name: good[name].mean(), f"{name}_min": good[name].min(), f"{name}_max": good[name].max()}
    for name in ("train_loss", "dev_loss", "train_accuracy", "dev_accuracy"):
        row[name] = good[name].mean()
    for name in ("loss_gap", "accuracy_gap"):
        row[f"{name}_sd"] = good[name].std(ddof=1) if len(good) > 1 else math.nan
    ends = fs.rate_gap(row["train_accuracy"], row["dev_accuracy"], sizes=_looked_at(row))
    return row | {"accuracy_gap_lo": ends.lo, "accuracy_gap_hi": ends.hi}


def _looked_at(row: Mapping[str, Any]) -> tuple[float, float]:
    """Examples behind the accuracy on training and on dev examples: of the former as many as of the latter."""
    dev = float(row["n_dev"])
    return (min(float(row["n_train"]), dev), dev)


def used(made: pd.DataFrame) -> dict[tuple[str, str, str], float]:
    """Examples that each setting was trained on, where its records say so."""
    known = made.dropna(subset=["n_train"])
    keys = zip(known["id"], known["task"], known["size"], strict=True)
    return dict(zip(keys, known["n_train"].astype(float), strict=True))


def curves(made: pd.DataFrame, rows: pd.DataFrame, measurements: pd.DataFrame) -> pd.DataFrame:
    """Losses and accuracy by step: the mean of the seeds that got so far, the lowest and the highest: `CURVES`."""
    numbers = measurements[measurements["metric"].isin(list(STEPS)) & measurements["subset"].str.startswith("step=")]
    labels = made[[name for name in CURVES if name in made]].assign(cell=rows["cell"].to_numpy())
    found = numbers[["cell", "metric", "subset", "value"]].merge(labels, on="cell")
    if found.empty:
        return pd.DataFrame(columns=[*CURVES])
    step = pd.to_numeric(found["subset"].str.removeprefix("step="), errors="coerce")
    found = found.assign(step=step, curve=found["metric"].map(STEPS)).dropna(subset=["step"])
    keys = [name for name in CURVES if name not in {"seeds", "value", "lo", "hi"}]
    grouped = found.groupby(keys, sort=False, dropna=False)["value"]
    table = grouped.agg(seeds="size", value="mean", lo="min", hi="max").reset_index()
    order = {key: rank for rank, key in enumerate(dict.fromkeys(zip(*(made[name] for name in KEYS), strict=True)))}
    names = {curve: rank for rank, curve in enumerate(STEPS.values())}
    ranks = [order[key] for key in zip(*(table[name] for name in KEYS), strict=True)]
    table = table.assign(rank=ranks, part=table["curve"].map(names)).sort_values(["rank", "part", "step"])
    return table[[*CURVES]].reset_index(drop=True)


def ranked(rows: pd.DataFrame, order: Sequence[str]) -> pd.DataFrame:
    """Trainings by model in the order given, by task, by recipe, by number of examples, by seed."""
    models = {name: rank for rank, name in enumerate(order)}
    place = [models.get(name, len(models)) for name in rows["model"]]
    number = [math.inf if size == ALL else float(size) for size in rows["size"]]
    keys = ["place", "model", "trained_on", "how", "recipe", "number", "train_seed"]
    found = rows.assign(place=place, number=number).sort_values(keys, kind="stable")
    return found.drop(columns=["place", "number"]).reset_index(drop=True)


def setting_keys(frame: pd.DataFrame) -> list[tuple[str, str, str]]:
    """What tells the setting of each row apart: the values of `finetune_join.SETTING`."""
    return list(zip(*(frame[name] for name in KEYS), strict=True)) if len(frame) else []
