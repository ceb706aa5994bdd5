"""The `generate` probe: what transformers' `generate` costs on top of the model's own calls.

Layer: probes. torch is imported when the probe runs, not when it is constructed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, final

from harness.probes import grid
from harness.probes.protocol import Rules, Work, measure, within_memory

if TYPE_CHECKING:
    from harness.probes.grid import Axis
    from harness.records import Outcome, Progress


@final
@dataclass(frozen=True, kw_only=True)
class Generate:
    """Decodes the same prompts twice, by `model.generate` and by the project's own loop, one right after the other.

    Both are greedy, ignore the end token, write exactly `new` tokens and use the same kind of cache. Measures, raw for
    every repeat: `generate_e2e` and `loop_e2e` [s], `overhead` = `generate_e2e - loop_e2e` of the same repeat (it may
    be negative), `request_s` [item/s]; then what every timing probe does (`harness.probes.protocol`). Which of the two
    goes first alternates. The fact `same_tokens` says whether both wrote the same.

    Attributes:
        name: label.
        about: one line for people.
        batch: rows, or a list of them: the grid.
        prompt: tokens of each prompt, or a list.
        new: tokens to decode for each row, or a list.
        repeats: timed pairs of each point.
        replicates: fresh processes that measure each point.
        replicate: which of them this is.
        isolate: a fresh process for every point, else one for all points of a model.
        seed: seed of the prompts.
        kernels: `torch`: the model as transformers runs it; `auto`: this project's faster kernels.
        cache: `static`, laid out before, or `dynamic`, `generate`'s own default.
        energy: `auto` or `off`; of `generate`.
        warm_calls: least pairs before the first timed one.
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
    cache: str = "dynamic"
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
            Unsupported: if prompt and new tokens exceed the model's context.
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
        from harness.probes.pairing import Pair, configured

        batch, prompt, new = shape
        with prepared(self, subject, prompt=prompt, new=new) as ready, configured(subject.model, new):
            pair = Pair(ready, new=new, cache=self.cache)
            work = Work(
                phase="generate",
                round=pair.round,
                held=pair.held,
                predicted_bytes=ready.predicted(batch=batch, prompt=prompt, new=new),
                drain=pair.generate,
                drained=batch * new,
                once=pair.alone,
                told=lambda: {**ready.told(), "same_tokens": pair.same_tokens()},
            )
            return measure(subject, work, rules=Rules.of(self), progress=progress, point=grid.facts(self))
