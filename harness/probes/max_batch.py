"""The `max_batch` probe: how many sequences of a given length fit into memory at once.

Layer: probes. torch is imported in the children that try, not here.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self, final

from harness.probes import children, grid
from harness.records import Measurement, Outcome, OutOfMemory

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.models.unloaded import Unloaded
    from harness.probes.fitting import Tried
    from harness.probes.grid import Axis
    from harness.records import Progress

_UNITS = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
_SHARE = 0.9
"""Part of the host's free memory that is used where no bound is given: the rest of the machine goes on living."""


@final
@dataclass(frozen=True, kw_only=True)
class MaxBatch:
    """Searches the largest batch whose prompts can be read and whose new tokens can all be decoded.

    Every try runs in a fresh process, since memory that an earlier one left in pieces would count against the next. It
    passes if it comes to its end and, on CUDA, the allocator never had to give back memory and try again. On a CPU a
    bound that the system enforces on the process (RLIMIT_DATA) stands for the end of memory; a process that the system
    ended by a signal does not fit, and the facts say so.

    Measures `max_batch`, `predicted_max_batch` (by the family's formulas) and `bytes_per_sequence` [B], the rise in
    peak memory for one more row between the smallest and the largest batch that fit. All tries are in the facts.

    Attributes:
        name: label.
        about: one line for people.
        prompt: tokens of each prompt, or a list: the grid.
        new: tokens decoded for each row, or a list.
        memory: bytes for the model and its work, as a number or as in `2GiB`; null is, on a CPU, 0.9 of what is free
            at the start, and on CUDA all that is free on the device.
        most: batch at which the search ends though more may fit.
        try_seconds: time after which a try is ended and counts as not fitting: numpy's BLAS, for one, asks for memory
            without end where there is none.
        replicates: times that each point is searched.
        replicate: which of them this is.
        isolate: whether each point has a worker process of its own; the tries have theirs in any case.
        seed: seed of the prompts.
        kernels: `torch`: the model as transformers runs it; `auto`: this project's faster kernels.
        cache: where keys and values go: `static`, laid out before, or `dynamic`.
    """

    loads_itself: ClassVar[bool] = True

    name: str
    about: str = ""
    prompt: Axis = 128
    new: Axis = 32
    memory: int | str | None = None
    most: int = 4096
    try_seconds: float = 600.0
    replicates: int = 1
    replicate: int = 0
    isolate: bool = True
    seed: int = 0
    kernels: str = "torch"
    cache: str = "static"

    def __post_init__(self) -> None:
        grid.check(self)
        in_bytes(self.memory)
        if (
            isinstance(self.try_seconds, bool)
            or not isinstance(self.try_seconds, (int, float))
            or not 0 < self.try_seconds < math.inf
        ):
            raise ValueError(f"try_seconds={self.try_seconds!r} is not a valid value: seconds, more than 0")
        if isinstance(self.most, bool) or not isinstance(self.most, int) or self.most < 1:
            raise ValueError(f"most={self.most!r} is not a valid value: a whole number of at least 1")

    def check(self) -> None:
        """Nothing to look at before the weights are loaded: all was checked on construction."""

    def forecast(self) -> dict[str, int] | None:
        """Nothing: the search decides how many batches it tries."""

    def points(self) -> tuple[Self, ...]:
        """The probe at each point of its grid."""
        return grid.points(self)

    def run(self, subject: Unloaded, progress: Progress) -> Outcome:
        """Searches with `subject` at this one point.

        Raises:
            Unsupported: prompt and new tokens exceed the model's context, or the model cannot run here.
            OutOfMemory: not even one sequence fits.
            ConfigError: the model cannot be loaded.
        """
        from harness.probes import looks, protocol

        kind = subject.device.kind
        before = looks.look(kind, children.preload(subject.spec.family))
        bound = in_bytes(self.memory) or (int(_SHARE * _free()) if kind == "cpu" else None)
        tried: list[Tried] = []

        def fits(batch: int) -> bool:
            tried.append(self._try(subject, batch, bound))
            progress("searching", len(tried), 0)
            return not tried[-1].reason

        if not fits(1):
            raise OutOfMemory(
                f"probe {self.name}: batch 1, {self._shape} does not fit{_into(bound)}: {tried[0].reason}"
            )
        found = search(fits, guess=tried[0].guess or 1, most=self.most)
        after = looks.look(kind)
        noisy = looks.noise(before, after, own=None)
        facts = {
            **grid.facts(self),
            "memory": {"bound_bytes": tried[0].bound},
            "tried": [_fact(one) for one in tried],
            "environment": {"before": before, "after": after},
            "noisy": list(noisy),
            "subject": tried[0].subject,
        }
        warnings = (*self._at_least(found), *protocol.warned(noisy))
        return Outcome(measurements=_measurements(tried, found), warnings=warnings, facts=facts)

    @property
    def _shape(self) -> str:
        return f"prompt {grid.one(self.prompt)}, new {grid.one(self.new)}"

    def _try(self, subject: Unloaded, batch: int, bound: int | None) -> Tried:
        from harness.probes.fitting import Shape, Tried, attempt

        shape = Shape(
            batch=batch, prompt=grid.one(self.prompt), new=grid.one(self.new), kernels=self.kernels, cache=self.cache,
            seed=self.seed,
        )  # fmt: skip
        ending = children.run(attempt, subject, shape, bound, most_seconds=self.try_seconds)
        return Tried(batch=batch, reason=f"its process was {ending.death}") if ending.death else ending.result()

    def _at_least(self, found: int) -> tuple[str, ...]:
        if found < self.most:
            return ()
        return (f"max_batch is at least {found}: the search ended at most={self.most}",)


def in_bytes(memory: Any) -> int | None:
    """The bytes that `memory` stands for; None for None.

    >>> in_bytes("1.5GiB")
    1610612736

    Raises:
        ValueError: it is no size.
    """
    if memory is None:
        return None
    if isinstance(memory, str) and (match := re.fullmatch(r"(\d+(?:\.\d+)?) ?(B|KiB|MiB|GiB|TiB)", memory)):
        size = int(float(match.group(1)) * _UNITS[match.group(2)])
    else:
        size = memory if isinstance(memory, int) and not isinstance(memory, bool) else 0
    if not 1 <= size < 2**62:
        raise ValueError(f"memory={memory!r} is not a valid value: bytes, a size as in 512MiB or 2GiB, or null")
    return size


def search(fits: Callable[[int], bool], *, guess: int, most: int) -> int:
    """The largest number up to `most` that `fits`, given that 1 does and that none fits above one that does not.

    From `guess` on in steps that double, up or down until the answer lies between two tries; then by halves.

    >>> search(lambda batch: batch <= 37, guess=30, most=4096)
    37
    """
    low, high = 1, most + 1
    at, step, went = min(max(guess, 2), most), max(1, guess // 16), 0
    while high - low > 1:
        fit = fits(at)
        low, high = (at, high) if fit else (low, at)
        way = 1 if fit else -1
        if went == -way:
            break
        went, at, step = way, min(max(at + way * step, low + 1), high - 1), 2 * step
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def _measurements(tried: Sequence[Tried], found: int) -> tuple[Measurement, ...]:
    rows = [Measurement(metric="max_batch", value=float(found), n=len(tried), higher_is_better=True)]
    if (predicted := tried[0].predicted) is not None:
        rows.append(Measurement(metric="predicted_max_batch", value=float(predicted), higher_is_better=True))
    peaks = {one.batch: one.peak_bytes for one in tried if not one.reason and one.peak_bytes is not None}
    if len(peaks) > 1:
        small, large = min(peaks), max(peaks)
        slope = (peaks[large] - peaks[small]) / (large - small)
        rows.append(
            Measurement(metric="bytes_per_sequence", value=slope, unit="B", n=large - small, higher_is_better=False)
        )
    return tuple(rows)


def _fact(tried: Tried) -> dict[str, Any]:
    ended = f"does not fit: {tried.reason}" if tried.reason else "fits"
    return {"batch": tried.batch, "ended": ended, "peak_bytes": tried.peak_bytes}


def _into(bound: int | None) -> str:
    return f" into {bound} B" if bound is not None else ""


def _free() -> int:
    """Bytes of main memory that are free, or can be made so, for this process and its control group."""
    info = Path("/proc/meminfo").read_text(encoding="ascii")
    free = int(info.split("MemAvailable:")[1].split()[0]) * 2**10
    try:
        most, used = (Path(f"/sys/fs/cgroup/memory.{name}").read_text().strip() for name in ("max", "current"))
    except OSError:
        return free
    return min(free, int(most) - int(used)) if most.isdigit() else free
