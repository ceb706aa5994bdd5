"""Counting and cutting tokens of a model whose weights are elsewhere.

Layer: models, light: tiktoken or tokenizers is imported where a count is wanted. An encoding of tiktoken is used only
where its file is in tiktoken's cache: nothing is fetched.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from harness.config import nearest
from harness.models import sources

if TYPE_CHECKING:
    from collections.abc import Sequence

ENCODINGS = "https://openaipublic.blob.core.windows.net/encodings/{}.tiktoken"
"""Where tiktoken's files come from; the name in its cache is a hash of it. Source: tiktoken_ext/openai_public.py."""

ENCODED = ("o200k_base", "cl100k_base", "p50k_base", "r50k_base")
"""Encodings of OpenAI's models."""

CHARACTERS = 4.0
"""Characters of English text to a token of GPT's encodings, for estimates. Source: OpenAI's own rule of thumb."""

BYTES = 2.0
"""Bytes to a token that an estimate of text other than English does not fall below."""


@final
class Tokens:
    """A tokenizer, or an estimate where there is none.

    Args:
        name: as `ApiSpec.tokenizer`.

    Attributes:
        exact: whether counts are those of a tokenizer.
        how: what counts, in words.
    """

    def __init__(self, name: str) -> None:
        self._encode, self._decode = _codec(name)
        self.exact = self._encode is not None
        self.how = name if self.exact else f"an estimate of {CHARACTERS:g} characters a token"
        if name and not self.exact:
            self.how += f" ({name} is not in tiktoken's cache)"

    def count(self, text: str) -> int:
        """Tokens of `text`; an estimate unless `exact`."""
        if self._encode is not None:
            return len(self._encode(text))
        estimate = len(text) / CHARACTERS + (len(text.encode("utf-8", "replace")) - len(text)) / BYTES
        return max(1, round(estimate)) if text else 0

    def tail(self, text: str, most: int) -> tuple[str, bool]:
        """The end of `text` that has at most `most` tokens, and whether that is less than all.

        Without a tokenizer nothing is cut: the server will say.
        """
        if self._encode is None or self._decode is None or len(text) <= most:
            return text, False
        ids = self._encode(text)
        if len(ids) <= most:
            return text, False
        cut = self._decode(ids[len(ids) - max(0, most) :]).lstrip("\ufffd")
        return cut, True

    def pieces(self, text: str, most: int) -> list[tuple[int, int, int]]:
        """Cuts `text` into pieces of at most `most` tokens, at white space where there is some.

        Returns:
            Of each piece: where the last word before it begins, where it begins and where it ends, in characters.

        Raises:
            ValueError: there is no tokenizer to cut with.
        """
        if self._encode is None:
            raise ValueError("cutting a text into windows needs model.tokenizer")
        found: list[tuple[int, int, int]] = []
        start = before = 0
        while start < len(text):
            end, last = self._fitting(text, start, most)
            found.append((before, start, end))
            start, before = end, last
        return found

    def _fitting(self, text: str, start: int, most: int) -> tuple[int, int]:
        """End of the piece that begins at `start`, and the start of its last word."""
        end = min(len(text), start + most * 16)
        while self.count(text[start:end]) > most:
            shorter = _word_before(text, start, start + (end - start) * 7 // 8)
            end = shorter if start < shorter < end else end - 1
        if end < len(text):
            word = _word_before(text, start, end)
            end = word if word > start else end
        last = _word_before(text, start, end - 1)
        return end, max(start, last)


def check(name: str) -> None:
    """Looks whether a tokenizer is there.

    Raises:
        ValueError: what is missing, and what would be right.
    """
    if name and not _is_encoding(name):
        _file(name)
    elif name and name not in ENCODED:
        raise ValueError(f"tokenizer={name!r} is no encoding of tiktoken: {nearest(name, ENCODED)}")


def _is_encoding(name: str) -> bool:
    return "/" not in name and ":" not in name


def _word_before(text: str, start: int, end: int) -> int:
    """The last place in `[start, end]` where white space begins after something else; `start` if there is none."""
    place = end
    while place > start and not (place < len(text) and text[place].isspace() and not text[place - 1].isspace()):
        place -= 1
    return place


def _codec(name: str) -> tuple[Any, Any]:
    """Functions text -> ids and ids -> text; None where the tokenizer is not at hand."""
    if not name:
        return None, None
    if _is_encoding(name):
        return _tiktoken(name)
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(_file(name)))

    def encode(text: str) -> list[int]:
        return tokenizer.encode(text, add_special_tokens=False).ids

    def decode(ids: Sequence[int]) -> str:
        return tokenizer.decode(list(ids), skip_special_tokens=False)

    return encode, decode


def _file(name: str) -> Path:
    location = sources.locate(name)
    file = Path(location.path) / "tokenizer.json"
    if location.kind != "folder" or not file.is_file():
        raise ValueError(f"tokenizer={name!r}: there is no tokenizer.json; name a local folder or a tiktoken encoding")
    return file


def _tiktoken(name: str) -> tuple[Any, Any]:
    folder = os.environ.get("TIKTOKEN_CACHE_DIR", os.environ.get("DATA_GYM_CACHE_DIR"))
    cache = Path(folder or Path(tempfile.gettempdir()) / "data-gym-cache")
    file = cache / hashlib.sha1(ENCODINGS.format(name).encode(), usedforsecurity=False).hexdigest()
    if find_spec("tiktoken") is None or not file.is_file():
        return None, None
    import tiktoken

    encoding = tiktoken.get_encoding(name)
    return lambda text: encoding.encode(text, disallowed_special=()), lambda ids: encoding.decode(list(ids))
