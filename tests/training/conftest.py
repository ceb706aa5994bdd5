"""Every method, tiny subjects and a few examples, for the tests of fine-tuning."""

import gc
import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest


@pytest.fixture(scope="session")
def learners():
    """The functions and names of `tests/methods/learners.py`; test folders are no packages and cannot import it."""
    found = SimpleNamespace(**runpy.run_path(str(Path(__file__).parents[1] / "methods" / "learners.py")))
    import peft  # noqa: F401 - so that it is among what is frozen
    import transformers.trainer  # noqa: F401

    gc.collect()
    gc.freeze()  # Every training ends with a collection, which would look through the imported libraries each time.
    yield found
    gc.unfreeze()
