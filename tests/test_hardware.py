"""Data sheets: every file is valid, and a device is matched by its own file or by none."""

from __future__ import annotations

import subprocess
import sys

import pytest

from harness import hardware
from harness.config import ConfigError

NAMES = {
    "Tesla T4": "t4",
    "Tesla V100-SXM2-16GB": "v100-sxm2-16gb",
    "Tesla V100-SXM2-32GB": "v100-sxm2-32gb",
    "Tesla V100-PCIE-16GB": "v100-pcie-16gb",
    "NVIDIA A10": "a10",
    "NVIDIA A10G": None,
    "NVIDIA A100-SXM4-40GB": "a100-sxm-40gb",
    "A100-SXM4-40GB": "a100-sxm-40gb",
    "NVIDIA A100-SXM4-80GB": "a100-sxm-80gb",
    "NVIDIA A100-PCIE-40GB": "a100-pcie-40gb",
    "NVIDIA A100 80GB PCIe": "a100-pcie-80gb",
    "NVIDIA A100-SXM4-40GB MIG 1g.5gb": None,
    "NVIDIA A100-SXM4-80GB MIG 3g.40gb": None,
    "NVIDIA L4": "l4",
    "NVIDIA L40": "l40",
    "NVIDIA L40S": "l40s",
    "NVIDIA H100 80GB HBM3": "h100-sxm",
    "NVIDIA H100 80GB HBM3 MIG 1g.10gb": None,
    "NVIDIA H100 PCIe": "h100-pcie",
    "NVIDIA H100 NVL": "h100-nvl",
    "NVIDIA H200": "h200-sxm",
    "NVIDIA H200 NVL": "h200-nvl",
    "NVIDIA GH200 480GB": None,
    "NVIDIA H800": None,
    "NVIDIA GeForce RTX 3090": "rtx-3090",
    "NVIDIA GeForce RTX 3090 Ti": None,
    "NVIDIA GeForce RTX 4090": "rtx-4090",
    "NVIDIA GeForce RTX 4090 D": None,
    "NVIDIA GeForce RTX 4090 Laptop GPU": None,
    "NVIDIA RTX A6000": "rtx-a6000",
    "NVIDIA RTX 6000 Ada Generation": None,
    "AMD EPYC 7763 64-Core Processor": None,
    "Intel(R) Xeon(R) Platinum 8480+": None,
    "": None,
}

MINE = """\
# @package hardware
_target_: harness.hardware.Hardware
name: mine
match: 'My Device'
flops: {float32: 1.0e+12, tf32: null, bfloat16: null, float16: null}
bandwidth: 1.0e+11
memory: 1000000000
l2: 1000000
source: its label
measured:
  _target_: harness.hardware.Measured
  date: '2026-01-01'
  versions: driver 1, torch 2
  flops: {float32: 0.9e+12, tf32: null, bfloat16: null, float16: null}
  bandwidth: 0.8e+11
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """The user's folder of hardware files, in the working directory."""
    folder = tmp_path / "conf" / "hardware"
    folder.mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_a_name_matches_its_own_file_or_none(name):
    """Names as torch and NVML write them: no variant, part or neighbour of a device is taken for it."""
    found = hardware.find(name)
    assert (found.name if found else None) == NAMES[name]
    assert sum(entry.matches(name) for entry in hardware.known()) == (NAMES[name] is not None)


def test_every_file_is_valid_and_plausible():
    """Each says what it is and where its figures are from; the faster arithmetic is not the slower one."""
    entries = hardware.known()
    assert {name for name in NAMES.values() if name} <= {entry.name for entry in entries}
    for entry in entries:
        assert entry.about, entry.name
        assert entry.flops["float16"] >= entry.flops["float32"] > 1e12, entry.name
        assert 1e11 < entry.bandwidth < 1e13, entry.name
        assert entry.l2 < entry.memory, entry.name
        assert 20 < entry.flops["float16"] / entry.bandwidth < 500, entry.name


def test_figures_are_those_of_dense_products():
    """Data sheets print figures with sparsity, twice as large, more prominently."""
    assert hardware.find("NVIDIA H100 80GB HBM3").peak_flops("bfloat16") == pytest.approx(989e12, rel=0.01)
    assert hardware.find("NVIDIA L4").peak_flops("bfloat16") == pytest.approx(121e12, rel=0.01)
    assert hardware.find("NVIDIA A100-SXM4-80GB").peak_flops("float16") == pytest.approx(312e12, rel=0.01)
    assert hardware.find("NVIDIA L40S").peak_flops("float16") == pytest.approx(362e12, rel=0.01)


def test_arithmetic_that_a_device_lacks_has_no_peak():
    """No bfloat16 before Ampere; TF32 is a choice for float32 weights."""
    t4, a100 = hardware.find("Tesla T4"), hardware.find("NVIDIA A100-SXM4-80GB")
    assert t4.peak_flops("bfloat16") is None
    assert t4.peak_flops("float32", products="tf32") is None
    assert a100.peak_flops("float32", products="tf32") == 8 * a100.peak_flops("float32")
    assert a100.peak_flops("bfloat16", products="tf32") == a100.peak_flops("bfloat16")


def test_a_file_of_ones_own_is_found_and_goes_first(own):
    """`conf/hardware/` of the working directory adds devices, and replaces one of the same name."""
    (own / "mine.yaml").write_text(MINE, encoding="utf-8")
    found = hardware.find("My Device")
    assert (found.bandwidth, found.measured.bandwidth) == (1e11, 0.8e11)
    (own / "t4.yaml").write_text(MINE.replace("name: mine", "name: t4"), encoding="utf-8")
    assert hardware.find("Tesla T4") is None
    with pytest.raises(ConfigError, match="'My Device' matches mine and t4"):
        hardware.find("My Device")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("bandwidth: 1.0e+11", "bandwidth: 1e11", r"bandwidth='1e11' must be a number above 0 \(YAML needs the sign"),
        (
            "tf32: null, bfloat16: null, float16: null}\nbandwidth: 1.0",
            "tf32: null}\nbandwidth: 1.0",
            "flops must name",
        ),
        ("match: 'My Device'", "match: '('", "is not a regular expression"),
        ("memory: 1000000000", "memory: -1", "memory=-1 must be a number above 0"),
        ("source: its label", "sauce: its label", "unknown key 'sauce'.*did you mean 'source'"),
        ("_target_: harness.hardware.Hardware", "_target_: harness.devices.DeviceChoice", "hardware.mine: "),
        ("name: mine", "name: [mine", "mine.yaml is not readable as YAML"),
    ],
)
def test_a_file_with_a_fault_is_named(own, old, new, message):
    """One line: which file, what is wrong."""
    assert old in MINE
    (own / "mine.yaml").write_text(MINE.replace(old, new), encoding="utf-8")
    with pytest.raises(ConfigError, match=message) as raised:
        hardware.find("My Device")
    assert "\n" not in str(raised.value)
    assert "hardware.mine" in str(raised.value)


def test_looking_a_device_up_imports_nothing_heavy():
    """Neither Hydra nor torch is loaded for it."""
    code = (
        "import sys; from harness import hardware; hardware.find('Tesla T4');"
        "print([m for m in ('hydra', 'omegaconf', 'torch', 'transformers') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"


def test_an_entry_is_read_as_it_was_written(own):
    """Of a processor: no data sheet, measured peaks that hold for the threads they were measured with."""
    flops = dict.fromkeys(hardware.PRODUCTS)
    measured = hardware.Measured(
        date="2026-01-01", versions="torch 2", flops={**flops, "bfloat16": 1.2345678e11}, bandwidth=2e10, threads=2
    )
    entry = hardware.Hardware(
        name="cpu-mine", match=r"My\ CPU\ \(R\)", flops=flops, bandwidth=None, memory=None, l2=None, source="none",
        measured=measured,
    )  # fmt: skip
    (own / "cpu-mine.yaml").write_text(entry.yaml(), encoding="utf-8")
    found = hardware.find("My CPU (R)")
    assert found.peak_flops("bfloat16") is None
    assert found.measured.flops["bfloat16"] == 1.235e11
    assert (found.measured_with(2), found.measured_with(1)) == (found.measured, None)
    assert hardware.find("Tesla T4").measured_with(None) is None
