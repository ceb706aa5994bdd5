"""The peak meter: host and device memory."""

import pytest
import torch

from harness.meters.memory import Peak

SIZE = 200_000_000


def test_an_allocation_is_seen_after_it_is_gone():
    """200 MB that come and go within the block raise the host's peak above an idle block's."""
    with Peak() as idle:
        pass
    with Peak() as busy:
        torch.ones(SIZE, dtype=torch.uint8)
    assert busy.host_bytes >= idle.host_bytes + 0.9 * SIZE
    assert (busy.device_bytes, busy.device_reserved_bytes) == (None, None)


def test_the_peak_of_an_earlier_block_is_forgotten():
    """Where the kernel lets the mark be reset, and only there."""
    with Peak() as first:
        torch.ones(SIZE, dtype=torch.uint8)
    with Peak() as second:
        pass
    if not second.host_reset:
        pytest.skip("this kernel or container does not let a process reset its high-water mark")
    assert second.host_bytes < first.host_bytes - 0.5 * SIZE


@pytest.mark.gpu
def test_device_memory_is_seen():
    """The allocator's peak covers a tensor that is gone."""
    with Peak([torch.cuda.current_device()]) as peak:
        torch.ones(SIZE, dtype=torch.uint8, device="cuda")
    assert peak.device_bytes is not None
    assert peak.device_reserved_bytes is not None
    assert SIZE <= peak.device_bytes <= peak.device_reserved_bytes
