"""The sentence encoder of the extra [semantic]."""

from __future__ import annotations

import importlib.util

import pytest

from harness.attacks import likeness
from harness.attacks.spec import Attack
from harness.attacks.workload import AttackedTask
from harness.config import ConfigError
from harness.tasks.spec import Task

INSTALLED = importlib.util.find_spec(likeness.PACKAGE) is not None


@pytest.mark.skipif(INSTALLED, reason="the extra [semantic] is installed")
def test_without_the_extra_similarity_is_refused():
    """The line names what to install."""
    task = Task(name="s", kind="classification", source="zoo/sentiment.yaml", metrics=["acc"])
    AttackedTask(task=task, variation=Attack(name="a")).check()
    with pytest.raises(ConfigError, match=r"attack\.a: similarity=0\.8 .*harness\[semantic\]"):
        AttackedTask(task=task, variation=Attack(name="a", similarity=0.8)).check()


@pytest.mark.slow
@pytest.mark.skipif(not INSTALLED, reason="needs the extra [semantic]")
def test_sentences_of_one_meaning_are_more_alike():
    """Equal texts 1, a synonym more alike than another sentence, whatever stands beside them in the batch."""
    encoder = likeness.Encoder()
    text, near, far = "The film was a great success.", "The movie was a big success.", "Water boils at noon."
    found = encoder.alike([(text, text), (text, near), (text, far)])
    assert found[0] == pytest.approx(1, abs=1e-5)
    assert found[0] > found[1] > 0.7 > found[2]
    assert encoder.alike([(text, near)])[0] == pytest.approx(found[1], abs=1e-5)
