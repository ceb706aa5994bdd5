"""The folder of a study -> an archive of this package.

    python -m harness.examples.pack results/quickstart quickstart

The same records give the same bytes. Samples are stored without their own compression: models were asked the same
prompts, which only the archive as a whole can make use of.
"""

from __future__ import annotations

import argparse
import io
import lzma
import sys
import tarfile
from pathlib import Path

import pyarrow.parquet as pq

from harness.examples import NAMES, archive

KEPT = ("records", "samples")
"""Folders of a study that an example holds."""


def pack(folder: Path, target: Path) -> int:
    """Writes the archive of a study's records and samples; the number of files in it.

    Raises:
        ValueError: the folder holds no records.
    """
    files = sorted(path for part in KEPT for path in (folder / part).rglob("*") if path.is_file())
    if not any(path.suffix == ".json" for path in files):
        raise ValueError(f"{folder} holds no records of a study")
    with (
        lzma.open(target, "wb", preset=9 | lzma.PRESET_EXTREME) as stream,
        tarfile.open(fileobj=stream, mode="w") as into,
    ):
        for path in files:
            data = _plain(path) if path.suffix == ".parquet" else path.read_bytes()
            entry = tarfile.TarInfo(path.relative_to(folder).as_posix())
            entry.size, entry.mode = len(data), 0o644
            into.addfile(entry, io.BytesIO(data))
    return len(files)


def _plain(path: Path) -> bytes:
    """A Parquet file without compression of its own."""
    sink = io.BytesIO()
    pq.write_table(pq.read_table(path), sink, compression="none")
    return sink.getvalue()


def main() -> int:
    """Packs the study that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m harness.examples.pack", description=pack.__doc__)
    parser.add_argument("study", type=Path, help="folder of a study")
    parser.add_argument("name", choices=NAMES)
    asked = parser.parse_args()
    target = archive(asked.name)
    number = pack(asked.study, target)
    sys.stdout.write(f"{number} files, {target.stat().st_size:,} bytes: {target}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
