"""The energy pass: the same work over and over for at least ten seconds, where a meter works; never an estimate.

Layer: probes; torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.meters import energy
from harness.records import Measurement

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_NAMES = {"J/tok": "energy_tok", "J/item": "energy_item"}
"""Net energy by the unit of what was done; gross is the same with `_gross`."""


def measure(
    call: Callable[[], object], *, kind: str, devices: Sequence[int], seconds: float, per: tuple[int, str]
) -> tuple[tuple[Measurement, ...], dict[str, Any]]:
    """Energy of `call` per time it runs, gross and net of the idle machine, and how it was found.

    Args:
        call: the work; it runs until `seconds` have passed.
        kind: `cpu` or `cuda`.
        devices: indices of the CUDA devices that work.
        seconds: least length of the loop, and of the idle time before.
        per: tokens or items of one call, and the unit of energy by them; 0 tokens give no such figure.

    Returns:
        Measurements, none where no meter works; and the fact: `{"method", "reason"}`.
    """
    meter = energy.find(kind, devices)
    if isinstance(meter, str):
        return (), {"method": None, "reason": meter}
    try:
        spent = energy.measure(meter, call, least_seconds=seconds, idle_seconds=seconds)
    except OSError as error:  # The counter went away: no figure, and the reason.
        return (), {"method": None, "reason": f"{meter.method}: {type(error).__name__} while it was read"}
    count, unit = per
    joules = {"energy": spent.joules / spent.calls, "energy_net": spent.net_joules / spent.calls}
    found = [
        Measurement(metric=metric, value=value, unit="J", n=spent.calls, higher_is_better=False)
        for metric, value in joules.items()
    ]
    found.append(Measurement(metric="power_idle", value=spent.idle_watts, unit="W", higher_is_better=False))
    done = spent.calls * count
    each = {_NAMES[unit]: spent.net_joules, f"{_NAMES[unit]}_gross": spent.joules} if count else {}
    found += [
        Measurement(metric=metric, value=value / done, unit=unit, n=done, higher_is_better=False)
        for metric, value in each.items()
    ]
    return tuple(found), {"method": spent.method, "seconds": spent.seconds, "calls": spent.calls}
