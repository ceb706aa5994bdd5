"""What a probe of the loop needs on a loaded subject: prompts, loop, kernels, compiler and the family's formulas.

Layer: probes; torch.
"""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

from harness.forward import kernels
from harness.meters import places
from harness.probes import grid, utilisation
from harness.probes.loop import EagerLoop
from harness.probes.prompts import draw

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from harness.probes.compiled import Comparison
    from harness.probes.loop import Loop
    from harness.records import Measurement


@final
@dataclass(frozen=True, kw_only=True)
class Ready:
    """A subject made ready for a loop at one point.

    Attributes:
        loop: eager or compiled.
        prompts: tokens `[batch, prompt]` on the device.
        devices: indices of the CUDA devices that the model lies on.
        dtype: of the weights, as in `float32`.
        costs: the family's formulas; None where there are none.
        subject: what was made ready.
        comparison: eager beside compiled calls; None without compiling.
        kernels: what the faster kernels bring to this model; `torch` without them.
    """

    loop: Loop
    prompts: Any
    devices: tuple[int, ...]
    dtype: str
    costs: Any
    subject: Any
    comparison: Comparison | None
    kernels: str

    def predicted(self, *, batch: int, prompt: int, new: int) -> float | None:
        """Bytes at the peak by the family's formulas; None where there are none."""
        if self.costs is None:
            return None
        return self.costs.predicted_peak_bytes(
            dtype=self.dtype,
            attention=self.subject.facts["attention"],
            batch=batch,
            prompt=prompt,
            new=new,
            kind=self.subject.device.kind,
        )

    def told(self) -> Mapping[str, Any]:
        """Facts beside the times."""
        return {"kernels_used": self.kernels, **(self.comparison.facts() if self.comparison else {})}

    def measurements(self) -> tuple[Measurement, ...]:
        """Of the comparison with eager calls; none without compiling."""
        return self.comparison.measurements() if self.comparison else ()


@contextmanager
def prepared(probe: Any, subject: Any, *, prompt: int, new: int) -> Iterator[Ready]:
    """Prompts and loop of `probe` at a point; its kernels work for as long as the block lasts.

    Args:
        probe: with `batch`, `seed`, `kernels`, `cache`, and where it has it `compile`.
        subject: a loaded subject.
        prompt: tokens of each prompt.
        new: tokens to decode; 1 makes the prompt's call what is compiled.

    Raises:
        Unsupported: the model cannot be compiled here, or has no body and output layer of the usual kind.
    """
    model, devices = subject.model, places.devices(subject.device.kind, subject.model)
    batch = grid.one(probe.batch)
    with kernels.fast(model) if probe.kernels == "auto" else nullcontext():
        prompts = draw(subject, batch=batch, tokens=prompt, seed=probe.seed)
        loop: Loop = EagerLoop(model, prompts, capacity=prompt + new - 1, cache=probe.cache)
        comparison = None
        if getattr(probe, "compile", "off") != "off":
            loop, comparison = _compiled(probe, subject, loop, prompts, new)
        yield Ready(
            loop=loop,
            prompts=prompts,
            devices=devices,
            dtype=str(model.dtype).removeprefix("torch."),
            costs=utilisation.costs(subject),
            subject=subject,
            comparison=comparison,
            kernels=kernels.describe(model) if probe.kernels == "auto" else "torch",
        )


def _compiled(probe: Any, subject: Any, eager: Loop, prompts: Any, new: int) -> tuple[Loop, Comparison]:
    from harness.meters.clock import collector_off
    from harness.probes.compiled import Comparison, CompiledLoop, check

    check(subject.model, subject.device.kind)
    loop = CompiledLoop(
        subject.model,
        prompts,
        capacity=prompts.shape[1] + new - 1,
        mode=probe.compile,
        what="prompt" if new == 1 else "step",
    )
    devices = places.devices(subject.device.kind, subject.model)
    with collector_off():
        return loop, Comparison(eager, loop, steps=new - 1, calls=max(10, probe.repeats), devices=devices)
