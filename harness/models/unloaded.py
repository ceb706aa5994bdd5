"""A subject before it is loaded: what workloads get that measure the loading itself, or load in processes of their own.

Layer: models, light: torch is imported when it loads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

from harness.models.api.spec import ApiSpec

if TYPE_CHECKING:
    from pathlib import Path

    from harness.devices import Device
    from harness.models.api.subject import ApiSubject
    from harness.models.subject import Subject
    from harness.records import Progress


@final
@dataclass(frozen=True, kw_only=True)
class Unloaded:
    """Everything it takes to load a subject; it can be sent to another process.

    A workload whose class says `loads_itself = True` is run on this, in a process that has loaded nothing before.

    Attributes:
        spec: which model, and how it is to be loaded: a `ModelSpec`, or an `ApiSpec` that is connected to.
        method: how it is adapted afterwards.
        device: where to.
        folder: of the study, where an API model keeps what it paid for.
    """

    spec: Any
    method: Any
    device: Device
    folder: Path | None = None

    def load(self, progress: Progress) -> Subject | ApiSubject:
        """The subject, loaded and adapted, on the device's number of threads.

        Raises:
            ConfigError: see `harness.models.subject.load`.
            OutOfMemory: the model does not fit.
            Unsupported: attention, placement or quantisation that this model or device does not have.
        """
        if isinstance(self.spec, ApiSpec):
            from harness.models.api.subject import connect

            return self.method.adapt(connect(self.spec, self.device, progress, folder=self.folder))
        import torch

        from harness.models.subject import load

        torch.set_num_threads(self.device.threads)
        return self.method.adapt(load(self.spec, self.device, progress))
