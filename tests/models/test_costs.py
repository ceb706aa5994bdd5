"""Counts of parameters, operations and bytes agree with the true classes, and operations with torch's own counter."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from harness.models.activations import rotary_width
from harness.models.costs import costs

FILES = sorted((Path(__file__).parents[2] / "conf" / "model").glob("*.yaml"))
ENTRIES = {path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in FILES}
KNOWN = [name for name, entry in ENTRIES.items() if entry.get("architecture")]
FAMILIES = ("gpt2", "gpt_neo", "gptj", "gpt_neox", "opt", "llama")


def of(name):
    """Costs of a model of conf/model."""
    return costs(ENTRIES[name]["family"], ENTRIES[name]["architecture"])


def built(family, architecture, *, dtype="float32", device="meta"):
    """The true class under eager attention."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.for_model(family, **architecture)
    with torch.device(device):
        return AutoModelForCausalLM.from_config(config, dtype=getattr(torch, dtype), attn_implementation="eager").eval()


def multiplied(model) -> int:
    """Weights of all linear layers, the head's too where it is the token embedding itself."""
    from torch import nn
    from transformers.pytorch_utils import Conv1D

    return sum(m.weight.numel() for m in model.modules() if isinstance(m, (nn.Linear, Conv1D)))


def looked_up(model) -> int:
    """Weights of embeddings that are not the head."""
    from torch import nn

    head = model.get_output_embeddings().weight
    return sum(m.weight.numel() for m in model.modules() if isinstance(m, nn.Embedding) and m.weight is not head)


@pytest.mark.parametrize("name", KNOWN)
def test_counts_are_those_of_the_true_class(name):
    """Parameters, matmul parameters, buffers and streamed weights are exact for every model that has a file."""
    from harness.models.subject import parameter_count

    found = of(name)
    model = built(found.family, found.architecture, dtype="bfloat16")
    assert found.parameters == parameter_count(model)
    assert found.matmul_parameters == multiplied(model)
    assert found.buffers_bytes("bfloat16") == sum(b.nbytes for b in model.buffers())
    assert found.streamed_bytes(0, "bfloat16") == 2 * (found.parameters - looked_up(model))


@pytest.mark.parametrize("family", FAMILIES)
def test_flops_are_those_of_torchs_counter_under_eager_attention(architectures, family):
    """A pass, a pass with its gradients, and a step on a cache: no operation more or less than torch counts.

    Eager attention multiplies all pairs of a query and a key, GPT-Neo's local layers as well, so the counter is held
    against `eager_flops`; what is useful of it is the rest after the pairs that the mask hides.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    found = costs(family, architectures[family])
    model = built(family, architectures[family], device="cpu")
    batch, tokens = 2, 12
    ids = torch.zeros(batch, tokens, dtype=torch.long)
    with FlopCounterMode(display=False) as counter:
        output = model(ids, use_cache=True)
    # Older transformers multiply positions and frequencies as matrices, of one row for all.
    rotary = rotary_width(family, found.shape, found.architecture)
    forward = found.eager_flops(tokens, kept=tokens, batch=batch)
    angles = counter.get_total_flops() - forward
    assert angles in (0, rotary * tokens)
    with FlopCounterMode(display=False) as counter:
        output.logits.sum().backward()
    hidden = forward - found.prefill_flops(tokens, kept=tokens, batch=batch)
    assert forward + counter.get_total_flops() == found.train_step_flops(batch, tokens) + 3 * hidden
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(ids[:, :1], past_key_values=output.past_key_values, use_cache=True)
    masked = sum(max(0, tokens + 1 - window) for window in found.windows if window)
    step = found.decode_step_flops(batch, tokens + 1) + batch * 4 * found.attention_width * masked
    assert counter.get_total_flops() == step + angles // tokens


@pytest.mark.parametrize("family", FAMILIES)
def test_a_prompt_costs_what_its_tokens_cost_one_by_one(architectures, family):
    """Reading a prompt is the sum over its tokens, each looking back as far as its layer does."""
    found = costs(family, architectures[family])
    one_by_one = sum(found.flops_per_token(context) for context in range(1, 31))
    assert found.prefill_flops(30, kept=30) == one_by_one
    assert found.prefill_flops(30, kept=1) == one_by_one - 29 * 2 * found.head_parameters
    assert found.prefill_flops(30, kept=1, batch=3) == 3 * found.prefill_flops(30, kept=1)


def test_local_layers_look_back_no_further_than_their_window():
    """Beyond 256 keys only half of the layers of GPT-Neo cost more, in operations and in bytes."""
    found = of("gpt-neo-125m")
    near, far, farther = (found.flops_per_token(context) for context in (256, 1256, 2256))
    assert farther - far == far - near == 4 * 768 * 6 * 1000
    assert found.kv_read_bytes(2000, "float16") == 6 * (2000 + 256) * 2 * 768 * 2
    assert found.kv_bytes_per_token("float16") == 36 * 1024


@pytest.mark.parametrize(
    ("name", "gigaflops", "kibibytes", "mebibytes"),
    [
        ("gpt2", 0.247, 36, 0),
        ("gpt2-xl", 3.110, 300, 0),
        ("gpt-neo-1.3b", 2.622, 192, 96),
        ("gpt-j-6b", 11.687, 448, 14),
        ("gpt-neox-20b", 40.482, 1056, 0),
        ("pythia-6.9b", 13.298, 512, 0),
    ],
)
def test_figures_of_the_design(name, gigaflops, kibibytes, mebibytes):
    """FLOPs of a token, bytes of its keys and values, and buffers of a table computed apart from this code."""
    found = of(name)
    assert 2 * found.matmul_parameters / 1e9 == pytest.approx(gigaflops, abs=5e-4)
    assert found.kv_bytes_per_token("float16") == kibibytes * 1024
    assert found.buffers_bytes("float16") / 2**20 == pytest.approx(mebibytes, abs=1e-3)


def test_a_step_moves_the_weights_once_and_every_rows_keys():
    """Two rows read the weights once and two caches; the bound of GPT-2 XL on an A100 is that of the design notes."""
    found = of("gpt2-xl")
    one, two = (found.decode_step_bytes(batch, 100, "float16") for batch in (1, 2))
    assert two - one == 100 * 300 * 1024 + 2 * 1600
    assert 2.039e12 / found.decode_step_bytes(1, 1, "float16") == pytest.approx(655, rel=0.01)
    assert found.prefill_bytes(2, 50, "float16") - found.streamed_bytes(100, "float16") == 100 * 300 * 1024


def test_layers_that_do_not_add_up_are_refused():
    """GPT-Neo's kinds of attention must name every layer."""
    architecture = {**ENTRIES["gpt-neo-125m"]["architecture"], "num_layers": 10}
    with pytest.raises(ValueError, match="attention_types names 12 layers, num_layers=10"):
        costs("gpt_neo", architecture)


@pytest.mark.parametrize("name", ["gpt2", "gpt-neo-125m", "gpt-j-6b", "pythia-160m", "opt-350m", "smollm2-135m"])
def test_a_whole_config_says_the_same_as_a_file(name):
    """Costs of all that transformers makes of an architecture, its defaults included, are those of the architecture."""
    from transformers import AutoConfig

    found = of(name)
    whole = costs(found.family, AutoConfig.for_model(found.family, **found.architecture).to_dict())
    grid = {"dtype": "bfloat16", "attention": "auto", "batch": 2, "prompt": 60, "new": 4, "kind": "cuda"}
    assert whole.predicted_memory(**grid) == found.predicted_memory(**grid)
    assert whole.prefill_flops(1000) == found.prefill_flops(1000)
    assert whole.decode_step_bytes(3, 1000, "float32") == found.decode_step_bytes(3, 1000, "float32")
