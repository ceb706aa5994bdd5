"""The project's own loop: exact on every family, whatever the cache and the kernels."""

import pytest
import torch

from harness.forward import kernels
from harness.probes.loop import EagerLoop
from harness.probes.prompts import draw

FAMILIES = ("gpt2", "gpt_neo", "gptj", "gpt_neox", "opt", "llama")
BATCH, PROMPT, NEW = 3, 11, 6


def prompts(subject):
    return draw(subject, batch=BATCH, tokens=PROMPT, seed=0)


def greedy(model, ids):
    """Tokens `[batch, NEW]` without any cache: the whole text is read again for every token."""
    with torch.inference_mode():
        for _ in range(NEW):
            ids = torch.cat([ids, model(ids).logits[:, -1].argmax(-1, keepdim=True)], dim=1)
    return ids[:, PROMPT:]


@pytest.mark.parametrize("cache", ["static", "dynamic"])
@pytest.mark.parametrize("family", FAMILIES)
def test_tokens_are_those_of_the_whole_text(subject, family, cache):
    """Twice over: a second round begins from nothing. GPT-Neo's window of 8 is shorter than the text."""
    here = subject(family)
    expected = greedy(here.model, prompts(here))
    loop = EagerLoop(here.model, prompts(here), capacity=PROMPT + NEW - 1, cache=cache)
    for _ in range(2):
        assert torch.equal(torch.stack(list(loop.tokens(NEW)), dim=1), expected)


@pytest.mark.parametrize("cache", ["static", "dynamic"])
def test_steps_go_back_to_the_end_of_the_prompt(subject, cache):
    """However often: each time the same tokens, with no more than the prompt before them."""
    here = subject("gpt_neox")
    loop = EagerLoop(here.model, prompts(here), capacity=PROMPT + NEW - 1, cache=cache)
    list(loop.tokens(NEW))
    first, again = (torch.stack(list(loop.steps(NEW - 1))) for _ in range(2))
    assert torch.equal(first, again)
    with torch.inference_mode():
        longer = torch.cat([prompts(here), prompts(here)[:, -1:]], dim=1)
        assert torch.equal(first[0], here.model(longer).logits[:, -1].argmax(-1))


@pytest.mark.parametrize("family", FAMILIES)
def test_faster_kernels_choose_the_same_tokens(subject, family):
    """`kernels: auto` differs by rounding, not by what is written."""
    here = subject(family)
    expected = greedy(here.model, prompts(here))
    with kernels.fast(here.model):
        loop = EagerLoop(here.model, prompts(here), capacity=PROMPT + NEW - 1, cache="static")
        assert torch.equal(torch.stack(list(loop.tokens(NEW)), dim=1), expected)


@pytest.mark.parametrize("cache", ["static", "dynamic"])
@pytest.mark.parametrize("family", FAMILIES)
def test_cache_holds_all_but_the_last_token(subject, family, cache):
    """Keys and values of two layers, `prompt + new - 1` tokens of each row; nothing once it is given back."""
    here = subject(family)
    loop = EagerLoop(here.model, prompts(here), capacity=PROMPT + NEW - 1, cache=cache)
    tokens = list(loop.tokens(NEW))
    heads = 2 if family == "llama" else 4
    assert loop.held() == {"kv_bytes": 2 * 2 * BATCH * heads * 8 * (PROMPT + NEW - 1) * 4}
    loop.release()
    assert loop.held() == {"kv_bytes": 0}
    assert all(torch.equal(a, b) for a, b in zip(loop.tokens(NEW), tokens, strict=True))


def test_prompts_hold_no_special_token_and_follow_the_seed(subject):
    """The same seed gives the same prompts."""
    here = subject()
    first, again, other = (draw(here, batch=9, tokens=50, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.shape == (9, 50)
    assert not set(here.tokenizer.all_special_ids) & set(first.flatten().tolist())
