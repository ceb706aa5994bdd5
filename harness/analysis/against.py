"""Two sides item by item: two entries of one study, or the same entries in two studies or two runs of one.

Layer: above `comparisons`; pure but for `side`, which reads a study. What may not be paired is listed with the reason.
"""

# What stands in a frame has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false
from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import fmean
from typing import TYPE_CHECKING, final

import pandas as pd

from harness.analysis import answers, comparisons, derive, equivalence, frame
from harness.analysis.comparisons import MEAN
from harness.analysis.current import current
from harness.analysis.labels import ENTRY_FIELDS
from harness.config import ConfigError, nearest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from harness.analysis.answers import Answers
    from harness.analysis.derive import Comparison
    from harness.analysis.equivalence import Claim, Verdict

FAMILY = "all pairs and tasks of this comparison"
"""What is adjusted together."""

MEANS = "all pairs of this comparison, on the mean"
"""What is adjusted together on the means."""


@final
@dataclass(frozen=True, kw_only=True)
class Side:
    """A study to compare with another, or with itself.

    Attributes:
        name: of the study.
        comparison: its entries and tasks.
        answers: what every entry answered.
    """

    name: str
    comparison: Comparison
    answers: Answers


@final
@dataclass(frozen=True, kw_only=True)
class Line:
    """One pair of entries on one task.

    Attributes:
        task: as the first side calls it; `comparisons.MEAN` for the mean over tasks.
        left: score of the first entry.
        right: score of the second.
        percent: whether scores are fractions, shown as per cent.
        verdict: of the first beside the second; its claim names both.
    """

    task: str
    left: float
    right: float
    percent: bool
    verdict: Verdict


@final
@dataclass(frozen=True, kw_only=True)
class Beside:
    """What the comparison of two sides says.

    Attributes:
        lines: pair by pair, one per task that could be paired, then one on the mean where all its tasks could.
        refused: per pair and task that could not: entry, entry, task, reason.
        alone: entries of the first side without a partner.
        missing: entries of the second side without a partner.
    """

    lines: tuple[Line, ...]
    refused: tuple[tuple[str, str, str, str], ...]
    alone: tuple[str, ...]
    missing: tuple[str, ...]


def side(folder: Path) -> Side:
    """Reads a study.

    Raises:
        ConfigError: there is none, or it has no cell with a result.
    """
    if not (folder / "records").is_dir():
        raise ConfigError(f"no records of a study in {folder}: give the folder of one")
    found = current(frame.read(folder))
    if not (found.cells["status"] == "ok").any():
        raise ConfigError(f"study {found.name!r} has no result yet, so there is nothing to compare")
    comparison = derive.compare(found)
    held = answers.held(found, comparison, frame.documents(folder))
    return Side(name=found.name, comparison=comparison, answers=held)


def entry(one: Side, word: str) -> str:
    """The entry of a side that a word names: its label, or a model that has one entry.

    Raises:
        ConfigError: none, or several.
    """
    entries = one.comparison.entries
    names = [str(name) for name in entries["entry"]]
    if word in names:
        return word
    of_model = [name for name, model in zip(names, entries["model"], strict=True) if model == word]
    if len(of_model) == 1:
        return of_model[0]
    if of_model:
        raise ConfigError(f"{word!r} names several entries of {one.name}: {'; '.join(of_model)}")
    raise ConfigError(f"no entry {word!r} in {one.name}: {nearest(word, names)}")


def matched(here: Comparison, there: Comparison) -> list[tuple[str, str]]:
    """The entries that two studies share: of one label, else alone in being alike in model, method and settings."""
    pairs = {name: name for name in map(str, here.entries["entry"]) if name in set(there.entries["entry"])}
    for keys in (["model", "method", *ENTRY_FIELDS], ["model", "method"]):
        mine, theirs = (_unique(one.entries, keys) for one in (here, there))
        for key, name in mine.items():
            partner = theirs.get(key)
            if name not in pairs and partner is not None and partner not in pairs.values():
                pairs[name] = partner
    return [(name, pairs[name]) for name in map(str, here.entries["entry"]) if name in pairs]


def beside(one: Side, other: Side, pairs: Sequence[tuple[str, str]], *, margin: float = equivalence.MARGIN) -> Beside:
    """Every pair on every task that both sides know, judged as one family.

    Args:
        one: the first side.
        other: the second; may be the first.
        pairs: an entry of each.
        margin: difference that does not matter, in the unit of each metric.

    Raises:
        ValueError: the margin is not positive.
    """
    tasks = _tasks(one.comparison, other.comparison)
    named = {(a, _label(b, one, other)): (a, b) for a, b in pairs}
    claims: list[Claim] = []
    refused: list[tuple[str, str, str, str]] = []
    for names, (a, b) in named.items():
        for task, theirs in tasks.items():
            found, left_out = _claim(names, task, one.answers[task].get(a), other.answers[theirs].get(b),
                                     one.comparison)  # fmt: skip
            claims += found
            refused += left_out
    known = pd.DataFrame({"entry": [name for names in named for name in names]})
    means = comparisons.on_means(claims, replace(one.comparison, entries=known))
    verdicts = [*equivalence.judge(claims, family=FAMILY, margin=margin),
                *equivalence.judge(means, family=MEANS, margin=margin)]  # fmt: skip
    order = {names: place for place, names in enumerate(named)}
    verdicts.sort(key=lambda verdict: order[verdict.claim.a, verdict.claim.b])
    lines = [_line(verdict, one, other, named[verdict.claim.a, verdict.claim.b], tasks) for verdict in verdicts]
    here, there = ({str(name) for name in half} for half in zip(*pairs, strict=True)) if pairs else (set(), set())
    return Beside(
        lines=tuple(lines), refused=tuple(refused),
        alone=tuple(str(name) for name in one.comparison.entries["entry"] if name not in here),
        missing=tuple(str(name) for name in other.comparison.entries["entry"] if name not in there),
    )  # fmt: skip


def _label(name: str, one: Side, other: Side) -> str:
    return name if one is other else f"{name} in {other.name}"


def _unique(entries: pd.DataFrame, keys: list[str]) -> dict[tuple[str, ...], str]:
    """Entries by their settings, where no other entry has the same."""
    rows: dict[tuple[str, ...], list[str]] = {}
    for name, *settings in entries[["entry", *keys]].astype(str).itertuples(index=False, name=None):
        rows.setdefault(tuple(settings), []).append(name)
    return {key: names[0] for key, names in rows.items() if len(names) == 1}


def _tasks(here: Comparison, there: Comparison) -> dict[str, str]:
    """What each task of the first is called in the second: the same, or the only one of its workload in both."""
    names = set(there.tasks["task"])
    mine, theirs = (_unique(one.tasks.rename(columns={"task": "entry"}), ["workload"]) for one in (here, there))
    twins = {name: theirs[key] for key, name in mine.items() if key in theirs}
    found = {str(name): str(name) if name in names else twins.get(str(name)) for name in here.tasks["task"]}
    return {name: twin for name, twin in found.items() if twin is not None}


def _claim(
    names: tuple[str, str], task: str, a: answers.Held | None, b: answers.Held | None, comparison: Comparison
) -> tuple[list[Claim], list[tuple[str, str, str, str]]]:
    """The difference of a pair on a task, or the reason why there is none."""
    if a is None or b is None:
        without = [name for name, held in zip(names, (a, b), strict=True) if held is None]
        return [], [(*names, task, f"no score of {' and '.join(without)}")]
    higher = bool(comparison.tasks.set_index("task").loc[task, "higher"])
    return comparisons.of_task(task, {names[0]: a, names[1]: b}, higher=higher)


def _line(verdict: Verdict, one: Side, other: Side, pair: tuple[str, str], tasks: dict[str, str]) -> Line:
    task = verdict.claim.about
    if task == MEAN:
        counted = one.comparison.tasks[one.comparison.tasks["counted"]].set_index("task")["chance"].to_dict()
        left = fmean(derive.corrected(_score(one, pair[0], name), chance) for name, chance in counted.items())
        right = fmean(derive.corrected(_score(other, pair[1], tasks[name]), chance) for name, chance in counted.items())
        return Line(task=task, left=left, right=right, percent=True, verdict=verdict)
    percent = bool(one.comparison.tasks.set_index("task").loc[task, "percent"])
    left, right = _score(one, pair[0], task), _score(other, pair[1], tasks[task])
    return Line(task=task, left=left, right=right, percent=percent, verdict=verdict)


def _score(half: Side, name: str, task: str) -> float:
    scores = half.comparison.scores
    return float(scores.loc[(scores["entry"] == name) & (scores["task"] == task), "value"].iloc[0])
