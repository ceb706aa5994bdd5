"""Ranking -> the critical-difference figure: which mean ranks can be told apart.

Layer: beside `figures`, above `ranking`.
"""

# What stands in a frame or an Axes has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
from __future__ import annotations

from typing import TYPE_CHECKING

from harness.analysis import drawing, wording
from harness.analysis.dots import Dot, dots
from harness.analysis.palette import QUIET
from harness.analysis.panels import guides

if TYPE_CHECKING:
    from harness.analysis.drawing import Drawing
    from harness.analysis.panels import Looks
    from harness.analysis.ranking import Ranking


def critical(found: Ranking | None, marks: Looks) -> Drawing | None:
    """Mean ranks with Nemenyi's difference; None under ten tasks, where ranks are not tested."""
    if found is None or found.tested is None:
        return None
    tested, names = found.tested, list(found.frame["entry"])
    canvas = drawing.figure(0.75 + 0.2 * len(names))
    left, right = canvas.subplots(1, 2, width_ratios=[5, 1], sharey=True)
    guides(left, len(names))
    half = tested.critical / 2
    dots(left, [Dot(x=rank, y=place, lo=max(rank - half, 1), hi=min(rank + half, len(names)), look=marks[name])
                for place, (name, rank) in enumerate(zip(names, tested.means, strict=True))])  # fmt: skip
    left.set_xlabel("Mean rank (1 is best)")
    left.set_xlim(0.6, len(names) + 0.4)
    left.set_yticks(range(len(names)), wording.distinct(names, 24))
    left.set_ylim(len(names) - 0.4, -0.6)
    for column, group in enumerate(tested.groups):
        right.plot((column, column), (min(group) - 0.3, max(group) + 0.3), color=QUIET, linewidth=2.2,
                   solid_capstyle="butt")  # fmt: skip
    right.set_xlim(-1, max(3, len(tested.groups)))
    right.axis("off")
    caption = (
        f"Mean rank over {tested.tasks} tasks; bars: half of Nemenyi's critical difference ({tested.critical:.2f}) to "
        "either side, so that entries whose bars do not touch differ at 5 %. Grey: groups within which no two can be "
        f"told apart. Friedman's test: p {wording.p_value(tested.p)}. Ranks forget by how much one leads."
    )
    return drawing.finished(canvas, name="ranks", title="Ranks over tasks", caption=caption, data=found.frame)
