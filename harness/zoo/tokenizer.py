"""The byte-level BPE that all zoo models share, trained on the first documents of the corpus."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from harness.zoo import corpus

if TYPE_CHECKING:
    from pathlib import Path

VOCABULARY = 768
POSITIONS = 256
END = "<|endoftext|>"
_DOCUMENTS = 6000


def train() -> Tokenizer:
    """Return the tokenizer: every byte is in its alphabet, so no text is unknown to it."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[END],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(itertools.islice(corpus.documents(), _DOCUMENTS), trainer)
    return tokenizer


def end_id(tokenizer: Tokenizer) -> int:
    """Return the id of the end token.

    Raises:
        ValueError: If the tokenizer has none.
    """
    found = tokenizer.token_to_id(END)
    if found is None:
        raise ValueError(f"the tokenizer has no token {END!r}")
    return found


def save(tokenizer: Tokenizer, folder: Path) -> None:
    """Write the tokenizer files of a transformers checkpoint."""
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=END,
        eos_token=END,
        pad_token=END,
        model_max_length=POSITIONS,
        clean_up_tokenization_spaces=False,
    )
    fast.save_pretrained(folder)
