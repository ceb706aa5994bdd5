"""The lm-eval model: equal to lm-eval's own Hugging Face backend, and to one sequence at a time."""

import copy
import math

import pytest
import torch
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM

from harness.scoring.lm import HarnessLM
from harness.scoring.options import Scoring

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
    """One row at a time and all rows at once, in another order, agree."""
    one, many = ours(tiny, "gpt_neo"), ours(tiny, "gpt_neo")
    one.configure(Scoring(layout="reference"))
    a, b = one.score(PAIRS, tiny.quiet), many.score(PAIRS[::-1], tiny.quiet)[::-1]
    assert (one.facts()["layout"], many.facts()["layout"]) == ("reference", "tree")
    assert [s.logprob for s in a] == pytest.approx([s.logprob for s in b], abs=1e-4)
    assert [(s.greedy, s.tokens, s.prompt_tokens) for s in a] == [(s.greedy, s.tokens, s.prompt_tokens) for s in b]


def test_a_greedy_continuation_is_flagged(tiny):
    """The model's own most likely continuation is greedy, another is not."""
    model = tiny.model("llama")
    lm = ours(tiny, "llama")
    best = int(model(torch.tensor([[5, 6, 7]])).logits[0, -1].argmax())
    answers = lm._loglikelihood_tokens([(("", ""), [5, 6, 7], [token]) for token in (best, best + 1)])
    assert [flag for _, flag in answers] == [True, False]


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


@pytest.mark.parametrize("pair", [("the \ud83d cat", " sat"), ("the cat", " \udc4d")])
def test_text_that_is_no_unicode_is_refused_in_one_line(tiny, pair):
    """Half of a surrogate pair, which JSON can hold, is named; so is a prompt to continue."""
    with pytest.raises(ValueError, match=r"ud(83d|c4d).*cannot be tokenised") as error:
        ours(tiny, "gpt2").score([PAIRS[0], pair], tiny.quiet)
    assert "\n" not in str(error.value)
    with pytest.raises(ValueError, match="cannot be tokenised"):
        ours(tiny, "gpt2").generate([("".join(pair), {})], tiny.quiet)


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
