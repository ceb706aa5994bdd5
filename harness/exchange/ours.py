"""Configs of this project by what other harnesses call the same model or task.

Layer: below `lm_eval`; it reads config files and task files, and needs no lm-eval.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

from harness.config import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

_TASK = re.compile(r"^task:[ \t]*([\w.-]+)[ \t]*(?:#.*)?$", re.MULTILINE)


@final
@dataclass(frozen=True, kw_only=True)
class Ours:
    """Configs of this project by the source they name.

    Attributes:
        models: leaf of a model by its source.
        tasks: leaf of a task by the name that lm-eval knows it by.
    """

    models: Mapping[str, Mapping[str, Any]]
    tasks: Mapping[str, Mapping[str, Any]]


def ours() -> Ours:
    """All models and tasks that there are configs for, a user's own included.

    Of several tasks with one source the one that is named as the source counts, else the last by name.
    """
    from harness import catalogue

    models = {str(leaf["source"]): leaf for leaf in reversed(catalogue.describe("model")) if leaf.get("source")}
    tasks: dict[str, Mapping[str, Any]] = {}
    for leaf in reversed(catalogue.describe("task")):
        name = _name(str(leaf.get("source") or ""))
        if name and (leaf["name"] == name or name not in tasks):
            tasks[name] = leaf
    return Ours(models=models, tasks=tasks)


def _name(source: str) -> str:
    """What lm-eval calls a task: the source itself, or what the file that it names says; empty for none."""
    from harness.tasks.sources import locate

    try:
        path = locate(source)
    except ConfigError:  # A config whose file is gone names no task.
        return ""
    if path is None:
        return source
    found = _TASK.search(path.read_text(encoding="utf-8"))
    return found[1] if found else ""
