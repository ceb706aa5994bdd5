"""The data files, names and sizes that the package ships."""

from __future__ import annotations

import json

import pytest

from harness import zoo
from harness.zoo import data


@pytest.mark.parametrize(
    ("name", "content"), list(data.files()), ids=lambda value: value if value.endswith(".jsonl") else ""
)
def test_files_equal_what_the_generator_makes(name: str, content: str) -> None:
    """A data file is never edited by hand."""
    assert (data.FOLDER / name).read_text(encoding="utf-8") == content


def test_no_stray_data_files() -> None:
    """Every file in the data folder comes from the generator."""
    assert {path.name for path in data.FOLDER.iterdir()} == {name for name, _ in data.files()}


def test_labels_are_balanced() -> None:
    """No class of a classification task holds much more than its share."""
    for stem, classes in (("sentiment", 2), ("sentiment_ood", 2), ("topic", 4), ("story", 4), ("agreement", 2)):
        lines = (data.FOLDER / f"{stem}_test.jsonl").read_text(encoding="utf-8").splitlines()
        labels = [json.loads(line)["label"] for line in lines]
        assert max(labels.count(label) for label in range(classes)) < 1.35 * len(labels) / classes


def test_size_of_the_package() -> None:
    """Weights take at most 12 MB, task data at most 840 kB."""
    weights = zoo.folder(zoo.names()[0]).parent
    assert sum(path.stat().st_size for path in weights.rglob("*") if path.is_file()) <= 12e6
    assert sum(path.stat().st_size for path in data.FOLDER.iterdir()) <= 840e3


def test_folder_names_the_nearest_models() -> None:
    """A misspelt name is answered with the right one."""
    with pytest.raises(ValueError, match="mini-gpt2-m"):
        zoo.folder("mini-gtp2-m")


def test_folders_exist() -> None:
    """Every named model has its folder."""
    assert all((zoo.folder(name) / "model.safetensors").is_file() for name in zoo.names())


def test_disclaimer_is_in_the_readme() -> None:
    """Whoever reads about the zoo reads what it is not."""
    assert zoo.DISCLAIMER in (zoo.folder("mini-gpt2-s").parents[1] / "README.md").read_text(encoding="utf-8")
