"""A perturbation as configuration: which function, how strong, from which seed, on which part of a prompt.

Layer: top of `perturbations`. Constructed from `conf/perturbation/*.yaml`.
"""

from __future__ import annotations

import hashlib
import importlib
from dataclasses import dataclass, replace
from functools import cache
from random import Random
from typing import TYPE_CHECKING, ClassVar, cast, final

from harness.perturbations.source import Source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from harness.perturbations.edits import Perturbed
    from harness.perturbations.protect import Span

    Function = Callable[[Source, float, Random], Perturbed]

VERSION = 1
"""Part of every seed: raised when the edits that a seed stands for change."""
GROUPS = ("strict", "soft", "fairness")
SCOPES = ("query", "demonstrations", "instruction", "all")


@final
@dataclass(frozen=True, kw_only=True)
class Perturbation:
    """What is done to a text, and how much of it.

    Attributes:
        name: label, part of the seed.
        about: one line for people.
        function: import path of a function `(source, severity, rng) -> Perturbed`.
        group: `strict` (the meaning surely stays), `soft` (it is likely to) or `fairness` (another person, the same
            answer).
        severity: 0 changes nothing, 1 is the rate that the function's description gives.
        seed: of all its random choices.
        replicates: draws of the edits for each document; each is measured for itself.
        replicate: which of the draws, counted from 0.
        scope: part of the prompt that is edited: `query`, `demonstrations`, `instruction` or `all`.
        language: whose tables are used.
    """

    name: str
    about: str = ""
    function: str
    group: str
    severity: float = 0.3
    seed: int = 0
    replicates: int = 1
    replicate: int = 0
    scope: str = "query"
    language: str = "en"

    WORKLOAD: ClassVar[str] = "harness.tasks.perturbed.PerturbedTask"

    def __post_init__(self) -> None:
        """Checks every field.

        Raises:
            ValueError: naming the field, its value and what would be right.
        """
        _check_number("severity", self.severity, (int, float), "a number from 0 (nothing) to 1 (the full rate)")
        if not 0 <= self.severity <= 1:
            raise ValueError(f"severity={self.severity} must lie between 0 (nothing changes) and 1 (the full rate)")
        _check_number("seed", self.seed, (int,), "a whole number")
        _check_number("replicates", self.replicates, (int,), "a whole number from 1 on")
        if self.replicates < 1:
            raise ValueError(f"replicates={self.replicates} must be 1 or more")
        for field, value, known in (("group", self.group, GROUPS), ("scope", self.scope, SCOPES)):
            if value not in known:
                raise ValueError(f"{field}={value!r} is not a valid value: choose {', '.join(known)}")
        _check_number("replicate", self.replicate, (int,), "a whole number from 0 on")
        _function(self.function)

    def each(self, severities: Sequence[float] = ()) -> tuple[Perturbation, ...]:
        """One perturbation for every severity and draw.

        Args:
            severities: how strong; empty: as it is.

        Raises:
            ValueError: a severity outside 0..1.
        """
        return tuple(
            replace(self, severity=severity, replicate=draw, replicates=1)
            for severity in severities or (self.severity,)
            for draw in range(self.replicates)
        )

    @property
    def paired(self) -> bool:
        """Whether all fields of a document are changed by one mapping, its references too."""
        return self.group == "fairness"

    def source(self, text: str, *, protected: Iterable[Span] = (), labels: Iterable[str] = ()) -> Source:
        """`text` prepared for this perturbation, or for several of its language. See `Source.of`."""
        return Source.of(text, protected=protected, labels=labels, language=self.language)

    def apply(self, source: Source | str, *, document: str, field: str = "text", replicate: int = 0) -> Perturbed:
        """The text after the perturbation: the same in every process, whatever else is perturbed before or beside it.

        Args:
            source: the text, or the text prepared by `source` with the spans that a task protects.
            document: what tells the document from all others.
            field: which of its texts this is; fields of one document get edits of their own, but for `paired` ones.
            replicate: which of the draws.
        """
        prepared = self.source(source) if isinstance(source, str) else source
        rng = self.rng(document=document, field=field, replicate=replicate)
        return _function(self.function)(prepared, self.severity, rng)

    def rng(self, *, document: str, field: str, replicate: int) -> Random:
        """The source of chance for one text; the severity is no part of its seed, so that edits nest."""
        field = "" if self.paired else field
        key = f"{VERSION}|{self.name}|{self.seed}|{document}|{field}|{replicate}".encode("utf-8", "surrogatepass")
        return Random(int.from_bytes(hashlib.sha256(key).digest()[:8], "big"))  # noqa: S311 - noise, not cryptography


def _check_number(field: str, value: object, kinds: tuple[type, ...], right: str) -> None:
    if isinstance(value, bool) or not isinstance(value, kinds):
        raise ValueError(f"{field}={value!r} must be {right}")  # noqa: TRY004 - faults of configuration are ValueErrors


@cache
def _function(path: str) -> Function:
    """The function of that import path.

    Raises:
        ValueError: there is none.
    """
    module, _, name = path.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"function={path!r} cannot be imported ({error})") from None
    if not callable(found):
        raise ValueError(f"function={path!r} is not a function")  # noqa: TRY004 - as above
    return cast("Function", found)
