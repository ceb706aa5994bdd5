"""What the NVIDIA driver tells, and what is said where there is none."""

import json
import subprocess
import sys

import pytest
import torch

from harness.meters import nvml


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
@pytest.mark.parametrize("question", [nvml.total_joules, nvml.state, lambda index: nvml.process_bytes([index])])
def test_without_a_driver_there_is_a_reason(question):
    """And no exception, whatever is asked."""
    value, reason = question(0)
    assert value is None
    assert "NVML" in reason


def test_no_devices_take_no_memory():
    """Nothing is asked then."""
    assert nvml.process_bytes([]) == (0, "")


def test_the_driver_is_looked_for_only_when_asked():
    """Importing the meter imports neither pynvml nor torch."""
    code = "import sys, harness.meters.nvml; print({'pynvml', 'torch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_only_one_module_knows_pynvml(repository):
    """All others ask it."""
    sources = (repository / "harness").rglob("*.py")
    assert [path.name for path in sources if "import pynvml" in path.read_text()] == ["nvml.py"]


@pytest.mark.gpu
def test_the_state_of_a_gpu():
    """It has torch's name and a driver, and can be written as JSON; this process alone is no foreign one."""
    here = torch.cuda.current_device()
    torch.ones(1, device="cuda")
    state, reason = nvml.state(here)
    assert state is not None, reason
    assert state["name"] == torch.cuda.get_device_name(here)
    assert state["driver"]
    assert state["foreign"] in (None, 0)
    assert json.loads(json.dumps(state)) == state
