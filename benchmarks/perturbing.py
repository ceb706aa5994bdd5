"""How many short texts a second each perturbation edits, on one core.

    python -m benchmarks.perturbing [--severity 0.3] [--file sst2_dev.jsonl --field text]

A text is prepared anew for every perturbation (protected spans, words), as if it were the only one. The figure is the
best of the rounds in processor time: other work on the machine disturbs it least.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

from harness.catalogue import options
from harness.perturb import spec

if TYPE_CHECKING:
    from harness.perturbations.spec import Perturbation

SENTENCES = (
    "The film isn't bad, but it is not the masterpiece that several critics believed it was going to be.",
    "A beautiful story about three teachers and their students, told with warmth and without a false note.",
    "I do not know whether she gave him her book; he'll ask the doctor (and his sister) tomorrow at noon.",
    "Robert said that the government received $1,000 for the modern building in the centre in March 1999!",
    "They are clever: you are rarely bored, and the audience has to choose quickly where it wants to look.",
)


def main() -> int:
    """Prints one line per perturbation."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--severity", type=float, default=0.3)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--file", type=Path, help="JSONL file of texts (default: five sentences of 100 characters)")
    parser.add_argument("--field", default="text")
    asked = parser.parse_args()
    texts = _texts(asked.file, asked.field) if asked.file else [SENTENCES[i % len(SENTENCES)] for i in range(1000)]
    print(f"{len(texts)} texts of {sum(map(len, texts)) / len(texts):.0f} characters, severity {asked.severity}")
    for name in options("perturbation"):
        leaf = spec(name, {"severity": asked.severity})
        seconds, edits = min(_timed(leaf, texts) for _ in range(asked.rounds))
        print(f"{name:<20} {len(texts) / seconds:>9,.0f} texts/s {edits / len(texts):>7.2f} edits a text")
    return 0


def _timed(leaf: Perturbation, texts: list[str]) -> tuple[float, int]:
    """Processor seconds for all texts, and the edits made."""
    start = time.process_time()
    edits = sum(len(leaf.apply(text, document=str(i)).edits) for i, text in enumerate(texts))
    return time.process_time() - start, edits


def _texts(file: Path, field: str) -> list[str]:
    return [json.loads(line)[field] for line in file.read_text(encoding="utf-8").splitlines()]


if __name__ == "__main__":
    raise SystemExit(main())
