"""The tokenizer of a model.

Layer: models; imports transformers.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformers import AutoTokenizer

from harness.models import sources
from harness.models.faults import told
from harness.models.place import find

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from harness.models.place import Place
    from harness.models.spec import ModelSpec

ZOO_TOKENIZER = "zoo:mini-gpt2-m"
"""Tokenizer of a model with random weights that names none: it is always at hand."""


def tokenizer_source(spec: ModelSpec) -> str:
    """Where the tokenizer of `spec` comes from, in the form of a source."""
    return spec.tokenizer or (ZOO_TOKENIZER if spec.weights == "random" else spec.source)


def read_tokenizer(spec: ModelSpec, place: Place | None) -> PreTrainedTokenizerBase:
    """The tokenizer of `spec`.

    Args:
        spec: the model's spec.
        place: where the model itself is loaded from; None under random weights.

    Raises:
        ConfigError: there is none, or it cannot be read.
    """
    source = tokenizer_source(spec)
    with told(spec.name, source, "tokenizer"):
        found = place if place is not None and spec.tokenizer is None else find(source, "main")
        if Path(found.path).is_dir() and not sources.has_tokenizer(Path(found.path)):
            raise ValueError("the folder holds none; name another with tokenizer=SOURCE")
        tokenizer = AutoTokenizer.from_pretrained(found.path, trust_remote_code=spec.trust_remote_code, **found.options)
        # transformers makes an empty tokenizer where the files of the vocabulary are missing.
        if tokenizer.vocab_size == 0:
            raise ValueError("its vocabulary is empty; name another with tokenizer=SOURCE")
    return tokenizer


def fit(tokenizer: Any, rows: int) -> None:
    """Gives `tokenizer` a padding token, and checks that it and the model's embedding belong together.

    The padding token is its own, else unknown, else end of text, else the first: one of the model's `rows`. Padding is
    masked, so that any will do. Source: lm_eval.models.utils, configure_pad_token, which adds a token in the last
    case, for which the model has no row.

    Raises:
        ValueError: the vocabulary is larger than the embedding.
    """
    for what, size in (("vocabulary", tokenizer.vocab_size), ("end-of-text id", (tokenizer.eos_token_id or 0) + 1)):
        if size > rows:
            raise ValueError(f"the {what} of its tokenizer needs {size} rows, the embedding of the model has {rows}")
    if tokenizer.pad_token_id is None or tokenizer.pad_token_id >= rows:
        unknown = tokenizer.unk_token if (tokenizer.unk_token_id or 0) < rows else None
        tokenizer.pad_token = unknown or tokenizer.eos_token or tokenizer.convert_ids_to_tokens(0)
