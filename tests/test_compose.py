"""The command line's overrides as Hydra is to see them, and Hydra's errors as one line."""

from __future__ import annotations

import pytest

from harness.compose import explain, plans, rewrite
from harness.config import ConfigError


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
    assert len(plans([rewritten])[0].cells) == 7


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
