"""AdaLoRA: low-rank changes whose ranks are given to the layers that need them. Source: Zhang et al. 2023 (ICLR).

Layer: methods, light.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, final

from harness.config import one_of
from harness.methods.trained import least, refuse, share
from harness.training.settings import Training
from harness.training.targets import targets

if TYPE_CHECKING:
    from harness.models.subject import Subject
    from harness.training.fitting import Fitting


@final
@dataclass(frozen=True, kw_only=True)
class AdaLora:
    """Trains low-rank changes of linear layers, which share out their ranks while they are trained.

    Attributes:
        name: label in tables.
        about: one line for `harness list methods`.
        training: how it is trained.
        rank: of the change of each layer in the end, on average.
        initial: rank of each change at the beginning.
        warm: share of the steps before ranks are taken away.
        settle: share of the steps after the last one is.
        orthogonal: weight of the pull towards orthogonal directions.
        alpha: the change is multiplied by `alpha / rank`.
        dropout: of the input of what is added.
        layers: `attention`: queries and values (GPT-2 and GPT-NeoX: with the keys, which one layer makes together);
            `all`: every linear layer of the blocks.
    """

    name: str = "adalora"
    about: str = ""
    training: Training = field(default_factory=lambda: Training(learning_rate=2e-3))
    rank: int = 8
    initial: int = 12
    warm: float = 0.1
    settle: float = 0.3
    orthogonal: float = 0.1
    alpha: float = 16.0
    dropout: float = 0.05
    layers: str = "attention"

    def __post_init__(self) -> None:
        object.__setattr__(self, "training", Training.of(self.training))
        least("rank", self.rank, 1)
        share("dropout", self.dropout)
        one_of(self.layers, ("attention", "all"), field="layers")
        if not self.alpha > 0:
            raise ValueError(f"alpha={self.alpha!r} is not a valid value: a number above 0")
        if self.initial <= self.rank:
            raise ValueError(f"initial={self.initial} must be above rank={self.rank}, to which it shrinks")
        share("warm", self.warm)
        share("settle", self.settle)
        if self.warm + self.settle >= 1:
            raise ValueError(f"warm={self.warm} and settle={self.settle} must leave steps between them: less than 1")

    @property
    def soft(self) -> int:
        """No trained vectors before the text."""
        return 0

    def adapt(self, subject: Subject) -> Subject:
        """Refused: a trained method needs the folder of its adapter (`harness.methods.trained.Trained`)."""
        return refuse(self.name, subject)

    def fit(self, base: Any, *, steps: int, reversible: bool) -> Fitting:
        """`base` with what is added to its layers.

        Raises:
            Unsupported: the layers of the family are not known.
        """
        from peft import AdaLoraConfig

        from harness.training.through_peft import Mergeable

        known = targets(base.config.model_type)
        ends = known.attention if self.layers == "attention" else known.linear
        config = AdaLoraConfig(
            init_r=self.initial,
            target_r=self.rank,
            tinit=int(self.warm * steps),
            tfinal=int(self.settle * steps),
            total_step=steps,
            orth_reg_weight=self.orthogonal,
            lora_alpha=self.alpha,  # pyright: ignore[reportArgumentType] - any number will do
            lora_dropout=self.dropout,
            target_modules=list(ends),
            fan_in_fan_out=base.config.model_type == "gpt2",
        )
        return Mergeable(base, config, ends=ends, reversible=reversible)
