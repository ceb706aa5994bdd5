"""Figures of efficiency: each is there exactly when its data are, and shows what the frames say."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from harness.analysis import derive, drawing, figures, findings, frame
from harness.analysis.figures_latency import batch as against_batch
from harness.analysis.figures_latency import prompt as against_prompt
from harness.analysis.figures_tradeoffs import tradeoffs
from harness.analysis.palette import looks
from harness.records import Status
from harness.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

GPU_FIGURES = {"batch", "batch-prefill", "prompt", "context", "roofline", "memory", "energy"}


@pytest.fixture(scope="module")
def records() -> ModuleType:
    """The module that writes records of probes over a grid."""
    path = Path(__file__).parents[1] / "data" / "efficiency_records.py"
    spec = importlib.util.spec_from_file_location("efficiency_records", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def drawn(folder: Path) -> dict[str, drawing.Drawing]:
    """The figures of a study by name."""
    return {figure.name: figure for figure in figures.draw(derive.compare(frame.read(folder)))}


def one(folder: Path, make: Callable[..., drawing.Drawing | None]) -> drawing.Drawing:
    """A single figure of a study, where drawing all would only take time."""
    comparison = derive.compare(frame.read(folder))
    with drawing.style():
        found = make(comparison.efficiency, comparison.entries, looks(comparison.entries))
    assert found is not None
    return found


@pytest.fixture(scope="module")
def gpu(records: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> dict[str, drawing.Drawing]:
    """The figures of three models on a GPU, with points that are out of memory, beyond the context and noisy."""
    chosen = [model for model in records.LARGE if model.name in {"gpt2", "gpt-j-6b", "gpt-neox-20b"}]
    folder = tmp_path_factory.mktemp("results") / "gpu"
    store = Store(folder)
    gpt2 = next(model for model in chosen if model.name == "gpt2")
    for replicate in range(2):
        store.write(records.record(gpt2, "decode", machine=records.GPU, batch=8, prompt=512, new=64,
                                   replicate=replicate, noisy="another process on the GPU"), [])  # fmt: skip
    for kind in ("decode", "prefill"):
        for model in chosen:
            for batch in (1, 8, 128):
                for prompt in (512, 1024):
                    if (model.name, kind, batch, prompt) == ("gpt2", "decode", 8, 512):
                        continue
                    store.write(records.record(model, kind, machine=records.GPU, batch=batch, prompt=prompt,
                                               new=64 if kind == "decode" else None), [])  # fmt: skip
    return drawn(folder)


def test_every_figure_of_a_gpu_is_there(gpu: dict[str, drawing.Drawing]) -> None:
    """A study with every measurement has every figure, each as a vector and a raster picture, with a caption."""
    assert set(gpu) >= GPU_FIGURES
    for figure in gpu.values():
        assert figure.svg.startswith(b"<?xml")
        assert figure.png.startswith(b"\x89PNG")
        assert figure.caption.endswith(".")


@pytest.mark.parametrize(
    ("kinds", "prompts", "present", "absent"),
    [
        (("prefill",), (32, 64), {"batch-prefill", "prompt", "memory", "roofline"}, {"batch", "context", "energy"}),
        (("decode",), (32,), {"batch", "context", "memory", "roofline"}, {"batch-prefill", "prompt", "energy"}),
    ],
)
def test_a_figure_is_there_exactly_when_its_data_are(  # noqa: PLR0913, PLR0917 - fixtures and cases
    records: ModuleType, tmp_path: Path, kinds: tuple[str, ...], prompts: tuple[int, ...],
    present: set[str], absent: set[str],
) -> None:  # fmt: skip
    """Without steps no context, with one prompt no prompt, without a meter no energy."""
    found = drawn(records.build(tmp_path / "s", records.SMALL[:2], kinds=kinds, prompts=prompts, batches=(1, 2),
                                replicates=1))  # fmt: skip
    assert present <= set(found)
    assert not absent & set(found)


def test_a_study_without_probes_has_no_figure_of_them(synthetic: ModuleType, tmp_path: Path) -> None:
    """Tasks alone: nothing of efficiency."""
    store = Store(tmp_path / "s")
    store.write(*synthetic.task_record("mini-gpt2-s", "topic", documents=10))
    assert not GPU_FIGURES & set(drawn(tmp_path / "s"))


def test_out_of_memory_and_noise_stand_in_the_data_and_the_caption(gpu: dict[str, drawing.Drawing]) -> None:
    """The numbers that a caption states are those of the points in the data."""
    batch = gpu["batch"]
    points = batch.data.drop_duplicates(["entry", "batch", "prompt", "new"])
    lost = points[points["status"] == "oom"]
    assert set(lost["entry"]) == {"gpt-neox-20b"}
    assert not np.isfinite(list(lost["value"])).any()
    assert f"out of memory ({len(lost)} point" in batch.caption
    noisy = batch.data[batch.data["noisy"] & (batch.data["metric"] == "itl")]
    assert list(noisy["entry"]) == ["gpt2"]
    assert "Hollow: the machine was not quiet (1 point)" in batch.caption


def test_clipped_points_are_counted_not_drawn(records: ModuleType, tmp_path: Path) -> None:
    """Beyond the context there is no value; the caption says how many."""
    folder = records.build(tmp_path / "s", records.SMALL[:2], kinds=("prefill",), prompts=(64, 128, 512),
                           batches=(1, 2), replicates=1)  # fmt: skip
    prompt = one(folder, against_prompt)
    clipped = prompt.data[prompt.data["status"] == "clipped"]
    assert len(clipped) == 4  # two entries at the smallest and at the largest batch
    assert "Not drawn: 4 points beyond the context." in prompt.caption


@pytest.mark.parametrize("status", [Status.FAILED, Status.NOT_RUN, Status.UNSUPPORTED])
def test_other_points_without_a_value_are_counted(records: ModuleType, tmp_path: Path, status: Status) -> None:
    """Whatever is missing is said, in words of its own."""
    folder = tmp_path / "s"
    store = Store(folder)
    for model, batch in ((m, b) for m in records.SMALL[:2] for b in (1, 2, 4)):
        stated = status if (model.name, batch) == ("mini-gpt2-m", 4) else None
        store.write(
            records.record(model, "decode", machine=records.CPU, batch=batch, prompt=32, new=8, status=stated), []
        )
    found = one(folder, against_batch)
    assert "Not drawn: 1 point " in found.caption
    assert list(found.data.loc[found.data["value"].isna(), "status"].unique()) == [str(status)]


def test_values_and_bounds_are_those_of_the_frames(records: ModuleType, tmp_path: Path) -> None:
    """A line shows the medians of the points; its bound is the roofline's, for a throughput per second."""
    folder = records.build(tmp_path / "s", records.SMALL[:3], kinds=("decode",), prompts=(32,), batches=(1, 4))
    comparison = derive.compare(frame.read(folder))
    data = one(folder, against_batch).data
    points = comparison.efficiency.points
    wanted = points[points["metric"].isin(["itl", "decode_tok_s"])].set_index(["entry", "metric", "batch"])["median"]
    assert data.set_index(["entry", "metric", "batch"])["value"].to_dict() == wanted.to_dict()
    bounds = comparison.efficiency.rooflines.set_index(["entry", "batch"])["bound_s"]
    for row in data.to_dict("records"):
        seconds, gap = bounds[row["entry"], row["batch"]], row["metric"] == "itl"
        assert row["bound"] == pytest.approx(seconds if gap else row["batch"] / seconds)
        assert (row["value"] >= row["bound"]) is gap


def test_controls_are_not_drawn(records: ModuleType, tmp_path: Path) -> None:
    """The A/A control of a model is no entry of a figure; only the figure of the noise floor is about it."""
    model = records.SMALL[0]
    again = records.Model(**{**vars(model), "name": f"{model.name} (again)", "again": model.name})
    found = drawn(records.build(tmp_path / "s", (model, again), batches=(1, 2), replicates=1))
    assert found.pop("noise-floor").data["model"].eq(model.name).all()
    for figure in found.values():
        assert set(figure.data["entry"]) == {model.name}


@pytest.mark.parametrize("number", [1, pytest.param(7, marks=pytest.mark.slow)])
def test_every_entry_is_named_in_the_picture(records: ModuleType, tmp_path: Path, number: int) -> None:
    """However many entries: each has its name at a line, in each figure, and the text can be searched."""
    folder = records.build(tmp_path / "s", records.LARGE[:number], machine=records.GPU, batches=(1, 2),
                           prompts=(64, 128), replicates=1)  # fmt: skip
    found = drawn(folder)
    for name in GPU_FIGURES:
        svg = found[name].svg.decode()
        assert [model.name for model in records.LARGE[:number] if f">{model.name}</" not in svg] == []


def test_names_at_line_ends_keep_apart() -> None:
    """Ten lines that end at the same height get ten names that do not touch, inside their panel."""
    heights = np.full(10, 12.0)
    placed = drawing.spread(np.full(10, 50.0), heights, ends=(0.0, 200.0))
    assert np.diff(np.sort(placed)).min() >= 12.0 - 1e-9
    assert placed.min() >= 6.0
    assert placed.max() <= 194.0
    apart = drawing.spread(np.array([150.0, 20.0]), heights[:2], ends=(0.0, 200.0))
    assert apart.tolist() == [150.0, 20.0]


def test_tradeoffs_say_who_is_dominated(synthetic: ModuleType, tmp_path: Path) -> None:
    """With quality and a decode probe: a panel per cost, and a caption that counts what is dominated in the data."""
    folder = synthetic.build(tmp_path / "s", documents=40, models=("mini-gpt2-s", "mini-gpt2-l", "mini-gptj"))
    study = frame.read(folder)
    comparison = derive.compare(study)
    told = findings.find(study, comparison, frame.documents(folder)).costs
    with drawing.style():
        found = tradeoffs(comparison, told, looks(comparison.entries))
    assert found is not None
    assert {"decode_tok_s", "itl", "peak_memory"} <= set(found.data["metric"])
    assert f"({int(found.data['dominated'].sum())} of {len(found.data)} points)" in found.caption
