"""The `decode` probe: how fast a model writes, token by token, over a grid of batch, prompt and new tokens.

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
class Decode:
    """Reads a batch of random prompts and decodes new tokens greedily, one at a time; the end token is ignored.

    Measures, raw for every repeat, with the prompts already on the device:

    - `ttft` [s]: from the start to the first new token. `e2e` [s]: from the start to the last.
    - `itl` [s]: median of the `new - 1` gaps between one token and the next (`n` says how many); every gap is kept in
      the facts, `steps.itl[repeat][i]`, that of the context of `prompt + 1 + i` tokens.
    - `tpot` [s]: mean of the gaps. `prefill_tok_s`, `decode_tok_s`.

    Then what every timing probe does (`harness.probes.protocol`, which has the formulas). Utilisation is that of one
    step in the middle of the round. Energy is that of the steps alone, behind a prompt that is read once.

    Source: the formulas of ttft and itl are those of `vllm bench serve`; random tokens and ignored end as in
    `vllm bench latency`.

    Attributes:
        name: label.
        about: one line for people.
        batch: rows, or a list of them: the grid.
        prompt: tokens of each prompt, or a list.
        new: tokens to decode for each row, or a list; two or more, since one has no gap.
        repeats: timed rounds of each point.
        replicates: fresh processes that measure each point.
        replicate: which of them this is.
        isolate: a fresh process for every point, else one for all points of a model.
        seed: seed of the prompts.
        kernels: `torch`: the model as transformers runs it; `auto`: this project's faster kernels.
        cache: `static`, laid out before, or `dynamic`, copied at every step.
        compile: mode of `torch.compile` for the single step, or `off`.
        energy: `auto` or `off`.
        warm_calls: least rounds before the first timed one.
        warm_seconds: least seconds of them.
        warm_most: seconds after which they end though the times still move.
    """

    name: str
    about: str = ""
    batch: Axis = 1
    prompt: Axis = 128
    new: Axis = 32
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
        grid.check(self, new=2)

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
            Unsupported: if prompt and new tokens exceed the model's context; a model that cannot be compiled here.
            OutOfMemory: if the batch does not fit.
        """
        batch, prompt, new = grid.one(self.batch), grid.one(self.prompt), grid.one(self.new)
        grid.clip(subject.facts["context"], prompt=prompt, new=new)
        return within_memory(
            lambda: self._measure(subject, progress, shape=(batch, prompt, new)),
            name=self.name,
            what=f"batch {batch}, prompt {prompt}, new {new}",
        )

    def _measure(self, subject: Any, progress: Progress, *, shape: tuple[int, int, int]) -> Outcome:
        from harness.probes.loops import prepared

        batch, prompt, new = shape
        with prepared(self, subject, prompt=prompt, new=new) as ready:
            work = Work(
                phase="decode",
                round=lambda: _round(ready.loop, shape=shape, devices=ready.devices),
                held=ready.loop.held,
                useful=_useful(ready.costs, shape=shape, dtype=ready.dtype),
                predicted_bytes=ready.predicted(batch=batch, prompt=prompt, new=new),
                drain=lambda: _drain(ready.loop.steps(new - 1)),
                drained=batch * (new - 1),
                once=lambda: _drain(ready.loop.tokens(new)),
                told=ready.told,
            )
            outcome = measure(subject, work, rules=Rules.of(self), progress=progress, point=grid.facts(self))
            return dataclasses.replace(outcome, measurements=(*outcome.measurements, *ready.measurements()))


def _useful(costs: Any, *, shape: tuple[int, int, int], dtype: str) -> Useful | None:
    """Of the step in the middle: half of the new tokens are in the cache."""
    if costs is None:
        return None
    batch, prompt, new = shape
    context = prompt + new // 2
    return Useful(
        flops=costs.decode_step_flops(batch, context),
        moved_bytes=costs.decode_step_bytes(batch, context, dtype),
        metric="itl",
    )


def _drain(tokens: Any) -> None:
    for _ in tokens:
        pass


def _round(loop: Loop, *, shape: tuple[int, int, int], devices: Sequence[int]) -> Round:
    from harness.probes.timing import device_gaps, of_sequence, rate, stamp

    batch, prompt, new = shape
    stamps = stamp(loop.tokens(new), devices=devices)
    device = device_gaps(loop.tokens(new), devices=devices) if devices else ()
    first, last = stamps.wall[0], stamps.wall[-1]
    rates = (rate("prefill_tok_s", batch * prompt, first), rate("decode_tok_s", batch * (new - 1), last - first))
    return Round(
        measurements=(*of_sequence(stamps, device), *rates),
        wall=last,
        device=sum(device) if device else None,
        gaps=stamps.gaps,
    )
