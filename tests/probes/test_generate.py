"""The generate probe: transformers' own loop beside the project's."""

import pytest
import torch

from harness.probes.generate import Generate
from harness.probes.loops import prepared
from harness.probes.pairing import Pair, configured
from harness.records import Unsupported

FAMILIES = ("gpt2", "gpt_neo", "gptj", "gpt_neox", "opt", "llama")


@pytest.mark.parametrize("cache", ["dynamic", "static"])
@pytest.mark.parametrize("family", FAMILIES)
def test_both_loops_write_the_same(subject, family, cache):
    """Exactly as many tokens as asked for, the end token or not, with the same kind of cache."""
    here = subject(family)
    probe = Generate(name="g", batch=3, prompt=10, new=7, cache=cache)
    with prepared(probe, here, prompt=10, new=7) as ready, configured(here.model, 7):
        pair = Pair(ready, new=7, cache=cache)
        assert pair.generate().shape == (3, 17)
        assert pair.same_tokens()
        assert pair.same_tokens()


def test_an_end_token_does_not_end_it(subject):
    """The model's own settings would stop at the first token that is written."""
    here = subject()
    probe = Generate(name="g", batch=1, prompt=10, new=5)
    with prepared(probe, here, prompt=10, new=5) as ready:
        first = int(next(ready.loop.tokens(1)))
        own = here.model.generation_config
        before, own.eos_token_id = own.eos_token_id, first
        try:
            with configured(here.model, 5):
                assert Pair(ready, new=5, cache="dynamic").same_tokens()
            assert here.model.generation_config is own
            mask = torch.ones_like(ready.prompts)
            assert here.model.generate(ready.prompts, attention_mask=mask, max_new_tokens=5).shape == (1, 11)
        finally:
            own.eos_token_id = before


def test_overhead_is_paired(subject, tiny, briefly):
    """Of each repeat the difference of its two times; caches of the two are counted once, in the memory pass."""
    outcome = Generate(name="g", batch=2, prompt=6, new=4, **briefly).run(subject(), tiny.quiet)
    for repeat in (0, 1):
        value = {m.metric: m.value for m in outcome.measurements if m.repeat == repeat}
        assert value["overhead"] == pytest.approx(value["generate_e2e"] - value["loop_e2e"])
        assert value["request_s"] == pytest.approx(2 / value["generate_e2e"])
        assert value["generate_e2e_cpu"] > 0
    first = {m.metric: m.value for m in outcome.measurements if m.repeat == 0}
    assert first["kv_bytes"] == 2 * 2 * 2 * 4 * 8 * (6 + 4 - 1) * 4
    assert outcome.facts["same_tokens"] is True


def test_more_tokens_than_the_context_are_clipped(tiny, subject):
    """As in decoding."""
    with pytest.raises(Unsupported, match="clipped: prompt 60"):
        Generate(name="g", prompt=60, new=5).run(subject(), tiny.quiet)
