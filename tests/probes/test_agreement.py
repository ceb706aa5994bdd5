"""The probes' figures beside an independent measurement: torch.utils.benchmark on transformers' own call."""

import statistics

import pytest
import torch
from torch.utils.benchmark import Timer
from transformers import DynamicCache, GPT2Config, GPT2LMHeadModel

from harness.probes.decode import _round as decode_round
from harness.probes.loop import EagerLoop
from harness.probes.prefill import _round as prefill_round

SMALL = GPT2Config(n_layer=4, n_embd=256, n_head=4, vocab_size=8192, n_positions=256)
FULL = GPT2Config()
"""GPT-2 with 124 million parameters."""


def one_call(model, ids, past):
    """Seconds of one call of `model` on `ids`, with a cache of `past` already read, by torch's own timer."""

    def fresh():
        cache = DynamicCache(config=model.config)
        for i, (keys, values) in enumerate(past):
            cache.update(keys, values, i)
        return cache

    timer = Timer(
        "model(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1).logits[:, -1].argmax(-1)",
        setup="cache = fresh()",
        globals={"model": model, "ids": ids, "fresh": fresh},
        num_threads=torch.get_num_threads(),
    )
    with torch.inference_mode():
        return timer.timeit(1).median


def read(model, ids):
    """Keys and values of every layer after reading `ids`."""
    cache = DynamicCache(config=model.config)
    with torch.inference_mode():
        model(input_ids=ids, past_key_values=cache, use_cache=True)
    return [(layer.keys, layer.values) for layer in cache.layers]


def compared(ours, theirs, *, rounds):
    """Medians of the two, called in turns, and how far they may lie apart.

    By their own spread: the 95 % intervals of both medians, `1.57 * interquartile range / sqrt(n)` each (McGill et al.
    1978), twice as wide, so that a right program fails once in many thousand runs; and 10 % for what surrounds a call
    (the clock, transformers' wrapper around the body, the copy into the cache).
    """
    ours(), theirs()
    pairs = [(ours(), theirs()) for _ in range(rounds)]
    columns = list(zip(*pairs, strict=True))
    medians = [statistics.median(column) for column in columns]
    ranges = [q[2] - q[0] for q in (statistics.quantiles(column, n=4) for column in columns)]
    margin = 2 * 1.57 * sum(ranges) / rounds**0.5 + 0.10 * min(medians)
    return medians, margin


def model_and_prompt(config, *, batch, prompt):
    torch.manual_seed(0)
    return GPT2LMHeadModel(config).eval(), torch.randint(config.vocab_size, (batch, prompt))


@pytest.mark.parametrize(
    ("config", "batch", "prompt", "rounds"),
    [
        pytest.param(SMALL, 2, 64, 15, id="small"),
        pytest.param(FULL, 1, 128, 15, id="124M", marks=pytest.mark.slow),
    ],
)
def test_prefill_agrees(config, batch, prompt, rounds):
    """Time to first token is the time of the call that reads the prompt."""
    model, ids = model_and_prompt(config, batch=batch, prompt=prompt)
    loop = EagerLoop(model, ids, capacity=prompt, cache="static")
    (ours, theirs), margin = compared(
        lambda: prefill_round(loop, shape=(batch, prompt), devices=()).wall,
        lambda: one_call(model, ids, []),
        rounds=rounds,
    )
    assert abs(ours - theirs) <= margin, (ours, theirs)


@pytest.mark.parametrize(
    ("config", "batch", "prompt", "rounds"),
    [
        pytest.param(SMALL, 2, 64, 15, id="small"),
        pytest.param(FULL, 1, 128, 15, id="124M", marks=pytest.mark.slow),
    ],
)
def test_decode_agrees(config, batch, prompt, rounds):
    """The gap between two tokens is the time of a call on one token behind the same prompt."""
    model, ids = model_and_prompt(config, batch=batch, prompt=prompt)
    past = read(model, ids)
    loop = EagerLoop(model, ids, capacity=prompt + 4, cache="dynamic")
    (ours, theirs), margin = compared(
        lambda: statistics.median(decode_round(loop, shape=(batch, prompt, 5), devices=()).gaps),
        lambda: one_call(model, ids[:, -1:], past),
        rounds=rounds,
    )
    assert abs(ours - theirs) <= margin, (ours, theirs)
