"""The example studies: whole, small, and unpacked where asked for."""

from __future__ import annotations

import tarfile
from typing import TYPE_CHECKING

import pytest

from harness import analysis, examples
from harness.examples.pack import pack

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("name", examples.NAMES)
def test_an_example_is_a_study(name: str, tmp_path: Path) -> None:
    """Every file can be read, every row keeps the schema, and nothing names a machine's folder."""
    study = analysis.example(name, into=tmp_path)
    assert study == tmp_path / name
    cells = analysis.cells(study)
    assert len(cells) == len(list((study / "records").rglob("*.json"))) > 10
    assert set(cells["status"]) <= {"ok", "unsupported"}
    assert not cells["superseded"].any()
    numbers = analysis.load(study)
    assert set(numbers["cell"]) <= set(cells["cell"])
    if name != "efficiency":
        assert len(analysis.samples(study)) > 1000


def test_they_are_small() -> None:
    """All together are below a megabyte."""
    assert sum(examples.archive(name).stat().st_size for name in examples.NAMES) < 1_000_000


def test_unpacking_again_keeps_what_is_there(tmp_path: Path) -> None:
    """An unpacked example stays as it is; an older one is replaced; a folder of somebody else's is refused."""
    study = examples.unpack("efficiency", tmp_path)
    own = study / "report"
    own.mkdir()
    assert examples.unpack("efficiency", tmp_path) == study
    assert own.is_dir()
    (study / examples.MARK).write_text("older")
    assert not (examples.unpack("efficiency", tmp_path) / "report").exists()
    (tmp_path / "quickstart").mkdir()
    with pytest.raises(ValueError, match="is no example of this package"):
        examples.unpack("quickstart", tmp_path)
    with pytest.raises(ValueError, match="there are quickstart, robustness, efficiency"):
        examples.unpack("quickstrat", tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["efficiency", "quickstart"]


def test_packing_is_reproducible(tmp_path: Path) -> None:
    """The same records give the same bytes, and what was packed is what is unpacked."""
    study = examples.unpack("efficiency", tmp_path)
    for name in ("one", "other"):
        assert pack(study, tmp_path / name) == len(list((study / "records").rglob("*.json")))
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()
    with tarfile.open(tmp_path / "one") as packed:
        for entry in list(packed)[:3]:
            held = packed.extractfile(entry)
            assert held is not None
            assert held.read() == (study / entry.name).read_bytes()
    with pytest.raises(ValueError, match="holds no records of a study"):
        pack(tmp_path / "efficiency" / "records", tmp_path / "none")
