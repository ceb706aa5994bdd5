"""Sentences about robustness that claim only what is separable.

Layer: above `robustness`, beside `verdict`; pure. One line per task for each kind, most important first; what is
suppressed or missing is said last.
"""

# What stands in a frame has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false, reportIndexIssue=false, reportOperatorIssue=false, reportReturnType=false
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.analysis.robust_sheet import scores
from harness.analysis.wording import listing, percent, short

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from harness.analysis.derive import Comparison
    from harness.analysis.robust_sheet import Scores
    from harness.analysis.robustness import Robustness

MOST = 6
"""Models that one sentence speaks of."""


def sentences(measured: Robustness, comparison: Comparison) -> tuple[str, ...]:
    """What a reader may take home of robustness."""
    how = scores(comparison)
    lines = [*_hurt(measured.drops, how), *_kept(measured.worst, how), *_prompts(measured.prompts, how),
             *_attacks(measured.attacks), *_domains(measured.domains, how), *_withheld(measured)]  # fmt: skip
    return tuple(line for line in lines if line)


def _hurt(drops: pd.DataFrame, how: Scores) -> list[str]:
    """Of each task which perturbation hurts which model most, and where nothing does so separably."""
    lines = []
    for task, rows in drops.groupby("task", sort=False):
        sure = rows[rows["separable"] & (rows["drop"] > 0)]
        worst = sure.sort_values("drop", ascending=False, kind="stable").drop_duplicates("entry")
        told = [_most(row, sure, how) for row in worst.head(MOST).to_dict("records")]
        if told:
            lines.append(f"Largest drops on {task}: {'; '.join(told)}{'; and others' if len(worst) > MOST else ''}.")
        none = [str(entry) for entry in dict.fromkeys(rows["entry"]) if entry not in set(worst["entry"])]
        if none:
            lines.append(f"No perturbation separably hurts {listing(none)} on {task}.")
    return lines


def _most(row: Mapping[str, Any], sure: pd.DataFrame, how: Scores) -> str:
    """A model's largest drop, and which other perturbations it cannot be told from."""
    own = sure[(sure["entry"] == row["entry"]) & (sure["variation"] != row["variation"])]
    rivals = list(dict.fromkeys(own.loc[own["drop_hi"] >= row["drop_lo"], "variation"]))
    beside = f"; its interval overlaps {listing(rivals, most=3)}" if rivals else ""
    unit = " points" if str(row["task"]) in how.fractions else ""
    ends = " to ".join(how.write(str(row["task"]), row[end]) for end in ("drop_lo", "drop_hi"))
    return (f"{short(str(row['entry']), 30)} under {row['variation']} at {row['severity']:g}, "
            f"{how.write(str(row['task']), row['drop'])}{unit} ({ends}{beside})")  # fmt: skip


def _kept(worst: pd.DataFrame, how: Scores) -> list[str]:
    """What the worst case over the strict perturbations makes of the clean score; the best model first."""
    lines = []
    for task, rows in worst[worst["ratio"].notna()].groupby("task", sort=False):
        grows = str(task) not in how.higher
        ranked = rows.sort_values("ratio", ascending=grows, kind="stable").to_dict("records")
        told = [f"{short(str(row['entry']), 30)} {percent(row['ratio'])} % ({percent(row['ratio_lo'])} to "
                f"{percent(row['ratio_hi'])})" for row in ranked[:MOST]]  # fmt: skip
        cells = sorted({int(row["cells"]) for row in ranked})
        over = " or ".join(map(str, cells))
        what = "grows to, of the clean value" if grows else "of the clean score"
        lines.append(f"Worst case over {over} strict cells on {task}, {what}: {', '.join(told)}"
                     f"{' and others' if len(ranked) > MOST else ''}.")  # fmt: skip
    return lines


def _prompts(prompts: pd.DataFrame, how: Scores) -> list[str]:
    """Where the prompt matters more than noise would."""
    lines = []
    for (task, name), rows in prompts.groupby(["task", "variation"], sort=False):
        sure = rows[rows["separable"]].sort_values("spread", ascending=False, kind="stable")
        unit = " points" if str(task) in how.fractions else ""
        told = [f"{short(str(row['entry']), 30)} by {how.write(str(task), row['spread'])}{unit} "
                f"({how.write(str(task), row['spread_noise'])} by noise alone)"
                for row in sure.head(MOST).to_dict("records")]  # fmt: skip
        if told:
            lines.append(f"Scores on {task} depend on the {name.replace('_', ' ')}: {', '.join(told)}.")
    if len(prompts) and not prompts["separable"].any():
        lines.append("No spread over prompt variants is larger than sampling noise alone would give.")
    return lines


def _attacks(attacks: pd.DataFrame) -> list[str]:
    """Whether the search beats random edits."""
    lines = []
    for (task, name), rows in attacks[attacks["control"] != ""].groupby(["task", "variation"], sort=False):
        better = rows[rows["separable"] & (rows["difference"] > 0)]
        told = [f"{short(str(row['entry']), 30)} {percent(row['success_rate'])} % against "
                f"{percent(row['control_rate'])} %" for row in better.head(MOST).to_dict("records")]  # fmt: skip
        if told:
            lines.append(f"{name} breaks more right answers on {task} than random edits: {', '.join(told)}.")
        rest = [str(entry) for entry in rows["entry"] if entry not in set(better["entry"])]
        if rest:
            lines.append(f"{name} is not separably better than random edits against {listing(rest)} on {task}.")
    alone = attacks[(attacks["control"] == "") & (attacks["search"] != "random")]
    if len(alone):
        names = listing(list(dict.fromkeys(alone["variation"])))
        lines.append(
            f"No random edits at the same budget were measured beside {names}, so nothing is said of the search."
        )
    return lines


def _domains(domains: pd.DataFrame, how: Scores) -> list[str]:
    lines = []
    for (inside, outside), rows in domains.groupby(["in_task", "out_task"], sort=False):
        unit = " points" if str(inside) in how.fractions else ""
        told = [f"{short(str(row['entry']), 30)} {how.write(str(inside), row['gap'])}{unit} ("
                f"{how.write(str(inside), row['gap_lo'])} to {how.write(str(inside), row['gap_hi'])})"
                for row in rows[rows["separable"]].head(MOST).to_dict("records")]  # fmt: skip
        lines.append(f"From {inside} to {outside} the score falls by: {', '.join(told)}." if told else
                     f"No gap between {inside} and {outside} is separable.")  # fmt: skip
    return lines


def _withheld(measured: Robustness) -> list[str]:
    """What is not said, and why."""
    lines, drops = [], measured.drops
    low = drops[drops["pdr_chance_why"].str.contains("not above chance")].drop_duplicates(["entry", "task"])
    if len(low):
        names = listing([f"{entry} on {task}" for entry, task in zip(low["entry"], low["task"], strict=True)])
        lines.append(f"Clean accuracy is not above chance, so that there is nothing to lose: {names}.")
    short_of = measured.worst[measured.worst["missing"] > 0]
    if len(short_of):
        names = listing([f"{entry} on {task}" for entry, task in zip(short_of["entry"], short_of["task"], strict=True)])
        lines.append(f"Worst cases over fewer cells than those of other models, so not to be compared: {names}.")
    if len(measured.absent):
        reasons = measured.absent["reason"].value_counts()
        told = [f"{number} because {reason}" for reason, number in reasons.items()]
        lines.append(f"Varied cells without a comparison: {'; '.join(told)}.")
    return lines
