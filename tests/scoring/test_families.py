"""Every layout equals the reference, for every family, any shape of model and any structure of sharing."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.forward import kernels
from harness.forward.body import Body
from harness.scoring import executor, reference
from harness.scoring.account import Account
from harness.scoring.requests import cut

FAMILIES = ("gpt2", "gpt_neo", "gptj", "gpt_neox", "opt", "llama")

few = st.integers(0, 3)
tokens = st.lists(st.integers(0, 319), min_size=1, max_size=12)


@st.composite
def shared_requests(draw, limit):
    """Requests that share beginnings on several levels: a few-shot part, a document, the beginning of an answer."""
    prefixes = draw(st.lists(st.lists(st.integers(0, 319), max_size=24), min_size=1, max_size=2))
    documents = draw(st.lists(tokens, min_size=1, max_size=3))
    stems = draw(st.lists(tokens, min_size=1, max_size=2))
    # Few distinct tokens at the ends, so that answers often begin alike, repeat, or begin one another.
    ends = draw(st.lists(st.lists(few, min_size=1, max_size=5), min_size=1, max_size=4))
    return [
        cut((*prefix, *document), (*stem, *end) if draw(st.booleans()) else end, limit=limit, label="drawn")
        for prefix in prefixes
        for document in documents
        for stem in stems
        for end in ends
    ]


@pytest.mark.parametrize("family", FAMILIES)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(data=st.data())
def test_every_layout_equals_the_reference(tiny, family, data):
    """Log-likelihoods within 1e-3 (here 1e-4), the same greedy flags, the same likeliest answers; no token lost."""
    shape = tiny.shape(
        family,
        layers=data.draw(st.integers(1, 3)),
        heads=data.draw(st.sampled_from([2, 4])),
        size=data.draw(st.sampled_from([4, 8, 12])),
        window=data.draw(st.integers(2, 9)),
    )
    model = tiny.built(shape, seed=data.draw(st.integers(0, 99)))
    requests = data.draw(shared_requests(tiny.CONTEXT))
    expected = [reference.score(model, request) for request in requests]
    limit = data.draw(st.sampled_from([None, 8, 20, 64]))
    for tree in (True, False):
        found, account = {}, Account()
        with kernels.fast(model):
            executor.planned(Body(model), requests, found.update, account, tree=tree, tokens=limit)
        assert [found[i][0] for i in range(len(requests))] == pytest.approx([a for a, _ in expected], abs=1e-4)
        assert [found[i][1] for i in range(len(requests))] == [flag for _, flag in expected]
        assert best([found[i] for i in range(len(requests))]) == best(expected)
        assert account.computed_tokens >= account.unique_tokens
    assert account.unique_tokens == len({tuple(r.row[:n]) for r in requests for n in range(1, len(r.row) + 1)})


def best(answers):
    """Place of the likeliest answer; of answers that are equal up to rounding, the first."""
    return min(range(len(answers)), key=lambda i: (-round(answers[i][0], 3), i))


@pytest.mark.parametrize("family", FAMILIES)
def test_kernels_leave_the_model_as_it_was(tiny, family):
    """Within the block results differ by rounding only; behind it not at all, and no weight has changed."""
    import torch

    model = tiny.built(tiny.config(family), seed=3)
    ids = torch.tensor([[5, 6, 7, 8, 9]])
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with torch.inference_mode():
        before = model(input_ids=ids).logits
        with kernels.fast(model):
            within = model(input_ids=ids).logits
        after = model(input_ids=ids).logits
    assert torch.allclose(within, before, atol=1e-4)
    assert torch.allclose(after, before, atol=1e-6)
    assert all(torch.equal(tensor, state[name]) for name, tensor in model.state_dict().items())
    assert not any("forward" in vars(module) for module in model.modules())
