"""Replies in slots: those of `generate`, whatever the slots, the company and the order; interruptions cost little."""

import copy
import functools
import random

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import MistralConfig, MistralForCausalLM, OpenAIGPTConfig, OpenAIGPTLMHeadModel

from harness.generation.budget import Budget
from harness.generation.engine import Generation, Prompt, generate
from harness.generation.options import Options
from harness.records import OutOfMemory

FAMILIES = ("gpt2", "gpt_neo", "gptj", "gpt_neox", "opt", "llama")
NEW = 16
COMMON = tuple(random.Random(5).choices(range(1, 320), k=34))
END = 0

few = settings(max_examples=6, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@functools.cache
def pool():
    """Prompts of many lengths, half of which begin alike."""
    draw = random.Random(7)
    rests = [tuple(draw.choices(range(1, 320), k=draw.randint(1, 13))) for _ in range(6)]
    return (*(COMMON + rest for rest in rests), *(rest * draw.randint(1, 3) for rest in rests))


@pytest.fixture(scope="session")
def greedy(tiny, continued):
    """The greedy continuation of prompt `i` of the pool, `NEW` tokens, computed by transformers once."""
    return functools.cache(lambda family, i: tuple(continued(tiny.model(family), pool()[i], NEW)))


def cut(tokenizer, tokens, options):
    """Text and number of tokens of a reply by the plain rules: one token at a time, the whole text searched."""
    for count in range(1, options.new + 1):
        text = tokenizer.decode(tokens[:count])
        if tokens[count - 1] == END or any(stop in text for stop in options.until):
            break
    text = tokenizer.decode(tokens[:count])
    return min((text.split(stop)[0] for stop in options.until), key=len, default=text), count


class Memory(dict):
    """A journal in memory that fails when a reply is added twice."""

    known = dict.get

    def add(self, prompt, reply):
        """Keeps a reply."""
        assert prompt not in self
        self[prompt] = reply


def run(model, tokenizer, prompts, *, slots, **kwargs):
    return generate(model, tokenizer, prompts, Budget(rows=slots, tokens=10_000), lambda *_: None, **kwargs)


def with_end(model):
    """A copy whose replies end at token `END`."""
    ended = copy.copy(model)
    ended.generation_config = copy.deepcopy(model.generation_config)
    ended.generation_config.eos_token_id = [END]
    return ended


STOPS = st.lists(st.sampled_from(["t1", "7 t", "99", "t25", "3 t2"]), max_size=2).map(tuple)
JOB = st.tuples(st.integers(0, 11), st.integers(1, NEW), STOPS)


@pytest.mark.parametrize("family", FAMILIES)
@few
@given(case=st.tuples(st.lists(JOB, min_size=1, max_size=8), st.booleans(), st.integers(1, 5)))
def test_replies_equal_generate(tiny, spelled, greedy, family, case):
    """Token for token: any lengths, limits, stop strings and slots, a beginning in common or none."""
    jobs, alike, slots = case
    model = with_end(tiny.model(family))
    picked = [(i % 6 if alike else i, Options(new=new, until=until)) for i, new, until in jobs]
    account = Generation()
    replies = run(
        model, spelled, [Prompt(tokens=pool()[i], options=o) for i, o in picked], slots=slots, account=account
    )
    assert account.path == "slots", account.reason
    assert account.difference < 1e-3
    expected = [cut(spelled, list(greedy(family, i)), options) for i, options in picked]
    assert [(reply.text, reply.tokens) for reply in replies] == expected


@few
@given(order=st.permutations(range(8)), slots=st.integers(1, 5), family=st.sampled_from(FAMILIES))
def test_draws_depend_on_neither_slots_nor_order(tiny, spelled, order, slots, family):
    """Greedy and sampled rows together; each sampled reply is that of its prompt, seed and draw."""
    kinds = [
        Options(new=9, temperature=1.5),
        Options(new=12, temperature=0.8, top_k=40),
        Options(new=7, temperature=1.2, top_p=0.8, seed=3),
        Options(new=10),
    ]
    prompts = [Prompt(tokens=pool()[i], options=kinds[i % 4], draw=i // 4) for i in range(8)]
    alone = run(tiny.model(family), spelled, prompts, slots=1)
    together = run(tiny.model(family), spelled, [prompts[i] for i in order], slots=slots)
    assert together == [alone[i] for i in order]


def test_no_row_waits_for_the_longest(tiny, spelled):
    """One long reply and many short ones in two slots take no more steps than the work divided by the slots needs."""
    prompts = [Prompt(tokens=pool()[6], options=Options(new=30))]
    prompts += [Prompt(tokens=pool()[i], options=Options(new=5)) for i in (7, 8, 9, 10, 11)]
    account = Generation()
    replies = run(tiny.model("gpt2"), spelled, prompts, slots=2, account=account)
    steps = [reply.tokens - 1 for reply in replies]
    assert account.active == sum(steps)
    assert account.steps <= max(*steps, sum(steps) // 2 + 4)
    assert account.occupancy == account.active / (2 * account.steps)
    assert (account.facts()["path"], account.facts()["steps"]) == ("slots", account.steps)


def test_a_common_beginning_is_read_once(tiny, spelled):
    """Six prompts of 34 tokens in common: those are counted once, and so they are in the budget."""
    prompts = [Prompt(tokens=tokens, options=Options(new=2)) for tokens in pool()[:6]]
    account, budget = Generation(), Budget(rows=4, tokens=10_000)
    generate(tiny.model("gpt2"), spelled, prompts, budget, tiny.quiet, account=account)
    own = sum(len(p.tokens) - 34 for p in prompts)
    assert account.prefilled == 34 + own
    assert budget.computed == 34 + own + 6


def refuse(model, *, rows, after, error):
    """The model on a device that raises `error` for more than `rows` rows once it was called `after` times."""
    calls = []

    def look(_, args, kwargs):
        calls.append(len(args[0] if args else kwargs["input_ids"]))
        if len(calls) > after and calls[-1] > rows:
            raise error

    return model.base_model.register_forward_pre_hook(look, with_kwargs=True), calls


def test_what_is_finished_survives_the_end_of_memory(tiny, spelled):
    """Memory runs out in mid-air: two slots instead of four, finished replies are not computed again."""
    model = tiny.model("opt")
    prompts = [Prompt(tokens=pool()[i], options=Options(new=4 + 3 * i)) for i in range(6)]
    expected = run(model, spelled, prompts, slots=1)
    hook, _ = refuse(model, rows=2, after=11, error=torch.OutOfMemoryError("CUDA out of memory. Tried to allocate"))
    budget, journal, seen = Budget(rows=4, tokens=10_000), Memory(), []
    try:
        actual = generate(model, spelled, prompts, budget, lambda *event: seen.append(event), journal=journal)
    finally:
        hook.remove()
    assert actual == expected
    assert budget.rows == 2
    assert len(journal) == 6
    total = sum(p.options.new for p in prompts)
    assert seen[-1] == ("generating tokens", total, total)


def test_one_row_that_does_not_fit_is_an_error(tiny, spelled):
    """There is nothing left to halve."""
    hook, _ = refuse(tiny.model("opt"), rows=0, after=0, error=MemoryError())
    try:
        with pytest.raises(OutOfMemory, match="one row"):
            run(tiny.model("opt"), spelled, [Prompt(tokens=(5, 6), options=Options(new=3))] * 2, slots=3)
    finally:
        hook.remove()


def test_an_interrupted_run_computes_only_what_is_missing(tiny, spelled):
    """The journal's replies are taken as they are, and the others are those of an undisturbed run."""
    model = tiny.model("gptj")
    prompts = [Prompt(tokens=tokens, options=Options(new=3 + i)) for i, tokens in enumerate(pool()[6:])]
    expected = run(model, spelled, prompts, slots=2)
    journal, budget = Memory(), Budget(rows=2, tokens=10_000)
    hook, _ = refuse(model, rows=0, after=14, error=KeyboardInterrupt())
    try:
        with pytest.raises(KeyboardInterrupt):
            generate(model, spelled, prompts, budget, tiny.quiet, journal=journal)
    finally:
        hook.remove()
    kept = dict(journal)
    assert 0 < len(kept) < len(prompts)
    again = Budget(rows=2, tokens=10_000)
    assert generate(model, spelled, prompts, again, tiny.quiet, journal=journal) == expected
    missing = [(p, r) for p, r in zip(prompts, expected, strict=True) if p not in kept]
    assert again.computed == sum(len(p.tokens) + r.tokens - 1 for p, r in missing)


def test_not_a_number_is_refused_with_its_prompt(tiny, spelled):
    """One row of three becomes NaN in its third token: the error shows the end of that text."""
    model = tiny.model("gpt_neox")
    prompts = [Prompt(tokens=(i, i + 1), options=Options(new=6)) for i in (10, 20, 30)]
    text = run(model, spelled, [Prompt(tokens=(20, 21), options=Options(new=2))], slots=1)[0].text

    def spoil(_, inputs, output):
        if len(inputs[0]) == 3:
            spoil.calls += 1
            if spoil.calls == 3:
                output[1] = float("nan")
        return output

    spoil.calls = 0
    hook = model.get_output_embeddings().register_forward_hook(spoil)
    try:
        with pytest.raises(ValueError, match=f"not numbers after 't20 t21 {text}'"):
            run(model, spelled, prompts, slots=3)
    finally:
        hook.remove()


def test_a_cache_that_does_not_do_what_it_should_is_found_out(tiny, spelled):
    """A model that misplaces tokens of the slots' cache alone: the comparison says so and batches take over."""
    model = tiny.model("llama")
    prompts = [Prompt(tokens=pool()[i], options=Options(new=5)) for i in (1, 6, 9)]
    expected = run(model, spelled, prompts, slots=3)

    def misplace(_, args, kwargs):
        if type(kwargs.get("past_key_values")).__name__ == "Arena":
            kwargs["position_ids"] = kwargs["position_ids"] // 2
        return args, kwargs

    hook = model.base_model.register_forward_pre_hook(misplace, with_kwargs=True)
    account, journal = Generation(), Memory()
    try:
        replies = run(model, spelled, prompts, slots=3, account=account, journal=journal)
    finally:
        hook.remove()
    assert replies == expected == [journal[p] for p in prompts]
    assert account.path == "batches"
    assert account.difference > 1e-2
    assert "differ from the model" in account.reason


def others():
    """Tiny models that slots cannot serve: a sliding window, and no cache at all."""
    torch.manual_seed(1)
    sliding = MistralForCausalLM(
        MistralConfig(
            vocab_size=320,
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=64,
            sliding_window=8,
        )
    )
    bare = OpenAIGPTLMHeadModel(OpenAIGPTConfig(vocab_size=320, n_positions=64, n_embd=32, n_layer=2, n_head=4))
    for model in (sliding, bare):
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.ndim > 1:
                    parameter.normal_(0, 0.25)
    return [(sliding.eval(), "batches"), (bare.eval(), "plain")]


@pytest.mark.parametrize("kind", [0, 1], ids=["sliding window", "no cache"])
def test_other_models_take_the_slower_way(spelled, continued, kind):
    """Same replies as `generate`, and the account says which way and why."""
    model, path = others()[kind]
    picked = [(6, Options(new=8)), (7, Options(new=3)), (8, Options(new=8, until=("7 t",)))]
    account = Generation()
    replies = run(model, spelled, [Prompt(tokens=pool()[i], options=o) for i, o in picked], slots=2, account=account)
    assert account.path == path
    assert account.reason
    ends = -1 if model.generation_config.eos_token_id is None else model.generation_config.eos_token_id
    for (i, options), reply in zip(picked, replies, strict=True):
        tokens = continued(model, pool()[i], options.new)
        assert ends not in tokens
        assert (reply.text, reply.tokens) == cut(spelled, tokens, options)
