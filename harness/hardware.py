"""What a device could do at best: the figures of its data sheet, and measured ones where there are any.

Layer: beside `devices`; PyYAML is imported when a device is looked up. A device that no file names is unknown: then
there is no peak, and no utilisation is made up. Processors have no data sheet here: their clocks and caches make any
figure a guess, so that only measured peaks stand for them. `harness doctor --measure` measures the device of this
machine and writes its file into the user's own folder.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

from harness.config import ConfigError, construct
from harness.locations import folders

if TYPE_CHECKING:
    from pathlib import Path

GROUP = "hardware"
"""The folder of the files, in the package's configs and in the user's own."""

PRODUCTS = ("float32", "tf32", "bfloat16", "float16")
"""Kinds of arithmetic that a peak is known for."""


@final
@dataclass(frozen=True, kw_only=True)
class Measured:
    """Peaks that were measured on one such device.

    Attributes:
        date: day of the measurement, as `2026-11-23`.
        versions: of driver, torch and CUDA.
        flops: FLOP/s of large matrix products by arithmetic; None where it was not measured.
        bandwidth: bytes per second of a large copy, read and written bytes together, or of a sum where that is more.
        method: how, how steady it was, and what disturbed it.
        threads: threads that a processor worked with; None on a GPU.
    """

    date: str
    versions: str
    flops: Mapping[str, float | None]
    bandwidth: float
    method: str = ""
    threads: int | None = None

    def __post_init__(self) -> None:
        _check_flops(self.flops)
        _check_positive("bandwidth", self.bandwidth)


@final
@dataclass(frozen=True, kw_only=True)
class Hardware:
    """One variant of a device (`conf/hardware/*.yaml`).

    Attributes:
        name: name of the config.
        about: one line for `harness list hardware`.
        match: regular expression of the device's whole name as torch and NVML report it. Parts of a device (MIG) have
            names of their own, which no file matches.
        flops: data-sheet FLOP/s of dense products by arithmetic (`PRODUCTS`), sums in float32; None where the device
            lacks it. `float32` is without tensor cores.
        bandwidth: data-sheet bytes per second of the device's memory; so are `memory` and `l2` None where no data sheet
            says it.
        memory: bytes of the device's memory.
        l2: bytes of its last cache: a model that fits in there is not bound by `bandwidth`.
        source: the data sheet, or that there is none.
        measured: peaks measured on such a device; None where nobody has.
    """

    name: str
    match: str
    flops: Mapping[str, float | None]
    bandwidth: float | None
    memory: int | None
    l2: int | None
    source: str
    about: str = ""
    measured: Measured | None = None

    def __post_init__(self) -> None:
        try:
            re.compile(self.match)
        except re.error as error:
            raise ValueError(f"match={self.match!r} is not a regular expression: {error}") from None
        _check_flops(self.flops)
        for field in ("bandwidth", "memory", "l2"):
            if getattr(self, field) is not None:
                _check_positive(field, getattr(self, field))
        if self.measured is not None and not isinstance(self.measured, Measured):
            raise ValueError("measured must be null or have the _target_ harness.hardware.Measured")
        if not self.source:
            raise ValueError("source is empty: name the data sheet")

    def matches(self, device_name: str) -> bool:
        """Whether `device_name` is the name of this variant, and not of another one or of a part of it."""
        return re.fullmatch(self.match, device_name.strip()) is not None

    def peak_flops(self, dtype: str, products: str = "float32") -> float | None:
        """Data-sheet FLOP/s of matrix products of weights in `dtype`; None where the device lacks the arithmetic.

        Args:
            dtype: of the weights.
            products: what products of float32 weights are computed in: `float32` or `tf32` (`Device.products`).
        """
        return self.flops.get(products if dtype == "float32" else dtype)

    def measured_with(self, threads: int | None) -> Measured | None:
        """The measured peaks, where they hold for so many threads of a processor (None on a GPU); else None."""
        return self.measured if self.measured is not None and self.measured.threads == threads else None

    def yaml(self) -> str:
        """The entry as its file holds it; numbers to four figures."""
        import yaml

        node = {"_target_": f"{Hardware.__module__}.{Hardware.__name__}", **_node(self)}
        if self.measured is not None:
            node["measured"] = {"_target_": f"{Measured.__module__}.{Measured.__name__}", **_node(self.measured)}
        text = yaml.safe_dump(node, sort_keys=False, allow_unicode=True, width=120)
        return f"# @package {GROUP}\n{text}"


def find(device_name: str) -> Hardware | None:
    """The entry of the device that torch or NVML calls `device_name`; None for an unknown one, never the nearest.

    >>> find("NVIDIA H100 80GB HBM3 MIG 1g.10gb") is None
    True

    Raises:
        ConfigError: a file cannot be read, or two of them claim the device.
    """
    found = [entry for entry in known() if entry.matches(device_name)]
    if len(found) > 1:
        raise ConfigError(f"hardware {device_name!r} matches {' and '.join(e.name for e in found)}: one must go")
    return found[0] if found else None


def known() -> list[Hardware]:
    """All entries, by name; the user's own file goes before one of the same name in the package.

    Raises:
        ConfigError: a file that is no valid entry, naming it.
    """
    paths = {path.stem: path for folder in reversed(folders()) for path in (folder / GROUP).glob("*.yaml")}
    return [_read(paths[name]) for name in sorted(paths)]


def _read(path: Path) -> Hardware:
    import yaml

    where = f"{GROUP}.{path.stem}"
    try:
        node = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{where}: {path} is not readable as YAML ({' '.join(str(error).split())})") from None
    entry = construct(node if isinstance(node, Mapping) else {}, where=where)
    if not isinstance(entry, Hardware):
        raise ConfigError(f"{where}: _target_ must be harness.hardware.Hardware")
    return entry


def _node(entry: Hardware | Measured) -> dict[str, Any]:
    values = {field.name: getattr(entry, field.name) for field in dataclasses.fields(entry)}
    return {name: _plain(value) for name, value in values.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    return float(f"{value:.4g}") if isinstance(value, float) else value


def _check_flops(flops: Any) -> None:
    if not isinstance(flops, Mapping) or set(flops) != set(PRODUCTS):
        raise ValueError(f"flops must name {', '.join(PRODUCTS)}, each a number of FLOP/s or null")
    for product, value in flops.items():
        if value is not None:
            _check_positive(f"flops.{product}", value)


def _check_positive(field: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
        raise ValueError(f"{field}={value!r} must be a number above 0 (YAML needs the sign in 1.0e+12)")
