"""Rows with the number and the name of an intent -> rows with all names in the order of the numbers."""

# ruff: noqa: INP001 - lm-eval loads it by its path

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import datasets


def named(rows: datasets.Dataset) -> datasets.Dataset:
    """The rows with `choices`: the name of every intent as words, by its number.

    Raises:
        ValueError: a number has no name among the rows.
    """
    names = dict(zip(rows["label"], rows["label_text"], strict=True))
    if sorted(names) != list(range(len(names))):
        raise ValueError(f"the labels of {len(names)} intents are not the numbers from 0")
    words = [names[number].replace("_", " ").strip(" ?").lower() for number in range(len(names))]
    return rows.add_column("choices", [words] * len(rows))
