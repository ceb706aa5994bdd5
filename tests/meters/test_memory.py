"""Memory: peaks of a block, and the bytes of a model's parts."""

from types import SimpleNamespace

import pytest
import torch
from torch.testing._internal.two_tensor import TwoTensor
from transformers import GPT2Config, GPT2LMHeadModel, GPTNeoConfig, GPTNeoForCausalLM

from harness.meters.memory import Peak, buffers_bytes, resident, tensors_bytes, weights_bytes

SIZE = 200_000_000


def test_an_allocation_is_seen_after_it_is_gone():
    """200 MB that come and go within the block raise the host's peak above an idle block's."""
    with Peak() as idle:
        pass
    with Peak() as busy:
        torch.ones(SIZE, dtype=torch.uint8)
    assert busy.host_bytes >= idle.host_bytes + 0.9 * SIZE
    assert (busy.device_bytes, busy.device_reserved_bytes, busy.process_bytes) == (None, None, None)
    assert (busy.retries, busy.ooms, busy.process_reason) == (None, None, "")


def test_the_peak_of_an_earlier_block_is_forgotten():
    """Where the kernel lets the mark be reset, and only there."""
    with Peak() as first:
        torch.ones(SIZE, dtype=torch.uint8)
    with Peak() as second:
        pass
    if not second.host_reset:
        pytest.skip("this kernel or container does not let a process reset its high-water mark")
    assert second.host_bytes < first.host_bytes - 0.5 * SIZE


def test_what_is_resident_now_falls_again():
    """Unlike a peak: it rises with an allocation that is held and falls when that is gone."""
    before = resident()
    held = torch.ones(SIZE, dtype=torch.uint8)
    during = resident()
    del held
    assert during >= before + 0.9 * SIZE
    assert resident() < during - 0.5 * SIZE


@pytest.mark.gpu
def test_device_memory_is_seen():
    """The allocator's peak covers a tensor that is gone; the driver's count of the process covers the allocator's."""
    with Peak([torch.cuda.current_device()]) as peak:
        torch.ones(SIZE, dtype=torch.uint8, device="cuda")
    assert peak.device_bytes is not None
    assert peak.device_reserved_bytes is not None
    assert SIZE <= peak.device_bytes <= peak.device_reserved_bytes
    assert (peak.retries, peak.ooms) == (0, 0)
    assert peak.process_reason if peak.process_bytes is None else peak.process_bytes >= peak.device_reserved_bytes


@pytest.mark.gpu
def test_memory_that_runs_out_is_counted():
    """One that cannot fit is one failure of the allocator."""
    here = torch.cuda.current_device()
    total = torch.cuda.get_device_properties(here).total_memory
    with pytest.raises(torch.OutOfMemoryError), Peak([here]) as peak:
        torch.empty(2 * total, dtype=torch.uint8, device="cuda")
    assert peak.ooms == 1


def test_masks_of_gpt_neo_are_counted_apart_from_its_weights():
    """A square mask of one byte per element and a scalar in every layer, which no checkpoint holds."""
    config = GPTNeoConfig(
        vocab_size=50,
        max_position_embeddings=64,
        hidden_size=16,
        num_layers=2,
        num_heads=2,
        attention_types=[[["global", "local"], 1]],
        window_size=8,
    )
    model = GPTNeoForCausalLM(config)
    assert sum(b.nbytes for b in model.buffers()) == buffers_bytes(model) >= 2 * 64 * 64
    assert not {name for name, _ in model.named_buffers()} & set(model.state_dict())
    assert weights_bytes(model) == 4 * model.num_parameters()


def test_a_tied_head_counts_once():
    """And is a second matrix where it is not tied; on the meta device the same."""
    sizes = {"vocab_size": 100, "n_positions": 32, "n_embd": 16, "n_layer": 1, "n_head": 2}
    tied = GPT2LMHeadModel(GPT2Config(**sizes))
    untied = GPT2LMHeadModel(GPT2Config(**sizes, tie_word_embeddings=False))
    assert weights_bytes(untied) - weights_bytes(tied) == 100 * 16 * 4
    with torch.device("meta"):
        assert weights_bytes(GPT2LMHeadModel(GPT2Config(**sizes))) == weights_bytes(tied)


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_shared_memory_counts_once(device):
    """Views of one tensor, whether equal, overlapping or apart; what no tensor covers does not count."""
    rows = torch.zeros(10, 8, device=device)
    assert tensors_bytes([rows, rows, rows.T, rows.view(-1)]) == 320
    assert tensors_bytes([rows[:4], rows[2:6]]) == 6 * 8 * 4
    assert tensors_bytes([rows[:2], rows[8:]]) == 4 * 8 * 4
    assert tensors_bytes([rows[0].expand(100, 8)]) == 8 * 4
    assert tensors_bytes([rows, torch.zeros(10, 8, device=device), torch.zeros(0, device=device)]) == 640


def test_tensors_of_a_generator_are_not_confused():
    """Each is gone before the next is made, and the next may take its place in memory."""
    assert tensors_bytes(torch.zeros(100) for _ in range(5)) == 2000


def test_quantised_weights_count_as_they_are_stored():
    """The tensors within a wrapper, and the scales that bitsandbytes hangs beside a weight."""
    inner = torch.zeros(4, 4, dtype=torch.uint8), torch.zeros(4, 4, dtype=torch.uint8)
    assert tensors_bytes([TwoTensor(*inner)]) == 32
    model = torch.nn.Linear(64, 4, bias=False)
    model.weight = torch.nn.Parameter(torch.zeros(128, 1, dtype=torch.uint8), requires_grad=False)
    nested = SimpleNamespace(absmax=torch.zeros(1), code=torch.zeros(256))
    model.weight.quant_state = SimpleNamespace(absmax=torch.zeros(4, dtype=torch.uint8), blocksize=64, state2=nested)
    assert weights_bytes(model) == 128 + 4 + 4 + 1024
