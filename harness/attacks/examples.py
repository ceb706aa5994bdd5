"""Successes of an attack as lines of JSON, to be read by people and tried on other models.

    results/STUDY/adversarial/DEVICE/MODEL.TASK.ATTACK.CELL.jsonl

Layer: attacks, light.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, final

from harness.perturbations.edits import Edit, apply

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from harness.records import Cell, Record, Sample

CLEAN = ""
"""Key of `Sample.edits` of an attack cell under which the fields as they were stand; no field has this name."""

FOLDER = "adversarial"
"""Folder of a study that holds the files."""


@final
@dataclass(frozen=True, kw_only=True)
class Example:
    """An adversarial example.

    Attributes:
        item_id: of the document.
        before: the fields that could be edited, as they were.
        edits: of each field that changed.
    """

    item_id: str
    before: dict[str, str]
    edits: dict[str, tuple[Edit, ...]]

    @property
    def after(self) -> dict[str, str]:
        """The fields after the edits."""
        return {name: apply(text, self.edits.get(name, ())) for name, text in self.before.items()}

    def as_text(self) -> str:
        """As it stands in `Sample.edits`: the edits by field, and under `CLEAN` the fields before."""
        edits = {name: [list(edit) for edit in made] for name, made in self.edits.items() if made}
        return json.dumps({**edits, CLEAN: self.before}, ensure_ascii=False)

    @classmethod
    def of(cls, item_id: str, edits: str) -> Self:
        """The example of a sample, from what `as_text` made."""
        data: dict[str, Any] = json.loads(edits)
        return cls.made(item_id, data.pop(CLEAN), data)

    @classmethod
    def made(cls, item_id: str, before: Mapping[str, str], edits: Mapping[str, Any]) -> Self:
        """An example from plain data."""
        return cls(
            item_id=item_id,
            before=dict(before),
            edits={name: tuple(Edit(*edit) for edit in made) for name, made in edits.items()},
        )


def is_attack(cell: Cell) -> bool:
    """Whether adversarial examples come of it."""
    return cell.spec.get("perturbation", {}).get("group") == "attack"


def examples(record: Record, samples: Sequence[Sample]) -> list[dict[str, Any]]:
    """The successes of an attack cell, one JSON-able mapping each; empty for every other cell."""
    if not is_attack(record.cell):
        return []
    return [_example(record, sample) for sample in samples if sample.metrics.get("success")]


def lines(record: Record, samples: Sequence[Sample]) -> str | None:
    """The successes of an attack cell as lines of JSON, which may be none; None for every other cell."""
    return to_lines(examples(record, samples)) if is_attack(record.cell) else None


def to_lines(found: Sequence[dict[str, Any]]) -> str:
    """The mappings as lines of JSON."""
    return "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in found)


def read(file: Path) -> list[Example]:
    """The examples in a file that `to_lines` made.

    Raises:
        ValueError: a line that is none; file and line are named.
        OSError: the file cannot be read.
    """
    found: list[Example] = []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            data = json.loads(line)
            found.append(Example.made(data["item_id"], data["before"], data["edits"]))
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{file.name}:{number}: not an adversarial example ({error})") from None
    return found


def digest(file: Path) -> str:
    """The first 12 hex digits of a file's SHA-256: which examples they were.

    Raises:
        OSError: the file cannot be read.
    """
    return hashlib.sha256(file.read_bytes()).hexdigest()[:12]


def _example(record: Record, sample: Sample) -> dict[str, Any]:
    cell, metrics = record.cell, sample.metrics
    example = Example.of(sample.item_id, sample.edits)
    found = {
        "model": cell.model,
        "task": cell.workload,
        "attack": cell.perturbation,
        "severity": cell.severity,
        "replicate": cell.replicate,
        "cell": cell.id,
        "item_id": sample.item_id,
        "gold": sample.gold,
        "before": example.before,
        "after": example.after,
        "edits": example.edits,
        "pred_before": sample.gold,
        "pred": sample.pred,
        "queries": int(metrics["success_queries"]),
        "words_changed": metrics["words_changed"],
    }
    return {**found, **({"similarity": metrics["similarity"]} if "similarity" in metrics else {})}
