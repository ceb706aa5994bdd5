"""Texts in flight on one model: each has a slot of a preallocated key-value cache, and leaves it when it likes.

Layer: torch. `flight` decides which text comes when.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, final

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from harness.forward.body import Body

_NEEDED = ("position_ids", "attention_mask", "past_key_values")


def obstacle(model: Any) -> str:
    """Why texts of different lengths cannot share a cache of this model; empty where they can.

    Only keys and values of one kind are known here: one per token and layer, all of them seen by what follows, at
    positions given explicitly and under a mask given explicitly.
    """
    config = model.config
    text = config.get_text_config()
    layers = getattr(model, "base_model", model)
    taken = inspect.signature(layers.forward).parameters
    missing = [name for name in _NEEDED if name not in taken]
    kinds = set(getattr(text, "layer_types", None) or ()) - {"full_attention"}
    if missing:
        return f"the model takes no {missing[0]}"
    if getattr(text, "num_hidden_layers", None) is None or layers is model:
        return "the model's layers are not known"
    attention = config._attn_implementation  # noqa: SLF001 - no public name
    if attention not in {"eager", "sdpa"}:
        return f"attention {attention} takes no mask of four dimensions"
    if kinds or getattr(text, "sliding_window", None) is not None or getattr(text, "alibi", False):
        return f"attention of kind {', '.join(sorted(kinds)) or 'sliding or alibi'}"
    return ""


@final
class Slots:
    """Texts 0, 1, … in the first slots of a cache, each as long as it is.

    Args:
        body: the model.
        slots: texts at a time.
        capacity: tokens of one text at most.
        shared: tokens that every text begins with; read once, here.
    """

    def __init__(self, body: Body, *, slots: int, capacity: int, shared: Sequence[int] = ()) -> None:
        self._body = body
        self._slots = slots
        self._shared = len(shared)
        self._lengths: list[int] = []
        self._arena = body.arena(slots=slots + bool(shared), capacity=capacity)
        if shared:
            self._arena.place(slots=(slots, slots + 1), start=0, new=len(shared))
            body.hidden(torch.tensor([list(shared)]), torch.arange(len(shared))[None], cache=self._arena)

    @property
    def free(self) -> int:
        """Texts that can be admitted."""
        return self._slots - len(self._lengths)

    def admit(self, texts: Sequence[Sequence[int]]) -> Tensor:
        """Reads whole texts into the next free slots. Logits `[texts, vocabulary]` of what follows each."""
        start, first = self._shared, len(self._lengths)
        sizes = [len(text) - start for text in texts]
        width = max(sizes)
        ids = torch.tensor([[*text[start:], *[0] * (width - size)] for text, size in zip(texts, sizes, strict=True)])
        if start:
            self._arena.spread(self._slots, targets=(first, first + len(texts)), tokens=start)
        self._arena.place(slots=(first, first + len(texts)), start=start, new=width)
        positions = torch.arange(start, start + width).expand(len(texts), -1)
        hidden = self._body.hidden(ids, positions, cache=self._arena)
        self._lengths += [len(text) for text in texts]
        last = torch.tensor(sizes, device=hidden.device) - 1
        return self._body.logits(hidden[torch.arange(len(texts), device=hidden.device), last])

    def step(self, tokens: Sequence[int]) -> Tensor:
        """Appends a token to every text. Logits `[texts, vocabulary]` of what follows."""
        device, longest = self._body.device, max(self._lengths)
        lengths = torch.tensor(self._lengths, device=device)[:, None]
        keys = seen = None
        if min(self._lengths) == longest:
            self._arena.place(slots=(0, len(tokens)), start=longest, new=1)
        else:
            self._arena.place_each(self._lengths)
            keys = torch.arange(longest + 1, device=device).expand(len(tokens), -1)
            seen = (keys <= lengths)[:, None]
        ids = torch.tensor(tokens)[:, None]
        hidden = self._body.hidden(ids, lengths, cache=self._arena, keys=keys, seen=seen)
        self._lengths = [length + 1 for length in self._lengths]
        return self._body.logits(hidden[:, -1])

    def drop(self, text: int) -> None:
        """Ends a text; the last one takes its slot and its number."""
        last = len(self._lengths) - 1
        if text != last:
            self._arena.move(last, text, tokens=self._lengths[last])
            self._lengths[text] = self._lengths[last]
        self._lengths.pop()
