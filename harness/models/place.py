"""Source -> what transformers is to load from: a folder, or one commit of a hub model.

Layer: models; asks the hub, converts GGUF files.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from huggingface_hub import HfApi, errors, try_to_load_from_cache

from harness.models import gguf, sources

_HUB_SECONDS = 10
UNREACHABLE: tuple[type[BaseException], ...] = (OSError, *errors.HfHubHTTPError.__bases__)
"""What a hub that does not answer raises; the bases are errors of whichever HTTP client its library uses."""


@final
@dataclass(frozen=True, kw_only=True)
class Place:
    """Where `from_pretrained` is pointed.

    Attributes:
        path: folder or hub id.
        content: what lies there: a commit of the hub, or the hash of a local checkpoint.
        options: further arguments of `from_pretrained`.
    """

    path: str
    content: str
    options: dict[str, Any]


def find(source: str, revision: str) -> Place:
    """The folder or the hub commit of `source`. A GGUF file is converted on first use.

    The hub is asked once for the commit that `revision` stands for, so that config, tokenizer and weights are of one
    commit; where it does not answer, the local cache alone is used, without a retry for every file.

    Raises:
        ValueError: nothing is there.
        OSError: the hub refuses, or a cache cannot be written.
    """
    location = sources.locate(source)
    if location.kind == "hub":
        return _on_hub(location.path, revision)
    path = Path(location.path)
    content = sources.fingerprint(path)
    folder = gguf.converted(path, content) if location.kind == "gguf" else path
    return Place(path=str(folder), content=content, options={"local_files_only": True})


def _on_hub(name: str, revision: str) -> Place:
    try:
        commit = HfApi().model_info(name, revision=revision, timeout=_HUB_SECONDS).sha or revision
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError):
        raise
    except UNREACHABLE:
        commit = _cached_commit(name, revision)
        return Place(path=name, content=commit, options={"revision": commit, "local_files_only": True})
    return Place(path=name, content=commit, options={"revision": commit})


def _cached_commit(name: str, revision: str) -> str:
    """The commit that `revision` stands for in the local cache, whose layout is `snapshots/COMMIT/FILE`."""
    found = try_to_load_from_cache(name, "config.json", revision=revision)
    if not isinstance(found, str):
        raise errors.LocalEntryNotFoundError(f"{name} at {revision} is not in the local cache")
    return Path(found).parent.name
