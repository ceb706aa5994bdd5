"""Study -> the words and parts of a report, in reading order; `render` turns them into files.

Layer: above `tables`, `figures` and `verdict`; pure.
"""

# What stands in a frame or an Axes has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false, reportIndexIssue=false, reportOperatorIssue=false, reportReturnType=false
from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import pandas as pd

from harness.analysis import efficiency_tables, problems, tables, verdict, wording
from harness.analysis.sheet import Column, Table, text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.analysis.derive import Comparison
    from harness.analysis.drawing import Drawing
    from harness.analysis.frame import Study
    from harness.analysis.pairs import Pairs
    from harness.analysis.settings import ReportSettings


@final
@dataclass(frozen=True, kw_only=True)
class Section:
    """A heading with figures and tables under it.

    Attributes:
        name: anchor.
        title: heading.
        lead: a sentence or two before anything else.
        drawings: figures.
        tables: tables that are shown.
        folded: tables that a reader opens.
    """

    name: str
    title: str
    lead: str = ""
    drawings: tuple[Drawing, ...] = ()
    tables: tuple[Table, ...] = ()
    folded: tuple[Table, ...] = ()


@final
@dataclass(frozen=True, kw_only=True)
class Page:
    """A whole report, ready for a template.

    Attributes:
        title: headline.
        about: what the author of the settings wrote, or nothing.
        facts: what was compared: label and value.
        cautions: what must be read before the numbers.
        verdict: sentences that hold.
        sections: the rest, in order.
        commands: how to measure it again.
    """

    title: str
    about: str
    facts: tuple[tuple[str, str], ...]
    cautions: tuple[str, ...]
    verdict: tuple[str, ...]
    sections: tuple[Section, ...]
    commands: tuple[str, ...]

    @property
    def tables(self) -> tuple[Table, ...]:
        """Every table of the page in order."""
        return tuple(table for section in self.sections for table in (*section.tables, *section.folded))


def compose(
    study: Study, comparison: Comparison, tested: Pairs, *, drawings: Sequence[Drawing], settings: ReportSettings
) -> Page:
    """The report on a study: every table, figure and sentence, in reading order."""
    if not len(study.cells):
        return _empty(study, settings)
    found = {drawing.name: drawing for drawing in drawings}
    first = _picked(found, _OVERVIEW[0]), _picked(found, *_OVERVIEW[1:])
    names = [str(task) for task in comparison.tasks["task"]]
    measured, opened = efficiency_tables.tables(comparison.efficiency, list(comparison.entries["entry"]))
    rest = tuple(drawing for drawing in drawings if drawing.name not in _OVERVIEW)
    sections = (
        Section(name="comparison", title="Leaderboard", tables=(tables.leaderboard(comparison),), drawings=first[0]),
        Section(name="cost", title="Quality against cost", drawings=first[1]),
        Section(name="tasks", title="Task by task", lead=_TASKS_LEAD if names else "",
                folded=tuple(tables.per_task(comparison, name, tested) for name in names)),
        Section(name="classification", title="Classification in detail", tables=_classification(study, comparison)),
        Section(name="efficiency", title="Efficiency", drawings=rest, tables=measured, folded=opened),
        Section(name="problems", title="Failures, warnings and skipped files", lead=_problems_lead(study),
                tables=_filled(problems.failures(study), problems.warnings(study), problems.skipped(study))),
        Section(name="method", title="Method and environment", lead=_METHOD,
                tables=tuple(table for table in (_models(comparison), _tasks(study, comparison), _environment(study))
                             if table.rows)),
    )  # fmt: skip
    return Page(
        title=settings.title or wording.plain(study.name), about=settings.about, facts=_facts(study, comparison),
        cautions=problems.cautions(study), commands=_commands(study),
        verdict=verdict.sentences(study, comparison, tested, baseline=settings.baseline),
        sections=tuple(s for s in sections if s.lead or s.drawings or s.tables or s.folded),
    )  # fmt: skip


_OVERVIEW = ("scores", "tradeoffs", "scaling")
_TASKS_LEAD = (
    "Intervals are 95 %. “Behind the best” is the paired difference on identical documents with its 95 % half-width; "
    "p is adjusted for all pairs and tasks of this report."
)
_METHOD = (
    "Rates of right answers carry Wilson intervals, other scores normal ones from their standard error. The mean "
    "corrects each score for chance, (score - chance) / (1 - chance), and weighs tasks equally; its error treats "
    "tasks as fixed and takes that of a rate from its Wilson interval. Two entries are called separable on a task "
    "when the exact McNemar test (right-or-wrong scores) or the paired t-test (other scores) on identical documents"
    " has p < 0.05 after Holm's adjustment for every pair and task; on the mean, by the paired normal test, "
    "adjusted for every pair. Timings are medians of the medians of processes with two-stage percentile bootstrap "
    "intervals: processes are drawn first, then the repeats within each. Times of two entries are compared as ratios "
    "of processes of the same block, with Student's interval over the blocks."
)


def _empty(study: Study, settings: ReportSettings) -> Page:
    note = "This study holds no measured cell yet, so there is nothing to compare."
    skipped = _filled(problems.skipped(study))
    sections = (Section(name="problems", title="Skipped files", tables=skipped),) if skipped else ()
    return Page(title=settings.title or wording.plain(study.name), about=settings.about, facts=(), cautions=(note,),
                verdict=(), sections=sections, commands=())  # fmt: skip


def _picked(found: dict[str, Drawing], *names: str) -> tuple[Drawing, ...]:
    return tuple(found[name] for name in names if name in found)


def _filled(*candidates: Table) -> tuple[Table, ...]:
    return tuple(table for table in candidates if table.rows)


def _classification(study: Study, comparison: Comparison) -> tuple[Table, ...]:
    tasks = comparison.tasks[comparison.tasks["kind"] == "classification"]["task"]
    made = [tables.classification(comparison, study, str(task)) for task in tasks]
    return tuple(table for table in made if len(table.columns) > 1)


def _facts(study: Study, comparison: Comparison) -> tuple[tuple[str, str], ...]:
    entries, tasks = comparison.entries, list(comparison.tasks["task"])
    devices = sorted({wording.short(str(name), 60) for name in entries["device_name"]})
    dates = sorted(text[:10] for text in study.cells["started"] if text)
    finished = int((study.cells["status"] == "ok").sum())
    return (
        ("Models", f"{entries['model'].nunique()}: {wording.listing(sorted(set(entries['model'])), most=12)}"),
        *([("Tasks", f"{len(tasks)}: {wording.listing(tasks, most=12)}")] if tasks else []),
        ("Device", "; ".join(devices)),
        ("Cells", f"{finished} of {len(study.cells)} with a result"),
        ("Newest record", dates[-1] if dates else "not dated"),
    )


def _problems_lead(study: Study) -> str:
    good = not (study.cells["status"] != "ok").any() and not study.cells["warning_count"].any()
    return "Every cell has a result, without a warning." if good and not len(study.unreadable) else ""


def _commands(study: Study) -> tuple[str, ...]:
    lists = sorted({command for command in study.cells["command"] if command != "[]"})
    return tuple(wording.plain(shlex.join(["harness", "run", *map(str, json.loads(command))])) for command in lists)


def _table(name: str, title: str, heads: Sequence[str], rows: list[tuple[object, ...]]) -> Table:
    columns = tuple(Column(key=head.lower(), label=head, numeric=False) for head in heads)
    lines = tuple(tuple(text("" if pd.isna(value) else str(value)) for value in row) for row in rows)
    return Table(name=name, title=title, columns=columns, rows=lines)


def _models(comparison: Comparison) -> Table:
    """Effective settings of every entry."""
    names = ["entry", "source", "revision", "model_class", "parameters", "dtype", "attention", "quantisation",
             "weights", "context", "device"]  # fmt: skip
    heads = ["Model", "Source", "Revision", "Class", "Parameters", "Dtype", "Attention", "Quantisation", "Weights",
             "Context", "Device"]  # fmt: skip
    rows = list(comparison.entries[names].itertuples(index=False, name=None))
    return _table("models", "Models as they were loaded", heads, rows)


def _tasks(study: Study, comparison: Comparison) -> Table:
    """What was asked, and how the scores are to be read."""
    rows: list[tuple[object, ...]] = []
    sources = study.cells.drop_duplicates("cell").set_index("cell")["task_source"]
    for task in comparison.tasks.itertuples(index=False):
        cells = comparison.scores[comparison.scores["task"] == task.task]
        first = cells.iloc[0]
        better = {"↑": "higher is better", "↓": "lower is better", "": "not known"}[task.arrow]
        chance = f"{100 * task.chance:.1f} %" if task.percent and pd.notna(task.chance) else ""
        metric = wording.metric(str(task.metric))
        rows.append((task.task, task.kind, sources.get(first["cell"], ""), metric, better, chance, first["shots"],
                     first["limit"], first["seed"]))  # fmt: skip
    heads = ["Task", "Kind", "Source", "Metric", "Direction", "Chance", "Shots", "Limit", "Seed"]
    return _table("task-settings", "Tasks as they were asked", heads, rows)


def _environment(study: Study) -> Table:
    """Versions, commits and devices; several values where cells differ."""
    cells = study.cells
    versions: dict[str, set[str]] = {}
    for line in cells["versions"].unique():
        for name, version in json.loads(line).items():
            versions.setdefault(str(name), set()).add(str(version))
    rows: list[tuple[object, ...]] = [
        (label, ", ".join(sorted({str(v) for v in cells[column] if v})))
        for label, column in (("harness", "harness"), ("commit", "commit"), ("device", "device_name"))
    ]
    rows += [(name, ", ".join(sorted(found))) for name, found in sorted(versions.items())]
    seconds = cells["seconds"].dropna().sum()
    rows.append(("measuring took", wording.scaled(float(seconds), "s")))
    return _table("environment", "Environment", ["What", "Value"], rows)
