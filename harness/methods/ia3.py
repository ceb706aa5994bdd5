"""IA3: factors for keys, values and the feed-forward part. Source: Liu et al. 2022 (NeurIPS).

Layer: methods, light.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, final

from harness.methods.trained import refuse
from harness.training.settings import Training
from harness.training.targets import targets

if TYPE_CHECKING:
    from harness.models.subject import Subject
    from harness.training.fitting import Fitting


@final
@dataclass(frozen=True, kw_only=True)
class Ia3:
    """Trains a factor for every key, value and inner feature, multiplied into the weights afterwards.

    Attributes:
        name: label in tables.
        about: one line for `harness list methods`.
        training: how it is trained.
    """

    name: str = "ia3"
    about: str = ""
    training: Training = field(default_factory=lambda: Training(learning_rate=3e-3))

    def __post_init__(self) -> None:
        object.__setattr__(self, "training", Training.of(self.training))

    @property
    def soft(self) -> int:
        """No trained vectors before the text."""
        return 0

    def adapt(self, subject: Subject) -> Subject:
        """Refused: a trained method needs the folder of its adapter (`harness.methods.trained.Trained`)."""
        return refuse(self.name, subject)

    def fit(self, base: Any, *, steps: int, reversible: bool) -> Fitting:
        """`base` with factors in its layers.

        Raises:
            Unsupported: the layers of the family are not known.
        """
        from peft import IA3Config

        from harness.training.through_peft import Mergeable

        del steps
        known = targets(base.config.model_type)
        ends = (*known.keys_values, known.down)
        config = IA3Config(
            target_modules=list(ends),
            feedforward_modules=[known.down],
            fan_in_fan_out=base.config.model_type == "gpt2",
        )
        return Mergeable(base, config, ends=ends, reversible=reversible)
