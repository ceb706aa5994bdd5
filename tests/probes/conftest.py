"""Tiny models and subjects for the tests of this folder."""

import runpy
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.devices import Device


@pytest.fixture(scope="session")
def tiny():
    """The functions and names of `tests/scoring/tiny.py`; test folders are no packages and cannot import it."""
    return SimpleNamespace(**runpy.run_path(str(Path(__file__).parents[1] / "scoring" / "tiny.py")))


@dataclass(frozen=True)
class Subject:
    """What a probe reads of a loaded subject."""

    model: Any
    tokenizer: Any
    facts: dict
    device: Device


@pytest.fixture(scope="session")
def subject(tiny):
    """Makes a subject of a tiny model, of a family or a given one, on the CPU or (in GPU tests) on CUDA."""

    def make(family="gpt2", *, model=None, kind="cpu", context=tiny.CONTEXT, **facts):
        model = model or tiny.model(family)
        device = Device(kind=kind, slug="here", name="here", threads=1, batch=4, memory=2**30)
        attention = model.config._attn_implementation
        return Subject(model, tiny.tokenizer(), {"context": context, "attention": attention, **facts}, device)

    return make


@pytest.fixture
def briefly():
    """Fields of a probe that is over at once: these tests look at what is measured, not at how well."""
    return {"warm_calls": 1, "warm_seconds": 0.0, "warm_most": 0.0, "repeats": 2, "energy": "off"}
