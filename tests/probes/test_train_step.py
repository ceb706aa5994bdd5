"""The train_step probe: what it measures, and that it leaves the model as it found it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from harness.config import construct
from harness.devices import Device
from harness.probes.train_step import PARTS, TrainStep
from harness.records import Unsupported

CONF = Path(__file__).parents[2] / "conf" / "probe"
FAST = {"warm_calls": 1, "warm_seconds": 0.0, "warm_most": 0.0, "energy": "off"}


@dataclass(frozen=True)
class Subject:
    """What the probe reads of a loaded subject."""

    model: Any
    tokenizer: Any
    facts: dict
    device: Device


def subject(tiny, family="gpt2", kind="cpu", **facts):
    device = Device(kind=kind, slug="here", name="here", threads=1, batch=4, memory=2**30)
    return Subject(tiny.model(family), tiny.tokenizer(), {"context": tiny.CONTEXT, **facts}, device)


def test_a_step_is_measured_in_its_parts(tiny):
    """The parts add up; gradients are of the weights' size, AdamW keeps two numbers for each."""
    outcome = TrainStep(name="t", batch=2, prompt=16, repeats=2, **FAST).run(subject(tiny), tiny.quiet)
    for repeat in (0, 1):
        rows = {m.metric: m for m in outcome.measurements if m.repeat == repeat}
        assert rows["step_s"].value == pytest.approx(sum(rows[part].value for part in PARTS))
        assert all(rows[part].value > 0 and rows[part].unit == "s" for part in PARTS)
        assert rows["train_tok_s"].value == pytest.approx(2 * 16 / rows["step_s"].value)
    once = {m.metric: m.value for m in outcome.measurements}
    weights = sum(p.nbytes for p in tiny.model("gpt2").parameters())
    assert once["gradient_bytes"] == weights
    assert 2 * weights <= once["optimiser_bytes"] < 2.1 * weights
    assert outcome.facts["trained_parameters"] == weights // 4
    assert (outcome.facts["batch"], outcome.facts["prompt"], outcome.facts["new"]) == (2, 16, 0)


@pytest.mark.parametrize("family", ["gpt2", "gpt_neo"])
def test_the_model_is_left_as_it_was(tiny, family):
    """No weight moves, no gradient stays; mode and frozen parameters are as before."""
    model = tiny.model(family)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    frozen = next(model.parameters())
    frozen.requires_grad_(False)
    probe = TrainStep(name="t", batch=1, prompt=8, repeats=1, **FAST)
    try:
        outcome = probe.run(subject(tiny, family), tiny.quiet)
        needed = [p.requires_grad for p in model.parameters()]
    finally:
        frozen.requires_grad_(True)
    assert needed == [False] + [True] * (len(needed) - 1)
    assert outcome.facts["trained_parameters"] == sum(p.numel() for p in model.parameters()) - frozen.numel()
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())
    assert not any(module.training for module in model.modules())


def test_a_model_that_needs_no_gradient_is_trained_whole(tiny):
    """And needs none afterwards."""
    model = tiny.model("opt").requires_grad_(False)
    try:
        outcome = TrainStep(name="t", prompt=8, repeats=1, **FAST).run(subject(tiny, "opt"), tiny.quiet)
        assert not any(p.requires_grad for p in model.parameters())
    finally:
        model.requires_grad_(True)
    assert outcome.facts["trained_parameters"] == sum(p.numel() for p in model.parameters())


def test_what_cannot_be_trained_is_unsupported(tiny):
    """Quantised weights, float16, rows beyond the context."""
    probe = TrainStep(name="t", prompt=8)
    with pytest.raises(Unsupported, match="needs quantisation=none: weights in nf4 have no gradients"):
        probe.run(subject(tiny, quantisation="nf4"), tiny.quiet)
    with pytest.raises(Unsupported, match=r"^clipped: prompt 65 tokens exceed the model's context 64$"):
        TrainStep(name="t", prompt=65).run(subject(tiny), tiny.quiet)
    here = subject(tiny)
    half = Subject(tiny.built(tiny.config("gpt2"), seed=0).half(), here.tokenizer, here.facts, here.device)
    with pytest.raises(Unsupported, match="needs dtype=float32 or bfloat16"):
        probe.run(half, tiny.quiet)


@pytest.mark.parametrize(("field", "bad"), [("batch", 0), ("prompt", 1), ("repeats", 0), ("energy", "much")])
def test_bad_fields_are_refused(field, bad):
    """One line that names the field; one token has no next one."""
    with pytest.raises(ValueError, match=rf"^{field}=.* is not a valid value: "):
        TrainStep(name="t", **{field: bad})


def test_the_config_constructs():
    """The YAML constructs the probe it is named for."""
    probe = construct(yaml.safe_load((CONF / "train-step.yaml").read_text()), where="train-step")
    assert (type(probe), probe.name, bool(probe.about)) == (TrainStep, "train-step", True)


@pytest.mark.gpu
def test_training_on_the_device(tiny):
    """The same on CUDA: the peak holds weights, gradients and the optimiser's state."""
    here = subject(tiny, kind="cuda")
    moved = Subject(tiny.model("gpt2").cuda(), here.tokenizer, here.facts, here.device)
    outcome = TrainStep(name="t", batch=2, prompt=16, repeats=2, **FAST).run(moved, tiny.quiet)
    tiny.model("gpt2").cpu()
    value = {m.metric: m.value for m in outcome.measurements}
    assert value["peak_device_bytes"] >= value["weights_bytes"] + value["optimiser_bytes"]
