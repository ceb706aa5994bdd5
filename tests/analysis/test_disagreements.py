"""Where the models disagree: the right documents, both answers, few of them, and nothing where there is nothing."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from harness.analysis import comparisons, derive, disagreements, disagreements_page, frame
from harness.analysis.current import current
from harness.analysis.page import Page, Section
from harness.store import Store

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

    import pyarrow as pa

    from harness.analysis.comparisons import Judged
    from harness.analysis.derive import Comparison

Read = tuple["Comparison", "Judged", "pa.Table"]
EMPTY = Page(title="t", about="", facts=(), cautions=(), verdict=(), commands=(),
             sections=(Section(name="comparison", title="c"), Section(name="problems", title="p")))  # fmt: skip


def read(folder: Path) -> Read:
    """Everything that the section is made of."""
    found, documents = current(frame.read(folder)), frame.documents(folder)
    comparison = derive.compare(found)
    return comparison, comparisons.judged(found, comparison, documents), documents


@pytest.fixture(scope="module")
def parts(small: Path) -> Read:
    """Those of three models on few documents."""
    return read(small)


def test_pairs_are_the_best_with_the_second_the_baseline_and_the_last(parts: Read) -> None:
    """At most three, best first, none twice."""
    comparison, judged, _ = parts
    order = list(comparison.entries["entry"])
    assert disagreements.pairs(comparison, judged) == [(order[0], order[1]), (order[0], order[2])]
    assert disagreements.pairs(comparison, judged, baseline=order[0]) == [(order[0], order[1]), (order[0], order[2])]
    assert disagreements.pairs(comparison, judged, baseline=order[2])[1] == (order[0], order[2])


def test_documents_are_those_that_one_alone_gets_right(parts: Read) -> None:
    """Counts are those of the paired test; keys are right in one and wrong in the other; rarest first."""
    comparison, judged, documents = parts
    pair = disagreements.pairs(comparison, judged)[0]
    rows = {v.claim.about: v.claim.difference for v in judged.verdicts if (v.claim.a, v.claim.b) == pair}
    rights = {
        (row["model"], row["workload"], row["item_id"]): next(
            value for name, value in row.items() if name.startswith("metric:") and value is not None
        )
        for row in documents.to_pylist()
    }
    for left, right in disagreements.splits(comparison, judged, pair):
        assert (len(left.keys), len(right.keys)) == (rows[left.task].only_a, rows[left.task].only_b)
        for one in (left, right):
            assert list(one.rights) == sorted(one.rights)
            for key, number in zip(one.keys, one.rights, strict=True):
                assert rights[one.one, one.task, key] == 1
                assert rights[one.other, one.task, key] == 0
                assert number == sum(rights.get((m, one.task, key), 0) for m in comparison.entries["model"])


def test_tasks_take_turns() -> None:
    """One document of each task before the second of any, and no more than asked for."""
    sides = [disagreements.Split(task=t, one="a", other="b", keys=tuple(f"{t}{i}" for i in range(n)), rights=(1,) * n,
                                 entries=2, n=9) for t, n in (("x", 1), ("y", 3), ("z", 0))]  # fmt: skip
    found = [(side.task, at) for side, at in disagreements.in_turn(sides, 3)]
    assert found == [("x", 0), ("y", 0), ("y", 1)]


def test_the_section_shows_prompts_and_both_answers(parts: Read) -> None:
    """A table of counts per pair, then cards: prompt, what was expected, what either said; before the problems."""
    comparison, judged, documents = parts
    page = disagreements_page.joined(EMPTY, comparison, judged, documents)
    assert [section.name for section in page.sections] == ["comparison", "disagreements", "problems"]
    section = page.sections[1]
    assert len(section.tables) == 2
    assert len(section.folded) == 4
    for card in section.folded:
        assert card.cards
        assert 0 < len(card.rows) <= disagreements_page.DOCUMENTS
        assert [column.key for column in card.columns] == list(disagreements_page.COLUMNS)
        for _, task, prompt, gold, right, wrong, share in card.rows:
            assert prompt.text.startswith("Question")
            assert task.text in prompt.text
            assert right.text == gold.text != wrong.text
            assert right.best
            assert re.fullmatch(r"[12] of [23] entries", share.text)


def test_long_texts_are_cut_and_a_task_without_a_disagreement_has_no_card(
    synthetic: ModuleType, tmp_path: Path
) -> None:
    """Of a prompt the end is kept, of an answer the start; lines and indents stay. Both right: a line, no card."""
    for model, task in itertools.product(("mini-gpt2-s", "mini-gpt2-l"), ("topic", "agreement")):
        record, samples = synthetic.task_record(model, task, documents=30)
        texts = [replace(s, prompt="few\n" * 900 + "shots\x07\n\tthe \u202equestion", pred=s.pred + " very" * 300,
                         metrics={"acc": 1.0} if task == "agreement" else s.metrics) for s in samples]  # fmt: skip
        Store(tmp_path / "s").write(record, texts)
    section = disagreements_page.joined(EMPTY, *read(tmp_path / "s")).sections[1]
    (counts,) = section.tables
    assert {row[0].text: row[4].text for row in counts.rows}["agreement"] == "0.0"
    rows = list(itertools.chain.from_iterable(card.rows for card in section.folded))
    assert rows
    for headline, task, prompt, _, right, wrong, _ in rows:
        assert task.text == "topic"
        assert headline.text.startswith("topic: … few few")
        assert headline.text.endswith("few shots the question")
        assert len(headline.text) <= len("topic: … ") + disagreements_page.HEADLINE
        assert prompt.text.startswith("…")
        assert prompt.text.endswith("shots\n    the question")
        assert len(prompt.text) <= disagreements_page.PROMPT + 1
        assert len(right.text) <= disagreements_page.ANSWER + 1 >= len(wrong.text)


def test_length_normalised_answers_are_those_that_were_scored(synthetic: ModuleType, tmp_path: Path) -> None:
    """Of acc_norm the answer is the option that is best per character, not the one that is likeliest."""
    for model, logprobs in (("mini-gpt2-s", (-4.0, -5.0)), ("mini-gpt2-l", (-3.0, -18.0))):
        record, samples = synthetic.task_record("mini-gpt2-s", "agreement", documents=3)
        workload = {**record.cell.spec["workload"], "metrics": ["acc_norm"]}
        cell = replace(record.cell, model=model, spec={**record.cell.spec, "workload": workload})
        right = float(model == "mini-gpt2-s")
        texts = [replace(s, options=("no", "certainly"), gold="certainly", pred="no", logprobs=logprobs,
                         metrics={"acc_norm": right, "acc": 0.0}) for s in samples]  # fmt: skip
        numbers = (replace(record.measurements[0], metric="acc_norm", value=right, n=3),)
        Store(tmp_path / "s").write(replace(record, cell=cell, measurements=numbers), texts)
    page = disagreements_page.joined(EMPTY, *read(tmp_path / "s"))
    said = [(right.text, wrong.text) for _, _, _, _, right, wrong, _ in _rows(page)]
    assert said == [("certainly", "no")] * 3


def test_nothing_to_show_is_no_section(synthetic: ModuleType, tmp_path: Path) -> None:
    """Two models on different documents: the page stays as it is."""
    for index, model in enumerate(("mini-gptj", "mini-neox")):
        record, samples = synthetic.task_record(model, "topic", documents=8)
        Store(tmp_path / "s").write(record, [replace(s, item_id=f"{index}{s.item_id}") for s in samples])
    assert disagreements_page.joined(EMPTY, *read(tmp_path / "s")) is EMPTY


def _rows(page: Page) -> list[tuple[object, ...]]:
    return list(itertools.chain.from_iterable(card.rows for card in page.sections[1].folded))
