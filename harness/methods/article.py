"""The recipe of the article: a linear classifier on top of a GPT, trained with all of it.

Layer: methods, light.

The article's listing: a linear layer on top of the last hidden state, cross entropy, AdamW at 2e-5, batches of 16, five
epochs, then a classification report. Corrected where it cannot run, or would not do what its text says:

- There is no `GPT3Model` in transformers: the model under study takes its place, with the family's own
  sequence-classification head, which is that linear layer.
- GPT models have no padding token: theirs is the token that ends texts, and it is masked.
- The last column of a padded batch is padding for all but the longest text: the classifier reads the last token of
  each text instead.
- Labels are whole numbers in the order of the task's labels, and the loss takes the classifier's logits, not
  probabilities.

Left as there: no warm-up, a constant rate, no clipping, the weight decay of torch's AdamW (0.01, here not of biases and
norms), the last weights are kept.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, final

from harness.methods.trained import refuse
from harness.training.settings import Training

if TYPE_CHECKING:
    from harness.models.subject import Subject
    from harness.training.fitting import Fitting


def _recipe() -> Training:
    return Training(
        objective="classification",
        epochs=5,
        learning_rate=2e-5,
        schedule="constant",
        warmup=0.0,
        batch=16,
        weight_decay=0.01,
        clipping=0.0,
    )


@final
@dataclass(frozen=True, kw_only=True)
class Article:
    """Trains a linear classifier with the whole model under it.

    Attributes:
        name: label in tables.
        about: one line for `harness list methods`.
        training: the article's settings; only with other data sizes and seeds is it still the article's.
    """

    name: str = "article"
    about: str = ""
    training: Training = field(default_factory=_recipe)

    def __post_init__(self) -> None:
        object.__setattr__(self, "training", Training.of(self.training))
        if self.training.objective != "classification":
            raise ValueError("training.objective must be classification: the article's model is a classifier")

    @property
    def soft(self) -> int:
        """No trained vectors before the text."""
        return 0

    def adapt(self, subject: Subject) -> Subject:
        """Refused: a trained method needs the folder of its adapter (`harness.methods.trained.Trained`)."""
        return refuse(self.name, subject)

    def fit(self, base: Any, *, steps: int, reversible: bool) -> Fitting:
        """`base` with every parameter open."""
        from harness.training.selected import Selected

        del steps
        return Selected.full(base, reversible=reversible)
