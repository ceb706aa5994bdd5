"""Temporary tensors of a pass are predicted to the byte, or nearly: torch's memory profiler is the judge."""

from __future__ import annotations

import pytest

from harness.models.activations import Pass, activation_bytes
from harness.models.costs import costs

BATCH, PROMPT = 3, 96
BIG = {"vocab_size": 100, "n_positions": 200, "n_embd": 64, "n_layer": 3, "n_head": 4}
WIDE = {"vocab_size": 100, "max_position_embeddings": 200, "hidden_size": 64}
ROTARY = {**WIDE, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 256}
MODELS = {
    "gpt2": BIG,
    "gpt_neo": {**WIDE, "num_layers": 4, "num_heads": 4, "attention_types": [[["global", "local"], 2]]},
    "gptj": {**BIG, "rotary_dim": 4},
    "gpt_neox": ROTARY,
    "opt": {**WIDE, "num_hidden_layers": 3, "num_attention_heads": 4, "ffn_dim": 256, "word_embed_proj_dim": 64},
    "llama": {**ROTARY, "num_key_value_heads": 2},
}
KINDS = [
    (family, attention)
    for family in MODELS
    for attention in ("eager", "sdpa")
    if attention == "eager" or family not in ("gpt_neo", "gptj")
]


def highest(function) -> int:
    """Most bytes allocated and not yet freed while `function` runs, beyond those allocated before."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        function()
    now = top = 0
    events = [e for e in profiler.profiler.kineto_results.events() if e.name() == "[memory]"]
    for event in sorted(events, key=lambda e: e.start_ns()):
        now += event.nbytes()
        top = max(top, now)
    return top


def measured(family, attention, dtype) -> tuple[int, int]:
    """Highest temporary bytes of a prefill and of the step after it, on a cache that is laid out already."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    from harness.forward.body import Body

    config = AutoConfig.for_model(family, **MODELS[family], bos_token_id=0, eos_token_id=0)
    model = AutoModelForCausalLM.from_config(config, dtype=getattr(torch, dtype), attn_implementation=attention).eval()
    body = Body(model)
    cache = body.arena(slots=BATCH, capacity=PROMPT + 1)
    positions = torch.arange(PROMPT + 1).expand(BATCH, -1)
    ids = torch.zeros(BATCH, PROMPT + 1, dtype=torch.long)

    def call(start: int, new: int):
        cache.place(slots=(0, BATCH), start=start, new=new)
        stop = start + new
        return body.logits(body.hidden(ids[:, start:stop], positions[:, start:stop], cache=cache)[:, -1])

    with torch.inference_mode():
        call(0, PROMPT)
        return highest(lambda: call(0, PROMPT)), highest(lambda: call(PROMPT, 1))


def predicted(family, attention, dtype) -> tuple[int, int]:
    """What the formulas say of the same two passes."""
    shape = costs(family, MODELS[family]).shape
    passes = [
        Pass(dtype=dtype, attention=attention, kind="cpu", batch=BATCH, queries=new, keys=keys)
        for new, keys in ((PROMPT, PROMPT), (1, PROMPT + 1))
    ]
    first, last = (activation_bytes(family, shape, MODELS[family], run) for run in passes)
    return first, last


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize(("family", "attention"), KINDS)
def test_a_pass_holds_what_is_predicted(family, attention, dtype):
    """A prefill within 1 %; a step too where the numbers are of four bytes (oneDNN copies weights of two at times)."""
    prefill, step = measured(family, attention, dtype)
    expected_prefill, expected_step = predicted(family, attention, dtype)
    assert expected_prefill == pytest.approx(prefill, rel=0.01)
    if dtype == "float32":
        assert expected_step == pytest.approx(step, rel=0.05)


def test_all_logits_are_counted():
    """Scoring keeps the logits of every position, which outweigh everything else in a small model of many words."""
    found = costs("gpt2", {**BIG, "vocab_size": 50257})
    run = Pass(dtype="float32", attention="sdpa", kind="cpu", batch=2, queries=100, keys=100, kept=100)
    assert activation_bytes("gpt2", found.shape, {}, run) == 2 * 100 * (50257 + 64) * 4
