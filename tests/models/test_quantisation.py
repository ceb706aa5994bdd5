"""Quantised weights on a CPU: by torchao, on real weights and on random ones."""

from __future__ import annotations

import pytest

pytest.importorskip("torchao", reason="torchao (extra `quantisation`) is not installed")

from harness.meters.memory import weights_bytes
from harness.models.spec import ModelSpec
from harness.models.subject import load
from harness.records import Unsupported


def loaded(cpu, **fields):
    """A subject of the zoo or of random weights."""
    return load(ModelSpec(**{"name": "m", **fields}), cpu, lambda *_: None)


def test_int8_weights_are_smaller_and_answer_alike(cpu):
    """GPT-NeoX of the zoo: read back as quantised, as many parameters, fewer bytes, nearly the same likelihoods."""
    zoo = {"family": "gpt_neox", "source": "zoo:mini-neox"}
    plain, quantised = loaded(cpu, **zoo), loaded(cpu, **zoo, quantisation="torchao_int8")
    texts = [("the story is about", " a dog"), ("the weather was", " fine today")]
    sums = [[a.logprob for a in s.lm.score(texts, lambda *_: None)] for s in (plain, quantised)]
    assert quantised.facts["quantisation"] == "torchao_int8"
    assert quantised.facts["parameters"] == plain.facts["parameters"]
    assert weights_bytes(quantised.model) < 0.5 * weights_bytes(plain.model)
    assert sums[1] == pytest.approx(sums[0], abs=1.0)
    assert sums[1] != sums[0]


def test_random_weights_can_be_quantised_too(cpu, architectures, tokenizer_folder):
    """What speed and memory depend on needs no checkpoint."""
    fields = {"family": "llama", "source": "a/b", "weights": "random", "tokenizer": str(tokenizer_folder)}
    subject = loaded(cpu, **fields, architecture=architectures["llama"], quantisation="torchao_int8")
    assert subject.facts["quantisation"] == "torchao_int8"
    assert subject.facts["weights"] == "random"


def test_a_model_without_linear_layers_is_unsupported(cpu):
    """GPT-2 keeps its weights in `Conv1D`."""
    with pytest.raises(Unsupported, match=r"needs nn\.Linear layers, GPT2LMHeadModel has none"):
        loaded(cpu, family="gpt2", source="zoo:mini-gpt2-s", quantisation="torchao_int8")
