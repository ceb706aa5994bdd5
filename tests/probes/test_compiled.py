"""torch.compile: what cannot be compiled is said, and what can is compared with eager calls."""

import dataclasses

import pytest
import torch

from harness.probes import compiled
from harness.probes.decode import Decode
from harness.probes.loop import EagerLoop
from harness.probes.prefill import Prefill
from harness.probes.prompts import draw
from harness.records import Unsupported


def test_a_family_that_cannot_be_captured_is_unsupported(tiny, subject, briefly):
    """It is transformers that says so of GPT-Neo."""
    with pytest.raises(Unsupported, match=r"torch\.compile: GPTNeoForCausalLM cannot be captured as one graph"):
        Decode(name="d", prompt=4, new=3, compile="default", **briefly).run(subject("gpt_neo"), tiny.quiet)


def test_a_machine_without_a_compiler_is_unsupported(subject, monkeypatch):
    """Naming what is missing and what to install."""
    from torch._inductor import config

    monkeypatch.setattr(config.cpp, "cxx", ("no-such-compiler",))
    with pytest.raises(Unsupported, match=r"torch.compile: this machine has no C\+\+ compiler \(install g\+\+"):
        compiled.check(subject().model, "cpu")


def test_a_static_cache_gives_the_same_tokens(subject, monkeypatch):
    """The loop behind the compiler, here without it: every step reads the whole cache under a mask."""
    monkeypatch.setattr(torch, "compile", lambda forward, **_: forward)
    here = subject("gpt_neox")
    prompts = draw(here, batch=2, tokens=9, seed=0)
    eager = EagerLoop(here.model, prompts, capacity=14, cache="static")
    static = compiled.CompiledLoop(here.model, prompts, capacity=14, mode="default", what="step")
    for _ in range(2):
        assert all(torch.equal(a, b) for a, b in zip(static.tokens(6), eager.tokens(6), strict=True))
    assert all(torch.equal(a, b) for a, b in zip(static.steps(5), eager.steps(5), strict=True))
    assert static.held() == eager.held()


@pytest.mark.slow
@pytest.mark.parametrize(
    "probe",
    [
        Decode(name="d", batch=2, prompt=7, new=6, compile="default"),
        Prefill(name="p", batch=2, prompt=7, compile="default"),
    ],
)
@pytest.mark.parametrize("family", ["gpt2", "gptj"])
def test_compiling_is_compared_with_eager_calls(tiny, subject, briefly, probe, family):
    """Compile time, both steady times, break-even where there is one, and no graph compiled while timing."""
    outcome = dataclasses.replace(probe, **briefly).run(subject(family), tiny.quiet)
    value = {m.metric: m.value for m in outcome.measurements}
    assert value["compile_s"] > value["eager_s"] > 0
    assert ("break_even" in value) == (value["compiled_s"] < value["eager_s"])
    if "break_even" in value:
        gain = value["eager_s"] - value["compiled_s"]
        assert value["break_even"] == pytest.approx(value["compile_s"] / gain)
    assert outcome.facts["recompiles"] == 0
    assert outcome.facts["compile"] == "default"


def test_eager_and_compiled_calls_take_turns():
    """A machine that slows down between them would pass for a gain or a loss; each leads as often as the other."""
    calls = []

    class Noted:
        def __init__(self, name):
            self.name = name

        def tokens(self, new):
            calls.append(self.name)
            yield from range(new)

    compiled.Comparison(Noted("e"), Noted("c"), steps=0, calls=4, devices=())
    assert "".join(calls) == "ccceee" + "ecce" * 2
