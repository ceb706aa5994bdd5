"""`harness list models --facts` as a user sees it, and on devices that this machine does not have."""

from __future__ import annotations

import dataclasses
import io
import subprocess
import sys

import pytest
import torch
from rich.console import Console

from harness import facts
from harness.catalogue import describe
from harness.devices import Device

A100 = Device(
    kind="cuda", slug="cuda-a100", name="NVIDIA A100-SXM4-80GB", threads=8, batch=64, memory=80 * 2**30, capability=80
)
T4 = Device(kind="cuda", slug="cuda-t4", name="Tesla T4", threads=8, batch=64, memory=15 * 2**30, capability=75)


def cells(place, *, wide=True) -> dict[str, list[str]]:
    """Rows of the table by model, without the columns that hold words."""
    console = Console(width=200, file=io.StringIO())
    console.print(facts.table(describe("model"), place, wide=wide))
    rows = [line.split() for line in console.file.getvalue().splitlines()]
    return {row[0]: row[1:] for row in rows if row}


def place(device, bandwidth=2.039e12) -> facts.Place:
    """Where the device's whole memory is free."""
    return facts.Place(device=device, free=device.memory, bandwidth=bandwidth, origin="by its data sheet", cache=2**25)


@pytest.mark.parametrize("columns", ["80", "120", "200"])
def test_the_table_is_readable_at_any_width(harness, columns):
    """Every model that has weights has one row of its own that is not cut off, and every line fits the window."""
    done = harness("list", "models", "--facts", COLUMNS=columns)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert max(len(line) for line in lines) <= int(columns)
    assert "…" not in done.stdout
    names = [line.split()[0] for line in lines if line.strip()]
    here = {entry["name"] for entry in describe("model") if not str(entry.get("_target_")).endswith(".ApiSpec")}
    assert here <= set(names)
    assert "gpt-4o" not in names
    assert names.index("gpt2") < names.index("gpt2-medium") < names.index("gpt-neox-20b")
    assert ("family" in done.stdout.split("gpt2")[0]) == (int(columns) >= facts.WIDE)


def test_facts_are_about_models(harness):
    """Any other list is refused in one line; the plain list is as it was."""
    done = harness("list", "tasks", "--facts")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "harness list models --facts, not tasks" in done.stderr
    assert "gpt2-xl" in harness("list", "models").stdout
    listed = harness("list", "hardware")
    assert (listed.returncode, "h100-pcie" in listed.stdout) == (0, True)


def test_figures_of_gpt2_xl_on_an_a100():
    """Parameters, GFLOP and KV per token, weights in bfloat16, and the bound that the data sheet sets."""
    family, count, matmul, flops, kv, weights, buffers, exact, fast, bound = cells(place(A100))["gpt2-xl"]
    assert (family, count, matmul, flops, kv, weights, buffers) == (
        "gpt2", "1,557.6", "1,555.0", "3.11", "300", "2.9", "0",
    )  # fmt: skip
    assert 0 < int(exact) < int(fast)
    assert float(bound) == pytest.approx(655, rel=0.01)
    assert cells(place(A100))["mini-gpt2-s"][-1] == "—", "its weights lie in the cache"


def test_what_does_not_fit_says_so():
    """GPT-NeoX 20B does not fit a T4 in any dtype, GPT-J not in float32; an unknown bandwidth is no guess."""
    rows = cells(place(T4, bandwidth=None))
    assert rows["gpt-neox-20b"][-3:] == ["—", "—", "—"]
    assert rows["gpt-j-6b"][-3] == "—"
    assert rows["gpt2"][-1] == "—"
    assert "no file of conf/hardware" in facts.legend(place(T4, bandwidth=None), wide=True)[2]


def test_a_model_of_unknown_sizes_has_a_row_of_dashes():
    """A user's model of family `auto` is listed, with what its file says and nothing made up."""
    console = Console(width=200, file=io.StringIO())
    entry = {"name": "mine", "family": "auto", "about": "", "own": True}
    for wide in (True, False):
        console.print(facts.table([entry], place(A100), wide=wide))
    rows = [line.split() for line in console.file.getvalue().splitlines() if line.startswith("mine")]
    assert rows == [["mine", "auto", *["—"] * 9], ["mine", *["—"] * 7]]


def test_free_memory_is_what_is_free(tmp_path):
    """By the kernel's word, and on a GPU by the driver's; where neither tells, that is said."""
    info = tmp_path / "meminfo"
    info.write_text("MemTotal: 4096 kB\nMemAvailable:    1024 kB\n")
    assert facts.available_memory(info) == 2**20
    assert facts.available_memory(tmp_path / "none") is None
    told = [facts.legend(dataclasses.replace(place(T4), room=room), wide=True)[0] for room in ("free", "in all")]
    assert ["15.0 GiB free" in told[0], "15.0 GiB in all" in told[1]] == [True, True]


@pytest.mark.gpu
def test_free_memory_of_a_gpu_leaves_out_what_is_taken():
    """In a process of its own, as the command has; a GiB that somebody holds is not free."""
    ask = [sys.executable, "-c", "from harness import facts; print(facts.free_device_memory())"]
    before = int(subprocess.run(ask, capture_output=True, text=True, check=True).stdout)
    held = torch.ones(2**30, dtype=torch.uint8, device="cuda")
    after = int(subprocess.run(ask, capture_output=True, text=True, check=True).stdout)
    assert 0.9 * held.nbytes < before - after
    assert before < torch.cuda.get_device_properties(0).total_memory
