"""Sentences about fine-tuning that claim only what is separable.

Layer: above `finetune`, beside `verdict`; pure. One line per model and task for each kind, most important first; what
is missing, and what one seed cannot say, comes last.
"""

# What stands in a frame has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false, reportIndexIssue=false, reportOperatorIssue=false, reportReturnType=false
from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from harness.analysis.finetune_sheet import examples
from harness.analysis.power import factor
from harness.analysis.robust_sheet import scores
from harness.analysis.wording import listing, short, significant

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from harness.analysis.derive import Comparison
    from harness.analysis.finetune import Finetune
    from harness.analysis.robust_sheet import Scores

    Row = Mapping[str, Any]

MOST = 4
"""Recipes that one sentence speaks of."""


def sentences(measured: Finetune, comparison: Comparison) -> tuple[str, ...]:
    """What a reader may take home of fine-tuning."""
    how = scores(comparison)
    return (
        *_gained(measured.gains, how), *_best(measured.rivals), *_elsewhere(measured.gains, how),
        *_forgotten(measured.forgetting, how), *_worth(measured.worth), *_switched(measured.switches),
        *_withheld(measured),
    )  # fmt: skip


def _gained(gains: pd.DataFrame, how: Scores) -> list[str]:
    """Of each model and task which methods gain separably on what they were trained on, most examples first."""
    lines = []
    own = gains[gains["own"].astype(bool) & gains["p"].notna()].sort_values("n_train", ascending=False, kind="stable")
    for (model, task), rows in own.groupby(["model", "task"], sort=False):
        ranked = rows[rows["separable"]].sort_values("gain", ascending=False, kind="stable")
        up, down = ranked[ranked["gain"] > 0], ranked[ranked["gain"] < 0].iloc[::-1]
        where = f"on {task} beside {short(str(model), 30)} as it is"
        lines += [f"Training gains {where}: {_told(rows, how)}." for rows in (up,) if len(rows)]
        lines += [f"Training loses {where}: {_told(rows, how)}." for rows in (down,) if len(rows)]
        if none := _none(rows, how):
            lines.append(f"Not separable {where}: {none}.")
    return lines


def _told(rows: pd.DataFrame, how: Scores) -> str:
    """Each recipe with its difference, that of most examples where it was trained with several numbers of them."""
    kept = _most(rows)
    told = [f"{_who(row, kept)} by {_difference(row, how)}" for row in kept.head(MOST).to_dict("records")]
    return _with_all(kept) + "; ".join(told) + ("; and others" if len(kept) > MOST else "")


def _most(rows: pd.DataFrame) -> pd.DataFrame:
    """Of every recipe the row of most examples, in the given order."""
    first = rows.sort_values("n_train", ascending=False, kind="stable").drop_duplicates(["id", "trained_on"])
    return rows.loc[[index for index in rows.index if index in set(first.index)]]


def _with_all(rows: pd.DataFrame) -> str:
    """With how many examples all of them were trained, where it is one number."""
    sizes = list(dict.fromkeys(rows["n_train"]))
    return f"{_with(sizes[0])}, " if len(sizes) == 1 else ""


def _who(row: Row, among: pd.DataFrame) -> str:
    several = len(dict.fromkeys(among["n_train"])) > 1
    return short(str(row["how"]), 40) + (f" {_with(row['n_train'])}" if several else "")


def _difference(row: Row, how: Scores) -> str:
    task = str(row["task"])
    ends = " to ".join(how.write(task, row[end]) for end in ("gain_lo", "gain_hi"))
    return f"{how.write(task, row['gain'])}{_unit(task, how)} ({ends})"


def _unit(task: str, how: Scores) -> str:
    return " points" if task in how.fractions else ""


def _none(rows: pd.DataFrame, how: Scores) -> str:
    """Recipes of which no number of examples makes a difference, with what would mostly not have shown."""
    sure = set(rows.loc[rows["separable"], "id"])
    rest = rows[~rows["id"].isin(sure)]
    if rest.empty:
        return ""
    task = str(rest["task"].iloc[0])
    seen = how.write(task, factor() * float(rest["gain_se"].max()))
    return (f"{listing(list(dict.fromkeys(rest['how'])))} (differences below about {seen}{_unit(task, how)} would "
            "mostly not show)")  # fmt: skip


def _best(rivals: pd.DataFrame) -> list[str]:
    """Which recipe is separably better than every other one with as many examples; of most examples only."""
    lines, none = [], []
    number = rivals["n_train"].fillna(0.0)
    most = rivals[number == number.groupby([rivals["model"], rivals["task"]]).transform("max")]
    for (model, task, _), rows in most.groupby(["model", "task", "size"], sort=False):
        names = list(dict.fromkeys([*rows["a"], *rows["b"]]))
        first = next((name for name in names if _wins(rows, name) == len(names) - 1), None)
        where = f"{short(str(model), 30)} trained on {task}"
        if first is None:
            none.append(where)
            continue
        others = listing([name for name in names if name != first])
        lines.append(f"For {where} {_with(rows['n_train'].iloc[0])}, {first} is separably better than {others}.")
    return [*lines, *([f"No method is separably better than every other one for {_all(none)}."] if none else [])]


def _all(phrases: list[str]) -> str:
    """Phrases in a row, not shortened as names are."""
    shown = phrases[:MOST] + ([f"{len(phrases) - MOST} more"] if len(phrases) > MOST else [])
    return " and ".join([", ".join(shown[:-1]), shown[-1]]) if len(shown) > 1 else "".join(shown)


def _wins(rows: pd.DataFrame, name: str) -> int:
    ahead = (rows["a"] == name) & (rows["difference"] > 0) | (rows["b"] == name) & (rows["difference"] < 0)
    return int((ahead & rows["separable"]).sum())


def _elsewhere(gains: pd.DataFrame, how: Scores) -> list[str]:
    """What training on one task does to others; where nothing is separable, in one sentence per model."""
    lines = []
    other = gains[~gains["own"].astype(bool) & gains["p"].notna()]
    for model, own in other.groupby("model", sort=False):
        who, none = short(str(model), 30), []
        for (trained_on, task), rows in own.groupby(["trained_on", "task"], sort=False):
            sure = rows[rows["separable"]].sort_values("gain", kind="stable")
            if len(sure):
                lines.append(f"Training {who} on {trained_on} changes {task}: {_told(sure, how)}.")
            else:
                none.append(f"{task} by training on {trained_on}")
        if none:
            lines.append(f"No separable change of {who} on other tasks: {_all(none)}.")
    return lines


def _forgotten(forgetting: pd.DataFrame, how: Scores) -> list[str]:
    """On which text trained models became separably worse."""
    lines = []
    for (model, task), rows in forgetting[forgetting["p"].notna()].groupby(["model", "task"], sort=False):
        sure = rows[rows["separable"]].sort_values("gain", kind="stable")
        worse, better = sure[sure["gain"] < 0], sure[sure["gain"] > 0]
        who = short(str(model), 30)
        if len(worse):
            lines.append(f"Trained {who} forgets on {task}: {_changes(worse, how)}.")
        if len(better):
            lines.append(f"Trained {who} improves on {task}: {_changes(better, how)}.")
        if sure.empty:
            seen = how.write(str(task), factor() * float(rows["gain_se"].max()))
            aside = f" (changes below about {seen} would mostly not show)" if rows["gain"].any() else ""
            lines.append(f"No training separably changes {who} on {task}{aside}.")
    return lines


def _changes(rows: pd.DataFrame, how: Scores) -> str:
    told, kept = [], _most(rows)
    for row in kept.head(MOST).to_dict("records"):
        task, sign = str(row["task"]), 1.0 if str(row["task"]) in how.higher else -1.0
        lo, hi = sorted((sign * row["gain_lo"], sign * row["gain_hi"]))
        change = f"{how.write(task, sign * row['gain'])} ({how.write(task, lo)} to {how.write(task, hi)})"
        told.append(f"{_who(row, kept)} trained on {row['trained_on']} by {change}")
    return _with_all(kept) + "; ".join(told) + ("; and others" if len(kept) > MOST else "")


def _worth(worth: pd.DataFrame) -> list[str]:
    """As how many training examples those in a prompt are worth; of each recipe the largest prompt."""
    lines = []
    for (model, task), rows in worth.groupby(["model", "task"], sort=False):
        last = rows[rows["shots"] == rows.groupby("id")["shots"].transform("max")]
        for shots, own in last.groupby("shots", sort=True):
            said = f"{shots} shots in the prompt of {short(str(model), 30)} on {task}"
            if not own["helps"].any():
                lines.append(f"{said} score no better than none, so they are worth no training examples.")
                continue
            told = [f"{short(str(row['how']), 40)} {examples(row)}" for row in own.head(MOST).to_dict("records")]
            more = "; and others" if len(own) > MOST else ""
            lines.append(f"{said} are worth, in training examples: {'; '.join(told)}{more}.")
    return lines


def _switched(switches: pd.DataFrame) -> list[str]:
    """Which switches change the gap of losses separably."""
    lines = []
    tried = switches[(switches["switch"] != "") & switches["p"].notna()]
    for (model, task, _), rows in tried.groupby(["model", "task", "size"], sort=False):
        sure = rows[rows["separable"]].sort_values("loss_gap_change", kind="stable")
        where = f"on {task} {_with(rows['n_train'].iloc[0])} ({short(str(model), 30)})"
        told = [_change(row) for row in sure.head(MOST).to_dict("records")]
        if told:
            lines.append(f"The gap of losses changes {where}: {'; '.join(told)} nats.")
        rest = list(dict.fromkeys(rows.loc[~rows["separable"], "switch"]))
        if rest:
            lines.append(f"No separable change of the gap of losses {where} by {listing(rest)}.")
    return lines


def _change(row: Row) -> str:
    ends = " to ".join(significant(row[f"loss_gap_change_{end}"]) for end in ("lo", "hi"))
    return f"{row['switch']} by {significant(row['loss_gap_change'])} ({ends})"


def _with(number: float) -> str:
    return f"with {number:,.0f} examples" if math.isfinite(number) else "with all examples"


def _withheld(measured: Finetune) -> list[str]:
    """What is not said, and why."""
    lines, made = [], measured.trainings
    bad = made[made["status"] != "ok"]
    if len(bad):
        reasons = listing(list(dict.fromkeys(f"{row.how} on {row.task}" for row in bad.itertuples())))
        lines.append(f"{len(bad)} of {len(made)} trainings have no result: {reasons}.")
    tested = measured.gains[measured.gains["p"].notna()]
    if len(tested) and (tested["seeds"] == 1).all():
        lines.append("Every training has one seed, so nothing is said of what another seed would give.")
    if len(measured.settings) and measured.settings["dev_loss"].isna().all():
        lines.append("No training had a dev split, so nothing is said of overfitting.")
    if len(measured.absent):
        reasons = measured.absent["reason"].value_counts()
        told = [f"{number} because {reason}" for reason, number in reasons.items()]
        lines.append(f"Trained models without a comparison: {'; '.join(told)}.")
    return lines
