"""transformers' `generate` beside the project's own loop, on the same prompts and the same kind of cache.

Layer: probes; torch and transformers.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, final

import torch
from transformers import DynamicCache, GenerationConfig

from harness.forward.body import Body
from harness.meters.clock import timed
from harness.probes.loop import kv_bytes
from harness.probes.protocol import Round
from harness.probes.timing import rate, seconds, stamp

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from harness.forward.arena import Arena
    from harness.meters.clock import Lap
    from harness.probes.loops import Ready


@contextmanager
def configured(model: Any, new: int) -> Iterator[None]:
    """Makes greedy decoding of exactly `new` tokens what `generate` does with `model`, for as long as the block lasts.

    `generate` fills what a call leaves open from the model's own settings: an end token there would be watched for at
    every step, or hidden from the choice. So the settings are replaced as a whole.
    """
    own = model.generation_config
    model.generation_config = GenerationConfig(
        max_new_tokens=new, min_new_tokens=new, do_sample=False, num_beams=1, use_cache=True, pad_token_id=0
    )
    try:
        yield
    finally:
        model.generation_config = own


@final
class Pair:
    """The two ways to the same tokens.

    Args:
        ready: the subject with its prompts and its own loop.
        new: tokens to decode for each row.
        cache: `static` gives `generate` an arena as the loop has, `dynamic` leaves it to itself.
    """

    def __init__(self, ready: Ready, *, new: int, cache: str) -> None:
        self._ready, self._new = ready, new
        self._model: Any = ready.subject.model
        self._batch, self._prompt = ready.prompts.shape
        self._mask = torch.ones_like(ready.prompts)
        self._arena: Arena | None = None
        if cache == "static":
            # One more than is written: after every call the place of the next is known.
            self._arena = Body(self._model).arena(slots=self._batch, capacity=self._prompt + new)
        self._cache: Any = self._arena
        self._generate_first = False

    def generate(self) -> Tensor:
        """Prompts and new tokens `[batch, prompt + new]` by transformers' own loop."""
        if self._arena is None:
            self._cache = DynamicCache(config=self._model.config.get_text_config())  # What `generate` would make.
            return self._generated()
        with _followed(self._model, self._arena, prompt=self._prompt):
            return self._generated()

    def alone(self) -> Tensor:
        """`generate` with no cache of the other loop in memory, which takes its own again when it next runs."""
        self._ready.loop.release()
        return self.generate()

    def round(self) -> Round:
        """Both, timed, the other one first each time."""
        self._generate_first = not self._generate_first
        if self._generate_first:
            lap, own = self._lap(), self._own()
        else:
            own, lap = self._own(), self._lap()
        devices = self._ready.devices
        times = [
            seconds("generate_e2e", lap.seconds),
            seconds("loop_e2e", own),
            seconds("overhead", lap.seconds - own),
            rate("request_s", self._batch, lap.seconds, unit="item/s"),
        ]
        times.append(
            seconds("generate_e2e_device", lap.device_seconds or 0.0)
            if devices
            else seconds("generate_e2e_cpu", lap.cpu_seconds)
        )
        return Round(measurements=tuple(times), wall=lap.seconds, device=lap.device_seconds)

    def same_tokens(self) -> bool:
        """Whether both write the same tokens.

        Raises:
            RuntimeError: `generate` wrote more or fewer than it was asked for.
        """
        own = torch.stack(list(self._ready.loop.tokens(self._new)), dim=1)
        theirs = self.generate()[:, self._prompt :]
        if theirs.shape != own.shape:
            raise RuntimeError(f"generate wrote {theirs.shape[1]} tokens a row, not {self._new}")
        return bool((theirs == own).all())

    def held(self) -> dict[str, int]:
        """Bytes of both caches."""
        theirs = kv_bytes(self._cache)["kv_bytes"] if self._cache is not None else 0
        return {"kv_bytes": self._ready.loop.held()["kv_bytes"] + theirs}

    def _own(self) -> float:
        return stamp(self._ready.loop.tokens(self._new), devices=self._ready.devices).wall[-1]

    def _lap(self) -> Lap:
        return timed(self.generate, devices=self._ready.devices)

    def _generated(self) -> Tensor:
        return self._model.generate(
            input_ids=self._ready.prompts, attention_mask=self._mask, past_key_values=self._cache
        )


@contextmanager
def _followed(model: Any, arena: Arena, *, prompt: int) -> Iterator[None]:
    """Tells `arena` after every call of `model` where the next will write: `generate` expects a cache that knows."""
    seen = 0

    def place(_: Any, __: Any, call: dict[str, Any], ___: Any) -> None:
        nonlocal seen
        rows, new = call["input_ids"].shape
        seen += new
        arena.place(slots=(0, rows), start=seen, new=1)

    arena.place(slots=(0, arena.slots), start=0, new=prompt)
    hook = model.register_forward_hook(place, with_kwargs=True)
    try:
        yield
    finally:
        hook.remove()
