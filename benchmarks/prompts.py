"""Workloads from real prompts: slices of public benchmarks in a folder beside the checkout.

Layer: no torch. Prompts are written as lm-eval's own tasks write them, or close to it.
"""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.workloads import Workload, of_pairs

if TYPE_CHECKING:
    from collections.abc import Iterator

Pairs = list[tuple[str, str]]

_LETTERS = "ABCDE"
_FILES = {
    "hellaswag": "hellaswag_1k_dev", "piqa": "piqa", "arc0": "arc_easy", "arc10": "arc_easy", "mmlu": "arc_easy",
    "boolq": "boolq", "blimp": "blimp_100_per_paradigm", "paradigm": "blimp_100_per_paradigm",
    "rolling": "wikitext2_test",
}  # fmt: skip
_PARADIGM = "anaphor_number_agreement"
_TEXT_CHARACTERS = (800, 12_000)
"""Least and most characters of a text of the rolling set."""


def folder() -> Path | None:
    """The folder of benchmark slices: `HARNESS_DATA`, else `shared/data` beside the checkout; None where absent."""
    found = Path(os.environ.get("HARNESS_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")
    return found if all((found / f"{file}.jsonl").is_file() for file in _FILES.values()) else None


def load(name: str, documents: int, tokenizer: Any, data: Path) -> Workload:
    """The first `documents` of the workload `name`, from the slices in `data`."""
    lines = (data / f"{_FILES[name]}.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    if name == "rolling":
        return Workload(name=name, texts=tuple(_pieces(rows[0]["text"], documents)))
    return of_pairs(name, _documents(name, rows, documents), tokenizer, source="real")


def _documents(name: str, rows: list[dict[str, Any]], documents: int) -> Iterator[Pairs]:
    if name in ("blimp", "paradigm"):
        chosen = [row for row in rows if name == "blimp" or row["paradigm"] == _PARADIGM]
        random.Random(0).shuffle(chosen)  # noqa: S311 - no secret
        for row in chosen[:documents]:
            yield [("", row["sentence_good"]), ("", row["sentence_bad"])]
    elif name == "mmlu":
        shots = "".join(f"{_lettered(row)} {_LETTERS[row['gold']]}\n\n" for row in rows[-5:])
        for row in rows[:documents]:
            yield [(shots + _lettered(row), f" {letter}") for letter, _ in zip(_LETTERS, row["choices"], strict=False)]
    else:
        shots = "".join(f"{row['query']} {row['choices'][row['gold']].strip()}\n\n" for row in rows[-10:])
        before = shots if name == "arc10" else ""
        for row in rows[:documents]:
            yield [(before + row["query"], f" {choice.strip()}") for choice in row["choices"]]


def _lettered(row: dict[str, Any]) -> str:
    options = (f"\n{letter}. {choice.strip()}" for letter, choice in zip(_LETTERS, row["choices"], strict=False))
    return f"{row['query']}{''.join(options)}\nAnswer:"


def _pieces(text: str, count: int) -> Iterator[str]:
    """`count` pieces of whole words, of lengths drawn evenly on a logarithmic scale."""
    draw = random.Random(0)  # noqa: S311 - no secret
    least, most = _TEXT_CHARACTERS
    start = 0
    for _ in range(count):
        end = text.find(" ", start + int(least * (most / least) ** draw.random()))
        if end < 0:
            return
        yield text[start:end]
        start = end
