"""The report as files: golden text, sound HTML, hostile studies, identical bytes.

The golden files are renewed with `HARNESS_GOLDEN=renew pytest tests/analysis/test_report.py`; read the diff.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import threading
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.analysis import report
from harness.analysis.settings import ReportSettings
from harness.records import Status
from harness.store import Store

if TYPE_CHECKING:
    from types import ModuleType

GOLDEN = Path(__file__).parents[1] / "data" / "golden"
VOID = {"meta", "br", "wbr", "link", "img", "input", "hr"}


class Checker(HTMLParser):
    """Collects what is wrong with a page: bad nesting, repeated ids, assets from elsewhere, dead anchors."""

    def __init__(self) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.ids: list[str] = []
        self.targets: list[str] = []
        self.faults: list[str] = []
        self.scripts = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Notes the tag and its attributes."""
        self.scripts += tag == "script"
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name in {"src", "href", "action"} and re.match(r"(https?:)?//", value or ""):
                self.faults.append(f"asset from elsewhere: {value}")
            self.targets += re.findall(r"url\(#([^)]+)\)", value or "")
            if name == "href" and (value or "").startswith("#"):
                self.targets.append((value or "")[1:])
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Notes a tag that closes itself."""
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.stack.pop()

    def handle_endtag(self, tag: str) -> None:
        """Closes the innermost open tag."""
        if not self.stack or self.stack.pop() != tag:
            self.faults.append(f"</{tag}> at {self.getpos()} closes nothing")


def checked(path: Path) -> Checker:
    """The page, parsed, with everything wrong with it in `faults`."""
    checker = Checker()
    checker.feed(path.read_text(encoding="utf-8"))
    repeated = {name for name in checker.ids if checker.ids.count(name) > 1}
    checker.faults += [f"repeated id {name}" for name in sorted(repeated)] + [f"open: {t}" for t in checker.stack]
    checker.faults += [f"no target {name}" for name in checker.targets if name not in checker.ids]
    return checker


def contents(folder: Path) -> dict[str, bytes]:
    """Every file under a folder with its bytes."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.glob("**/*")) if p.is_file()}


@pytest.fixture(scope="module")
def built(study: Path) -> report.ReportPaths:
    """The report of the full synthetic study."""
    return report.build(study)


GOLDEN_SETTINGS = ReportSettings(about="Three of six models.", baseline="mini-gptj")


@pytest.fixture(scope="module")
def renewed(small: Path) -> Path:
    """The report of the fixed records."""
    return report.build(small, GOLDEN_SETTINGS).folder


@pytest.mark.parametrize("name", ["report.md", "measurements.csv"])
def test_golden(renewed: Path, name: str) -> None:
    """Fixed records give exactly these bytes."""
    found = (renewed / name).read_bytes()
    if os.environ.get("HARNESS_GOLDEN") == "renew":
        GOLDEN.mkdir(parents=True, exist_ok=True)
        (GOLDEN / name).write_bytes(found)
    assert found.decode() == (GOLDEN / name).read_bytes().decode()


def test_every_promised_file_is_there(built: report.ReportPaths) -> None:
    """Tidy data, samples, pages, figures in three forms, tables in two."""
    names = set(contents(built.folder))
    assert {"measurements.csv", "measurements.parquet", "samples.parquet", "report.md", "report.html"} <= names
    assert {
        f"figures/{n}.{e}" for n in ("scores", "tradeoffs", "scaling", "speeds") for e in ("svg", "png", "csv")
    } <= names
    assert {"tables/leaderboard.csv", "tables/leaderboard.md", "tables/failures.md", "tables/comparisons.csv"} <= names


def test_page_is_sound_and_needs_nothing_else(built: report.ReportPaths) -> None:
    """Well nested, unique ids, no asset from elsewhere, small, and the disclaimer stands above the numbers."""
    assert built.html is not None
    text = built.html.read_text(encoding="utf-8")
    assert checked(built.html).faults == []
    assert "http" not in text
    assert len(text) < 3_000_000
    assert text.index("Miniature models trained") < text.index("Leaderboard")
    assert "harness run experiment=quickstart &#39;study=synthetic study&#39;" in text


def test_no_number_is_missing_without_a_word(built: report.ReportPaths) -> None:
    """Neither nan, None nor an empty object is ever shown."""
    assert built.html is not None
    assert built.markdown is not None
    for path in (built.html, built.markdown):
        assert not re.search(r"\b(nan|None|NaT|inf)\b|&lt;NA", path.read_text(encoding="utf-8"))


def test_two_runs_write_the_same_bytes(small: Path, renewed: Path) -> None:
    """Nothing depends on time, order or the run, nor on whether a copy of the process draws half of the figures."""
    first = contents(renewed)
    (renewed / report.STAMP).unlink()
    beside = threading.Thread(target=report.build, args=(small, GOLDEN_SETTINGS))  # so that no copy is made
    beside.start()
    beside.join()
    assert contents(renewed) == first


def test_an_unchanged_study_is_not_rendered_again(synthetic: ModuleType, tmp_path: Path) -> None:
    """The stamp holds until a record, the settings or a file of the report changes."""
    folder = tmp_path / "s"
    failed, _ = synthetic.task_record("mini-gptj", "continue_list")
    Store(folder).write(failed)
    settings = ReportSettings(formats=("md",))
    assert not report.up_to_date(folder, settings)
    places = report.build(folder, settings)
    assert report.up_to_date(folder, settings)
    assert not report.up_to_date(folder, ReportSettings(formats=("md",), title="Another"))
    assert report.up_to_date(folder)
    Store(folder).write(replace(failed, error="another reason"))
    assert not report.up_to_date(folder, settings)
    assert not report.up_to_date(folder)
    report.build(folder, settings)
    assert places.markdown is not None
    places.markdown.unlink()
    assert not report.up_to_date(folder, settings)


HOSTILE = ("<script>alert(1)</script>", "a|b $x^2$ `c` *d*", "モデル ñ 🙂", "x" * 300, "line\nbreak \x07\u202e end")


def test_hostile_names_are_text(synthetic: ModuleType, tmp_path: Path) -> None:
    """Names with markup, pipes, mathematics, other scripts, control marks or 300 letters harm nothing."""
    folder = tmp_path / "s"
    for name in HOSTILE:
        for task in ("topic", "heldout_text"):
            record, samples = synthetic.task_record("mini-neox", task, documents=20)
            cell = replace(record.cell, model=name, workload=f"{task} <b>&")
            Store(folder).write(replace(record, cell=cell, warnings=(f"{name} | odd",)), samples)
        Store(folder).write(
            replace(synthetic.probe_record("mini-neox"), cell=synthetic.cell(name, "decode", kind="probe"))
        )
    places = report.build(folder, ReportSettings(title="<i>Title</i>", about="<script>x</script> & more"))
    assert places.html is not None
    assert places.markdown is not None
    found = checked(places.html)
    assert found.faults == []
    assert found.scripts == 1
    assert "<script>" not in places.markdown.read_text(encoding="utf-8")
    tables = [line for line in places.markdown.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    assert all(len(re.findall(r"(?<!\\)\|", line)) >= 3 for line in tables)


@pytest.mark.parametrize("documents", [1, 2])
def test_one_model_and_hardly_any_document(synthetic: ModuleType, tmp_path: Path, documents: int) -> None:
    """One model on one document is reported without a claim."""
    folder = synthetic.build(tmp_path / "s", documents=documents, models=("mini-gptneo",))
    places = report.build(folder)
    assert places.html is not None
    assert checked(places.html).faults == []
    assert "nothing is ranked" in places.html.read_text(encoding="utf-8")


def test_all_failed(synthetic: ModuleType, tmp_path: Path) -> None:
    """A study without any number is a list of reasons."""
    folder = tmp_path / "s"
    for model in ("mini-gptj", "mini-neox"):
        record, _ = synthetic.task_record("mini-gptj", "continue_list")
        cell = replace(record.cell, model=model)
        Store(folder).write(replace(record, cell=cell, status=Status.FAILED))
    places = report.build(folder)
    assert places.html is not None
    text = places.html.read_text(encoding="utf-8")
    assert checked(places.html).faults == []
    assert "2 of 2 cells have no result" in text
    assert "nan" not in text


@pytest.mark.parametrize("foreign", [False, True])
def test_empty(tmp_path: Path, *, foreign: bool) -> None:
    """A study without records says so in one line, and names what was skipped."""
    folder = tmp_path / "s"
    folder.mkdir()
    if foreign:
        (folder / "records").mkdir()
        (folder / "records" / "x.json").write_text("{", encoding="utf-8")
    places = report.build(folder)
    assert places.html is not None
    assert checked(places.html).faults == []
    assert "no measured cell yet" in places.html.read_text(encoding="utf-8")
    assert ("x.json" in places.html.read_text(encoding="utf-8")) is foreign


def test_probes_alone_are_a_report(synthetic: ModuleType, tmp_path: Path) -> None:
    """Speed is shown without any task; one process each and no control rank nothing."""
    folder = tmp_path / "s"
    for model in ("mini-gpt2-s", "mini-gpt2-l"):
        Store(folder).write(synthetic.probe_record(model))
    places = report.build(folder)
    assert places.html is not None
    text = places.html.read_text(encoding="utf-8")
    assert "No decoder is called fastest (one process each and no control)" in text


def test_trusted_code_is_announced(synthetic: ModuleType, tmp_path: Path) -> None:
    """A model whose own code ran is named at the top."""
    record, samples = synthetic.task_record("mini-neox", "topic", documents=5)
    facts = {**record.provenance, "subject": {**record.provenance["subject"], "trust_remote_code": True}}
    Store(tmp_path / "s").write(replace(record, provenance=facts), samples)
    places = report.build(tmp_path / "s", ReportSettings(formats=("md",)))
    assert places.markdown is not None
    assert "trust_remote_code" in places.markdown.read_text(encoding="utf-8").split("##")[0]


@pytest.mark.parametrize("formats", ["html", (), ("pdf",)])
def test_settings_refuse_unknown_formats(formats: object) -> None:
    """Formats are some of html and md."""
    with pytest.raises(ValueError, match="formats"):
        ReportSettings(formats=formats)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("margin", [0, 1, -0.01, True, "1"])
def test_settings_refuse_margins_that_are_none(margin: object) -> None:
    """What does not matter is a positive difference below the whole scale."""
    with pytest.raises(ValueError, match="margin"):
        ReportSettings(margin=margin)  # pyright: ignore[reportArgumentType]


def test_another_study_is_a_section_and_part_of_the_stamp(synthetic: ModuleType, tmp_path: Path) -> None:
    """The report says how it stands beside the other study, and is out of date when that one changes."""
    for name, number in (("here", 20), ("there", 20)):
        record, samples = synthetic.task_record("mini-neox", "topic", documents=number)
        Store(tmp_path / name).write(record, samples)
    settings = ReportSettings(formats=("md",), against=str(tmp_path / "there"))
    places = report.build(tmp_path / "here", settings)
    assert places.markdown is not None
    heads = re.findall(r"^## (.+)$", places.markdown.read_text(encoding="utf-8"), re.MULTILINE)
    assert heads[heads.index("Leaderboard") + 1] == "Beside there"
    assert report.up_to_date(tmp_path / "here", settings)
    Store(tmp_path / "there").write(*synthetic.task_record("mini-neox", "agreement", documents=5))
    assert not report.up_to_date(tmp_path / "here", settings)


@pytest.mark.parametrize(("available", "cut"), [(20, False), (900, True)])
def test_a_cut_task_is_announced(synthetic: ModuleType, tmp_path: Path, available: int, *, cut: bool) -> None:
    """A limit above the task's own size cuts nothing, and is not called a cut."""
    record, samples = synthetic.task_record("mini-neox", "topic", documents=20)
    facts = {**record.provenance, "task": {"documents": 20, "available": available}}
    Store(tmp_path / "s").write(replace(record, provenance=facts), samples)
    places = report.build(tmp_path / "s", ReportSettings(formats=("md",)))
    assert places.markdown is not None
    assert ("were cut" in places.markdown.read_text(encoding="utf-8")) is cut


def test_what_the_report_no_longer_holds_is_removed(synthetic: ModuleType, tmp_path: Path) -> None:
    """After a rebuild from fewer records the folders of figures and tables hold that report and nothing else."""
    folder = tmp_path / "s"
    for model in ("mini-gpt2-s", "mini-gptj"):
        for task in ("topic", "agreement"):
            Store(folder).write(*synthetic.task_record(model, task, documents=10))
        Store(folder).write(synthetic.probe_record(model))
    report.build(folder)
    before = set(contents(folder / "report"))
    for path in (folder / "records").glob("**/*"):
        if path.is_file() and not ("mini-gpt2-s" in path.name and "topic" in path.name):
            path.unlink()
    kept = folder / "report" / "figures" / ".tmp-1-of-another-process"
    kept.write_bytes(b"")
    report.build(folder)
    after = set(contents(folder / "report"))
    fresh = tmp_path / "fresh"
    shutil.copytree(folder / "records", fresh / "records")
    shutil.copytree(folder / "samples", fresh / "samples")
    report.build(fresh)
    assert after - {"figures/.tmp-1-of-another-process"} == set(contents(fresh / "report"))
    assert {"figures/tradeoffs.svg", "tables/task-agreement.csv"} <= before - after
    assert kept.exists()


def test_print_shows_what_is_folded_on_white(built: report.ReportPaths) -> None:
    """On paper every folded part is open, by style and by script, and the dark colours are for screens alone."""
    assert built.html is not None
    text = built.html.read_text(encoding="utf-8")
    printed = text[text.index("@media print") : text.index("</style>")]
    assert "details::details-content { content-visibility: visible" in printed
    assert "--paper: #fff" in printed
    assert 'addEventListener("beforeprint"' in text
    assert 'addEventListener("afterprint"' in text
    assert text.count("prefers-color-scheme: dark") == text.count("@media screen and (prefers-color-scheme: dark)") > 0


MEASURED = """<script>
document.title = Array.from(document.querySelectorAll("#comparison .scroll")).map(
  function (box) { return "widths " + box.scrollWidth + " " + box.clientWidth; }).join();
</script></body>"""


@pytest.mark.slow
def test_the_leaderboard_fits_a_window_of_1100_pixels(built: report.ReportPaths, tmp_path: Path) -> None:
    """Fifteen columns stand in a window of 1100 pixels without scrolling sideways."""
    browser = shutil.which("chromium")
    if browser is None:
        pytest.skip("needs chromium on the path")
    assert built.html is not None
    page = tmp_path / "page.html"
    page.write_text(built.html.read_text(encoding="utf-8").replace("</body>", MEASURED), encoding="utf-8")
    flags = ("headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking",
             "disable-component-update", "disable-sync", "window-size=1100,900", "dump-dom")  # fmt: skip
    command = [browser, *(f"--{flag}" for flag in flags), f"--user-data-dir={tmp_path / 'profile'}", page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    widths = re.search(r"<title>widths (\d+) (\d+)", done.stdout)
    assert widths is not None
    assert int(widths[1]) <= int(widths[2]) <= 1100


@pytest.mark.parametrize("blocked", ["report", "report/tables"])
def test_an_unwritable_report_is_an_oserror_and_changes_nothing(
    synthetic: ModuleType, tmp_path: Path, blocked: str
) -> None:
    """Where a folder cannot be made nothing is written: no file of the report, no temporary one."""
    record, samples = synthetic.task_record("mini-neox", "topic", documents=5)
    Store(tmp_path / "s").write(record, samples)
    place = tmp_path / "s" / blocked
    place.parent.mkdir(exist_ok=True)
    place.write_bytes(b"in the way")
    assert not report.up_to_date(tmp_path / "s")
    with pytest.raises(OSError, match=place.name):
        report.build(tmp_path / "s", ReportSettings(formats=("md",)))
    assert [p for p in contents(tmp_path / "s") if p.startswith("report")] == [blocked]
