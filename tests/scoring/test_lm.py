"""The lm-eval model: equal to lm-eval's own Hugging Face backend, and to one sequence at a time."""

import copy
import math

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM

from harness.generation.budget import Budget
from harness.records import OutOfMemory
from harness.scoring import executor, reference
from harness.scoring.lm import HarnessLM
from harness.scoring.requests import cut

FAMILIES = ("gpt2", "gpt_neo", "gptj", "gpt_neox", "opt", "llama")
PAIRS = [
    ("the cat sat on", " the mat"),
    ("the cat sat on", " the dog ran home"),
    ("the cat sat on ", "the mat"),
    ("the cat sat on  \n", "  the mat  "),
    ("", "the dog"),
    ("", "<|endoftext|>the dog"),
    ("<|endoftext|>the", " dog"),
    ("<s>the", " dog"),
    ("naïve 東京", " 🙂 été"),
    ("Q: what is it? A:", " A"),
    ("Q: what is it? A:", " B"),
    ("Q: what is it? A:", " C"),
    ("Q: what is it? A:", " C"),
    ("the cat and the dog " * 30, " ran home"),
    ("the cat and the dog " * 30, " sat on the mat and the cat"),
]
TEXTS = [
    "the cat sat on the mat",
    "x",
    "",
    "the dog 東京 ran home. " * 20,
    "a b c d e f g h i j k l m n o p q r s t " * 4,
]


def instances(kind, arguments):
    return [Instance(request_type=kind, doc={}, arguments=a, idx=i) for i, a in enumerate(arguments)]


def ours(tiny, family, *, begins=False, batch=4):
    return HarnessLM(tiny.model(family), tiny.tokenizer(begins=begins), batch=batch, context=tiny.CONTEXT)


def theirs(tiny, family, *, begins=False, batch=4):
    # Without its cache of one-token answers: in 0.4.13 that cache gives a wrong sum where two requests with equal
    # rows score a different number of tokens (PAIRS[4] to PAIRS[6]).
    return HFLM(
        logits_cache=False,
        pretrained=tiny.model(family),
        tokenizer=tiny.tokenizer(begins=begins),
        batch_size=batch,
        max_length=tiny.CONTEXT,
    )


@pytest.mark.parametrize("begins", [False, True])
@pytest.mark.parametrize("family", FAMILIES)
def test_scores_equal_those_of_lm_eval(tiny, family, begins):
    """Same log-likelihoods and greedy flags, for white space, Unicode, empty and overlong contexts."""
    requests = instances("loglikelihood", PAIRS)
    expected = theirs(tiny, family, begins=begins).loglikelihood(requests, disable_tqdm=True)
    actual = ours(tiny, family, begins=begins).loglikelihood(requests)
    assert [flag for _, flag in expected] == [flag for _, flag in actual]
    assert [total for total, _ in actual] == pytest.approx([total for total, _ in expected], abs=1e-3)


@pytest.mark.parametrize("begins", [False, True])
@pytest.mark.parametrize("family", FAMILIES)
def test_whole_texts_equal_those_of_lm_eval(tiny, family, begins):
    """Same sums over rolling windows, an empty text included."""
    requests = instances("loglikelihood_rolling", [(text,) for text in TEXTS])
    expected = theirs(tiny, family, begins=begins).loglikelihood_rolling(requests, disable_tqdm=True)
    assert ours(tiny, family, begins=begins).loglikelihood_rolling(requests) == pytest.approx(expected, abs=1e-3)


def test_scores_do_not_depend_on_the_batch(tiny):
    """One row at a time and all rows at once agree."""
    one, many = ours(tiny, "gpt_neo", batch=1), ours(tiny, "gpt_neo", batch=64)
    a, b = one.score(PAIRS, tiny.quiet), many.score(PAIRS, tiny.quiet)
    assert [s.logprob for s in a] == pytest.approx([s.logprob for s in b], abs=1e-4)
    assert [(s.greedy, s.tokens, s.prompt_tokens) for s in a] == [(s.greedy, s.tokens, s.prompt_tokens) for s in b]


ids = st.lists(st.integers(0, 319), min_size=1, max_size=40)


@pytest.mark.parametrize("family", FAMILIES)
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
@given(data=st.data())
def test_any_requests_equal_the_reference(tiny, family, data):
    """Random rows of random lengths, shared contexts and repeats: within 1e-4 of one sequence at a time."""
    contexts = data.draw(st.lists(ids, min_size=1, max_size=3))
    tails = data.draw(st.lists(ids, min_size=1, max_size=4))
    requests = [cut(c, t[:9], limit=tiny.CONTEXT, label="") for c in contexts for t in (*tails, tails[0][:1])]
    budget = Budget(rows=data.draw(st.integers(1, 9)), tokens=data.draw(st.integers(1, 300)))
    actual = executor.score(tiny.model(family), requests, budget, tiny.quiet)
    expected = [reference.score(tiny.model(family), request) for request in requests]
    assert [total for total, _ in actual] == pytest.approx([total for total, _ in expected], abs=1e-4)
    assert [flag for _, flag in actual] == [flag for _, flag in expected]


def test_a_greedy_continuation_is_flagged(tiny):
    """The model's own most likely continuation is greedy, another is not."""
    model = tiny.model("llama")
    best = int(model(torch.tensor([[5, 6, 7]])).logits[0, -1].argmax())
    requests = [cut([5, 6, 7], [token], limit=8, label="") for token in (best, best + 1)]
    flags = [flag for _, flag in executor.score(model, requests, Budget(rows=4, tokens=100), tiny.quiet)]
    assert flags == [True, False]


def test_truncation_is_counted(tiny):
    """A cut prompt says so, and its tokens are counted after the cut."""
    short, long = ours(tiny, "gpt2").score([PAIRS[0], PAIRS[-1]], tiny.quiet)
    assert not short.truncated
    assert short.tokens + short.prompt_tokens < tiny.CONTEXT
    assert long.truncated
    assert long.tokens + long.prompt_tokens == tiny.CONTEXT + 1


def test_progress_counts_requests(tiny):
    """Listeners see a rising number of answered requests that ends at the total."""
    seen = []
    ours(tiny, "gpt2").score(PAIRS, lambda *event: seen.append(event))
    assert {phase for phase, _, _ in seen} == {"scoring"}
    assert [done for _, done, _ in seen] == sorted({done for _, done, _ in seen})
    assert seen[-1][1:] == (len(PAIRS), len(PAIRS))


@pytest.mark.parametrize("pair", [("the cat", ""), ("", ""), ("", "<|endoftext|>"), ("the", " cat" * 99)])
def test_what_cannot_be_scored_is_refused_in_one_line(tiny, pair):
    """A continuation without tokens, or longer than the context, is named."""
    with pytest.raises(ValueError, match="its continuation") as error:
        ours(tiny, "gpt2").score([PAIRS[0], pair], tiny.quiet)
    assert "\n" not in str(error.value)


class Narrow(torch.nn.Module):
    """The real model, on a device that holds `most` rows: more raise the error that torch raises."""

    def __init__(self, model, most, error):
        super().__init__()
        self.inner, self.most, self.error, self.tried = model, most, error, []
        self.config, self.device = model.config, model.device

    def forward(self, input_ids, logits_to_keep=0, **kwargs):
        """Counts the rows of each call and refuses too many."""
        self.tried.append(len(input_ids))
        if len(input_ids) > self.most:
            raise self.error
        return self.inner(input_ids=input_ids, logits_to_keep=logits_to_keep, **kwargs)


HOST = RuntimeError("[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: x")


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), HOST])
def test_a_batch_that_does_not_fit_is_halved(tiny, error):
    """Answers are those of the undisturbed model, finished batches are kept, the smaller batch stays in use."""
    narrow = Narrow(tiny.model("gpt2"), 3, error)
    lm = HarnessLM(narrow, tiny.tokenizer(), batch=8, context=tiny.CONTEXT)
    expected = ours(tiny, "gpt2").score(PAIRS, tiny.quiet)
    actual = lm.score(PAIRS, tiny.quiet)
    assert [s.logprob for s in actual] == pytest.approx([s.logprob for s in expected], abs=1e-4)
    assert lm.batch == 2
    assert narrow.tried[:3] == [8, 4, 2]
    assert all(rows <= 2 for rows in narrow.tried[2:])


def test_one_row_that_does_not_fit_is_out_of_memory(tiny):
    """The outcome has its own class; another RuntimeError passes as it is."""
    requests = [PAIRS[0]]
    narrow = Narrow(tiny.model("gpt2"), 0, torch.OutOfMemoryError("CUDA out of memory"))
    with pytest.raises(OutOfMemory, match="one row"):
        HarnessLM(narrow, tiny.tokenizer(), batch=8, context=tiny.CONTEXT).score(requests, tiny.quiet)
    other = Narrow(tiny.model("gpt2"), 0, RuntimeError("shapes do not match"))
    with pytest.raises(RuntimeError, match="shapes"):
        HarnessLM(other, tiny.tokenizer(), batch=8, context=tiny.CONTEXT).score(requests, tiny.quiet)


def test_weights_that_are_not_numbers_are_refused(tiny):
    """NaN weights raise an error that names the first request."""
    broken = copy.deepcopy(tiny.model("gpt_neox"))
    with torch.no_grad():
        broken.get_output_embeddings().weight[7] = math.nan
    lm = HarnessLM(broken, tiny.tokenizer(), batch=8, context=tiny.CONTEXT)
    with pytest.raises(ValueError, match=r"the cat sat on.*not finite"):
        lm.score(PAIRS[:2], tiny.quiet)


def test_a_tokenizer_without_first_and_last_token_is_refused(tiny):
    """There is nothing to condition an empty context on."""
    bare = copy.deepcopy(tiny.tokenizer())
    bare.bos_token = bare.eos_token = None
    with pytest.raises(ValueError, match="neither a beginning"):
        HarnessLM(tiny.model("gpt2"), bare, batch=1, context=8)
