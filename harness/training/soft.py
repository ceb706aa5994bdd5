"""A model with trained vectors before every text, as the scoring and generating engines see it.

Layer: training; torch.
"""

from __future__ import annotations

from typing import Any, final

from torch import nn


@final
class Soft(nn.Module):
    """Token ids -> logits of the tokens alone; the vectors before them are an inner matter.

    It has no body of the usual kind, on purpose: an engine that computed the layers itself, on a cache of its own,
    would leave the vectors out. Scoring answers with the reference, one sequence at a time, generation with plain
    passes.

    Args:
        inner: PEFT's model.
        length: number of vectors; so many positions fewer are left to the text.
    """

    def __init__(self, inner: Any, *, length: int) -> None:
        super().__init__()
        self.inner = inner
        self.length = length
        self.config = inner.get_base_model().config
        self.generation_config = getattr(inner.get_base_model(), "generation_config", None)

    @property
    def base_model(self) -> Any:
        """Itself: there is no part that computes hidden states without the vectors."""
        return self

    @property
    def device(self) -> Any:
        """Where tokens go in."""
        return self.get_input_embeddings().weight.device

    @property
    def dtype(self) -> Any:
        """Of the base's weights."""
        return self.inner.get_base_model().dtype

    def get_input_embeddings(self) -> Any:
        """The base's token embedding."""
        return self.inner.get_base_model().get_input_embeddings()

    def get_output_embeddings(self) -> None:
        """None: see the class."""

    def forward(self, input_ids: Any, attention_mask: Any = None, **_: Any) -> Any:
        """The output of the base with `logits` `[rows, tokens, vocabulary]`, padding only on the right.

        Nothing is cached; other arguments of a causal language model have no meaning here.
        """
        output = self.inner(input_ids=input_ids, attention_mask=attention_mask)
        if output.logits.ndim == 3:  # noqa: PLR2004 - rows, tokens, vocabulary: of a classifier there are two
            output.logits = output.logits[:, -input_ids.shape[1] :]
        output.past_key_values = None
        return output
