"""Frames of fine-tuning: seeds are replicates, gains are paired by document, planted effects are found."""

# What stands in a frame has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false, reportIndexIssue=false, reportOperatorIssue=false, reportReturnType=false
from __future__ import annotations

import importlib.util
import json
import math
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from harness.analysis import derive, finetune, finetune_stats, frame, stats
from harness.analysis.current import current
from harness.analysis.finetune_names import baseline, differing, names
from harness.store import Store

if TYPE_CHECKING:
    from types import ModuleType

    from harness.analysis.finetune import Finetune


@pytest.fixture(scope="session")
def adapted() -> ModuleType:
    """The module that writes records of trainings."""
    spec = importlib.util.spec_from_file_location("adapted_records", Path(__file__).parents[1] / "data" / "adapted.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def measured(folder: Path) -> Finetune:
    """The frames of the study in a folder."""
    study = current(frame.read(folder))
    found = finetune.measure(study, frame.documents(folder, texts=False), derive.compare(study))
    assert found is not None
    return found


@pytest.fixture(scope="module")
def four(adapted: ModuleType, synthetic: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four methods with two seeds on a task, held-out text, the model as it is, one training that failed."""
    plan = adapted.Plan(failed=(("full", None, 1),), documents=150)
    return adapted.build(synthetic, tmp_path_factory.mktemp("results") / "four", plan)


@pytest.fixture(scope="module")
def whole(four: Path) -> Finetune:
    """Its frames."""
    return measured(four)


@pytest.fixture(scope="module")
def sized(adapted: ModuleType, synthetic: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Finetune:
    """Two methods with three numbers of examples, beside prompts with examples."""
    plan = adapted.Plan(methods=("lora", "prefix"), sizes=(8, 32, None), shots=(0, 4), documents=150,
                        text=False)  # fmt: skip
    return measured(adapted.build(synthetic, tmp_path_factory.mktemp("results") / "sized", plan))


def test_a_study_without_trainings_has_no_frames(synthetic: ModuleType, tmp_path: Path) -> None:
    """None says that nothing was trained."""
    record, samples = synthetic.task_record("mini-gpt2-m", "topic", documents=20)
    Store(tmp_path).write(record, samples)
    found = current(frame.read(tmp_path))
    assert finetune.measure(found, frame.documents(tmp_path), derive.compare(found)) is None


def test_every_training_has_a_row_and_seeds_share_one(whole: Finetune) -> None:
    """Eight trainings, one of them failed with its reason; four settings, whose numbers are means of their seeds."""
    made = whole.trainings
    assert len(made) == 8
    bad = made[made["status"] != "ok"]
    assert bad[["method", "seed"]].to_numpy().tolist() == [["full", 1]]
    assert "NaN at step 7" in bad["error"].iloc[0]
    settings = whole.settings.set_index("method")
    assert settings["seeds"].to_dict() == {"adapter": 2, "full": 1, "lora": 2, "prefix": 2}
    assert settings.loc["full", "failed"] == 1
    own = made[made["method"] == "lora"]
    assert settings.loc["lora", "seconds"] == pytest.approx(own["seconds"].mean())
    assert settings.loc["lora", "loss_gap_sd"] == pytest.approx(own["loss_gap"].std(ddof=1))
    assert math.isnan(settings.loc["full", "loss_gap_sd"])
    assert set(settings["entry"]) == {f"mini-gpt2-m + {name}" for name in settings.index}


def test_gains_are_paired_with_the_model_as_it_is(whole: Finetune, four: Path) -> None:
    """The gain is the mean over documents and seeds of trained minus untrained; the planted ones are found."""
    documents = frame.samples(four)
    own = documents[documents["workload"] == "topic"]
    before = own[own["method"] == "none"].set_index("item_id")["metric:acc"]
    after = own[own["method"] == "lora"].groupby("item_id")["metric:acc"].mean()
    row = whole.gains.set_index("method").loc["lora"]
    assert row["gain"] == pytest.approx((after - before).mean())
    assert row["value"] == pytest.approx(after.mean())
    assert (row["seeds"], row["n"]) == (2, 150)
    gains = whole.gains.set_index("method")
    assert gains["separable"].to_dict() == {"adapter": True, "full": True, "lora": True, "prefix": False}
    assert ((gains["gain_lo"] < gains["gain"]) & (gains["gain"] < gains["gain_hi"])).all()
    assert (gains["p_holm"] >= gains["p"]).all()


def test_one_seed_has_the_plain_paired_interval(whole: Finetune, four: Path) -> None:
    """With a single seed left, the gain is that of McNemar's test, and there is no spread between seeds."""
    row = whole.gains.set_index("method").loc["full"]
    own = frame.samples(four).query("workload == 'topic'")
    before, after = (own[own["method"] == name].set_index("item_id")["metric:acc"].sort_index() for name in
                     ("none", "full"))  # fmt: skip
    lost, won = int((before > after).sum()), int((after > before).sum())
    assert row["p"] == pytest.approx(stats.mcnemar(won, lost))
    assert math.isnan(row["seed_sd"])


def test_forgetting_is_seen_where_it_was_planted(whole: Finetune) -> None:
    """Full fine-tuning makes bits per byte worse; the others make them a little better."""
    rows = whole.forgetting.set_index("method")
    assert rows.loc["full", "separable"]
    assert rows.loc["full", "gain"] == pytest.approx(rows.loc["full", "base"] - rows.loc["full", "value"])
    assert rows.loc["full", "gain"] < 0
    assert (rows.drop("full")["gain"] > 0).all()


def test_rivals_are_paired_by_document_and_seed(whole: Finetune) -> None:
    """Six pairs of four methods; a pair with the failed training has one seed; LoRA beats the prefix."""
    rows = whole.rivals.set_index(["a", "b"])
    assert len(rows) == 6
    assert rows.loc[("full", "lora"), "seeds"] == 1
    lead = rows.loc[("lora", "prefix")]
    assert lead["seeds"] == 2
    assert lead["separable"]
    gains = whole.gains.set_index("method")["gain"]
    assert lead["difference"] == pytest.approx(gains["lora"] - gains["prefix"])


def test_curves_have_the_range_of_the_seeds(whole: Finetune) -> None:
    """Mean between lowest and highest; a single seed has no range; steps rise."""
    curves = whole.curves
    assert set(curves["curve"]) == {"train loss", "dev loss", "dev accuracy"}
    assert ((curves["lo"] <= curves["value"]) & (curves["value"] <= curves["hi"])).all()
    single = curves[curves["method"] == "full"]
    assert (single["lo"] == single["hi"]).all()
    assert all(rows["step"].is_monotonic_increasing for _, rows in curves.groupby(["id", "curve"]))


def test_worth_lies_where_the_curves_cross(sized: Finetune) -> None:
    """LoRA passes four shots between two of its sizes, the interval holds it; the prefix never gets there."""
    rows = sized.worth.set_index(["method", "shots"])
    found = rows.loc[("lora", 4)]
    line = sized.sizes.query("method == 'lora'").sort_values("x")
    level = sized.sizes.query("method == 'none' and x == 4")["value"].item()
    above = int(np.argmax(line["value"].to_numpy() >= level))
    assert found["shots_value"] == pytest.approx(level)
    if above:
        assert line["x"].iloc[above - 1] <= found["worth"] <= line["x"].iloc[above]
        assert found["place"] == "inside"
    else:
        assert found["place"] == "below"
    assert found["lo"] <= found["worth"] <= found["hi"]
    assert rows["helps"].all()
    assert rows.loc[("prefix", 4), "place"] == "above"
    assert set(sized.sizes["source"]) == {"training", "prompt"}


def test_a_switch_is_held_against_its_baseline(
    adapted: ModuleType, synthetic: ModuleType, tmp_path: Path
) -> None:  # fmt: skip
    """Three recipes that differ in one setting each: the plain one is the baseline, and smaller gaps are found."""
    more = ({}, {"fgm": 1.0}, {"label_smoothing": 0.1})
    plan = adapted.Plan(methods=("full",), sizes=(64,), seeds=(0, 1, 2), more=more, documents=40, text=False)
    rows = measured(adapted.build(synthetic, tmp_path / "switches", plan)).switches
    assert rows["switch"].tolist()[0] == ""
    assert set(rows["switch"][1:]) == {"FGM 1", "label smoothing 0.1"}
    changed = rows.iloc[1:]
    assert (changed["seeds"] == 3).all()
    assert (changed["loss_gap_change"] < 0).all()
    assert changed["separable"].all()
    assert changed["score_change"].notna().all()


def test_the_baseline_is_what_the_others_have_in_common() -> None:
    """One setting away from each of the others; of two recipes the one with fewer switches on."""
    plain = {"fgm": 0.0, "clipping": 1.0, "augmentation": []}
    recipes = {"a": plain | {"fgm": 1.0}, "b": plain, "c": plain | {"augmentation": ["eda.swap"]}}
    assert baseline(recipes) == "b"
    assert baseline({"a": recipes["a"], "b": recipes["b"]}) == "b"
    assert baseline({"a": plain}) is None
    assert differing(recipes["c"], plain) == "augmentation by swap"


def test_recipes_are_called_by_what_sets_them_apart() -> None:
    """The method alone for its baseline and where there is one recipe; a setting of both has two names."""
    specs = [json.dumps({"method.rank": 8, "method.dropout": own, "method.training.dropout": all_}) for own, all_ in
             ((0.05, None), (0.1, None), (0.05, 0.2))]  # fmt: skip
    said = names([*(("lora", spec) for spec in specs), ("full", "{}")])
    assert list(said.values()) == ["lora", "lora (own dropout 0.1)", "lora (dropout 0.2)", "full"]


def test_reading_twice_gives_the_same_numbers(whole: Finetune, four: Path) -> None:
    """Every frame is the same to the last bit."""
    again = measured(four)
    for field in fields(finetune.Finetune):
        pd.testing.assert_frame_equal(getattr(again, field.name), getattr(whole, field.name))


def drawn(rng: np.random.Generator, *, documents: int, seeds: int, sd: float) -> Any:
    """Differences of right-or-wrong scores whose true mean is 0, with an effect of each seed."""
    shift = rng.normal(0, sd, seeds)
    hard = rng.normal(0, 1, (documents, 1))
    noise = rng.normal(0, 1, (2, documents, seeds))
    return (hard + shift + noise[0] > 0).astype(float) - (hard + noise[1] > 0).astype(float)


def test_new_seeds_rarely_look_like_an_effect() -> None:
    """Where seeds differ and the true effect is 0, few intervals exclude it; documents alone would do so often."""
    rng, wrong, alone = np.random.default_rng(5), 0, 0
    for _ in range(200):
        columns = drawn(rng, documents=150, seeds=3, sd=0.35)
        found = finetune_stats.crossed(columns)
        wrong += not found.interval.lo <= 0 <= found.interval.hi
        wide = columns.mean(axis=1)
        alone += abs(wide.mean()) > 1.96 * wide.std(ddof=1) / math.sqrt(len(wide))
    assert wrong <= 24
    assert alone > 2 * wrong


def test_equal_seeds_count_as_one() -> None:
    """Adapters that answer alike carry the interval of their documents, not of twice as many."""
    rng = np.random.default_rng(1)
    one = rng.normal(0.2, 1, 200)
    columns = np.column_stack([one, one])
    both = finetune_stats.crossed(columns, finetune_stats.two_level(columns))
    assert both.stderr == pytest.approx(one.std(ddof=1) / math.sqrt(200))
    half = both.interval.half / (1.96 * both.stderr)
    assert 0.9 < half < 1.15
    flat = finetune_stats.gains(np.ones((50, 2)), np.ones(50))
    assert flat.p == 1.0
    assert flat.interval.lo < 0 < flat.interval.hi


def test_crossings_are_below_inside_or_above() -> None:
    """The first size that reaches the level decides; in between it is straight in log n."""
    values = np.array([[0.5, 0.6, 0.9], [0.1, 0.2, 0.3], [0.2, 0.6, 0.4]])
    found = finetune_stats.crossing((8, 32, 128), values, np.array([0.4, 0.4, 0.4]))
    assert found[0] == 0
    assert math.isinf(found[1])
    assert found[2] == pytest.approx(16.0)


def test_gaps_of_rates_have_newcombes_interval() -> None:
    """It holds the gap, narrows with more examples, and is unknown where a rate or a size is."""
    few, many = (finetune_stats.rate_gap(0.9, 0.7, sizes=(n, n)) for n in (20, 2000))
    assert few.lo < 0.2 < few.hi
    assert many.half < few.half / 5
    assert math.isnan(finetune_stats.rate_gap(math.nan, 0.7, sizes=(20, 20)).lo)
