"""A comparison of two sides as tables and sentences, and a report with a section on another study.

Layer: above `page` and `against`, below `report` and `compare`; pure but for the other study, which `joined` reads.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from harness.analysis import wording
from harness.analysis.against import Beside, Line, Side, beside, matched, side
from harness.analysis.comparisons import MEAN
from harness.analysis.dots import SIGNS
from harness.analysis.equivalence import MARGIN, Word
from harness.analysis.page import Section
from harness.analysis.sheet import Column, Table, Value, text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from harness.analysis.page import Page

AFTER = "comparison"
"""Section after which this one stands."""

LEAD = (
    "The same entries in this study and in {other}, item by item. Positive differences say that this study's are "
    "better. Speeds are not compared: nothing says that the two were measured side by side."
)


def joined(page: Page, here: Side, folder: Path, *, margin: float = MARGIN) -> Page:
    """The page with a section that compares it with another study, and a sentence on it after those of the page.

    Args:
        page: without it.
        here: the study of the page.
        folder: of the other study.
        margin: difference that does not matter.

    Raises:
        ConfigError: there is no other study, or it has no result.
        ValueError: the margin is not positive.
    """
    there = side(folder)
    if there.name == here.name:
        there = replace(there, name=f"{folder.resolve().parent.name}/{there.name}")
    found = beside(here, there, matched(here.comparison, there.comparison), margin=margin)
    other = wording.short(there.name, 60)
    means = [line for line in found.lines if line.task == MEAN]
    tasks = [line for line in found.lines if line.task != MEAN]
    parts = ("against-means", "Means over tasks", means), ("against", "Entry by entry, task by task", tasks)
    shown = [table(lines, heads=("This study", other), name=name, title=title, several=True)
             for name, title, lines in parts if lines]  # fmt: skip
    left_out = refusals(found, other)
    section = Section(
        name="against", title=f"Beside {other}", lead=LEAD.format(other=other),
        tables=tuple(shown[:1]), folded=(*shown[1:], *([left_out] if left_out.rows else [])),
    )  # fmt: skip
    place = next((at + 1 for at, one in enumerate(page.sections) if one.name == AFTER), 0)
    sections = (*page.sections[:place], section, *page.sections[place:])
    return replace(page, verdict=(*page.verdict, sentence(found, other)), sections=sections)


def sentence(found: Beside, other: str) -> str:
    """How many of the comparisons with another study came out how."""
    lines = [line for line in found.lines if line.task != MEAN]
    counts = Counter(line.verdict.word for line in lines)
    words = wording.listing([f"{counts[word]} {word}" for word in Word if counts[word]])
    rest = f"; {len(found.refused)} could not be paired" if found.refused else ""
    if not lines:
        return f"Beside {other}: no entry and task could be paired{rest}."
    number = f"{len(lines)} comparison{'s' * (len(lines) > 1)}"
    return f"Beside {other}, item by item: of {number} of an entry on a task {words} (Holm-adjusted){rest}."


def table(lines: Sequence[Line], *, heads: tuple[str, str], name: str, title: str, several: bool = False) -> Table:
    """A line per pair and task: both scores, the paired difference with its interval, p and the verdict.

    Args:
        lines: what to show.
        heads: what the two sides are called.
        name: file name and anchor.
        title: what it shows.
        several: whether a column names the entry.
    """
    left, right = (wording.short(head, 30) for head in heads)
    counted = any(_counts(line) for line in lines)
    columns = [
        *([Column(key="entry", label="Entry", numeric=False)] if several else []),
        Column(key="task", label="Task", numeric=False), Column(key="left", label=left),
        Column(key="right", label=right), Column(key="difference", label="Difference"),
        Column(key="interval", label="95 % interval"),
        *([Column(key="only_left", label="Only 1st", sub="right"),
           Column(key="only_right", label="Only 2nd", sub="right")] if counted else []),
        Column(key="p_holm", label="p", sub="Holm"), Column(key="verdict", label="Verdict", numeric=False),
    ]  # fmt: skip
    rows = [_row(line, several=several, counted=counted) for line in lines]
    return Table(name=name, title=title, columns=tuple(columns), rows=tuple(rows), notes=notes(lines))


def notes(lines: Sequence[Line]) -> tuple[str, ...]:
    """How the numbers were had, from the lines themselves."""
    if not lines:
        return ()
    judged = lines[0].verdict
    methods = wording.listing(sorted({line.verdict.claim.difference.method for line in lines}))
    family = f"{judged.tests} test{'s' * (judged.tests > 1)}"
    told = (
        f"Paired on identical documents ({methods}); p adjusted for {family} (Holm). Positive: the first is better, "
        "whichever way the metric points; fractions and the mean, which is corrected for chance, are in %. "
        f"Equivalent: within ±{judged.margin:g}, in % ±{100 * judged.margin:g} points (two one-sided tests)."
    )
    unsure = any(line.verdict.word is Word.INCONCLUSIVE for line in lines)
    return (told, *(["MDE: the smallest true difference that would show four times of five."] if unsure else []))


def refusals(found: Beside, other: str) -> Table:
    """What could not be paired, and why."""
    rows = [(text(a), text(b), text(task), text(reason)) for a, b, task, reason in found.refused]
    rows += [(text(name), text(""), text(""), text(f"no entry like it in {other}")) for name in found.alone]
    rows += [(text(""), text(name), text(""), text(f"only in {other}")) for name in found.missing]
    labels = ("Entry", "Beside", "Task", "Reason")
    columns = tuple(Column(key=label.lower(), label=label, numeric=False) for label in labels)
    return Table(name="against-refused", title="Not paired", columns=columns, rows=tuple(rows))


def _counts(line: Line) -> bool:
    return line.verdict.claim.difference.method == "McNemar exact"


def _row(line: Line, *, several: bool, counted: bool) -> tuple[Value, ...]:
    verdict, found = line.verdict, line.verdict.claim.difference
    only = [_count(n if _counts(line) else None) for n in (found.only_a, found.only_b)]
    ends = " to ".join(_signed(end, percent=line.percent) for end in (found.interval.lo, found.interval.hi))
    return (
        *([text(verdict.claim.a)] if several else []), text(line.task), _score(line.left, percent=line.percent),
        _score(line.right, percent=line.percent),
        Value(text=_signed(found.value, percent=line.percent), number=found.value, lo=found.interval.lo,
              hi=found.interval.hi),
        Value(text=ends), *(only if counted else []),
        Value(text=wording.p_value(verdict.p_holm), number=verdict.p_holm), _word(line),
    )  # fmt: skip


def _word(line: Line) -> Value:
    """Sign and word; of what is inconclusive the difference that would mostly have shown, if any document differs."""
    word, found = line.verdict.word, line.verdict.claim.difference
    said = f"{SIGNS[word]} {word}"
    if word is Word.INCONCLUSIVE:
        alike = _counts(line) and not found.only_a and not found.only_b
        said += " (no document differs)" if alike else f" (MDE {_size(found.detectable, percent=line.percent)})"
    return Value(text=said, detail=line.verdict.evidence)


def _score(value: float, *, percent: bool) -> Value:
    return Value(text=wording.percent(value) if percent else wording.significant(value), number=value)


def _count(number: int | None) -> Value:
    return text("") if number is None else Value(text=f"{number:,}", number=float(number))


def _signed(value: float, *, percent: bool) -> str:
    sign = "+" if value > 0 else "-" if value < 0 else ""
    return f"{sign}{_size(abs(value), percent=percent)}"


def _size(value: float, *, percent: bool) -> str:
    return wording.percent(value) if percent else wording.significant(value, 2)
