"""Decoding: equal to `generate` of transformers and to lm-eval's own backend, whatever the batch."""

import copy

import pytest
import torch
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM

from harness.generation.budget import Budget, is_out_of_memory
from harness.generation.decoder import Decoder
from harness.generation.options import Options, parse
from harness.records import OutOfMemory
from harness.scoring.lm import HarnessLM

FAMILIES = ("gpt2", "gpt_neo", "gptj", "gpt_neox", "opt", "llama")
ROWS = [[5, 9, 200, 31], [7], [100 + i for i in range(23)], [8, 8, 8, 44, 2, 90, 61, 17, 23, 4, 300]]
PROMPTS = ["the cat sat on", "Q: what is it? A:", "naïve 東京 🙂", "the dog " * 50, "x", "<|endoftext|>the cat"]


def ours(tiny, family, *, begins=False, batch=4):
    return HarnessLM(tiny.model(family), tiny.tokenizer(begins=begins), batch=batch, context=tiny.CONTEXT)


def own_loop(model, rows, new):
    decoder = Decoder(model, rows)
    tokens = [decoder.prefill().argmax(-1)]
    while len(tokens) < new:
        tokens.append(decoder.step(tokens[-1]).argmax(-1))
    return torch.stack(tokens, dim=1).tolist()


@pytest.mark.parametrize("family", FAMILIES)
def test_the_loop_equals_generate(tiny, family):
    """Token for token, one row at a time and four rows of different lengths at once (past GPT-Neo's local window)."""
    model = tiny.model(family)
    expected = [
        model.generate(
            torch.tensor([row]),
            attention_mask=torch.ones(1, len(row)),
            do_sample=False,
            eos_token_id=[-1],
            pad_token_id=0,
            max_new_tokens=20,
            min_new_tokens=20,
        )[0, len(row) :].tolist()
        for row in ROWS
    ]
    assert [own_loop(model, [row], 20)[0] for row in ROWS] == expected
    assert own_loop(model, ROWS, 20) == expected


@pytest.mark.parametrize(("family", "begins"), [*((f, False) for f in FAMILIES), ("opt", True), ("llama", True)])
def test_texts_equal_those_of_lm_eval(tiny, family, begins):
    """Same strings, with stop strings, Unicode and overlong prompts."""
    until = ["e", " t", "\n\n"]
    arguments = [{"until": until, "max_gen_toks": 10}, {"until": ["東"], "max_gen_toks": 14, "do_sample": False}]
    pairs = [(prompt, dict(a)) for a in arguments for prompt in PROMPTS]
    requests = [
        Instance(request_type="generate_until", doc={}, arguments=copy.deepcopy(p), idx=i) for i, p in enumerate(pairs)
    ]
    backend = HFLM(
        pretrained=tiny.model(family),
        tokenizer=copy.deepcopy(tiny.tokenizer(begins=begins)),
        batch_size=1,
        max_length=tiny.CONTEXT,
    )
    expected = backend.generate_until(copy.deepcopy(requests), disable_tqdm=True)
    assert ours(tiny, family, begins=begins, batch=1).generate_until(requests) == expected
    assert ours(tiny, family, begins=begins, batch=5).generate_until(requests) == expected


def test_the_text_ends_before_the_stop_string(tiny):
    """Cut at the first stop string, even where it begins inside a token; the tokens that made it are counted."""
    lm = ours(tiny, "gpt2")
    [free] = lm.generate([("the cat sat", {"max_gen_toks": 16})], tiny.quiet)
    stop = free.text[5:7]
    [cut] = lm.generate([("the cat sat", {"max_gen_toks": 16, "until": stop})], tiny.quiet)
    assert cut.text == free.text[: free.text.index(stop)]
    assert 0 < cut.tokens < free.tokens == 16


def test_an_end_token_ends_a_row(tiny):
    """The row stops at the end token of the tokenizer, which is not part of the text."""
    model = copy.deepcopy(tiny.model("llama"))
    with torch.no_grad():
        model.get_output_embeddings().weight = torch.nn.Parameter(torch.zeros_like(model.lm_head.weight))
    lm = HarnessLM(model, tiny.tokenizer(), batch=2, context=tiny.CONTEXT)
    assert [(g.text, g.tokens) for g in lm.generate([("the cat", {}), ("a", {})], tiny.quiet)] == [("", 1), ("", 1)]


def test_a_prompt_and_answer_longer_than_the_context_fit(tiny):
    """Prompts lose their left; an answer as long as the context leaves half of it to the prompt. Both are counted."""
    lm = ours(tiny, "gpt2")
    long, short, huge, empty = lm.generate(
        [
            ("the dog " * 90, {"max_gen_toks": 10}),
            ("the dog", {"max_gen_toks": 10}),
            ("the dog " * 90, {"max_gen_toks": 500}),
            ("", {"max_gen_toks": 3}),
        ],
        tiny.quiet,
    )
    assert (long.prompt_tokens, long.truncated) == (tiny.CONTEXT - 10, True)
    assert not short.truncated
    assert (huge.prompt_tokens, huge.truncated) == (tiny.CONTEXT // 2, True)
    assert huge.tokens <= tiny.CONTEXT // 2
    assert empty.prompt_tokens == 1


def test_draws_depend_on_prompt_and_seed_only(tiny):
    """Sampling gives the same texts in any batch and order; another seed and a second draw give others."""
    arguments = {"do_sample": True, "temperature": 1.5, "max_gen_toks": 12, "top_k": 50, "top_p": 0.95}
    requests = [(prompt, arguments) for prompt in (*PROMPTS, PROMPTS[0])]
    one = ours(tiny, "gpt_neox", batch=1).generate(requests, tiny.quiet)
    many = ours(tiny, "gpt_neox", batch=8).generate(requests[::-1], tiny.quiet)[::-1]
    assert [g.text for g in one[1:-1]] == [g.text for g in many[1:-1]]
    assert {one[0].text, one[-1].text} == {many[0].text, many[-1].text}
    assert one[0].text != one[-1].text
    [other] = ours(tiny, "gpt_neox").generate([(PROMPTS[0], {**arguments, "seed": 1})], tiny.quiet)
    assert other.text != one[0].text


def test_top_k_of_one_is_greedy(tiny):
    """Narrowing the draw to one token leaves the most likely."""
    greedy, narrow = ours(tiny, "gpt2").generate(
        [("the cat", {"max_gen_toks": 8}), ("the cat", {"max_gen_toks": 8, "temperature": 1.0, "top_k": 1})],
        tiny.quiet,
    )
    assert narrow.text == greedy.text


def test_weights_that_are_not_numbers_are_refused(tiny):
    """A model that computes NaN generates nothing."""
    broken = copy.deepcopy(tiny.model("gptj"))
    with torch.no_grad():
        broken.get_output_embeddings().weight.fill_(float("nan"))
    with pytest.raises(ValueError, match="not numbers"):
        HarnessLM(broken, tiny.tokenizer(), batch=1, context=64).generate([("a", {})], tiny.quiet)


def test_arguments_follow_lm_eval():
    """Sampling only where it is asked for; every spelling of the limit; one stop string or several."""
    assert parse({"until": "\n", "max_new_tokens": 5, "temperature": 0}) == Options(until=("\n",), new=5)
    assert parse({"until": None, "do_sample": False, "temperature": 0.7, "num_beams": 1}) == Options()
    assert parse({"temperature": 0.7, "until": ["a", ""]}) == Options(temperature=0.7, until=("a",))
    assert parse({"do_sample": True}).temperature == 1.0


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"max_gen_tok": 3}, "did you mean 'max_gen_toks'"),
        ({"num_beams": 4}, "num_beams=4 is not supported"),
        ({"max_gen_toks": 0}, "at least 1"),
        ({"do_sample": True, "temperature": 0.0}, "leave out one"),
        ({"temperature": 1.0, "top_p": 1.5}, "top_p"),
    ],
)
def test_arguments_that_cannot_be_honoured_are_refused(arguments, line):
    """Nothing is silently ignored."""
    with pytest.raises(ValueError, match=line):
        parse(arguments)


def test_computed_tokens_are_those_of_distinct_rows(tiny):
    """Equal greedy prompts go through once; the last token of a reply is not read."""
    lm = ours(tiny, "gpt2")
    replies = lm.generate([("the cat sat on", {"max_gen_toks": 3})] * 4, tiny.quiet)
    assert lm.computed_tokens == replies[0].prompt_tokens + replies[0].tokens - 1


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("CUDA error: out of memory\nadvice"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory"),
    ],
)
def test_memory_runs_out_in_several_ways(error):
    """Each halves the batch, and ends at one row."""

    def step():
        raise error

    budget = Budget(rows=8, tokens=100)
    assert budget.attempt(step, rows=4) is None
    assert budget.rows == 2
    with pytest.raises(OutOfMemory, match=r"one row per batch: .+"):
        budget.attempt(step, rows=1)
    assert not is_out_of_memory(ValueError("CUDA error: out of memory"))
