"""The devices a model lies on."""

from types import SimpleNamespace

import pytest
import torch

from harness.meters.places import devices


def test_only_the_devices_of_the_model_are_named():
    """Those of its device map, in order; what lies on the host or the disk names none, and a CPU has none."""
    spread = SimpleNamespace(
        hf_device_map={"a": 1, "b": "cuda:0", "c": "cpu", "d": "disk", "e": torch.device("cuda:1")}
    )
    assert devices("cuda", spread) == (0, 1)
    assert devices("cpu", spread) == ()


@pytest.mark.gpu
def test_a_model_without_a_map_is_on_the_current_device():
    """As one with random weights is."""
    assert devices("cuda", torch.nn.Linear(1, 1)) == (torch.cuda.current_device(),)
