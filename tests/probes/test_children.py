"""Functions in fresh processes: what comes back, and how an end without a word is told."""

import functools
import json
import operator
import os
import time

import pytest

from harness.config import ConfigError, construct
from harness.probes import children, grid
from harness.records import Unsupported

LIGHT = ("json",)


@pytest.mark.parametrize(
    ("call", "kept", "text"),
    [
        (functools.partial(grid.clip, 8, prompt=9), Unsupported, "clipped: prompt 9 tokens exceed"),
        (functools.partial(construct, {}, where="probe.x"), ConfigError, "probe.x: needs a _target_"),
        (functools.partial(json.loads, "{"), ValueError, "Expecting property name"),
        (functools.partial(operator.getitem, {}, "lost"), children.ChildError, "KeyError: 'lost'"),
    ],
)
def test_exceptions_come_over(call, kept, text):
    """Outcomes keep their class and text; what is no outcome says what it was."""
    with pytest.raises(kept, match=text) as caught:
        children.run(call, modules=LIGHT).result()
    assert type(caught.value) is kept


def test_a_function_runs_in_a_process_of_its_own():
    """Two calls, two processes, neither of them this one; the value comes back."""
    first, second = children.run(os.getpid, modules=LIGHT), children.run(os.getpid, modules=LIGHT)
    assert len({first.result(), second.result(), os.getpid()}) == 3


def test_a_death_is_told():
    """A signal by its name, an exit by its code; `result` raises."""
    killed = children.run(os.abort, modules=LIGHT)
    assert (killed.death, killed.value) == ("ended by SIGABRT", None)
    assert children.run(os._exit, 3, modules=LIGHT).death == "ended early with exit code 3"
    with pytest.raises(children.ChildError, match="the child process was ended by SIGABRT"):
        killed.result()


def test_a_child_that_never_answers_is_ended():
    """After the time it was given, and it is gone."""
    ending = children.run(time.sleep, 600, modules=LIGHT, most_seconds=0.2)
    assert ending.death == "ended after 0.2 s without an answer"


def test_processor_time_comes_back():
    """Work costs some, more than none."""
    assert children.run(sum, range(3_000_000), modules=LIGHT).cpu_seconds > 0


def test_the_class_of_a_family_is_imported_before():
    """The server imports the module by the name that transformers gives it."""
    assert "transformers.models.gpt_neox.modeling_gpt_neox" in children.preload("gpt_neox")
    assert children.preload("auto") == children.PRELOAD
