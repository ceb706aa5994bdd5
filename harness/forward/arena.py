"""A key-value cache whose memory is laid out once: writing new tokens copies nothing that is already there.

Layer: torch and transformers.

`DynamicCache` concatenates, a copy of everything for every call. Here each layer holds
`[slots, heads, capacity, width]` and a call writes where `place` said: at one offset of a range of slots, or, one token
each, at an offset of every slot. What lies beyond is scratch: going back to a shorter text is setting a smaller offset.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, final

import torch
from transformers.cache_utils import Cache, DynamicLayer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


@final
class Arena(Cache):
    """Keys and values of `slots` texts of at most `capacity` tokens, one layer of a model each on its own device.

    Memory is taken when a layer first writes. Capacity grows, to at least twice, when a call asks for more.

    Args:
        layers: number of layers of the model.
        slots: texts held at a time.
        capacity: tokens of one text to begin with.
    """

    layers: Any

    def __init__(self, layers: int, *, slots: int, capacity: int) -> None:
        # Layers and arena share this and not each other: a cycle would hold the memory until the next collection.
        self._where = _Where(slots=slots, capacity=capacity, last=slots)
        super().__init__(layers=[_Layer(self._where) for _ in range(layers)])

    @property
    def slots(self) -> int:
        """Texts held at a time."""
        return self._where.slots

    @property
    def capacity(self) -> int:
        """Tokens of one text that there is memory for."""
        return self._where.capacity

    def place(self, *, slots: tuple[int, int], start: int, new: int) -> None:
        """The next call writes `new` tokens behind the first `start` of slots [first, last), and reads both."""
        where = self._where
        where.first, where.last = slots
        where.start, where.offsets, where.longest = start, None, start + new
        self._reserve(where.longest)

    def place_each(self, offsets: Sequence[int]) -> None:
        """The next call writes one token in each of the slots 0, 1, …, behind its first `offsets[i]` tokens."""
        where = self._where
        where.first, where.last = 0, len(offsets)
        where.start, where.longest = max(offsets), max(offsets) + 1
        where.offsets = torch.tensor(offsets)
        where.indices.clear()
        self._reserve(where.longest)

    def move(self, source: int, target: int, *, tokens: int) -> None:
        """Copies the first `tokens` of slot `source` to slot `target`."""
        for layer in self.layers:
            layer.keys[target, :, :tokens] = layer.keys[source, :, :tokens]
            layer.values[target, :, :tokens] = layer.values[source, :, :tokens]

    def spread(self, source: int, *, targets: tuple[int, int], tokens: int) -> None:
        """Copies the first `tokens` of slot `source` to each of the slots [first, last)."""
        for layer in self.layers:
            for held in (layer.keys, layer.values):
                held[targets[0] : targets[1], :, :tokens] = held[source, :, :tokens]

    def _reserve(self, tokens: int) -> None:
        where = self._where
        if tokens <= where.capacity:
            return
        where.capacity = max(tokens, 2 * where.capacity)
        for layer in self.layers:
            layer.grow(where.capacity)


@final
@dataclass(kw_only=True)
class _Where:
    """Where the next call writes and what it reads."""

    slots: int
    capacity: int
    last: int
    first: int = 0
    start: int = 0
    longest: int = 0
    offsets: Tensor | None = None
    indices: dict[torch.device, tuple[Tensor, Tensor]] = field(default_factory=dict)

    def each(self, offsets: Tensor, device: torch.device) -> tuple[Tensor, Tensor]:
        """Slot and offset of each token of the next call, on `device`; copied there once, not for every layer."""
        if device not in self.indices:
            self.indices[device] = torch.arange(len(offsets), device=device), offsets.to(device)
        return self.indices[device]


class _Layer(DynamicLayer):
    """One layer of an arena."""

    keys: Any
    values: Any

    def __init__(self, where: _Where) -> None:
        super().__init__()
        self._where = where

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Takes the memory, in the shape and dtype of the first keys and values."""
        self.dtype, self.device = key_states.dtype, key_states.device
        self.keys, self.values = self._empty(key_states), self._empty(value_states)
        self.is_initialized = True

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """Writes `[slots, heads, new, width]` where the arena was told to; returns all that those slots may read."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        return self._write(self.keys, key_states), self._write(self.values, value_states)

    def get_seq_length(self) -> int:
        """Tokens before those of the current call."""
        return self._where.start

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Keys that a call of `query_length` tokens reads, and the index of the first."""
        return self._where.start + query_length, 0

    def grow(self, capacity: int) -> None:
        """Moves what is held to memory for `capacity` tokens."""
        if not self.is_initialized:
            return
        for name in ("keys", "values"):
            old = getattr(self, name)
            new = old.new_zeros(*old.shape[:2], capacity, old.shape[3])
            new[:, :, : old.shape[2]] = old
            setattr(self, name, new)

    def _empty(self, states: Tensor) -> Tensor:
        heads, width = states.shape[1], states.shape[3]
        # Zeros: what a mask hides is multiplied by 0 all the same, and 0 times an accidental NaN is NaN.
        return states.new_zeros(self._where.slots, heads, self._where.capacity, width)

    def _write(self, held: Tensor, new: Tensor) -> Tensor:
        where = self._where
        slots = held[where.first : where.last]
        if where.offsets is None:
            slots[:, :, where.start : where.longest] = new
        else:
            rows, offsets = where.each(where.offsets, held.device)
            slots[rows, :, offsets] = new[:, :, 0]
        return slots[:, :, : where.longest]
