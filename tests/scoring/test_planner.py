"""Plans compute every token of every row, at its depth and behind its own beginning, and little twice."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.scoring.planner import Cost, Plan, Step, plan
from harness.scoring.planner_tree import ids, seen, tree

CHEAP = Cost(tokens=1024, overhead=40, pair=4e-4, tree=True)

costs = st.builds(
    Cost,
    tokens=st.integers(1, 40),
    overhead=st.sampled_from([0.0, 0.5, 3.0, 50.0]),
    pair=st.sampled_from([0.0, 1e-3, 0.3]),
    tree=st.booleans(),
)
row_sets = st.one_of(
    st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=12), min_size=1, max_size=40, unique_by=tuple),
    st.lists(st.lists(st.integers(65534, 65537), min_size=1, max_size=5), min_size=1, max_size=20, unique_by=tuple),
    st.integers(1, 60).map(lambda deep: [[7] * size for size in range(1, deep + 1)]),
    st.tuples(st.integers(1, 30), st.integers(1, 30)).map(
        lambda sizes: [[1] * sizes[0] + [2] * size + [3] for size in range(sizes[1])]
    ),
)


def arrays(rows):
    return [np.array(row, dtype=np.int32) for row in rows]


def beginnings(rows):
    return {tuple(row[:end].tolist()) for row in rows for end in range(1, len(row) + 1)}


def documents(count, *, answers, prompt, seed=0):
    """Prompts that begin with the same five tokens, with some answers each."""
    random = np.random.default_rng(seed)
    opening = random.integers(0, 50_000, 5)
    rows = {}
    for _ in range(count):
        document = np.concatenate([opening, random.integers(0, 50_000, random.integers(prompt // 2, prompt))])
        for _ in range(answers):
            row = np.concatenate([document, random.integers(0, 50_000, random.integers(5, 30))]).astype(np.int32)
            rows[row.tobytes()] = row
    return list(rows.values())


def few_shot(subjects, count, *, prefix):
    """Documents of some subjects, each subject with a long beginning of its own."""
    random = np.random.default_rng(1)
    beginning = [random.integers(0, 50_000, prefix) for _ in range(subjects)]
    return [
        np.concatenate([beginning[index % subjects], random.integers(0, 50_000, random.integers(60, 100))]).astype(
            np.int32
        )
        for index in range(count)
    ]


def computed_tokens(found: Plan, step: Step, rows, *, masked):
    """Per member, the tokens that the step computes for it beyond `past`, read off the layout of the pass."""
    if not masked:
        return [rows[found.order[member]][step.past : step.end] for member in step.members]
    layout = tree(found, step)
    tokens = ids(found, layout, rows)
    if step.end is not None:
        return [tokens] * len(step.members)
    bounds = zip(layout.offsets[:-1], layout.offsets[1:], strict=True)
    return [tokens[layout.places[low:high]] for low, high in bounds]


@settings(max_examples=150)
@given(row_sets, costs)
def test_every_token_is_computed_behind_its_own_beginning(rows, cost):
    """The cache is a list of tokens; a step must find its members' beginning there, and rows end where they should."""
    rows = arrays(rows)
    found = plan(rows, cost=cost)
    cache: list[int] = []
    reached = {}
    for step in found.steps:
        parts = computed_tokens(found, step, rows, masked=cost.tree)
        for member, part in zip(step.members, parts, strict=True):
            row = rows[found.order[member]].tolist()
            assert row[: step.past] == cache[: step.past]
            assert row[step.past : step.end] == part.tolist()
            assert len(part)
            end = step.past + len(part)
            assert reached.get(member, 0) >= step.past
            reached[member] = end
        if step.end is not None:
            cache = cache[: step.past] + parts[0].tolist()
    assert reached == {member: len(rows[index]) for member, index in enumerate(found.order.tolist())}


@settings(max_examples=100)
@given(row_sets, costs)
def test_counts_and_limits_of_passes(rows, cost):
    """`unique` counts distinct beginnings; `tokens` counts padding; only a row by itself may exceed the limit."""
    rows = arrays(rows)
    found = plan(rows, cost=cost)
    assert found.unique == len(beginnings(rows))
    assert found.computed == sum(step.tokens for step in found.steps)
    assert found.computed >= found.unique
    for step in found.steps:
        members = list(step.members)
        assert members == sorted(set(members))
        if step.end is not None:
            assert step.tokens == step.end - step.past > 0
            continue
        rest = [rows[found.order[member]][step.past :] for member in members]
        padded = len(rest) * max(len(row) for row in rest)
        assert step.tokens == (len(beginnings(rest)) if cost.tree else padded)
        assert len(members) == 1 or step.tokens <= cost.tokens


@settings(max_examples=100)
@given(row_sets, costs)
def test_sorted_rows_and_what_neighbours_share(rows, cost):
    """`order` sorts as tuples do, numbers beyond 16 bits included, and `shared` is the common beginning."""
    rows = arrays(rows)
    found = plan(rows, cost=cost)
    ordered = [rows[index].tolist() for index in found.order]
    assert ordered == sorted(row.tolist() for row in rows)
    assert found.lengths.tolist() == [len(row) for row in ordered]
    assert found.shared[0] == 0
    for before, row, shared in zip(ordered[:-1], ordered[1:], found.shared[1:].tolist(), strict=True):
        assert before[:shared] == row[:shared]
        assert len(before) == shared or before[shared] != row[shared]


@settings(max_examples=100)
@given(row_sets, costs, st.randoms(use_true_random=False))
def test_the_order_of_the_rows_changes_nothing(rows, cost, random):
    """The same rows in another order give the same passes over the same tokens."""
    shuffled = list(rows)
    random.shuffle(shuffled)
    one, other = plan(arrays(rows), cost=cost), plan(arrays(shuffled), cost=cost)
    assert one.steps == other.steps
    assert [rows[index] for index in one.order] == [shuffled[index] for index in other.order]


@settings(max_examples=100)
@given(row_sets, costs)
def test_tokens_see_themselves_and_their_ancestors(rows, cost):
    """A token of a pass is its beginning of a row; it sees exactly the tokens that are beginnings of that."""
    rows = arrays(rows)
    found = plan(rows, cost=Cost(tokens=cost.tokens, overhead=cost.overhead, pair=cost.pair, tree=True))
    for step in found.steps:
        layout = tree(found, step)
        of = [rows[found.order[row]].tolist() for row in layout.rows]
        nodes = [tuple(row[: depth + 1]) for row, depth in zip(of, layout.positions.tolist(), strict=True)]
        assert len(nodes) == len(set(nodes)) == step.tokens
        assert ids(found, layout, rows).tolist() == [node[-1] for node in nodes]
        expected = [[query[: len(key)] == key for key in nodes] for query in nodes]
        assert seen(layout).tolist() == expected


def test_documents_are_computed_once():
    """Answers share their prompt, in packs that cut few documents, and the common opening is one segment at most."""
    found = plan(documents(400, answers=4, prompt=120), cost=CHEAP)
    assert found.computed <= 1.02 * found.unique
    assert sum(step.end is not None for step in found.steps) < 20


def test_few_shot_beginnings_are_segments():
    """A beginning of 600 tokens is computed once per subject, in either layout."""
    rows = few_shot(7, 700, prefix=600)
    for masked in (True, False):
        found = plan(rows, cost=Cost(tokens=1024, overhead=40, pair=4e-4, tree=masked))
        assert found.computed <= 1.1 * found.unique
        assert sum(step.end == 600 for step in found.steps) == 7


def test_answers_of_a_document_stay_in_one_pack():
    """Documents that nothing connects are not cut, where they fit."""
    rows = arrays([[document, 1, 2, 3, 4, answer] for document in range(30) for answer in range(4)])
    found = plan(rows, cost=Cost(tokens=20, overhead=5, pair=1e-4, tree=True))
    assert found.computed == found.unique
    assert all(len({rows[found.order[member]][0] for member in step.members}) <= 2 for step in found.steps)


def test_packs_are_balanced():
    """600 tokens at 256 a pass are three passes of 200."""
    rows = arrays([[index, *range(9)] for index in range(60)])
    found = plan(rows, cost=Cost(tokens=256, overhead=1000, pair=0, tree=True))
    assert [step.tokens for step in found.steps] == [200, 200, 200]


def test_attention_alone_can_pay_for_a_segment():
    """A long prompt is computed before its short answers where pairs are dear, and with them where they are free."""
    prompt = list(range(1000))
    rows = arrays([[*prompt, 2000 + answer, *range(9)] for answer in range(4)])
    dear = plan(rows, cost=Cost(tokens=2048, overhead=40, pair=4e-4, tree=True))
    free = plan(rows, cost=Cost(tokens=2048, overhead=40, pair=0, tree=True))
    assert [(step.past, step.end, step.tokens) for step in dear.steps] == [(0, 1000, 1000), (1000, None, 40)]
    assert [(step.past, step.end, step.tokens) for step in free.steps] == [(0, None, 1040)]


def test_repeated_layout_computes_shared_beginnings_first():
    """Without branches in a row, four answers to a long prompt are a segment and one padded batch."""
    rows = arrays([[*range(100), 2000 + size, *range(size)] for size in (1, 2, 3, 5)])
    found = plan(rows, cost=Cost(tokens=512, overhead=10, pair=4e-4, tree=False))
    assert [(step.past, step.end, step.tokens) for step in found.steps] == [(0, 100, 100), (100, None, 24)]


def test_deeply_nested_rows():
    """A thousand rows, each one token longer than the last: 500 times their distinct tokens, were nothing shared."""
    rows = arrays([range(size) for size in range(1, 1001)])
    for tokens, masked, again in ((256, True, 5), (2048, True, 5), (1024, False, 15)):
        found = plan(rows, cost=Cost(tokens=tokens, overhead=40, pair=4e-4, tree=masked))
        assert found.computed <= again * found.unique
        assert len(found.steps) < 250


def test_no_rows():
    """Nothing to do is a plan without steps."""
    found = plan([], cost=CHEAP)
    assert (found.steps, found.unique, found.computed, len(found.order)) == ((), 0, 0, 0)


@pytest.mark.parametrize(("rows", "message"), [([[1], []], "row 1 is empty"), ([[1, 2], [3], [1, 2]], "are equal")])
def test_bad_rows(rows, message):
    """Empty rows and equal rows are named."""
    with pytest.raises(ValueError, match=message):
        plan(arrays(rows), cost=CHEAP)


@pytest.mark.parametrize("fault", [{"tokens": 0}, {"overhead": -1.0}, {"pair": float("nan")}])
def test_bad_costs(fault):
    """A cost that is none is refused by name."""
    with pytest.raises(ValueError, match=next(iter(fault))):
        Cost(**{"tokens": 8, "overhead": 1.0, "pair": 0.0, "tree": True} | fault)


def test_many_rows_need_little_memory():
    """20,000 rows are planned in about the memory of their tokens."""
    rows = documents(5000, answers=4, prompt=60)
    size = sum(row.nbytes for row in rows)
    tracemalloc.start()
    found = plan(rows, cost=CHEAP)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.computed <= 1.02 * found.unique
    assert peak < 2 * size
