"""Robustness -> the few columns that the terminal shows.

Layer: beside `robust_tables`; pure.
"""

# What stands in a frame has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false, reportIndexIssue=false, reportOperatorIssue=false, reportReturnType=false
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.analysis.robust_drops import ALL_STRICT
from harness.analysis.robust_sheet import Scores, rate, scores
from harness.analysis.sheet import Column, Table, Value, text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from harness.analysis.derive import Comparison
    from harness.analysis.robustness import Robustness


def compact(measured: Robustness, comparison: Comparison) -> Table:
    """For the terminal: one row per entry and task with the headline of each kind."""
    how, columns = scores(comparison), []
    frames = {"worst": measured.worst, "drop": _strongest(measured.curves), "spread": _widest(measured.prompts),
              "success_rate": _widest(_kept(measured.attacks), by="success_rate")}  # fmt: skip
    keys = list(dict.fromkeys(key for frame in frames.values()
                              for key in frame[["entry", "task"]].itertuples(index=False, name=None)))  # fmt: skip
    for name, frame in frames.items():
        held = {(row["entry"], row["task"]): row for row in frame.to_dict("records")}
        if held:
            columns += _column(name, held, keys, how)
    rows = zip(*(values for _, values in columns), strict=True)
    names = [Column(key="entry", label="Model", numeric=False), Column(key="task", label="Task", numeric=False)]
    heads = [*names, *(column for column, _ in columns)]
    lines = tuple((text(entry), text(task), *row) for (entry, task), row in zip(keys, rows, strict=True))
    return Table(name="robustness", title="Robustness", columns=tuple(heads), rows=lines, notes=(_COMPACT,))


_COMPACT = (
    "Worst: worst case over strict perturbations; drop: mean over them at the highest severity; spread: widest over "
    "prompt variants; attack: best success rate of a greedy search. ± is half of a 95 % interval; more in the report."
)
_COMPACT_HEADS = {"worst": "Worst", "drop": "Drop", "spread": "Spread", "success_rate": "Attack"}


def _column(
    name: str, held: Mapping[tuple[str, str], Mapping[str, Any]], keys: Sequence[tuple[str, str]], how: Scores
) -> list[tuple[Column, list[Value]]]:
    """A column of the compact table; before the worst case also the clean score."""
    made = []
    for own in ["clean", name] if name == "worst" else [name]:
        values = [text("") if key not in held else rate(held[key], own, ends="") if own == "success_rate"
                  else how.value(held[key], own) for key in keys]  # fmt: skip
        label = _COMPACT_HEADS.get(own, own.title())
        made.append((Column(key=own, label=label, group="Quality"), values))
    return made


def _strongest(curves: pd.DataFrame) -> pd.DataFrame:
    """Of each pooled curve its last point."""
    pooled = curves[(curves["variation"] == ALL_STRICT) & curves["pooled"]]
    return pooled.sort_values("severity", kind="stable").drop_duplicates(["entry", "task"], keep="last")


def _kept(attacks: pd.DataFrame) -> pd.DataFrame:
    """Searches that keep the meaning: no random edits, no exchange for any word at all."""
    return attacks[(attacks["search"] == "greedy") & (attacks["candidates"] != "tokens")]


def _widest(frame: pd.DataFrame, *, by: str = "spread") -> pd.DataFrame:
    return frame.sort_values(by, ascending=False, kind="stable").drop_duplicates(["entry", "task"])
