"""Prompt tuning: trained embeddings before every text. Source: Lester et al. 2021 (EMNLP).

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
class Prompt:
    """Trains embeddings that stand before the text.

    Attributes:
        name: label in tables.
        about: one line for `harness list methods`.
        training: how it is trained.
        length: of the soft prompt, in tokens; so many positions fewer are left to the text.

    """

    name: str = "prompt"
    about: str = ""
    training: Training = field(default_factory=lambda: Training(learning_rate=3e-2))
    length: int = 16

    def __post_init__(self) -> None:
        object.__setattr__(self, "training", Training.of(self.training))
        least("length", self.length, 1)
        if self.training.objective == "classification":
            raise ValueError(
                "training.objective=classification does not go with a soft prompt: the heads of transformers find the "
                "last token by its id, and embeddings have none; use language"
            )

    @property
    def soft(self) -> int:
        """Trained vectors before every text."""
        return self.length

    def adapt(self, subject: Subject) -> Subject:
        """Refused: a trained method needs the folder of its adapter (`harness.methods.trained.Trained`)."""
        return refuse(self.name, subject)

    def fit(self, base: Any, *, steps: int, reversible: bool) -> Fitting:
        """`base` behind a soft prompt, which begins as embeddings of tokens of the vocabulary."""
        from peft import PromptTuningConfig

        from harness.training.through_peft import SoftPrompt

        del steps
        config = PromptTuningConfig(
            task_type="CAUSAL_LM", num_virtual_tokens=self.length, prompt_tuning_init="SAMPLE_VOCAB"
        )
        return SoftPrompt(base, config, reversible=reversible)
