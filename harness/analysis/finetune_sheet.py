"""Fine-tuning -> tables in detail: overfitting and what is done against it, worth of examples, every training.

Layer: above `finetune`, below `finetune_tables`; pure.
"""

# What stands in a frame has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false, reportIndexIssue=false, reportOperatorIssue=false, reportReturnType=false
from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pandas as pd

from harness.analysis import wording
from harness.analysis.grid_sheet import number, share, size
from harness.analysis.robust_sheet import STAR, Scores, p_cell, plain
from harness.analysis.sheet import Column, Table, Value, text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.analysis.finetune import Finetune

    Row = Mapping[str, Any]
    Head = tuple[str, str] | tuple[str, str, str]

NATS = "nats"
"""Stands for a task where what is written is no score of one."""

PLACE: tuple[tuple[str, str], ...] = (("entry", "Model and method"), ("task", "Task"), ("n_train", "Examples"))
"""Headings of the columns that say which setting a row is about."""

WORDS = frozenset({"entry", "task", "trained_on", "switch", "status", "error", "reason", "objective", "worth"})
"""Keys of columns that hold text."""

STARRED = f"{STAR}: separable: p < 0.05 after Holm's adjustment over the table, and the interval excludes 0."
"""What the mark means."""


def table(
    name: str, title: str, heads: Sequence[Head], lines: Sequence[tuple[Value, ...]], notes: Sequence[str]
) -> Table:  # fmt: skip
    """A table whose columns are given as key, label and second line; without rows it says nothing."""
    columns = tuple(Column(key=head[0], label=head[1], sub="".join(head[2:]), numeric=head[0] not in WORDS)
                    for head in heads)  # fmt: skip
    return Table(name=name, title=title, columns=columns, rows=tuple(lines), notes=tuple(notes) if lines else ())


def who(row: Row) -> str:
    """A recipe by its model, its method and what sets it apart from the method's other recipes."""
    return f"{row['model']} + {row['how']}" if row["how"] else str(row["model"])


def place(row: Row, task: str) -> tuple[Value, ...]:
    """The cells under `PLACE`."""
    return (text(who(row)), text(task), size(row["n_train"]))


def bare(row: Row, name: str, how: Scores) -> Value:
    """A column of a row without an interval; a dash for a gap."""
    if pd.isna(row[name]):
        return text("")
    return Value(text=how.write(str(row["task"]), row[name]), number=float(row[name]))


def overfitting(measured: Finetune) -> Table:
    """Per setting: losses and accuracies on training and dev examples, their gaps, the chosen step."""
    lines = [
        (*place(row, row["task"]), text(row["objective"]), size(row["seeds"]), size(row["n_dev"]),
         plain(row["train_loss"]), plain(row["dev_loss"]), _gap(row, "loss_gap", 1.0),
         share(row["train_accuracy"]), share(row["dev_accuracy"]), _gap(row, "accuracy_gap", 100.0),
         plain(row["best_step"]), plain(row["steps"]), size(row["stopped_early"]))
        for row in measured.settings.to_dict("records")
    ]  # fmt: skip
    heads = [*PLACE, ("objective", "Objective"), ("seeds", "Seeds"), ("n_dev", "Dev examples"),
             ("train_loss", "Loss", "train, nats"), ("dev_loss", "Loss", "dev, nats"),
             ("loss_gap", "Gap", "dev - train, nats"), ("train_accuracy", "Right", "train, %"),
             ("dev_accuracy", "Right", "dev, %"), ("accuracy_gap", "Gap", "train - dev, points"),
             ("best_step", "Chosen step"), ("steps", "Steps"), ("stopped_early", "Stopped early", "seeds")]  # fmt: skip
    return table("overfitting", "Losses and gaps", heads, lines, [GAPS])


GAPS = (
    "Of the kept weights in evaluation mode, on the dev split and on as many training examples; means over the seeds, "
    "± the standard deviation between them. Right: with the objective language the share of examples whose answer "
    "tokens are all the likeliest ones, which is stricter than ranking the task's options; with classification the "
    "share of right labels."
)
"""What the gaps are."""


def _gap(row: Row, name: str, factor: float) -> Value:
    value, sd = row[name], row[f"{name}_sd"]
    if pd.isna(value):
        return text("", detail="no dev split")
    write = wording.significant if factor == 1.0 else (lambda number: f"{number:.1f}")
    return Value(text=write(factor * value), number=float(value),
                 spread="" if pd.isna(sd) else f"±{write(factor * sd)}")  # fmt: skip


def worth(measured: Finetune, how: Scores) -> Table:
    """Per recipe and number of examples in the prompt: as how many training examples they are worth."""
    lines = [
        (text(who(row)), text(row["task"]), size(row["shots"]), _shots(row, how), text(examples(row)),
         share(row["sure"]), text(f"{row['least']:,.0f} to {row['most']:,.0f}"), size(row["n"]))
        for row in measured.worth.to_dict("records")
    ]  # fmt: skip
    heads = [PLACE[0], PLACE[1], ("shots", "Shots"), ("shots_value", "Score", "untrained, with shots"),
             ("worth", "Worth", "training examples"), ("sure", "Sure", "% of resamples"), ("status", "Measured"),
             ("n", "Documents")]  # fmt: skip
    return table("worth", "What examples in the prompt are worth", heads, lines, [_WORTH])


_WORTH = (
    "Number of training examples with which the trained model, asked without them, first reaches the score of the "
    "untrained model with the examples in its prompt: straight lines in log n between the sizes that were measured. "
    "In brackets 95 % of resamples of documents and seeds; sure: the share of resamples on the same side (below, "
    "within or above the sizes)."
)


def _shots(row: Row, how: Scores) -> Value:
    return Value(text=how.write(str(row["asked"]), row["shots_value"]), number=float(row["shots_value"]))


def examples(row: Row) -> str:
    """What examples in a prompt are worth, in words.

    >>> examples({"helps": True, "worth": 21.4, "lo": 0.0, "hi": 47.0, "least": 8.0, "most": 128.0})
    '21 (below 8 to 47)'
    """
    if not row["helps"]:
        return "nothing, no better than without them"
    ends = [_end(row[name], row) for name in ("lo", "hi")]
    if row["worth"] == 0:
        middle = f"below all sizes ({row['least']:,.0f})"
        return middle if row["hi"] == 0 else f"{middle}, up to {ends[1]}"
    if math.isinf(row["worth"]):
        middle = f"above all sizes ({row['most']:,.0f})"
        return middle if math.isinf(row["lo"]) else f"{middle}, down to {ends[0]}"
    return f"{row['worth']:,.0f} ({ends[0]} to {ends[1]})"


def _end(value: float, row: Row) -> str:
    if value == 0:
        return f"below {row['least']:,.0f}"
    return f"above {row['most']:,.0f}" if math.isinf(value) else f"{value:,.0f}"


def switches(measured: Finetune, how: Scores) -> Table:
    """Per switch: the gaps with it, and how they and the score changed from the baseline's."""
    lines = []
    for row in measured.switches.to_dict("records"):
        nats = {**row, "task": NATS}
        loss = [how.value(nats, name, mark=mark) for name, mark in
                (("loss_gap_change", bool(row["separable"])), ("dev_loss_change", False))]  # fmt: skip
        lines.append((
            text(who(row)), text(row["task"]), size(row["n_train"]), text(row["switch"] or "baseline"),
            size(row["seeds"]), plain(row["loss_gap"]), loss[0], p_cell(row["p_holm"]), loss[1],
            share(row["accuracy_gap"]), share(row["accuracy_gap_change"]),
            how.value({**row, "task": row["asked"]}, "score_change") if row["asked"] else text(""),
        ))  # fmt: skip
    heads = [*PLACE, ("switch", "Switch"), ("seeds", "Seeds"), ("loss_gap", "Gap", "loss, nats"),
             ("loss_gap_change", "Change", "of the gap"), ("p_holm", "p", "Holm"),
             ("dev_loss_change", "Change", "of dev loss"), ("accuracy_gap", "Gap", "right, points"),
             ("accuracy_gap_change", "Change", "of the gap"), ("score_change", "Score", "change")]  # fmt: skip
    note = (
        "Each beside the baseline of its model and method, seed by seed; ± is half of Student's 95 % interval over "
        "the seeds, of the score over documents and seeds. A negative change of a gap is less overfitting."
    )
    return table("switches", "Against overfitting", heads, lines, [note, STARRED])


def sizes(measured: Finetune, how: Scores) -> Table:
    """Per recipe and number of examples: the score."""
    lines = [
        (text(who(row)), text(row["task"]), text("trained" if row["source"] == "training" else "in the prompt"),
         size(row["x"]), size(row["seeds"]), size(row["n"]),
         how.value({**row, "task": row["asked"], "value_lo": row["lo"], "value_hi": row["hi"]}, "value"),
         bare({**row, "task": row["asked"]}, "seed_sd", how))
        for row in measured.sizes.to_dict("records")
    ]  # fmt: skip
    heads = [PLACE[0], PLACE[1], ("status", "Examples are"), ("x", "Examples"), ("seeds", "Seeds"),
             ("n", "Documents"), ("value", "Score"), ("seed_sd", "Seeds", "s. d.")]  # fmt: skip
    return table("examples", "Scores by number of examples", heads, lines, [])


def trainings(measured: Finetune) -> Table:
    """Every training by itself, failed ones with their reason."""
    lines = [
        (*place(row, row["task"]), size(row["seed"]), text(wording.STATUSES.get(row["status"], row["status"])),
         number(row["seconds"], "s"), number(row["tok_s"], "tok/s"), number(row["peak_host_bytes"], "B"),
         number(row["peak_device_bytes"], "B"), size(row["best_step"]), size(row["steps"]), plain(row["train_loss"]),
         plain(row["dev_loss"]), text(row["error"]))
        for row in measured.trainings.to_dict("records")
    ]  # fmt: skip
    heads = [*PLACE, ("seed", "Seed"), ("status", "Result"), ("seconds", "Time"), ("tok_s", "Speed"),
             ("peak_host_bytes", "Peak", "host"), ("peak_device_bytes", "Peak", "device"),
             ("best_step", "Chosen step"), ("steps", "Steps"), ("train_loss", "Loss", "train"),
             ("dev_loss", "Loss", "dev"), ("error", "Why there is no result")]  # fmt: skip
    return table("trainings", "Every training", heads, lines, [])


def absent(measured: Finetune) -> Table:
    """What could not be compared, with the reason."""
    rows = measured.absent.drop_duplicates(["entry", "trained_on", "task", "reason"])
    lines = [(text(who(row)), text(row["trained_on"]), text(row["task"]), text(row["reason"]))
             for row in rows.to_dict("records")]  # fmt: skip
    heads = [PLACE[0], ("trained_on", "Trained on"), ("task", "Task"), ("reason", "Why nothing is compared")]
    return table("finetune-not-compared", "Trained models without a comparison", heads, lines, [])
