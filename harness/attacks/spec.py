"""An attack as configuration, and the transfer of its finds to other models.

Layer: attacks, light: constructing them imports neither torch nor lm-eval.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, final

from harness.config import one_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SEARCHES = ("greedy", "random", "hotflip")
CANDIDATES = ("characters", "synonyms", "tokens")
CONTROLS: Mapping[str, str] = MappingProxyType(
    {"characters": "char_random", "synonyms": "synonym_random", "tokens": "token_random"}
)
"""Candidates -> name of the random attack that takes them."""


@final
@dataclass(frozen=True, kw_only=True)
class Attack:
    """How examples are sought on which a model fails although it was right before.

    The greedy search ranks words by what their deletion does to the answer, then takes for one after another the best
    candidate, until the answer flips or a limit is reached. The random search, the control of the others, edits as many
    words as are allowed, at random, again and again. HotFlip takes its candidates from the gradient at the input
    embeddings.

    Attributes:
        name: label, part of every seed.
        about: one line for people.
        group: always `attack`.
        search: `greedy`, `random` or `hotflip`.
        candidates: `characters` (one typing error within a word), `synonyms` (WordNet, as the perturbation `synonym`
            takes them) or `tokens` (any word of the vocabulary: the meaning is not kept), which hotflip needs and
            greedy cannot have.
        severity: largest share of a document's words that may change, in 0..1; one word always may.
        limit: documents that are looked at, the clean right ones of which are attacked; None: all of the task.
        query_budget: most evaluations of the model for one document, the clean one included. A document that needs
            fewer for the whole greedy search has that number as its budget, under every search.
        tries: candidates of one word.
        similarity: least cosine of the sentence embeddings of the texts before and after, which needs the extra
            [semantic]; None: not looked at. 0 measures it and refuses next to nothing.
        distance: most Levenshtein edits of a document, for candidates=characters.
        seed: of all random choices.
        replicates: draws; each is measured for itself.
        replicate: which of the draws, counted from 0.
        language: whose tables are used.

    Source: Jin et al. 2020 (TextFooler), for the search; Gao et al. 2018 (DeepWordBug), for the typing errors and the
    distance of 30; Ren et al. 2019 (PWWS), for WordNet; Ebrahimi et al. 2018 (HotFlip); Morris et al. 2020
    ("Reevaluating adversarial examples"), for the constraints. The counter-fitted vectors of TextFooler itself are not
    used, so no attack here is TextFooler.
    """

    name: str
    about: str = ""
    group: str = "attack"
    search: str = "greedy"
    candidates: str = "characters"
    severity: float = 0.3
    limit: int | None = 100
    query_budget: int = 500
    tries: int = 8
    similarity: float | None = None
    distance: int = 30
    seed: int = 0
    replicates: int = 1
    replicate: int = 0
    language: str = "en"

    WORKLOAD: ClassVar[str] = "harness.attacks.workload.AttackedTask"

    def __post_init__(self) -> None:
        """Checks every field.

        Raises:
            ValueError: naming the field, its value and what would be right.
        """
        one_of(self.group, ("attack",), field="group")
        one_of(self.search, SEARCHES, field="search")
        one_of(self.candidates, CANDIDATES, field="candidates")
        if self.search != "random" and (self.search == "hotflip") is not (self.candidates == "tokens"):
            raise ValueError(
                f"search={self.search} with candidates={self.candidates}: hotflip takes tokens, and greedy does not"
            )
        _fraction("severity", self.severity)
        if self.similarity is not None:
            _fraction("similarity", self.similarity)
        for field, least in (("query_budget", 2), ("tries", 1), ("distance", 1), ("replicates", 1), ("replicate", 0)):
            _whole(field, getattr(self, field), least=least)
        _whole("seed", self.seed)
        if self.limit is not None:
            _whole("limit", self.limit, least=1)

    def each(self, severities: Sequence[float] = ()) -> tuple[Attack, ...]:
        """One attack for every severity and draw; without severities its own."""
        return tuple(
            replace(self, severity=severity, replicate=draw, replicates=1)
            for severity in severities or (self.severity,)
            for draw in range(self.replicates)
        )

    def control(self) -> Attack | None:
        """Random edits with the same candidates under the same limits; None if this is random itself."""
        if self.search == "random":
            return None
        about = f"the control of {self.name}: random edits, under the same limits"
        return replace(self, name=CONTROLS[self.candidates], about=about, search="random")


@final
@dataclass(frozen=True, kw_only=True)
class Transfer:
    """The successes of an attack on one model, the victim, as a test of another.

    A leaf of a config, as in `attack=[char_greedy,transfer]`, names no victim: `each` gives no cell for it. When the
    jobs of a run are known, `of` makes one from every attack cell of the other models on the same task.

    Attributes:
        name: always `transfer`, as a label.
        about: one line for people.
        group: always `transfer`.
        attack: name of the attack that found the examples.
        victim: label of the model that they were found on.
        cell: id of the cell that found them: it stands for their content.
        file: JSON lines with the examples (`harness.attacks.examples`). It says where, not what: it is no part of a
            cell's identity.
        severity: of the attack.
        seed: of the attack.
        replicates: always 1.
        replicate: of the attack.
    """

    name: str = "transfer"
    about: str = ""
    group: str = "transfer"
    attack: str = ""
    victim: str = ""
    cell: str = ""
    file: str = ""
    severity: float = 0.0
    seed: int = 0
    replicates: int = 1
    replicate: int = 0

    WORKLOAD: ClassVar[str] = "harness.attacks.transfer.TransferTask"

    def __post_init__(self) -> None:
        one_of(self.group, ("transfer",), field="group")
        _fraction("severity", self.severity)

    def each(self, severities: Sequence[float] = ()) -> tuple[Transfer, ...]:
        """Itself where it names a victim, else nothing: which victims there are shows when all jobs are planned."""
        del severities
        return (self,) if self.victim else ()

    def of(self, attack: Attack, *, victim: str, cell: str, file: str) -> Transfer:
        """The transfer of what `attack` found on `victim` in the cell of that id, written to `file`."""
        return replace(
            self,
            attack=attack.name,
            victim=victim,
            cell=cell,
            file=file,
            severity=attack.severity,
            seed=attack.seed,
            replicate=attack.replicate,
        )


def _fraction(field: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ValueError(f"{field}={value!r} is not a valid value: a number in 0..1")


def _whole(field: str, value: object, *, least: int | None = None) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or (least is not None and value < least):
        raise ValueError(f"{field}={value!r} is not a valid value: a whole number" + _from(least))


def _from(least: int | None) -> str:
    return "" if least is None else f" >= {least}"
