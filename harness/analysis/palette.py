"""Colours and marks: the same model looks the same in every figure, and in grey too.

Layer: beside `wording`; constants and pure functions.

Source:
    Okabe and Ito (2008), Color Universal Design: colours that people with colour-vision deficiency tell apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

FAMILIES: Mapping[str, str] = MappingProxyType({
    "gpt2": "#0072B2", "gpt_neo": "#D55E00", "gptj": "#009E73", "gpt_neox": "#CC79A7", "opt": "#E69F00",
    "llama": "#56B4E9", "other": "#666666",
})  # fmt: skip
"""Colour of each family."""

NAMES: Mapping[str, str] = MappingProxyType({
    "gpt2": "GPT-2", "gpt_neo": "GPT-Neo", "gptj": "GPT-J", "gpt_neox": "GPT-NeoX", "opt": "OPT", "llama": "Llama",
    "other": "other",
})  # fmt: skip
"""How each family is written."""

INK, QUIET, RULE = "#1b1b1b", "#5f5f5f", "#c9c9c9"
"""Text, secondary text, and lines that only guide the eye."""

MARKERS = "os^Dvp"


@final
@dataclass(frozen=True, kw_only=True)
class Look:
    """How one entry is drawn."""

    family: str
    colour: str
    edge: str
    marker: str


def looks(entries: pd.DataFrame) -> dict[str, Look]:
    """One look per entry: colour by family; within a family the smaller is lighter and has its own marker."""
    found: dict[str, Look] = {}
    frame = entries.assign(family=entries["family"].where(entries["family"].isin(list(FAMILIES)), "other"))
    for family, group in frame.groupby("family"):
        ranked = group.sort_values(["parameters", "entry"])["entry"]
        for index, entry in enumerate(ranked):
            weight = 0.45 * (1 - index / (len(ranked) - 1)) if len(ranked) > 1 else 0.0
            base = FAMILIES[str(family)]
            found[str(entry)] = Look(family=str(family), colour=mixed(base, "#ffffff", weight),
                                     edge=mixed(base, "#000000", 0.25),
                                     marker=MARKERS[index % len(MARKERS)])  # fmt: skip
    return found


def mixed(colour: str, other: str, weight: float) -> str:
    """A colour with a share of another mixed in.

    >>> mixed("#000000", "#ffffff", 0.5)
    '#808080'
    """
    pairs = zip(_channels(colour), _channels(other), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * weight):02x}" for a, b in pairs)


def _channels(colour: str) -> tuple[int, ...]:
    return tuple(int(colour[i : i + 2], 16) for i in (1, 3, 5))
