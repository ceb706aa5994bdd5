"""Energy: the processor's counters as the kernel lays them out, wrap-around, and reasons where none can be read."""

import os
import threading
import time

import pytest
import torch

from harness.meters import energy
from harness.meters.energy import Rapl

RANGE = 262_143_328_850


def zone(folder, *, name, joules=1.0):
    """One counter, laid out as in the kernel's sysfs."""
    folder.mkdir(parents=True)
    (folder / "name").write_text(f"{name}\n")
    (folder / "max_energy_range_uj").write_text(f"{RANGE}\n")
    advance(folder, joules)
    return folder


def advance(folder, joules):
    """Sets the counter in one step, as a reader of sysfs sees it."""
    fresh = folder / "fresh"
    fresh.write_text(f"{round(joules * 1e6) % RANGE}\n")
    fresh.replace(folder / "energy_uj")


@pytest.fixture
def powercap(tmp_path):
    """Two sockets with cores and memory, the platform and a second interface to the first socket, behind links."""
    real, shown = tmp_path / "devices" / "intel-rapl", tmp_path / "powercap"
    shown.mkdir()
    zones = {
        "intel-rapl:0": "package-0",
        "intel-rapl:0/intel-rapl:0:0": "core",
        "intel-rapl:0/intel-rapl:0:1": "dram",
        "intel-rapl:1": "package-1",
        "intel-rapl:2": "psys",
        "intel-rapl-mmio:0": "package-0",
    }
    for path, name in zones.items():
        folder = zone(real / path, name=name)
        (shown / folder.name).symlink_to(folder)
    (shown / "intel-rapl").symlink_to(real)
    return shown


@pytest.fixture
def running(powercap):
    """The counter of the first socket runs: 10 W, and 30 W more while the `busy` flag that is given is set."""
    busy, ended = threading.Event(), threading.Event()

    def run():
        joules, last = 1.0, time.perf_counter()
        while not ended.wait(0.002):
            now = time.perf_counter()
            joules, last = joules + (40 if busy.is_set() else 10) * (now - last), now
            advance(powercap / "intel-rapl:0", joules)

    thread = threading.Thread(target=run)
    thread.start()
    yield busy
    ended.set()
    thread.join()


def test_gross_and_net_energy_of_the_work(powercap, running):
    """Work of 30 W above the idle 10 W: gross counts both, net the work alone; the calls are counted."""
    meter = energy.find("cpu", (), powercap=powercap)
    assert not isinstance(meter, str)
    calls = []

    def work():
        calls.append(0)
        running.set()
        time.sleep(0.02)
        running.clear()

    found = energy.measure(meter, work, least_seconds=0.4, idle_seconds=0.3)
    assert (found.method, found.calls) == ("rapl", len(calls))
    assert found.seconds >= 0.4
    assert found.idle_watts == pytest.approx(10, rel=0.3)
    assert found.joules / found.seconds == pytest.approx(40, rel=0.3)
    assert found.net_joules == pytest.approx(found.joules - found.idle_watts * found.seconds)


def test_work_longer_than_the_loop_runs_once(powercap, running):
    """At least one call is made."""
    assert not running.is_set()
    meter = energy.find("cpu", (), powercap=powercap)
    found = energy.measure(meter, lambda: time.sleep(0.02), least_seconds=0.0, idle_seconds=0.02)
    assert found.calls == 1


def test_sockets_and_memory_are_added(powercap):
    """Cores lie within their socket, the platform holds the sockets, and the second interface is the first socket."""
    zones = energy._zones(powercap)
    assert [folder.name for folder in zones] == ["intel-rapl:0", "intel-rapl:0:1", "intel-rapl:1"]
    meter = Rapl(zones)
    for place, folder in enumerate(sorted(powercap.glob("intel-rapl*:*"))):
        advance(folder, 1.0 + 10**place)
    counted = [place for place, folder in enumerate(sorted(powercap.glob("intel-rapl*:*"))) if folder in zones]
    assert meter.read() == pytest.approx(sum(10**place for place in counted))


def test_a_counter_that_starts_again_goes_on(tmp_path):
    """Behind its largest value it starts at 0: the step across is small and positive, also the second time."""
    folder = zone(tmp_path / "intel-rapl:0", name="package-0", joules=RANGE * 1e-6 - 5.0)
    meter = Rapl([folder])
    advance(folder, 7.0)
    assert meter.read() == pytest.approx(12.0, abs=1e-3)
    advance(folder, RANGE * 1e-6 - 1.0)
    meter.read()
    advance(folder, 2.0)
    assert meter.read() == pytest.approx(5.0 + RANGE * 1e-6 + 2.0, abs=1e-3)


def test_a_counter_without_permission_says_so(tmp_path_factory, powercap):
    """As a kernel shows it to others than root since 2020."""
    (powercap / "intel-rapl:0" / "energy_uj").chmod(0)
    everybody = [folder for folder in [powercap, *powercap.parents] if tmp_path_factory.getbasetemp() in folder.parents]
    opened = [*everybody, tmp_path_factory.getbasetemp(), tmp_path_factory.getbasetemp().parent]
    modes = {folder: folder.stat().st_mode for folder in opened}
    root = os.geteuid() == 0
    try:
        if root:
            for folder in opened:
                folder.chmod(0o755)
            os.seteuid(65534)
        found = energy.find("cpu", (), powercap=powercap)
    finally:
        if root:
            os.seteuid(0)
        for folder, mode in modes.items():
            folder.chmod(mode)
    assert isinstance(found, str)
    assert "RAPL: permission denied" in found


@pytest.mark.parametrize("content", ["", "many\n"])
def test_a_counter_that_is_no_number_is_a_reason(powercap, content):
    """Not an error: the rest of the measurement goes on."""
    (powercap / "intel-rapl:1" / "energy_uj").write_text(content)
    found = energy.find("cpu", (), powercap=powercap)
    assert isinstance(found, str)
    assert "cannot be read" in found


def test_a_counter_that_stands_still_is_no_meter(powercap):
    """As some virtual machines show it: 0 J would pass as a measurement."""
    assert energy.find("cpu", (), powercap=powercap) == "rapl: the counter stands still"


def test_no_counters_are_a_reason(tmp_path):
    """Where the kernel has no such folder, or nothing of RAPL in it."""
    for folder in (tmp_path / "missing", tmp_path):
        assert energy.find("cpu", (), powercap=folder) == "RAPL: this kernel shows no energy counters"


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_no_driver_is_a_reason():
    """The processor's counters do not stand in for the GPU's."""
    found = energy.find("cuda", (0,))
    assert isinstance(found, str)
    assert "NVML" in found


@pytest.mark.gpu
def test_a_gpu_takes_more_at_work():
    """By its own counter, where it tells."""
    here = (torch.cuda.current_device(),)
    meter = energy.find("cuda", here)
    if isinstance(meter, str):
        pytest.skip(meter)
    matrix = torch.rand(8192, 8192, device="cuda")
    found = energy.measure(meter, lambda: matrix @ matrix, least_seconds=3.0, idle_seconds=3.0)
    assert found.method == "nvml_counter"
    assert found.joules > found.net_joules > 0
