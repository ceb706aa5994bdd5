"""The shipped checkpoints load offline, and a training can be interrupted without a trace."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import torch
import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer

from harness import zoo
from harness.zoo import batches, shapes, tokenizer, trainer

if TYPE_CHECKING:
    from pathlib import Path

_CLASSES = {
    "gpt2": transformers.GPT2LMHeadModel,
    "gpt_neo": transformers.GPTNeoForCausalLM,
    "gptj": transformers.GPTJForCausalLM,
    "gpt_neox": transformers.GPTNeoXForCausalLM,
}


@pytest.fixture(scope="module")
def words() -> tokenizer.Tokenizer:
    """The tokenizer, trained afresh."""
    return tokenizer.train()


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here may reach for the network."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def test_shipped_tokenizer_is_what_training_makes(words: tokenizer.Tokenizer, tmp_path: Path) -> None:
    """The shipped tokenizer comes from the corpus, byte for byte."""
    tokenizer.save(words, tmp_path)
    assert (tmp_path / "tokenizer.json").read_bytes() == (zoo.folder("mini-gptj") / "tokenizer.json").read_bytes()


def test_stretches_encode_as_the_whole_text(words: tokenizer.Tokenizer) -> None:
    """Encoding prompt and answer apart gives the tokens of the whole document."""
    end = words.token_to_id(tokenizer.END)
    documents = (
        words.encode(text).ids for text in (batches.corpus.text(batches.corpus.document(i)) for i in range(60))
    )
    whole = [token for ids in documents for token in (*ids, end)][: 8 * tokenizer.POSITIONS]
    assert batches.rows(words, 8).tokens.flatten().tolist() == whole


@pytest.fixture(scope="module")
def held_out(words: tokenizer.Tokenizer) -> torch.Tensor:
    """A quarter of the rows of which the recorded loss is the mean: all of them would take too long for a test."""
    return batches.rows(words, 16, split="test").tokens


@pytest.mark.parametrize("name", zoo.names())
def test_checkpoint(name: str, held_out: torch.Tensor) -> None:
    """A checkpoint has its true class, its recorded size, and its recorded loss on held-out text."""
    folder = zoo.folder(name)
    record = json.loads((folder / "training.json").read_text(encoding="utf-8"))
    model = AutoModelForCausalLM.from_pretrained(folder)
    assert type(model) is _CLASSES[record["family"]]
    assert model.num_parameters() == record["parameters"]
    assert model.dtype == torch.float32
    assert trainer.evaluate(model, held_out) == pytest.approx(record["held_out_loss"], rel=0.08)


def test_loaded_tokenizer_has_its_special_token() -> None:
    """The tokenizer of transformers knows the end token in all three roles and the longest input."""
    loaded = AutoTokenizer.from_pretrained(zoo.folder("mini-neox"))
    assert loaded.bos_token == loaded.eos_token == loaded.pad_token == "<|endoftext|>"
    assert loaded.model_max_length == 256
    assert loaded.decode(loaded("Question: 今天").input_ids) == "Question: 今天"


def test_resumed_training_is_bit_identical(tmp_path: Path, words: tokenizer.Tokenizer) -> None:
    """Six steps in one go and three plus three give the same weights and the same losses."""
    shape, cpu = shapes.shapes()["mini-gpt2-s"], torch.device("cpu")
    rows = batches.rows(words, 6 * trainer.ROWS_PER_STEP)

    def run(checkpoint: Path, until: int | None) -> trainer.Run:
        begun = trainer.resume(trainer.start(shape, end=0, device=cpu), checkpoint)
        return trainer.advance(begun, rows, peak=shape.learning_rate, checkpoint=checkpoint, until=until)

    whole = run(tmp_path / "whole.pt", None)
    run(tmp_path / "parts.pt", 3)
    parts = run(tmp_path / "parts.pt", None)
    assert parts.losses == whole.losses
    for name, weight in whole.model.state_dict().items():
        assert torch.equal(weight, parts.model.state_dict()[name]), name
