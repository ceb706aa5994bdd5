"""Review sentences under perturbations: the requests of a robustness suite.

Layer: no torch. One cell for each perturbation and severity, and the clean one.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from benchmarks.workloads import Workload

LABELS = ("negative", "positive")
TEMPLATE = "{}\nQuestion: Is this sentence positive or negative?\nAnswer:"
SEVERITIES = (0.1, 0.3, 0.5)


def texts(documents: int) -> tuple[list[str], str]:
    """Film reviews of SST-2 where the slices are beside the checkout, else the zoo's synthetic reviews."""
    from benchmarks import prompts
    from harness.zoo import data

    folder = prompts.folder()
    if folder is not None and (folder / "sst2_dev.jsonl").is_file():
        path, field, source = folder / "sst2_dev.jsonl", "text", "sst2"
    else:
        path, field, source = data.FOLDER / "sentiment_test.jsonl", "prompt", "synthetic"
    lines = path.read_text(encoding="utf-8").splitlines()[:documents]
    found = [json.loads(line)[field].removeprefix("Review: ").removesuffix("\nSentiment:") for line in lines]
    return found, source


def names(wanted: str | Sequence[str]) -> tuple[str, ...]:
    """The perturbations of that name; `all`: those that surely keep the meaning.

    Raises:
        ValueError: there is none of that name.
    """
    from harness.catalogue import describe
    from harness.config import nearest

    known = {entry["name"]: entry.get("group") for entry in describe("perturbation")}
    known = {name: group for name, group in known.items() if group in ("strict", "soft", "fairness")}
    if wanted == "all":
        return tuple(name for name, group in known.items() if group == "strict")
    found = tuple(dict.fromkeys(wanted.split(",") if isinstance(wanted, str) else wanted))
    for name in found:
        if name not in known:
            raise ValueError(f"there is no perturbation {name!r}: {nearest(name, known)}")
    return found


def suite(clean: Sequence[str], perturbations: Sequence[str]) -> dict[str, list[str]]:
    """The texts of each cell: `clean`, and each perturbation at each severity."""
    from harness.perturb import spec

    cells = {"clean": list(clean)}
    for name in perturbations:
        for severity in SEVERITIES:
            leaf = spec(name, {"severity": severity})
            sources = [leaf.source(text, labels=LABELS) for text in clean]
            cells[f"{name}@{severity}"] = [leaf.apply(s, document=str(i)).text for i, s in enumerate(sources)]
    return cells


def workload(name: str, wanted: Sequence[str], tokenizer: Any, source: str) -> Workload:
    """The requests of one cell: both labels after each prompt."""
    from benchmarks.workloads import of_pairs

    documents = [[(TEMPLATE.format(text), f" {label}") for label in LABELS] for text in wanted]
    return of_pairs(name, documents, tokenizer, source=source)


def shared(loads: Iterable[Workload], tokenizer: Any, *, context: int) -> float:
    """How much less the distinct tokens of all cells are than those of each, summed."""
    from benchmarks import baseline, work

    rows = [baseline.rows(load, tokenizer, context=context) for load in loads]
    return 1 - work.count(row for part in rows for row in part).unique / sum(work.count(part).unique for part in rows)
