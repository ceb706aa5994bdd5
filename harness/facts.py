"""`harness list models --facts`: what the models cost, and which of them fit this machine at which dtype and batch.

Layer: below `cli`, beside `doctor`. Loads nothing and imports no torch: all figures follow from sizes and data sheets.
"""

from __future__ import annotations

import ctypes
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from rich.console import Console
from rich.table import Table

from harness import hardware
from harness.catalogue import describe
from harness.config import ConfigError
from harness.devices import Device, DeviceChoice
from harness.models.costs import costs
from harness.models.families import FAMILIES
from harness.models.fits import largest_batch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.models.costs import Costs

UNKNOWN = "—"
PIPED = 120
"""Columns where nothing says how wide the reader's window is."""

WIDE = 112
"""Columns from which the family, the matmul parameters and the buffers have room."""

_KIB, _MIB, _GIB = 2**10, 2**20, 2**30


@final
@dataclass(frozen=True, kw_only=True)
class Place:
    """What the models are compared with.

    Attributes:
        device: of this machine.
        free: bytes that are free on it.
        bandwidth: bytes per second of its memory, measured or else by its data sheet; None where unknown.
        origin: where `bandwidth` is from.
        cache: bytes of the device's last cache: what fits in there is not bound by `bandwidth`.
        room: what `free` is: `free`, or `in all` where the device does not say what is free.
    """

    device: Device
    free: int
    bandwidth: float | None
    origin: str
    cache: int = 0
    room: str = "free"

    @property
    def dtypes(self) -> tuple[str, str]:
        """The exact dtype and the fast one."""
        return "float32", "bfloat16" if self.device.kind == "cpu" else self.device.auto_dtype


def show() -> int:
    """Prints the table, and below it what its columns mean; returns 0."""
    piped = not sys.stdout.isatty() and not os.environ.get("COLUMNS", "").isdigit()
    console = Console(width=PIPED if piped else None, highlight=False)
    place = here()
    wide = console.width >= WIDE
    here_or_not = describe("model")
    console.print(table([one for one in here_or_not if not _remote(one)], place, wide=wide))
    console.print()
    for line in legend(place, wide=wide):
        console.print(line, markup=False)
    if count := sum(_remote(one) for one in here_or_not):
        console.print(f"{count} models behind an API have no weights to fit: harness list models", markup=False)
    return 0


def _remote(entry: dict[str, Any]) -> bool:
    return str(entry.get("_target_", "")).endswith(".ApiSpec")


def here() -> Place:
    """This machine's device, its free memory and what is known of its bandwidth."""
    device = DeviceChoice().resolve()
    counted = available_memory() if device.kind == "cpu" else free_device_memory()
    free, room = (device.memory, "in all") if counted is None else (min(device.memory, counted), "free")
    entry = hardware.find(device.name)
    measured = entry.measured_with(device.threads if device.kind == "cpu" else None) if entry else None
    bandwidth = measured.bandwidth if measured else entry.bandwidth if entry else None
    origin = f"measured {measured.date}" if measured else "by its data sheet" if bandwidth else ""
    cache = (entry.l2 if entry else None) or 0
    return Place(device=device, free=free, bandwidth=bandwidth, origin=origin, cache=cache, room=room)


def table(models: Sequence[dict[str, Any]], place: Place, *, wide: bool) -> Table:
    """One row a model, smallest first.

    Args:
        models: entries of `catalogue.describe`.
        place: what they are to fit.
        wide: whether there is room for all columns.
    """
    first, second = place.dtypes
    shown = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 1), collapse_padding=not wide)
    shown.add_column("model", no_wrap=True)
    if wide:
        shown.add_column("family", no_wrap=True)
    titles = ["params\nM", *(["matmul\nM"] if wide else []), "GFLOP\n/token", "KV KiB\n/token", "weights\nGiB"]
    titles += [
        *(["buffers\nMiB"] if wide else []),
        f"batch\n{_short(first)}",
        f"batch\n{_short(second)}",
        "bound\ntok/s",
    ]
    for title in titles:
        shown.add_column(title, justify="right", no_wrap=True)
    for entry in sorted(models, key=lambda e: (e.get("parameters") or 0, e["name"])):
        shown.add_row(*_row(entry, place, wide=wide))
    return shown


def legend(place: Place, *, wide: bool) -> tuple[str, ...]:
    """What the columns mean, one line each."""
    device, dtype = place.device, place.device.auto_dtype
    kept = "weights, KV and buffers" if wide else "weights and KV"
    room = f"{place.free / _GIB:.1f} GiB {place.room}"
    lines = [
        f"here    {device.name}, {room}; {kept} in {dtype}",
        f"batch   rows of the model's full context that fit, in {' and '.join(place.dtypes)}; {UNKNOWN}: not even one",
        f"bound   {_bound(place)}",
    ]
    return tuple(lines if wide else [*lines, f"From {WIDE} columns on: also family, matmul parameters and buffers."])


def _bound(place: Place) -> str:
    if place.bandwidth:
        rate = f"{place.bandwidth / 1e9:,.0f} GB/s {place.origin}"
        return f"batch 1 decodes no faster on an empty context, at {rate}; {UNKNOWN}: fits the cache"
    if place.device.kind == "cpu":
        return "unknown: a processor has no data-sheet bandwidth; harness doctor --measure measures it"
    return f"unknown: no file of conf/hardware names {place.device.name}"


def _row(entry: dict[str, Any], place: Place, *, wide: bool) -> list[str]:
    name, family, found = entry["name"], str(entry.get("family", "")), _costs(entry)
    if found is None:
        count = entry.get("parameters")
        known = f"{count / 1e6:,.1f}" if isinstance(count, int) else UNKNOWN
        blank = [UNKNOWN] * (7 if wide else 6)
        return [name, *([family] if wide else []), known, *blank, *([UNKNOWN] if wide else [])]
    dtype = place.device.auto_dtype
    moved = found.decode_step_bytes(1, 1, dtype)
    bound = place.bandwidth / moved if place.bandwidth and moved > place.cache else None
    return [
        name,
        *([family] if wide else []),
        f"{found.parameters / 1e6:,.1f}",
        *([f"{found.matmul_parameters / 1e6:,.1f}"] if wide else []),
        _figures(2 * found.matmul_parameters / 1e9),
        _figures(found.kv_bytes_per_token(dtype) / _KIB),
        _figures(found.weights_bytes(dtype) / _GIB),
        *([_figures(found.buffers_bytes(dtype) / _MIB)] if wide else []),
        *(_batch(found, place, dtype) for dtype in place.dtypes),
        f"{bound:,.0f}" if bound else UNKNOWN,
    ]


def _costs(entry: dict[str, Any]) -> Costs | None:
    """None for a model whose sizes its file does not say."""
    if entry.get("family") not in FAMILIES or not isinstance(entry.get("architecture"), dict):
        return None
    try:
        return costs(entry["family"], entry["architecture"])
    except ValueError as error:
        raise ConfigError(f"model.{entry['name']}: {error}") from None


def _batch(found: Costs, place: Place, dtype: str) -> str:
    most = largest_batch(
        found, place.free, dtype=dtype, attention="auto", prompt=found.shape.positions - 1, new=1,
        kind=place.device.kind,
    )  # fmt: skip
    return f"{most:,}" if most else UNKNOWN


def _figures(value: float) -> str:
    """Three figures, but no fewer than the whole part has."""
    if value == 0:
        return "0"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}" if value >= 0.001 else "<0.001"  # noqa: PLR2004 - three figures


def _short(dtype: str) -> str:
    return {"float32": "fp32", "bfloat16": "bf16", "float16": "fp16"}[dtype]


def available_memory(info: Path = Path("/proc/meminfo")) -> int | None:
    """Bytes of main memory that a new process may take; None where the system does not say."""
    try:
        text = info.read_text(encoding="ascii")
    except OSError:
        return None
    found = re.search(r"^MemAvailable:\s*(\d+) kB", text, re.MULTILINE)
    return int(found.group(1)) * _KIB if found else None


def free_device_memory() -> int | None:
    """Bytes that are free on the first visible GPU beside a context, which every process needs; None where unknown.

    By the driver's own library, as `devices` asks it: importing torch for one number would take seconds.
    """
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None
    device, context = ctypes.c_int(0), ctypes.c_void_p()
    free, total = ctypes.c_size_t(0), ctypes.c_size_t(0)
    if driver.cuInit(0) or driver.cuDeviceGet(ctypes.byref(device), 0):
        return None
    if driver.cuDevicePrimaryCtxRetain(ctypes.byref(context), device):
        return None
    failed = driver.cuCtxSetCurrent(context) or driver.cuMemGetInfo_v2(ctypes.byref(free), ctypes.byref(total))
    driver.cuDevicePrimaryCtxRelease_v2(device)
    return None if failed else free.value
