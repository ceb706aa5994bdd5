"""Quality against cost: joint draws that stay paired, standings that noise does not make, prices."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from harness.analysis import answers, costs, derive, draws, frame
from harness.analysis.current import current
from harness.records import Measurement
from harness.store import Store

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

    from harness.analysis.derive import Comparison

Read = tuple[frame.Study, "Comparison", answers.Answers]


def read(folder: Path) -> Read:
    """A study, its comparison, and what every entry answered."""
    study = current(frame.read(folder))
    comparison = derive.compare(study)
    return study, comparison, answers.held(study, comparison, frame.documents(folder))


@pytest.fixture(scope="module")
def whole(small: Path) -> Read:
    """Three models on seven tasks."""
    return read(small)


def test_draws_keep_the_pairs_and_the_errors(whole: Read) -> None:
    """Centred on the scores, as wide as their errors, and correlated as the models are over documents."""
    _, comparison, held = whole
    found = draws.drawn(comparison, held, draws=4000)
    order = list(comparison.entries["entry"])
    scores = comparison.scores.set_index(["task", "entry"])
    for task in ("topic", "heldout_text"):
        for place, entry in enumerate(order):
            row = scores.loc[task, entry]
            assert found[task][:, place].mean() == pytest.approx(row["value"], abs=0.15 * row["stderr"])
            assert found[task][:, place].std() == pytest.approx(row["stderr"], rel=0.12)
    (names, table), *_ = answers.matrix(held["topic"]).items()
    mine = np.corrcoef(found["topic"][:, [order.index(name) for name in names]].T)
    assert mine == pytest.approx(np.corrcoef(table.T), abs=0.08)
    assert np.isnan(found["continue_list"][:, order.index("mini-gptj")]).all()


def test_draws_of_what_is_always_right_are_not_certain(synthetic: ModuleType, tmp_path: Path) -> None:
    """Twenty of twenty right: a resample would never vary, Wilson's error does."""
    record, samples = synthetic.task_record("mini-neox", "topic", documents=20)
    first, *rest = record.measurements
    perfect = replace(record, measurements=(replace(first, value=1.0, stderr=0.0), *rest))
    Store(tmp_path / "s").write(perfect, [replace(one, metrics={"acc": 1.0}) for one in samples])
    _, comparison, held = read(tmp_path / "s")
    assert draws.drawn(comparison, held)["topic"].std() == pytest.approx(comparison.scores["stderr"].iloc[0], rel=0.1)


def test_means_are_those_of_the_leaderboard(whole: Read) -> None:
    """The draws of the mean lie about the mean score, chance put at 0."""
    _, comparison, held = whole
    found = draws.means(comparison, draws.drawn(comparison, held))
    assert found.mean(axis=0) == pytest.approx(comparison.entries["mean"].to_numpy(), abs=0.01)
    assert found.std(axis=0) == pytest.approx(comparison.entries["mean_stderr"].to_numpy(), rel=0.15)


def test_standings_agree_with_the_table(whole: Read) -> None:
    """Who is on the front by point estimates is called so; only what is sure is called dominated."""
    study, comparison, held = whole
    means = draws.means(comparison, draws.drawn(comparison, held))
    found = costs.costs(study, comparison, comparison.efficiency, means=means)
    assert {cost.metric for cost in found.found} == {"decode_tok_s", "peak_memory", "itl"}
    order = list(comparison.entries["entry"])
    table = costs.table(found, order)
    assert table is not None
    for column, cost in enumerate(found.found, start=2):
        assert not (cost.frame["front"] & cost.frame["dominated"]).any()
        for row in table.rows:
            stands = cost.frame.loc[row[0].text]
            assert (row[column].text == "front") is bool(stands["front"])
            assert row[column].text.startswith("dominated by") is bool(stands["dominated"])


def test_far_behind_on_both_is_dominated(synthetic: ModuleType, tmp_path: Path) -> None:
    """A model that is much worse and needs more memory is dominated by name; the better one is on the front."""
    for model, size in (("mini-gpt2-l", 1e8), ("mini-gpt2-s", 9e8)):
        Store(tmp_path / "s").write(*synthetic.task_record(model, "topic", documents=200))
        probe = synthetic.probe_record(model)
        numbers = [replace(m, value=size) if m.metric == "peak_host_bytes" else m for m in probe.measurements]
        Store(tmp_path / "s").write(replace(probe, measurements=tuple(numbers)))
    study, comparison, held = read(tmp_path / "s")
    means = draws.means(comparison, draws.drawn(comparison, held))
    cost = next(c for c in costs.costs(study, comparison, None, means=means).found if c.metric == "peak_memory")
    assert cost.frame["dominated"].to_dict() == {"mini-gpt2-l": False, "mini-gpt2-s": True}
    assert cost.frame.loc["mini-gpt2-s", "rival"] == "mini-gpt2-l"


def test_prices_are_those_of_all_tasks_that_count(synthetic: ModuleType, tmp_path: Path) -> None:
    """Two models with a price on both tasks are set against each other; one without a price on one of them is not."""
    for model, tasks in (("mini-gpt2-l", 2), ("mini-gptj", 2), ("mini-neox", 1)):
        for place, task in enumerate(("topic", "agreement")):
            record, samples = synthetic.task_record(model, task, documents=30)
            price = (Measurement(metric="cost", value=0.5, unit="USD"),) if place < tasks else ()
            Store(tmp_path / "s").write(replace(record, measurements=(*record.measurements, *price)), samples)
    study, comparison, held = read(tmp_path / "s")
    means = draws.means(comparison, draws.drawn(comparison, held, draws=200))
    cost = next(c for c in costs.costs(study, comparison, None, means=means).found if c.metric == "usd")
    assert cost.frame["value"].to_dict() == {"mini-gpt2-l": 1.0, "mini-gptj": 1.0}
