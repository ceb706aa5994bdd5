"""Looks at the surroundings by a process that measures nothing itself: its children do.

Layer: probes; imports the meters, and torch with them.

A look at a GPU makes a CUDA context, which takes memory of the device and stays: looks are taken in children, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.meters import environment
from harness.probes import children

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def look(kind: str, modules: Sequence[str] = children.PRELOAD) -> dict[str, Any]:
    """The environment now (`meters.environment.snapshot`), on CUDA with the first device.

    Args:
        kind: `cpu` or `cuda`.
        modules: as in `children.run`.
    """
    devices = (0,) if kind == "cuda" else ()
    return children.run(environment.snapshot, kind, devices, modules=modules).result()


def noise(before: Mapping[str, Any], after: Mapping[str, Any], *, own: float | None) -> tuple[str, ...]:
    """What two looks say against what children measured between them, one reason each.

    Args:
        before: the first look.
        after: the second one.
        own: processor seconds of the children between; None where they are not known, and then who else used the
            processors is not either.
    """
    spans: tuple[dict[str, Any], dict[str, Any]] = ({}, {})
    if own is not None:
        spans = ({**before["processor_seconds"], "own": 0.0}, {**after["processor_seconds"], "own": own})
    first, second = ({**one, "processor_seconds": span} for one, span in zip((before, after), spans, strict=True))
    return environment.noise(first, second)
