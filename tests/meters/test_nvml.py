"""What the NVIDIA driver tells, and what is said where there is none."""

import json
import os
import subprocess
import sys
from types import SimpleNamespace

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
    assert state["foreign"] == 0 or "not visible" in state["foreign_reason"]
    assert json.loads(json.dumps(state)) == state


def test_a_hidden_list_is_not_an_empty_one():
    """This process works on the GPU: where it is not listed either, others may well be there."""

    def listed(*pids):
        processes = [SimpleNamespace(pid=pid) for pid in pids]
        return SimpleNamespace(nvmlDeviceGetComputeRunningProcesses=lambda _: processes)

    assert nvml._foreign(listed(), None) is None
    assert "not visible" in nvml.HIDDEN
    assert nvml._foreign(listed(os.getpid()), None) == 0
    assert nvml._foreign(listed(os.getpid(), 2**30), None) == 1
    assert nvml._foreign(listed(2**30, 2**30 + 1), None) == 1, "one of the two is this process by the host's number"
