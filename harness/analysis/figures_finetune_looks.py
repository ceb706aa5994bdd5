"""Colours and marks of methods, and what axes and headings say, alike in every figure of fine-tuning.

Layer: above `palette`, below the figures; pure. Marks tell methods apart in grey.

Source:
    Okabe and Ito (2008), Color Universal Design; Tol (2021), Colour Schemes, SRON/EPS/TN/09-002 (the last three).
"""

# What stands in a frame or an Axes has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false, reportIndexIssue=false, reportOperatorIssue=false, reportReturnType=false
from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from harness.analysis import wording
from harness.analysis.palette import Look, mixed

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

METHODS: Mapping[str, tuple[str, str]] = MappingProxyType({
    "full": ("#0072B2", "o"), "lora": ("#D55E00", "s"), "adapter": ("#009E73", "^"), "adalora": ("#E69F00", "D"),
    "prefix": ("#CC79A7", "v"), "head": ("#56B4E9", "P"), "bitfit": ("#666666", "X"), "ia3": ("#882255", "p"),
    "prompt": ("#332288", "h"), "article": ("#117733", "<"),
})  # fmt: skip
"""Colour and mark of each method."""

OTHERS = "#666666"
MARKERS = "os^DvPXph<>*d8"


def looks(settings: pd.DataFrame) -> dict[str, Look]:
    """One look per recipe without its model: colour and mark by method, several of one method told apart by both.

    Args:
        settings: with `how` and `method`.
    """
    found: dict[str, Look] = {}
    pairs = settings.drop_duplicates(["how"])
    for method, rows in pairs.groupby("method", sort=False):
        colour, marker = METHODS.get(str(method), (OTHERS, MARKERS[len(found) % len(MARKERS)]))
        start = MARKERS.index(marker)
        for index, name in enumerate(sorted(rows["how"], key=lambda name: (len(name) > len(str(method)), name))):
            weight = 0.5 * index / (len(rows) - 1) if len(rows) > 1 else 0.0
            found[str(name)] = Look(family=str(method), colour=mixed(colour, "#ffffff", weight),
                                    edge=mixed(colour, "#000000", 0.25),
                                    marker=MARKERS[(start + index) % len(MARKERS)])  # fmt: skip
    return found


def headed(task: object, model: object, width: int) -> str:
    """A heading of a task and a model, each shortened by itself."""
    return f"{wording.short(str(task), width // 2)} · {wording.short(str(model), width // 2)}"


def height(unit: pd.Series) -> str:
    """What a vertical axis of scores says, from `metric`, `percent` and `arrow`."""
    words = f"{wording.metric(str(unit['metric']))}{', %' if unit['percent'] else ''} {unit['arrow']}".strip()
    return wording.short(words[:1].upper() + words[1:], 26)


def measured_on(data: pd.DataFrame) -> str:
    """How many documents and seeds are behind the rows, for a caption."""
    parts = []
    for column, word in (("n", "documents"), ("seeds", "seeds")):
        ends = sorted({int(value) for value in data[column].dropna()})
        if ends:
            span = f"{ends[0]:,}" if len(ends) == 1 else f"{ends[0]:,} to {ends[-1]:,}"
            parts.append(f"{span} {word if ends != [1] else word.removesuffix('s')}")
    return ", ".join(parts)


def with_units(rows: pd.DataFrame, tasks: pd.DataFrame) -> pd.DataFrame:
    """The rows with `percent`, `arrow` and `chance` of the task that each was `asked`."""
    known = tasks.rename(columns={"task": "asked"})[["asked", "percent", "arrow", "chance"]]
    found = rows.merge(known, on="asked", how="left")
    return found.assign(percent=found["percent"].eq(other=True), arrow=found["arrow"].fillna(""))
