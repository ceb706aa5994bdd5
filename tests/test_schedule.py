"""The order of the probes of a run: blocks of all models, in random order within, the same in every run."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

from harness.plan import Plan
from harness.records import Cell
from harness.schedule import blocks

MODELS = ("gpt2", "opt", "pythia", "neo")
BATCHES = (1, 8, 32)
REPLICATES = 3


def _plan(model: str, *, study: str = "s", isolate: bool = True, probes: tuple[str, ...] = ("decode",)) -> Plan:
    task = Cell(model=model, method="none", workload="sst2", kind="task", spec={"workload": {}})
    points = [
        {"name": probe, "batch": batch, "replicate": replicate, "isolate": isolate}
        for probe in probes
        for replicate in range(REPLICATES)
        for batch in BATCHES
    ]
    cells = [
        Cell(model=model, method="none", workload=str(node["name"]), kind="probe", spec={"workload": node})
        for node in points
    ]
    nodes = {cell.id: node for cell, node in zip(cells, points, strict=True)}
    return Plan(study=study, folder=Path(study), cells=(task, *cells), report={}, retry=True, nodes=nodes)


def _models(*plans: Plan) -> list[list[str]]:
    """The models of each block, in order."""
    return [[g.cells[0].model for g in block] for _, block in groupby(blocks(plans), lambda g: (g.replicate, g.place))]


def test_a_block_holds_every_model_once_at_one_point() -> None:
    """Replicates outermost, then the points of the grid in their order; each block has one cell of each model."""
    order = blocks([_plan(m) for m in MODELS])
    seen = [(g.replicate, dict(g.cells[0].spec["workload"])["batch"]) for g in order]
    assert [key for key, _ in groupby(seen)] == [(r, b) for r in range(REPLICATES) for b in BATCHES]
    assert all(sorted(block) == sorted(MODELS) for block in _models(*(_plan(m) for m in MODELS)))
    assert all(len(g.cells) == 1 and g.cells[0].kind == "probe" for g in order)


def test_the_order_is_drawn_anew_in_every_block_and_study() -> None:
    """No model always comes first, and another study has another order; the same study has the same one."""
    found = _models(*(_plan(m) for m in MODELS))
    assert len({tuple(block) for block in found}) > 1
    assert len({block[0] for block in found}) > 1
    assert found == _models(*(_plan(m) for m in reversed(MODELS)))
    assert found != _models(*(_plan(m, study="other") for m in MODELS))


def test_a_further_model_leaves_the_order_of_the_others() -> None:
    """What an earlier run of the study did stays what this one would do."""
    fewer = _models(*(_plan(m) for m in MODELS[:3]))
    more = _models(*(_plan(m) for m in MODELS))
    assert [[m for m in block if m != MODELS[3]] for block in more] == fewer


def test_probes_of_one_place_are_mixed() -> None:
    """The first points of all probes come before the second point of any."""
    order = blocks([_plan(m, probes=("prefill", "decode")) for m in MODELS])
    first = order[: 2 * len(MODELS)]
    assert {g.place for g in first} == {0}
    assert {g.cells[0].workload for g in first} == {"prefill", "decode"}


def test_points_that_share_a_process_are_one_group() -> None:
    """With `isolate: false` a group is a model's probe in one replicate, all points in it."""
    order = blocks([_plan(m, isolate=False) for m in MODELS])
    assert len(order) == len(MODELS) * REPLICATES
    assert {len(g.cells) for g in order} == {len(BATCHES)}
    assert [g.replicate for g in order] == sorted(g.replicate for g in order)


def test_a_cell_of_two_jobs_is_measured_once() -> None:
    """A sweep over something that does not concern probes plans the same probe cell in each of its jobs."""
    one = _plan("gpt2")
    assert [g.cells for g in blocks([one, one])] == [g.cells for g in blocks([one])]
