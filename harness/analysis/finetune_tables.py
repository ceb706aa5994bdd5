"""Fine-tuning -> tables: what each method cost and gained, forgetting, overfitting, the worth of examples.

Layer: above `finetune`, beside `tables`; pure. Scores that are fractions are shown as per cent, their differences in
points; bits per byte stay as they are.
"""

# What stands in a frame has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false, reportIndexIssue=false, reportOperatorIssue=false, reportReturnType=false
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from harness.analysis import wording
from harness.analysis.finetune_costs import setting_keys
from harness.analysis.finetune_sheet import (
    PLACE,
    STARRED,
    absent,
    bare,
    overfitting,
    place,
    sizes,
    switches,
    table,
    trainings,
    who,
    worth,
)
from harness.analysis.grid_sheet import number, size
from harness.analysis.robust_sheet import Scores, p_cell, scores
from harness.analysis.sheet import Table, Value, text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.analysis.derive import Comparison
    from harness.analysis.finetune import Finetune

    Row = Mapping[str, Any]
    Head = tuple[str, str] | tuple[str, str, str]

LONG = 40
"""Rows beyond which a table is folded."""

NAMED = (
    "In brackets: in what a recipe differs from the one of its method that the others are nearest to, which goes by "
    "the method's name alone; seeds and numbers of examples apart."
)
"""How recipes of one method are called."""

SINGLE = "One seed each: intervals are over documents and speak of these adapters, not of another training."
"""What must be said of intervals where no training was repeated."""


def tables(measured: Finetune, comparison: Comparison) -> tuple[tuple[Table, ...], tuple[Table, ...]]:
    """Every table of fine-tuning that has rows: those that are shown, and those that a reader opens."""
    how = scores(comparison)
    made = [overview(measured, how), other_tasks(measured, how), forgetting(measured, how), worth(measured, how),
            switches(measured, how)]  # fmt: skip
    opened = [overfitting(measured), rivals(measured, how), sizes(measured, how), trainings(measured), absent(measured)]
    shown = tuple(one for one in made if 0 < len(one.rows) <= LONG)
    folded = tuple(one for one in made if len(one.rows) > LONG)
    return shown, (*folded, *(one for one in opened if one.rows))


def overview(measured: Finetune, how: Scores) -> Table:
    """Per setting: what it trained and took, and its score on its own task beside that of the model as it is."""
    own = measured.gains[measured.gains["own"].astype(bool)]
    by_setting: dict[tuple[str, str, str], list[Row]] = {}
    for row in own.to_dict("records"):
        by_setting.setdefault((row["id"], row["trained_on"], row["size"]), []).append(row)
    costs = zip(measured.settings.to_dict("records"), setting_keys(measured.settings), strict=True)
    lines = [
        (*place(cost, row.get("task", cost["task"])), size(cost["seeds"]), *_cost(cost), *_gain(row, how))
        for cost, key in costs
        for row in by_setting.get(key) or [{}]
    ]
    energy = measured.settings["energy"].notna().any()
    if not energy:
        lines = [(*line[:10], *line[11:]) for line in lines]
    heads = [*PLACE, ("seeds", "Seeds"), ("trainable", "Trained", "parameters"), ("share", "Trained", "% of all"),
             ("seconds", "Time"), ("tok_s", "Speed"), ("peak_bytes", "Peak memory"), ("stored_bytes", "Stored"),
             *([("energy", "Energy")] if energy else []), *_GAIN_HEADS]  # fmt: skip
    return table("finetune-overview", "What each method cost and gained", heads, lines,
                  [_OVERVIEW, *_named(measured), *_notes(own), *([STARRED] if len(own) else [])])  # fmt: skip


_GAIN_HEADS: list[Head] = [("base", "As it is"), ("value", "Trained"), ("gain", "Gain"), ("p_holm", "p", "Holm"),
                           ("seed_sd", "Seeds", "s. d.")]  # fmt: skip
_OVERVIEW = (
    "Time, speed and memory are means over the seeds, as measured beside everything else that the machine did; stored: "
    "what must be kept beside the base. As it is: the same model untrained, on the same documents. Fractions in per "
    "cent, gains in points, paired by document; ± is half of a 95 % interval over documents, and over seeds where "
    "there are several."
)


def _named(measured: Finetune) -> list[str]:
    several = measured.settings["how"].nunique() > measured.settings["method"].nunique()
    return [NAMED] if several else []


def _notes(rows: pd.DataFrame) -> list[str]:
    return [SINGLE] if len(rows) and (rows["seeds"] < 2).all() else []  # noqa: PLR2004 - a spread needs two


def _cost(row: Row) -> tuple[Value, ...]:
    share_ = text("") if pd.isna(row["share"]) else Value(text=f"{100 * row['share']:.3g}", number=float(row["share"]))
    trained = row["trainable"]
    counted = text("") if pd.isna(trained) else Value(text=wording.count(int(trained)), number=float(trained))
    return (counted, share_, number(row["seconds"], "s"), number(row["tok_s"], "tok/s"), number(row["peak_bytes"], "B"),
            number(row["stored_bytes"], "B"), number(row["energy"], "J"))  # fmt: skip


def _gain(row: Row, how: Scores) -> tuple[Value, ...]:
    if not row:
        return tuple(text("", detail="no result on its own task") for _ in _GAIN_HEADS)
    return (how.value(row, "base"), how.value(row, "value"), how.value(row, "gain", mark=bool(row["separable"])),
            p_cell(row["p_holm"]), bare(row, "seed_sd", how))  # fmt: skip


def other_tasks(measured: Finetune, how: Scores) -> Table:
    """Per setting and task that it was not trained on: score, score of the model as it is, gain."""
    rows = measured.gains[~measured.gains["own"].astype(bool)]
    lines = [
        (text(who(row)), text(row["trained_on"]), size(row["n_train"]), text(row["task"]), size(row["seeds"]),
         *_gain(row, how))
        for row in rows.to_dict("records")
    ]  # fmt: skip
    heads = [PLACE[0], ("trained_on", "Trained on"), PLACE[2], ("task", "Task"), ("seeds", "Seeds"), *_GAIN_HEADS]
    return table("finetune-other-tasks", "Tasks that were not trained on", heads, lines, [*_notes(rows), STARRED])


def forgetting(measured: Finetune, how: Scores) -> Table:
    """Per setting and text: bits per byte before and after, and by how much they rose."""
    lines = []
    for row in measured.forgetting.to_dict("records"):
        sign = 1.0 if str(row["task"]) in how.higher else -1.0
        lo, hi = sorted((sign * row["gain_lo"], sign * row["gain_hi"]))
        rise = {**row, "rise": sign * row["gain"], "rise_lo": lo, "rise_hi": hi}
        lines.append((
            text(who(row)), text(row["trained_on"]), size(row["n_train"]), text(row["task"]), size(row["seeds"]),
            how.value(row, "base"), how.value(row, "value"), how.value(rise, "rise", mark=bool(row["separable"])),
            p_cell(row["p_holm"]), bare(row, "seed_sd", how),
        ))  # fmt: skip
    heads = [PLACE[0], ("trained_on", "Trained on"), PLACE[2], ("task", "Text"), ("seeds", "Seeds"),
             ("base", "As it is"), ("value", "Trained"), ("change", "Change"), *_GAIN_HEADS[3:]]  # fmt: skip
    note = "Scores of text on which nothing was trained, by document; where lower is better a positive change is lost."
    return table("forgetting", "Forgetting", heads, lines, [note, *_notes(measured.forgetting), STARRED])


def rivals(measured: Finetune, how: Scores) -> Table:
    """Per pair of recipes with as many examples: their difference on the task they were trained on."""
    lines = [
        (text(row["model"]), text(row["task"]), size(row["n_train"]), text(f"{row['a']} - {row['b']}"),
         size(row["seeds"]), size(row["n"]),
         how.value(row | {"difference_lo": row["lo"], "difference_hi": row["hi"]}, "difference",
                   mark=bool(row["separable"])),
         p_cell(row["p_holm"]))
        for row in measured.rivals.to_dict("records")
    ]  # fmt: skip
    heads = [("entry", "Model"), PLACE[1], PLACE[2], ("switch", "Methods"), ("seeds", "Seeds"), ("n", "Documents"),
             ("difference", "Difference"), ("p_holm", "p", "Holm")]  # fmt: skip
    return table("finetune-methods", "Methods beside each other", heads, lines, [STARRED])
