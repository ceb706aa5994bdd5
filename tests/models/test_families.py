"""The closed forms agree with published counts and with transformers."""

from __future__ import annotations

import pytest

from harness.models import families

GPT2 = {"vocab_size": 50257, "n_positions": 1024, "n_embd": 768, "n_layer": 12, "n_head": 12}
LLAMA = {
    "vocab_size": 32000,
    "max_position_embeddings": 2048,
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "intermediate_size": 96,
}


def built(family, architecture) -> int:
    """Unique parameters of the true class on the meta device."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    from harness.models.subject import parameter_count

    config = AutoConfig.for_model(families.FAMILIES[family].model_type, **architecture)
    with torch.device("meta"):
        return parameter_count(AutoModelForCausalLM.from_config(config))


def test_sizes_of_gpt2():
    """Count, context, bytes of the weights and of a token's keys and values are those of GPT-2 small."""
    assert families.parameter_count("gpt2", GPT2) == 124_439_808
    assert families.shape("gpt2", GPT2).positions == 1024
    assert families.weights_bytes("gpt2", GPT2, "float16") == 248_879_616
    assert families.kv_bytes_per_token("gpt2", GPT2, "float16") == 36 * 1024


def test_grouped_queries_keep_fewer_keys():
    """Two key-value heads out of eight keep a quarter of the bytes."""
    assert families.kv_bytes_per_token("llama", LLAMA, "float32") == 2 * 2 * 2 * 8 * 4


@pytest.mark.parametrize(
    ("family", "change"),
    [
        ("gpt2", {"n_inner": 100}),
        ("gpt2", {"tie_word_embeddings": False}),
        ("gptj", {"n_inner": 100, "rotary_dim": 4}),
        ("gpt_neo", {"intermediate_size": 100}),
        ("gpt_neox", {"attention_bias": False}),
        ("gpt_neox", {"tie_word_embeddings": True}),
        ("opt", {"word_embed_proj_dim": 16, "do_layer_norm_before": True}),
        ("opt", {"enable_bias": False}),
        ("opt", {"tie_word_embeddings": False}),
        ("llama", {"attention_bias": True, "mlp_bias": True}),
        ("llama", {"tie_word_embeddings": False, "head_dim": 8}),
    ],
)
def test_closed_form_follows_the_options_of_a_config(architectures, family, change):
    """Inner width, biases, tied heads and the quirks of opt-350m change the count as they change the model."""
    architecture = {**architectures[family], **change}
    assert families.parameter_count(family, architecture) == built(family, architecture)


@pytest.mark.parametrize("family", families.FAMILIES)
def test_attention_of_a_family_is_that_of_its_class(architectures, family):
    """The table of attention implementations says what transformers says."""
    from transformers import AutoConfig
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING

    config = AutoConfig.for_model(families.FAMILIES[family].model_type, **architectures[family])
    model_class = MODEL_FOR_CAUSAL_LM_MAPPING[type(config)]
    flags = {
        "sdpa": "_supports_sdpa",
        "flex_attention": "_supports_flex_attn",
        "flash_attention_2": "_supports_flash_attn",
    }
    for kind, flag in flags.items():
        assert (kind in families.FAMILIES[family].attention) == bool(getattr(model_class, flag, False)), kind


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_layer": 0}, "n_layer=0 must be a whole number of at least 1"),
        ({"n_embd": "768"}, "n_embd='768' must be a whole number"),
        ({"n_embd": 770}, "n_embd=770 is not a multiple of n_head=12"),
    ],
)
def test_bad_sizes_are_refused(change, message):
    """A size that cannot be is named."""
    with pytest.raises(ValueError, match=message):
        families.shape("gpt2", {**GPT2, **change})


def test_a_missing_size_and_an_unknown_family_are_named():
    """The key that is missing, and the nearest family."""
    with pytest.raises(ValueError, match="key 'n_head' is missing"):
        families.shape("gpt2", {k: v for k, v in GPT2.items() if k != "n_head"})
    with pytest.raises(ValueError, match="did you mean 'gpt_neox'"):
        families.shape("gptneox", GPT2)
