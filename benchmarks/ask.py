"""What can be asked for: the model, where it runs, and the sections of a run.

Layer: stdlib only, so that a bad argument is told at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from benchmarks.workloads import TITLES

MODELS = ("tiny", "gpt2", "gpt-neo-2.7b", "gpt-j-6b")
DTYPES = ("float32", "bfloat16", "float16")
DEVICES = ("cpu", "cuda")
GENERATION = "generation"
SECTIONS = (*TITLES, GENERATION)
"""What a run is made of."""


@final
@dataclass(frozen=True, kw_only=True)
class Ask:
    """The model to be measured, and on what.

    Attributes:
        model: name of a shape, one of `MODELS`.
        dtype: of the weights, one of `DTYPES`.
        device: one of `DEVICES`.
        threads: threads of torch.
    """

    model: str
    dtype: str
    device: str
    threads: int
