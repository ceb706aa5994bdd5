"""Studies for the tests of the reading half."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from types import ModuleType

DATA = Path(__file__).parents[1] / "data"


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"{name}_records", DATA / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def synthetic() -> ModuleType:
    """The module that writes synthetic records."""
    return _load("synthetic")


@pytest.fixture(scope="session")
def grids() -> ModuleType:
    """The module that writes records of probes over a grid."""
    return _load("grids")


@pytest.fixture(scope="session")
def study(synthetic: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six models, seven tasks, a probe, one failed cell, one that ran out of memory, two files that are no records."""
    return synthetic.build(tmp_path_factory.mktemp("results") / "quickstart")


@pytest.fixture(scope="session")
def small(synthetic: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three models on few documents: what the golden files are made from."""
    folder = tmp_path_factory.mktemp("results") / "golden"
    return synthetic.build(folder, documents=60, models=("mini-gpt2-s", "mini-gptj", "mini-gpt2-l"))


@pytest.fixture(scope="session")
def varied() -> ModuleType:
    """The module that writes records of varied cells."""
    return _load("varied")


@pytest.fixture(scope="session")
def varied_study(varied: ModuleType, synthetic: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models on a task: text perturbations, prompt variants, attacks and transfer."""
    folder = tmp_path_factory.mktemp("results") / "varied"
    return varied.build(synthetic, folder, models=varied.MODELS[:2], tasks=("topic",), documents=90)


@pytest.fixture(scope="session")
def big() -> ModuleType:
    """The module that writes a large study quickly."""
    return _load("big")
