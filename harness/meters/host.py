"""What the Linux kernel tells about the processors: load, clocks, and who used them.

Layer: meters; stdlib only. What a kernel or container does not tell is None.
"""

from __future__ import annotations

import hashlib
import os
import platform
import statistics
from pathlib import Path
from typing import Any

PROC = Path("/proc")
SYSTEM = Path("/sys")

_START = 19
"""Place of a process's start behind its name. Source: proc(5), /proc/pid/stat, field 22."""


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def load(proc: Path = PROC) -> dict[str, Any]:
    """Load average of the last minute, and how many other threads run or want to right now."""
    words = _text(proc / "loadavg").split()
    if len(words) < 4:  # noqa: PLR2004 - three averages, then running/all
        return {"load": None, "running": None}
    return {"load": float(words[0]), "running": max(0, int(words[3].split("/")[0]) - 1)}


def clocks(system: Path = SYSTEM) -> dict[str, Any]:
    """Governor of the first processor, and median clock of all in MHz."""
    folders = sorted(system.glob("devices/system/cpu/cpu[0-9]*/cpufreq"))
    present = [float(text) * 1e-3 for folder in folders if (text := _text(folder / "scaling_cur_freq"))]
    return {
        "governor": (_text(folders[0] / "scaling_governor") or None) if folders else None,
        "mhz": round(statistics.median(present)) if present else None,
    }


def usage(proc: Path = PROC, system: Path = SYSTEM) -> dict[str, Any]:
    """Seconds since the machine started, all its processors together; two readings tell what happened between them.

    Returns:
        `busy` (any work), `idle`, `stolen` (taken by the hypervisor while there was work), `own` (this process and its
        ended children) and `held_back` (by the processor quota of the container).
    """
    line = _text(proc / "stat").partition("\n")[0].split()
    ticks = [int(word) for word in line[1:9]] if line[:1] == ["cpu"] else []
    own = os.times()
    seconds = {"busy": None, "idle": None, "stolen": None}
    if len(ticks) == 8:  # noqa: PLR2004 - user nice system idle iowait irq softirq steal; Source: proc(5)
        user, nice, kernel, idle, waiting, irq, soft, stolen = (tick / os.sysconf("SC_CLK_TCK") for tick in ticks)
        seconds = {"busy": user + nice + kernel + irq + soft, "idle": idle + waiting, "stolen": stolen}
    found = {**seconds, "own": sum(own[:4]), "held_back": _held_back(system)}
    return {name: value if value is None else round(value, 3) for name, value in found.items()}


def run(proc: Path = PROC) -> str:
    """Digest that all processes of one `harness run` share, and those of no other run.

    Of the process that forks them, by its number and start, and of the machine's start. What is measured in one such
    run is measured in one randomised order; times of two runs may lie days apart.
    """
    parent = os.getppid()
    words = _text(proc / str(parent) / "stat").rpartition(")")[2].split()
    started = words[_START] if len(words) > _START else ""
    machine = _text(proc / "sys/kernel/random/boot_id") or platform.node()
    return hashlib.sha256(f"{machine} {parent} {started}".encode()).hexdigest()[:12]


def _held_back(system: Path) -> float | None:
    """Seconds for which the container's quota stopped its threads. Source: Linux, cgroup-v2.rst, cpu.stat."""
    for line in _text(system / "fs/cgroup/cpu.stat").splitlines():
        if line.startswith("throttled_usec "):
            return int(line.split()[1]) * 1e-6
    return None


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
