"""A cell that goes on where a killed process left it: which answers it may use, and what its record says of it.

Layer: below `worker`, above `journal` and `store`; no torch.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from harness import provenance
from harness.journal import Journal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from harness.records import Cell, Measurement, Outcome
    from harness.store import Store

PLACED = frozenset({"device", "device_map", "host_before_bytes"})
"""Facts of a subject that say where it lies or what was there before, and not what it answers."""


def answers(scoring: Mapping[str, Any]) -> str:
    """Which answers are as good as each other: those of the reference, screened ones, and all others."""
    if scoring.get("screened"):
        return "screened"
    return "reference" if scoring.get("layout") == "reference" else "exact"


def path(store: Store, cell: Cell) -> Path:
    """The write-ahead file of `cell`, beside its samples.

    It is the same one whatever its settings of scoring that do not matter to the answers (`answers`), and whatever the
    files of model and data hold, so that a file that has become useless is replaced and not left behind.
    """
    samples = store.samples_path(cell)
    kind = {"answers": answers(cell.spec["scoring"])}
    settings = {name: _without_fingerprint(part) for name, part in cell.spec.items() if name != "scoring"}
    stem = samples.stem.removesuffix(f".{cell.id}")
    return samples.with_name(f"{stem}.{replace(cell, spec={**settings, **kind}).id}.wal")


def subject(cell: Cell, facts: Mapping[str, Any]) -> str:
    """Digest of what the answers to the requests of `cell` depend on.

    Args:
        cell: its nodes of model, method and device.
        facts: read back from the loaded model.
    """
    content = {
        "model": cell.spec["model"],
        "method": cell.spec["method"],
        "device": cell.spec["device"]["kind"],
        "facts": {name: value for name, value in facts.items() if name not in PLACED},
        "answers": answers(cell.spec["scoring"]),
        "versions": provenance.versions(),
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


def journal(store: Store, cell: Cell, facts: Mapping[str, Any], computed: Callable[[], int]) -> Journal:
    """The journal of `cell`, still to be entered."""
    return Journal(path(store, cell), subject=subject(cell, facts), computed=computed)


def told(outcome: Outcome, kept: Journal) -> Outcome:
    """`outcome` with time and tokens of the earlier processes that its answers come from, and with what is to be said.

    Seconds and computed tokens become those of all parts, throughput their ratio. Work that was lost when a process
    broke off is in neither.
    """
    facts = dict(outcome.facts)
    if kept.problem:
        facts["journal"] = kept.problem
    if not kept.answered:
        return replace(outcome, facts=facts)
    facts["resumed"] = {
        "answered": kept.answered,
        "requests": kept.requests,
        "earlier_seconds": round(kept.seconds, 3),
        "earlier_tokens": kept.tokens,
    }
    return replace(outcome, facts=facts, measurements=_summed(outcome.measurements, kept))


def note(kept: Journal) -> str:
    """What the person in front of the run is told when the cell ends; mostly nothing."""
    said = [f"resumed: {kept.answered} of {kept.requests} requests were already answered"] if kept.answered else []
    return "; ".join([*said, *([kept.problem] if kept.problem else [])])


def _summed(measurements: tuple[Measurement, ...], kept: Journal) -> tuple[Measurement, ...]:
    here = {m.metric: m.value for m in measurements if not m.subset}
    seconds = here["seconds"] + kept.seconds
    tokens = here["computed_tokens"] + kept.tokens
    values = {"seconds": seconds, "computed_tokens": tokens, "throughput": tokens / seconds}
    return tuple(replace(m, value=values.get(m.metric, m.value)) if not m.subset else m for m in measurements)


def _without_fingerprint(part: Any) -> Any:
    return {name: value for name, value in part.items() if name != "fingerprint"} if isinstance(part, dict) else part
