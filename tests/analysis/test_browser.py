"""The report in a real browser: sorting, filtering, browsing, dark and printed, at the width of a telephone.

Chromium runs without a window and without a network; a script that is put into the page does what a reader would do.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from html import unescape
from typing import TYPE_CHECKING, Any

import pytest

from harness.analysis import comparisons, derive, disagreements_page, figures, frame, inline, render, tables
from harness.analysis.current import current
from harness.analysis.page import Page, Section

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

FLAGS = ("headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking",
         "disable-component-update", "disable-sync", "disable-dev-shm-usage", "hide-scrollbars")  # fmt: skip
LISTEN = """<script>window.faults = [];
window.addEventListener("error", function (event) { faults.push(String(event.message)); });
["error", "warn"].forEach(function (kind) { console[kind] = function (what) { faults.push(String(what)); }; });
</script>"""
REPORT = """<script>window.addEventListener("load", function () {
var told = {}; try { told = (function () { %s })(); } catch (fault) { faults.push(String(fault)); }
told.faults = faults; var out = document.createElement("pre"); out.id = "told";
out.textContent = JSON.stringify(told); document.body.appendChild(out); });</script></body>"""
COLUMN = """function column(number) {
  return Array.from(board.tBodies[0].rows).map(function (row) { return row.cells[number].textContent.trim(); }); }
var board = document.querySelector("#table-leaderboard"), buttons = board.querySelectorAll("tr.heads [role=button]");
function type(field, text) { field.value = text; field.dispatchEvent(new Event("input", { bubbles: true })); }
function seen(list) { return Array.from(list).filter(function (one) { return one.checkVisibility(); }).length; }
"""


@pytest.fixture(scope="module")
def page(study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with a leaderboard, figures and disagreements, as the report has them."""
    found, documents = current(frame.read(study)), frame.documents(study)
    comparison = derive.compare(found)
    judged = comparisons.judged(found, comparison, documents)
    sections = (Section(name="comparison", title="Leaderboard", tables=(tables.leaderboard(comparison, judged),),
                        drawings=figures.draw(comparison)[:2]),)  # fmt: skip
    plain = Page(title="In a browser", about="", facts=(("Models", "6"),), cautions=(), verdict=("One.",),
                 sections=sections, commands=("harness run",))  # fmt: skip
    path = tmp_path_factory.mktemp("page") / "report.html"
    whole = disagreements_page.joined(plain, comparison, judged, documents)
    path.write_text(render.html(whole), encoding="utf-8")
    return path


def chromium(page: Path, *flags: str, width: int = 1200, wait: int = 120) -> subprocess.CompletedProcess[str]:
    """Opens a page with these flags; skips where there is no browser."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("needs chromium on the path")
    place = page.parent
    command = [browser, *(f"--{flag}" for flag in (*FLAGS, f"window-size={width},1400", *flags)),
               f"--user-data-dir={place / 'profile'}", page.as_uri()]  # fmt: skip
    own = {**os.environ, "HOME": str(place)}
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=wait, env=own)


def told(page: Path, script: str, *flags: str, width: int = 1200) -> dict[str, Any]:
    """What a script finds in the page, and `faults`: every error and warning on the console."""
    text = page.read_text(encoding="utf-8")
    tried = page.with_name("tried.html")
    tried.write_text(text.replace("<head>", f"<head>{LISTEN}", 1).replace("</body>", REPORT % script), encoding="utf-8")
    out = chromium(tried, "dump-dom", *flags, width=width).stdout
    found = re.search(r'<pre id="told">(.*?)</pre>', out, re.DOTALL)
    assert found is not None, out[-2000:]
    return json.loads(unescape(found[1]))


def test_a_click_on_a_heading_sorts(page: Path) -> None:
    """Down, up, and as it was; numbers by value, what is missing last in both directions; the state is announced."""
    found = told(page, COLUMN + """
      var at = Array.from(buttons).findIndex(function (b) { return b.textContent.indexOf("list") >= 0; });
      var said = { before: column(0) };
      ["down", "up", "back"].forEach(function (turn) {
        buttons[at].click();
        var head = board.querySelectorAll("tr.heads th")[at];
        said[turn] = { values: column(at), names: column(0), aria: head.getAttribute("aria-sort") };
      });
      buttons[0].dispatchEvent(new KeyboardEvent("keydown", { key: "Enter" })); said.names = column(0);
      return said;""")  # fmt: skip
    assert found["faults"] == []
    for turn, sign, aria in (("down", -1, "descending"), ("up", 1, "ascending")):
        values = found[turn]["values"]
        assert values[-1] == "failed"
        numbers = [float(value.split()[0]) for value in values[:-1]]
        assert numbers == sorted(numbers, key=lambda number, sign=sign: sign * number)
        assert found[turn]["aria"] == aria
    assert found["back"] == {"values": found["back"]["values"], "names": found["before"], "aria": None}
    assert found["names"] == sorted(found["names"])


def test_documents_can_be_browsed_and_filtered(page: Path) -> None:
    """A part opens to cards, a card to prompt and both answers; the filter keeps those that hold every word."""
    found = told(page, COLUMN + """
      var part = document.querySelector("#disagreements details.fold"), cards = part.querySelectorAll(".cards > li");
      var said = { closed: seen(cards) };
      part.querySelector("summary").click(); said.opened = seen(cards);
      var one = cards[0].querySelector("details"); said.hidden = seen(one.querySelectorAll("dd"));
      one.querySelector("summary").click(); said.shown = seen(one.querySelectorAll("dd"));
      said.labels = Array.from(one.querySelectorAll("dt")).map(function (dt) { return dt.textContent; });
      var field = part.querySelector("input[type=search]");
      type(field, "TOPIC question"); said.some = seen(cards);
      said.status = part.querySelector("[role=status]").textContent;
      type(field, "no such words"); said.none = seen(cards);
      type(field, ""); said.again = seen(cards);
      return said;""")  # fmt: skip
    assert found["faults"] == []
    assert found["closed"] == found["hidden"] == found["none"] == 0
    assert found["opened"] == found["again"] == disagreements_page.DOCUMENTS
    assert found["shown"] == len(found["labels"]) == len(disagreements_page.COLUMNS) - 1
    assert 0 < found["some"] < found["opened"]
    assert found["status"] == f"{found['some']} of {found['opened']}"


def test_tables_can_be_filtered(page: Path) -> None:
    """Rows without the word go, the heading stays, and how many are left is announced."""
    text = page.read_text(encoding="utf-8").replace('id="table-leaderboard"', 'id="table-leaderboard" data-filter')
    wide = page.with_name("filtered.html")
    wide.write_text(text, encoding="utf-8")
    found = told(wide, COLUMN + """
      var bar = document.querySelector("#comparison .find");
      type(bar.querySelector("input"), "gpt2-l");
      var body = board.tBodies[0];
      return { rows: seen(body.rows), heads: seen(board.tHead.rows), status: bar.textContent };""")  # fmt: skip
    assert found["faults"] == []
    assert found["rows"] == 1
    assert found["heads"] == 2
    assert found["status"].endswith("1 of 6")


LOOK = """var body = getComputedStyle(document.body), text = document.querySelector(".themed svg text");
  return { paper: body.backgroundColor, ink: body.color, label: getComputedStyle(text).fill,
           wide: document.documentElement.scrollWidth, window: window.innerWidth }; """


@pytest.mark.parametrize("dark", [False, True])
def test_it_follows_light_and_dark(page: Path, *, dark: bool) -> None:
    """Paper, ink and the labels of figures change places; labels can be read on the paper."""
    found = told(page, LOOK, f"blink-settings=preferredColorScheme={0 if dark else 1}")
    paper, ink, label = (_hexadecimal(found[name]) for name in ("paper", "ink", "label"))
    assert found["faults"] == []
    assert (inline.contrast(paper, "#000000") < 2) is dark
    assert inline.contrast(paper, ink) > 7
    assert inline.contrast(paper, label) >= 4.5


def test_a_telephone_scrolls_down_only(page: Path) -> None:
    """At 400 pixels the page is as wide as the window; wide tables scroll inside themselves."""
    found = told(page, LOOK, width=500)  # Chromium opens no window below 500 pixels; the frame makes it narrower.
    assert found["wide"] <= found["window"]
    frame_of = page.with_name("frame.html")
    style = "width:400px;height:900px;border:0"
    inner = f'<iframe srcdoc="{_quoted(page)}" style="{style}"></iframe>'
    frame_of.write_text(f'<!doctype html><head></head><body style="margin:0">{inner}</body>', encoding="utf-8")
    narrow = told(frame_of, """var inside = document.querySelector("iframe").contentDocument.documentElement;
      return { wide: inside.scrollWidth, window: inside.clientWidth };""")  # fmt: skip
    assert narrow["window"] == 400
    assert narrow["wide"] <= 400


def test_it_prints(page: Path) -> None:
    """The page becomes a PDF of several sheets, with what was folded on it."""
    closed = page.with_name("closed.html")
    text = page.read_text(encoding="utf-8")
    closed.write_text(
        re.sub(r"<section id=\"disagreements\".*?</section>", "", text, flags=re.DOTALL), encoding="utf-8"
    )
    sheets = []
    for one in (closed, page):
        out = page.with_name(f"{one.stem}.pdf")
        chromium(one, f"print-to-pdf={out}", "no-pdf-header-footer")
        data = out.read_bytes()
        assert data.startswith(b"%PDF")
        sheets.append(len(re.findall(rb"/Type\s*/Page\b", data)))
    assert 2 <= sheets[0] < sheets[1]


def test_it_reads_without_its_script(page: Path) -> None:
    """Without the page's own script parts and cards still open, and every table and figure is there."""
    bare = page.with_name("bare.html")
    text = page.read_text(encoding="utf-8")
    bare.write_text(re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL), encoding="utf-8")
    found = told(bare, """
      function seen(list) { return Array.from(list).filter(function (one) { return one.checkVisibility(); }).length; }
      function all(selector) { return document.querySelectorAll(selector); }
      var said = { figures: seen(all("figure svg")), tables: seen(all("table")), controls: all("input, .sort").length };
      var part = document.querySelector("details.fold"); part.querySelector("summary").click();
      part.querySelector(".cards summary").click(); said.answers = seen(part.querySelectorAll("dd"));
      return said;""")  # fmt: skip
    assert found == {"figures": 2, "tables": 3, "controls": 0, "faults": [],
                     "answers": len(disagreements_page.COLUMNS) - 1}  # fmt: skip


def test_it_can_be_looked_at(page: Path) -> None:
    """A picture of the page is more than an empty sheet."""
    picture = page.with_name("page.png")
    chromium(page, f"screenshot={picture}")
    data = picture.read_bytes()
    assert data.startswith(b"\x89PNG")
    assert len(data) > 50_000


def _hexadecimal(colour: str) -> str:
    return "#" + "".join(f"{int(part):02x}" for part in re.findall(r"\d+", colour)[:3])


def _quoted(page: Path) -> str:
    return page.read_text(encoding="utf-8").replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
