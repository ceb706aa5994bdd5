"""The words and letters that perturbations know: plain files under `tables/LANGUAGE/`, read once.

Files are UTF-8; `#` begins a comment. Layer: bottom of `perturbations`.
"""

from __future__ import annotations

import gzip
import json
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@cache
def lines(language: str, name: str) -> tuple[str, ...]:
    """Lines of a table, in its order, without comments and empty ones."""
    file = resources.files("harness.perturbations") / "tables" / language / f"{name}.txt"
    stripped = (line.partition("#")[0].strip() for line in file.read_text(encoding="utf-8").splitlines())
    return tuple(line for line in stripped if line)


@cache
def words(language: str, name: str) -> frozenset[str]:
    """Words of a table, whichever lines they stand on."""
    return frozenset(word for line in lines(language, name) for word in line.split())


@cache
def choices(language: str, name: str) -> Mapping[str, tuple[str, ...]]:
    """A table whose lines are `KEY CHOICE CHOICE ...`."""
    rows = (line.split() for line in lines(language, name))
    return {row[0]: tuple(row[1:]) for row in rows}


@cache
def either_case(language: str, name: str) -> Mapping[str, tuple[str, ...]]:
    """A table of lower-case letters, with the capitals added."""
    lower = choices(language, name)
    return {**lower, **{k.upper(): tuple(v.upper() for v in values) for k, values in lower.items()}}


def participle(word: str, language: str) -> bool:
    """Whether a lower-case word may be a participle, or an adverb before one: an auxiliary stands before it."""
    return word.endswith("ed") or word in words(language, "participles")


@cache
def synonyms(language: str) -> Mapping[str, tuple[str, ...]]:
    """Surface form -> surface forms of the same meaning, part of speech and inflection.

    Raises:
        FileNotFoundError: the derived table is not there; the line says how to make it.
    """
    file = resources.files("harness.perturbations") / "tables" / language / "synonyms.json.gz"
    if not file.is_file():
        raise FileNotFoundError(
            "the table of synonyms is missing: make it from Debian's package wordnet-base with "
            "`python -m harness.perturbations.wordnet /usr/share/wordnet`"
        )
    data = json.loads(gzip.decompress(file.read_bytes()))
    return {word: tuple(found.split()) for word, found in data["synonyms"].items()}
