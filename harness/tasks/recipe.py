"""An lm-eval YAML as plain data: includes merged, `!function` left unresolved.

Layer: tasks, light. Neither lm-eval nor any task's Python is imported.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.config import ConfigError

FUNCTION = "!function "
"""Prefix that marks an unresolved `!function` reference."""

DATA_FOLDER = "HARNESS_DATA"
"""Environment variable that `${HARNESS_DATA}` in `data_files` stands for; `data` in the working directory if unset."""


def read(path: Path, *, seen: tuple[Path, ...] = ()) -> dict[str, Any]:
    """The content of an lm-eval YAML; what it includes is merged beneath its own keys.

    Raises:
        ConfigError: missing file, not YAML, not a mapping, a missing or circular include.
    """
    if path in seen:
        raise ConfigError(f"{path}: includes itself")
    content = _parse(path)
    includes = content.pop("include", [])
    merged: dict[str, Any] = {}
    for include in includes if isinstance(includes, list) else [includes]:
        merged.update(read(path.parent / str(include), seen=(*seen, path)))
    return {**merged, **content}


def is_function(value: Any) -> bool:
    """Whether `value` is an unresolved `!function` reference.

    >>> is_function("!function utils.process_docs"), is_function("{{text}}")
    (True, False)
    """
    return isinstance(value, str) and value.startswith(FUNCTION)


def data_files(content: Mapping[str, Any], folder: Path) -> dict[str, Path] | None:
    """Split -> local data file, where the recipe reads local files; None where its data comes from elsewhere.

    Args:
        content: what `read` returned.
        folder: folder of the YAML: relative paths start there.

    Raises:
        ConfigError: `data_files` is not a mapping of splits, or names several files for one split.
    """
    if content.get("dataset_path") not in {"json", "csv"}:
        return None
    files = (content.get("dataset_kwargs") or {}).get("data_files")
    if files is None or "://" in str(files):
        return None
    if not isinstance(files, Mapping):
        files = {"train": files}
    found: dict[str, Path] = {}
    for split, file in files.items():
        one = file[0] if isinstance(file, list) and len(file) == 1 else file
        if not isinstance(one, str):
            raise ConfigError(f"{folder}: data_files.{split} must name one file, has {file!r}")
        found[str(split)] = folder / expand(one)
    return found


def expand(file: str) -> str:
    """`file` with `$HARNESS_DATA` or `${HARNESS_DATA}` replaced by the data folder."""
    root = Path(os.environ.get(DATA_FOLDER) or "data").expanduser().absolute()
    return re.sub(r"\$(HARNESS_DATA\b|\{HARNESS_DATA\})", lambda _: str(root), file)


def _parse(path: Path) -> dict[str, Any]:
    import yaml

    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_loader())  # noqa: S506 - a safe loader
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such task file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({error})") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark is not None else ""
        raise ConfigError(f"{path}{line}: not YAML ({getattr(error, 'problem', None) or error})") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: must be a YAML mapping, is {type(content).__name__}")
    return content


def _loader() -> type[Any]:
    """A safe loader that keeps `!function` references as text."""
    import yaml

    base: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    loader: type[Any] = type("RecipeLoader", (base,), {})
    loader.add_constructor("!function", lambda reader, node: FUNCTION + reader.construct_scalar(node))
    return loader
