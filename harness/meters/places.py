"""The CUDA devices that a model lies on: meters touch these and no other, since a touch makes a context on a device.

Layer: meters.
"""

from __future__ import annotations

from typing import Any

import torch


def devices(kind: str, model: Any) -> tuple[int, ...]:
    """Indices of the CUDA devices that hold `model`; the current one where it names none, none unless `kind` is `cuda`.

    >>> devices("cpu", None)
    ()
    """
    if kind != "cuda":
        return ()
    placed = [_index(place) for place in (getattr(model, "hf_device_map", None) or {}).values()]
    return tuple(sorted({index for index in placed if index is not None})) or (torch.cuda.current_device(),)


def _index(place: int | str | torch.device) -> int | None:
    """Index of a place in transformers' device map; None for the host and the disk, where layers are offloaded to."""
    if isinstance(place, int):
        return place
    if str(place) == "disk":
        return None
    device = torch.device(place)
    if device.type != "cuda":
        return None
    return torch.cuda.current_device() if device.index is None else device.index
