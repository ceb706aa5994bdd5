"""Many dots with their intervals at once, and the signs that stand for verdicts.

Layer: above `drawing`, below the figures. A marker is drawn as one collection for all its points: twenty models on
twenty tasks are four hundred dots, and one artist each would take most of a report's time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np

from harness.analysis.equivalence import SIGNS
from harness.analysis.palette import INK, QUIET

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes

    from harness.analysis.palette import Look


BAND = "#e9e9e9"
"""Colour of an area within which differences do not count."""


@final
@dataclass(frozen=True, kw_only=True)
class Dot:
    """A point with its interval; hollow where it does not stand apart from what it is compared with."""

    x: float
    y: float
    lo: float
    hi: float
    look: Look
    hollow: bool = False


def dots(axes: Axes, found: Sequence[Dot], *, upright: bool = False, size: float = 5.5) -> None:
    """Draws the points, each marker as one collection, their intervals as another.

    Args:
        axes: where.
        found: the points.
        upright: whether the intervals are of y.
        size: of a marker, in points.
    """
    known = [one for one in found if np.isfinite((one.lo, one.hi)).all()]
    if known:
        draw = axes.vlines if upright else axes.hlines
        draw([one.x if upright else one.y for one in known], [one.lo for one in known], [one.hi for one in known],
             colors=[one.look.edge for one in known], linewidth=1.2, zorder=2)  # fmt: skip
    for marker in dict.fromkeys(one.look.marker for one in found):
        own = [one for one in found if one.look.marker == marker]
        axes.scatter([one.x for one in own], [one.y for one in own], s=size**2, marker=marker, linewidths=0.8,
                     c=["#ffffff" if one.hollow else one.look.colour for one in own],
                     edgecolors=[one.look.edge for one in own], zorder=3)  # fmt: skip


def signs(axes: Axes, words: Mapping[int, str]) -> None:
    """Writes the sign of a verdict at the right end of each row, by its height."""
    for height, word in words.items():
        quiet = word not in {"better", "worse"}
        axes.text(1.02, height, SIGNS[word], transform=axes.get_yaxis_transform(), ha="left", va="center", fontsize=7,
                  color=QUIET if quiet else INK)  # fmt: skip
