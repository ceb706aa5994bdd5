"""From a config to cells: probes over a grid, the control model, the time budget."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.compose import plans, rewrite
from harness.config import ConfigError

if TYPE_CHECKING:
    from harness.plan import Plan

PROBE = "# @package probe.nap\n_target_: nap.Nap\nname: nap\nabout: sleeps\nbatch: [1, 2]\nreplicates: 2\n"


@pytest.fixture(autouse=True)
def _nap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A probe of the user's own, in a working folder of its own."""
    monkeypatch.syspath_prepend(Path(__file__).parent / "data")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conf/probe").mkdir(parents=True)
    (tmp_path / "conf/probe/nap.yaml").write_text(PROBE)


def _plans(*overrides: str) -> list[Plan]:
    return plans(rewrite(["model=mini-gpt2-s", "probe=nap", *overrides]))


def _two(*overrides: str) -> list[Plan]:
    return plans(rewrite(["-m", "model=mini-gpt2-s,mini-neox", "probe=nap", *overrides]))


def test_a_grid_becomes_a_cell_for_each_point_and_replicate() -> None:
    """Cells of one label, told apart by their points, which people see in the title."""
    (plan,) = _plans()
    assert {c.workload for c in plan.cells} == {"nap"}
    assert len({c.id for c in plan.cells}) == 4
    assert [c.title for c in plan.cells] == [
        "mini-gpt2-s · nap · batch 1",
        "mini-gpt2-s · nap · batch 2",
        "mini-gpt2-s · nap · batch 1, replicate 2",
        "mini-gpt2-s · nap · batch 2, replicate 2",
    ]
    assert set(plan.nodes) == {c.id for c in plan.cells}


def test_a_larger_grid_keeps_the_cells_of_the_smaller_one() -> None:
    """A point's identity does not depend on the grid it came from, so that only what is missing is measured."""
    smaller = {c.id for c in _plans()[0].cells}
    assert smaller < {c.id for c in _plans("probe.nap.batch=[1,2,4]", "probe.nap.replicates=3")[0].cells}
    assert [c.point for c in _plans("probe.nap.batch=4", "probe.nap.replicates=1")[0].cells] == ["batch 4"]


def test_the_points_of_a_probe_can_be_named_in_an_experiment(tmp_path: Path) -> None:
    """An experiment's own grid replaces the probe's, the command line's replaces both."""
    folder = tmp_path / "conf/experiment"
    folder.mkdir()
    (folder / "mine.yaml").write_text(
        "# @package _global_\ndefaults:\n  - override /probe: [nap]\nprobe: {nap: {batch: [3, 5, 7], replicates: 1}}\n"
    )
    (plan,) = plans(rewrite(["experiment=mine", "model=mini-gpt2-s"]))
    assert [c.point for c in plan.cells] == ["batch 3", "batch 5", "batch 7"]
    (plan,) = plans(rewrite(["experiment=mine", "model=mini-gpt2-s", "probe.nap.batch=[1,4]"]))
    assert [c.point for c in plan.cells] == ["batch 1", "batch 4"]


def test_the_control_is_planned_twice_with_one_specification() -> None:
    """Only in the job of the model that it names, only its probes, and under a label of its own."""
    control, other = _two("control=mini-gpt2-s", "task=zoo-story")
    assert [c.model for c in control.cells] == ["mini-gpt2-s", *["mini-gpt2-s", "mini-gpt2-s (again)"] * 4]
    assert {c.model for c in other.cells} == {"mini-neox"}
    assert [c.spec for c in control.cells[1::2]] == [c.spec for c in control.cells[2::2]]
    assert len({c.id for c in control.cells}) == len(control.cells)
    assert {c.id for c in _two("task=zoo-story")[0].cells} < {c.id for c in control.cells}


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("control=mini-gpt2-m", "control='mini-gpt2-m' is no model of this run: did you mean 'mini-gpt2-s'?"),
        ("control=3", "control=3 is not a valid value: the name of a model of the run, or null"),
        ("budget=soon", "budget='soon' is not a valid value"),
        ("budget=0", "budget=0 is not a valid value"),
        ("budgte=20m", "unknown key 'budgte': did you mean 'budget'?"),
    ],
)
def test_faults_are_one_line(override: str, expected: str) -> None:
    """The key, its value and what would be right."""
    with pytest.raises(ConfigError) as caught:
        _two(override)
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_budget_and_control_are_no_part_of_a_cell() -> None:
    """They change when and how often something is measured, not what."""
    same = {c.id for c in _plans()[0].cells}
    assert {c.id for c in _plans("budget=20m")[0].cells} == same
    assert _plans("budget=20m")[0].budget is not None
