"""Tiny real checkpoints, saved the way users save theirs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.devices import Device

ARCHITECTURES: dict[str, dict[str, Any]] = {
    "gpt2": {"vocab_size": 300, "n_positions": 64, "n_embd": 16, "n_layer": 2, "n_head": 2},
    "gpt_neo": {
        "vocab_size": 300,
        "max_position_embeddings": 64,
        "hidden_size": 16,
        "num_layers": 2,
        "num_heads": 2,
        "attention_types": [[["global", "local"], 1]],
        "window_size": 8,
    },
    "gptj": {"vocab_size": 300, "n_positions": 64, "n_embd": 16, "n_layer": 2, "n_head": 2, "rotary_dim": 4},
    "gpt_neox": {
        "vocab_size": 300,
        "max_position_embeddings": 64,
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 48,
    },
    "opt": {
        "vocab_size": 300,
        "max_position_embeddings": 64,
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "ffn_dim": 32,
        "word_embed_proj_dim": 8,
        "do_layer_norm_before": False,
    },
    "llama": {
        "vocab_size": 300,
        "max_position_embeddings": 64,
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "intermediate_size": 40,
        "tie_word_embeddings": True,
    },
}


@pytest.fixture(scope="session")
def architectures() -> dict[str, dict[str, Any]]:
    """One small architecture per family."""
    return ARCHITECTURES


@pytest.fixture(scope="session")
def cpu() -> Device:
    """A CPU with two rows per batch."""
    return Device(kind="cpu", slug="cpu-test", name="test", threads=1, batch=2, memory=2**33)


@pytest.fixture(scope="session")
def tokenizer_folder(tmp_path_factory) -> Path:
    """A byte-level tokenizer of 257 tokens, without a padding token."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    core = Tokenizer(models.BPE(vocab={c: i for i, c in enumerate(["<|end|>", *alphabet])}, merges=[]))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    folder = tmp_path_factory.mktemp("tokenizer")
    PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<|end|>", bos_token="<|end|>").save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory, tokenizer_folder) -> dict[str, Path]:
    """A folder with weights, config and tokenizer per family."""
    import shutil

    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    folders = {}
    for family, architecture in ARCHITECTURES.items():
        folder = tmp_path_factory.mktemp(family)
        with torch.random.fork_rng():
            torch.manual_seed(0)
            AutoModelForCausalLM.from_config(AutoConfig.for_model(family, **architecture)).save_pretrained(folder)
        shutil.copytree(tokenizer_folder, folder, dirs_exist_ok=True)
        folders[family] = folder
    return folders


@pytest.fixture
def gpt2_folder(checkpoints, tmp_path) -> Path:
    """A copy of the GPT-2 checkpoint that a test may damage."""
    import shutil

    return Path(shutil.copytree(checkpoints["gpt2"], tmp_path / "checkpoint"))
