"""What holds of every perturbation and every text; numbers are those of the design's list of invariants.

The thirteenth (a prompt still fits the context) is of the tasks that use perturbations, not of the text functions.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import os
import re
import subprocess
import sys
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.perturb import names, spec
from harness.perturbations import protect
from harness.perturbations.edits import Perturbed, apply
from harness.perturbations.source import Source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from harness.perturbations.spec import Perturbation

LEAVES = [spec(name, {}) for name in names()]
LEVELS = (0.0, 0.3, 0.6, 1.0)
EXAMPLES = settings(max_examples=60, deadline=None, derandomize=True)
TRICKY = re.findall(
    r"\S+",
    "not no never hot nit nog knot note another manor cannot can't don't isn't nothing with out without bless nobody "
    "it's that's he'll I'm it is do not will not Question: Answer: [step] B2B 3.50 $1,000 10:30 1990s three "
    "http://a.b/c `x = 1` <br/> <<4/2=2>> @me #tag Robert Emily Wei John's her his him hers she he King US it May "
    "receive definitely going to want to the a an is beautiful terrible movie teacher students corn modern clear "
    "cafe\u0301 na\u00efve 'quoted' \"said\" (so) end. end! end? U.S. e.g. n't ' ... ,, ;",
)
PIECE = st.one_of(st.sampled_from(TRICKY), st.sampled_from(TRICKY), st.text(max_size=6))
JOINT = st.sampled_from([" ", " ", " ", "  ", "", "\n", "-", "'"])
TEXTS = st.lists(st.tuples(PIECE, JOINT), max_size=25).map(lambda found: "".join(word + joint for word, joint in found))
SENTENCES = (
    "The film isn't bad, but it is not the masterpiece that several critics believed it was going to be.",
    "A definitely beautiful story about three teachers and their students, told without a false note.",
    "I do not know whether she gave him her book; he'll ask the doctor (and his sister) tomorrow.",
    "Robert said that the government received $1,000 for the modern building in March 1999!",
    "They are clever: you are rarely bored, and the audience has to quickly choose where to look.",
)


def at_all(levels: Iterable[float], leaf: Perturbation) -> list[Perturbation]:
    """The perturbation at each severity."""
    return [dataclasses.replace(leaf, severity=level) for level in levels]


def negators(text: str) -> int:
    """How many words of it negate."""
    return len(protect.negations(text))


def check_result(leaf: Perturbation, source: Source, result: Perturbed) -> None:
    """Invariants 5, 7, 8, 9, 11 and 12 of one result."""
    text = source.text
    last = 0
    for edit in result.edits:
        assert last <= edit.start <= edit.end <= len(text), (leaf.name, edit)
        assert text[edit.start : edit.end] == edit.old != edit.new, (leaf.name, edit)
        assert source.free(edit.start, edit.end), (leaf.name, text, edit)
        last = edit.end
    assert apply(text, result.edits) == result.text
    assert negators(result.text) == negators(text), (leaf.name, text, result)
    assert not any("\ud800" <= c <= "\udfff" for c in result.text) or any("\ud800" <= c <= "\udfff" for c in text)
    if unicodedata.is_normalized("NFC", text):
        assert unicodedata.is_normalized("NFC", result.text), (leaf.name, text, result)
    assert len(result.text) <= 8 * len(text) + 400
    assert result.applicable or not result.edits


def check_all(text: str, document: str, protected: Iterable[protect.Span] = ()) -> None:
    """Every invariant of single texts, for every perturbation."""
    source = Source.of(text, protected=protected)
    for leaf in LEAVES:
        results = [p.apply(source, document=document) for p in at_all(LEVELS, leaf)]
        assert (results[0].text, results[0].edits) == (text, ()), leaf.name  # 1
        for result in results:
            check_result(leaf, source, result)
        for milder, stronger in itertools.pairwise(results):  # 4
            assert set(milder.edits) <= set(stronger.edits), (leaf.name, text)


@EXAMPLES
@given(TEXTS, st.integers(0, 9))
def test_invariants_of_any_text(text: str, document: int) -> None:
    """1, 4, 5, 7, 8, 9, 11, 12: nothing at 0, nested, protected spans and negators kept, edits reproduce the text."""
    check_all(text, str(document))


@EXAMPLES
@given(TEXTS.filter(bool), st.data())
def test_protected_spans_stay_byte_identical(text: str, data: st.DataObject) -> None:
    """5: a span is found in the output where the edits before it move it to."""
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), min_size=2, max_size=6)))
    spans = [(a, b) for a, b in zip(cuts[::2], cuts[1::2], strict=False) if a < b]
    source = Source.of(text, protected=spans)
    for leaf in LEAVES:
        result = dataclasses.replace(leaf, severity=1.0).apply(source, document="d")
        for start, end in spans:
            shift = sum(len(e.new) - len(e.old) for e in result.edits if e.end <= start)
            assert result.text[start + shift : end + shift] == text[start:end], (leaf.name, spans, result)


@EXAMPLES
@given(TEXTS, st.sampled_from(["great", "terrible", "hot", "note"]))
def test_labels_are_neither_made_nor_lost(text: str, label: str) -> None:
    """8: a label of the task stands in the output as often as in the text."""
    text = f"{text} {label} greta heat coat terible bote"
    source = Source.of(text, labels=[label])
    for leaf in LEAVES:
        result = dataclasses.replace(leaf, severity=1.0).apply(source, document="d")
        assert len(protect.strings(result.text, [label])) == len(protect.strings(text, [label])), (leaf.name, result)


def test_the_same_bytes_in_a_fresh_process_and_in_any_order() -> None:
    """2: another hash seed, another order and other work before change nothing."""
    program = (
        "import sys, dataclasses, hashlib; from harness.perturb import names, spec\n"
        "texts = sys.stdin.read().split('\\n'); found = {}\n"
        "for name in reversed(names()):\n"
        "    leaf = dataclasses.replace(spec(name, {}), severity=0.8)\n"
        "    for i in reversed(range(len(texts))):\n"
        "        found[name, i] = leaf.apply(texts[i], document=str(i)).text\n"
        "print(hashlib.sha256(repr(sorted(found.items())).encode()).hexdigest())\n"
    )
    here = {
        (leaf.name, i): dataclasses.replace(leaf, severity=0.8).apply(text, document=str(i)).text
        for leaf in LEAVES
        for i, text in enumerate(SENTENCES)
    }
    done = subprocess.run(
        [sys.executable, "-c", program],
        input="\n".join(SENTENCES),
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "77", "PYTHONUTF8": "1"},
        cwd=Path(__file__).parents[2],
    )
    assert done.stdout.strip() == hashlib.sha256(repr(sorted(here.items())).encode()).hexdigest()


def test_replicates_documents_and_fields_draw_their_own_edits() -> None:
    """3: another replicate, document or seed gives another result on a long text; another field too, unless paired."""
    text = " ".join(SENTENCES) * 3
    for leaf in [dataclasses.replace(p, severity=0.5) for p in LEAVES]:
        draws = {leaf.apply(text, document="d", replicate=r).text for r in range(8)}
        documents = {leaf.apply(text, document=str(d)).text for d in range(8)}
        seeds = {dataclasses.replace(leaf, seed=s).apply(text, document="d").text for s in range(8)}
        fields = {leaf.apply(text, document="d", field=f).text for f in "abcdefgh"}
        assert min(len(draws), len(documents), len(seeds)) > 1, leaf.name
        assert (len(fields) == 1) is leaf.paired, leaf.name


RATES = {
    "keyboard_typo": 0.2, "char_delete": 0.2, "char_insert": 0.2, "char_swap": 0.6, "inner_shuffle": 0.6,
    "ocr_noise": 0.15, "homoglyph": 0.3, "invisible_chars": 0.2, "leet": 0.5, "synonym": 0.5, "filler": 0.125,
    "function_word_drop": 0.6,
}  # fmt: skip
"""Share of the sites at severity 1; all of them where nothing is said."""


@pytest.mark.parametrize("leaf", LEAVES, ids=lambda leaf: leaf.name)
@pytest.mark.parametrize("severity", [0.3, 1.0])
def test_the_realised_rate_is_the_nominal_one(leaf: Perturbation, severity: float) -> None:
    """6: edits per site lie within 99.9 % of a binomial distribution."""
    leaf = dataclasses.replace(leaf, severity=severity)
    results = [leaf.apply(text, document=f"{i}-{j}") for i in range(60) for j, text in enumerate(SENTENCES)]
    sites = sum(r.sites for r in results)
    whole = leaf.name in ("gender_swap", "name_swap")
    edits = sum(bool(r.edits) if whole else len(r.edits) for r in results)
    chance = severity * RATES.get(leaf.name, 1.0)
    assert sites >= 60
    assert abs(edits - sites * chance) <= 3.3 * (sites * chance * (1 - chance)) ** 0.5 + 1e-6


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        " ",
        "\n\n",
        "🙂👩‍👩‍👧 🇩🇪",
        "שלום עולם",
        "مرحبا بالعالم",
        "1234 5.6",
        "的确很好",
        "\ud83d",
        "\x00\x1b[0m",
        "'",
        "...",
        "Q:",
    ],
)
def test_odd_texts_do_not_raise(text: str) -> None:
    """9: texts without a word, in other scripts, of one character, with stray surrogates."""
    check_all(text, "d")


@pytest.mark.parametrize(
    "unit", ["word ", "a", "1", "$=", "don't ", "Answer: ", "(", "\n", "`<{{", "A. ", "x@y.z ", "\u0301"]
)
def test_fifty_thousand_characters(unit: str) -> None:
    """9: long texts take time in proportion to their length, whatever they consist of."""
    source = Source.of((unit * 50_000)[:50_000])
    for leaf in LEAVES:
        result = dataclasses.replace(leaf, severity=0.5).apply(source, document="d")
        assert len(result.text) <= 8 * len(source.text) + 400


def test_case_and_contractions_undo_themselves() -> None:
    """10: lowering the lowered changes nothing; what is spelt out and drawn together again is the same."""
    lower, upper, shorter, longer = (
        spec(name, {"severity": 1.0}) for name in ("lower_case", "upper_case", "contraction", "expansion")
    )
    for text in SENTENCES:
        for leaf in (lower, upper):
            once = leaf.apply(text, document="d").text
            assert leaf.apply(once, document="d").text == once
    short = "They're sure I'm late, he'll wait, we don't care, you can't go and it won't rain because it isn't there."
    full = longer.apply(short, document="d").text
    assert "'" not in full
    assert shorter.apply(full, document="d").text == short


def test_real_texts(real_texts: Callable[[int], list[str]]) -> None:
    """All of it on 200 texts of thirteen tasks."""
    for i, text in enumerate(real_texts(200)):
        check_all(text, str(i))


@pytest.mark.slow
def test_ten_thousand_real_texts(real_texts: Callable[[int], list[str]]) -> None:
    """All of it on 10,000 texts of thirteen tasks."""
    found = real_texts(10_000)
    assert len(found) == 10_000
    for i, text in enumerate(found):
        check_all(text, str(i))
