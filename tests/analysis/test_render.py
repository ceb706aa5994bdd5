"""The page as a file: sound, accessible HTML that needs nothing else, and tables as Markdown and LaTeX."""

from __future__ import annotations

import csv
import io
import re
import runpy
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pandas as pd
import pytest

from harness.analysis import drawing, inline, latex, render
from harness.analysis.page import Page, Section
from harness.analysis.sheet import Column, Table, Value, text

if TYPE_CHECKING:
    from harness.analysis.drawing import Drawing

HOSTILE = ("<script>alert(1)</script>", 'a|b "q" $x^2$ \\ `c` *d* & 50 % #1 {z} ~ ^ _', "モデル ñ 🙂", "x" * 300,
           "line\nbreak \x07\u202e end", "", "nan", ']]>--><!-- #0072b2 href="#x" url(#y) id="z"')  # fmt: skip
TEMPLATES = Path(render.__file__).parent / "templates"
Parsed: Any = runpy.run_path(str(Path(__file__).parents[1] / "data" / "parsed.py"))["Parsed"]


def figure(name: str, *, lines: tuple[str, ...] = (), bars: bool = False) -> Drawing:
    """A small figure; with bars it has text on coloured areas; the lines are written into it."""
    with drawing.style():
        canvas = drawing.figure(1.5)
        axes = canvas.subplots()
        if bars:
            axes.bar([0, 1], [3, 4], color="#0072B2")
            axes.text(0, 1.5, "on blue", color="white")
        else:
            axes.plot(range(3), range(3), "o", color="#005686")
        for place, line in enumerate(lines):
            axes.text(0, place / 4, line).set_in_layout(False)
        data = pd.DataFrame({"entry": ["a", "b"], "value": [1.5, float("nan")]})
        return drawing.finished(canvas, name=name, title="About a", caption=" ".join(lines), data=data)


def table(name: str = "t", *, cards: bool = False, names: tuple[str, ...] = ("one", "two")) -> Table:
    """A table with a group of columns, a foot, notes and a missing value."""
    columns = (
        Column(key="model", label="Model", numeric=False),
        Column(key="a", label="acc", sub="%", group="Quality"),
        Column(key="b", label="b", group="Quality"),
    )
    rows = tuple((text(n), Value(text="9.5", number=0.095, spread="±1.0", best=True, chance=True), text(""))
                 for n in names)  # fmt: skip
    foot = () if cards else ((text("chance"), Value(text="5.0", number=0.05), Value(text="")),)
    return Table(
        name=name, title=f"About {name}", columns=columns, rows=rows, foot=foot, notes=("A note.",), cards=cards
    )


def page(*sections: Section, title: str = "A title") -> Page:
    """A page with everything that is not a section."""
    return Page(title=title, about="About <it>", facts=(("Models", "two & more"),), cautions=("Careful.",),
                verdict=("One is better.", "Two is not."), sections=sections, commands=("harness run",))  # fmt: skip


@pytest.fixture(scope="module")
def whole() -> Page:
    """Two sections with figures, shown and folded tables, and cards."""
    return page(
        Section(name="comparison", title="Leaderboard", tables=(table("leaderboard"),), drawings=(figure("scores"),)),
        Section(name="more", title="More", lead="A lead.", drawings=(figure("bars", bars=True),),
                folded=(table("t1", names=tuple(f"n{i}" for i in range(9))), table("only", cards=True))),
    )  # fmt: skip


@pytest.fixture(scope="module")
def parsed(whole: Page) -> Parsed:
    """That page, parsed."""
    return Parsed(render.html(whole))


def test_html_is_sound(parsed: Parsed) -> None:
    """Well nested, ids once, every reference has its target, no asset from elsewhere, no handler in an attribute."""
    assert parsed.faults == []
    assert len(parsed.all("script")) == 1
    assert not parsed.all("link")
    assert not parsed.all("iframe")


def test_every_figure_is_described(parsed: Parsed) -> None:
    """A figure is one image with a name and a description; what is drawn inside it is hidden from readers of text."""
    images = [attrs for _, attrs, _ in parsed.found if attrs.get("role") == "img"]
    assert [one["aria-label"] for one in images] == ["About a", "About a"]
    assert all(one["aria-describedby"].startswith("caption-") for one in images)
    assert all(attrs.get("aria-hidden") == "true" for attrs in parsed.all("svg"))


def test_every_table_has_caption_and_scopes(parsed: Parsed) -> None:
    """Captions, headings with their scope, rows named by a heading; a scrolling part can be reached by key."""
    tables = parsed.all("table")
    assert len(tables) == len(parsed.all("caption")) == 2
    assert all(attrs.get("scope") in {"col", "row", "colgroup"} for attrs in parsed.all("th"))
    regions = [attrs for attrs in parsed.all("div") if attrs.get("class") == "scroll"]
    assert all(one["tabindex"] == "0" and one["role"] == "region" and one["aria-label"] for one in regions)


def test_landmarks_contents_and_skip_link(parsed: Parsed) -> None:
    """One main, header, footer and navigation; the contents name every section; the first link skips to findings."""
    assert all(len(parsed.all(tag)) == 1 for tag in ("main", "header", "footer", "nav", "h1"))
    links = [attrs["href"] for tag, attrs, _ in parsed.found if tag == "a"]
    assert links[0] == "#main"
    assert links[1:5] == ["#verdict", "#comparison", "#more", "#reproduce"]
    assert parsed.all("html")[0]["lang"] == "en"
    sections = parsed.all("section")
    assert all(attrs.get("aria-labelledby") for attrs in sections)


def test_data_of_every_figure_and_table_is_in_the_page(whole: Page, parsed: Parsed) -> None:
    """Each has a link whose own text is its CSV."""
    links = {attrs["download"]: attrs["href"] for attrs in parsed.all("a") if "download" in attrs}
    assert set(links) == {"scores.csv", "bars.csv", "leaderboard.csv", "t1.csv", "only.csv"}
    head, _, data = links["leaderboard.csv"].partition(",")
    assert head == "data:text/csv;charset=utf-8"
    assert unquote(data) == whole.tables[0].csv()
    rows = list(csv.reader(io.StringIO(unquote(links["scores.csv"].partition(",")[2]))))
    assert rows == [["entry", "value"], ["a", "1.5"], ["b", ""]]


def test_too_much_data_stands_beside_the_page(whole: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    """The smallest are kept in the page as far as they fit; of the others the file is named."""
    sizes = {path: len(link) for path, link in render.data_links(whole).items()}
    smallest = min(sizes, key=lambda path: sizes[path])
    monkeypatch.setattr(render, "DATA_BYTES", sizes[smallest])
    links = render.data_links(whole)
    assert links[smallest].startswith("data:")
    assert all(link == path for path, link in links.items() if path != smallest)


def test_figures_take_the_colours_of_the_page_unless_they_write_on_colour(whole: Page) -> None:
    """Ink and paper are variables; a figure with text on coloured bars keeps its own colours and white."""
    free, bars = (inline.inlined(one) for section in whole.sections for one in section.drawings)
    assert free.themed
    assert "var(--c1b1b1b)" in free.markup
    assert not re.search("#[0-9a-f]{6}", free.markup)
    assert not bars.themed
    assert "#0072b2" in bars.markup
    css = inline.theme([free, bars])
    dark = dict(re.findall(r"--c(\w{6}):(#\w{6})", css.partition("dark")[2]))
    assert inline.contrast(dark["1b1b1b"], inline.DARK) > inline.CONTRAST
    assert inline.contrast(dark["005686"], inline.DARK) >= inline.CONTRAST


def test_a_figure_of_many_marks_is_pixels(whole: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    """Above so many marks the figure is a picture with an alternative text."""
    monkeypatch.setattr(inline, "MARKS", 2)
    images = Parsed(render.html(whole)).all("img")
    assert [attrs["alt"] for attrs in images] == ["About a", "About a"]
    assert all(attrs["src"].startswith("data:image/png;base64,") for attrs in images)


def test_hostile_text_is_text(parsed: Any) -> None:
    """In a figure, a table, a card, a title: no element, no attribute and no reference comes of it, nothing is lost."""
    figures = (figure("f", lines=HOSTILE),)
    sections = [
        Section(name=f"s{number}", title=name or "t", lead=name, drawings=figures if not number else (),
                tables=(table(f"t{number}", names=(name, "z")),),
                folded=(table(f"k{number}", cards=True, names=(name, "z")), table(f"n {number} {name}")))
        for number, name in enumerate(HOSTILE)
    ]  # fmt: skip
    made = page(*sections, title=HOSTILE[0])
    found = Parsed(render.html(made))
    assert found.faults == []
    assert {tag for tag, _, _ in found.found} <= {tag for tag, _, _ in parsed.found} | {"wbr", "path", "use", "g"}
    assert len(found.all("script")) == 1
    lines = [line for line in render.markdown(made).splitlines() if line.startswith("| ")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {4}
    assert "<script" not in render.markdown(made)


def test_markdown_lists_cards(whole: Page) -> None:
    """A card is a bold line with its other values under it."""
    made = render.markdown(whole)
    assert "- **one**\n    - acc: 9.5 ±1.0†\n    - b: —\n" in made
    assert "### About only" in made


@pytest.mark.parametrize("name", HOSTILE)
def test_latex_is_escaped(name: str) -> None:
    """Every row has its columns, braces match, and no special letter of a name is left as it was."""
    made = latex.written(table(names=(name, "z")))
    rows = [line for line in made.splitlines() if line.endswith(r"\\")]
    assert len(rows) == 2 + 2 + 1
    assert {len(re.findall(r"(?<!\\)&", row)) for row in rows[1:]} == {2}
    assert not re.search(r"(?<!\\)[#$%_](?![a-z]*\$)", latex.escape(name).replace(r"$\pm$", ""))
    bare = re.sub(r"\\[{}]", "", made)
    assert bare.count("{") == bare.count("}")
    assert r"\textbf{9.5}\textdagger{} {\scriptsize $\pm$1.0}" in made
    assert r"\multicolumn{2}{c}{Quality}" in made


def test_long_text_of_latex_is_broken_into_lines() -> None:
    """A column of long text has a width; numbers stand right."""
    assert latex.written(table(names=("x" * 90,))).splitlines()[2] == r"\begin{tabular}{p{0.3\linewidth} r r}"


@pytest.mark.parametrize(("number", "folded"), [(12, 0), (13, 1)])
def test_many_sentences_are_folded(number: int, folded: int) -> None:
    """The first ten are read at once, the others are opened; two more do not need a fold. All are in the page once."""
    made = render.html(replace(page(), verdict=tuple(f"Sentence {n}." for n in range(number))))
    assert Parsed(made).faults == []
    assert made.count("<summary>") == folded
    assert all(made.count(f"<li>Sentence {n}.</li>") == 1 for n in range(number))


def test_own_script_is_small() -> None:
    """The page's own script has at most 5 kB."""
    assert len((TEMPLATES / "report.js").read_bytes()) <= 5_000


@pytest.mark.parametrize("ground", ["--paper", "--wash"])
def test_text_can_be_read_in_every_theme(ground: str) -> None:
    """Each colour of text has a contrast of at least 4.5 with the paper, in light, in dark and on paper."""
    css = (TEMPLATES / "report.css").read_text(encoding="utf-8")
    themes = [
        dict(re.findall(r"(--\w+): (#[0-9a-f]{3,6})", block))
        for block in re.findall(r":root \{(.*?)\}", css, re.DOTALL)
    ]
    themes = [{name: full(colour) for name, colour in theme.items()} for theme in themes if "--paper" in theme]
    assert len(themes) == 3
    for theme in themes:
        for name in ("--ink", "--quiet", "--accent", "--caution", "--right"):
            assert inline.contrast(theme[name], theme[ground]) >= 4.5, (name, theme)


def full(colour: str) -> str:
    """A colour with six digits."""
    return colour if len(colour) == 7 else "#" + "".join(2 * digit for digit in colour[1:])
