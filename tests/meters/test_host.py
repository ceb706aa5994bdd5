"""What the kernel tells about the processors, from folders laid out as it does."""

import os
import subprocess
import sys

import pytest

from harness.meters import host


@pytest.fixture
def machine(tmp_path):
    """The files of a machine with two processors at 2.0 and 3.0 GHz in a container with a quota."""
    ticks = os.sysconf("SC_CLK_TCK")
    files = {
        "proc/loadavg": "1.50 0.70 0.30 3/412 9999\n",
        "proc/stat": f"cpu  {10 * ticks} {ticks} {2 * ticks} {50 * ticks} {4 * ticks} 0 {ticks} {3 * ticks} 0 0\n"
        f"cpu0 0 0 0 0 0 0 0 0 0 0\n",
        "sys/fs/cgroup/cpu.stat": "usage_usec 9\nnr_throttled 2\nthrottled_usec 2500000\n",
        "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "powersave\n",
        "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "2000000\n",
        "sys/devices/system/cpu/cpu1/cpufreq/scaling_cur_freq": "3000000\n",
        "sys/devices/system/cpu/cpufreq/boost": "1\n",
    }
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    return tmp_path


def test_load_and_other_threads(machine):
    """The first average; the thread that reads is not among the others."""
    assert host.load(machine / "proc") == {"load": 1.5, "running": 2}


def test_clocks_and_governor(machine):
    """In MHz, the median of the processors."""
    assert host.clocks(machine / "sys") == {"governor": "powersave", "mhz": 2500}


def test_who_used_the_processors(machine):
    """In seconds: waiting for a disk is idling, and what the hypervisor took is neither busy nor idle."""
    found = host.usage(machine / "proc", machine / "sys")
    assert {name: found[name] for name in ("busy", "idle", "stolen", "held_back")} == {
        "busy": 14.0,
        "idle": 54.0,
        "stolen": 3.0,
        "held_back": 2.5,
    }
    assert found["own"] > 0


def test_what_is_not_told_is_none(tmp_path):
    """On a system without these files."""
    assert host.load(tmp_path) == {"load": None, "running": None}
    assert host.clocks(tmp_path) == {"governor": None, "mhz": None}
    found = host.usage(tmp_path, tmp_path)
    assert [found[name] for name in ("busy", "idle", "stolen", "held_back")] == [None] * 4


def test_processes_of_one_parent_are_one_run():
    """As the workers of one run are forked by one server; another parent's process is of another run."""
    word = (
        "import subprocess, sys\nask = [sys.executable, '-c', 'from harness.meters import host; print(host.run())']\n"
    )
    code = f"{word}print(*[subprocess.run(ask, capture_output=True, text=True).stdout.strip() for _ in range(2)])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert found[0] == found[1]
    assert len(found[0]) == 12
    assert found[0] != host.run() == host.run()


def test_a_system_without_processes_as_files_has_runs_too(tmp_path):
    """By the parent's number alone."""
    assert len(host.run(tmp_path)) == 12
