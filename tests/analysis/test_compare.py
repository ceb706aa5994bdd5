"""Order, pairs, tables and sentences of a comparison."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from harness.analysis import derive, findings, frame, tables, verdict
from harness.analysis.current import current
from harness.records import Measurement, Record
from harness.store import Store

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

    from harness.analysis.findings import Findings


def told(folder: Path, **settings: object) -> Findings:
    """Everything that a study says of quality."""
    found = current(frame.read(folder))
    return findings.find(found, derive.compare(found), frame.documents(folder), **settings)  # pyright: ignore[reportArgumentType]


@pytest.fixture(scope="module")
def whole(study: Path) -> Findings:
    """Everything that the full study says of quality."""
    return told(study, baseline="mini-gpt2-m")


def test_order_is_by_mean_over_tasks_that_all_share(whole: Findings) -> None:
    """The task that failed and the one that ran out of memory do not count, for anybody."""
    comparison = whole.comparison
    counted = set(comparison.tasks.loc[comparison.tasks["counted"], "task"])
    assert counted == {"agreement", "review_sentiment", "story_ending", "topic"}
    assert comparison.entries["mean"].is_monotonic_decreasing
    assert "4 of 7 tasks" in comparison.basis


def test_mean_is_the_mean_of_corrected_scores(whole: Findings) -> None:
    """The mean and its error are what one computes by hand."""
    comparison = whole.comparison
    scores = comparison.scores[comparison.scores["entry"] == "mini-neox"].set_index("task")
    chances = {"agreement": 0.5, "review_sentiment": 0.5, "story_ending": 0.25, "topic": 0.25}
    expected = np.mean([(scores.loc[t, "value"] - c) / (1 - c) for t, c in chances.items()])
    error = np.sqrt(sum((scores.loc[t, "stderr"] / (1 - c)) ** 2 for t, c in chances.items())) / 4
    row = comparison.entries.set_index("entry").loc["mini-neox"]
    assert (row["mean"], row["mean_stderr"]) == pytest.approx((expected, error))


def test_pairs_need_the_same_documents(synthetic: ModuleType, tmp_path: Path) -> None:
    """Models that saw different documents are never compared, and the sentence says so."""
    folder = tmp_path / "s"
    for model, number in (("mini-gpt2-s", 40), ("mini-neox", 50)):
        record, samples = synthetic.task_record(model, "topic", documents=number)
        Store(folder).write(record, samples)
    found = told(folder)
    assert not len(found.judged.frame)
    assert found.judged.refused["reason"].str.startswith("documents differ: 40 shared").all()
    assert any("No pair could be tested: documents differ" in line for line in verdict.sentences(found))


def test_who_saw_other_documents_is_named(synthetic: ModuleType, tmp_path: Path) -> None:
    """Of three models one saw fewer documents: the other two are compared, and it is said who was not."""
    for model, number in (("mini-gpt2-l", 60), ("mini-gptj", 60), ("mini-gpt2-s", 50)):
        Store(tmp_path / "s").write(*synthetic.task_record(model, "topic", documents=number))
    found = told(tmp_path / "s")
    assert len(found.judged.means) == 1
    assert len(found.judged.refused) == 2
    assert "not be compared item by item with mini-gpt2-s on every task" in verdict.sentences(found)[0]


def test_positive_differences_mean_better_also_where_lower_is_better(whole: Findings) -> None:
    """On bits per byte the best model is ahead of the worst by a positive, separable difference."""
    rows = whole.judged.frame.query("task == 'heldout_text' and a == 'mini-gpt2-l' and b == 'mini-gpt2-s'")
    assert rows["diff"].iloc[0] > 0
    assert rows["verdict"].iloc[0] == "better"


def test_sentences_claim_only_what_the_verdicts_say(whole: Findings) -> None:
    """Every task is said to be led or not led; the leader of each led one is better than all others by its verdicts."""
    lines = verdict.sentences(whole, baseline="mini-gpt2-m")
    assert "mini-gpt2-l has the highest mean score" in lines[0]
    assert any("better than all others on heldout_text (mini-gpt2-l)" in line for line in lines)
    assert any("not separable on agreement" in line for line in lines)
    assert any(line.startswith("Against the baseline mini-gpt2-m, on the mean: better:") for line in lines)
    assert any("2 of 48 cells have no result" in line for line in lines)
    led = next(line for line in lines if line.startswith("One entry is better than all others on"))
    frame_ = whole.judged.frame
    for task in whole.comparison.tasks["task"]:
        rows = verdict.seen_from(frame_[frame_["task"] == task], "mini-gpt2-l")
        assert (f"{task} (mini-gpt2-l)" in led) is bool((rows["verdict"] == "better").all() and len(rows) == 5)


def test_what_is_not_separable_carries_what_would_have_shown(synthetic: ModuleType, tmp_path: Path) -> None:
    """Two close models: the sentence says which difference would mostly not show, and how many documents it takes."""
    for model in ("mini-gptneo", "mini-gpt2-m"):
        Store(tmp_path / "s").write(*synthetic.task_record(model, "topic", documents=60))
    found = told(tmp_path / "s")
    row = found.judged.means.iloc[0]
    assert row["verdict"] == "inconclusive"
    assert row["mde80"] == pytest.approx(2.80 * row["se"], rel=1e-3)
    line = verdict.sentences(found)[0]
    assert f"differences under about {100 * row['mde80']:.0f} points would mostly not show" in line
    assert "times as many documents" in line


def test_equal_models_are_not_separable(synthetic: ModuleType, tmp_path: Path) -> None:
    """An A/A control: one checkpoint under two names has no leader; on identical answers the two are equivalent."""
    folder = tmp_path / "s"
    for name in ("one", "two"):
        record, samples = synthetic.task_record("mini-neox", "topic")
        Store(folder).write(replace(record, cell=replace(record.cell, model=name)), samples)
    found = told(folder)
    text = " ".join(verdict.sentences(found))
    assert set(found.judged.frame["verdict"]) == {"equivalent"}
    assert "It is equivalent to two: the difference is under 1 point" in text
    assert "All entries are equivalent on topic." in text
    assert "better than" not in text


def test_one_row_per_model_holds_quality_and_speed(whole: Findings) -> None:
    """The leaderboard has every model once, with task scores, decode speed and memory in the same row."""
    comparison = whole.comparison
    board = tables.leaderboard(comparison)
    keys = [column.key for column in board.columns]
    assert len(board.rows) == 6
    assert {"topic", "mean", "decode_tok_s", "prefill_tok_s", "ttft", "peak_memory", "parameters"} <= set(keys)
    row = dict(zip(keys, next(r for r in board.rows if r[0].text == "mini-gpt2-l"), strict=True))
    assert row["story_question"].text == "OOM"
    assert row["topic"].spread.startswith("±")


def test_the_same_model_under_two_dtypes_is_two_entries(synthetic: ModuleType, tmp_path: Path) -> None:
    """Settings that differ under one label become part of the name; those that do not stay out of it."""
    folder = tmp_path / "s"
    for dtype in ("float32", "bfloat16"):
        record, samples = synthetic.task_record("mini-neox", "topic", documents=20)
        spec = {**record.cell.spec, "model": {**record.cell.spec["model"], "dtype": dtype}}
        facts = {**record.provenance, "subject": {**record.provenance["subject"], "dtype": dtype}}
        Store(folder).write(replace(record, cell=replace(record.cell, spec=spec), provenance=facts), samples)
    entries = derive.compare(frame.read(folder)).entries["entry"]
    assert set(entries) == {"mini-neox (bfloat16)", "mini-neox (float32)"}


def test_a_limit_that_changed_makes_two_tasks(synthetic: ModuleType, tmp_path: Path) -> None:
    """Scores on 20 and on 40 documents never share a column."""
    folder = tmp_path / "s"
    for limit in (20, 40):
        record, samples = synthetic.task_record("mini-neox", "topic", documents=limit)
        spec = {**record.cell.spec, "workload": {**record.cell.spec["workload"], "limit": limit}}
        Store(folder).write(replace(record, cell=replace(record.cell, spec=spec)), samples)
    assert set(derive.compare(frame.read(folder)).tasks["task"]) == {"topic (limit 20)", "topic (limit 40)"}


def test_perturbed_cells_stay_out_of_the_leaderboard(synthetic: ModuleType, tmp_path: Path) -> None:
    """Scores on perturbed input are counted in a note, not mixed with clean ones."""
    folder = tmp_path / "s"
    record, samples = synthetic.task_record("mini-neox", "topic", documents=20)
    Store(folder).write(record, samples)
    Store(folder).write(replace(record, cell=replace(record.cell, perturbation="typos", severity=0.2)), samples)
    comparison = derive.compare(frame.read(folder))
    assert len(comparison.scores) == 1
    assert "perturbed input: 1" in " ".join(tables.leaderboard(comparison).notes)


def test_device_memory_is_preferred_to_host_memory(synthetic: ModuleType, tmp_path: Path) -> None:
    """Where the device's peak was measured, the host's is not shown."""
    folder = tmp_path / "s"
    record: Record = synthetic.probe_record("mini-neox")
    peak = Measurement(metric="peak_device_bytes", value=5.0e9, unit="B")
    Store(folder).write(replace(record, measurements=(*record.measurements, peak)))
    found = derive.speed_of(derive.compare(frame.read(folder)), "peak_memory")
    assert found["value"].tolist() == [5.0e9]


def test_tables_are_numbers_as_csv(whole: Findings) -> None:
    """A table's frame holds numbers and interval ends, never formatted text, where there is a number."""
    comparison = whole.comparison
    found = tables.leaderboard(comparison).frame()
    assert found["topic_lo"].le(found["topic"]).all()
    assert pd.api.types.is_numeric_dtype(found["decode_tok_s"])
    assert tables.per_task(comparison, "topic", whole.judged).frame()["p_holm"].between(0, 1).sum() == 5


def test_classification_table_has_all_that_was_measured(whole: Findings) -> None:
    """Accuracy, balanced accuracy, precision, recall, F1 and MCC, one row per model."""
    table = tables.classification(whole.comparison, whole.study, "topic")
    assert [c.key for c in table.columns[1:]] == list(tables.DETAILS[:-1])
    assert len(table.rows) == 6


def test_chance_is_that_of_guessing_where_a_task_names_none(synthetic: ModuleType, tmp_path: Path) -> None:
    """Four options and no declared chance: one in four; a generation task has nothing to guess among."""
    folder = tmp_path / "s"
    for task in ("topic", "story_question"):
        record, samples = synthetic.task_record("mini-neox", task, documents=20)
        spec = {**record.cell.spec, "workload": {**record.cell.spec["workload"], "chance": None}}
        Store(folder).write(replace(record, cell=replace(record.cell, spec=spec)), samples)
    chances = derive.compare(frame.read(folder)).tasks.set_index("task")["chance"]
    assert chances.to_dict() == {"story_question": 0.0, "topic": 0.25}


def test_speeds_on_different_devices_are_not_compared(synthetic: ModuleType, tmp_path: Path) -> None:
    """Two machines: no sentence says which model is fastest over both."""
    folder = tmp_path / "s"
    for model, slug in (("mini-gpt2-s", "cpu-a"), ("mini-gpt2-l", "gpu-b")):
        record = synthetic.probe_record(model)
        device = {**record.cell.spec["device"], "slug": slug, "name": slug}
        spec = {**record.cell.spec, "device": device}
        Store(folder).write(replace(record, cell=replace(record.cell, spec=spec)))
    assert "fastest" not in " ".join(verdict.sentences(told(folder)))


def test_nothing_is_best_where_all_are_equal(synthetic: ModuleType, tmp_path: Path) -> None:
    """Equal values of all entries are not marked; the best of unequal ones is, also where two share it."""
    folder = tmp_path / "s"
    for task, names in (("topic", ("mini-neox",) * 3), ("agreement", ("mini-gpt2-l", "mini-gpt2-l", "mini-gpt2-s"))):
        for label, name in zip("abc", names, strict=True):
            record, samples = synthetic.task_record(name, task)
            spec = {**record.cell.spec, "model": {**record.cell.spec["model"], "source": "zoo:x"}}
            Store(folder).write(replace(record, cell=replace(record.cell, model=label, spec=spec)), samples)
    for label in "abc":
        record = synthetic.probe_record("mini-neox")
        spec = {**record.cell.spec, "model": {**record.cell.spec["model"], "source": "zoo:x"}}
        Store(folder).write(replace(record, cell=replace(record.cell, model=label, spec=spec)))
    board = tables.leaderboard(derive.compare(frame.read(folder)))
    marked = {c.key: [row[0].text for row in board.rows if row[i].best] for i, c in enumerate(board.columns)}
    assert marked["topic"] == marked["decode_tok_s"] == marked["peak_memory"] == []
    assert marked["agreement"] == marked["mean"] == ["a", "b"]


def rescored(record: Record, **fields: object) -> Record:
    """The record with its primary measurement replaced."""
    first, *rest = record.measurements
    return replace(record, measurements=(replace(first, **fields), *rest))  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_all_right_is_not_certain(synthetic: ModuleType, tmp_path: Path, value: float) -> None:
    """At 0 and 100 % the sample's standard error is 0; the mean's interval is what the number of documents allows."""
    record, samples = synthetic.task_record("mini-neox", "topic", documents=20)
    Store(tmp_path / "s").write(rescored(record, value=value, stderr=0.0), samples)
    comparison = derive.compare(frame.read(tmp_path / "s"))
    row = comparison.scores.iloc[0]
    assert row["stderr"] == pytest.approx((row["hi"] - row["lo"]) / 2 / 1.96, rel=1e-3)
    assert comparison.entries["mean_stderr"].iloc[0] == pytest.approx(row["stderr"] / 0.75)


def test_no_certainty_from_three_documents(synthetic: ModuleType, tmp_path: Path) -> None:
    """All right against all wrong on three documents: the error of the difference of means is not 0."""
    for model, value in (("mini-neox", 1.0), ("mini-gptj", 0.0)):
        record, samples = synthetic.task_record(model, "topic", documents=3)
        scored = [replace(sample, metrics={"acc": value}) for sample in samples]
        Store(tmp_path / "s").write(rescored(record, value=value, stderr=0.0), scored)
    judged = told(tmp_path / "s").judged
    assert judged.means["se"].iloc[0] > 0.3
    assert judged.frame["verdict"].iloc[0] == "inconclusive"


@pytest.mark.parametrize(
    ("metric", "percent", "arrow"),
    [("bleu", False, "↑"), ("chrf", False, "↑"), ("ter", False, "↓"), ("mcc", False, "↑"), ("rougeL", True, "↑"),
     ("rouge1_max", False, "↑"), ("bleu_acc", True, "↑"), ("f1", True, "↑"), ("perplexity", False, "↓")],
)  # fmt: skip
def test_only_fractions_are_per_cent(
    synthetic: ModuleType, tmp_path: Path, metric: str, arrow: str, *, percent: bool
) -> None:
    """BLEU of 0.42 is 0.42 of 100 and stays out of the mean; an accuracy of 0.42 is 42 %."""
    record, _ = synthetic.task_record("mini-neox", "story_question", documents=20)
    workload = {**record.cell.spec["workload"], "metrics": [metric]}
    record = replace(record, cell=replace(record.cell, spec={**record.cell.spec, "workload": workload}))
    Store(tmp_path / "s").write(rescored(record, metric=metric, value=0.42, higher_is_better=arrow == "↑"))
    comparison = derive.compare(frame.read(tmp_path / "s"))
    task = comparison.tasks.iloc[0]
    assert (task["percent"], task["counted"], task["arrow"]) == (percent, percent, arrow)
    text = dict(zip(("model", "value"), tables.per_task(comparison, "story_question").rows[0], strict=False))["value"]
    assert text.text == ("42.0" if percent else "0.420")


@pytest.mark.parametrize(
    ("metric", "sub"), [("acc", "acc ↑"), ("bits_per_byte", "bits/byte ↓"), ("oddness", "oddness")]
)
def test_a_task_that_failed_everywhere_has_its_metrics_direction(
    synthetic: ModuleType, tmp_path: Path, metric: str, sub: str
) -> None:
    """No number says which way is better: the metric's name does, or there is no arrow."""
    record, _ = synthetic.task_record("mini-gptj", "continue_list")
    workload = {**record.cell.spec["workload"], "metrics": [metric]}
    cell = replace(record.cell, spec={**record.cell.spec, "workload": workload})
    Store(tmp_path / "s").write(replace(record, cell=cell))
    board = tables.leaderboard(derive.compare(frame.read(tmp_path / "s")))
    assert [column.sub for column in board.columns if column.group == "Quality"] == [sub]
