"""A probe that measures nothing but itself: which process it ran in, when, and on what."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, final

from harness.models.unloaded import Unloaded
from harness.probes import grid
from harness.records import Measurement, Outcome

if TYPE_CHECKING:
    from harness.records import Progress


@final
@dataclass(frozen=True, kw_only=True)
class Nap:
    """Sleeps for `seconds`, without a model; its process dies at the batch `deadly`."""

    loads_itself: ClassVar[bool] = True

    name: str
    about: str = ""
    batch: int | list[int] = 1
    replicates: int = 1
    replicate: int = 0
    isolate: bool = True
    seed: int = 0
    seconds: float = 0.0
    deadly: int = 0

    def check(self) -> None:
        """Nothing can be wrong."""

    def forecast(self) -> None:
        """Nothing is known."""

    def points(self) -> tuple[Nap, ...]:
        """One nap for each batch and replicate."""
        return grid.points(self)

    def run(self, subject: Unloaded, progress: Progress) -> Outcome:
        """The process, the moment, and whether the subject is still to be loaded."""
        progress("sleeping", 0, 1)
        if self.batch == self.deadly:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(self.seconds)
        values = {"pid": os.getpid(), "at": time.monotonic(), "unloaded": isinstance(subject, Unloaded)}
        measurements = tuple(Measurement(metric=name, value=float(value)) for name, value in values.items())
        return Outcome(measurements=measurements, facts={"subject": {"family": subject.spec.family}, "seconds": 0})
