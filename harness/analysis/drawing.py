"""A figure on disk, and labels that do not overlap.

Layer: below `figures`. Agg only, no pyplot, no global state: the style is a context, and a figure drawn twice gives the
same bytes.
"""

# What stands in a frame or an Axes has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
from __future__ import annotations

import io
import itertools
import logging
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, final

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox, offset_copy

from harness.analysis.palette import INK, QUIET, RULE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pandas as pd
    from matplotlib.axes import Axes

WIDTH = 7.6
"""Inches: the width of a page."""

STYLE: Mapping[str, Any] = MappingProxyType({
    "font.family": ["DejaVu Sans"], "font.size": 8, "axes.titlesize": 8.5, "axes.titlelocation": "left",
    "axes.titleweight": "bold", "axes.titlepad": 7, "axes.titley": 1.0, "axes.labelsize": 8, "axes.labelcolor": QUIET,
    "axes.edgecolor": RULE, "axes.linewidth": 0.8, "axes.spines.top": False, "axes.spines.right": False,
    "axes.spines.left": False, "axes.grid": False, "xtick.labelsize": 7.5, "ytick.labelsize": 8, "xtick.color": QUIET,
    "xtick.labelcolor": QUIET, "ytick.color": RULE, "ytick.labelcolor": INK, "xtick.major.size": 2.5,
    "xtick.minor.size": 0, "ytick.major.size": 0, "ytick.minor.size": 0, "text.color": INK, "text.parse_math": False,
    "lines.linewidth": 1.2, "lines.markersize": 5.5, "svg.fonttype": "none", "svg.hashsalt": "harness",
    "figure.facecolor": "white", "savefig.facecolor": "white", "figure.dpi": 100, "axes.unicode_minus": True,
})  # fmt: skip
"""rcParams of every figure; a fixed `titley` spares the search for a free height."""


FAST: Mapping[str, Any] = MappingProxyType({"compress_level": 3})
"""How PNG files are packed: a tenth larger than at best, in a third of the time."""


@final
@dataclass(frozen=True, kw_only=True)
class Drawing:
    """A finished figure.

    Attributes:
        name: file stem and anchor.
        title: what it shows, a few words.
        caption: what is drawn, n, the interval, and which direction is better.
        svg: vector form with text as text.
        png: raster form.
        data: the numbers behind it.
    """

    name: str
    title: str
    caption: str
    svg: bytes
    png: bytes
    data: pd.DataFrame


@contextmanager
def style() -> Iterator[None]:
    """The style of every figure, for the time of a `with` block; missing glyphs are boxes, not warnings."""
    log = logging.getLogger("matplotlib.font_manager")
    level = log.level
    with mpl.rc_context(), warnings.catch_warnings():
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        log.setLevel(logging.ERROR)
        try:
            yield
        finally:
            log.setLevel(level)


def settle(canvas: Figure) -> None:
    """Computes the layout once and keeps it: labels can then be placed by their pixels."""
    engine = canvas.get_layout_engine()
    if engine is not None:
        engine.execute(canvas)  # a draw without rendering would do the same and then visit every artist once more
    canvas.set_layout_engine(None)  # "none" would keep a stand-in that draws once more per file


def figure(height: float) -> Figure:
    """An empty figure of the page's width that lays itself out."""
    canvas = Figure(figsize=(WIDTH, height), layout="constrained")
    FigureCanvasAgg(canvas)
    return canvas


def finished(canvas: Figure, *, name: str, title: str, caption: str, data: pd.DataFrame) -> Drawing:
    """The figure as bytes, without a date and with identifiers that do not depend on the run."""
    if canvas.get_layout_engine() is not None:
        settle(canvas)  # once, not once per format
    svg, png = io.BytesIO(), io.BytesIO()
    canvas.savefig(svg, format="svg", metadata={"Date": None, "Creator": None})
    canvas.savefig(png, format="png", dpi=200, metadata={"Software": None}, pil_kwargs=FAST)
    return Drawing(
        name=name,
        title=title,
        caption=caption,
        svg=svg.getvalue(),
        png=png.getvalue(),
        data=data.reset_index(drop=True),
    )


@final
@dataclass(frozen=True, kw_only=True)
class End:
    """Where a line ends, what is written beside it (perhaps on two lines), and the colour that joins the two."""

    point: tuple[float, float]
    text: str
    colour: str


def label_ends(canvas: Figure, panels: Sequence[tuple[Axes, Sequence[End]]]) -> None:
    """Writes the names of lines at the right of their panels, apart from each other, each joined to its line's end.

    It computes the layout, with room for the names, and fixes it: call it last.
    """
    written = [(axes, [_beside(axes, end) for end in ends]) for axes, ends in panels if ends]
    every = [note for _, notes in written for note in notes]
    for note in every:
        note.set_fontsize(8.2)  # room to spare: letters are up to a tenth wider at the resolution of the file
    settle(canvas)
    for note in every:
        note.set_fontsize(7.5)
    renderer = canvas.canvas.get_renderer()
    for axes, notes in written:
        box = axes.get_window_extent(renderer)
        heights = np.array([Text.get_window_extent(note, renderer).height + 1 for note in notes])  # without the line
        wanted = np.array([axes.transData.transform(note.xy)[1] for note in notes])
        for note, height in zip(notes, spread(wanted, heights, ends=(box.y0, box.y1)), strict=True):
            note.set_position((1, (height - box.y0) / box.height))


def _beside(axes: Axes, end: End) -> Any:
    line = {"arrowstyle": "-", "color": end.colour, "linewidth": 0.6, "shrinkA": 1, "shrinkB": 3, "relpos": (0, 0.5)}
    right = offset_copy(axes.transAxes, fig=axes.figure, x=9, units="points")
    return axes.annotate(end.text, end.point, xytext=(1, 0.5), textcoords=right, ha="left", va="center", fontsize=7.5,
                         linespacing=1.1, color=INK, arrowprops=line, annotation_clip=False)  # fmt: skip


def spread(wanted: np.ndarray, heights: np.ndarray, *, ends: tuple[float, float]) -> np.ndarray:
    """Centres of boxes of these heights that lie as near to the wanted ones as they can without touching.

    They keep the order of what was wanted, and lie between the ends where there is room.

    >>> spread(np.array([5.0, 5.0]), np.array([2.0, 2.0]), ends=(0.0, 10.0)).tolist()
    [4.0, 6.0]

    Source:
        Pool adjacent violators: Barlow et al. (1972), Statistical Inference under Order Restrictions.
    """
    order = np.argsort(wanted, kind="stable")
    tall = heights[order]
    offsets = np.concatenate([[0.0], np.cumsum((tall[1:] + tall[:-1]) / 2)])
    blocks: list[tuple[float, int]] = []
    for value in wanted[order] - offsets:
        blocks.append((float(value), 1))
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            (a, m), (b, n) = blocks[-2:]
            blocks[-2:] = [((a * m + b * n) / (m + n), m + n)]
    level = np.repeat([mean for mean, _ in blocks], [number for _, number in blocks])
    lowest, highest = ends[0] + tall[0] / 2, ends[1] - tall[-1] / 2 - offsets[-1]
    level = np.clip(level, lowest, highest) if lowest <= highest else np.full(len(level), (lowest + highest) / 2)
    found = np.empty(len(level))
    found[order] = level + offsets
    return found


def label_points(axes: Axes, points: Sequence[tuple[float, float]], texts: Sequence[str]) -> None:
    """Writes a text beside each point where it covers neither a point, a line nor another text.

    Call it last: the layout must be fixed. Each text takes the first free place, or the one that covers least.
    """
    canvas = axes.figure
    renderer = canvas.canvas.get_renderer()
    taken = [_around(axes, point).extents for point in points]
    taken += [box.extents for line in axes.lines for box in _along(axes, line)]
    for point, text in zip(points, texts, strict=True):
        options = [_placed(axes, point, text, place) for place in _PLACES]
        boxes = [option.get_window_extent(renderer) for option in options]
        costs = [_cost(box.extents, np.array(taken), axes) + 0.01 * rank for rank, box in enumerate(boxes)]
        best = costs.index(min(costs))
        for index, option in enumerate(options):
            if index != best:
                option.remove()
        taken.append(boxes[best].extents)


_PLACES = ((6, 0, "left", "center"), (-6, 0, "right", "center"), (0, 6, "center", "bottom"), (0, -6, "center", "top"),
           (5, 5, "left", "bottom"), (5, -5, "left", "top"), (-5, 5, "right", "bottom"), (-5, -5, "right", "top"),
           (0, 16, "center", "bottom"), (0, -16, "center", "top"), (12, 12, "left", "bottom"),
           (12, -12, "left", "top"), (-12, 12, "right", "bottom"), (-12, -12, "right", "top"))  # fmt: skip


def _placed(axes: Axes, point: tuple[float, float], text: str, place: tuple[int, int, str, str]) -> Any:
    dx, dy, ha, va = place
    return axes.annotate(text, point, xytext=(dx, dy), textcoords="offset points", ha=ha, va=va, fontsize=7.5,
                         color=INK, annotation_clip=False)  # fmt: skip


def _around(axes: Axes, point: tuple[float, float]) -> Bbox:
    x, y = axes.transData.transform(point)
    return Bbox.from_extents(x - 4, y - 4, x + 4, y + 4)


def _along(axes: Axes, line: Any) -> list[Bbox]:
    """Thin boxes around the segments of a horizontal or vertical line."""
    corners = line.get_path().interpolated(1).vertices
    pixels = axes.transData.transform(corners)
    return [
        Bbox.from_extents(min(a[0], b[0]) - 1, min(a[1], b[1]) - 1, max(a[0], b[0]) + 1, max(a[1], b[1]) + 1)
        for a, b in itertools.pairwise(pixels)
    ]


def _cost(box: np.ndarray, taken: np.ndarray, axes: Axes) -> float:
    """Area covered that belongs to others, plus what sticks out of the axes, in square pixels."""
    inside = _shared(box, axes.get_window_extent().extents + np.array((0, 0, 4, 6)))
    return float(_shared(box, taken).sum() + _shared(box, box) - inside)


def _shared(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Area that a box `(x0, y0, x1, y1)` shares with each of others, `(..., 4)`."""
    sides = np.minimum(box[2:], others[..., 2:]) - np.maximum(box[:2], others[..., :2])
    return sides.clip(min=0).prod(axis=-1)
