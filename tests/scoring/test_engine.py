"""The engine: safer layouts where the fast one is wrong, memory that runs out, answers of earlier runs, replicas."""

import copy
import math
import random

import pytest
import torch
from accelerate import dispatch_model
from transformers import AutoModelForCausalLM, BloomConfig, CohereConfig, MambaConfig, MistralConfig

from harness.records import OutOfMemory
from harness.scoring import reference
from harness.scoring.account import Account
from harness.scoring.engine import Engine
from harness.scoring.options import Scoring
from harness.scoring.parity import tolerance
from harness.scoring.requests import cut
from harness.scoring.session import Session

COMMON = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "vocab_size": 320,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
}
OTHERS = {
    # Distances in the row bend its attention: branches side by side in one row would be too far apart.
    "bloom": (lambda: BloomConfig(hidden_size=32, n_layer=2, n_head=4, vocab_size=320), "repeated", "positions"),
    "mistral": (lambda: MistralConfig(**COMMON, num_key_value_heads=2, sliding_window=6), "repeated", "window"),
    # Its logits are scaled behind the output layer.
    "cohere": (lambda: CohereConfig(**COMMON), "reference", "off by"),
    "mamba": (lambda: MambaConfig(hidden_size=32, num_hidden_layers=2, vocab_size=320), "reference", "no plain cache"),
}


def drawn(count=8, *, answers=3):
    """Requests of `count` documents behind a common beginning."""
    rng = random.Random(0)
    prefix = [rng.randrange(1, 300) for _ in range(16)]
    documents = [prefix + [rng.randrange(1, 300) for _ in range(rng.randrange(1, 20))] for _ in range(count)]
    return [
        cut(document, [rng.randrange(300) for _ in range(rng.randrange(1, 6))], limit=64, label=f"document {i}")
        for i, document in enumerate(documents)
        for _ in range(answers)
    ]


def scored(model, requests, tiny, journal=None, **settings):
    account = Account()
    return Engine(model, Scoring(**settings), account).score(requests, tiny.quiet, journal), account


def agree(found, expected, *, within=1e-4):
    assert [total for total, _ in found] == pytest.approx([total for total, _ in expected], abs=within)
    assert [flag for _, flag in found] == [flag for _, flag in expected]


@pytest.mark.parametrize("name", OTHERS)
def test_a_model_that_a_layout_does_not_suit_gets_a_safer_one(tiny, name):
    """Models of other families are scored right, and the account says how and why."""
    settings, layout, reason = OTHERS[name]
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(settings()).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(0, 0.2)
    requests = drawn()
    found, account = scored(model, requests, tiny)
    agree(found, [reference.score(model, request) for request in requests])
    assert account.layout == layout
    assert reason in account.reason


@pytest.mark.parametrize("layout", ["tree", "repeated", "reference"])
def test_a_layout_can_be_asked_for(tiny, layout):
    """It is the one in force; only the tree computes every shared token once, where the model is this small."""
    model, requests = tiny.model("gpt_neo"), drawn()
    found, account = scored(model, requests, tiny, layout=layout, kernels="torch")
    agree(found, [reference.score(model, request) for request in requests])
    assert (account.layout, account.kernels, account.reason) == (layout, "torch", "")
    total = sum(len(request.row) for request in requests)
    assert account.computed_tokens <= total
    assert (account.computed_tokens < total / 2) == (layout == "tree")
    assert (account.difference is None) == (layout == "reference")


def test_a_wrong_kernel_is_found_out(tiny):
    """An output layer that is not what the body's logits come from shows in the parity check, not in the answers."""
    model = copy.deepcopy(tiny.model("opt"))
    model.get_output_embeddings().register_forward_hook(lambda *_: None)
    inner = model.forward
    model.forward = lambda **given: _doubled(inner(**given))
    requests = drawn(4)
    found, account = scored(model, requests, tiny)
    agree(found, [reference.score(model, request) for request in requests])
    assert account.layout == "reference"


def _doubled(output):
    output.logits = output.logits * 2
    return output


class Small:
    """Makes a real model refuse calls of more than `most` tokens, with the error that torch raises."""

    def __init__(self, model, most, error):
        self.tried = []
        self.handle = model.base_model.register_forward_pre_hook(
            lambda _, given, named: self.look([*given, named.get("input_ids")][0], most, error), with_kwargs=True
        )

    def look(self, ids, most, error):
        """Counts the tokens of a call and refuses too many."""
        self.tried.append(ids.numel())
        if ids.numel() > most:
            raise error


HOST = RuntimeError("[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: x")


@pytest.mark.parametrize("layout", ["tree", "repeated"])
@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), HOST])
def test_passes_shrink_when_memory_runs_out(tiny, error, layout):
    """Answers are those of the undisturbed model, and what was answered is not computed again."""
    model, requests = copy.deepcopy(tiny.model("gpt2")), drawn(16)
    expected = [reference.score(model, request) for request in requests]
    small = Small(model, 100, error)
    seen = []
    account = Account()
    found = Engine(model, Scoring(layout=layout), account).score(requests, lambda *event: seen.append(event))
    small.handle.remove()
    agree(found, expected)
    assert account.layout == layout
    assert max(small.tried) > 100
    assert [done for _, done, _ in seen] == sorted({done for _, done, _ in seen})


def test_memory_that_is_never_enough_is_an_outcome(tiny):
    """Not even the smallest pass fits: the outcome has its own class."""
    model = copy.deepcopy(tiny.model("gpt2"))
    Small(model, 0, torch.OutOfMemoryError("CUDA out of memory"))
    with pytest.raises(OutOfMemory, match="memory ran out"):
        scored(model, drawn(2), tiny)


class Memory:
    """A journal in memory."""

    def __init__(self):
        self.kept = {}

    def scored(self, key):
        """The answer kept under a key."""
        return self.kept.get(key)

    def add_scored(self, answers):
        """Keeps answers."""
        self.kept |= answers


def test_a_run_that_was_broken_off_goes_on(tiny):
    """What a journal holds is not computed again, whatever layout computed it; the answers are those of a whole run."""
    model, requests = tiny.model("gptj"), drawn(12)
    journal = Memory()

    def stop(_, done, __):
        if done >= 9:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Engine(model, Scoring(tokens=40), Account()).score(requests, stop, journal)
    kept = len(journal.kept)
    assert 9 <= kept < len(requests)
    whole, full = scored(model, requests, tiny)
    found, account = scored(model, requests, tiny, journal, layout="repeated")
    agree(found, whole)
    assert account.resumed == kept
    assert account.unique_tokens < full.unique_tokens
    assert len(journal.kept) == len({(*r.row, -1, *r.targets) for r in requests})


def test_answers_do_not_depend_on_order_passes_or_replicas(tiny):
    """Any order, any length of passes, one model or three: the same up to rounding."""
    model, requests = tiny.model("gpt_neox"), drawn(12)
    expected, _ = scored(model, requests, tiny)
    turned = list(range(len(requests)))
    random.Random(1).shuffle(turned)
    for settings in ({"tokens": 17}, {"tokens": 1000}, {"replicas": 3}, {"replicas": 2, "layout": "reference"}):
        found, account = scored(model, [requests[i] for i in turned], tiny, **settings)
        agree(found, [expected[i] for i in turned])
        assert account.requests == len(requests)
        assert account.computed_tokens >= account.unique_tokens > 0


def test_numbers_that_are_not_finite_name_their_document(tiny):
    """A NaN that only some documents meet fails the run and names the first of them."""
    broken = copy.deepcopy(tiny.model("gpt2"))
    with torch.no_grad():
        broken.get_input_embeddings().weight[319] = math.nan
        broken.lm_head.weight = torch.nn.Parameter(torch.nan_to_num(broken.lm_head.weight.detach().clone()))
    fine = [cut([5, 6, i], [7, 8], limit=64, label=f"document {i}") for i in range(6)]
    bad = [cut([5, 319, i], [7], limit=64, label=f"document {i}") for i in (6, 7)]
    with pytest.raises(ValueError, match=r"document 6.*not finite"):
        scored(broken, [*fine, *bad], tiny)
    found, _ = scored(broken, fine, tiny)
    assert all(math.isfinite(total) for total, _ in found)


def decide(answers, documents):
    best = {}
    for i, document in enumerate(documents):
        if document not in best or answers[i][0] > answers[best[document]][0]:
            best[document] = i
    return best


def test_screening_changes_no_decision(tiny):
    """bf16 first: the likeliest option of every document is that of fp32, some log-likelihoods are those of bf16."""
    model, requests = tiny.model("gpt2"), drawn(120)
    documents = [i // 3 for i in range(len(requests))]
    options = [" option"[: 3 + i % 4] for i in range(len(requests))]
    exact, _ = scored(model, requests, tiny)
    session = Session(model, Scoring(screened=True))
    found = session.score(requests, tiny.quiet, documents=documents, options=options)
    assert decide(found, documents) == decide(exact, documents)
    told = session.account.facts()["screened"]
    assert 0 < told["rescored_documents"] < told["documents"] == 120
    assert told["error_bound_per_root_token"] >= told["largest_error_per_root_token"] > 0
    differences = [abs(a - b) for (a, _), (b, _) in zip(found, exact, strict=True)]
    assert 1e-3 < max(differences) < 10 * told["largest_error"]
    assert any("bfloat16" in sentence for sentence in session.cautions)
    assert next(model.parameters()).dtype == torch.float32


def test_what_has_no_decision_is_not_screened(tiny):
    """Without documents every answer is in full precision, and it is said."""
    model, requests = tiny.model("gpt2"), drawn(4)
    session = Session(model, Scoring(screened=True))
    agree(session.score(requests, tiny.quiet), [reference.score(model, request) for request in requests])
    assert any("not screened" in sentence for sentence in session.cautions)


def test_an_audit_finds_what_bf16_costs(tiny):
    """The audit of a bf16 model against its fp32 weights has a difference; of the fp32 model against itself none."""
    model, requests = tiny.model("llama"), drawn(10)
    documents = [i // 3 for i in range(len(requests))]
    low = copy.deepcopy(model).to(torch.bfloat16)
    session = Session(low, Scoring(precision_audit=4), full=lambda: model)
    answers = session.score(requests, tiny.quiet, documents=documents, options=[" a"] * len(requests))
    session.audit(tiny.quiet)
    told = session.account.facts()["audit"]
    exact = [reference.score(model, request) for request in requests]
    worst = max(abs(a - b) for (a, _), (b, _) in zip(answers, exact, strict=True))
    assert (told["documents"], told["requests"]) == (4, 12)
    assert 0 < told["mean_difference"] <= told["max_difference"] <= worst
    assert 0 <= told["flips"] <= 4
    session = Session(model, Scoring(precision_audit=100))
    session.score(requests, tiny.quiet, documents=documents, options=[" a"] * len(requests))
    session.audit(tiny.quiet)
    told = session.account.facts()["audit"]
    assert (told["documents"], told["flips"]) == (10, 0)
    assert told["max_difference"] < 1e-4


@pytest.mark.parametrize(
    "wrong",
    [
        {"layout": "trees"},
        {"kernels": "fast"},
        {"tokens": 0},
        {"replicas": 0},
        {"precision_audit": -1},
        {"screened": 1},
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong):
    """One line that names the setting."""
    with pytest.raises(ValueError, match=next(iter(wrong))) as error:
        Scoring(**wrong)
    assert "\n" not in str(error.value)


def test_a_model_that_is_spread_over_devices_is_scored(tiny):
    """Hooks of accelerate, which move tensors from block to block, are left to do their work."""
    model = copy.deepcopy(tiny.model("gpt_neox"))
    blocks = [f"gpt_neox.layers.{i}" for i in range(2)]
    names = ["gpt_neox.embed_in", "gpt_neox.rotary_emb", *blocks, "gpt_neox.final_layer_norm"]
    head = next(name for name, module in model.named_modules() if module is model.get_output_embeddings())
    spread = dispatch_model(model, dict.fromkeys([*names, head], "cpu"), force_hooks=True)
    requests = drawn(6)
    found, account = scored(spread, requests, tiny)
    agree(found, [reference.score(tiny.model("gpt_neox"), request) for request in requests])
    assert (account.layout, account.kernels) == ("tree", "torch")


@pytest.mark.gpu
@pytest.mark.parametrize("family", ["gpt2", "gpt_neo", "gptj", "gpt_neox", "opt", "llama"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_gpu_gives_the_answers_of_the_cpu(tiny, family, dtype):
    """The tree on a GPU equals the reference on the CPU: in fp32 to 1e-3, in bf16 within the stated tolerance."""
    model, requests = tiny.model(family), drawn(40)
    expected = [reference.score(model, request) for request in requests]
    found, account = scored(copy.deepcopy(model).to("cuda", dtype), requests, tiny)
    assert account.layout == "tree"
    for (total, _), (exact, _), request in zip(found, expected, requests, strict=True):
        assert abs(total - exact) <= 3 * tolerance(dtype, len(request.targets))


@pytest.mark.gpu
def test_a_gpu_that_runs_out_of_memory_goes_on(tiny):
    """With most of the device taken, passes shrink and every answer is there."""
    model, requests = copy.deepcopy(tiny.model("gpt2")).to("cuda"), drawn(40)
    expected, _ = scored(model, requests, tiny)
    torch.cuda.empty_cache()
    free, total = torch.cuda.mem_get_info()
    torch.cuda.set_per_process_memory_fraction((total - free + 64 * 2**20) / total)
    try:
        found, _ = scored(model, requests, tiny, tokens=4096)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    agree(found, expected, within=1e-3)


def test_of_equal_logits_the_first_is_greedy(tiny):
    """Two tokens with the same output weights have the same logit: only the smaller id is the greedy one."""
    model = copy.deepcopy(tiny.model("opt"))
    head = torch.nn.Parameter(model.lm_head.weight.detach().clone())
    best = int(model(torch.tensor([[5, 6, 7]])).logits[0, -1].argmax())
    twin = best - 1 if best else 1
    with torch.no_grad():
        head[twin] = head[best]
    model.lm_head.weight = head
    requests = [cut([5, 6, 7], [token], limit=64, label="") for token in (best, twin)]
    for layout in ("tree", "repeated", "reference"):
        found, account = scored(model, requests, tiny, layout=layout)
        assert account.layout == layout
        assert [flag for _, flag in found] == [best < twin, twin < best]
