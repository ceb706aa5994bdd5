"""What a task's files hold: a recipe or data file that was edited makes another cell, and is measured again.

Layer: tasks, light. Neither lm-eval nor any task's Python is imported.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.tasks import recipe, sources

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from harness.tasks.spec import Task


def fingerprint(spec: Task) -> str:
    """`sha256:` and 16 hex digits over the recipes, their Python and their local data; hub data is not looked at.

    Raises:
        ConfigError: a file is missing or no recipe.
    """
    digest = hashlib.sha256()
    for part in _own(spec.data) if spec.data is not None else _recipes(spec.source):
        digest.update(hashlib.sha256(part).digest())
    return f"sha256:{digest.hexdigest()[:16]}"


def _own(data: Any) -> Iterator[bytes]:
    yield from _contents(Path(file).expanduser() for file in (data.file, data.train) if file)


def _recipes(source: str) -> Iterator[bytes]:
    for leaf in sources.leaves(source):
        content = {**recipe.read(leaf.path), **leaf.overrides}
        text = json.dumps(content, sort_keys=True, default=str)
        yield text.encode()
        yield from _contents(sorted((recipe.data_files(content, leaf.path.parent) or {}).values()))
        if recipe.FUNCTION in text:
            yield from _contents(sorted(leaf.path.parent.glob("*.py")))


def _contents(files: Iterable[Path]) -> Iterator[bytes]:
    for file in files:
        yield file.read_bytes()
