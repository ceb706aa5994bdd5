"""Soft prompts and prefixes: scored and generated as by hand, and never without their vectors."""

from __future__ import annotations

import pytest
import torch
from transformers import DynamicCache

from harness.forward.body import Body
from harness.records import Unsupported
from harness.scoring.options import Scoring
from harness.training.attach import attached
from harness.training.train import train

FAMILIES = ("gpt2", "gpt_neo", "gptj", "gpt_neox", "opt", "llama")


@pytest.fixture(scope="session")
def soft(learners, tmp_path_factory):
    """Trains a soft prompt or prefix, once a session: the folder and the method."""
    known = {}

    def run(family, name):
        if (family, name) not in known:
            method, folder = learners.method(name, learning_rate=0.3), tmp_path_factory.mktemp("soft") / "one"
            train(learners.subject(family), method, learners.data(dev=0), folder=folder, progress=learners.quiet)
            known[family, name] = method, folder
        return known[family, name]

    return run


def by_hand(base, state, ids, *, name, length):
    """Logits of `ids` behind the vectors, by plain calls of the base."""
    if name == "prompt":
        vectors = next(iter(state.values()))
        embedded = torch.cat([vectors, base.get_input_embeddings()(ids)])[None]
        return base(inputs_embeds=embedded).logits[0, length:]
    flat = next(iter(state.values()))  # [length, layers * 2 * heads * size]
    layers, config = base.config.num_hidden_layers, base.config
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    parts = flat.view(length, layers * 2, heads, -1).permute(1, 2, 0, 3)[:, None]
    cache = DynamicCache()
    for layer in range(layers):
        cache.update(parts[2 * layer], parts[2 * layer + 1], layer)
    where = torch.arange(length, length + len(ids))[None]
    return base(input_ids=ids[None], position_ids=where, past_key_values=cache, use_cache=True).logits[0]


@pytest.mark.parametrize("name", ["prompt", "prefix"])
@pytest.mark.parametrize("family", FAMILIES)
def test_scores_are_those_by_hand(learners, soft, family, name):
    """Log-likelihoods are those of the vectors put before the text by hand, whatever layout is asked for."""
    from safetensors.torch import load_file

    method, folder = soft(family, name)
    state = load_file(folder / "adapter.safetensors")
    base = learners.subject(family)
    expected, plain = [], learners.logprobs(base.lm)
    for prompt, answer in learners.pairs():
        whole, before = (base.tokenizer(text)["input_ids"] for text in (prompt + answer, prompt))
        with torch.inference_mode():
            logits = by_hand(base.model, state, torch.tensor(whole), name=name, length=method.length)
        targets = torch.tensor(whole[len(before) :])
        chosen = torch.log_softmax(logits[len(before) - 1 : -1].double(), -1).gather(1, targets[:, None])
        expected.append(chosen.sum().item())
    with attached(learners.subject(family), method, folder=folder) as adapted:
        for layout in ("auto", "tree", "reference"):
            adapted.lm.configure(Scoring(layout=layout))
            assert learners.logprobs(adapted.lm) == pytest.approx(expected, abs=1e-4)
            assert adapted.lm.facts()["layout"] == "reference"
    assert max(abs(x - y) for x, y in zip(expected, plain, strict=True)) > 0.01


@pytest.mark.parametrize("name", ["prompt", "prefix"])
def test_texts_are_generated_behind_the_vectors(learners, soft, name):
    """Greedy decoding takes the likeliest token of the model with its vectors each time."""
    method, folder = soft("gpt2", name)
    with attached(learners.subject("gpt2"), method, folder=folder) as adapted:
        prompt = learners.examples()[0].prompt
        (reply,) = adapted.lm.generate([(prompt, {"max_gen_toks": 5, "until": []})], learners.quiet)
        ids = adapted.tokenizer(prompt)["input_ids"]
        for _ in range(5):
            with torch.inference_mode():
                ids.append(int(adapted.model(input_ids=torch.tensor([ids])).logits[0, -1].argmax()))
    assert reply.text == adapted.tokenizer.decode(ids[-5:], skip_special_tokens=True)
    assert reply.tokens == 5


def test_no_engine_finds_layers_without_the_vectors(learners, soft):
    """There is no body to compute on its own, and the text has fewer positions."""
    method, folder = soft("gpt2", "prefix")
    with attached(learners.subject("gpt2"), method, folder=folder) as adapted:
        assert adapted.facts["context"] == adapted.lm.max_length == learners.CONTEXT - method.length
        with pytest.raises(Unsupported, match="no body"):
            Body(adapted.model)
        long = "the cat sat on the mat. " * 40
        (scored,) = adapted.lm.score([(long, " good")], learners.quiet)
        assert scored.truncated
        assert scored.prompt_tokens <= learners.CONTEXT - method.length
