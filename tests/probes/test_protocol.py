"""The protocol: the order of the passes, what is derived from raw times, and what makes a cell noisy."""

import dataclasses
import gc
from types import SimpleNamespace

import pytest
import torch

from harness import hardware
from harness.meters import sentinel
from harness.meters.sentinel import Peaks
from harness.probes import footprint, power, surroundings
from harness.probes.decode import Decode
from harness.probes.prefill import Prefill
from harness.probes.protocol import Round, Rules, Useful, Work, measure, within_memory
from harness.probes.surroundings import Surroundings, disturbances, unsteady
from harness.probes.timing import seconds
from harness.probes.utilisation import Machine, last_cache, measurements
from harness.records import Outcome, OutOfMemory

BRIEF = Rules(repeats=3, warm_calls=2, warm_seconds=0.0, warm_most=0.0, energy="off")
MIB = 2**20


@pytest.fixture(scope="module")
def session(subject):
    """A whole measurement of a piece of work that notes what happened when."""
    seen = SimpleNamespace(events=[], collecting=[])

    def round_():
        seen.collecting.append(gc.isenabled())
        seen.events.append("round")
        return Round(measurements=(seconds("step_s", 0.25),), wall=0.25, gaps=(0.1, 0.15))

    work = Work(
        phase="stepping",
        round=round_,
        once=lambda: seen.events.append("once"),
        useful=Useful(flops=1e6, moved_bytes=1e12, metric="step_s"),
        predicted_bytes=123.0,
        told=lambda: {"recompiles": 0},
    )
    progress = lambda phase, done, total: seen.events.append((phase, done, total))  # noqa: E731
    seen.outcome = measure(subject(), work, rules=BRIEF, progress=progress, point={"batch": 4})
    return seen


def test_passes_come_one_after_the_other(session):
    """Warm-up, the timed rounds with a word after each, then memory apart."""
    first = session.events.index(("warming up", 0, 0))
    last = session.events.index(("stepping", 3, 3))
    assert session.events[first + 1 : last].count("round") == 1 + 3
    assert session.events[last + 1 :] == ["once"]


def test_nothing_is_collected_while_timing(session):
    """A collection would count as a slow step; afterwards it is as before."""
    assert not any(session.collecting)
    assert gc.isenabled()


def test_repeats_are_numbered_and_raw_gaps_kept(session):
    """The round's own figures, once a repeat."""
    rows = [m for m in session.outcome.measurements if m.metric == "step_s"]
    assert [(m.repeat, m.value) for m in rows] == [(0, 0.25), (1, 0.25), (2, 0.25)]
    assert session.outcome.facts["steps"] == {"itl": [[0.1, 0.15]] * 3}
    assert session.outcome.facts["batch"] == 4
    assert session.outcome.facts["recompiles"] == 0


def test_derived_figures_stand_once(session):
    """Utilisation against the sentinel, the prediction, the sizes."""
    value = {m.metric: m.value for m in session.outcome.measurements}
    assert value["predicted_bytes"] == 123.0
    assert value["mfu"] == pytest.approx(1e6 / 0.25 / value["peak_flops"])
    assert value["mbu"] == pytest.approx(1e12 / 0.25 / value["peak_bandwidth"])
    assert value["bound_s"] == pytest.approx(1e12 / value["peak_bandwidth"])
    above = [reason for reason in session.outcome.facts["noisy"] if reason.startswith("mbu is ")]
    assert len(above) == (value["mbu"] > 1)
    assert "mfu_spec" not in value or value["mfu_spec"] > 0
    assert len([m for m in session.outcome.measurements if m.metric == "mfu"]) == 1


def test_rules_are_those_of_the_probe():
    """Fields of the same names; the defaults where a probe has none."""
    rules = Rules.of(Decode(name="d", repeats=7, warm_seconds=0.5, energy="off"))
    assert (rules.repeats, rules.warm_seconds, rules.energy, rules.energy_seconds) == (7, 0.5, "off", 10.0)
    assert dataclasses.asdict(Rules.of(Prefill(name="p"))) == dataclasses.asdict(Rules())


@pytest.mark.parametrize(
    ("times", "word"),
    [
        ([1.0, 1.01, 0.99, 1.0, 1.0], None),
        ([1.0, 1.3, 0.9, 1.2, 1.0], "spread"),
        ([1.0 + 0.001 * i for i in range(12)], "rise"),
        ([1.0 - 0.001 * i for i in range(12)], "fall"),
        ([1.0, 5.0, 1.0], None),
    ],
)
def test_unsteady_times_are_told(times, word):
    """Spread and trend; three times are too few to say."""
    reasons = " ".join(unsteady(times))
    assert (word in reasons) if word else not reasons


def test_a_sentinel_that_moved_is_a_disturbance(session):
    """3 % on CUDA; a CPU's short sentinel moves by more than that on its own."""
    environment = session.outcome.facts["environment"]["before"]
    first = Peaks(flops=1e12, bandwidth=1e11, seconds=0.1, size=1024, copied=2**26)
    slower = dataclasses.replace(first, bandwidth=0.95e11)
    looks = [Surroundings(environment=environment, peaks=peaks) for peaks in (first, slower)]
    assert any("sentinel moved by 5%" in reason for reason in disturbances(*looks, kind="cuda"))
    assert not any("sentinel" in reason for reason in disturbances(*looks, kind="cpu"))


def test_work_that_fits_the_cache_has_no_mbu():
    """Its bytes are not read from memory; the bound is that of arithmetic, which still is one."""
    sheet = {"flops": 2e9, "bandwidth": 2e9}
    machine = Machine(flops=1e9, bandwidth=1e9, origin="here", sheet=sheet, cache=MIB)
    rows = [seconds("itl", 0.01)]
    small, facts = measurements(Useful(flops=1e6, moved_bytes=1e5, metric="itl"), rows, machine)
    value = {m.metric: m.value for m in small}
    assert not {"mbu", "mbu_spec"} & set(value)
    assert (value["mfu"], value["mfu_spec"], value["bound_s"]) == pytest.approx((0.1, 0.05, 0.001))
    assert "100000 B fit the last cache of 1048576 B" in facts["cached"]
    large, facts = measurements(Useful(flops=1e6, moved_bytes=5e6, metric="itl"), rows, machine)
    value = {m.metric: m.value for m in large}
    assert (value["mbu"], value["mbu_spec"], value["bound_s"]) == pytest.approx((0.5, 0.25, 0.005))
    assert "cached" not in facts


def test_last_cache_of_this_machine():
    """At least its first level, or 0 where the system does not say."""
    assert last_cache(()) == 0 or last_cache(()) >= 2**14


def test_memory_is_taken_apart(subject):
    """64 MiB that a call takes and gives back are activations; 32 MiB that it keeps are a part of their own."""
    kept = []

    def call():
        kept[:] = [torch.ones(32 * MIB, dtype=torch.uint8)]
        torch.ones(64 * MIB, dtype=torch.uint8)

    held = lambda: {"kv_bytes": sum(t.nbytes for t in kept)}  # noqa: E731
    found = footprint.measure(subject(host_before_bytes=0), call, held=held, devices=())
    value = {m.metric: m.value for m in found.measurements}
    if not found.facts["host_peak_reset"]:
        assert "activation_bytes" not in value
        return
    assert value["kv_bytes"] == 32 * MIB
    assert 60 * MIB <= value["activation_bytes"] <= 80 * MIB
    parts = ("weights_bytes", "buffers_bytes", "kv_bytes", "activation_bytes", "overhead_bytes")
    assert sum(value[part] for part in parts) == value["added_host_bytes"] == value["peak_host_bytes"]


def test_energy_is_measured_or_a_reason_is_given():
    """Never an estimate."""
    calls = []
    found, facts = power.measure(lambda: calls.append(1), kind="cpu", devices=(), seconds=0.1, per=(2, "J/tok"))
    if facts["method"] is None:
        assert (found, calls) == ((), [])
        assert facts["reason"]
    else:
        value = {m.metric: m.value for m in found}
        assert set(value) == {"energy", "energy_net", "power_idle", "energy_tok", "energy_tok_gross"}
        assert value["energy_tok_gross"] == pytest.approx(value["energy"] / 2)
        assert facts["calls"] == len(calls)


def test_memory_that_runs_out_is_an_outcome():
    """Other errors stay what they are."""

    def fails(error):
        def work():
            raise error

        return work

    with pytest.raises(OutOfMemory, match=r"^probe p: batch 8 does not fit: DefaultCPUAllocator: can't allocate"):
        within_memory(fails(RuntimeError("DefaultCPUAllocator: can't allocate memory\nmore")), name="p", what="batch 8")
    with pytest.raises(RuntimeError, match="shapes"):
        within_memory(fails(RuntimeError("shapes")), name="p", what="batch 8")
    assert within_memory(lambda: Outcome(measurements=()), name="p", what="").measurements == ()


def test_thresholds_are_ordered():
    """A GPU is alone with its work; a CPU is not."""
    assert 0 < surroundings.DRIFT["cuda"] < surroundings.DRIFT["cpu"] < 0.5


class Scarce:
    """A sentinel that finds no memory at the looks it is told."""

    def __init__(self, *fails):
        self.fails, self.looks = fails, 0

    def __call__(self, *_, **__):
        """A reading, or none."""
        self.looks += 1
        if self.looks in self.fails:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return Peaks(flops=1e10, bandwidth=1e10, seconds=0.1, size=1024, copied=2**26)


PREFILL = Prefill(name="p", prompt=4, warm_calls=1, warm_seconds=0.0, warm_most=0.0, repeats=2, energy="off")


def test_a_second_look_without_memory_costs_no_cell(tiny, subject, monkeypatch):
    """The numbers stand, marked: nobody knows whether the machine drifted."""
    monkeypatch.setattr(sentinel, "peaks", Scarce(2))
    outcome = PREFILL.run(subject(), tiny.quiet)
    assert {"ttft", "mfu"} <= {m.metric for m in outcome.measurements}
    assert outcome.facts["utilisation"]["peaks"] == "the sentinel, in this process"
    assert outcome.facts["sentinel"]["after"] == {"reason": "no memory was left for the sentinel's second look"}
    assert any("second look: how far the machine drifted is not known" in reason for reason in outcome.facts["noisy"])


def test_without_a_sentinel_the_measured_peaks_of_the_file_stand(tiny, subject, monkeypatch, tmp_path):
    """And the facts say so; where no file has any, there is no utilisation, and nothing is made up."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sentinel, "peaks", Scarce(1))
    bare = PREFILL.run(subject(), tiny.quiet)
    assert "no file of conf/hardware has measured peaks" in bare.facts["utilisation"]["reason"]
    assert not {"mfu", "peak_flops"} & {m.metric for m in bare.measurements}
    flops = dict.fromkeys(hardware.PRODUCTS)
    measured = hardware.Measured(
        date="2026-01-01", versions="torch", flops={**flops, "float32": 2e10}, bandwidth=1e10, threads=1
    )
    entry = hardware.Hardware(
        name="mine", match="here", flops=flops, bandwidth=None, memory=None, l2=None, source="none", measured=measured
    )
    folder = tmp_path / "conf" / "hardware"
    folder.mkdir(parents=True)
    (folder / "mine.yaml").write_text(entry.yaml())
    monkeypatch.setattr(sentinel, "peaks", Scarce(1))
    filed = PREFILL.run(subject(), tiny.quiet)
    value = {m.metric: m.value for m in filed.measurements}
    assert value["peak_flops"] == 2e10
    assert "mfu_spec" not in value
    assert filed.facts["utilisation"]["peaks"] == "conf/hardware/mine.yaml, measured 2026-01-01"
