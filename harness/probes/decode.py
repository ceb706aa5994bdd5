"""The `decode` probe: how fast a model reads a prompt and writes new tokens.

Layer: probes. torch is imported when the probe runs, not when it is constructed.
"""

from __future__ import annotations

import gc
import statistics
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

from harness.records import Measurement, Outcome, OutOfMemory, Unsupported

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from torch import Tensor, nn

    from harness.records import Progress


@final
@dataclass(frozen=True, kw_only=True)
class Decode:
    """Reads a batch of random prompts and decodes new tokens greedily, one at a time; the end token is ignored.

    Measures, raw for every repeat, with the prompts already on the device, Python's garbage collector off, and every
    time taken after the device's queue is empty:

    - `ttft` [s]: from the start to the first new token. `e2e` [s]: from the start to the last.
    - `itl` [s]: median of the `new - 1` gaps between one token and the next (`n` says how many).
    - `prefill_tok_s`: `batch * prompt / ttft`. `decode_tok_s`: `batch * (new - 1) / (e2e - ttft)`.

    and once: `weights_bytes`, `kv_bytes` (the cache after the last step: `prompt + new - 1` positions of each row),
    `peak_device_bytes` (on CUDA) and `peak_host_bytes`, over all repeats.

    Source: the formulas of ttft and itl are those of `vllm bench serve`; random tokens and ignored end as in
    `vllm bench latency`.

    Attributes:
        name: label.
        about: one line for people.
        batch: rows.
        prompt: tokens of each prompt.
        new: tokens to decode for each row.
        repeats: timed rounds.
        warmup: rounds of the same shapes before, not recorded.
        seed: seed of the prompts.
    """

    name: str
    about: str = ""
    batch: int = 1
    prompt: int = 128
    new: int = 32
    repeats: int = 5
    warmup: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        least = {"batch": 1, "prompt": 1, "new": 2, "repeats": 1, "warmup": 0, "seed": 0}
        for field, low in least.items():
            value = getattr(self, field)
            if isinstance(value, bool) or not isinstance(value, int) or value < low:
                raise ValueError(f"{field}={value!r} is not a valid value: a whole number of at least {low}")
        if self.seed >= 2**63:
            raise ValueError(f"seed={self.seed} is not a valid value: a whole number below 2^63")

    def check(self) -> None:
        """Nothing to look at before the weights are loaded: all was checked on construction."""

    def forecast(self) -> dict[str, int]:
        """Documents and requests: one batch a round."""
        return {"documents": self.batch, "requests": self.batch * (self.warmup + self.repeats)}

    def run(self, subject: Any, progress: Progress) -> Outcome:
        """Measures `subject`.

        Raises:
            Unsupported: if prompt and new tokens exceed the model's context.
            OutOfMemory: if the batch does not fit.
        """
        context = subject.facts["context"]
        if self.prompt + self.new > context:
            raise Unsupported(
                f"probe {self.name}: prompt {self.prompt} + new {self.new} tokens exceed the model's context {context}"
            )
        from harness.generation.budget import first_line, is_out_of_memory

        try:
            return self._measure(subject, progress)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            reason = first_line(error)
        raise OutOfMemory(f"probe {self.name}: batch {self.batch} does not fit: {reason}")

    def _measure(self, subject: Any, progress: Progress) -> Outcome:
        import torch

        from harness.meters import places
        from harness.meters.memory import Peak

        where = places.devices(subject.device.kind, subject.model)
        rows = self._prompts(subject.tokenizer, subject.model.config.get_text_config().vocab_size)
        total = self.warmup + self.repeats
        rounds: list[Round] = []
        with Peak(where) as peak, _no_collection():
            for done in range(1, total + 1):
                rounds.append(_round(subject.model, rows, self.new, devices=where))
                progress("decode", done, total)
        timings = [m for i, r in enumerate(rounds[self.warmup :]) for m in self._timings(r, repeat=i)]
        sizes = {
            "weights_bytes": _bytes(t for t in subject.model.state_dict().values() if isinstance(t, torch.Tensor)),
            "kv_bytes": rounds[-1].kv_bytes,
            "peak_device_bytes": peak.device_bytes,
            "peak_host_bytes": peak.host_bytes,
        }
        memory = [
            Measurement(metric=metric, value=float(value), unit="B", higher_is_better=False)
            for metric, value in sizes.items()
            if value is not None
        ]
        return Outcome(measurements=(*timings, *memory), facts=self._facts(rounds, peak))

    def _facts(self, rounds: Sequence[Round], peak: Any) -> dict[str, Any]:
        return {
            "batch": self.batch,
            "prompt": self.prompt,
            "new": self.new,
            "warmup_e2e_seconds": [round(r.ready[-1], 6) for r in rounds[: self.warmup]],
            "device_reserved_bytes": peak.device_reserved_bytes,
            "host_peak_reset": peak.host_reset,
        }

    def _prompts(self, tokenizer: Any, vocabulary: int) -> list[list[int]]:
        """Random tokens, none of them special."""
        import torch

        special = set(tokenizer.all_special_ids)
        plain = [token for token in range(min(vocabulary, len(tokenizer))) if token not in special]
        stream = torch.Generator().manual_seed(self.seed)
        chosen = torch.randint(len(plain), (self.batch, self.prompt), generator=stream)
        return [[plain[i] for i in row] for row in chosen.tolist()]

    def _timings(self, measured: Round, *, repeat: int) -> list[Measurement]:
        first, last = measured.ready[0], measured.ready[-1]
        gaps = [b - a for a, b in zip(measured.ready, measured.ready[1:], strict=False)]
        times = {"ttft": (first, 1), "itl": (statistics.median(gaps), len(gaps)), "e2e": (last, 1)}
        rates = {
            "prefill_tok_s": (self.batch * self.prompt / first, self.batch * self.prompt),
            "decode_tok_s": (self.batch * len(gaps) / (last - first), self.batch * len(gaps)),
        }
        return [
            Measurement(metric=metric, value=value, unit=unit, repeat=repeat, n=n, higher_is_better=unit == "tok/s")
            for group, unit in ((times, "s"), (rates, "tok/s"))
            for metric, (value, n) in group.items()
        ]


@final
@dataclass(frozen=True, kw_only=True)
class Round:
    """One decoding of the batch: seconds from the start to each token, and the bytes of the cache at the end."""

    ready: tuple[float, ...]
    kv_bytes: int


@contextmanager
def _no_collection() -> Iterator[None]:
    """Python's garbage collector runs once before and never within: a collection would count as a slow token."""
    collecting = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def _round(model: nn.Module, rows: Sequence[Sequence[int]], new: int, *, devices: Sequence[int]) -> Round:
    import time

    from harness.generation.decoder import Decoder
    from harness.meters.clock import synchronise

    decoder = Decoder(model, rows)
    ready = []
    synchronise(devices)
    start = time.perf_counter_ns()
    tokens = decoder.prefill().argmax(-1)
    synchronise(devices)
    ready.append(time.perf_counter_ns() - start)
    for _ in range(new - 1):
        tokens = decoder.step(tokens).argmax(-1)
        synchronise(devices)
        ready.append(time.perf_counter_ns() - start)
    return Round(ready=tuple(ns * 1e-9 for ns in ready), kv_bytes=_bytes(_cached(decoder.cache)))


def _cached(cache: Any) -> Iterable[Tensor]:
    for layer in cache.layers:
        yield from (layer.keys, layer.values)


def _bytes(tensors: Iterable[Tensor]) -> int:
    """Bytes of the distinct `tensors`: tied weights count once."""
    return sum({(t.device, t.data_ptr()): t.nbytes for t in tensors}.values())
