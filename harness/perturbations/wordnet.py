"""Derives the table of synonyms from WordNet's database files.

    python -m harness.perturbations.wordnet /usr/share/wordnet

The folder is that of Debian's package `wordnet-base` 3.0. The table that ships was made by this. What is kept:

- single lower-case words with one part of speech (`ALONE` of their uses in WordNet's tagged texts), which are used
  there at least `USES` times and mostly in one sense (`SHARE` of the uses, of at most `SENSES` senses);
- of their synonyms in that sense, those that are common and of one part of speech too, that mean it by one of their
  `FIRST` two senses, and that are not `RATIO` times rarer or more frequent;
- every regular inflection, and irregular plurals of nouns; irregular verbs only in the forms that cannot be mistaken;
- no form that could belong to another word (`found`, `leaves`, `interested`), no stop word, negator or number.

Source: Fellbaum 1998, WordNet; formats of wndb(5WN) and cntlist(5WN). Constraints: Morris et al. 2020
("Reevaluating adversarial examples"), who find unconstrained synonyms unfaithful.

Layer: `perturbations`; a command of its own, imported by nothing.
"""

from __future__ import annotations

import gzip
import json
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, final

from harness.perturbations import inflection, tables

if TYPE_CHECKING:
    from collections.abc import Iterator

PARTS = {"noun": "n", "verb": "v", "adj": "a", "adv": "r"}
USES, ALONE, SHARE, SENSES, FIRST, RATIO = 3, 0.85, 0.5, 6, 2, 30.0
SHORTEST = 3
TYPES = {"1": "n", "2": "v", "3": "a", "4": "r", "5": "a"}
OUTPUT = Path(__file__).parent / "tables" / "en" / "synonyms.json.gz"
Lemma = tuple[str, str]


@final
@dataclass(frozen=True, kw_only=True)
class WordNet:
    """What is read of the files; a lemma is a pair of word and part of speech.

    Attributes:
        synsets: (part of speech, offset) -> its words, as written.
        senses: lemma -> offsets of its senses, the most frequent first.
        uses: lemma -> uses of each sense in the tagged texts, by sense number from 1.
        irregular: lemma -> its irregular forms.
        antonyms: pairs of words that are opposites in some sense.
    """

    synsets: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    senses: dict[Lemma, list[str]] = field(default_factory=dict)
    uses: dict[Lemma, dict[int, int]] = field(default_factory=lambda: defaultdict(dict))
    irregular: dict[Lemma, list[str]] = field(default_factory=lambda: defaultdict(list))
    antonyms: set[frozenset[str]] = field(default_factory=set)

    def total(self, word: str, part: str | None = None) -> int:
        """Uses of a word, as one part of speech or as any."""
        return sum(sum(self.uses.get((word, p), {}).values()) for p in ([part] if part else PARTS.values()))


def read(folder: Path) -> WordNet:
    """The database in `folder`.

    Raises:
        FileNotFoundError: a file of it is missing.
    """
    net = WordNet()
    opposites: list[tuple[str, str, str, str]] = []
    for name, part in PARTS.items():
        for row in _rows(folder / f"data.{name}"):
            words, pointers = _synset(row)
            net.synsets[part, row[0]] = words
            opposites += [(part, words[s - 1], offset, str(t)) for s, offset, t in pointers if s]
        for row in _rows(folder / f"index.{name}"):
            net.senses[row[0], part] = row[-int(row[2]) :]
        for line in (folder / f"{name}.exc").read_text(encoding="utf-8").splitlines():
            form, *lemmas = line.split()
            for lemma in lemmas:
                net.irregular[lemma, part].append(form)
    for part, word, offset, target in opposites:
        net.antonyms.add(frozenset((word, net.synsets[part, offset][int(target) - 1])))
    for line in (folder / "cntlist.rev").read_text(encoding="utf-8").splitlines():
        key, sense, count = line.split()
        word, _, rest = key.partition("%")
        net.uses[word, TYPES[rest[0]]][int(sense)] = int(count)
    return net


def _rows(path: Path) -> Iterator[list[str]]:
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith(" "):
            yield line.partition(" | ")[0].split()


def _synset(row: list[str]) -> tuple[list[str], list[tuple[int, str, int]]]:
    """Words of a synset without the marks of position, and its antonyms: (own word, offset, its word)."""
    count = int(row[3], 16)
    words = [row[4 + 2 * i].partition("(")[0] for i in range(count)]
    start = 5 + 2 * count
    pointers = [row[i : i + 4] for i in range(start, start + 4 * int(row[start - 1]), 4)]
    return words, [(int(p[3][:2], 16), p[1], int(p[3], 16) % 256) for p in pointers if p[0] == "!"]


def derive(net: WordNet) -> dict[str, str]:
    """Surface form -> its synonyms in the same form, parted by spaces; forms in order."""
    pairs: dict[Lemma, list[str]] = {}
    for word, part in net.senses:
        synset = _main_sense(net, (word, part))
        near = [o for o in net.synsets.get((part, synset), []) if _stands_for(net, o, (word, part), synset)]
        if near:
            pairs[word, part] = sorted(near, key=lambda other: (-net.total(other, part), other))
    return _surfaces(net, pairs)


def _usable(net: WordNet, lemma: Lemma) -> bool:
    """Whether a word is plain, common, and nearly always this part of speech."""
    word, part = lemma
    plain = len(word) >= SHORTEST and word.isascii() and word.isalpha() and word.islower()
    total = net.total(word, part) if plain and lemma in net.senses else 0
    excluded = any(word in tables.words("en", name) for name in ("stop_words", "negators", "numbers"))
    return total >= USES and total >= ALONE * net.total(word) and not excluded


def _main_sense(net: WordNet, lemma: Lemma) -> str:
    """Offset of the sense that a word is mostly used in; empty if there is none or the word is not to be replaced."""
    senses = net.senses[lemma]
    if len(senses) > SENSES or not _usable(net, lemma):
        return ""
    return senses[0] if net.uses[lemma].get(1, 0) >= SHARE * net.total(*lemma) else ""


def _stands_for(net: WordNet, other: str, lemma: Lemma, synset: str) -> bool:
    """Whether `other` may replace the word: no rarity, no opposite, and its first meaning or its second."""
    word, part = lemma
    if other == word or not _usable(net, (other, part)) or frozenset((word, other)) in net.antonyms:
        return False
    ratio = net.total(word, part) / net.total(other, part)
    return synset in net.senses[other, part][:FIRST] and 1 / RATIO <= ratio <= RATIO


def _surfaces(net: WordNet, pairs: dict[Lemma, list[str]]) -> dict[str, str]:
    owners = _owners(net)
    table: dict[str, str] = {}
    for lemma, others in pairs.items():
        for kind, form in _forms(net, lemma).items():
            given = (_forms(net, (other, lemma[1])).get(kind, form) for other in others)
            found = [g for g in given if g != form]
            if found and owners[form] == {lemma}:
                table[form] = " ".join(found)
    return dict(sorted(table.items()))


def _owners(net: WordNet) -> dict[str, set[Lemma]]:
    """Form -> the lemmas in use that it may belong to."""
    owners: dict[str, set[Lemma]] = defaultdict(set)
    for lemma in net.senses:
        if net.total(*lemma):
            for form in _forms(net, lemma).values():
                owners[form].add(lemma)
    for lemma, forms in net.irregular.items():
        for form in forms:
            owners[form].add(lemma)
    return owners


def _forms(net: WordNet, lemma: Lemma) -> dict[str, str]:
    return inflection.forms(*lemma, net.irregular.get(lemma, []))


def main(arguments: list[str]) -> int:
    """Writes the table from the folder that is named and says how large it is."""
    if len(arguments) != 1 or not (Path(arguments[0]) / "cntlist.rev").is_file():
        sys.stderr.write("usage: python -m harness.perturbations.wordnet FOLDER   (of WordNet: data.noun ...)\n")
        return 2
    table = derive(read(Path(arguments[0])))
    text = json.dumps({"source": "WordNet 3.0, see WORDNET-LICENCE.txt", "synonyms": table}, indent=0)
    OUTPUT.write_bytes(gzip.compress(text.encode(), compresslevel=9, mtime=0))
    sys.stdout.write(f"{len(table)} forms, {OUTPUT.stat().st_size} bytes: {OUTPUT.name}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
