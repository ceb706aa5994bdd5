"""How log-likelihoods are computed, as the user asks for it (`conf/scoring/*.yaml`).

Layer: beside `records`; stdlib only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from harness.config import one_of

LAYOUTS = ("auto", "tree", "repeated", "reference")
KERNELS = ("auto", "torch")


@final
@dataclass(frozen=True, kw_only=True)
class Scoring:
    """What the engine may do. Every choice gives the same answers up to rounding, but for `screened`, which says so.

    Attributes:
        name: label of the config.
        about: one line for `harness list scoring`.
        layout: `tree` computes every distinct token once; `repeated` computes shared beginnings once and what follows
            in padded rows; `reference` computes one sequence at a time, nothing shared. `auto` takes the first of them
            that agrees with the reference on prompts of the task.
        kernels: `auto` runs linear layers on CPUs through oneDNN; `torch` leaves the model as it is.
        screened: bf16 first, and the model's own dtype only for documents whose decision the error of bf16 could
            change. Multiple choice only; log-likelihoods of the others are those of bf16.
        precision_audit: documents re-scored in fp32, one sequence at a time; 0 for none.
        tokens: tokens per forward pass; null: by the device, its free memory and the plan.
        replicas: copies of the model, one on each of as many GPUs, that share the documents.
    """

    name: str = "auto"
    about: str = ""
    layout: str = "auto"
    kernels: str = "auto"
    screened: bool = False
    precision_audit: int = 0
    tokens: int | None = None
    replicas: int = 1

    def __post_init__(self) -> None:
        one_of(self.layout, LAYOUTS, field="layout")
        one_of(self.kernels, KERNELS, field="kernels")
        if type(self.screened) is not bool:
            raise ValueError(f"screened={self.screened!r} is not a valid value: true or false")
        for field, least in (("precision_audit", 0), ("tokens", 1), ("replicas", 1)):
            value = getattr(self, field)
            if not (value is None and field == "tokens") and (type(value) is not int or value < least):
                raise ValueError(f"{field}={value!r} is not a valid value: a whole number of at least {least}")
        if self.screened and self.layout == "reference":
            raise ValueError("screened=true needs a layout other than reference, which is there to be exact")
