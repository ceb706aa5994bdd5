"""Where lm-eval's own tasks, groups and tags are defined: name -> YAML file, without importing lm-eval.

Layer: tasks, light. lm-eval's own index parses some 14,000 YAML files in every process; this one reads their top-level
`task:`, `group:`, `tag:` and `include:` lines once per lm-eval version and keeps them as JSON.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.metadata
import importlib.util
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

from harness.config import ConfigError, nearest
from harness.store import write_atomic

LAYOUT = 1
"""Version of the JSON layout of the cache."""

_KEYS = re.compile(r"""^["']?(task|group|tag|include|class)["']? *: *(.*)$""", re.MULTILINE)
_ITEM = re.compile(r"^ *- *(.+)$")
_PLAIN = re.compile(r"""^(?:"([^"\\]*)"|'([^']*)'|([^\s"'\[\]{}&*!|>%@`,#][^\[\]{}#]*?))\s*(?:#.*)?$""")


@final
@dataclass(frozen=True, kw_only=True)
class Entry:
    """One name lm-eval knows.

    Attributes:
        path: YAML file, relative to lm-eval's tasks folder; empty for a tag.
        tasks: names a tag stands for, sorted; empty for tasks and groups.
    """

    path: str = ""
    tasks: tuple[str, ...] = field(default=())


def folder() -> Path:
    """The tasks folder of the installed lm-eval.

    Raises:
        ConfigError: lm-eval is not installed.
    """
    found = importlib.util.find_spec("lm_eval")
    if found is None or not found.submodule_search_locations:
        raise ConfigError("lm-eval is not installed: its tasks cannot be named")
    return Path(found.submodule_search_locations[0]) / "tasks"


def cache_path() -> Path:
    """Where the index is kept: `$HARNESS_CACHE`, or `~/.cache/harness`."""
    root = Path(os.environ.get("HARNESS_CACHE") or Path.home() / ".cache" / "harness")
    return root / f"lm_eval-{importlib.metadata.version('lm_eval')}-tasks.json"


def entries() -> Mapping[str, Entry]:
    """Every name lm-eval knows; from the cache, or built and kept there. A corrupt cache is built anew."""
    path = cache_path()
    known = _kept(path, path.stat().st_mtime_ns) if path.is_file() else None
    if known is not None:
        return known
    names = build(folder())
    text = json.dumps({"layout": LAYOUT, "names": {n: (e.path, e.tasks) for n, e in names.items()}})
    with contextlib.suppress(OSError):  # a cache that cannot be kept only costs time
        write_atomic(path, text.encode())
    return names


@functools.lru_cache(maxsize=1)
def _kept(path: Path, _mtime: int) -> Mapping[str, Entry] | None:
    """What the cache holds, read once per process; None where it is not one of ours."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["layout"] != LAYOUT:
            return None
        return {name: Entry(path=file, tasks=tuple(tasks)) for name, (file, tasks) in data["names"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def find(name: str) -> Entry:
    """The entry of `name`.

    Raises:
        ConfigError: lm-eval has no such name; the nearest one is suggested.
    """
    known = entries()
    if name not in known:
        hint = nearest(name, known).split(" (")[0]
        raise ConfigError(f"unknown task {name!r}: {hint if hint.startswith('did') else f'lm-eval has {hint}'}")
    return known[name]


def build(root: Path) -> dict[str, Entry]:
    """Reads every YAML file under `root`; the first file in path order wins a name, as in lm-eval."""
    names: dict[str, Entry] = {}
    tags: dict[str, set[str]] = {}
    memo: dict[str, dict[str, Any]] = {}
    for path in sorted(_files(root)):
        keys = _keys(path, memo)
        label = keys.get("task") if "class" in keys else keys.get("group", keys.get("task"))
        if not isinstance(label, str) or label in names:
            continue
        names[label] = Entry(path=Path(path).relative_to(root).as_posix())
        if "group" not in keys or "class" in keys:
            for tag in _as_list(keys.get("tag")):
                tags.setdefault(tag, set()).add(label)
    for tag, members in tags.items():
        names.setdefault(tag, Entry(tasks=tuple(sorted(members))))
    return names


def _files(root: Path) -> list[str]:
    found: list[str] = []
    for place, folders, files in os.walk(root):
        folders[:] = [name for name in folders if name not in {"__pycache__", ".ipynb_checkpoints"}]
        found.extend(f"{place}/{name}" for name in files if name.endswith(".yaml"))
    return found


def _keys(path: str, memo: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The naming keys of one file, those of its includes beneath its own; none for a file that cannot be read."""
    path = os.path.normpath(path)
    if path in memo:
        return memo[path]
    memo[path] = {}  # a circular include ends here
    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123 - 14,000 times: Path objects double the time
            own = _scan(file.read())
    except (OSError, UnicodeDecodeError):
        return {}
    merged: dict[str, Any] = {}
    for include in _as_list(own.pop("include", None)):
        merged.update(_keys(f"{os.path.dirname(path)}/{include}", memo))  # noqa: PTH120
    memo[path] = {**merged, **own}
    return memo[path]


def _scan(text: str) -> dict[str, Any]:
    """The naming keys in the text of a YAML file: strings, or lists of strings."""
    keys: dict[str, Any] = {}
    for match in _KEYS.finditer(text):
        key, value = match[1], match[2].strip()
        if key == "class":
            keys[key] = value
        elif plain := _PLAIN.match(value):
            keys[key] = next(group for group in plain.groups() if group is not None)
        elif not value or value.startswith("#"):
            keys[key] = _block(text[match.end() :])
        else:
            return _parsed(text)
    return keys


def _block(rest: str) -> list[str]:
    items: list[str] = []
    for line in rest.lstrip("\n").split("\n"):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        item = _ITEM.match(line)
        if item is None:
            break
        if plain := _PLAIN.match(item[1].strip()):
            items.append(next(group for group in plain.groups() if group is not None))
    return items


def _parsed(text: str) -> dict[str, Any]:
    """As `_scan`, by a YAML parser: for the few files with flow lists or anchors."""
    import yaml

    base: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    loader: type[Any] = type("IndexLoader", (base,), {})
    loader.add_constructor("!function", lambda _reader, _node: "")
    try:
        content = yaml.load(text, Loader=loader)  # noqa: S506 - a safe loader
    except yaml.YAMLError:
        return {}
    wanted = ("task", "group", "tag", "include", "class")
    return {k: content[k] for k in wanted if k in content} if isinstance(content, Mapping) else {}


def _as_list(value: Any) -> list[str]:
    if value is None:
        return []
    return [str(item) for item in value] if isinstance(value, list) else [str(value)]
