"""The project's own greedy loop: read a batch of prompts, then decode one token a row and step.

Layer: probes; torch. Probes time what its iterators yield; nothing here looks at a clock.

Two kinds of key-value cache stand behind it, and transformers' own modules run in front of both: `static`, laid out
once (`harness.forward.arena`), so that a step writes one token and reads what is there; `dynamic`, transformers' own
`DynamicCache`, which copies everything at every step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, final

import torch
from transformers import DynamicCache

from harness.forward.body import Body

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor


class Loop(Protocol):
    """What probes time."""

    def tokens(self, new: int) -> Iterator[Tensor]:
        """Each of `new` tokens `[batch]` after the prompts, one at every `next`; the first reads the prompts."""
        ...

    def steps(self, count: int) -> Iterator[Tensor]:
        """`count` tokens after a prompt that is already read, one at every `next`."""
        ...

    def held(self) -> dict[str, int]:
        """Bytes of the key-value cache."""
        ...

    def release(self) -> None:
        """Gives the cache's memory back until the loop next runs."""
        ...


@final
class EagerLoop:
    """The loop as Python runs it, op by op.

    Args:
        model: a causal language model of transformers, in eval mode.
        prompts: tokens `[batch, prompt]` on the model's device.
        capacity: tokens of one row that the cache will hold.
        cache: `static` or `dynamic`.

    Raises:
        Unsupported: if the model has no body and output layer of the usual kind.
    """

    def __init__(self, model: Any, prompts: Tensor, *, capacity: int, cache: str) -> None:
        self._body = Body(model)
        self._prompts = prompts
        batch, self._prompt = prompts.shape
        self._positions = torch.arange(capacity, device=prompts.device).expand(batch, -1)
        self._memory = _Laid(self._body, batch, capacity) if cache == "static" else _Growing(model)
        self._seen = 0

    def tokens(self, new: int) -> Iterator[Tensor]:
        """Each of `new` tokens `[batch]` after the prompts, one at every `next`; the first reads the prompts."""
        self._seen = 0
        self._memory.clear()
        token = self._read(self._prompts)
        yield token
        for _ in range(new - 1):
            token = self._read(token[:, None])
            yield token

    def steps(self, count: int) -> Iterator[Tensor]:
        """`count` tokens after a prompt that is already read, one at every `next`."""
        self._seen = self._prompt
        self._memory.rewind(self._prompt)
        token = self._prompts[:, -1]
        for _ in range(count):
            token = self._read(token[:, None])
            yield token

    def held(self) -> dict[str, int]:
        """Bytes of the key-value cache."""
        return kv_bytes(self._memory.cache)

    def release(self) -> None:
        """Gives the cache's memory back until the loop next runs."""
        self._memory.release()

    @torch.inference_mode()
    def _read(self, ids: Tensor) -> Tensor:
        new = ids.shape[1]
        self._memory.place(self._seen, new)
        positions = self._positions[:, self._seen : self._seen + new]
        hidden = self._body.hidden(ids, positions, cache=self._memory.cache)
        self._seen += new
        return self._body.logits(hidden[:, -1]).argmax(-1)


def kv_bytes(cache: Any) -> dict[str, int]:
    """Bytes of keys and values that `cache` holds, by the name of the measurement."""
    from harness.meters.memory import tensors_bytes

    tensors = [t for layer in cache.layers for t in (layer.keys, layer.values) if isinstance(t, torch.Tensor)]
    return {"kv_bytes": tensors_bytes(tensors)}


@final
class _Laid:
    """An arena: its memory stays from round to round."""

    def __init__(self, body: Body, batch: int, capacity: int) -> None:
        self._body, self._batch, self._capacity = body, batch, capacity
        self.cache: Any = None
        self.release()

    def release(self) -> None:
        """An arena takes memory when it is first written to."""
        self.cache = self._body.arena(slots=self._batch, capacity=self._capacity)

    def clear(self) -> None:
        """Nothing to do: what lies beyond the place of the next call is not read."""

    def rewind(self, tokens: int) -> None:
        """Nothing to do, as `clear`."""

    def place(self, start: int, new: int) -> None:
        self.cache.place(slots=(0, self._batch), start=start, new=new)


@final
class _Growing:
    """A new `DynamicCache` for every round, as `generate` makes one."""

    def __init__(self, model: Any) -> None:
        self._config = model.config.get_text_config()
        self.cache: Any = DynamicCache(config=self._config)

    def clear(self) -> None:
        self.cache = DynamicCache(config=self._config)

    release = clear

    def rewind(self, tokens: int) -> None:
        """Keeps the first `tokens`. `Cache.crop` counts from the front in one release and from the end in another."""
        for layer in self.cache.layers:
            layer.keys, layer.values = layer.keys[:, :, :tokens], layer.values[:, :, :tokens]

    def place(self, start: int, new: int) -> None:
        """Nothing to do: the cache appends."""
