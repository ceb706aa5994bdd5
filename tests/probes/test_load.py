"""The load probe: states of the page cache, steps of loading, and what is said where they cannot be had."""

import mmap
import shutil
from pathlib import Path

import pytest
import torch
import yaml

from harness import zoo
from harness.config import construct
from harness.devices import Device
from harness.methods.none import NoMethod
from harness.models.spec import ModelSpec
from harness.models.unloaded import Unloaded
from harness.probes import pages, staging
from harness.probes.load import Load, _rows, _warnings
from harness.probes.staging import Loading

CONF = Path(__file__).parents[2] / "conf" / "probe"
STEPS = {"load_s": "s", "read_s": "s", "init_s": "s", "to_device_s": "s", "read_B_s": "B/s"}
SHAPE = {"vocab_size": 768, "n_positions": 64, "n_embd": 32, "n_layer": 2, "n_head": 4}


def unloaded(source="zoo:mini-gpt2-s", kind="cpu", **more):
    """A small model before it is loaded."""
    spec = ModelSpec(name="mini", family="gpt2", source=source, dtype="float32", **more)
    return Unloaded(
        spec=spec, method=NoMethod(), device=Device(kind=kind, slug="here", name="here", threads=1, batch=4)
    )


def quiet(phase, done, total):
    """No listener."""


@pytest.fixture
def checkpoint(tmp_path):
    """A copy of a zoo model that nobody else has mapped."""
    return Path(shutil.copytree(zoo.folder("mini-gpt2-s"), tmp_path / "model"))


@pytest.mark.slow
def test_every_step_is_measured_in_both_states(checkpoint):
    """Cold and warm, each repeat of each step, with sign and unit; the facts say what was in memory."""
    outcome = Load(name="load", repeats=2).run(unloaded(str(checkpoint)), quiet)
    rows = [m for m in outcome.measurements if m.metric in STEPS]
    asked = [state for state in outcome.facts["cache_state"] if state["asked"] == "cold"]
    assert [state["asked"] for state in outcome.facts["cache_state"]] == ["cold"] * 2 + ["warm"] * 4 + ["cold"] * 2
    if any(state["resident"] for state in asked):
        pytest.skip("this file system keeps pages in memory")
    for metric, unit in STEPS.items():
        for subset in ("cache=cold", "cache=warm"):
            found = [m for m in rows if (m.metric, m.subset) == (metric, subset)]
            assert [m.repeat for m in found] == [0, 1]
            assert all(m.value > 0 and m.unit == unit for m in found)
    size = (checkpoint / "model.safetensors").stat().st_size
    value = {(m.metric, m.subset, m.repeat): m.value for m in rows}
    assert value["read_B_s", "cache=warm", 0] == pytest.approx(size / value["read_s", "cache=warm", 0])
    assert outcome.facts["files"] == ["model.safetensors"]
    assert outcome.facts["subject"]["parameters"] == 165632


def test_random_weights_are_built_and_not_read():
    """No state of a cache, no reading, and it says so."""
    here = unloaded(source="zoo:mini-gpt2-s", weights="random", architecture=SHAPE, tokenizer="zoo:mini-gpt2-s")
    outcome = Load(name="load", repeats=2).run(here, quiet)
    times = {(m.metric, m.subset) for m in outcome.measurements if m.unit == "s"}
    assert times == {("load_s", ""), ("init_s", ""), ("to_device_s", "")}
    assert not [m for m in outcome.measurements if m.metric == "read_B_s"]
    assert outcome.warnings[0] == "weights are random: nothing was read, load_s is building and drawing them"


def test_pages_are_evicted_and_read_again(tmp_path):
    """Looked up with the kernel before and after; an odd size has a part of a page at its end."""
    file = tmp_path / "weights"
    file.write_bytes(b"x" * (5 * mmap.PAGESIZE + 1))
    assert pages.residency([file]) == pages.Residency(pages=6, resident=6)
    if pages.evict([file]).resident:
        pytest.skip("this file system keeps pages in memory")
    assert pages.residency([file, file]) == pages.Residency(pages=12, resident=0)
    assert pages.read([file]) == 5 * mmap.PAGESIZE + 1
    assert pages.residency([file]).resident == 6


def test_what_stays_in_memory_is_not_called_cold(tmp_path):
    """A file that a process has mapped cannot be evicted: its loading counts as warm, with a warning."""
    file = tmp_path / "weights"
    file.write_bytes(b"x" * (64 * mmap.PAGESIZE))
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, prot=mmap.PROT_READ) as mapped:
        assert mapped[0] == ord("x")
        left = pages.evict([file])
    assert left.resident > 0
    loading = Loading(asked="cold", pages=left.pages, resident=left.resident, whole=1.0)
    assert loading.state == "warm"
    assert {row.subset for row in _rows([loading], size=1) if row.unit == "s"} == {"cache=warm"}
    assert "were to be cold and count as warm" in _warnings(unloaded(), [loading])[0]


def test_repeats_are_numbered_within_their_state():
    """A cold loading that failed is one more warm one."""
    loadings = [Loading(asked="warm", pages=4, resident=4, whole=1.0), Loading(asked="cold", pages=4, whole=2.0)]
    loadings.append(Loading(asked="cold", pages=4, resident=1, whole=3.0))
    rows = [(r.subset, r.repeat, r.value) for r in _rows(loadings, size=1) if r.metric == "load_s"]
    assert rows == [("cache=warm", 0, 1.0), ("cache=cold", 0, 2.0), ("cache=warm", 1, 3.0)]


def test_quantised_models_have_no_steps_apart():
    """They are built where they are read to, and the record says why two figures are absent."""
    spec = ModelSpec(name="q", family="gpt2", source="zoo:mini-gpt2-s", quantisation="nf4")
    assert not staging.divisible(spec)
    here = Unloaded(spec=spec, method=NoMethod(), device=unloaded().device)
    assert "init_s and to_device_s are absent" in _warnings(here, [Loading(asked="warm", whole=1.0)])[0]


def test_every_storage_is_touched_once():
    """Tied weights are one storage."""
    tied = torch.nn.Linear(8, 8, bias=False)
    assert staging.touch(torch.nn.ModuleList([tied, tied, torch.nn.Linear(8, 8)])) == 3


@pytest.mark.parametrize(("field", "bad"), [("page_cache", "hot"), ("repeats", 0), ("replicates", 1.5)])
def test_bad_fields_are_refused(field, bad):
    """One line that names the field."""
    with pytest.raises(ValueError, match=rf"^{field}=.* is not a valid value: "):
        Load(name="load", **{field: bad})


def test_the_config_constructs():
    """The YAML constructs the probe it is named for; replicates are its only points."""
    probe = construct(yaml.safe_load((CONF / "load.yaml").read_text()), where="load")
    assert (type(probe), probe.name, bool(probe.about), probe.loads_itself) == (Load, "load", True, True)
    assert [p.replicate for p in Load(name="load", replicates=2).points()] == [0, 1]


@pytest.mark.gpu
def test_weights_move_to_the_device():
    """On CUDA the copy takes time, and the device's memory holds the weights."""
    outcome = Load(name="load", repeats=1, page_cache="warm").run(unloaded(kind="cuda"), quiet)
    value = {m.metric: m.value for m in outcome.measurements}
    assert value["to_device_s"] > 0
    assert value["peak_device_bytes"] >= 165632 * 4
