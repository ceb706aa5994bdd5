"""A subject before it is loaded: what it takes to load it, here or in another process."""

from __future__ import annotations

import pickle

from harness.methods.none import NoMethod
from harness.models.spec import ModelSpec
from harness.models.unloaded import Unloaded


def test_it_travels_and_loads(cpu) -> None:
    """After a journey through a pickle it loads the subject, which tells how large the process was before."""
    spec = ModelSpec(name="s", family="gpt2", source="zoo:mini-gpt2-s")
    unloaded = pickle.loads(pickle.dumps(Unloaded(spec=spec, method=NoMethod(), device=cpu)))
    assert unloaded == Unloaded(spec=spec, method=NoMethod(), device=cpu)
    phases = []
    subject = unloaded.load(lambda phase, _done, _total: phases.append(phase))
    assert subject.facts["family"] == "gpt2"
    assert subject.facts["host_before_bytes"] > 2**20
    assert set(phases) == {"loading"}
