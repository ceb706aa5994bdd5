"""What device this machine has, found out without importing torch (a plan must cost well under a second).

Layer: beside `config`; stdlib only. CUDA is asked through its driver library, and only counts where the installed torch
was built for it.
"""

from __future__ import annotations

import ctypes
import dataclasses
import importlib.util
import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from harness.config import ConfigError, one_of

if TYPE_CHECKING:
    from collections.abc import Mapping

KINDS = ("auto", "cpu", "cuda")

PRODUCTS = ("float32", "tf32")

BFLOAT16_CAPABILITY = 80
"""Compute capability times ten from which GPUs have bfloat16 and TF32 arithmetic (Ampere, 8.0)."""


@final
@dataclass(frozen=True, kw_only=True)
class Device:
    """A device as it stands in a cell: what numbers measured on it depend on.

    Attributes:
        kind: `cpu` or `cuda`; `api` for a model that computes elsewhere.
        slug: name for paths and the tidy column, as in `cpu-amd-epyc-2t` or `cuda-nvidia-h100-80gb-hbm3`.
        name: the vendor's name.
        threads: threads of the CPU's parallel regions; on CUDA those of the host side.
        batch: rows that generate at a time to start with (halved when memory runs out).
        products: what matrix products of float32 weights are computed in: `float32`, or `tf32` on CUDA.
        capability: CUDA compute capability times ten (80 for 8.0), 0 on CPU.
        count: devices the model is spread over.
        memory: bytes of the device. Not part of a cell: the same machine reports a few kB more or less after a restart.
    """

    kind: str
    slug: str
    name: str
    threads: int
    batch: int
    products: str = "float32"
    capability: int = 0
    count: int = 1
    memory: int = 0

    def node(self) -> dict[str, str | int]:
        """The device as it stands in a cell."""
        return {k: v for k, v in dataclasses.asdict(self).items() if k != "memory"}

    @classmethod
    def of(cls, node: Mapping[str, Any]) -> Device:
        """The device of a cell, with the memory it has on this machine."""
        gpus = cuda_devices()[0] if node["kind"] == "cuda" else []
        return cls(**node, memory=gpus[0][1] if gpus else host_memory())

    @property
    def auto_dtype(self) -> str:
        """What `dtype: auto` means here: exact on CPU, the widest fast type on CUDA."""
        if self.kind == "cpu":
            return "float32"
        return "bfloat16" if self.capability >= BFLOAT16_CAPABILITY else "float16"

    def check_dtype(self, dtype: str, *, where: str) -> None:
        """Refuses a dtype this device has no arithmetic for.

        Raises:
            ConfigError: naming the dtype, the device and what it can do.
        """
        if self.kind == "cuda" and self.capability < BFLOAT16_CAPABILITY and dtype == "bfloat16":
            raise ConfigError(f"{where}: dtype=bfloat16 is not supported on {self.name}; use float16 or float32")
        if self.kind == "cpu" and dtype == "float16" and "avx512_fp16" not in _cpu_flags() and not _is_arm():
            raise ConfigError(f"{where}: dtype=float16 is not supported on {self.name}; use float32 or bfloat16")


@final
@dataclass(frozen=True, kw_only=True)
class DeviceChoice:
    """What the user asks for (`conf/device/*.yaml`); `resolve` turns it into a `Device`.

    Attributes:
        kind: `auto` takes CUDA where torch can use it, else the CPU.
        name: name of the config.
        about: one line for `harness list devices`.
        threads: CPU threads; None means OMP_NUM_THREADS where it is set, else all physical cores this process may use.
        batch: rows that generate at a time to start with; None means 16 on CPU and 64 on CUDA.
        products: `tf32` multiplies float32 weights on a GPU with the 10 bits of TF32, several times as fast.
    """

    kind: str = "auto"
    name: str = "auto"
    about: str = ""
    threads: int | None = None
    batch: int | None = None
    products: str = "float32"

    def __post_init__(self) -> None:
        one_of(self.kind, KINDS, field="kind")
        one_of(self.products, PRODUCTS, field="products")
        for field, value in (("threads", self.threads), ("batch", self.batch)):
            if value is not None and (type(value) is not int or value < 1):
                raise ValueError(
                    f"{field}={value} must be a whole number of at least 1, or null to choose by the machine"
                )

    def resolve(self) -> Device:
        """The device of this machine that the choice stands for.

        Raises:
            ConfigError: CUDA is asked for and cannot be used, saying why.
        """
        said = os.environ.get("OMP_NUM_THREADS", "")
        threads = self.threads or (int(said) if said.isdigit() and int(said) else cpu_count())
        if self.kind != "cpu":
            gpus, reason = cuda_devices()
            if gpus:
                name, memory, capability = gpus[0]
                self._check_products(name, capability)
                return Device(
                    kind="cuda",
                    slug=f"cuda-{slug(name)}",
                    name=name,
                    threads=threads,
                    batch=self.batch or 64,
                    products=self.products,
                    memory=memory,
                    capability=capability,
                )
            if self.kind == "cuda":
                raise ConfigError(f"device=cuda: {reason}; use device=cpu, or device=auto to take what there is")
        name = cpu_name()
        self._check_products(name, 0)
        return Device(
            kind="cpu",
            slug=f"cpu-{slug(name)}-{threads}t",
            name=name,
            threads=threads,
            batch=self.batch or 16,
            memory=host_memory(),
        )

    def _check_products(self, name: str, capability: int) -> None:
        if self.products == "tf32" and capability < BFLOAT16_CAPABILITY:
            raise ConfigError(
                f"device.products=tf32 is not supported on {name}: it takes a GPU of compute capability 8.0; use "
                "float32, or model.dtype=bfloat16"
            )


def cuda_devices() -> tuple[list[tuple[str, int, int]], str]:
    """Name, memory in bytes and capability of each visible GPU, or an empty list with the reason.

    Honours CUDA_VISIBLE_DEVICES, as the driver itself does.
    """
    if not _torch_has_cuda():
        return [], "the installed torch is built without CUDA"
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return [], "no NVIDIA driver is installed"
    count = ctypes.c_int(0)
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0 or count.value == 0:
        return [], "no GPU is visible to the NVIDIA driver"
    return [_cuda_device(driver, ordinal) for ordinal in range(count.value)], ""


def _cuda_device(driver: ctypes.CDLL, ordinal: int) -> tuple[str, int, int]:
    handle, major, minor = ctypes.c_int(0), ctypes.c_int(0), ctypes.c_int(0)
    memory, name = ctypes.c_size_t(0), ctypes.create_string_buffer(256)
    driver.cuDeviceGet(ctypes.byref(handle), ordinal)
    driver.cuDeviceGetName(name, 256, handle)
    driver.cuDeviceTotalMem_v2(ctypes.byref(memory), handle)
    # 75 and 76 are CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR and _MINOR of cuda.h.
    driver.cuDeviceGetAttribute(ctypes.byref(major), 75, handle)
    driver.cuDeviceGetAttribute(ctypes.byref(minor), 76, handle)
    return name.value.decode(errors="replace"), memory.value, major.value * 10 + minor.value


def _torch_has_cuda() -> bool:
    """Reads torch's version file, since importing torch takes seconds."""
    spec = importlib.util.find_spec("torch")
    if spec is None or not spec.submodule_search_locations:
        return False
    version = Path(spec.submodule_search_locations[0]) / "version.py"
    try:
        return re.search(r"^cuda\b[^=\n]*=\s*['\"]", version.read_text(encoding="utf-8"), re.MULTILINE) is not None
    except OSError:
        return False


def cpu_count() -> int:
    """Cores this process may run on, hardware threads of one core counted once where that is known."""
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))
    cores = set[str]()
    for cpu in allowed:
        siblings = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        try:
            cores.add(siblings.read_text(encoding="ascii").strip())
        except OSError:
            cores.add(str(cpu))
    return max(1, min(len(cores), _cpu_quota()))


def _cpu_quota() -> int:
    """Whole cores that the control group grants, as in `docker run --cpus=2`; very many where it sets no bound."""
    quota, _, period = _read("/sys/fs/cgroup/cpu.max").strip().partition(" ")
    return max(1, int(quota) // int(period)) if quota.isdigit() and period.isdigit() else 2**16


def cpu_name() -> str:
    """The processor's model name, as the vendor writes it."""
    match = re.search(r"^model name\s*:\s*(.+)$", _read("/proc/cpuinfo"), re.MULTILINE)
    return match.group(1).strip() if match else platform.processor() or platform.machine()


def host_memory() -> int:
    """Bytes of main memory this process may use: the machine's, or its control group's where that is less."""
    total = re.search(r"^MemTotal:\s*(\d+) kB", _read("/proc/meminfo"), re.MULTILINE)
    machine = int(total.group(1)) * 1024 if total else os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    group = _read("/sys/fs/cgroup/memory.max").strip()
    return min(machine, int(group)) if group.isdigit() else machine


def slug(text: str) -> str:
    """`text` in lower case with everything but letters and digits turned into single dashes."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "unknown"


def _cpu_flags() -> frozenset[str]:
    match = re.search(r"^flags\s*:\s*(.+)$", _read("/proc/cpuinfo"), re.MULTILINE)
    return frozenset(match.group(1).split()) if match else frozenset()


def _is_arm() -> bool:
    return platform.machine().lower() in {"aarch64", "arm64"}


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
