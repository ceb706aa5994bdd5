"""Predicted memory agrees with a process that really runs; the batch that fits is the largest."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from harness.models.costs import costs
from harness.models.fits import CONSTANT_BYTES, agrees, bytes_per_sequence, largest_batch

GPT2 = {"vocab_size": 50257, "n_positions": 1024, "n_embd": 768, "n_layer": 12, "n_head": 12}
SMALL = {"vocab_size": 2000, "n_positions": 512, "n_embd": 256, "n_layer": 4, "n_head": 4}
SMALL_NEO = {
    "vocab_size": 2000,
    "max_position_embeddings": 512,
    "hidden_size": 256,
    "num_layers": 4,
    "num_heads": 4,
    "attention_types": [[["global", "local"], 2]],
}

CHILD = """
import json, sys
from pathlib import Path
import torch
from transformers import AutoConfig, AutoModelForCausalLM
from harness.forward.body import Body
from harness.meters.memory import Peak

family, architecture, attention, batch, prompt, new = json.loads(sys.argv[1])
torch.set_num_threads(1)

def resident():
    text = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("VmRSS:"))

def built(architecture):
    config = AutoConfig.for_model(family, **architecture, bos_token_id=0, eos_token_id=0)
    return AutoModelForCausalLM.from_config(config, dtype=torch.float32, attn_implementation=attention).eval()

def run(model, batch, prompt, new):
    body = Body(model)
    with torch.inference_mode():
        cache = body.arena(slots=batch, capacity=prompt + new)
        positions = torch.arange(prompt + new).expand(batch, -1)
        ids, start = torch.zeros(batch, prompt, dtype=torch.long), 0
        for _ in range(new):
            stop = start + ids.shape[1]
            cache.place(slots=(0, batch), start=start, new=ids.shape[1])
            ids = body.logits(body.hidden(ids, positions[:, start:stop], cache=cache)[:, -1]).argmax(-1)[:, None]
            start = stop

tiny = {key: 24 if key in ("n_embd", "hidden_size") else value for key, value in architecture.items()}
run(built({**tiny, "vocab_size": 24}), 1, 2, 2)
before = resident()
model = built(architecture)
with Peak() as peak:
    run(model, batch, prompt, new)
print(json.dumps([peak.host_bytes - before, peak.host_reset]))
"""


def growth(family, architecture, attention, grid) -> int:
    """Bytes by which a fresh process grows from before the model is built to the highest point of its decoding.

    Building itself goes higher for a moment: a tied head has weights of its own until it is tied.
    Freed blocks go back to the system at once, so that the process holds what its tensors hold.
    """
    words = json.dumps([family, architecture, attention, *grid.values()])
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
    done = subprocess.run(
        [sys.executable, "-c", CHILD, words], env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    grown, reset = json.loads(done.stdout.splitlines()[-1])
    if not reset:
        pytest.skip("this kernel does not let a process reset its high-water mark")
    return grown


def check(family, architecture, attention, **grid):
    """Predicted and measured agree within 5 % and the stated constant."""
    predicted = costs(family, architecture).predicted_peak_bytes(
        dtype="float32", attention=attention, kind="cpu", **grid
    )
    measured = growth(family, architecture, attention, grid)
    assert agrees(predicted, measured, "cpu"), f"{predicted / 2**20:.1f} MiB predicted, {measured / 2**20:.1f} measured"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc and steers glibc")
@pytest.mark.parametrize(
    ("family", "architecture", "attention"),
    [("gpt2", SMALL, "sdpa"), pytest.param("gpt_neo", SMALL_NEO, "eager", marks=pytest.mark.slow)],
)
def test_predicted_memory_is_what_a_process_takes(family, architecture, attention):
    """Four layers of width 256 reading 16 rows of 256 tokens: temporary tensors outweigh the weights."""
    check(family, architecture, attention, batch=16, prompt=256, new=2)


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc and steers glibc")
@pytest.mark.parametrize(("attention", "batch", "prompt"), [("sdpa", 1, 64), ("sdpa", 8, 256), ("eager", 8, 256)])
def test_predicted_memory_of_gpt2(attention, batch, prompt):
    """The shape of GPT-2 small, alone with its weights and with a batch that takes as much again."""
    check("gpt2", GPT2, attention, batch=batch, prompt=prompt, new=3)


def test_parts_add_up():
    """The total is the sum of its parts, and each part is what it is called."""
    found = costs("gpt2", GPT2)
    memory = found.predicted_memory(dtype="float16", attention="auto", batch=4, prompt=100, new=20, kind="cuda")
    assert memory.total == memory.weights + memory.buffers + memory.kv + memory.activations
    assert memory.weights == 2 * 124_439_808
    assert memory.kv == 4 * 120 * 36 * 1024
    assert memory.buffers == 0


def test_eager_attention_takes_more_than_fused():
    """The square of scores is there under eager attention only, which is what auto means for GPT-Neo."""
    grid = {"dtype": "float32", "batch": 2, "prompt": 500, "new": 1, "kind": "cpu"}
    found = costs("gpt2", GPT2)
    assert found.predicted_peak_bytes(attention="eager", **grid) > found.predicted_peak_bytes(attention="sdpa", **grid)
    neo = costs("gpt_neo", SMALL_NEO)
    assert neo.predicted_peak_bytes(attention="auto", **grid) == neo.predicted_peak_bytes(attention="eager", **grid)


@pytest.mark.parametrize("kind", ["cpu", "cuda"])
@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_the_largest_batch_fits_and_the_next_does_not(kind, attention):
    """One row more than the answer goes beyond the memory."""
    found = costs("gpt2", GPT2)
    grid = {"dtype": "float32", "attention": attention, "prompt": 512, "new": 64, "kind": kind}
    memory = 4 * 2**30
    batch = largest_batch(found, memory, **grid)
    room = memory - CONSTANT_BYTES[kind]
    assert found.predicted_peak_bytes(batch=batch, **grid) <= room < found.predicted_peak_bytes(batch=batch + 1, **grid)
    slope = found.predicted_peak_bytes(batch=9, **grid) - found.predicted_peak_bytes(batch=8, **grid)
    assert bytes_per_sequence(found, **grid) == slope


def test_what_does_not_fit_at_all_has_no_batch():
    """Weights beyond the memory leave no row."""
    found = costs("gpt2", GPT2)
    assert largest_batch(found, 2**28, dtype="float32", attention="sdpa", prompt=1, new=1, kind="cpu") == 0


def test_agreement_has_two_sides():
    """5 % either way; the constant is forgiven above only, and unknown words are refused."""
    assert agrees(10**9, 10**9 + 5 * 10**7 + CONSTANT_BYTES["cpu"], "cpu")
    assert not agrees(10**9, 10**9 + 5 * 10**7 + CONSTANT_BYTES["cpu"] + 1, "cpu")
    assert not agrees(10**9, 949_000_000, "cpu")
    with pytest.raises(ValueError, match="kind='tpu' is not a valid value"):
        agrees(1, 1, "tpu")
    with pytest.raises(ValueError, match="did you mean 'float16'"):
        costs("gpt2", GPT2).predicted_peak_bytes(
            dtype="flaot16", attention="sdpa", batch=1, prompt=1, new=1, kind="cpu"
        )
