"""What the config groups offer: `harness list`, and the nearest names in errors.

Layer: below `compose`; stdlib and PyYAML only, so that it answers at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from harness.config import ConfigError
from harness.locations import folders, package_conf

if TYPE_CHECKING:
    from pathlib import Path

GROUPS = (
    "model", "method", "training", "task", "probe", "perturbation", "attack", "suite", "device", "scoring", "report",
    "experiment",
)  # fmt: skip

LOOKED_UP = ("hardware",)
"""Groups that no run composes: entries are found by what they describe."""


def options(group: str) -> list[str]:
    """Names of the configs in a group, sorted."""
    return sorted({p.stem for folder in folders() for p in (folder / group).glob("*.yaml")})


def plural(group: str) -> str:
    """What `harness list` calls the configs of a group."""
    return group if group in ("scoring", "hardware") else f"{group}s"


def describe(group: str) -> list[dict[str, Any]]:
    """One entry per config of a group: `name`, `about`, `own` (from the user's folder) and the leaf's other keys.

    Raises:
        ConfigError: there is no such group.
    """
    if group not in (*GROUPS, *LOOKED_UP):
        choices = ", ".join(plural(g) for g in (*GROUPS, *LOOKED_UP))
        raise ConfigError(f"nothing to list under {group!r}: choose {choices}")
    entries: dict[str, dict[str, Any]] = {}
    for folder in reversed(folders()):
        for path in sorted((folder / group).glob("*.yaml")):
            entries[path.stem] = {**_leaf(path), "name": path.stem, "own": folder != package_conf()}
    return [entries[name] for name in sorted(entries)]


def _leaf(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
        data = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - a safe loader
    except UnicodeDecodeError:
        return {"about": "(not readable: not UTF-8 text)"}
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f" at line {mark.line + 1}" if mark else ""
        return {"about": f"(not readable as YAML{place})"}
    leaf = data if isinstance(data, dict) else {}
    return {**leaf, "about": str(leaf.get("about") or _comment(text))}


def _comment(text: str) -> str:
    """The first comment that is not Hydra's package line: what suites and experiments say of themselves."""
    lines = (line[1:].strip() for line in text.splitlines() if line.startswith("#"))
    return next((line for line in lines if line and not line.startswith("@package")), "")
