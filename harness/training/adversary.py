"""Adversarial training on embeddings: the step is computed again where the loss rises fastest, and both are learnt.

Layer: training; torch. Source: Miyato et al. 2017, Adversarial Training Methods for Semi-Supervised Text Classification
(ICLR), section 3, known as FGM. The change is made to the output of the embedding, so that it also works where
embeddings are frozen.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, final

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor, nn


@final
class Adversary:
    """Watches the embedding in one pass, changes what it gives in the next.

    Args:
        embedding: the token embedding of the model.
        norm: of the change of one row, over all its tokens.
    """

    def __init__(self, embedding: nn.Module, *, norm: float) -> None:
        self._embedding, self._norm = embedding, norm
        self._seen: Tensor | None = None

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Within, the gradient with regard to the embedding's output is kept."""

        def watch(_module: Any, _inputs: Any, output: Tensor) -> Tensor:
            seen = output if output.requires_grad else output.detach().requires_grad_()
            seen.retain_grad()
            self._seen = seen
            return seen

        with self._hooked(watch):
            yield

    @contextmanager
    def attacking(self) -> Iterator[None]:
        """Within, the embedding's output is off by `norm` in the direction of that gradient.

        Raises:
            ValueError: no gradient was watched.
        """
        if self._seen is None or self._seen.grad is None:
            raise ValueError("fgm needs a gradient with regard to the embeddings, and this model gave none")
        gradient = self._seen.grad.float()
        size = gradient.flatten(1).norm(dim=1).clamp(min=torch.finfo(torch.float32).tiny)
        change = (self._norm * gradient / size[:, None, None]).to(self._seen.dtype)
        self._seen = None
        with self._hooked(lambda _module, _inputs, output: output + change):
            yield

    @contextmanager
    def _hooked(self, hook: Any) -> Iterator[None]:
        handle = self._embedding.register_forward_hook(hook)
        try:
            yield
        finally:
            handle.remove()
