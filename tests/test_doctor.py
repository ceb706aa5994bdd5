"""`harness doctor --measure`: what this machine reaches, written down and found again."""

from __future__ import annotations

import subprocess
import sys

import pytest

from harness import doctor, hardware
from harness.config import ConfigError
from harness.devices import DeviceChoice
from harness.meters.sentinel import Steady


def test_measured_peaks_are_written_down_and_found_again(tmp_path, monkeypatch, harness):
    """In a file of the working directory, with date, versions and method; no data sheet is made up."""
    code = "from harness.doctor import measure; raise SystemExit(measure(most_seconds=0))"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    monkeypatch.chdir(tmp_path)
    device = DeviceChoice().resolve()
    entry = hardware.find(device.name)
    file = tmp_path / "conf" / "hardware" / f"{entry.name}.yaml"
    assert file.read_text(encoding="utf-8") in done.stdout
    measured = entry.measured
    assert measured.flops["float32"] > 1e8
    assert measured.bandwidth > 1e8
    assert measured.versions.startswith("torch ")
    assert "doctor --measure" in measured.method
    if device.kind == "cpu":
        assert (set(entry.flops.values()), entry.bandwidth, measured.threads) == ({None}, None, device.threads)
    told = harness("list", "models", "--facts", cwd=tmp_path)
    assert f"GB/s measured {measured.date}" in told.stdout
    assert f"measured {measured.date}" in harness("doctor", cwd=tmp_path, HF_HUB_OFFLINE="1").stdout


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path, monkeypatch):
    """Before anything is measured: naming the file and what to do."""
    (tmp_path / "conf").write_text("")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"cannot be written: .*; run it in a folder of your own"):
        doctor.measure()


def test_readings_that_do_not_agree_are_no_peak():
    """One arithmetic's are left out and named; where none agree there is nothing to write, and the reason is told."""
    good, bad = (Steady(flops=1e11, bandwidth=1e10, readings=9, spread=spread) for spread in (0.02, 7.05))
    assert doctor._usable({"float32": good, "bfloat16": bad}, ()) == {"float32": good}
    assert "not steady: bfloat16 by 705% and left out" in doctor._method({"float32": good, "bfloat16": bad}, ())
    with pytest.raises(ConfigError, match=r"differ by up to 705% \(load average 9\): measure when the machine is idle"):
        doctor._usable({"float32": bad}, ("load average 9",))
