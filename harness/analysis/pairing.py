"""Whether two results may be paired: the same documents, prompts, limits and versions, or which of them differ.

Layer: beside `frame`; it reads records and documents, and knows nothing of statistics.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

from harness.config import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.records import Record

NAMED = 3
"""Documents that a refusal names."""


@final
@dataclass(frozen=True, kw_only=True)
class Terms:
    """On what terms a task was asked.

    Attributes:
        label: entry and task, for people.
        metric: that is compared.
        items: document id -> hash of its prompt; a document of a group is named `SUBTASK/ID`.
        settings: what must be equal, by name: `limit`, `shots`, `seed of the examples`, `perturbation`, `severity`,
            `split`, `version of the task`; what is not known of one of the two is not held against them.
    """

    label: str
    metric: str
    items: Mapping[str, str]
    settings: Mapping[str, Any]


def terms(record: Record, *, metric: str, items: Mapping[str, str]) -> Terms:
    """The terms of a record of a task."""
    cell, facts = record.cell, _mapping(record.provenance.get("task"))
    asked = _mapping(cell.spec.get("workload"))
    shots = asked.get("shots")
    settings = {
        "limit": asked.get("limit", "all") or "all",
        "shots": shots,
        "seed of the examples": asked.get("seed", cell.seed) if shots else None,
        "perturbation": cell.perturbation,
        "severity": cell.severity,
        "split": facts.get("split"),
        "version of the task": facts.get("version"),
    }
    return Terms(
        label=f"{cell.model} · {cell.workload}", metric=metric, items=dict(items),
        settings={name: value for name, value in settings.items() if value not in (None, "")},
    )  # fmt: skip


def keys(ids: Sequence[str], subsets: Sequence[str] = ()) -> list[str]:
    """Document ids told apart by the sub-task they belong to."""
    if not len(subsets):
        return list(ids)
    return [f"{subset}/{one}" if subset else str(one) for one, subset in zip(ids, subsets, strict=True)]


def refusals(a: Terms, b: Terms) -> list[str]:
    """Why the two must not be paired, a line for each reason; empty where they may."""
    found = []
    if a.metric != b.metric:
        found.append(f"metrics differ: {a.metric} and {b.metric}")
    found += [
        f"{name} differs: {a.settings[name]} and {b.settings[name]}"
        for name in a.settings
        if name in b.settings and a.settings[name] != b.settings[name]
    ]
    found += [line for line in (_documents(a, b), _prompts(a, b)) if line]
    return found


def check(a: Terms, b: Terms) -> None:
    """Refuses what must not be paired.

    Raises:
        ConfigError: one line with every reason.
    """
    if lines := refusals(a, b):
        raise ConfigError(f"{a.label} and {b.label} cannot be paired: {'; '.join(lines)}")


def _documents(a: Terms, b: Terms) -> str:
    if not a.items or not b.items:
        without = " and ".join(one.label for one in (a, b) if not one.items)
        return f"no documents were kept of {without}"
    if a.items == b.items:
        return ""
    left, right = a.items.keys() - b.items.keys(), b.items.keys() - a.items.keys()
    if not left and not right:
        return ""
    shared = len(a.items) - len(left)
    return f"documents differ: {shared} shared, {len(left)} only in the first, {len(right)} only in the second"


def _prompts(a: Terms, b: Terms) -> str:
    """Of the shared documents, where both prompts are known."""
    if a.items == b.items:
        return ""
    other = [key for key, one in a.items.items() if one and b.items.get(key) and b.items[key] != one]
    if not other:
        return ""
    shared = len(a.items.keys() & b.items.keys())
    some = ", ".join(sorted(other)[:NAMED]) + (", …" if len(other) > NAMED else "")
    return f"prompts differ on {len(other)} of {shared} shared documents ({some})"


def repeated(ids: Sequence[str]) -> list[str]:
    """Ids that occur more than once: such documents have to be told apart before they are paired."""
    return sorted(key for key, number in Counter(ids).items() if number > 1)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
