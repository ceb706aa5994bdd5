"""Rows of all AdvGLUE tasks in one file -> those of one task, with its own fields."""

# ruff: noqa: INP001 - lm-eval loads it by its path

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import datasets

if TYPE_CHECKING:
    from collections.abc import Iterable


def sst2(rows: Iterable[dict[str, Any]]) -> datasets.Dataset:
    """Sentences."""
    return _of("sst2", rows, "sentence")


def qqp(rows: Iterable[dict[str, Any]]) -> datasets.Dataset:
    """Pairs of questions."""
    return _of("qqp", rows, "question1", "question2")


def mnli(rows: Iterable[dict[str, Any]]) -> datasets.Dataset:
    """Premises and hypotheses of the matched set."""
    return _of("mnli", rows, "premise", "hypothesis")


def qnli(rows: Iterable[dict[str, Any]]) -> datasets.Dataset:
    """Questions and sentences."""
    return _of("qnli", rows, "question", "sentence")


def rte(rows: Iterable[dict[str, Any]]) -> datasets.Dataset:
    """Pairs of sentences."""
    return _of("rte", rows, "sentence1", "sentence2")


def _of(task: str, rows: Iterable[dict[str, Any]], *fields: str) -> datasets.Dataset:
    found = [{name: row[name] for name in (*fields, "label")} for row in rows if row.get("task") == task]
    if not found:
        raise ValueError(f"no row has task {task!r}")
    return datasets.Dataset.from_list(found)
