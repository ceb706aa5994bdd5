"""Every reply that was paid for, on disk before the next step: `results/STUDY/requests/MODEL-DIGEST.jsonl`.

Layer: models; stdlib only. One line a reply, with a checksum, appended in one write. Lines that are damaged are
passed over. Prompts are not kept, only a digest of the request.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
import zlib
from typing import TYPE_CHECKING, Any, Protocol, final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from harness.models.api.spec import ApiSpec

FOLDER = "requests"


class Kept(Protocol):
    """Replies by key: a `RequestStore`, or the `Journal` of a cell."""

    def text(self, key: str) -> tuple[str, int] | None:
        """The reply of that key as JSON, and its tokens."""
        ...

    def add_text(self, key: str, text: str, tokens: int) -> None:
        """Keeps a reply."""
        ...


@final
class RequestStore:
    """Replies of one model at one endpoint, kept across cells and runs of a study.

    Args:
        path: the file; made by the first reply.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._replies = {key: (text, tokens) for key, text, tokens in _lines(path)}

    @classmethod
    def of(cls, folder: Path, spec: ApiSpec) -> RequestStore:
        """The store of `spec` in the folder of a study."""
        digest = hashlib.sha256(json.dumps([spec.base_url, spec.model]).encode()).hexdigest()[:8]
        return cls(folder / FOLDER / f"{_slug(spec.model)}-{digest}.jsonl")

    def text(self, key: str) -> tuple[str, int] | None:
        """The reply of that key as JSON, and its tokens; None where there is none."""
        return self._replies.get(key)

    def add_text(self, key: str, text: str, tokens: int) -> None:
        """Keeps a reply.

        Raises:
            OSError: it cannot be written.
        """
        if key in self._replies:
            return
        entry = json.dumps([key, text, tokens], separators=(",", ":")).encode()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("ab", buffering=0) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            # What a killed process wrote in part must not damage this line, too.
            begun = b"" if file.tell() == 0 or _ends_a_line(self._path) else b"\n"
            file.write(b"%b%08x %b\n" % (begun, zlib.crc32(entry), entry))
        self._replies[key] = (text, tokens)

    def add_spent(self, text: str, tokens: int) -> None:
        """Keeps a reply that nobody will ask for again, so that it counts as spent.

        Raises:
            OSError: it cannot be written.
        """
        self.add_text(f"spent-{secrets.token_hex(8)}", text, tokens)


def spent(folder: Path) -> tuple[float, int]:
    """US dollars and tokens of all replies kept in the folder of a study, whatever the model."""
    usd, tokens = 0.0, 0
    for path in sorted((folder / FOLDER).glob("*.jsonl")):
        for _, text, count in _lines(path):
            usd += json.loads(text).get("usd") or 0.0
            tokens += count
    return usd, tokens


def _lines(path: Path) -> Iterator[tuple[str, str, int]]:
    if not path.is_file():
        return
    with path.open("rb") as file:
        for line in file:
            checksum, _, entry = line.rstrip(b"\n").partition(b" ")
            if checksum == b"%08x" % zlib.crc32(entry):
                found: Any = json.loads(entry)
                yield found[0], found[1], found[2]


def _ends_a_line(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def _slug(name: str) -> str:
    return "".join(c if c.isalnum() or c in "._-" else "-" for c in name)[:60]
