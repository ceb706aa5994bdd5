"""Snapshots of the surroundings and the noise between two of them."""

import getpass
import json
import os
import platform
import subprocess
import sys
import time

import pytest
import torch

from harness.meters import host
from harness.meters.environment import noise, snapshot

USED = {"busy": 10.0, "idle": 10.0, "stolen": 0.0, "own": 5.0, "held_back": 0.0}
BEFORE = {"at": 100.0, "cores": 2, "load": 0.5, "running": 0, "processor_seconds": USED}
QUIET = {"busy": 14.0, "idle": 26.0, "stolen": 0.0, "own": 9.0, "held_back": 0.0}
GPU = {
    "foreign": 0,
    "sm_mhz": 1980,
    "memory_mhz": 2619,
    "temperature": 60,
    "temperature_limit": 90,
    "slowdowns": [],
    "held_back_seconds": {"power": 100.0, "heat": 0.0},
}


def after(**changes):
    """The surroundings ten seconds later: this process used 4 s of the 20 s of two cores, nobody else any."""
    return {**BEFORE, "at": 110.0, "processor_seconds": QUIET, **changes}


def used(**changes):
    return {"processor_seconds": {**QUIET, **changes}}


def test_a_snapshot_is_json_without_names():
    """No path, no user, no host name, no process id of anybody."""
    found = snapshot("cpu", ())
    text = json.dumps(found)
    assert json.loads(text) == found
    assert "/" not in text
    assert platform.node() not in text
    words = {word for value in _leaves(found) if isinstance(value, str) for word in value.split()}
    assert getpass.getuser() not in words
    assert {"at", "cores", "load", "torch"} <= set(found)
    assert found["torch"]["threads"] == torch.get_num_threads()


def _leaves(value):
    if isinstance(value, dict):
        return [leaf for inner in value.values() for leaf in _leaves(inner)]
    return [leaf for inner in value for leaf in _leaves(inner)] if isinstance(value, list) else [value]


def test_a_quiet_machine_is_not_noisy():
    """The process itself may use all it likes; two snapshots of one moment say nothing either."""
    assert noise(BEFORE, after()) == ()
    assert noise(BEFORE, BEFORE) == ()
    assert noise({**BEFORE, "gpus": [GPU]}, after(gpus=[GPU])) == ()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (used(busy=18.0, idle=22.0), "other processes used 20% of the processors"),
        (used(stolen=1.0), "the hypervisor took 20% of the processor time"),
        (used(held_back=1.5), "quota held threads back for 1.5 of 10.0 s"),
        ({"load": 3.4}, "load average 3.4 on 2 cores"),
    ],
)
def test_a_disturbed_machine_is_noisy(changes, words):
    """Each reason by itself, in words."""
    (reason,) = noise(BEFORE, after(**changes))
    assert words in reason


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"foreign": 1}, "used by 1 other process"),
        ({"foreign": 3}, "used by 3 other processes"),
        ({"sm_mhz": 1900}, "sm clock moved from 1980 to 1900 MHz"),
        ({"memory_mhz": 2700}, "memory clock moved"),
        ({"temperature": 88}, "88 °C, and it slows down at 90 °C"),
        ({"slowdowns": ["thermal slowdown by the driver"]}, "slowed down: thermal slowdown by the driver"),
        ({"held_back_seconds": {"power": 102.0, "heat": 0.0}}, "held back by power for 2.0 of 10.0 s"),
        ({"held_back_seconds": {}, "slowdowns": ["power cap"]}, "slowed down: power cap"),
    ],
)
def test_a_disturbed_gpu_is_noisy(changes, words):
    """And named by its place."""
    (reason,) = noise({**BEFORE, "gpus": [GPU, GPU]}, after(gpus=[GPU, {**GPU, **changes}]))
    assert reason.startswith("gpu 1: ")
    assert words in reason


def test_a_moment_at_the_power_cap_is_not_noise_where_the_counter_stood_still():
    """The sentinel itself drives a GPU to its limit for a moment; the counter says for how long."""
    assert noise({**BEFORE, "gpus": [GPU]}, after(gpus=[{**GPU, "slowdowns": ["power cap"]}])) == ()


def test_what_is_not_told_is_not_noise():
    """Neither processors nor GPUs that tell nothing, nor a second that came too fast to be judged."""
    silent = dict.fromkeys(USED)
    gpus = [dict.fromkeys(GPU)]
    before = {**BEFORE, "load": None, "processor_seconds": silent, "gpus": gpus}
    assert noise(before, {**before, "at": 110.0}) == ()
    assert noise({**before, "gpus": [{"reason": "no NVML"}]}, {**before, "at": 110.0}) == ()
    assert noise(BEFORE, after(at=100.1, **used(busy=30.0))) == ()


def test_a_real_neighbour_is_noticed_and_a_child_is_none():
    """A process that computes beside this one uses its core; after it has ended, its time is that of a child."""
    if (os.cpu_count() or 1) > 8 or host.usage()["busy"] is None:
        pytest.skip("one of so many cores is within the tolerance, or this kernel does not tell")
    before = snapshot("cpu", ())
    neighbour = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    time.sleep(0.8)
    during = snapshot("cpu", ())
    neighbour.kill()
    neighbour.wait()
    assert any("other processes used" in reason for reason in noise(before, during))
    assert host.usage()["own"] - before["processor_seconds"]["own"] > 0.2


@pytest.mark.gpu
def test_a_snapshot_of_a_gpu():
    """Its clocks are those of a busy GPU; without any work between, two of them agree."""
    here = [torch.cuda.current_device()]
    found = snapshot("cuda", here)
    (gpu,) = found["gpus"]
    assert gpu.get("reason") or gpu["sm_mhz"] > 0
    assert "/" not in json.dumps(found)
