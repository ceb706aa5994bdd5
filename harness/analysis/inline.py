"""A figure inside a page: small, with names of its own, in the colours of the page.

Layer: beside `palette`, below `render`; pure functions from SVG to SVG. A figure follows the reader's light or dark
paper unless it writes on coloured areas, where swapping black and white would hide the writing: it keeps its white.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, final

from harness.analysis.palette import mixed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from harness.analysis.drawing import Drawing

MARKS = 5000
"""Marks above which a figure goes into the page as pixels."""

DARK, LIGHT = "#16171a", "#e9e6df"
"""Paper and ink of a dark page."""

PAPER = "var(--paper)"
"""What stands for white: the paper of the page."""

CONTRAST = 4.5
"""Smallest contrast of a colour with the dark paper."""

_COLOUR = re.compile(r"#[0-9a-f]{6}\b")
_NUMBER = re.compile(r"-?\d+\.\d{3,}(e-?\d+)?")
_NEUTRAL, _TINT = 12, 160
_AREA = 60.0


@final
@dataclass(frozen=True, kw_only=True)
class Inlined:
    """A figure as markup.

    Attributes:
        markup: an `svg` or `img` element.
        themed: whether its colours are variables, which `theme` defines.
    """

    markup: str
    themed: bool


def inlined(drawing: Drawing) -> Inlined:
    """The figure for use inside a page: no prologue, identifiers that are unique in the page."""
    source = drawing.svg.decode()
    if marks(source) > MARKS:
        data = base64.b64encode(drawing.png).decode()
        return Inlined(markup=f'<img alt="{escape(drawing.title)}" src="data:image/png;base64,{data}">', themed=False)
    themed = not writes_on_colour(source)
    small = _renamed(_smaller(source[source.index("<svg") :]), drawing.name)
    return Inlined(markup=_in_tags(_COLOUR, lambda c: f"var(--c{c[0][1:]})", small) if themed else small, themed=themed)


def marks(source: str) -> int:
    """Paths and copies of them in an SVG."""
    return source.count("<path") + source.count("<use")


def theme(figures: Iterable[Inlined]) -> str:
    """CSS that defines the colours of themed figures on light and on dark paper."""
    used = sorted({name for figure in figures if figure.themed for name in re.findall(r"--c([0-9a-f]{6})",
                                                                                     figure.markup)})  # fmt: skip
    if not used:
        return ""
    light = "".join(f"--c{name}:{PAPER if name == 'ffffff' else f'#{name}'};" for name in used)
    dark = "".join(f"--c{name}:{dimmed(f'#{name}')};" for name in used if name != "ffffff")
    return f".themed{{{light}}}\n@media screen and (prefers-color-scheme:dark){{.themed{{{dark}}}}}"


def dimmed(colour: str) -> str:
    """A colour as it stands on dark paper: greys change places, tints grow darker, others lighter until they are seen.

    >>> dimmed("#ffffff"), dimmed("#d55e00")
    ('#16171a', '#d55e00')
    """
    channels = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    if max(channels) - min(channels) <= _NEUTRAL:
        return mixed(LIGHT, DARK, sum(channels) / 765)
    if min(channels) > _TINT:
        return mixed(colour, DARK, 0.55)
    steps = (mixed(colour, "#ffffff", step / 20) for step in range(20))
    return next(one for one in steps if contrast(one, DARK) >= CONTRAST)


def contrast(one: str, other: str) -> float:
    """Contrast of two colours, from 1 to 21.

    >>> contrast("#000000", "#ffffff")
    21.0

    Source:
        Web Content Accessibility Guidelines 2.2, relative luminance and contrast ratio.
    """
    brighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return round((brighter + 0.05) / (darker + 0.05), 2)


def _luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)  # noqa: PLR2004 - of the standard
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def writes_on_colour(source: str) -> bool:
    """Whether a text stands on a filled area that is neither white nor grey, or the figure holds pixels."""
    if "<image" in source:
        return True
    texts = [(float(x), float(y)) for x, y in re.findall(r'<text[^>]* x="([-\d.]+)" y="([-\d.]+)"', source)]
    texts += [(float(x), float(y)) for x, y in re.findall(r"translate\(([-\d.]+) ([-\d.]+)\)", source)]
    areas = [box for box in map(_area, re.findall(r'<path d="([^"]*)"[^>]*?fill: (#\w{6})', source)) if box]
    return any(a[0] <= x <= a[2] and a[1] <= y <= a[3] for x, y in texts for a in areas)


def _area(found: tuple[str, str]) -> tuple[float, float, float, float] | None:
    """The box around a coloured path; None for greys and for what is too small to be written on."""
    path, colour = found
    channels = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    numbers = [float(n) for n in re.findall(r"-?\d+(?:\.\d+)?(?:e-?\d+)?", path)]
    if max(channels) - min(channels) <= _NEUTRAL or not numbers:
        return None
    xs, ys = numbers[::2], numbers[1::2]
    box = min(xs), min(ys), max(xs), max(ys)
    return box if (box[2] - box[0]) * (box[3] - box[1]) > _AREA else None


def _smaller(source: str) -> str:
    """Without prologue, metadata, comments, the page's own font, and digits that nobody sees."""
    for pattern in (r"<metadata>.*?</metadata>", r"<!--.*?-->", r"<defs>\s*<style.*?</style>\s*</defs>"):
        source = re.sub(pattern, "", source, flags=re.DOTALL)
    source = re.sub(r"<[^<>]*>", _tag, source)
    source = re.sub(r'<svg[^>]*?(viewBox="[^"]*")[^>]*>', r'<svg aria-hidden="true" focusable="false" \1>', source)
    return re.sub(r">\s+<", "><", source).strip()


def _tag(found: re.Match[str]) -> str:
    tag = re.sub(r"\s+", " ", _NUMBER.sub(_rounded, found[0])).replace("xlink:href", "href")
    tag = re.sub(r"font-family: [^;\"]*;? ?", "", tag)
    return re.sub(r' transform="rotate\(-?0 [^)]*\)"', "", tag).replace(' "', '"')


def _rounded(found: re.Match[str]) -> str:
    value = float(found[0])
    return f"{value:.2f}".rstrip("0").rstrip(".") if abs(value) >= 1 else f"{value:.4f}".rstrip("0").rstrip(".") or "0"


def _renamed(source: str, name: str) -> str:
    """Only identifiers that something refers to, with the figure's name before them."""
    wanted = set(re.findall(r'(?:href="#|url\(#)([^")]+)', " ".join(re.findall(r"<[^<>]*>", source))))
    kept = re.compile(r' id="([^"]*)"')
    source = _in_tags(kept, lambda f: f' id="{name}-{f[1]}"' if f[1] in wanted else "", source)
    return _in_tags(re.compile(r'(href="#|url\(#)'), lambda f: f"{f[1]}{name}-", source)


def _in_tags(pattern: re.Pattern[str], change: Callable[[re.Match[str]], str], source: str) -> str:
    """Changes tags only: what is written in a figure may look like anything."""
    return re.sub(r"<[^<>]*>", lambda tag: pattern.sub(change, tag[0]), source)
