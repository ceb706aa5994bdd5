"""Which metrics a task has, from its recipe and before it is loaded; an unknown one is answered with the nearest.

Layer: tasks, light: neither lm-eval nor torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from harness.config import ConfigError, nearest
from harness.tasks import recipe, text
from harness.tasks.measure import CLASSIFICATION

if TYPE_CHECKING:
    from harness.tasks.spec import Task

DEFAULTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "loglikelihood": ("perplexity", "acc"),
        "loglikelihood_rolling": ("word_perplexity", "byte_perplexity", "bits_per_byte"),
        "multiple_choice": ("acc", "acc_norm"),
        "generate_until": ("exact_match",),
    }
)
"""Metrics of a recipe that names none. Source: lm_eval/api/registry.py, `DEFAULT_METRIC_REGISTRY`."""


def of_recipe(content: Mapping[str, Any]) -> set[str] | None:
    """Metrics of a recipe; None where only lm-eval can know them (a task or a metric written in Python)."""
    kind = content.get("output_type") or "generate_until"
    listed = content.get("metric_list")
    if "class" in content or kind not in DEFAULTS:
        return None
    if listed is None:
        return with_text(DEFAULTS[kind], kind)
    names = [entry.get("metric") if isinstance(entry, Mapping) else None for entry in listed]
    if not all(isinstance(name, str) and not recipe.is_function(name) for name in names):
        return None
    return with_text([str(name) for name in names], kind)


def with_text(names: Any, output_type: str) -> set[str]:
    """`names`, with our own text metrics where a task generates text."""
    ours = (*text.PER_DOCUMENT, *text.CORPUS) if output_type == "generate_until" else ()
    return {*names, *ours}


def check(spec: Task, known: set[str]) -> None:
    """Refuses a metric that is neither in `known` nor made of a classification's predictions.

    Raises:
        ConfigError: naming the task, the metric and the nearest one.
    """
    choices = known | (set(CLASSIFICATION) if spec.kind == "classification" else set())
    for metric in spec.metrics:
        if metric not in choices:
            raise ConfigError(
                f"task {spec.name}: metric {metric!r} is not among its metrics: {nearest(metric, choices)}"
            )
