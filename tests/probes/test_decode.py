"""The decode probe: what it measures, on which shapes, and what it refuses."""

import pytest
import torch

from harness.probes.decode import Decode
from harness.records import OutOfMemory, Unsupported

TIMES = ("ttft", "itl", "tpot", "e2e")
RATES = ("prefill_tok_s", "decode_tok_s")


@pytest.fixture(scope="module")
def outcome(subject, tiny):
    """One point on GPT-2: two rows, seven tokens read, five written, three times."""
    probe = Decode(
        name="d", batch=2, prompt=7, new=5, repeats=3, warm_calls=2, warm_seconds=0.0, warm_most=1.0, energy="off"
    )
    return probe.run(subject(), tiny.quiet)


def test_every_repeat_is_kept_with_sign_and_unit(outcome):
    """Positive, raw, numbered from 0."""
    for metric in (*TIMES, *RATES):
        values = [m for m in outcome.measurements if m.metric == metric]
        assert [m.repeat for m in values] == [0, 1, 2], metric
        assert all(m.value > 0 and m.unit == ("s" if metric in TIMES else "tok/s") for m in values)
        assert all(m.higher_is_better == (metric in RATES) for m in values)


def test_times_of_a_repeat_agree_with_its_gaps(outcome):
    """Four gaps for five tokens, in every repeat; `e2e` is the first token and all gaps."""
    steps = outcome.facts["steps"]["itl"]
    assert [len(gaps) for gaps in steps] == [4, 4, 4]
    for repeat, gaps in enumerate(steps):
        value = {m.metric: m for m in outcome.measurements if m.repeat == repeat}
        assert value["itl"].n == value["tpot"].n == 4
        assert sorted(gaps)[1] <= value["itl"].value <= sorted(gaps)[2]
        assert value["e2e"].value == pytest.approx(value["ttft"].value + sum(gaps))
        assert value["tpot"].value == pytest.approx(sum(gaps) / 4)
        assert value["prefill_tok_s"].value == pytest.approx(2 * 7 / value["ttft"].value)
        assert value["decode_tok_s"].value == pytest.approx(2 * 4 / sum(gaps))


def test_facts_say_where_the_point_lies_and_how_it_was_measured(outcome):
    """The fields that tables are made of."""
    facts = outcome.facts
    point = {name: facts[name] for name in ("batch", "prompt", "new", "replicate", "kernels", "cache", "compile")}
    assert point == {
        "batch": 2, "prompt": 7, "new": 5, "replicate": 0, "kernels": "torch", "cache": "static", "compile": "off",
    }  # fmt: skip
    assert facts["warm_up"]["calls"] >= 2
    assert facts["energy"] == {"method": None, "reason": "switched off"}
    assert set(facts["environment"]) == set(facts["sentinel"]) == {"before", "after"}
    assert facts["kernels_used"] == "torch"
    assert bool(facts["noisy"]) == bool(outcome.warnings)


def test_sizes_are_those_of_the_model(outcome, subject):
    """Weights count once where they are tied; the cache holds all positions but the last token's."""
    sizes = {m.metric: m.value for m in outcome.measurements if m.unit == "B"}
    assert sizes["weights_bytes"] == sum(p.nbytes for p in subject().model.parameters())
    assert sizes["kv_bytes"] == 2 * 2 * 2 * 4 * 8 * (7 + 5 - 1) * 4
    assert sizes["peak_host_bytes"] > sizes["weights_bytes"]
    assert sizes["predicted_bytes"] >= sizes["weights_bytes"] + sizes["kv_bytes"]
    assert "peak_device_bytes" not in sizes


def test_useful_work_is_that_of_one_step_in_the_middle(outcome, subject):
    """Twice the multiplied weights a row, and the attention to half of the new tokens."""
    found = {m.metric: m.value for m in outcome.measurements}
    model = subject().model
    weights = sum(p.numel() for n, p in model.named_parameters() if p.ndim == 2 and "wpe" not in n)
    assert found["flops"] == 2 * 2 * weights + 2 * 4 * 2 * 32 * (7 + 5 // 2)
    assert found["mfu"] > 0
    assert found["bound_s"] > 0


def test_another_family_kernels_and_cache(subject, tiny, briefly):
    """The same metrics on transformers' growing cache with this project's kernels, up to the last position there is."""
    here = subject("gpt_neo")
    outcome = Decode(name="d", prompt=60, new=4, cache="dynamic", kernels="auto", **briefly).run(here, tiny.quiet)
    assert {*TIMES, *RATES, "kv_bytes"} <= {m.metric for m in outcome.measurements}
    assert outcome.facts["kernels_used"] != "torch"
    assert not any("forward" in module.__dict__ for module in here.model.modules())


def test_more_tokens_than_the_context_are_clipped(tiny, subject):
    """The line says all three numbers."""
    with pytest.raises(Unsupported, match=r"^clipped: prompt 60 \+ new 5 tokens exceed the model's context 64$"):
        Decode(name="d", prompt=60, new=5).run(subject(), tiny.quiet)


def test_a_grid_is_not_measured_as_one(tiny, subject):
    """Only its points are."""
    with pytest.raises(ValueError, match=r"\[1, 2\] is a grid, not a point"):
        Decode(name="d", batch=[1, 2]).run(subject(), tiny.quiet)


def test_a_batch_that_does_not_fit_is_out_of_memory(tiny, subject, briefly):
    """A probe's batch is what it measures: it is not halved."""
    here = subject()

    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    hook = here.model.transformer.h[1].register_forward_pre_hook(full)
    try:
        with pytest.raises(OutOfMemory, match=r"^probe d: batch 4, prompt 2, new 2 does not fit: CUDA out of memory"):
            Decode(name="d", batch=4, prompt=2, new=2, **briefly).run(here, tiny.quiet)
    finally:
        hook.remove()


@pytest.mark.gpu
@pytest.mark.parametrize("cache", ["static", "dynamic"])
def test_on_cuda(tiny, subject, briefly, cache):
    """Device times beside wall times, the allocator's peak, the parts of the stack, and who sets the pace."""
    here = subject(kind="cuda", model=tiny.built(tiny.config("gpt2"), seed=0).cuda())
    outcome = Decode(name="d", batch=2, prompt=8, new=6, cache=cache, **briefly).run(here, tiny.quiet)
    value = {m.metric: m.value for m in outcome.measurements}
    assert {"ttft_device", "itl_device", "e2e_device"} <= set(value)
    assert value["peak_device_bytes"] >= value["weights_bytes"] + value["kv_bytes"]
    parts = ("weights_bytes", "buffers_bytes", "kv_bytes", "activation_bytes")
    assert sum(value[part] for part in parts) == value["peak_device_bytes"]
    assert outcome.facts["cpu_bound"] is True
