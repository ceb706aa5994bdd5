"""The `prefill` probe: how fast a model reads prompts, over a grid of batch and prompt.

Layer: probes. torch is imported when the probe runs, not when it is constructed.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, final

from harness.probes import grid
from harness.probes.protocol import Round, Rules, Useful, Work, measure, within_memory

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.probes.grid import Axis
    from harness.probes.loop import Loop
    from harness.records import Outcome, Progress


@final
@dataclass(frozen=True, kw_only=True)
class Prefill:
    """Reads a batch of random prompts of one length and gives the first new token of each.

    Measures, raw for every repeat: `ttft` [s], beside it `ttft_cpu` or `ttft_device`, and `prefill_tok_s`; then what
    every timing probe does (`harness.probes.protocol`). Only the last position's logits are computed.

    Attributes:
        name: label.
        about: one line for people.
        batch: rows, or a list of them: the grid.
        prompt: tokens of each prompt, or a list.
        repeats: timed calls of each point.
        replicates: fresh processes that measure each point.
        replicate: which of them this is.
        isolate: a fresh process for every point, else one for all points of a model.
        seed: seed of the prompts.
        kernels: `torch`: the model as transformers runs it; `auto`: this project's faster kernels.
        cache: where keys and values go: `static`, laid out before, or `dynamic`.
        compile: mode of `torch.compile`, or `off`.
        energy: `auto` or `off`.
        warm_calls: least calls before the first timed one.
        warm_seconds: least seconds of them.
        warm_most: seconds after which they end though the times still move.
    """

    name: str
    about: str = ""
    batch: Axis = 1
    prompt: Axis = 128
    repeats: int = 5
    replicates: int = 1
    replicate: int = 0
    isolate: bool = True
    seed: int = 0
    kernels: str = "torch"
    cache: str = "static"
    compile: str = "off"
    energy: str = "auto"
    warm_calls: int = 3
    warm_seconds: float = 2.0
    warm_most: float = 30.0

    def __post_init__(self) -> None:
        grid.check(self)

    def check(self) -> None:
        """Nothing to look at before the weights are loaded: all was checked on construction."""

    def forecast(self) -> dict[str, int]:
        """Documents and requests: one batch at each point, timed `repeats` times."""
        return grid.forecast(self)

    def points(self) -> tuple[Self, ...]:
        """The probe at each point of its grid."""
        return grid.points(self)

    def run(self, subject: Any, progress: Progress) -> Outcome:
        """Measures `subject` at this one point.

        Raises:
            Unsupported: a prompt beyond the model's context; a model that cannot be compiled here.
            OutOfMemory: if the batch does not fit.
        """
        batch, prompt = grid.one(self.batch), grid.one(self.prompt)
        grid.clip(subject.facts["context"], prompt=prompt)
        return within_memory(
            lambda: self._measure(subject, progress, batch=batch, prompt=prompt),
            name=self.name,
            what=f"batch {batch}, prompt {prompt}",
        )

    def _measure(self, subject: Any, progress: Progress, *, batch: int, prompt: int) -> Outcome:
        from harness.probes.loops import prepared

        with prepared(self, subject, prompt=prompt, new=1) as ready:
            work = Work(
                phase="prefill",
                round=lambda: _round(ready.loop, shape=(batch, prompt), devices=ready.devices),
                held=ready.loop.held,
                useful=_useful(ready.costs, batch=batch, prompt=prompt, dtype=ready.dtype),
                predicted_bytes=ready.predicted(batch=batch, prompt=prompt, new=1),
                drain=lambda: list(ready.loop.tokens(1)),
                drained=batch * prompt,
                once=lambda: list(ready.loop.tokens(1)),
                told=ready.told,
            )
            point = {**grid.facts(self), "new": 0}
            outcome = measure(subject, work, rules=Rules.of(self), progress=progress, point=point)
            return dataclasses.replace(outcome, measurements=(*outcome.measurements, *ready.measurements()))


def _useful(costs: Any, *, batch: int, prompt: int, dtype: str) -> Useful | None:
    if costs is None:
        return None
    return Useful(
        flops=costs.prefill_flops(prompt, kept=1, batch=batch),
        moved_bytes=costs.prefill_bytes(batch, prompt, dtype),
        metric="ttft",
    )


def _round(loop: Loop, *, shape: tuple[int, int], devices: Sequence[int]) -> Round:
    from harness.probes.timing import device_first, of_sequence, rate, stamp

    batch, prompt = shape
    stamps = stamp(loop.tokens(1), devices=devices)
    device = (device_first(loop.tokens(1), loop.tokens(1), devices=devices),) if devices else ()
    times = [m for m in of_sequence(stamps, device) if not m.metric.startswith("e2e")]
    ttft = stamps.wall[0]
    return Round(
        measurements=(*times, rate("prefill_tok_s", batch * prompt, ttft)),
        wall=ttft,
        device=device[0] if device else None,
    )
