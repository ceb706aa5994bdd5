"""A linear probe: what is on top of a frozen body is trained.

Layer: methods, light.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, final

from harness.methods.trained import refuse
from harness.training.settings import Training

if TYPE_CHECKING:
    from harness.models.subject import Subject
    from harness.training.fitting import Fitting


@final
@dataclass(frozen=True, kw_only=True)
class Head:
    """Trains the classifier, or under `objective=language` the output layer, untied from the embedding.

    Attributes:
        name: label in tables.
        about: one line for `harness list methods`.
        training: how it is trained.
    """

    name: str = "head"
    about: str = ""
    training: Training = field(default_factory=lambda: Training(learning_rate=1e-3))

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
        """`base` with what is on top of its body open."""
        from harness.training.selected import Selected

        del steps
        return Selected.output(base, reversible=reversible)
