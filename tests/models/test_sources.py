"""The fingerprint of a local checkpoint names its content."""

from __future__ import annotations

import shutil

from harness.models.sources import Location, fingerprint, locate


def test_same_content_same_fingerprint(checkpoints, tmp_path):
    """A copy elsewhere has the same fingerprint."""
    copy = shutil.copytree(checkpoints["gpt2"], tmp_path / "copy")
    assert fingerprint(checkpoints["gpt2"]) == fingerprint(copy)


def test_other_weights_other_fingerprint(gpt2_folder):
    """Two checkpoints of one architecture differ, although their headers are the same."""
    before = fingerprint(gpt2_folder)
    weights = gpt2_folder / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    assert fingerprint(gpt2_folder) != before


def test_forms_of_a_source(gpt2_folder, tmp_path, monkeypatch):
    """Hub ids stay as they are; folders may be relative."""
    monkeypatch.chdir(tmp_path)
    assert locate("gpt2") == Location("hub", "gpt2")
    assert locate("EleutherAI/pythia-1.4b") == Location("hub", "EleutherAI/pythia-1.4b")
    assert locate(f"./{gpt2_folder.name}") == Location("folder", gpt2_folder.name)
