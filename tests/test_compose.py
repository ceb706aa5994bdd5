"""The command line's overrides as Hydra is to see them, and Hydra's errors as one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.compose import explain, plans, rewrite
from harness.config import ConfigError

if TYPE_CHECKING:
    from harness.records import Cell


@pytest.mark.parametrize(
    ("given", "seen"),
    [
        (["-m", "model=a,b", "task=x,y"], ["-m", "model=a,b", "task=[x,y]"]),
        (["task=x"], ["task=[x]"]),
        (["task=[x,y]"], ["task=[x,y]"]),
        (["task=x,y"], ["task=[x,y]"]),
        (["probe=[]"], ["probe=[]"]),
        (["model.dtype=float32"], ["++model.dtype=float32"]),
        (["task.zoo-story.limit=5"], ["++task.zoo-story.limit=5"]),
        (["+model.x=1", "~probe", "--cfg", "job"], ["+model.x=1", "~probe", "--cfg", "job"]),
        (["hydra.sweep.dir=x", "study=s"], ["hydra.sweep.dir=x", "study=s"]),
    ],
)
def test_overrides_are_rewritten(given: list[str], seen: list[str]) -> None:
    """Tasks become one list, leaf fields may be new, the rest is Hydra's own."""
    assert rewrite(given) == seen


def test_a_glob_of_tasks_is_one_job() -> None:
    """`task=glob(zoo-*)` is every zoo task on one loaded model."""
    (rewritten,) = rewrite(["task=glob(zoo-*)"])
    assert rewritten.startswith("task=[zoo-agreement,")
    found = {c.workload for c in plans([rewritten])[0].cells}
    assert {"zoo-agreement", "zoo-sentiment", "zoo-topic"} < found
    assert all(name.startswith("zoo-") for name in found)


def test_a_sweep_without_m_says_how() -> None:
    """The commonest slip gets the command that works."""
    with pytest.raises(ConfigError, match=r"is a sweep: add -m, as in `harness run -m model=a,b"):
        rewrite(["model=a,b"])


def test_hydras_many_lines_become_one() -> None:
    """The search path that Hydra prints is left out, the nearest name is put in."""
    text = "In 'run': Could not load 'model/gtp2'.\n\nConfig search path:\n\tprovider=hydra, path=pkg://hydra.conf"
    assert explain(text).startswith("unknown model 'gtp2': did you mean 'gpt2'?")


def test_a_sweep_is_one_job_per_model() -> None:
    """Two models and three tasks are two plans of three cells, with distinct identities."""
    found = plans(rewrite(["-m", "model=mini-gpt2-s,mini-neox", "task=zoo-story,zoo-topic", "probe=decode-small"]))
    assert [len(p.cells) for p in found] == [3, 3]
    assert len({c.id for p in found for c in p.cells}) == 6
    assert [c.kind for c in found[0].cells] == ["task", "task", "probe"]


def test_identity_ignores_where_results_go_and_keeps_what_changes_numbers() -> None:
    """Another results folder is the same cell; another limit, dtype or batch is another one."""

    def identity(*overrides: str) -> str:
        return plans(rewrite(["model=mini-gpt2-s", "task=zoo-story", *overrides]))[0].cells[0].id

    same = identity()
    assert identity("results=elsewhere", "study=other") == same
    changed = {identity("limit=7"), identity("model.dtype=bfloat16"), identity("device.batch=3"), identity("seed=5")}
    assert len(changed | {same}) == 5


def _cells(*overrides: str) -> list[Cell]:
    found = plans(rewrite([*overrides, "model=mini-gpt2-s", "task=zoo-story", "probe=decode-small"]))
    return [cell for plan in found for cell in plan.cells]


def test_how_tasks_are_scored_is_part_of_their_cells_and_not_of_probes() -> None:
    """Whatever it is called: what is done counts, so the same setting under another name is the same cell."""
    task, probe = _cells()
    assert "scoring" not in probe.spec
    assert task.spec["scoring"]["layout"] == "auto"
    assert not {"about", "name"} & set(task.spec["scoring"])
    changed = ("scoring=reference", "scoring=screened", "scoring.precision_audit=50", "scoring.tokens=512")
    others = [_cells(override) for override in changed]
    assert len({task.id, *(cells[0].id for cells in others)}) == 5
    assert {cells[1].id for cells in others} == {probe.id}
    assert _cells("scoring.layout=reference", "scoring.kernels=torch")[0].id == others[0][0].id
    assert _cells("scoring.name=mine")[0].id == task.id


def test_scoring_can_be_swept() -> None:
    """Two ways of scoring are two jobs with a cell each; the probe is the same in both."""
    cells = _cells("-m", "scoring=auto,screened")
    assert len(cells) == 4
    assert len({cell.id for cell in cells if cell.kind == "task"}) == 2
    assert len({cell.id for cell in cells if cell.kind == "probe"}) == 1


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("scoring=refrence", "unknown scoring 'refrence': did you mean 'reference'?"),
        ("scoring.layuot=tree", "scoring: unknown key 'layuot': did you mean 'layout'?"),
        ("scoring.layout=tre", "scoring: layout='tre' is not a valid value: did you mean 'tree'?"),
        ("scoring.precision_audit=-1", "precision_audit=-1 is not a valid value: a whole number of at least 0"),
        ("scoring.tokens=0", "tokens=0 is not a valid value"),
        ("scoring.screened=maybe", "screened='maybe' is not a valid value: true or false"),
        ("scoring._target_=harness.devices.DeviceChoice", "scoring: "),
        ("scoring=auto,reference", "is a sweep: add -m, as in `harness run -m scoring=auto,reference"),
    ],
)
def test_faults_in_scoring_are_one_line(override: str, expected: str) -> None:
    """The place, the fault and what would be right."""
    with pytest.raises(ConfigError) as caught:
        _cells(override)
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_reference_cannot_be_screened() -> None:
    """Two settings that contradict each other are refused before any weight is loaded."""
    with pytest.raises(ConfigError, match="screened=true needs a layout other than reference"):
        _cells("scoring=screened", "scoring.layout=reference")
