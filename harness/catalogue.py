"""What the config groups offer: `harness list`, and the nearest names in errors.

Layer: below `compose`; stdlib and PyYAML only, so that it answers at once.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

import harness
from harness.config import ConfigError

GROUPS = ("model", "method", "task", "probe", "suite", "device", "scoring", "report", "experiment")


def package_conf() -> Path:
    """The configs that ship with the package: inside the wheel, or at the top of a checkout."""
    package = Path(harness.__file__).resolve().parent
    return package / "conf" if (package / "conf").is_dir() else package.parent / "conf"


def folders() -> list[Path]:
    """Folders searched for configs, the user's own first."""
    own, shipped = Path.cwd() / "conf", package_conf()
    return [shipped] if not own.is_dir() or own.resolve() == shipped.resolve() else [own, shipped]


def options(group: str) -> list[str]:
    """Names of the configs in a group, sorted."""
    return sorted({p.stem for folder in folders() for p in (folder / group).glob("*.yaml")})


def plural(group: str) -> str:
    """What `harness list` calls the configs of a group."""
    return group if group == "scoring" else f"{group}s"


def describe(group: str) -> list[dict[str, Any]]:
    """One entry per config of a group: `name`, `about`, `own` (from the user's folder) and the leaf's other keys.

    Raises:
        ConfigError: there is no such group.
    """
    if group not in GROUPS:
        raise ConfigError(f"nothing to list under {group!r}: choose {', '.join(plural(g) for g in GROUPS)}")
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
