"""What is done against overfitting: each switch beside the same training without it.

Layer: above `finetune_gains`, below `finetune`; pure. Recipes of one model and method that differ in switches only are
a family; its baseline is the one from which the others differ in the fewest settings.
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
from harness.analysis.finetune_gains import adjusted, together
from harness.analysis.finetune_names import DETAILS, OFF, baseline, differing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.analysis.finetune_gains import Scored
    from harness.analysis.robust_drops import Scale

SWITCHES = (
    "id", "entry", "how", "model", "method", "task", "size", "n_train", "baseline", "switch", "seeds", "loss_gap",
    "loss_gap_change", "loss_gap_change_lo", "loss_gap_change_hi", "accuracy_gap", "accuracy_gap_change",
    "accuracy_gap_change_lo", "accuracy_gap_change_hi", "dev_loss", "dev_loss_change", "p", "p_holm", "separable",
    "asked", "score_change", "score_change_lo", "score_change_hi", "score_p",
)  # fmt: skip
"""Columns of switches. Changes are those from the baseline over the seeds that both have; `p` is of the loss gap."""

CHANGES = ("loss_gap", "accuracy_gap", "dev_loss")


def switches(made: pd.DataFrame, specs: Mapping[str, str], found: Sequence[Scored],
             scales: Mapping[str, Scale]) -> pd.DataFrame:  # fmt: skip
    """One row per setting of a family, its baseline first: `SWITCHES`.

    Args:
        made: trainings.
        specs: of each recipe's id what was asked of model and method, flat, as JSON.
        found: evaluations.
        scales: of the tasks.
    """
    good = made[made["status"] == "ok"]
    known = {name: _training(spec) for name, spec in specs.items()}
    keys = good["id"].map(lambda name: known[name][0])
    rows: list[dict[str, Any]] = []
    for _, own in good.assign(rest=keys).groupby(["rest", "task", "size"], sort=False):
        ids = list(dict.fromkeys(own["id"]))
        base = baseline({name: known[name][1] for name in ids})
        if base is None:
            continue
        for name in [base, *(one for one in ids if one != base)]:
            words = differing(known[name][1], known[base][1]) if name != base else ""
            mine, theirs = (own[own["id"] == one] for one in (name, base))
            rows.append(_row(mine, theirs, words) | _score(mine.iloc[0], base, found, scales))
    return adjusted(pd.DataFrame(rows, columns=[*SWITCHES]), ends=("loss_gap_change_lo", "loss_gap_change_hi"))


def _training(spec: str) -> tuple[str, dict[str, Any]]:
    """What recipes of a family share, and the settings in which they may differ."""
    flat = json.loads(spec)
    own = {name.removeprefix("method.training."): value for name, value in flat.items()
           if name.startswith("method.training.")}  # fmt: skip
    may = {name: value for name, value in own.items() if name in OFF or name in DETAILS}
    if "method.dropout" in flat:
        may["own dropout"] = flat["method.dropout"]
    if all(may.get(name) in off for name, off in OFF.items() if name == "augmentation"):
        may = {name: value for name, value in may.items() if name not in DETAILS}  # they change nothing without it
    rest = {name: value for name, value in flat.items()
            if name not in {f"method.training.{one}" for one in may} and name != "method.dropout"}  # fmt: skip
    rest = {name: value for name, value in rest.items() if name.rpartition(".")[2] not in DETAILS}
    return json.dumps(rest, sort_keys=True), may


def _row(mine: pd.DataFrame, theirs: pd.DataFrame, words: str) -> dict[str, Any]:
    first = mine.iloc[0]
    names = ("id", "entry", "how", "model", "method", "task", "size")
    row = {**{name: first[name] for name in names}, "n_train": mine["n_train"].max(),
           "baseline": "" if not words else theirs["how"].iloc[0], "switch": words, "p": math.nan}  # fmt: skip
    both = mine.merge(theirs, on="seed", suffixes=("", "_base"))
    row["seeds"] = len(both) if words else len(mine)
    for name in CHANGES:
        row[name] = mine[name].mean()
        if words:
            mean, _, ends, p = fs.over_seeds((both[name] - both[f"{name}_base"]).dropna().to_numpy(dtype=float))
            row |= {f"{name}_change": mean, f"{name}_change_lo": ends.lo, f"{name}_change_hi": ends.hi}
            row |= {"p": p} if name == CHANGES[0] else {}
    return row


def _score(
    first: pd.Series, base: str, found: Sequence[Scored], scales: Mapping[str, Scale]
) -> dict[str, Any]:  # fmt: skip
    """How the score on the own task changes from the baseline's, paired by document and seed."""
    if first["id"] == base:
        return {"asked": ""}
    place = (first["task"], first["size"])
    own = [one for one in found if one.of.own and (one.of.trained_on, one.of.size) == place]
    mine = next((one for one in own if one.of.id == first["id"]), None)
    theirs = next((one for one in own if one.of.id == base and mine and one.of.task == mine.of.task), None)
    sides = together(mine, theirs) if mine and theirs else None
    if mine is None or sides is None:
        return {"asked": ""}
    sign = scales[mine.of.task].sign
    gap = fs.gains(sign * sides[0], sign * sides[1])
    return {"asked": mine.of.task, "score_change": gap.value, "score_change_lo": gap.interval.lo,
            "score_change_hi": gap.interval.hi, "score_p": gap.p}  # fmt: skip
