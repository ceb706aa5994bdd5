"""The leaves and their fields; the tables behind them."""

from __future__ import annotations

import dataclasses
import gzip
import json
import unicodedata
from pathlib import Path

import pytest
import yaml

import harness.perturbations
from harness.config import ConfigError, construct
from harness.perturb import names, spec
from harness.perturbations import tables
from harness.perturbations.source import Source

ROOT = Path(__file__).resolve().parents[2]


def test_every_leaf_names_itself_and_its_function() -> None:
    """Each stands under its own key, bears its file's name and the name of its function, and is described."""
    for name in names():
        text = (ROOT / "conf" / "perturbation" / f"{name}.yaml").read_text(encoding="utf-8")
        assert text.startswith(f"# @package perturbation.{name}\n")
        leaf = construct(yaml.safe_load(text), where=name)
        assert (leaf.name, leaf.function.rpartition(".")[2]) == (name, name)
        assert leaf.about
    groups = {name: spec(name, {}).group for name in names()}
    assert {n for n, g in groups.items() if g == "soft"} == {"synonym", "filler", "distractor", "function_word_drop"}
    assert {n for n, g in groups.items() if g == "fairness"} == {"gender_swap", "name_swap", "dialect"}
    assert len(groups) == 26


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("severity", 2, "severity=2 must lie between 0"),
        ("severity", -0.1, "severity=-0.1 must lie between 0"),
        ("severity", float("nan"), "severity=nan must lie between 0"),
        ("severity", "high", "severity='high' must be a number"),
        ("severity", True, "severity=True must be a number"),
        ("seed", 0.5, "seed=0.5 must be a whole number"),
        ("replicates", 0, "replicates=0 must be 1 or more"),
        ("group", "hard", "group='hard' is not a valid value: choose strict, soft, fairness"),
        ("scope", "answer", "scope='answer' is not a valid value: choose query"),
        ("function", "harness.perturbations.letters.nonesuch", "cannot be imported"),
        ("function", "nonesuch", "cannot be imported"),
        ("function", "harness.perturbations.letters.SHORTEST", "is not a function"),
    ],
)
def test_faults_are_told_on_construction(field: str, value: object, message: str) -> None:
    """One line that names field, value and what would be right."""
    with pytest.raises(ConfigError, match=message) as caught:
        spec("keyboard_typo", {field: value})
    assert "\n" not in str(caught.value)


def test_a_prepared_source_serves_several_perturbations() -> None:
    """The text, and the text prepared once, give the same."""
    text = "The clever teacher received a definitely beautiful answer."
    source = Source.of(text)
    for name in names():
        leaf = spec(name, {"severity": 1.0})
        assert leaf.apply(source, document="d") == leaf.apply(text, document="d")


def test_no_misspelling_is_a_word() -> None:
    """Of those that the tables know: correct words of the list, synonyms, names, function words."""
    table = tables.choices("en", "misspellings")
    words = {w.lower() for w in table} | set(tables.synonyms("en"))
    for name in ("stop_words", "negators", "numbers", "function_words", "function_followers", "participles"):
        words |= tables.words("en", name)
    assert len(table) > 800
    assert {m for wrong in table.values() for m in wrong if m.lower() in words} == set()
    assert all(m != word for word, wrong in table.items() for m in wrong)


def test_letter_tables_are_sound() -> None:
    """Keys are neighbours both ways; look-alikes are single letters outside ASCII that no normal form changes."""
    keyboard = tables.choices("en", "keyboard")
    assert len(keyboard) == 26
    assert all(key in keyboard[near] for key, nears in keyboard.items() for near in nears)
    twins = [t for found in tables.choices("en", "homoglyphs").values() for t in found]
    assert all(len(t) == 1 and not t.isascii() and unicodedata.normalize("NFC", t) == t for t in twins)
    assert all("CYRILLIC" in unicodedata.name(t) or "GREEK" in unicodedata.name(t) for t in twins)


def test_the_table_of_synonyms_ships_small_with_its_licence() -> None:
    """Below 800 kB, no word stands for itself, and Princeton's notice lies beside it."""
    folder = Path(harness.perturbations.__file__).parent / "tables" / "en"
    file = folder / "synonyms.json.gz"
    assert file.stat().st_size < 800_000
    assert "WordNet" in json.loads(gzip.decompress(file.read_bytes()))["source"]
    assert "WordNet 3.0 Copyright 2006 by Princeton University" in (folder / "WORDNET-LICENCE.txt").read_text("utf-8")
    table = tables.synonyms("en")
    assert len(table) > 2000
    assert not any(word in near for word, near in table.items())


def test_specifications_are_plain_data() -> None:
    """A perturbation is frozen and compares by its fields, so that it can stand in the key of a cell."""
    leaf = spec("leet", {})
    assert leaf == spec("leet", {})
    with pytest.raises(dataclasses.FrozenInstanceError):
        leaf.severity = 1.0
