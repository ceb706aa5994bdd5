"""A method with the adapter that it was trained to: what evaluation cells hold.

Layer: methods, light.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from harness.config import ConfigError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from harness.models.subject import Subject


@final
@dataclass(frozen=True, kw_only=True)
class Trained:
    """A method whose adapter lies in `FOLDER/ADDRESS`.

    Attributes:
        method: the method.
        address: name of the adapter (`harness.training.naming.address`).
        folder: where adapters of the study lie on this machine; it stands in no cell.
        about: one line.
    """

    method: Any
    address: str
    folder: str = ""
    about: str = ""

    def __post_init__(self) -> None:
        if not self.address:
            raise ValueError("address must name the adapter")
        if not hasattr(self.method, "training"):
            raise ValueError(f"method must be one that is trained, and {type(self.method).__name__} is not")

    @property
    def name(self) -> str:
        """That of the method."""
        return self.method.name

    @property
    def place(self) -> Path:
        """Folder of the adapter.

        Raises:
            ConfigError: `folder` is not set.
        """
        if not self.folder:
            raise ConfigError(f"method {self.name}: the folder of the study's adapters is not set")
        return Path(self.folder) / self.address

    def adapt(self, subject: Subject) -> Subject:
        """The subject with the adapter, for good.

        Raises:
            ConfigError: no finished training lies there.
        """
        from harness.training.attach import adapted

        return adapted(subject, self.method, folder=self.place)

    def attached(self, subject: Subject) -> AbstractContextManager[Subject]:
        """The subject with the adapter for as long as a `with` block lasts; afterwards the base is as it was.

        Raises:
            ConfigError: no finished training lies there.
        """
        from harness.training.attach import attached

        return attached(subject, self.method, folder=self.place)


def refuse(name: str, subject: Subject) -> Subject:
    """Never returns: a method that is trained does nothing without its adapter.

    Raises:
        ConfigError: always.
    """
    del subject
    raise ConfigError(f"method {name} is trained first: measure harness.methods.trained.Trained with its adapter")


def least(name: str, value: Any, bound: int) -> None:
    """Checks a whole number.

    Raises:
        ValueError: it is none, or below `bound`.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < bound:
        raise ValueError(f"{name}={value!r} is not a valid value: a whole number of at least {bound}")


def share(name: str, value: Any) -> None:
    """Checks a rate of dropout.

    Raises:
        ValueError: it is not in 0..1, 1 excluded.
    """
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < 1:
        raise ValueError(f"{name}={value!r} is not a valid value: a number from 0 up to, but not including, 1")
