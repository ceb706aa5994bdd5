"""What is said of robustness: curves, prompts, attacks, domains, tables, sentences, the terminal."""

# What stands in a frame has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false, reportIndexIssue=false, reportOperatorIssue=false, reportReturnType=false
from __future__ import annotations

import io
import re
from dataclasses import fields, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from harness.analysis import (
    derive,
    findings,
    frame,
    page,
    render,
    robust_page,
    robust_tables,
    robust_words,
    robustness,
    terminal,
)
from harness.analysis.current import current
from harness.analysis.settings import ReportSettings
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


@pytest.fixture(scope="module")
def whole(varied_study: Path) -> Read:
    """Two models on a task with every kind of variation."""
    return read(varied_study)


def test_curves_start_at_clean_and_the_pooled_one_is_their_mean(whole: Read) -> None:
    """Every curve has a point at 0 without a drop; the pooled values are means; the area is the trapezoid."""
    curves = whole.measured.curves
    own = curves[curves["entry"] == "mini-gpt2-l"]
    assert (own[own["severity"] == 0]["drop"] == 0).all()
    strict = own[(own["group"] == "strict") & ~own["pooled"]]
    pooled = own[own["pooled"]].set_index("severity")
    assert set(pooled["variation"]) == {robustness.ALL_STRICT}
    assert strict.groupby("severity")["value"].mean().to_numpy() == pytest.approx(pooled["value"].to_numpy())
    by_hand = np.trapezoid(pooled["value"], pooled.index) / (pooled["value"].iloc[0] * pooled.index[-1])
    assert pooled["area"].iloc[0] == pytest.approx(by_hand)
    assert ((curves["lo"] <= curves["value"]) & (curves["value"] <= curves["hi"])).all()


def test_planted_weakness_is_the_largest_drop(whole: Read) -> None:
    """`keyboard_typo` was made to hurt twice as much: it leads both models' drops, and a sentence says so."""
    drops = whole.measured.drops
    assert drops.loc[drops.groupby("entry")["drop"].idxmax(), "variation"].eq("keyboard_typo").all()
    lines = robust_words.sentences(whole.measured, whole.comparison)
    assert any("mini-gpt2-l under keyboard_typo at 0.5" in line for line in lines)


def test_formats_spread_more_than_noise_and_draws_do_not(whole: Read) -> None:
    """As planted; the clean prompt is one of the variants; positions of options cover all documents."""
    prompts = whole.measured.prompts.set_index(["entry", "variation"])
    points = whole.measured.prompt_points
    row = prompts.loc[("mini-gpt2-l", "prompt_format")]
    assert row["variants"] == 7
    assert row["separable"]
    assert row["spread"] > row["spread_noise_hi"]
    assert not prompts.loc[("mini-gpt2-l", "example_draw"), "separable"]
    own = points[(points["entry"] == "mini-gpt2-l") & (points["variation"] == "prompt_format")]
    assert own["value"].max() - own["value"].min() == pytest.approx(row["spread"])
    assert own["clean"].sum() == 1
    places = whole.measured.positions.query("entry == 'mini-gpt2-l'")
    assert places["n"].sum() == 90 * 4
    assert (places["recall"] * places["n"]).sum() / 360 == pytest.approx(
        points[(points["entry"] == "mini-gpt2-l") & (points["variation"] == "option_order")]["value"].mean()
    )


def test_attacks_are_held_against_random_edits(whole: Read, varied_study: Path) -> None:
    """Rates are of the documents that were right; the gap is paired; the curve ends at the rate."""
    found = whole.measured.attacks.set_index(["entry", "variation"])
    row = found.loc[("mini-neox", "greedy_characters")]
    known = frame.samples(varied_study).query("model == 'mini-neox' and perturbation == 'greedy_characters'")
    assert row["attacked"] == known["metric:clean_acc"].sum()
    assert row["success_rate"] == pytest.approx(known["metric:success"].sum() / known["metric:clean_acc"].sum())
    assert row["under_attack"] == pytest.approx(known["metric:acc"].mean())
    assert row["control"] == "random_characters"
    assert row["difference"] == pytest.approx(row["success_rate"] - row["control_rate"])
    assert row["separable"]
    assert found.loc[("mini-neox", "random_characters"), "control"] == ""
    curve = whole.measured.attack_curve.query("entry == 'mini-neox' and variation == 'greedy_characters'")
    assert curve["success_rate"].is_monotonic_increasing
    assert (curve["success_rate"].iloc[0], curve["success_rate"].iloc[-1]) == (0, pytest.approx(row["success_rate"]))


def test_transfer_names_victim_and_target(whole: Read) -> None:
    """Examples found on the one model, given to the other: one row each way, and dashes on the table's diagonal."""
    found = whole.measured.transfer
    assert set(zip(found["victim"], found["model"], strict=True)) == {
        ("mini-neox", "mini-gpt2-l"), ("mini-gpt2-l", "mini-neox")
    }  # fmt: skip
    table = robust_tables.transfer(whole.measured)
    dashes = [value.text for row in table.rows for value in row[3:] if value.faint]
    assert len(dashes) == 2


@pytest.fixture(scope="module")
def domains(synthetic: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Read:
    """Six models on two tasks, one of which says that it is the other out of domain."""
    store = Store(tmp_path_factory.mktemp("results") / "domains")
    for model in synthetic.MODELS:
        for task, inside in (("topic", ""), ("review_sentiment", "topic"), ("agreement", "elsewhere")):
            record, samples = synthetic.task_record(model, task, documents=40)
            workload = {**record.cell.spec["workload"], "domain_of": inside}
            spec = {**record.cell.spec, "workload": workload}
            store.write(replace(record, cell=replace(record.cell, spec=spec)), samples)
    return read(store.folder)


def test_domains_are_pairs_of_clean_tasks(domains: Read) -> None:
    """Six models: gaps of two independent samples, and effective robustness; a task that is not there gives nothing."""
    found, rows = domains, domains.measured.domains
    scores = found.comparison.scores
    inside, outside = (
        scores[scores["task"] == task].set_index("entry")["value"] for task in ("topic", "review_sentiment")
    )
    assert len(rows) == 6
    gap = (inside - outside).reindex(rows["entry"]).to_numpy()
    assert rows["gap"].to_numpy() == pytest.approx(gap)
    assert rows["effective"].notna().all()
    few = found.comparison.entries.head(4)["entry"]
    some = replace(found.comparison, entries=found.comparison.entries[found.comparison.entries["entry"].isin(few)])
    measured = robustness.measure(found.study, frame.documents(found.study.folders[0]), some)
    assert measured is not None
    assert measured.domains["effective"].isna().all()
    assert measured.domains["effective_why"].eq("fewer than 5 models").all()


def test_texts_say_what_became_of_them(whole: Read) -> None:
    """Inflation is a ratio of sums, shares are of all trials, a drop of changed texts only is larger."""
    rows = whole.measured.drops.query("severity == 0.5")
    assert rows["token_inflation"].to_numpy() == pytest.approx(1.25)
    assert rows["changed"].between(0.7, 1).all()
    assert rows["changed_only_drop"].to_numpy() == pytest.approx((rows["drop"] / rows["changed"]).to_numpy())
    assert (rows["js"].between(0, 1) & (rows["js"] > 0)).all()


def test_every_frame_and_table_has_its_columns(whole: Read, domains: Read) -> None:
    """Empty frames keep their columns; tables are numbers as CSV; two readings are alike to the last bit."""
    empty = domains.measured
    for field in fields(robustness.Robustness):
        assert list(getattr(empty, field.name).columns) == list(getattr(whole.measured, field.name).columns)
    shown, folded = robust_tables.tables(whole.measured, whole.comparison)
    names = [table.name for table in (*shown, *folded)]
    assert names == ["robustness-overview", "drops-topic", "prompts", "attacks", "transfer",
                     "drops", "texts-topic", "positions"]  # fmt: skip
    numbers = next(table for table in folded if table.name == "drops").frame()
    assert pd.api.types.is_numeric_dtype(numbers["p_holm"])
    assert (numbers["pdr_lo"] <= numbers["pdr"]).all()
    again = read(whole.study.folders[0]).measured
    for field in fields(robustness.Robustness):
        pd.testing.assert_frame_equal(getattr(again, field.name), getattr(whole.measured, field.name))


def test_the_page_is_sound(whole: Read, varied_study: Path) -> None:
    """The section stands before calibration, with its sentences in the verdict; no anchor occurs twice."""
    quality = findings.find(whole.study, whole.comparison, frame.documents(varied_study))
    bare = page.compose(quality, drawings=(), settings=ReportSettings())
    full = page.ordered(robust_page.joined(bare, whole.measured, whole.comparison, drawings=()))
    names = [section.name for section in full.sections]
    assert names.index("comparison") < names.index("robustness") < names.index("calibration") < names.index("tasks")
    assert len(full.verdict) > len(bare.verdict)
    anchors = re.findall(r' id="([^"]+)"', render.html(full))
    assert len(anchors) == len(set(anchors))
    assert "Drop at the highest severity: topic" in render.markdown(full)


def test_the_terminal_has_a_block(whole: Read, varied_study: Path) -> None:
    """One line per model and task after the leaderboard, in plain ASCII where need be, and the sentences."""
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    terminal.show(varied_study, Console(file=stream, width=110))
    stream.flush()
    block = raw.getvalue().decode("ascii").partition("\nRobustness\n")[2]
    (line,) = (line for line in block.splitlines() if line.startswith("mini-neox "))
    clean = float(whole.measured.worst.set_index("entry").loc["mini-neox", "clean"])
    assert line.split()[1:3] == ["topic", f"{100 * clean:.1f}"]
    assert "Worst case over 9 strict cells" in block
    assert "than random edits" in block
