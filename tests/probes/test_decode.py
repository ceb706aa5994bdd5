"""The decode probe: what it measures, on which shapes, and what it refuses."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from harness.config import construct
from harness.devices import Device
from harness.probes.decode import Decode
from harness.records import OutOfMemory, Unsupported

FAMILIES = ("gpt2", "gpt_neo", "gptj", "gpt_neox", "opt", "llama")
CONF = Path(__file__).parents[2] / "conf" / "probe"
TIMES = {"ttft": "s", "itl": "s", "e2e": "s", "prefill_tok_s": "tok/s", "decode_tok_s": "tok/s"}


@dataclass(frozen=True)
class Subject:
    """What the probe reads of a loaded subject."""

    model: Any
    tokenizer: Any
    facts: dict
    device: Device


def subject(tiny, family="gpt2", kind="cpu"):
    device = Device(kind=kind, slug="here", name="here", threads=1, batch=4, memory=2**30)
    return Subject(tiny.model(family), tiny.tokenizer(), {"context": tiny.CONTEXT}, device)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_repeat_is_kept_with_sign_and_unit(tiny, family):
    """Five timings a repeat, positive and consistent with each other; sizes once."""
    probe = Decode(name="d", batch=2, prompt=7, new=5, repeats=3, warmup=1)
    measured = probe.run(subject(tiny, family), tiny.quiet).measurements
    for metric, unit in TIMES.items():
        values = [m for m in measured if m.metric == metric]
        assert [m.repeat for m in values] == [0, 1, 2]
        assert all(m.unit == unit and m.value > 0 and m.higher_is_better == (unit == "tok/s") for m in values)
    value = {m.metric: m for m in measured if m.repeat == 0}
    assert value["itl"].n == 4
    assert value["ttft"].value < value["e2e"].value
    assert value["prefill_tok_s"].value == pytest.approx(2 * 7 / value["ttft"].value)
    assert value["decode_tok_s"].value == pytest.approx(2 * 4 / (value["e2e"].value - value["ttft"].value))
    assert "peak_device_bytes" not in value


@pytest.mark.parametrize("family", FAMILIES)
def test_sizes_are_those_of_the_model(tiny, family):
    """Weights count once where they are tied; the cache holds all positions but the last token's."""
    probe = Decode(name="d", batch=3, prompt=6, new=4, repeats=1, warmup=0)
    sizes = {m.metric: m.value for m in probe.run(subject(tiny, family), tiny.quiet).measurements if m.unit == "B"}
    heads = 2 if family == "llama" else 4
    assert sizes["kv_bytes"] == 2 * 2 * 3 * heads * 8 * (6 + 4 - 1) * 4
    weights = sum(p.nbytes for p in tiny.model(family).parameters())
    assert weights <= sizes["weights_bytes"] < 1.5 * weights
    assert sizes["peak_host_bytes"] > sizes["weights_bytes"]


def test_prompts_hold_no_special_token_and_follow_the_seed(tiny):
    """The same seed gives the same prompts."""
    draw = lambda seed: Decode(name="d", batch=9, prompt=50, seed=seed)._prompts(tiny.tokenizer(begins=True), 320)  # noqa: E731
    assert draw(0) == draw(0) != draw(1)
    assert not {0, 1} & {token for row in draw(0) for token in row}


def test_progress_counts_warmup_and_repeats(tiny):
    """Every round is announced."""
    seen = []
    Decode(name="d", prompt=2, new=2, repeats=2, warmup=1).run(subject(tiny), lambda *e: seen.append(e))
    assert seen == [("decode", 1, 3), ("decode", 2, 3), ("decode", 3, 3)]


def test_more_tokens_than_the_context_are_unsupported(tiny):
    """The line says both numbers."""
    with pytest.raises(Unsupported, match=r"prompt 60 \+ new 5 tokens exceed the model's context 64"):
        Decode(name="d", prompt=60, new=5).run(subject(tiny), tiny.quiet)
    Decode(name="d", prompt=60, new=4, repeats=1, warmup=0).run(subject(tiny), tiny.quiet)


class Full(torch.nn.Module):
    """The real model on a device without memory left."""

    def __init__(self, model):
        super().__init__()
        self.inner, self.config, self.device = model, model.config, model.device

    def forward(self, input_ids, **_):
        """Has no room for any row."""
        assert len(input_ids)
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")


def test_a_batch_that_does_not_fit_is_out_of_memory(tiny):
    """A probe's batch is what it measures: it is not halved."""
    here = subject(tiny)
    with pytest.raises(OutOfMemory, match="batch 4 does not fit"):
        Decode(name="d", batch=4, prompt=2).run(
            Subject(Full(here.model), here.tokenizer, here.facts, here.device), tiny.quiet
        )


@pytest.mark.parametrize(
    "bad",
    [
        {"batch": 0},
        {"prompt": 0},
        {"new": 1},
        {"repeats": 0},
        {"warmup": -1},
        {"new": 2.5},
        {"batch": 1.5},
        {"seed": "abc"},
    ],
)
def test_shapes_without_sense_are_refused(bad):
    """On construction, naming the field."""
    with pytest.raises(ValueError, match=f"^{next(iter(bad))}=.* is not a valid value: a whole number"):
        Decode(name="d", **bad)


@pytest.mark.parametrize("path", sorted(CONF.glob("decode*.yaml")), ids=lambda path: path.stem)
def test_configs_construct_without_torch(path):
    """Each probe file constructs the probe it is named for."""
    probe = construct(yaml.safe_load(path.read_text()), where=path.stem)
    assert (probe.name, bool(probe.about)) == (path.stem, True)
    assert path.read_text().startswith(f"# @package probe.{path.stem}\n")


def test_construction_imports_no_torch():
    """A plan costs no heavy import."""
    code = "import sys, harness.probes.decode as d; d.Decode(name='d').check(); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.gpu
def test_device_memory_is_measured(tiny):
    """On CUDA the allocator's peak is at least the weights."""
    here = subject(tiny, kind="cuda")
    moved = Subject(tiny.model("gpt2").cuda(), here.tokenizer, here.facts, here.device)
    values = {m.metric: m.value for m in Decode(name="d", prompt=8, new=4).run(moved, tiny.quiet).measurements}
    tiny.model("gpt2").cpu()
    assert values["peak_device_bytes"] >= values["weights_bytes"]
