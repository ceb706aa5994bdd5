"""Bottleneck adapters. Source: Houlsby et al. 2019 (ICML).

Layer: methods, light.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, final

from harness.methods.trained import least, refuse, share
from harness.training.settings import Training
from harness.training.targets import targets

if TYPE_CHECKING:
    from harness.models.subject import Subject
    from harness.training.fitting import Fitting


@final
@dataclass(frozen=True, kw_only=True)
class Adapter:
    """Trains a small network behind the attention and the feed-forward part of every block.

    Attributes:
        name: label in tables.
        about: one line for `harness list methods`.
        training: how it is trained.
        size: width of the bottlenecks.
        dropout: of what they add.
    """

    name: str = "adapter"
    about: str = ""
    training: Training = field(default_factory=lambda: Training(learning_rate=1e-3))
    size: int = 32
    dropout: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "training", Training.of(self.training))
        least("size", self.size, 1)
        share("dropout", self.dropout)

    @property
    def soft(self) -> int:
        """No trained vectors before the text."""
        return 0

    def adapt(self, subject: Subject) -> Subject:
        """Refused: a trained method needs the folder of its adapter (`harness.methods.trained.Trained`)."""
        return refuse(self.name, subject)

    def fit(self, base: Any, *, steps: int, reversible: bool) -> Fitting:
        """`base` with bottlenecks.

        Raises:
            Unsupported: the layers of the family are not known.
        """
        from harness.training.bottleneck import Bottlenecks

        del steps
        ends = targets(base.config.model_type).outputs
        return Bottlenecks(base, ends=ends, size=self.size, dropout=self.dropout, reversible=reversible)
