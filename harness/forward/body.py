"""One call of a model's body: tokens at given positions, under a given mask, on a given cache -> hidden states.

Layer: torch and transformers. The only place that knows what the attention of each family wants to be told.

Families differ in the form of a mask (boolean for torch's own attention, additive for the models' own) and in one trap:
GPT-Neo's local layers count rows of the key matrix, not positions, from a buffer of their own. That buffer is replaced
for the length of a call by the window over positions, so that tokens may lie anywhere in the key matrix.
"""

from __future__ import annotations

import inspect
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, final

import torch
from torch import nn

from harness.forward.arena import Arena
from harness.records import Unsupported

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

_MASKED = frozenset({"eager", "sdpa"})
"""Attention that honours a mask of four dimensions."""


@final
class Body:
    """The layers below the output layer of a causal language model, and the output layer.

    Args:
        model: a causal language model of transformers, in eval mode.

    Attributes:
        device: where tokens go in.
        dtype: of the weights.
        vocabulary: size of the output layer.
        context: positions that the model has; 0 where its config does not say.
        layers: number of layers.
        width: of the hidden states.
        parameters: weights below the output layer.

    Raises:
        Unsupported: if the model has no body and output layer of the usual kind.
    """

    def __init__(self, model: Any) -> None:
        config = model.config.get_text_config()
        self._model = model
        self._layers: Any = model.base_model
        self._head: Any = model.get_output_embeddings()
        if self._layers is model or self._head is None:
            raise Unsupported(f"{type(model).__name__} has no body and output layer of the usual kind")
        self._accepted = frozenset(inspect.signature(self._layers.forward).parameters)
        self._windows = [module for module in model.modules() if _windowed(module)]
        self._attention = str(model.config._attn_implementation)  # noqa: SLF001 - no public name
        self.device: torch.device = model.get_input_embeddings().weight.device
        self.dtype: torch.dtype = next(p.dtype for p in model.parameters() if p.is_floating_point())
        self.vocabulary = int(config.vocab_size)
        self.context = int(getattr(config, "max_position_embeddings", None) or 0)
        self.layers = int(config.num_hidden_layers)
        self.width = int(config.hidden_size)
        self.parameters = sum(p.numel() for p in self._layers.parameters())

    @property
    def obstacle(self) -> str:
        """Why tokens cannot lie anywhere in a row with a mask and positions of their own; empty where they can."""
        if "position_ids" not in self._accepted:
            return "its positions are those of the row"
        if self._attention not in _MASKED:
            return f"attention {self._attention} takes no mask of four dimensions"
        return ""

    def arena(self, *, slots: int, capacity: int) -> Arena:
        """An empty cache for this model."""
        return Arena(self.layers, slots=slots, capacity=capacity)

    def hidden(
        self,
        ids: Tensor,
        positions: Tensor,
        *,
        cache: Any = None,
        keys: Tensor | None = None,
        seen: Tensor | None = None,
    ) -> Tensor:
        """Hidden states `[rows, new, width]` before the output layer.

        Args:
            ids: tokens `[rows, new]`.
            positions: their positions in their texts `[rows, new]`.
            cache: where keys and values go and what came before; None computes without.
            keys: positions of all keys, those of the cache and then the new ones, `[rows, cached + new]`; needed with
                `seen`.
            seen: `[rows, new, cached + new]`, True where a token may look; None: at everything before it in its row.
        """
        mask = None if seen is None else self._mask(seen[:, None])
        with self._positioned_windows(positions, keys, seen):
            where = {"position_ids": positions.to(self.device)} if "position_ids" in self._accepted else {}
            output = self._layers(
                input_ids=ids.to(self.device),
                attention_mask=mask,
                past_key_values=cache,
                use_cache=cache is not None,
                **where,
            )
        return output.last_hidden_state

    def logits(self, hidden: Tensor) -> Tensor:
        """Logits `[n, vocabulary]` of hidden states `[n, width]`."""
        return self._head(hidden)

    def _mask(self, seen: Tensor) -> Tensor:
        seen = seen.to(self.device)
        if self._attention == "sdpa":
            return seen
        hidden = torch.finfo(self.dtype).min
        return torch.zeros(seen.shape, dtype=self.dtype, device=self.device).masked_fill_(~seen, hidden)

    @contextmanager
    def _positioned_windows(self, positions: Tensor, keys: Tensor | None, seen: Tensor | None) -> Iterator[None]:
        if seen is None or not self._windows:
            yield
            return
        if keys is None:
            raise ValueError("a mask needs the positions of its keys")
        distance = positions[:, :, None] - keys[:, None, :]
        found = [(module, module._buffers.pop("bias")) for module in self._windows]  # noqa: SLF001 - a tensor belongs there
        for module, bias in found:
            size = _window(module)
            near = seen if size is None else seen & (distance < size)
            module.__dict__["bias"] = _Fixed(near[:, None].to(bias.device))
        try:
            yield
        finally:
            for module, bias in found:
                module.__dict__.pop("bias", None)
                module._buffers["bias"] = bias  # noqa: SLF001


@final
class _Fixed:
    """Stands for a mask buffer that a layer slices by its rows: every slice is the mask of the current call."""

    def __init__(self, mask: Tensor) -> None:
        self._mask = mask

    def __getitem__(self, _: object) -> Tensor:
        return self._mask


def _windowed(module: nn.Module) -> bool:
    return type(module).__name__ == "GPTNeoSelfAttention" and "bias" in module._buffers  # noqa: SLF001


def _window(module: Any) -> int | None:
    """Tokens that a layer of GPT-Neo looks back over, itself included; None for all."""
    return module.config.window_size if module.attention_type == "local" else None
