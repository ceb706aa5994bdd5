"""All perturbations as they ship, and texts to try them on."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from harness.perturb import names, spec
from harness.perturbations.spec import Perturbation

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Find = Callable[..., Perturbation]
NAMES = names()
FIELDS = {"sst2_dev": "text", "ag_news_test": "text", "boolq": "query", "gsm8k_test": "question", "piqa": "query"}
MORE = {
    "advglue_dev": "sentence",
    "arc_easy": "query",
    "crows_pairs": "sent_more",
    "financial_phrasebank": "text",
    "hellaswag_1k_dev": "query",
    "lambada_openai": "context",
    "sst2_test": "text",
    "triviaqa_small": "context",
}


@pytest.fixture(scope="session")
def leaves() -> dict[str, Perturbation]:
    """Every perturbation that ships, by name."""
    return {name: spec(name, {}) for name in NAMES}


@pytest.fixture(scope="session")
def at(leaves: dict[str, Perturbation]) -> Find:
    """A perturbation by name, with some fields changed."""

    def find(name: str, **fields: object) -> Perturbation:
        return dataclasses.replace(leaves[name], **fields)

    return find


@pytest.fixture(scope="session")
def real_texts(real_data: Path) -> Callable[[int], list[str]]:
    """So many real texts of several tasks, in turn."""

    def read(count: int) -> list[str]:
        files = [rows(real_data / f"{name}.jsonl", field) for name, field in {**FIELDS, **MORE}.items()]
        found: list[str] = []
        while len(found) < count and files:
            for file in list(files):
                text = next(file, None)
                files.remove(file) if text is None else found.append(text)
        return found[:count]

    return read


def rows(path: Path, field: str) -> Iterator[str]:
    """The texts of one file; rows without that field are left out."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            if text := json.loads(line).get(field):
                yield text
