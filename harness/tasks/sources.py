"""What a task's `source` names: one lm-eval YAML file, or all those of a group.

Layer: tasks, light.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

from harness.config import ConfigError, nearest
from harness.tasks import index, recipe

DEFINITIONS = Path(__file__).parent / "definitions"
"""Folder of the tasks this project defines itself."""

_GROUP_KEYS = frozenset({"group", "group_alias", "task", "aggregate_metric_list", "metadata", "tag"})


@final
@dataclass(frozen=True, kw_only=True)
class Leaf:
    """One task of a source.

    Attributes:
        name: what its YAML, or the group it belongs to, calls it.
        path: its YAML file.
        overrides: keys that a group sets over those of the file.
    """

    name: str
    path: Path
    overrides: Mapping[str, Any] = field(default_factory=dict[str, Any])


def locate(source: str) -> Path | None:
    """The YAML file a source names by its path, or None where it is a name.

    Raises:
        ConfigError: no such file; the nearest definition is suggested.
    """
    if Path(source).suffix not in {".yaml", ".yml"}:
        return None
    for path in (Path(source).expanduser(), DEFINITIONS / source):
        if path.is_file():
            return path.absolute()
    known = [path.relative_to(DEFINITIONS).as_posix() for path in DEFINITIONS.glob("**/*.yaml")]
    raise ConfigError(f"no task file {source!r} here or among the definitions: {nearest(source, known)}")


def shown(path: Path) -> str:
    """A task file as it is named in errors that are kept in records: without the folders of this machine.

    >>> shown(DEFINITIONS / "local" / "sst2.yaml")
    'local/sst2.yaml'
    """
    for root, prefix in ((DEFINITIONS, ""), (index.folder(), "lm_eval/tasks/"), (Path.cwd(), "")):
        if root in path.parents:
            return prefix + path.relative_to(root).as_posix()
    return path.name


def leaves(source: str) -> tuple[Leaf, ...]:
    """Every single task that `source` stands for: one, or the members of a group or tag in their order.

    Raises:
        ConfigError: unknown name, or a file that is no task.
    """
    path = locate(source)
    found = _of_name(source, {}) if path is None else _of_file(path, {})
    unique = {leaf.name: leaf for leaf in found}
    return tuple(unique.values())


def _of_name(name: str, overrides: Mapping[str, Any]) -> list[Leaf]:
    entry = index.find(name)
    if entry.path:
        return _of_file(index.folder() / entry.path, overrides)
    return [leaf for task in entry.tasks for leaf in _of_name(task, overrides)]


def _of_file(path: Path, overrides: Mapping[str, Any]) -> list[Leaf]:
    content = recipe.read(path)
    if "group" in content and "class" not in content:
        return _of_group(content, overrides, path=path)
    name = overrides.get("task", content.get("task"))
    if not isinstance(name, str):
        raise ConfigError(f"{path}: has no `task:` that names it; is it an lm-eval task file?")
    return [Leaf(name=name, path=path, overrides=overrides)]


def _of_group(content: Mapping[str, Any], overrides: Mapping[str, Any], *, path: Path) -> list[Leaf]:
    own = {key: value for key, value in content.items() if key not in _GROUP_KEYS}
    members = content.get("task")
    items: Iterable[Any] = [members] if isinstance(members, str) else members or []
    return [leaf for item in items for leaf in _of_member(item, {**own, **overrides}, path=path)]


def _of_member(item: Any, overrides: Mapping[str, Any], *, path: Path) -> list[Leaf]:
    """Members by name, by name with overrides, or as a group written inside the group."""
    if isinstance(item, str):
        return _of_name(item, overrides)
    if isinstance(item, Mapping) and isinstance(item.get("task"), list):
        return _of_group(item, overrides, path=path)
    name = item.get("group", item.get("task")) if isinstance(item, Mapping) else None
    if not isinstance(name, str):
        raise ConfigError(f"{path}: a member of the group is neither a name nor a mapping with one: {item!r}")
    extra = {key: value for key, value in item.items() if key not in {"group", "task"}}
    return _of_name(name, {**overrides, **extra})
