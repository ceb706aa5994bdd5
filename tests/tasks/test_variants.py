"""Variants of a prompt as configuration, the grammar of formats, and what a format does to a text."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.config import ConfigError, construct
from harness.tasks import formats, layout
from harness.tasks.example_order import order
from harness.tasks.perturbed import Variant
from harness.tasks.spec import Task
from harness.tasks.variants import ExampleDraw, ExampleOrder, OptionOrder, PromptFormat, PromptVariant

CONF = Path(__file__).parents[2] / "conf" / "perturbation"
FORM = {"casing": "upper", "separator": ": ", "space": " ", "wrapper": "{}."}
KINDS = {
    "prompt_format": PromptFormat,
    "option_order": OptionOrder,
    "example_order": ExampleOrder,
    "example_draw": ExampleDraw,
}


def leaf(name: str) -> PromptVariant:
    """The variant that a config leaf describes."""
    return construct(yaml.safe_load((CONF / f"{name}.yaml").read_text()), where=name)


def asked(shots: int) -> Task:
    """A task with so many examples."""
    return Task(name="sst2", kind="classification", source="sst2", metrics=["acc"], shots=shots)


@pytest.mark.parametrize("name", KINDS)
def test_every_leaf_constructs_its_variant_and_one_of_its_kind_per_cell(name: str) -> None:
    """Cells differ in their replicate alone, have no severity whatever was asked for, and can be constructed again."""
    made = leaf(name)
    assert isinstance(made, KINDS[name])
    assert isinstance(made, Variant)
    cells = made.each((0.1, 0.3))
    assert [(one.name, one.group, one.severity, one.replicate, one.replicates) for one in cells] == [
        (name, "prompt", 0.0, number, 1) for number in range(made.replicates)
    ]
    assert [one.each()[0] for one in cells] == list(cells)
    for one in cells:
        fields = json.loads(json.dumps(dataclasses.asdict(one)))
        assert construct({"_target_": f"{type(one).__module__}.{type(one).__name__}", **fields}, where=name) == one


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"group": "strict"}, "group='strict' is not a valid value"),
        ({"severity": 0.3}, "severity=0.3 has no meaning for prompt_format: it must be 0"),
        ({"replicates": 0}, "replicates=0 must be a whole number from 1 on"),
        ({"replicate": -1}, "replicate=-1 must be a whole number from 0 on"),
        ({"seed": 1.5}, "seed=1.5 must be a whole number"),
        ({"format": {"casing": "upper"}}, "must have exactly these keys: casing, separator, space, wrapper"),
        ({"format": {**FORM}, "replicates": 2}, "replicates=2, but format names one format: set replicates=1"),
        ({"format": {**FORM, "casing": "loud"}}, "casing='loud'"),
    ],
)
def test_bad_values_are_named(change: dict[str, Any], message: str) -> None:
    """One line: field, value, what would be right."""
    with pytest.raises(ConfigError, match=message):
        construct({"_target_": "harness.tasks.variants.PromptFormat", "name": "prompt_format", **change}, where="x")


def test_examples_are_counted_at_planning() -> None:
    """An order needs two examples, and as many orders as there are replicates; a draw needs one."""
    for shots in (0, 1):
        with pytest.raises(ConfigError, match=rf"task sst2 has shots={shots}; an order needs shots=2 or more"):
            leaf("example_order").check(asked(shots))
    with pytest.raises(
        ConfigError, match=r"the 2 examples of task sst2 have only 1 other order: set perturbation\.exam"
    ):
        leaf("example_order").each()[1].check(asked(2))
    with pytest.raises(ConfigError, match="task sst2 has shots=0; other examples need shots=1 or more"):
        leaf("example_draw").check(asked(0))
    leaf("example_order").check(asked(3))
    leaf("example_draw").check(asked(1))
    for name in ("prompt_format", "option_order"):
        leaf(name).check(asked(0))


def test_planning_imports_neither_torch_nor_lm_eval() -> None:
    """In a process of its own: constructing, dividing into cells and checking."""
    code = (
        "import sys; from harness.tasks.variants import *; from harness.tasks.spec import Task\n"
        "t = Task(name='t', kind='classification', source='sst2', metrics=['acc'], shots=3)\n"
        "for k in (PromptFormat, OptionOrder, ExampleOrder, ExampleDraw): [o.check(t) for o in k(name='n').each()]\n"
        "print(sorted({'torch', 'lm_eval', 'jinja2', 'datasets'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_formats_follow_their_seed_and_the_grammar() -> None:
    """The same in every process and all different; a line break after the descriptor wants one between fields."""
    drawn = [formats.draw(0, number) for number in range(28)]
    assert len({form.separator for form in drawn[:14]}) == len({form.separator for form in drawn[14:]}) == 14
    assert drawn != [formats.draw(1, number) for number in range(28)]
    assert all("\n" in form.space for form in drawn if "\n" in form.separator)
    assert all(form.visible + form.blank == form.separator for form in drawn)
    code = "from harness.tasks.formats import draw; print([draw(0, n) for n in range(28)])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(drawn)


@given(size=st.integers(3, 8), seed=st.integers())
@settings(max_examples=50, deadline=None)
def test_orders_are_permutations_and_differ(size: int, seed: int) -> None:
    """Five of them, none the order there is already."""
    found = [order(size, seed=seed, number=number) for number in range(5)]
    assert all(sorted(one) == list(range(size)) for one in found)
    assert len({*found, tuple(range(size))}) == 6
    assert found == [order(size, seed=seed, number=number) for number in range(5)]


def test_there_are_no_more_orders_than_there_are() -> None:
    """Two things have one other order."""
    assert order(2, seed=0, number=0) == (1, 0)
    with pytest.raises(ValueError, match="2 examples have fewer than 2 other orders"):
        order(2, seed=0, number=1)


def prompt(pieces: list[tuple[bool, str]]) -> layout.Prompt:
    """A prompt of texts of a template (true) and contents of fields."""
    text, literals = "", []
    for literal, piece in pieces:
        if literal:
            literals.append((len(text), len(text) + len(piece)))
        text += piece
    return layout.Prompt(text, tuple(literals))


FORMATS = st.builds(
    formats.Format,
    casing=st.sampled_from(list(formats.CASINGS)),
    separator=st.sampled_from(formats.SEPARATORS),
    space=st.sampled_from(formats.SPACES),
    wrapper=st.sampled_from(formats.WRAPPERS),
)
TEXTS = st.one_of(
    st.text(max_size=40),
    st.sampled_from(["Question: me?", "a\nAnswer: b", "A. x\nB. y", "", "12:30", "http://a", ": "]),
)


@given(passage=TEXTS, question=TEXTS, options=st.lists(TEXTS, min_size=2, max_size=5), form=FORMATS)
@settings(max_examples=200, deadline=None)
def test_a_format_never_changes_the_text_of_a_field(
    passage: str, question: str, options: list[str], form: formats.Format
) -> None:
    """Whatever the fields say, they stand in the new prompt in their order, but for white space at their ends."""
    listed = [piece for i, one in enumerate(options) for piece in ((True, f"\n{chr(65 + i)}. "), (False, one))]
    before = prompt([(False, passage), (True, "\nQuestion: "), (False, question), *listed, (True, "\nAnswer:")])
    after = layout.rewritten(before, layout.marks(before, layout.Known()), form)
    place = 0
    written = [form.item(chr(65 + i)) for i in range(len(options))]
    labelled = [part for pair in zip(written, options, strict=True) for part in pair]
    for part in (passage, form.descriptor("Question"), question, *labelled, form.descriptor("Answer")):
        found = after.find(part.strip(), place)
        assert found >= 0, (part, after)
        place = found + len(part.strip())
    assert after[place:] == form.visible
    assert len(after) == len(after.rstrip())


@pytest.mark.parametrize(
    ("pieces", "written"),
    [
        ([(False, "fine "), (True, "\nQuestion: Good?\nAnswer:")], "fine || QUESTION - Good? || ANSWER -"),
        ([(True, "Q: "), (False, "x"), (True, "\nA:")], "Q - x || A -"),
        ([(True, "Premise: "), (False, "x"), (True, " Claim: "), (False, "y")], "PREMISE - x || CLAIM - y"),
        ([(True, "Options:\nA. "), (False, "x"), (True, "\nB. "), (False, "y")], "OPTIONS - <A> x || <B> y"),
        ([(False, "x"), (True, "\n\nTL;DR:")], "x || TL;DR -"),
        ([(True, "问题\uff1a"), (False, "x"), (True, "\n答案\uff1a")], "问题 - x || 答案 -"),
        ([(True, "See http://a.b at 12:30, then "), (False, "x")], "See http://a.b at 12:30, then x"),
        ([(False, "Note: x\nA. y\nB. z")], "Note: x\nA. y\nB. z"),
    ],
)
def test_what_counts_as_a_descriptor(pieces: list[tuple[bool, str]], written: str) -> None:
    """A few words and a colon where a line or a text of the template begins."""
    form = formats.Format(casing="upper", separator=" - ", space=" || ", wrapper="<{}>")
    before = prompt(pieces)
    assert layout.rewritten(before, layout.marks(before, layout.Known()), form) == written


def test_descriptors_that_all_documents_hold_are_the_tasks() -> None:
    """Words that some documents hold, or that one holds twice in its midst, are left alone."""
    texts = [f"Review: {one}.\nNote: x\nSentiment:" for one in ("good", "bad", "fair")]
    known = layout.shared([layout.Prompt(text) for text in [*texts, "Review: Odd\nSentiment: not this\nSentiment:"]])
    assert known == layout.Known(words=frozenset({"Review", "Sentiment"}), items=False)
    form = formats.Format(casing="lower", separator=":", space=" ", wrapper="{}.")
    odd = layout.Prompt("Review: a\nReview: b\nSentiment:")
    assert layout.rewritten(odd, layout.marks(odd, known), form) == "review:a\nReview: b sentiment:"
    assert layout.shared([layout.Prompt(text) for text in texts[:2]]) == layout.Known()
