"""No adaptation: the model as it was loaded.

Layer: methods, light.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from harness.models.subject import Subject


@final
@dataclass(frozen=True, kw_only=True)
class NoMethod:
    """Measures the model as it is (`conf/method/none.yaml`).

    Attributes:
        name: label in tables.
        about: one line for `harness list methods`.
    """

    name: str = "none"
    about: str = ""

    def adapt(self, subject: Subject) -> Subject:
        """`subject` itself."""
        return subject
