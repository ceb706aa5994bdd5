"""Tiny models for the tests of this folder, and a tokenizer whose text tells every token."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast


@pytest.fixture(scope="session")
def tiny():
    """The functions and names of `tests/scoring/tiny.py`; test folders are no packages and cannot import it."""
    return SimpleNamespace(**runpy.run_path(str(Path(__file__).parents[1] / "scoring" / "tiny.py")))


@pytest.fixture(scope="session")
def spelled(tiny):
    """A tokenizer that writes token 17 as `t17`, with spaces between: equal texts are equal tokens."""
    words = Tokenizer(models.WordLevel({f"t{i}": i for i in range(tiny.VOCABULARY)}, unk_token="t0"))
    return PreTrainedTokenizerFast(tokenizer_object=words)


@pytest.fixture(scope="session")
def continued():
    """What `generate` of transformers adds to a prompt, greedily, whatever token comes."""
    import torch

    def continuation(model, tokens, new):
        output = model.generate(
            torch.tensor([tokens]),
            attention_mask=torch.ones(1, len(tokens)),
            do_sample=False,
            eos_token_id=[-1],
            pad_token_id=0,
            max_new_tokens=new,
            min_new_tokens=new,
        )
        return output[0, len(tokens) :].tolist()

    return continuation
