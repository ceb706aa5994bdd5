"""Varied cells beside their clean ones: pairing, drops, worst cases, and what they must not touch."""

# What stands in a frame has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false, reportIndexIssue=false, reportOperatorIssue=false, reportReturnType=false
from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
import pytest

from harness.analysis import (
    comparisons,
    derive,
    findings,
    frame,
    page,
    problems,
    robust_page,
    robust_tables,
    robust_words,
    robustness,
    tables,
)
from harness.analysis.current import current
from harness.analysis.settings import ReportSettings
from harness.records import Record, Sample, Status
from harness.store import Store

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

    from harness.analysis.robustness import Robustness


class Read(NamedTuple):
    """A study as the reading half sees it."""

    study: frame.Study
    comparison: derive.Comparison
    measured: Robustness


def read(folder: Path) -> Read:
    """The study in a folder with its frames of robustness."""
    study = current(frame.read(folder))
    comparison = derive.compare(study)
    measured = robustness.measure(study, frame.documents(folder, texts=False), comparison)
    assert measured is not None
    return Read(study, comparison, measured)


def answered(samples: list[Sample], wrong: set[int], **metrics: float) -> list[Sample]:
    """The samples with exactly these documents wrong."""
    return [
        replace(sample, pred="nothing" if index in wrong else sample.gold,
                metrics={"acc": float(index not in wrong), **metrics})
        for index, sample in enumerate(samples)
    ]  # fmt: skip


def test_no_varied_cell_no_robustness(study: Path) -> None:
    """A study as before has no frames of robustness, and its page no section."""
    found = current(frame.read(study))
    comparison = derive.compare(found)
    assert robustness.measure(found, frame.documents(study), comparison) is None


def test_varied_cells_change_nothing_of_the_comparison(
    varied: ModuleType, synthetic: ModuleType, tmp_path: Path
) -> None:
    """Leaderboard, pairs and cautions are those of the same study without its varied cells."""
    for model in ("mini-gpt2-l", "mini-neox"):
        record, samples = synthetic.task_record(model, "topic", documents=30)
        for folder in ("bare", "full"):
            Store(tmp_path / folder).write(record, samples)
        for how in (varied.How(name="typo", group="strict", severity=0.5), varied.How(name="shape", group="prompt")):
            Store(tmp_path / "full").write(*varied.varied(record, answered(samples, set(range(20))), how))
    (first, alone), (second, beside) = (
        (study, derive.compare(study)) for study in (current(frame.read(tmp_path / name)) for name in ("bare", "full"))
    )
    where = ["study", "file"]
    pd.testing.assert_frame_equal(alone.scores.drop(columns=where), beside.scores.drop(columns=where))
    pd.testing.assert_frame_equal(alone.entries, beside.entries)
    pd.testing.assert_frame_equal(alone.speeds, beside.speeds)
    assert tables.leaderboard(alone).rows == tables.leaderboard(beside).rows
    assert problems.cautions(first) == problems.cautions(second)
    tested = [comparisons.judged(study, comparison, frame.documents(tmp_path / name)).frame
              for study, comparison, name in ((first, alone, "bare"), (second, beside, "full"))]  # fmt: skip
    pd.testing.assert_frame_equal(*tested)


class Cases:
    """One study in which every model is a case of its own."""

    def __init__(self, folder: Path, synthetic: ModuleType, varied: ModuleType) -> None:
        self.store, self.synthetic, self.varied = Store(folder), synthetic, varied

    def clean(self, case: str, *, task: str = "topic", documents: int = 40) -> tuple[Record, list[Sample]]:
        """The clean cell of a case, not yet written."""
        record, samples = self.synthetic.task_record("mini-gpt2-l", task, documents=documents)
        return replace(record, cell=replace(record.cell, model=case)), samples

    def asked(self, case: str, wrong: set[int], *hows: tuple[dict[str, Any], set[int]]) -> None:
        """A clean cell with these documents wrong, and varied cells with those."""
        record, samples = self.clean(case)
        self.store.write(record, answered(samples, wrong))
        for how, fails in hows:
            self.vary(record, answered(samples, fails), **how)

    def vary(self, record: Record, samples: list[Sample], **how: Any) -> None:
        """A varied cell, by default under a strict perturbation."""
        chosen = self.varied.How(**{"name": "typo", "group": "strict", "severity": 0.5, **how})
        self.store.write(*self.varied.varied(record, samples, chosen))


@pytest.fixture(scope="module")
def cases(synthetic: ModuleType, varied: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Read:
    """All cases, read once."""
    made = Cases(tmp_path_factory.mktemp("results") / "cases", synthetic, varied)
    made.asked("chance", set(range(30)), ({}, set(range(33))))
    made.asked("worst", {0}, ({"name": "a", "severity": 0.1}, {1}), ({"name": "a"}, {1, 2}), ({"name": "b"}, {2, 3}),
               ({"name": "c", "group": "soft"}, set(range(20))))  # fmt: skip
    made.asked("draws", set(), ({"name": "noise", "more": {"scope": "query"}}, {0, 1}),
               ({"name": "noise", "draw": 1, "more": {"scope": "query"}}, {1, 2, 3, 4}),
               ({"name": "noise", "more": {"scope": "all"}}, set(range(8))))  # fmt: skip
    record, samples = made.clean("drops")
    made.store.write(record, answered(samples, set(range(30, 40))))
    made.vary(record, answered(samples, {*range(6), *range(32, 40)})[:-1])
    record, samples = made.clean("order")
    twice = [*answered(samples, {3, 5}), answered(samples, set())[3]]
    made.store.write(record, twice)
    made.vary(record, [*reversed(twice[:-1]), twice[-1]])
    _without_pairs(made)
    _failed(made)
    _moved(made)
    return read(made.store.folder)


def _without_pairs(made: Cases) -> None:
    record, samples = made.clean("alone", documents=20)
    made.vary(record, samples)
    record, samples = made.clean("apart", documents=20)
    made.store.write(record, samples[:10])
    made.vary(record, samples[10:])
    record, samples = made.clean("bare", documents=20)
    made.store.write(record, [replace(sample, metrics={}) for sample in samples])
    made.vary(record, [replace(sample, metrics={}) for sample in samples])


def _failed(made: Cases) -> None:
    made.asked("failed", set())
    record, _ = made.clean("failed")
    for severity in (0.1, 0.3, 0.5):
        one, _ = made.varied.varied(record, [], made.varied.How(name="typo", group="strict", severity=severity))
        made.store.write(replace(one, status=Status.FAILED, error="ValueError: no text", measurements=()))


def _moved(made: Cases) -> None:
    record, samples = made.clean("moved")
    for started, cell, wrong in (("2026-01-02", "old", set(range(9))), ("2026-01-03", "new", {0})):
        given = [replace(s, metrics={**s.metrics, "success": 1 - s.metrics["acc"]})
                 for s in answered(samples, wrong, clean_acc=1.0, attacked=1.0)]  # fmt: skip
        more = {"attack": "greedy", "victim": "other", "cell": cell}
        how = made.varied.How(name="transfer", group="transfer", more=more)
        one, kept = made.varied.varied(record, given, how)
        made.store.write(replace(one, provenance={**one.provenance, "started": started}), kept)


def test_drops_are_those_of_the_documents(cases: Read) -> None:
    """By hand: 30 of 40 right; 6 of them turn wrong and 2 of the others right; one document is not there."""
    row = cases.measured.drops.query("entry == 'drops'").iloc[0]
    assert (row["n"], row["right_to_wrong"], row["wrong_to_right"]) == (39, 6, 2)
    assert row["clean"] == pytest.approx(30 / 39)
    assert row["perturbed"] == pytest.approx(26 / 39)
    assert row["drop"] == pytest.approx(4 / 39)
    assert row["pdr"] == pytest.approx(4 / 30)
    assert row["pdr_chance"] == pytest.approx(4 / 39 / (30 / 39 - 0.25))
    assert row["p"] == pytest.approx(2 * sum([1, 8, 28]) / 2**8)
    assert row["flips"] == pytest.approx(8 / 39)


def test_the_order_of_documents_does_not_matter(cases: Read) -> None:
    """Joined by id: the same samples backwards, and one document twice, give no drop."""
    row = cases.measured.drops.query("entry == 'order'").iloc[0]
    assert (row["drop"], row["n"], row["flips"]) == (0, 41, 0)


def test_worst_case_is_over_the_strict_cells(cases: Read) -> None:
    """Documents that a strict cell breaks count once; soft ones have their own; cells that others have are missed."""
    row = cases.measured.worst.query("entry == 'worst'").iloc[0]
    assert (row["cells"], row["cells_soft"], row["missing"]) == (3, 1, 3)
    assert row["clean"] == pytest.approx(39 / 40)
    assert row["worst"] == pytest.approx(36 / 40)
    assert row["worst_soft"] == pytest.approx(20 / 40)
    assert row["ratio"] == pytest.approx(36 / 39)
    assert row["ratio_lo"] <= row["ratio"] <= row["ratio_hi"]


def test_draws_are_pooled_and_scopes_are_not(cases: Read) -> None:
    """Two draws are averaged in one row; another scope of the same perturbation is another row."""
    found = cases.measured.drops.query("entry == 'draws'").set_index("variation")
    assert set(found.index) == {"noise (scope query)", "noise (scope all)"}
    row = found.loc["noise (scope query)"]
    assert (row["replicates"], row["trials"], row["n"], row["right_to_wrong"]) == (2, 80, 40, 6)
    assert row["drop"] == pytest.approx(6 / 80)


def test_rates_above_chance_are_withheld_at_chance(cases: Read) -> None:
    """10 of 40 right among four options: no rate, and it is said why, in the frame and in a sentence."""
    row = cases.measured.drops.query("entry == 'chance'").iloc[0]
    assert np.isnan(row["pdr_chance"])
    assert "not above chance" in row["pdr_chance_why"]
    assert row["pdr"] == pytest.approx(0.3)
    lines = robust_words.sentences(cases.measured, cases.comparison)
    assert any("nothing to lose: chance on topic" in line for line in lines)


def test_what_cannot_be_paired_is_said(cases: Read) -> None:
    """No clean cell, no shared document, a metric that single documents do not have: a row with the reason each."""
    reasons = cases.measured.absent.set_index("model")["reason"]
    assert "clean cell has no result" in reasons["alone"]
    assert "shares no document" in reasons["apart"]
    assert "acc is not known for single documents" in reasons["bare"]
    assert not set(cases.measured.drops["model"]) & set(reasons.index)
    assert len(robust_tables.absent(cases.measured).rows) == 3


def test_a_failed_varied_cell_is_among_the_failures(cases: Read) -> None:
    """Named with its variation; cells that failed alike are one row; the clean cell is none of them."""
    (row,) = problems.failures(cases.study).rows
    assert [value.text for value in row[:2]] == ["failed", "topic · typo@0.1"]
    assert row[3].text == "ValueError: no text (and 2 more)"
    assert set(cases.comparison.scores["status"]) == {"ok"}


def test_of_the_same_draw_only_the_newest_counts(cases: Read) -> None:
    """Examples of a victim that was attacked again replace those from before."""
    assert cases.measured.transfer["successes"].tolist() == [1.0]


def test_where_nothing_could_be_measured_the_section_says_so(
    varied: ModuleType, synthetic: ModuleType, tmp_path: Path
) -> None:
    """Only failures: a sentence in place of empty tables."""
    made = Cases(tmp_path / "s", synthetic, varied)
    _failed(made)
    found = read(tmp_path / "s")
    quality = findings.find(found.study, found.comparison, frame.documents(tmp_path / "s"))
    whole = page.compose(quality, drawings=(), settings=ReportSettings())
    joined = robust_page.joined(whole, found.measured, found.comparison, drawings=())
    assert next(s for s in joined.sections if s.name == "robustness").lead == robust_page.NONE


def test_bits_per_byte_are_weighted_and_a_rise_is_a_drop(
    varied: ModuleType, synthetic: ModuleType, tmp_path: Path
) -> None:
    """Language modelling: sums of bits over sums of bytes, on both sides; no flips, no shift, no rate above chance."""
    record, samples = synthetic.task_record("mini-neox", "heldout_text")
    size = np.random.default_rng(0).integers(50, 400, len(samples)).astype(float)
    before = [replace(s, metrics={**s.metrics, "bytes": b}) for s, b in zip(samples, size, strict=True)]
    after = [replace(s, metrics={"bits_per_byte": s.metrics["bits_per_byte"] + 0.5, "bytes": s.metrics["bytes"] + 20})
             for s in before]  # fmt: skip
    Store(tmp_path / "s").write(record, before)
    how = varied.How(name="typo", group="strict", severity=0.5)
    Store(tmp_path / "s").write(*varied.varied(record, after, how))
    row = read(tmp_path / "s").measured.drops.iloc[0]
    rates = np.array([s.metrics["bits_per_byte"] for s in samples])
    first, second = np.average(rates, weights=size), np.average(rates + 0.5, weights=size + 20)
    assert (row["clean"], row["perturbed"]) == pytest.approx((first, second))
    assert row["drop"] == pytest.approx(second - first)
    assert row["pdr"] == pytest.approx(second / first - 1)
    assert row["separable"]
    assert np.isnan([row["flips"], row["js"], row["pdr_chance"]]).all()
    assert row["pdr_chance_why"]
