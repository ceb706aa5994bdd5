"""What recipes are called beside each other: by their method, and by what sets each apart from the most ordinary one.

Layer: below `finetune_join`; pure, the standard library only.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

OFF: Mapping[str, tuple[Any, ...]] = {
    "augmentation": ([], (), None), "weight_decay": (0, None), "dropout": (None, 0), "label_smoothing": (0, None),
    "early_stopping": (0, None), "fgm": (0, None), "clipping": (0, None),
}  # fmt: skip
"""Settings of a training against overfitting, and the values that turn them off."""

DETAILS = frozenset({"copies", "strength"})
"""Settings that say how a switch works, and are none themselves."""


def names(recipes: Sequence[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """A name for each recipe: its method, and the settings in which it differs from the baseline of that method.

    Args:
        recipes: of each its method and its settings, flat, as JSON.
    """
    found: dict[tuple[str, str], str] = {}
    for method in dict.fromkeys(method for method, _ in recipes):
        settings = {spec: _settings(spec) for other, spec in recipes if other == method}
        base = baseline(settings) or next(iter(settings))
        for spec, own in settings.items():
            words = differing(own, settings[base])
            found[method, spec] = f"{method} ({words})" if words else method
    return found


def _settings(spec: str) -> dict[str, Any]:
    """The settings of a method and of its training; where both have one of a name, the method's is its own."""
    flat = {name.removeprefix("method."): value for name, value in json.loads(spec).items()}
    training = {name.removeprefix("training."): value for name, value in flat.items() if name.startswith("training.")}
    rest = {name: value for name, value in flat.items() if not name.startswith("training.")}
    return {f"own {name}" if name in training else name: value for name, value in rest.items()} | training


def baseline(recipes: Mapping[str, Mapping[str, Any]]) -> str | None:
    """The recipe from which the others differ in the fewest settings, of several the one with the fewest switches on.

    None where there are no others.
    """
    if len(recipes) < 2:  # noqa: PLR2004 - a switch needs something beside it
        return None
    far = {name: sum(_apart(own, other) for other in recipes.values()) for name, own in recipes.items()}
    on = {name: sum(own.get(key) not in off for key, off in OFF.items()) for name, own in recipes.items()}
    return min(recipes, key=lambda name: (far[name], on[name], name))


def _apart(a: Mapping[str, Any], b: Mapping[str, Any]) -> int:
    return sum(a.get(name) != b.get(name) for name in (a.keys() | b.keys()) - DETAILS)


def differing(own: Mapping[str, Any], base: Mapping[str, Any]) -> str:
    """The settings in which a recipe differs from its baseline, in words.

    >>> differing({"fgm": 1.0, "clipping": 0}, {"fgm": 0, "clipping": 1.0})
    'FGM 1, no clipping'
    """
    names = [name for name in own if own[name] != base.get(name)]
    names += [name for name in base if name not in own]
    return ", ".join(_words(name, own.get(name)) for name in names if name not in DETAILS or name in base)


def _words(name: str, value: Any) -> str:
    said = {"fgm": "FGM"}.get(name, name.replace("_", " "))
    if isinstance(value, bool):
        return said if value else f"no {said}"
    if value in OFF.get(name, (None,)):
        return f"no {said}"
    if isinstance(value, list | tuple):
        return f"{said} by {', '.join(str(one).rpartition('.')[2] for one in value)}"
    return f"{said} {value:g}" if isinstance(value, int | float) else f"{said} {value}"
