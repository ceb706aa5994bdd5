"""The shipped tokenizer reads any text and gives it back."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from harness import zoo

_SHIPPED = Tokenizer.from_file(str(zoo.folder("mini-gpt2-s") / "tokenizer.json"))


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
@settings(max_examples=200, deadline=None)
def test_round_trip(text: str) -> None:
    """Decoding what was encoded gives the text back, whatever the script."""
    assert _SHIPPED.decode(_SHIPPED.encode(text).ids, skip_special_tokens=False) == text


def test_chinese_has_no_unknown_token() -> None:
    """Text far from the corpus falls back to bytes."""
    text = "今天天气很好。"
    ids = _SHIPPED.encode(text).ids
    assert len(ids) == len(text.encode())
    assert _SHIPPED.decode(ids) == text


def test_all_models_share_one_tokenizer() -> None:
    """Losses per token compare across models because the tokens are the same."""
    contents = {(zoo.folder(name) / "tokenizer.json").read_bytes() for name in zoo.names()}
    assert len(contents) == 1


def test_vocabulary() -> None:
    """The vocabulary has 768 entries, of which one is special."""
    content = json.loads(_SHIPPED.to_str())
    assert _SHIPPED.get_vocab_size() == 768
    assert [token["content"] for token in content["added_tokens"]] == ["<|endoftext|>"]
