"""A report with a section on where the models disagree: prompts and both answers, to be opened one by one.

Layer: above `page` and `disagreements`, below `report`; pure. Few pairs and few documents of each, so that the page
stays small whatever was measured.
"""

# What stands in a frame has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false
from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, final

import numpy as np

from harness.analysis import answers, disagreements, pairing, wording
from harness.analysis.page import Section
from harness.analysis.sheet import Column, Table, Value, text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from harness.analysis.comparisons import Judged
    from harness.analysis.derive import Comparison
    from harness.analysis.disagreements import Split
    from harness.analysis.page import Page

DOCUMENTS = 12
"""Documents per pair and side."""

PROMPT, ANSWER, HEADLINE = 900, 300, 88
"""Characters that are shown of a prompt (its end), of an answer (its start), and of a prompt in a headline."""

BEFORE = ("problems", "method")
"""Sections that stand after this one."""

LEAD = (
    "Two entries with the same score can be right on different documents. The tables count, pair by pair, the "
    f"documents that only one of the two gets right; below are up to {DOCUMENTS} of each side, tasks in turn, first "
    "those that the fewest entries get right. They were picked because they differ: they are examples, not evidence."
)

COLUMNS = ("document", "task", "prompt", "expected", "answer", "answer_of_the_other", "right")
"""Columns of the documents of one side."""


@final
@dataclass(frozen=True, kw_only=True)
class _Kept:
    """Where the texts of a document are found."""

    comparison: Comparison
    documents: pa.Table
    slices: Mapping[tuple[str, str], tuple[int, int]]


def joined(
    page: Page, comparison: Comparison, judged: Judged, documents: pa.Table, *, baseline: str | None = None
) -> Page:
    """The page with the section on disagreements; the page as it is where no two entries disagree on a right answer.

    Args:
        page: without it.
        comparison: entries in the order of the leaderboard.
        judged: which entries may be compared on what.
        documents: with their texts.
        baseline: entry or model that belongs in a pair.
    """
    chosen = disagreements.pairs(comparison, judged, baseline=baseline)
    if not chosen:
        return page
    kept = _Kept(comparison=comparison, documents=documents, slices=answers.slices(documents))
    both = {pair: disagreements.splits(comparison, judged, pair) for pair in chosen}
    sides = [side for found in both.values() for side in zip(*found, strict=True)]
    section = Section(
        name="disagreements", title="Where the models disagree", lead=LEAD,
        tables=tuple(counts(pair, found) for pair, found in both.items()),
        folded=tuple(cards(side, kept) for side in sides if any(split.keys for split in side)),
    )  # fmt: skip
    place = next((at for at, one in enumerate(page.sections) if one.name in BEFORE), len(page.sections))
    return replace(page, sections=(*page.sections[:place], section, *page.sections[place:]))


def counts(pair: tuple[str, str], both: Sequence[tuple[Split, Split]]) -> Table:
    """A line per task: how many documents only the one, only the other gets right, and on what share they differ."""
    a, b = (wording.short(name, 40) for name in pair)
    columns = (
        Column(key="task", label="Task", numeric=False), Column(key="documents", label="Documents"),
        Column(key="only_a", label=f"Only {a}"), Column(key="only_b", label=f"Only {b}"),
        Column(key="differ", label="They differ on", sub="%"),
    )  # fmt: skip
    rows = [_counted(left.task, left.n, len(left.keys), len(right.keys)) for left, right in both]
    sums = [sum(numbers) for numbers in zip(*((x.n, len(x.keys), len(y.keys)) for x, y in both), strict=True)]
    foot = (_counted("all tasks", *sums),) if len(rows) > 1 else ()
    name = f"disagreements-{'-and-'.join(pair)}"
    return Table(name=name, title=f"{a} and {b}: right alone", columns=columns, rows=tuple(rows), foot=foot)


def cards(side: Sequence[Split], kept: _Kept) -> Table:
    """The documents of one side of a pair, each to be opened."""
    one, other = (wording.short(name, 40) for name in (side[0].one, side[0].other))
    total, picked = sum(len(split.keys) for split in side), disagreements.in_turn(side, DOCUMENTS)
    texts = {
        split.task: [_texts(entry, split.task, {s.keys[at] for s, at in picked if s is split}, kept)
                     for entry in (split.one, split.other)]
        for split in dict.fromkeys(split for split, _ in picked)
    }  # fmt: skip
    labels = ("Document", "Task", "Prompt", "Expected", f"{one} says", f"{other} says", "Right in")
    few = f"{len(picked)} of {total:,} documents" if len(picked) < total else f"{total} document{'s' * (total > 1)}"
    return Table(
        name=f"only-{side[0].one}-not-{side[0].other}", title=f"{one} is right, {other} is not: {few}", cards=True,
        columns=tuple(Column(key=k, label=label, numeric=False) for k, label in zip(COLUMNS, labels, strict=True)),
        rows=tuple(_card(split, at, texts[split.task]) for split, at in picked),
    )  # fmt: skip


def _counted(task: str, n: int, only_a: int, only_b: int) -> tuple[Value, ...]:
    share = (only_a + only_b) / n
    numbers = [Value(text=f"{number:,}", number=float(number)) for number in (n, only_a, only_b)]
    return (text(task), *numbers, Value(text=wording.percent(share), number=share))


def _texts(entry: str, task: str, keys: set[str], kept: _Kept) -> dict[str, dict[str, Any]]:
    """What an entry was asked and said, by the key of the document."""
    scores = kept.comparison.scores
    rows = scores[(scores["entry"] == entry) & (scores["task"] == task)]
    study, cell, metric = rows[["study", "cell", "metric"]].iloc[0]
    own = kept.documents.slice(*kept.slices.get((study, cell), (0, 0)))
    subsets = own["subset"].to_pylist() if "subset" in own.column_names else ()
    names = pairing.keys(own["item_id"].to_pylist(), subsets)
    places = {key: at for at, key in reversed(list(enumerate(names))) if key in keys}
    wanted = [c for c in ("prompt", "gold", "pred", "options", "logprobs") if c in own.column_names]
    lines = own.select(wanted).take(list(places.values())).to_pylist()
    return {key: {**line, "metric": metric} for key, line in zip(places, lines, strict=True)}


def _card(split: Split, at: int, texts: Sequence[Mapping[str, dict[str, Any]]]) -> tuple[Value, ...]:
    key = split.keys[at]
    right, wrong = (known.get(key, {}) for known in texts)
    prompt, gold = _lines(right.get("prompt")), _lines(right.get("gold"))
    asked = wording.plain(prompt) or wording.plain(gold) or key
    ending = asked if len(asked) <= HEADLINE else f"… {asked[-HEADLINE:].partition(' ')[2] or asked[-HEADLINE:]}"
    return (
        text(f"{wording.short(split.task, 40)}: {ending}"), text(split.task),
        _value(prompt if len(prompt) <= PROMPT else f"…{prompt[-PROMPT:]}"), _cut(gold),
        replace(_cut(_said(right)), best=True), _cut(_said(wrong)),
        text(f"{split.rights[at]} of {split.entries} entries"),
    )  # fmt: skip


def _said(row: Mapping[str, Any]) -> str:
    """The answer that was scored: of length-normalised accuracy, the option that is best by it.

    Source:
        lm-eval `ConfigurableTask.process_results`: log-likelihoods divided by the options' lengths in characters.
    """
    options, logprobs = row.get("options"), row.get("logprobs")
    if row.get("metric") == "acc_norm" and options and logprobs and len(options) == len(logprobs):
        return _lines(options[int(np.argmax([p / max(len(o), 1) for p, o in zip(logprobs, options, strict=True)]))])
    return _lines(row.get("pred"))


def _cut(lines: str) -> Value:
    return _value(lines if len(lines) <= ANSWER else f"{lines[:ANSWER]}…")


def _value(lines: str) -> Value:
    """Text with its lines, which `sheet.text` would join."""
    return Value(text=lines) if lines else text("")


def _lines(value: str | None) -> str:
    """Lines with their indents, without control characters and marks that reorder text."""
    lines = (value or "").expandtabs(4).strip("\r\n ").splitlines()
    return "\n".join(" " * (len(line) - len(line.lstrip(" "))) + wording.plain(line) for line in lines)
