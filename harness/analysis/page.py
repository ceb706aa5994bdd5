"""Study -> the words and parts of a report, in reading order; `render` turns them into files.

Layer: above `findings`, `tables`, `figures` and `verdict`; pure.
"""

# What stands in a frame or an Axes has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false, reportIndexIssue=false, reportOperatorIssue=false, reportReturnType=false
from __future__ import annotations

import json
import shlex
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, final

import pandas as pd

from harness.analysis import (
    confidence_tables,
    costs,
    efficiency_tables,
    problems,
    ranking,
    tables,
    verdict,
    wording,
)
from harness.analysis.sheet import Column, Table, text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.analysis.derive import Comparison
    from harness.analysis.drawing import Drawing
    from harness.analysis.findings import Findings
    from harness.analysis.frame import Study
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


def compose(found: Findings, *, drawings: Sequence[Drawing], settings: ReportSettings) -> Page:
    """The report on a study: every table, figure and sentence, in reading order.

    Args:
        found: everything that the study says of quality.
        drawings: every figure, as `figures.draw` makes them.
        settings: title, what the author says, and the baseline.
    """
    study, comparison = found.study, found.comparison
    if not len(study.cells):
        return _empty(study, settings)
    held = {drawing.name: drawing for drawing in drawings}
    sections = (*_of_quality(found, held), _efficiency(comparison, drawings), *_details(found, held))
    return ordered(Page(
        title=settings.title or wording.plain(study.name), about=settings.about, facts=_facts(study, comparison),
        cautions=problems.cautions(study), commands=_commands(study),
        verdict=verdict.sentences(found, baseline=settings.baseline),
        sections=tuple(s for s in sections if s.lead or s.drawings or s.tables or s.folded),
    ))  # fmt: skip


def ordered(page: Page) -> Page:
    """The page with its sections in the order of `ORDER`; one that is not named there stands before the method."""
    rank = {name: place for place, name in enumerate(ORDER)}
    other = rank["method"] - 0.5
    return replace(page, sections=tuple(sorted(page.sections, key=lambda one: rank.get(one.name, other))))


def _of_quality(found: Findings, held: Mapping[str, Drawing]) -> tuple[Section, ...]:
    comparison, told, ranked = found.comparison, found.confidence, found.ranking
    standings = costs.table(found.costs, list(comparison.entries["entry"]))
    summary, each = confidence_tables.tables(told) if told else ((), ())
    return (
        Section(name="comparison", title="Leaderboard", drawings=_picked(held, "scores"),
                tables=(tables.leaderboard(comparison, found.judged),)),
        Section(name="differences", title="Paired differences", drawings=_picked(held, "forest", "matrix", "ranks"),
                folded=(ranking.table(ranked),) if ranked else ()),
        Section(name="cost", title="Quality against cost", drawings=_picked(held, "tradeoffs"),
                tables=(standings,) if standings else ()),
        Section(name="scaling", title="Quality against size", drawings=_picked(held, "scaling")),
        Section(name="calibration", title="Calibration", lead=confidence_tables.lead(told) if told else "",
                drawings=_picked(held, "reliability", "risk-coverage"), tables=summary, folded=each),
    )  # fmt: skip


def _efficiency(comparison: Comparison, drawings: Sequence[Drawing]) -> Section:
    measured, opened = efficiency_tables.tables(comparison.efficiency, list(comparison.entries["entry"]))
    rest = tuple(drawing for drawing in drawings if drawing.name not in QUALITY)
    return Section(name="efficiency", title="Efficiency", drawings=rest, tables=measured, folded=opened)


def _details(found: Findings, held: Mapping[str, Drawing]) -> tuple[Section, ...]:
    study, comparison = found.study, found.comparison
    names = [str(task) for task in comparison.tasks["task"]]
    lists = (problems.failures(study), problems.warnings(study), problems.skipped(study), _refused(found))
    return (
        Section(name="tasks", title="Task by task", lead=_TASKS_LEAD if names else "",
                drawings=_picked(held, "heatmap"),
                folded=tuple(tables.per_task(comparison, name, found.judged) for name in names)),
        Section(name="classification", title="Classification in detail", tables=_classification(study, comparison)),
        Section(name="method", title="Method and environment", lead=_method(found),
                tables=_filled(_models(comparison), _tasks(study, comparison), _environment(study))),
        Section(name="problems", title="Failures, warnings and skipped files", lead=_problems_lead(study),
                tables=_filled(*lists)),
        Section(name="noise", title="Noise floor", drawings=_picked(held, "noise-floor")),
    )  # fmt: skip


ORDER = (
    "comparison", "against", "differences", "cost", "scaling", "robustness", "finetuning", "protocols",
    "calibration", "efficiency", "disagreements", "tasks", "classification", "method", "problems", "noise",
)  # fmt: skip
"""Sections in reading order: what can be said, what it costs, what it rests on."""

QUALITY = frozenset({
    "scores", "forest", "matrix", "ranks", "tradeoffs", "scaling", "reliability", "risk-coverage", "heatmap",
    "noise-floor",
})  # fmt: skip
"""Figures that are not of efficiency."""

_TASKS_LEAD = (
    "Intervals are 95 %. “Behind the best” is the paired difference on identical documents; p is adjusted for all "
    "pairs and tasks of this report. “Would show”: the smallest true difference that so many documents show four "
    "times of five."
)
_METHOD = (
    "Rates of right answers carry Wilson intervals, other scores normal ones from their standard error. The mean "
    "corrects each score for chance, (score - chance) / (1 - chance), and weighs tasks equally; its error treats "
    "tasks as fixed and takes that of a rate from its Wilson interval. Two entries are compared item by item, and only "
    "where documents, prompts, limits and versions are the same. Better or worse: the exact McNemar test "
    "(right-or-wrong scores), the paired t-test (other scores) or, where items come in clusters, Student's with one "
    "degree of freedom less than clusters, has p < 0.05 after Holm's adjustment for every pair and task, and the "
    "interval excludes 0; on the mean the paired normal test, adjusted for every pair. Equivalent: two one-sided tests "
    "say that the difference is below {margin}, after Holm's adjustment. All else is inconclusive. Timings are medians "
    "of the medians of processes with two-stage percentile bootstrap intervals: processes are drawn first, then the "
    "repeats within each. Times of two entries are compared as ratios of processes of the same block, with Student's "
    "interval over the blocks."
)


def _method(found: Findings) -> str:
    points = 100 * found.judged.margin
    return _METHOD.replace("{margin}", f"{points:g} point{'' if points == 1 else 's'} (or {found.judged.margin:g})")


def _refused(found: Findings) -> Table:
    """Pairs of entries that were not compared on a task; those with the same reason are one row."""
    groups = found.judged.refused.groupby(["task", "reason"], sort=True)
    rows: list[tuple[object, ...]] = []
    for (task, reason), own in groups:
        pairs = [f"{a} and {b}" for a, b in zip(own["a"], own["b"], strict=True)]
        rows.append((task, f"{len(pairs)}: {wording.listing(pairs, most=3)}", reason))
    return _table("not-compared", "Pairs that were not compared", ["Task", "Pairs", "Reason"], rows)


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
