"""What is said of fine-tuning: tables, sentences, the page, and figures that can be read."""

# What stands in a frame has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false, reportIndexIssue=false, reportOperatorIssue=false, reportReturnType=false
from __future__ import annotations

import importlib.util
import re
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest

from harness.analysis import (
    derive,
    drawing,
    figures_finetune,
    finetune,
    finetune_page,
    finetune_sheet,
    finetune_tables,
    finetune_words,
    frame,
    page,
    render,
)
from harness.analysis.current import current

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    import pandas as pd
    from matplotlib.figure import Figure

    from harness.analysis.drawing import Drawing
    from harness.analysis.finetune import Finetune


class Read(NamedTuple):
    """A study as the reading half sees it."""

    study: frame.Study
    comparison: derive.Comparison
    measured: Finetune


@pytest.fixture(scope="module")
def adapted() -> ModuleType:
    """The module that writes records of trainings."""
    spec = importlib.util.spec_from_file_location("adapted_records", Path(__file__).parents[1] / "data" / "adapted.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def read(folder: Path) -> Read:
    """The study in a folder with its frames of fine-tuning."""
    study = current(frame.read(folder))
    comparison = derive.compare(study)
    measured = finetune.measure(study, frame.documents(folder, texts=False), comparison)
    assert measured is not None
    return Read(study, comparison, measured)


@pytest.fixture(scope="module")
def whole(adapted: ModuleType, synthetic: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Read:
    """Two tasks, two methods, two sizes, two seeds, shots, another task, text, one failure in each task."""
    plan = adapted.Plan(methods=("lora", "prefix"), tasks=("topic", "review_sentiment"), sizes=(32, None),
                        others=("agreement",),
                        shots=(0, 4), documents=120, failed=(("prefix", 32, 1),))  # fmt: skip
    return read(adapted.build(synthetic, tmp_path_factory.mktemp("results") / "whole", plan))


class Kept(NamedTuple):
    """A figure before it became bytes, what is said below it, and its numbers."""

    canvas: Figure
    caption: str
    data: pd.DataFrame


@contextmanager
def keeping(*, files: bool) -> Iterator[dict[str, Kept]]:
    """Keeps what is drawn, by name; without files nothing is turned into bytes."""
    kept: dict[str, Kept] = {}
    real = drawing.finished

    def keep(canvas: Figure, *, name: str, title: str, caption: str, data: Any) -> Drawing:
        kept[name] = Kept(canvas, caption, data)
        if files:
            return real(canvas, name=name, title=title, caption=caption, data=data)
        return drawing.Drawing(name=name, title=title, caption=caption, svg=b"<svg/>", png=b"", data=data)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drawing, "finished", keep)
        yield kept


@pytest.fixture(scope="module")
def drawn(whole: Read) -> tuple[dict[str, Kept], tuple[Drawing, ...]]:
    """Every figure of the study, before and after it became bytes."""
    with keeping(files=True) as kept:
        drawings = figures_finetune.draw(whole.measured, whole.comparison)
    return kept, drawings


@pytest.fixture(scope="module")
def canvases(drawn: tuple[dict[str, Kept], tuple[Drawing, ...]]) -> dict[str, Kept]:
    """Every figure of the study, by name, before it became bytes."""
    return drawn[0]


def test_tables_hold_what_the_frames_say(whole: Read) -> None:
    """One row per setting in the overview, in points with intervals; the failed training stands with its reason."""
    shown, folded = finetune_tables.tables(whole.measured, whole.comparison)
    named = {table.name: table for table in (*shown, *folded)}
    assert list(named)[:2] == ["finetune-overview", "finetune-other-tasks"]
    assert {"forgetting", "worth", "overfitting", "finetune-methods", "examples", "trainings"} <= set(named)
    overview = named["finetune-overview"]
    assert len(overview.rows) == len(whole.measured.settings) == 8
    numbers = overview.frame()
    own = whole.measured.gains.query("own")
    assert sorted(numbers["gain"]) == pytest.approx(sorted(own["gain"]))
    assert (numbers["gain_lo"] <= numbers["gain"]).all()
    assert "NaN at step 7" in named["trainings"].markdown()
    assert all(len({column.key for column in table.columns}) == len(table.columns) for table in named.values())


def test_forgetting_is_written_in_the_direction_of_the_metric(whole: Read) -> None:
    """More bits per byte than before is a positive change."""
    table = finetune_tables.forgetting(whole.measured, finetune_tables.scores(whole.comparison)).frame()
    assert table["change"].to_numpy() == pytest.approx((table["value"] - table["base"]).to_numpy())
    assert ((table["change_lo"] <= table["change"]) & (table["change"] <= table["change_hi"])).all()


def test_sentences_claim_what_is_separable(whole: Read) -> None:
    """LoRA gains and is better than the prefix; the prefix and what was not trained on are not separable."""
    lines = finetune_words.sentences(whole.measured, whole.comparison)
    (gain,) = (line for line in lines if line.startswith("Training gains on topic"))
    assert "with 512 examples, lora by" in gain
    assert "prefix" not in gain
    assert any("lora is separably better than prefix" in line for line in lines)
    assert any(line.startswith("Not separable on topic") and "prefix" in line for line in lines)
    assert any("mini-gpt2-m improves on heldout_text: " in line for line in lines)
    assert not any("forgets" in line for line in lines)
    assert any("4 shots in the prompt" in line for line in lines)
    assert any(re.match(r"2 of 16 trainings have no result", line) for line in lines)
    assert all(line.endswith(".") for line in lines)
    none = replace(whole.measured, gains=whole.measured.gains.assign(separable=False))
    assert not any(line.startswith("Training gains") for line in finetune_words.sentences(none, whole.comparison))


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"worth": 21.4, "lo": 9.0, "hi": 47.0}, "21 (9 to 47)"),
        ({"worth": 21.4, "lo": 9.0, "hi": np.inf}, "21 (9 to above 128)"),
        ({"worth": 0.0, "lo": 0.0, "hi": 0.0}, "below all sizes (8)"),
        ({"worth": np.inf, "lo": 100.0, "hi": np.inf}, "above all sizes (128), down to 100"),
        ({"helps": False, "worth": 0.0, "lo": 0.0, "hi": 9.0}, "nothing, no better than without them"),
    ],
)
def test_worth_is_said_plainly_where_curves_do_not_cross(row: dict[str, float], words: str) -> None:
    """Inside, below and above the sizes that were measured, or not better than a prompt without examples."""
    assert finetune_sheet.examples({"helps": True, **row, "least": 8.0, "most": 128.0}) == words


def test_the_page_has_a_section(whole: Read, drawn: tuple[dict[str, Kept], tuple[Drawing, ...]]) -> None:
    """After robustness and before efficiency, with its figures; anchors are unique, Markdown has the tables."""
    parts = tuple(page.Section(name=name, title=name) for name in ("comparison", "robustness", "efficiency", "method"))
    bare = page.Page(title="a study", about="", facts=(), cautions=(), verdict=("First.",), sections=parts, commands=())
    drawings = drawn[1]
    assert [one.name for one in drawings] == ["finetune-costs", "finetune-examples", "finetune-curves",
                                              "finetune-gaps"]  # fmt: skip
    assert all(one.png.startswith(b"\x89PNG") and one.caption for one in drawings)
    full = finetune_page.joined(bare, whole.measured, whole.comparison, drawings=drawings)
    names = [section.name for section in full.sections]
    assert names == ["comparison", "robustness", "finetuning", "efficiency", "method"]
    assert full.verdict[0] == "First."
    assert len(full.verdict) > 1
    anchors = re.findall(r' id="([^"]+)"', render.html(full))
    assert len(anchors) == len(set(anchors))
    text = render.markdown(full)
    assert "What each method cost and gained" in text
    assert "ranking of options" in text


def test_costs_show_every_method_beside_the_model_as_it_is(whole: Read, canvases: dict[str, Kept]) -> None:
    """Three panels a task with logarithmic costs, a dashed line at the untrained score; seeds give the width."""
    canvas, caption, data = canvases["finetune-costs"]
    assert len(canvas.axes) == 6
    assert set(data["how"]) == {"lora", "prefix"}
    assert set(data["n_train"]) == {512}
    level = 100 * whole.measured.gains.query("own and trained_on == 'review_sentiment'")["base"].iloc[0]
    flat = [line.get_ydata()[0] for line in canvas.axes[0].lines if len(set(line.get_ydata())) == 1]
    assert any(height == pytest.approx(level) for height in flat)
    assert "120 documents" in caption
    assert "512 examples" in caption


def test_curves_mark_the_chosen_step(whole: Read, canvases: dict[str, Kept]) -> None:
    """A panel per setting with its training and dev loss; a triangle per seed."""
    canvas, caption, data = canvases["finetune-curves"]
    seen = [axes for axes in canvas.axes if axes.get_visible()]
    assert len(seen) == len(whole.measured.settings) == data.drop_duplicates(["id", "task", "size"]).shape[0]
    marks = [line for line in seen[0].lines if line.get_marker() == "v"]
    assert [list(line.get_xdata()) for line in marks] == [[40.0, 40.0]]
    assert "lowest to their highest" in caption


def test_shots_and_examples_share_an_axis(whole: Read, canvases: dict[str, Kept]) -> None:
    """Lines of both in each panel; crosses only where they cross."""
    canvas, caption, data = canvases["finetune-examples"]
    assert set(data["source"]) == {"training", "prompt"}
    inside = whole.measured.worth.query("place == 'inside' and task == 'review_sentiment'")
    (crosses,) = (line for line in canvas.axes[0].lines if line.get_marker() == "x")
    assert sorted(crosses.get_xdata()) == pytest.approx(sorted(inside["worth"]))
    assert "in its prompt" in caption


def parts(found: Read) -> tuple[set[str], set[str], tuple[str, ...]]:
    """Names of the figures and tables of a study, and its sentences."""
    with keeping(files=False) as kept:
        figures_finetune.draw(found.measured, found.comparison)
    assert all(one.canvas.axes and one.caption for one in kept.values())
    shown, folded = finetune_tables.tables(found.measured, found.comparison)
    lines = finetune_words.sentences(found.measured, found.comparison)
    return set(kept), {table.name for table in (*shown, *folded)}, lines


def test_without_the_model_as_it_is_scores_remain(
    adapted: ModuleType, synthetic: ModuleType, tmp_path: Path
) -> None:  # fmt: skip
    """No gain, no test, no gap without a dev split, one seed: the scores stand, and the reasons are told."""
    plan = adapted.Plan(methods=("lora",), seeds=(3,), base=False, dev=0, documents=40)
    found = read(adapted.build(synthetic, tmp_path / "bare", plan))
    gains = found.measured.gains
    assert gains["value"].notna().all()
    assert gains[["gain", "p", "p_holm"]].isna().all(axis=None)
    assert not gains["separable"].any()
    assert found.measured.settings["loss_gap"].isna().all()
    assert set(found.measured.curves["curve"]) == {"train loss"}
    figures, tables, lines = parts(found)
    assert figures == {"finetune-costs", "finetune-curves"}
    assert {"finetune-overview", "trainings", "finetune-not-compared"} <= tables
    assert any("method none" in line for line in lines)
    assert any("No training had a dev split" in line for line in lines)


def test_failed_trainings_alone_give_rows_and_nothing_else(
    adapted: ModuleType, synthetic: ModuleType, tmp_path: Path
) -> None:  # fmt: skip
    """All frames keep their columns; there is nothing to draw, and a sentence says so."""
    plan = adapted.Plan(methods=("lora",), seeds=(0,), failed=(("lora", None, 0),), documents=40)
    found = read(adapted.build(synthetic, tmp_path / "failed", plan))
    assert len(found.measured.trainings) == 1
    others = [field.name for field in fields(found.measured) if field.name != "trainings"]
    assert all(len(getattr(found.measured, name)) == 0 for name in others)
    assert all(len(getattr(found.measured, name).columns) for name in others)
    figures, tables, lines = parts(found)
    assert (figures, tables) == (set(), {"trainings"})
    assert lines == ("1 of 1 trainings have no result: lora on topic.",)
