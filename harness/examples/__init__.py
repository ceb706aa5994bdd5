"""Three small studies that come with the package: what notebooks tell of, and what tests read.

    quickstart   six miniature models on seven tasks and a decode probe: what `make quickstart` measures
    robustness   three of them on two sentiment tasks under perturbations, prompt formats and attacks
    efficiency   reading, writing and training of the six, with an A/A control
    pack         the folder of a study -> an archive of this package

Layer: beside the store; stdlib only. The records are those of real runs; `README.md` says how they were made.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
from pathlib import Path

NAMES = ("quickstart", "robustness", "efficiency")
"""The studies that there are."""

MARK = "EXAMPLE"
"""File of an unpacked study that says which archive it came from."""


def unpack(name: str, into: str | Path = "examples") -> Path:
    """The folder of an example study, unpacked under `into` unless it is there already.

    Raises:
        ValueError: there is no such example, or a folder of that name is something else.
        OSError: `into` cannot be written.
    """
    if name not in NAMES:
        raise ValueError(f"example {name!r}: there are {', '.join(NAMES)}")
    source, folder = archive(name), Path(into) / name
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    mark = folder / MARK
    if mark.is_file() and mark.read_text(encoding="ascii").strip() == digest:
        return folder
    if folder.exists() and not mark.is_file():
        raise ValueError(f"{folder} is no example of this package: name another folder, as in into='elsewhere'")
    fresh = folder.with_name(f".tmp-{name}-{os.getpid()}")
    fresh.mkdir(parents=True)
    try:
        _extract(source, fresh)
        (fresh / MARK).write_text(f"{digest}\n", encoding="ascii")
        shutil.rmtree(folder, ignore_errors=True)
        fresh.replace(folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return folder


def _extract(source: Path, folder: Path) -> None:
    with tarfile.open(source) as packed:
        for entry in packed:
            data = packed.extractfile(entry)
            if data is not None:
                path = folder / entry.name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data.read())


def archive(name: str) -> Path:
    """Where the archive of an example lies."""
    return Path(__file__).parent / f"{name}.tar.xz"
