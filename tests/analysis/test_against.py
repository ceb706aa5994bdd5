"""Two sides item by item: entries of one study, of two studies, of two runs of one, and what may not be paired."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from harness.analysis import against, against_page, side_by_side
from harness.analysis.comparisons import MEAN
from harness.analysis.page import Page, Section
from harness.config import ConfigError
from harness.store import Store

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

MODELS = ("mini-gpt2-s", "mini-gptj", "mini-gpt2-l")
TASKS = ("topic", "agreement", "heldout_text")
EMPTY = Page(title="t", about="", facts=(), cautions=(), verdict=("v",), commands=(),
             sections=(Section(name="comparison", title="c"), Section(name="problems", title="p")))  # fmt: skip


def written(synthetic: ModuleType, folder: Path, *, models: tuple[str, ...] = MODELS, better: int = 0) -> Path:
    """A study; `better` wrong answers of each model on `topic` are right in it."""
    for model in models:
        for task in TASKS:
            record, samples = synthetic.task_record(model, task, documents=60)
            if task == "topic" and better:
                wrong = [s.item_id for s in samples if s.metrics["acc"] == 0][:better]
                samples = [replace(s, pred=s.gold, metrics={"acc": 1.0}) if s.item_id in wrong else s for s in samples]
                mean = float(np.mean([s.metrics["acc"] for s in samples]))
                first = replace(record.measurements[0], value=mean)
                record = replace(record, measurements=(first, *record.measurements[1:]))
            Store(folder).write(record, samples)
    return folder


@pytest.fixture(scope="module")
def results(synthetic: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two studies: `new` is right on 15 documents more of one task, and lacks a model."""
    folder = tmp_path_factory.mktemp("results")
    written(synthetic, folder / "old")
    written(synthetic, folder / "new", models=MODELS[:2], better=15)
    return folder


@pytest.fixture(scope="module")
def sides(results: Path) -> tuple[against.Side, against.Side]:
    """The two studies, read."""
    return against.side(results / "new"), against.side(results / "old")


def test_the_same_entries_of_two_studies_are_paired_by_document(sides: tuple[against.Side, against.Side]) -> None:
    """What changed is a difference of exactly those documents; what did not is none; partners are told apart."""
    new, old = sides
    pairs = against.matched(new.comparison, old.comparison)
    assert sorted(pairs) == [(name, name) for name in sorted(MODELS[:2])]
    found = against.beside(new, old, pairs)
    assert not found.refused
    assert found.alone == ()
    assert found.missing == ("mini-gpt2-l",)
    by = {(line.verdict.claim.a, line.task): line for line in found.lines}
    for name in MODELS[:2]:
        line = by[name, "topic"]
        assert line.verdict.claim.b == f"{name} in old"
        assert (line.verdict.claim.difference.only_a, line.verdict.claim.difference.only_b) == (15, 0)
        assert line.left - line.right == pytest.approx(15 / 60)
        assert line.verdict.word == "better"
        assert by[name, "agreement"].verdict.claim.difference.value == 0
        mean = by[name, MEAN]
        assert mean.left - mean.right == pytest.approx(mean.verdict.claim.difference.value)


def test_one_study_is_compared_with_itself(sides: tuple[against.Side, against.Side]) -> None:
    """Two entries of one study: differences are those of their scores; better is positive, even if less is better."""
    _, old = sides
    found = against.beside(old, old, [("mini-gpt2-l", "mini-gpt2-s")])
    for line in found.lines:
        sign = -1 if line.task == "heldout_text" else 1
        assert line.verdict.claim.difference.value == pytest.approx(sign * (line.left - line.right), abs=1e-6)
    assert {line.verdict.tests for line in found.lines if line.task != MEAN} == {len(TASKS)}


def test_what_may_not_be_paired_says_why(
    synthetic: ModuleType, tmp_path: Path, sides: tuple[against.Side, against.Side]
) -> None:
    """Other documents, another limit, a task without a score: a reason each, and no difference."""
    record, samples = synthetic.task_record("mini-gptj", "topic", documents=60)
    asked = {**record.cell.spec, "workload": {**record.cell.spec["workload"], "limit": 99}}
    Store(tmp_path / "odd").write(replace(record, cell=replace(record.cell, spec=asked)), samples[:-1])
    record, samples = synthetic.task_record("mini-gpt2-s", "agreement", documents=60)
    Store(tmp_path / "odd").write(record, samples)
    odd, old = against.side(tmp_path / "odd"), sides[1]
    found = against.beside(odd, old, against.matched(odd.comparison, old.comparison))
    reasons = {(a, task): reason for a, _, task, reason in found.refused}
    assert "limit differs: 99 and 250" in reasons["mini-gptj", "topic"]
    assert "documents differ: 59 shared" in reasons["mini-gptj", "topic"]
    assert reasons["mini-gptj", "agreement"] == "no score of mini-gptj"
    assert [(line.verdict.claim.a, line.task) for line in found.lines] == [("mini-gpt2-s", "agreement")]


def test_entries_find_each_other_by_their_settings(
    synthetic: ModuleType, tmp_path: Path, sides: tuple[against.Side, against.Side]
) -> None:
    """Where a study holds a model at two precisions, the partner is the one of the same precision."""
    for dtype in ("float32", "bfloat16"):
        record, samples = synthetic.task_record("mini-gptj", "topic", documents=60)
        subject = {**record.provenance["subject"], "dtype": dtype}
        cell = replace(record.cell, spec={**record.cell.spec, "model": {**record.cell.spec["model"], "dtype": dtype}})
        Store(tmp_path / "two").write(
            replace(record, cell=cell, provenance={**record.provenance, "subject": subject}), samples
        )
    two, old = against.side(tmp_path / "two"), sides[1]
    assert against.matched(two.comparison, old.comparison) == [("mini-gptj (float32)", "mini-gptj")]


def test_the_page_gains_a_section_and_a_sentence(sides: tuple[against.Side, against.Side], results: Path) -> None:
    """Means shown, tasks and refusals folded, after the leaderboard; the sentence counts every verdict."""
    page = against_page.joined(EMPTY, sides[0], results / "old")
    assert [section.name for section in page.sections] == ["comparison", "against", "problems"]
    section = page.sections[1]
    assert [table.name for table in section.tables] == ["against-means"]
    assert [table.name for table in section.folded] == ["against", "against-refused"]
    assert "only in old" in section.folded[1].markdown()
    assert page.verdict[0] == "v"
    counts = [int(number) for number in re.findall(r"(\d+) (?:better|worse|equivalent|inconclusive)", page.verdict[1])]
    assert sum(counts) == 2 * len(TASKS)
    assert page.verdict[1].startswith(f"Beside old, item by item: of {2 * len(TASKS)} comparisons")


def test_the_terminal_table_fits(sides: tuple[against.Side, against.Side]) -> None:
    """Every line fits the width, less important columns go first, the verdict never."""
    found = against.beside(*sides, against.matched(sides[0].comparison, sides[1].comparison))
    table = against_page.table(found.lines, heads=("new", "old"), name="t", title="", several=True)
    wide, narrow = (side_by_side.drawn(table, width=width) for width in (200, 100))
    assert len(wide) == len(narrow) == 2 + len(table.rows)
    assert max(map(len, narrow)) <= 100 < max(map(len, wide))
    assert all(re.search(r"(better|equivalent|inconclusive \(.*\))$", line) for line in narrow[2:])


@pytest.mark.parametrize(
    ("words", "study", "message"),
    [
        (("new:mini-gptj", "new:mini-gptj"), None, "beside itself"),
        (("mini-gptj", "mini-gpt2-s"), "nwe", "no records of a study 'nwe': did you mean 'new'"),
        (("mini-gptj", "mini-gpt2-s"), None, "in which study"),
    ],
)
def test_words_that_name_nothing(results: Path, words: tuple[str, str], study: str | None, message: str) -> None:
    """One line that says what there is."""
    with pytest.raises(ConfigError, match=message):
        side_by_side.lines(*words, study=study, results=results, width=120)


def test_an_entry_that_is_not_there(sides: tuple[against.Side, against.Side]) -> None:
    """The nearest one is named."""
    assert against.entry(sides[0], "mini-gptj") == "mini-gptj"
    with pytest.raises(ConfigError, match="no entry 'mini-gpt2-x' in new: did you mean 'mini-gpt2-s'"):
        against.entry(sides[0], "mini-gpt2-x")


def test_two_runs_of_one_name_are_told_apart(synthetic: ModuleType, results: Path, tmp_path: Path) -> None:
    """Studies are named by a word or a folder; of one name they go by their folders."""
    again = written(synthetic, tmp_path / "old", models=MODELS[:1])
    lines = side_by_side.lines(str(again), "old", study=None, results=results, width=120)
    assert lines[0] == f"{tmp_path.name}/old beside {results.name}/old, item by item"


def test_studies_without_a_common_entry_are_refused(sides: tuple[against.Side, against.Side]) -> None:
    """One line names what the other study has."""
    one, other = sides
    entries = one.comparison.entries.assign(entry="x", model="x")
    stranger = replace(one, comparison=replace(one.comparison, entries=entries))
    with pytest.raises(ConfigError, match="no entry of new is in old, which has mini-gpt2-l"):
        side_by_side.between(stranger, other, width=80)
