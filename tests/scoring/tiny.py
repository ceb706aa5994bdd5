"""Tiny models with random weights of six families, and tokenizers trained on the spot: real classes, no download."""

from __future__ import annotations

import functools

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import AutoModelForCausalLM as Auto
from transformers import (
    GPT2Config,
    GPTJConfig,
    GPTNeoConfig,
    GPTNeoXConfig,
    LlamaConfig,
    OPTConfig,
    PreTrainedTokenizerFast,
)

FAMILIES = ("gpt2", "gpt_neo", "gptj", "gpt_neox", "opt", "llama")
CONTEXT = 64
VOCABULARY = 320
TEXT = ("the cat sat on the mat and the dog ran home. ", "A café, naïve; 東京 🙂 été\n\nQ: what is it? A: it is. ") * 4


@functools.cache
def tokenizer(*, begins=False):
    """A byte-level BPE tokenizer; with `begins` it puts its first token before every text, as Llama's and OPT's do."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    special = ["<|endoftext|>", "<s>"]
    bpe.train_from_iterator(
        TEXT,
        trainers.BpeTrainer(
            vocab_size=VOCABULARY, special_tokens=special, initial_alphabet=alphabet, show_progress=False
        ),
    )
    first = "<s>" if begins else "<|endoftext|>"
    if begins:
        bpe.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(tokenizer_object=bpe, bos_token=first, eos_token="<|endoftext|>")


def config(family):
    """Shapes of a two-layer model with `CONTEXT` positions."""
    ends = {"bos_token_id": 0, "eos_token_id": 0, "pad_token_id": None, "vocab_size": VOCABULARY}
    width = {"hidden_size": 32, "num_attention_heads": 4, "max_position_embeddings": CONTEXT, **ends}
    return {
        "gpt2": lambda: GPT2Config(n_embd=32, n_layer=2, n_head=4, n_positions=CONTEXT, **ends),
        "gpt_neo": lambda: GPTNeoConfig(
            hidden_size=32,
            num_layers=2,
            num_heads=4,
            attention_types=[[["global", "local"], 1]],
            window_size=8,
            max_position_embeddings=CONTEXT,
            **ends,
        ),
        "gptj": lambda: GPTJConfig(n_embd=32, n_layer=2, n_head=4, rotary_dim=4, n_positions=CONTEXT, **ends),
        "gpt_neox": lambda: GPTNeoXConfig(num_hidden_layers=2, intermediate_size=64, **width),
        "opt": lambda: OPTConfig(num_hidden_layers=2, ffn_dim=64, word_embed_proj_dim=32, **width),
        "llama": lambda: LlamaConfig(
            num_hidden_layers=2, intermediate_size=64, num_key_value_heads=2, tie_word_embeddings=True, **width
        ),
    }[family]()


def shape(family, *, layers, heads, size, window):
    """Shapes of a model of `family` of `heads` heads of `size` each, with the family's own quirks of attention."""
    width = heads * size
    ends = {"bos_token_id": 0, "eos_token_id": 0, "pad_token_id": None, "vocab_size": VOCABULARY}
    common = {"hidden_size": width, "num_attention_heads": heads, "max_position_embeddings": CONTEXT, **ends}
    return {
        "gpt2": lambda: GPT2Config(n_embd=width, n_layer=layers, n_head=heads, n_positions=CONTEXT, **ends),
        "gpt_neo": lambda: GPTNeoConfig(
            hidden_size=width,
            num_layers=layers,
            num_heads=heads,
            attention_types=[[["local", "global", "local"][:layers], 1]],
            window_size=window,
            max_position_embeddings=CONTEXT,
            **ends,
        ),
        "gptj": lambda: GPTJConfig(
            n_embd=width, n_layer=layers, n_head=heads, rotary_dim=size // 2, n_positions=CONTEXT, **ends
        ),
        "gpt_neox": lambda: GPTNeoXConfig(
            num_hidden_layers=layers, intermediate_size=2 * width, use_parallel_residual=window % 2 == 0, **common
        ),
        "opt": lambda: OPTConfig(
            num_hidden_layers=layers,
            ffn_dim=2 * width,
            word_embed_proj_dim=width // 2 if window % 2 else width,
            do_layer_norm_before=window % 3 != 0,
            **common,
        ),
        "llama": lambda: LlamaConfig(
            num_hidden_layers=layers,
            intermediate_size=2 * width,
            num_key_value_heads=heads if window % 2 else 1,
            **common,
        ),
    }[family]()


def built(settings, *, seed):
    """A model of these shapes with spread-out random weights."""
    torch.manual_seed(seed)
    made = Auto.from_config(settings).eval()
    with torch.no_grad():
        for parameter in made.parameters():
            if parameter.ndim > 1:
                parameter.normal_(0, 0.25)
    return made


@functools.cache
def model(family):
    """A model of `family` in eval mode with spread-out random weights, so that argmaxes are clear."""
    return built(config(family), seed=sum(map(ord, family)))


def quiet(phase, done, total):
    """A progress listener that does nothing."""
