"""The prefill probe: what it measures, on which shapes, and what it refuses."""

import pytest

from harness.probes.prefill import Prefill
from harness.records import Unsupported


def test_every_repeat_is_kept(subject, tiny, briefly):
    """Time to first token and prompt tokens by it, raw; no time between tokens, for there is one."""
    probe = Prefill(name="p", batch=3, prompt=9, cache="dynamic", kernels="auto", **briefly)
    outcome = probe.run(subject("llama"), tiny.quiet)
    by_metric = {}
    for m in outcome.measurements:
        by_metric.setdefault(m.metric, []).append(m)
    assert [m.repeat for m in by_metric["ttft"]] == [m.repeat for m in by_metric["ttft_cpu"]] == [0, 1]
    for ttft, speed in zip(by_metric["ttft"], by_metric["prefill_tok_s"], strict=True):
        assert speed.value == pytest.approx(3 * 9 / ttft.value)
    assert not {"itl", "tpot", "e2e", "decode_tok_s"} & set(by_metric)
    assert (outcome.facts["batch"], outcome.facts["prompt"], outcome.facts["new"]) == (3, 9, 0)
    assert "steps" not in outcome.facts
    assert by_metric["kv_bytes"][0].value == 2 * 2 * 3 * 2 * 8 * 9 * 4


def test_a_prompt_beyond_the_context_is_clipped(tiny, subject):
    """The line says both numbers; nothing is added that the probe does not write."""
    with pytest.raises(Unsupported, match=r"^clipped: prompt 65 tokens exceed the model's context 64$"):
        Prefill(name="p", prompt=65).run(subject(), tiny.quiet)


@pytest.mark.gpu
def test_on_cuda(tiny, subject, briefly):
    """The device's own time of a call beside the wall's."""
    here = subject(kind="cuda", model=tiny.built(tiny.config("gpt2"), seed=0).cuda())
    value = {m.metric: m.value for m in Prefill(name="p", prompt=8, **briefly).run(here, tiny.quiet).measurements}
    assert value["ttft_device"] > 0
    assert value["peak_device_bytes"] >= value["weights_bytes"]
