"""Prefix tuning: trained keys and values before every text, in every layer. Source: Li and Liang 2021 (ACL).

Layer: methods, light.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, final

from harness.methods.trained import least, refuse
from harness.training.settings import Training

if TYPE_CHECKING:
    from harness.models.subject import Subject
    from harness.training.fitting import Fitting


@final
@dataclass(frozen=True, kw_only=True)
class Prefix:
    """Trains keys and values that every layer sees before the text.

    Attributes:
        name: label in tables.
        about: one line for `harness list methods`.
        training: how it is trained.
        length: of the prefix, in tokens; so many positions fewer are left to the text.
        projected: width of the network that makes the prefix in training; 0: it is trained itself.

    """

    name: str = "prefix"
    about: str = ""
    training: Training = field(default_factory=lambda: Training(learning_rate=1e-2))
    length: int = 16
    projected: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "training", Training.of(self.training))
        least("length", self.length, 1)
        least("projected", self.projected, 0)
        if self.training.gradient_checkpointing:
            raise ValueError("training.gradient_checkpointing=true does not go with a prefix, which is kept in a cache")

    @property
    def soft(self) -> int:
        """Trained vectors before every text."""
        return self.length

    def adapt(self, subject: Subject) -> Subject:
        """Refused: a trained method needs the folder of its adapter (`harness.methods.trained.Trained`)."""
        return refuse(self.name, subject)

    def fit(self, base: Any, *, steps: int, reversible: bool) -> Fitting:
        """`base` behind a prefix."""
        from peft import PrefixTuningConfig

        from harness.training.through_peft import SoftPrompt

        del steps
        config = PrefixTuningConfig(
            task_type="SEQ_CLS" if self.training.objective == "classification" else "CAUSAL_LM",
            num_virtual_tokens=self.length,
            prefix_projection=self.projected > 0,
            encoder_hidden_size=self.projected or None,  # pyright: ignore[reportArgumentType] - its default
        )
        return SoftPrompt(base, config, reversible=reversible)
