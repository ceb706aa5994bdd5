"""A subject before it is loaded: what workloads get that measure the loading itself, or load in processes of their own.

Layer: models, light: torch is imported when it loads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

if TYPE_CHECKING:
    from harness.devices import Device
    from harness.models.spec import ModelSpec
    from harness.models.subject import Subject
    from harness.records import Progress


@final
@dataclass(frozen=True, kw_only=True)
class Unloaded:
    """Everything it takes to load a subject; it can be sent to another process.

    A workload whose class says `loads_itself = True` is run on this, in a process that has loaded nothing before.

    Attributes:
        spec: which model, and how it is to be loaded.
        method: how it is adapted afterwards.
        device: where to.
    """

    spec: ModelSpec
    method: Any
    device: Device

    def load(self, progress: Progress) -> Subject:
        """The subject, loaded and adapted, on the device's number of threads.

        Raises:
            ConfigError: see `harness.models.subject.load`.
            OutOfMemory: the model does not fit.
            Unsupported: attention, placement or quantisation that this model or device does not have.
        """
        import torch

        from harness.models.subject import load

        torch.set_num_threads(self.device.threads)
        return self.method.adapt(load(self.spec, self.device, progress))
