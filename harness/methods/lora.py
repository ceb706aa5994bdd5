"""LoRA: a low-rank change of linear layers. Source: Hu et al. 2022 (ICLR).

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
class Lora:
    """Trains a low-rank change of linear layers, merged into them afterwards.

    Attributes:
        name: label in tables.
        about: one line for `harness list methods`.
        training: how it is trained.
        rank: of the change of each layer.
        alpha: the change is multiplied by `alpha / rank`.
        dropout: of the input of what is added.
        layers: `attention`: queries and values (GPT-2 and GPT-NeoX: with the keys, which one layer makes together);
            `all`: every linear layer of the blocks.
    """

    name: str = "lora"
    about: str = ""
    training: Training = field(default_factory=lambda: Training(learning_rate=5e-4))
    rank: int = 8
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
        from peft import LoraConfig

        from harness.training.through_peft import Mergeable

        del steps
        known = targets(base.config.model_type)
        ends = known.attention if self.layers == "attention" else known.linear
        config = LoraConfig(
            r=self.rank,
            lora_alpha=self.alpha,  # pyright: ignore[reportArgumentType] - any number will do
            lora_dropout=self.dropout,
            target_modules=list(ends),
            fan_in_fan_out=base.config.model_type == "gpt2",
        )
        return Mergeable(base, config, ends=ends, reversible=reversible)
