"""The loop through `torch.compile`: what compiling costs, what it brings, and when it has paid for itself.

Layer: probes; torch.

A compiled call needs a cache whose shapes never change: transformers' `StaticCache`, which every step reads to its full
length. What is compiled is the probe's own subject: the prompt's call of `prefill`, the single step of `decode` (its
prompt is read op by op, as in transformers' `generate`).
"""

from __future__ import annotations

import inspect
import statistics
from typing import TYPE_CHECKING, Any, final

import torch
from torch._dynamo.utils import counters
from transformers import StaticCache

from harness.probes.loop import kv_bytes
from harness.probes.timing import gaps, seconds, stamp
from harness.records import Measurement, Unsupported

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torch import Tensor

    from harness.probes.loop import Loop

FIRST = 3
"""Calls that compiling is spread over: `reduce-overhead` runs once, records once and replays from then on."""


def check(model: Any, kind: str) -> None:
    """Refuses what cannot be compiled here.

    Raises:
        Unsupported: a family whose graph transformers cannot capture whole (GPT-Neo), or no compiler for the kernels.
    """
    if not getattr(model, "_can_compile_fullgraph", False):
        raise Unsupported(
            f"torch.compile: {type(model).__name__} cannot be captured as one graph (transformers says so)"
        )
    if kind == "cuda":
        from torch.utils._triton import has_triton

        if not has_triton():
            raise Unsupported("torch.compile: Triton is not installed, or does not know this GPU")
        return
    from torch._inductor.cpp_builder import get_cpp_compiler
    from torch._inductor.exc import InvalidCxxCompiler

    try:
        get_cpp_compiler()
    except InvalidCxxCompiler:
        raise Unsupported("torch.compile: this machine has no C++ compiler (install g++, or set CXX)") from None


@final
class CompiledLoop:
    """A loop on a static cache, of which the prompt's call or the single step is compiled.

    Args:
        model: a causal language model of transformers, in eval mode.
        prompts: tokens `[batch, prompt]` on the model's device.
        capacity: tokens of one row that the cache holds, all of which every call reads.
        mode: of `torch.compile`.
        what: `prompt` or `step`.
    """

    def __init__(self, model: Any, prompts: Tensor, *, capacity: int, mode: str, what: str) -> None:
        batch, self._prompt = prompts.shape
        self._prompts = prompts
        self._positions = torch.arange(capacity, device=prompts.device).expand(batch, -1)
        self._cache: Any = StaticCache(config=model.config.get_text_config(), max_cache_len=capacity)
        compiled = torch.compile(model.forward, mode=mode, fullgraph=True, dynamic=False)
        self._on_prompt: Callable[..., Any] = compiled if what == "prompt" else model.forward
        self._on_step: Callable[..., Any] = compiled if what == "step" else model.forward
        self._takes_positions = _takes_positions(model)
        # Memory is laid out before anything is compiled: a graph that lays it out would be another one.
        self._read(model.forward, prompts[:, :1], 0)
        self._rewind(0)

    def tokens(self, new: int) -> Iterator[Tensor]:
        """Each of `new` tokens `[batch]` after the prompts, one at every `next`; the first reads the prompts."""
        token = self._read(self._on_prompt, self._prompts, 0)
        yield token
        for i in range(new - 1):
            token = self._read(self._on_step, token[:, None], self._prompt + i)
            yield token
        self._rewind(0)  # Behind the last token: a few writes for each layer, which nobody waits for.

    def steps(self, count: int) -> Iterator[Tensor]:
        """`count` tokens after a prompt that is already read, one at every `next`."""
        self._rewind(self._prompt)
        token = self._prompts[:, -1]
        for i in range(count):
            token = self._read(self._on_step, token[:, None], self._prompt + i)
            yield token
        self._rewind(0)

    def held(self) -> dict[str, int]:
        """Bytes of the key-value cache."""
        return kv_bytes(self._cache)

    def release(self) -> None:
        """Nothing is given back: compiled code knows the cache by its address."""

    @torch.no_grad()
    def _read(self, forward: Callable[..., Any], ids: Tensor, seen: int) -> Tensor:
        torch.compiler.cudagraph_mark_step_begin()
        where = {"position_ids": self._positions[:, seen : seen + ids.shape[1]]} if self._takes_positions else {}
        output = forward(
            input_ids=ids.contiguous(), past_key_values=self._cache, use_cache=True, logits_to_keep=1, **where
        )
        return output.logits[:, -1].argmax(-1)

    def _rewind(self, tokens: int) -> None:
        for layer in self._cache.layers:
            layer.cumulative_length.fill_(tokens)


def graphs() -> int:
    """Graphs that were compiled in this process so far."""
    return int(counters["stats"]["unique_graphs"])


@final
class Comparison:
    """Eager and compiled calls of one process: compile time, both steady times, break-even.

    Args:
        eager: the loop as Python runs it.
        compiled: the same through the compiler.
        steps: steps that fit behind the prompt; 0 compares the prompt's call and not the single step.
        calls: steady calls of each, at least.
        devices: indices of the CUDA devices that work.
    """

    def __init__(self, eager: Loop, compiled: Loop, *, steps: int, calls: int, devices: Sequence[int]) -> None:
        self._steps, self._devices = steps, devices
        first = self._times(compiled, FIRST)
        self._times(eager, FIRST)
        self._eager, self._compiled = list[float](), list[float]()
        turns = [(eager, self._eager), (compiled, self._compiled)]
        while len(self._compiled) < calls:  # In turns: a machine that slows down slows both.
            for loop, times in turns:
                times.extend(self._round(loop))
            turns.reverse()
        self._spent = max(0.0, sum(first) - len(first) * statistics.median(self._compiled))
        self._graphs = graphs()

    def measurements(self) -> tuple[Measurement, ...]:
        """`compile_s`, `eager_s`, `compiled_s`, and `break_even` calls where the compiled one is faster."""
        eager, compiled = statistics.median(self._eager), statistics.median(self._compiled)
        found = [
            seconds("compile_s", self._spent),
            seconds("eager_s", eager, n=len(self._eager)),
            seconds("compiled_s", compiled, n=len(self._compiled)),
        ]
        if compiled < eager:
            calls = self._spent / (eager - compiled)
            found.append(Measurement(metric="break_even", value=calls, higher_is_better=False))
        return tuple(found)

    def facts(self) -> dict[str, int]:
        """Graphs compiled since the comparison was made: the timed calls must not have needed any."""
        return {"recompiles": graphs() - self._graphs}

    def _times(self, loop: Loop, least: int) -> list[float]:
        times: list[float] = []
        while len(times) < least:
            times += self._round(loop)
        return times

    def _round(self, loop: Loop) -> list[float]:
        if not self._steps:
            return [stamp(loop.tokens(1), devices=self._devices).wall[0]]
        for _ in loop.tokens(1):
            pass
        moments = stamp(loop.steps(self._steps), devices=self._devices).wall
        return [moments[0], *gaps(moments)]


def _takes_positions(model: Any) -> bool:
    return "position_ids" in inspect.signature(model.forward).parameters
