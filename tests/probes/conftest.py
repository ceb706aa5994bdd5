"""Tiny models for the tests of this folder."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest


@pytest.fixture(scope="session")
def tiny():
    """The functions and names of `tests/scoring/tiny.py`; test folders are no packages and cannot import it."""
    return SimpleNamespace(**runpy.run_path(str(Path(__file__).parents[1] / "scoring" / "tiny.py")))
