"""Study -> `results/STUDY/report`: the page, the tidy data, figures and tables as files.

Layer: the top of the reading half. Everything is written atomically, and two runs over the same records write the same
bytes. A stamp beside the report says which records it was made from, so that an unchanged study is not rendered again.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, final

import harness
from harness.analysis.settings import ReportSettings
from harness.store import write_atomic

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from harness.analysis.drawing import Drawing
    from harness.analysis.findings import Findings
    from harness.analysis.page import Page

STAMP = "made-from.json"
"""Name of the file that says which records and settings a report was made from."""

FOLDERS = ("figures", "tables")
"""Folders of a report that hold its files and nothing else."""


@final
@dataclass(frozen=True, kw_only=True)
class ReportPaths:
    """Where a report stands.

    Attributes:
        folder: `results/STUDY/report`.
        html: the page, None where the settings ask for none.
        markdown: the same as Markdown, None where the settings ask for none.
        measurements: the tidy data as CSV; `measurements.parquet` and `samples.parquet` stand beside it.
    """

    folder: Path
    html: Path | None
    markdown: Path | None
    measurements: Path

    @property
    def main(self) -> Path:
        """The file to open first."""
        return self.html or self.markdown or self.measurements


def paths(study: Path, settings: ReportSettings | None = None) -> ReportPaths:
    """Where the report of a study stands or will stand."""
    chosen, folder = settings or ReportSettings(), Path(study) / "report"
    return ReportPaths(
        folder=folder,
        html=folder / "report.html" if "html" in chosen.formats else None,
        markdown=folder / "report.md" if "md" in chosen.formats else None,
        measurements=folder / "measurements.csv",
    )


def build(study: Path, settings: ReportSettings | None = None) -> ReportPaths:
    """Writes the report of a study anew; ask `up_to_date` first whether that is needed.

    Raises:
        ValueError: no such study.
        OSError: the folder cannot be written, or the disk is full; no file is half-written.
    """
    from harness.analysis import derive, figures, findings, frame, page, sections, tidy  # here: `up_to_date` needs none
    from harness.analysis.current import current

    chosen = settings or ReportSettings()
    places, stamp = paths(study, chosen), _stamp(study, chosen)
    records, documents = frame.read(study), frame.documents(study)
    comparison = derive.compare(records, baseline=chosen.baseline)
    found = findings.find(current(records), comparison, documents, baseline=chosen.baseline, margin=chosen.margin)
    drawings = figures.draw(comparison, measured=comparison.efficiency, found=found)
    first = page.compose(found, drawings=drawings, settings=chosen)
    whole = sections.added(sections.Whole(page=first, found=found, documents=documents, settings=chosen))
    files = {**tidy.files(records, documents, found.judged), **_page_files(places, whole.page)}
    tables = {**_table_files(whole.page, found), **{f"{name}.csv": _csv(data) for name, data in whole.frames}}
    _replace(places.folder, {"": files, "figures": _figure_files((*drawings, *whole.drawings)), "tables": tables})
    write_atomic(places.folder / STAMP, _json(stamp))
    return places


def up_to_date(study: Path, settings: ReportSettings | None = None) -> bool:
    """Whether the report was made from exactly these records, by this version, with these settings (None: with any)."""
    places = paths(study, settings)
    wanted = [path for path in (places.html, places.markdown) if settings is not None and path is not None]
    try:
        written = json.loads((places.folder / STAMP).read_text(encoding="utf-8"))
    except (OSError, ValueError):  # Missing or not to be read: to be written; a write will say what is wrong.
        return False
    stamp = _stamp(study, settings or ReportSettings())
    if settings is None and isinstance(written, dict):
        stamp |= {name: written.get(name, "") for name in ("settings", "against")}
    return written == stamp and all(path.is_file() for path in (*wanted, places.measurements))


def _json(stamp: dict[str, str]) -> bytes:
    return (json.dumps(stamp, indent=1, sort_keys=True) + "\n").encode()


def _stamp(study: Path, settings: ReportSettings) -> dict[str, str]:
    """Digest of names, sizes and times of the records and samples; of the settings; and of this package's own files."""
    own = Path(__file__).parent
    return {
        "records": _of_study(Path(study)),
        "against": "" if settings.against is None else _of_study(Path(settings.against)),
        "settings": hashlib.sha256(json.dumps(asdict(settings), sort_keys=True).encode()).hexdigest(),
        "renderer": _digest([own], root=own, times=False),
        "version": harness.__version__,
    }


def _of_study(study: Path) -> str:
    return _digest([study / "records", study / "samples"], root=study, times=True)


def _digest(folders: list[Path], *, root: Path, times: bool) -> str:
    found = hashlib.sha256()
    for path in sorted(path for folder in folders for path in folder.glob("**/*")):
        if not path.is_file() or path.name.startswith(".tmp-") or path.suffix == ".pyc":
            continue
        state = path.stat()
        line = f"{path.relative_to(root).as_posix()}\t{state.st_size}\t{state.st_mtime_ns if times else ''}\n"
        found.update(line.encode(errors="surrogateescape"))
    return found.hexdigest()


def _figure_files(drawings: Sequence[Drawing]) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    for drawing in drawings:
        files |= {f"{drawing.name}.svg": drawing.svg, f"{drawing.name}.png": drawing.png,
                  f"{drawing.name}.csv": _csv(drawing.data)}  # fmt: skip
    return files


def _table_files(whole: Page, found: Findings) -> dict[str, bytes]:
    from harness.analysis import latex, render

    judged = found.judged
    files = {"comparisons.csv": _csv(judged.frame), "comparisons-mean.csv": _csv(judged.means)}
    files |= {"comparisons-refused.csv": _csv(judged.refused)} if len(judged.refused) else {}
    for table in whole.tables:
        stem = render.slug(table.name)
        files |= {f"{stem}.csv": table.csv().encode(), f"{stem}.md": table.markdown().encode(),
                  f"{stem}.tex": latex.written(table).encode()}  # fmt: skip
    return files


def _page_files(places: ReportPaths, whole: Page) -> dict[str, bytes]:
    from harness.analysis import render

    files: dict[str, bytes] = {}
    if places.markdown is not None:
        files[places.markdown.name] = render.markdown(whole).encode()
    if places.html is not None:
        files[places.html.name] = render.html(whole).encode()
    return files


def _replace(folder: Path, files: Mapping[str, Mapping[str, bytes]]) -> None:
    """Writes the files of the report and of each folder in it; if a folder cannot be written, nothing is touched.

    The stamp goes first and comes back last: a report that was cut short is never taken for a whole one.
    """
    for name in files:
        (folder / name).mkdir(parents=True, exist_ok=True)
        if not os.access(folder / name, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder / name))
    (folder / STAMP).unlink(missing_ok=True)
    for name, data in files.items():
        for file, content in data.items():
            write_atomic(folder / name / file, content)
    for name in FOLDERS:
        _tidy(folder / name, files[name])


def _tidy(folder: Path, files: Mapping[str, bytes]) -> None:
    """Removes what an earlier report left in the folder; half-written files are another's."""
    for path in folder.glob("*"):
        if path.name not in files and path.is_file() and not path.name.startswith(".tmp-"):
            path.unlink(missing_ok=True)


def _csv(data: pd.DataFrame) -> bytes:
    return data.to_csv(index=False, lineterminator="\n").encode(errors="replace")
