"""The benchmark: its token arithmetic, its workloads without data, and the command as a user runs it."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import synthetic, vocabulary, work
from benchmarks.report import geomean
from benchmarks.results import Speed
from benchmarks.rounds import agreement, ambiguous
from benchmarks.workloads import SEVEN, Workload

WORDS = 600
LINE = re.compile(
    r"bench: geomean=(\S+) min=(\S+) gemm_fraction=(\S+) padding=(\S+) peak_memory_ratio=(\S+) generation=(\S+)"
)


@pytest.fixture(scope="module")
def tokenizer():
    """A tokenizer of invented words."""
    return vocabulary.invented(WORDS)


def bench(repository, *arguments):
    """What `python -m benchmarks.scoring` printed and returned."""
    command = [sys.executable, "-m", "benchmarks.scoring", *arguments]
    return subprocess.run(command, cwd=repository, capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.parametrize("name", synthetic.SHAPES)
def test_synthetic_workloads_have_the_lengths_they_claim(name, tokenizer):
    """Contexts, answers and the beginning that all documents share have the lengths that `SHAPES` states."""
    shape = synthetic.SHAPES[name]
    workload = synthetic.load(name, 120, tokenizer, context=1024)
    assert workload.size == 120
    assert {len(document) for document in workload.documents} == {shape.answers}
    contexts = [document[0][1] for document in workload.documents]
    assert all(
        context == item[1] for context, document in zip(contexts, workload.documents, strict=True) for item in document
    )
    lone = 0 if any(document[0][0][0] for document in workload.documents) else 1  # an empty context is one token
    lengths = sorted(len(context) - shape.prefix - lone for context in contexts)
    assert shape.context[0] <= lengths[0]
    assert lengths[-1] <= min(shape.context[-1], 256)
    assert shape.context[1] <= lengths[60] <= shape.context[3]
    assert all(context[: shape.prefix] == contexts[0][: shape.prefix] for context in contexts)
    answers = sorted(len(item[2]) for item in workload.items)
    assert shape.answer[0] <= answers[0] <= answers[-1] <= shape.answer[-1]
    assert shape.answer[1] <= answers[len(answers) // 2] <= shape.answer[3]


@pytest.mark.parametrize("name", ["piqa", "blimp", "paradigm"])
def test_synthetic_answers_begin_alike(name, tokenizer):
    """Where real answers of a document share their beginning, so do the invented ones; all answers are distinct."""
    workload = synthetic.load(name, 60, tokenizer, context=1024)
    shared = [
        work.common(first[2], second[2])
        for document in workload.documents
        for first, second in combinations(document, 2)
    ]
    _, low, _, high, _ = synthetic.SHAPES[name].shared
    assert low * 0.5 <= sum(shared) / len(shared) <= high * 2
    assert all(len({tuple(item[2]) for item in document}) == len(document) for document in workload.documents)


def test_synthetic_workloads_are_the_same_every_time(tokenizer):
    """Two processes that build a workload compare the same requests."""
    assert synthetic.load("boolq", 5, tokenizer, context=1024) == synthetic.load("boolq", 5, tokenizer, context=1024)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.lists(st.integers(0, 2), min_size=1, max_size=7), st.integers(1, 3)), max_size=8))
def test_work_counts_the_radix_tree(rows):
    """Unique tokens, keys and heads are those of the set of all beginnings, listed one by one."""
    rows = [(tuple(row), min(targets, len(row))) for row, targets in rows]
    beginnings = {row[:end] for row, _ in rows for end in range(1, len(row) + 1)}
    heads = {row[:end] for row, targets in rows for end in range(len(row) - targets + 1, len(row) + 1)}
    counted = work.count(rows)
    assert counted.unique == len(beginnings)
    assert counted.keys == sum(map(len, beginnings))
    assert counted.heads == len(heads)
    assert counted.naive == sum(len(row) for row, _ in rows)


def test_cost_of_one_token_by_hand():
    """Two operations a weight, four a key and width and layer, two an entry of the output layer."""
    cost = work.Cost(body=100, layers=2, width=8, hidden=8, vocabulary=50)
    assert cost.flops(work.count([((1,), 1)])) == 2 * 100 + 4 * 8 * 2 + 2 * 8 * 50


def test_requests_that_share_a_cache_entry_with_unequal_answers_are_left_out():
    """They are named, and neither their difference nor the decision of their document counts."""
    short, long = (("ab", "c"), [1, 2], [3]), (("a", "bc"), [1], [2, 3])
    other = (("a", "d"), [1], [4])
    assert ambiguous([short, other, long]) == {0, 2}
    workload = Workload(name="piqa", documents=((short, long), (other, (("a", "e"), [1], [5]))))
    ours, theirs = [-1.0, -2.0, -1.0, -2.0], [-5.0, -2.0, -1.0, -2.5]
    assert agreement(workload, ours, theirs) == (0.5, 0, 2)
    assert agreement(workload, ours, [-1.0, -2.0, -3.0, -2.5]) == (2.0, 1, 2)


def test_ratios_of_a_workload_that_lm_eval_got_in_shares():
    """Seconds on a share of the documents are scaled to all; the bound is the time at the rate of matrix products."""
    speed = Speed(
        name="piqa", source="real", documents=2, requests=4, work=work.count([((1, 2), 1)]), flops=1e9, batch=8,
        batches={8: 1.0}, ours=(1.0, 3.0), theirs=(4.0, 12.0), shares=(0.5, 0.5), products=(1e9, 1e9),
        facts={"padded_tokens": 6, "planning_seconds": 0.4}, reference=10.0, difference=0.0, flips=0, left_out=0,
    )  # fmt: skip
    assert speed.their_seconds == 16
    assert speed.ratios == (8, 8)
    assert speed.ratio == 8
    assert speed.bound == 16
    assert speed.product_fraction == 0.5
    assert speed.padding == 0.5
    assert speed.planning_share == 0.1
    assert speed.reference_ratio == 10
    assert math.isnan(replace(speed, facts={}).padding)


def test_geometric_mean():
    """Of two and eight it is four; of nothing it is not a number."""
    assert geomean([2.0, 8.0]) == pytest.approx(4)
    assert math.isnan(geomean([]))


def test_the_command_prints_a_last_line_for_machines(repository, tmp_path):
    """A quick run of a tiny model ends with finite figures; the JSON holds the raw rounds, the figure is a picture."""
    out, picture = tmp_path / "bench.json", tmp_path / "bench.png"
    done = bench(
        repository, "--model", "tiny", "--quick", "--threads", "1", "--json", str(out), "--figure", str(picture)
    )
    assert done.returncode == 0, done.stderr
    found = LINE.fullmatch(done.stdout.splitlines()[-1])
    assert found
    geometric, least, fraction, padding, memory, generation = map(float, found.groups())
    assert 0 < least <= geometric < math.inf
    assert 0 < fraction < 1
    assert 0 <= padding < 1
    assert 0 < memory < math.inf
    assert generation > 0
    report = json.loads(out.read_text(encoding="utf-8"))
    assert [speed["name"] for speed in report["speeds"]] == list(SEVEN)
    assert all(speed["flips"] == 0 and speed["difference"] < 1e-3 for speed in report["speeds"])
    assert all(len(speed["ours"]) == len(speed["theirs"]) >= 1 for speed in report["speeds"])
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert "synthetic" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--workloads", "piqa,hellaswg"), "'hellaswg' is not a workload: any of hellaswag,"),
        (("--documents", "0"), "'0' is not a valid value: a whole number of at least 1"),
        (("--model", "gpt5"), "invalid choice: 'gpt5'"),
        (("--nonsense",), "unrecognized arguments: --nonsense"),
    ],
)
def test_a_bad_argument_is_told_in_one_line(repository, arguments, said):
    """What is wrong and what would be right, without a traceback or the usage."""
    done = bench(repository, *arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""


def test_planning_tells_what_it_costs_and_saves(repository):
    """One line for each kind of cell, with fewer tokens computed where prompts are shared."""
    command = [sys.executable, "-m", "benchmarks.planning", "--requests", "400"]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, timeout=120, check=False)
    shares = [int(share) for share in re.findall(r"(\d+)% of the tokens are computed", done.stdout)]
    assert done.returncode == 0, done.stderr
    assert len(shares) == 3
    assert shares[0] < shares[1] < shares[2]
