"""Deriving synonyms from WordNet's files, on a database of a dozen words in the real format."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING

import pytest

from harness.perturbations import inflection, tables, wordnet

if TYPE_CHECKING:
    from pathlib import Path

DATA = {
    "data.noun": "  1 licence text\n"
    "00000010 18 n 02 teacher 0 instructor 0 000 | who teaches\n"
    "00000020 18 n 02 pedagogue 0 teacher 0 000 | rare\n"
    "00000030 06 n 03 box 0 crate 0 wooden_box 0 000 | container\n",
    "data.verb": "00000040 30 v 02 carry 0 haul 0 000 00 | move\n00000050 30 v 02 begin 0 start 0 000 00 | first\n",
    "data.adj": "00000060 00 s 02 big(a) 0 huge 0 001 ! 00000070 a 0201 | large\n"
    "00000070 00 a 01 tiny 0 001 ! 00000060 a 0102 | small\n",
    "data.adv": "",
    "index.noun": "teacher n 1 0 1 1 00000010\ninstructor n 1 0 1 1 00000010\npedagogue n 1 0 1 1 00000020\n"
    "box n 1 0 1 1 00000030\ncrate n 1 0 1 1 00000030\nwooden_box n 1 0 1 0 00000030\n",
    "index.verb": "carry v 1 0 1 1 00000040\nhaul v 1 0 1 1 00000040\n"
    "begin v 1 0 1 1 00000050\nstart v 1 0 1 1 00000050\n",
    "index.adj": "big a 1 0 1 1 00000060\nhuge a 1 0 1 1 00000060\ntiny a 1 0 1 1 00000070\n",
    "index.adv": "",
    "noun.exc": "",
    "verb.exc": "began begin\nbegun begin\nbeginning begin\n",
    "adj.exc": "",
    "adv.exc": "",
    "cntlist.rev": "teacher%1:18:00:: 1 20\ninstructor%1:18:00:: 1 5\nbox%1:06:00:: 1 50\ncrate%1:06:00:: 1 1\n"
    "carry%2:30:00:: 1 9\nhaul%2:30:00:: 1 4\nbegin%2:30:00:: 1 9\nstart%2:30:00:: 1 9\n"
    "big%5:00:00:tiny:00 1 9\nhuge%5:00:00:tiny:00 1 9\ntiny%3:00:00:: 1 5\n",
}


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """The files in a folder."""
    for name, text in DATA.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def test_synonyms_share_sense_inflection_and_frequency(database: Path) -> None:
    """Plural for plural, past for past; no rare word, no phrase, no past of an irregular verb."""
    table = wordnet.derive(wordnet.read(database))
    assert table["teacher"] == "instructor"
    assert table["instructors"] == "teachers"
    assert table["carried"] == "hauled"
    assert table["hauling"] == "carrying"
    assert table["starting"] == "beginning"
    assert "started" not in table
    assert not {"box", "boxes", "crate", "pedagogue", "began"} & set(table)
    assert table["big"] == "huge"


def test_opposites_are_read(database: Path) -> None:
    """Antonyms by word, not by synset."""
    assert wordnet.read(database).antonyms == {frozenset({"huge", "tiny"}), frozenset({"tiny", "huge"})}


def test_the_command_writes_the_table(
    database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says how large the table is; twice gives the same bytes; without a folder it says what it needs."""
    monkeypatch.setattr(wordnet, "OUTPUT", tmp_path / "synonyms.json.gz")
    assert wordnet.main([str(database)]) == 0
    first = (tmp_path / "synonyms.json.gz").read_bytes()
    assert wordnet.main([str(database)]) == 0
    assert (tmp_path / "synonyms.json.gz").read_bytes() == first
    assert json.loads(gzip.decompress(first))["synonyms"]["teacher"] == "instructor"
    assert "forms" in capsys.readouterr().out
    assert wordnet.main([]) == 2
    assert "usage" in capsys.readouterr().err


def test_a_missing_table_says_how_to_make_it() -> None:
    """One line with the command."""
    with pytest.raises(FileNotFoundError, match=r"python -m harness\.perturbations\.wordnet"):
        tables.synonyms("xx")


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("carry", {"base": "carry", "s": "carries", "ing": "carrying", "ed": "carried"}),
        ("stop", {"base": "stop", "s": "stops", "ing": "stopping", "ed": "stopped"}),
        ("die", {"base": "die", "s": "dies", "ing": "dying", "ed": "died"}),
        ("agree", {"base": "agree", "s": "agrees", "ing": "agreeing", "ed": "agreed"}),
        ("watch", {"base": "watch", "s": "watches", "ing": "watching", "ed": "watched"}),
        ("play", {"base": "play", "s": "plays", "ing": "playing", "ed": "played"}),
    ],
)
def test_regular_verbs(word: str, expected: dict[str, str]) -> None:
    """Suffix rules."""
    assert inflection.forms(word, "v") == expected


def test_irregular_forms_only_where_they_are_sure() -> None:
    """A verb with a past of its own has no -ed; a noun with two plurals has none; one in -s has none by rule."""
    assert "ed" not in inflection.forms("begin", "v", ["began", "begun", "beginning"])
    assert inflection.forms("admit", "v", ["admitted", "admitting"])["ed"] == "admitted"
    assert inflection.forms("child", "n", ["children"])["plural"] == "children"
    assert "plural" not in inflection.forms("hoof", "n", ["hooves", "hoofs"])
    assert "plural" not in inflection.forms("news", "n")
