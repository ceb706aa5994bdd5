"""A tiny model with random weights and a byte-level tokenizer: real classes, built in a second, no download."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from harness.models.subject import Subject


def save_tiny(folder: Path, *, context: int = 512) -> Path:
    """A random GPT-2 of 2 layers with a small byte-level BPE, saved as a checkpoint in `folder`."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=400, initial_alphabet=alphabet, special_tokens=["<|endoftext|>"])
    tokenizer.train_from_iterator(["the cat sat on the mat and was good or bad in a question and an answer"], trainer)
    end = "<|endoftext|>"
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=end, eos_token=end, pad_token=end)
    fast.save_pretrained(folder)
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=len(fast), n_positions=context, n_embd=32, n_layer=2, n_head=2,
        bos_token_id=fast.bos_token_id, eos_token_id=fast.eos_token_id, initializer_range=0.2,
    )  # fmt: skip
    GPT2LMHeadModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a tiny checkpoint."""
    return save_tiny(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def tiny(tiny_folder: Path) -> Subject:
    """A tiny subject on the CPU."""
    from harness.devices import Device
    from harness.models.spec import ModelSpec
    from harness.models.subject import load

    device = Device(kind="cpu", slug="cpu-test", name="test", threads=1, batch=8, memory=2**33)
    spec = ModelSpec(name="tiny", family="gpt2", source=str(tiny_folder))
    return load(spec, device, lambda _phase, _done, _total: None)


@pytest.fixture
def harness_data(real_data: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of real data, set as `HARNESS_DATA`."""
    monkeypatch.setenv("HARNESS_DATA", str(real_data))
    return real_data
