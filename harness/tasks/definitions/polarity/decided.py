"""Rows of three sentiments -> those that are positive or negative, with the label's position."""

# ruff: noqa: INP001 - lm-eval loads it by its path

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import datasets

if TYPE_CHECKING:
    from collections.abc import Iterable

POSITIONS = {"negative": 0, "positive": 1, 0: 0, 1: 1}
"""Label by name, or already by position."""


def labels(rows: Iterable[dict[str, Any]]) -> datasets.Dataset:
    """The rows whose `label` is decided, as `text` and `label`."""
    return _decided(rows, "label")


def answers(rows: Iterable[dict[str, Any]]) -> datasets.Dataset:
    """The rows whose `answer` is decided, as `text` and `label`."""
    return _decided(rows, "answer")


def _decided(rows: Iterable[dict[str, Any]], field: str) -> datasets.Dataset:
    found = [{"text": row["text"], "label": POSITIONS[row[field]]} for row in rows if row[field] in POSITIONS]
    if not found:
        raise ValueError(f"no row has {field} positive or negative")
    return datasets.Dataset.from_list(found)
