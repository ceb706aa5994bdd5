"""Everything that one run measured, and the last line of its output.

Layer: stdlib only.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, final

from benchmarks.results import Bandwidth, Decoding, Memory, Screening, Speed
from benchmarks.workloads import SEVEN

if TYPE_CHECKING:
    from collections.abc import Iterable


@final
@dataclass(kw_only=True)
class Report:
    """Everything that one run measured.

    Attributes:
        machine: device and versions.
        settings: what was asked for.
        square_rate: FLOP/s of a product of square matrices.
        speeds: the workloads.
        screenings: the screened mode; empty where it was not run.
        decodings: the kinds of generation.
        bandwidth: decoding one row; None where it was not run.
        memories: peak memory.
        seconds: wall time of the whole run.
    """

    machine: dict[str, Any] = field(default_factory=dict[str, Any])
    settings: dict[str, Any] = field(default_factory=dict[str, Any])
    square_rate: float = math.nan
    speeds: list[Speed] = field(default_factory=list[Speed])
    screenings: list[Screening] = field(default_factory=list[Screening])
    decodings: list[Decoding] = field(default_factory=list[Decoding])
    bandwidth: Bandwidth | None = None
    memories: list[Memory] = field(default_factory=list[Memory])
    seconds: float = math.nan

    def line(self) -> str:
        """The last line of the output, for machines."""
        seven = [speed for speed in self.speeds if speed.name in SEVEN]
        hellaswag = next((speed for speed in seven if speed.name == "hellaswag"), None)
        memory = next((memory for memory in self.memories if memory.workload == "hellaswag"), None)
        mixed = next((decoding for decoding in self.decodings if decoding.name == "mixed lengths"), None)
        values = {
            "geomean": geomean(speed.ratio for speed in seven),
            "min": min((speed.ratio for speed in seven), default=math.nan),
            "gemm_fraction": hellaswag.product_fraction if hellaswag else math.nan,
            "padding": wasted(seven),
            "peak_memory_ratio": memory.ratio if memory else math.nan,
            "generation": mixed.ratio if mixed else math.nan,
        }
        return "bench: " + " ".join(f"{name}={value:.3f}" for name, value in values.items())

    def plain(self) -> dict[str, Any]:
        """The report as JSON values, raw rounds and derived figures both."""
        derived = {
            speed.name: {
                "ratio": speed.ratio, "ratios": speed.ratios, "bound": speed.bound, "padding": speed.padding,
                "product_fraction": speed.product_fraction, "planning_share": speed.planning_share,
                "reference_ratio": speed.reference_ratio,
            }
            for speed in self.speeds
        }  # fmt: skip
        return {**asdict(self), "derived": derived, "line": self.line()}


def geomean(values: Iterable[float]) -> float:
    """Geometric mean; NaN of nothing."""
    known = list(values)
    return math.exp(statistics.mean(math.log(value) for value in known)) if known else math.nan


def wasted(speeds: list[Speed]) -> float:
    """Tokens computed beyond the unique ones over several workloads, as a share of these; NaN of nothing."""
    unique = sum(speed.work.unique for speed in speeds)
    return sum(speed.computed for speed in speeds) / unique - 1 if unique else math.nan
