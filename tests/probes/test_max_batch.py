"""The max_batch probe: the search, the bound on memory, and how a try may end."""

import functools
from pathlib import Path

import pytest
import yaml

from harness.config import construct
from harness.devices import Device
from harness.methods.none import NoMethod
from harness.models.spec import ModelSpec
from harness.models.unloaded import Unloaded
from harness.probes import max_batch
from harness.probes.fitting import Tried, largest
from harness.probes.max_batch import MaxBatch, in_bytes, search
from harness.records import OutOfMemory, Unsupported

CONF = Path(__file__).parents[2] / "conf" / "probe"


def unloaded(kind="cpu"):
    """The smallest model of the zoo, before it is loaded."""
    spec = ModelSpec(name="mini", family="gpt2", source="zoo:mini-gpt2-s", dtype="float32")
    device = Device(kind=kind, slug="here", name="here", threads=1, batch=4)
    return Unloaded(spec=spec, method=NoMethod(), device=device)


def quiet(phase, done, total):
    """No listener."""


@pytest.mark.parametrize("limit", [1, 2, 3, 16, 17, 99, 100])
@pytest.mark.parametrize("guess", [1, 2, 15, 40, 100, 5000])
def test_the_search_finds_the_largest(limit, guess):
    """Whatever the guess, within the bound, no number twice, none outside."""
    asked = []

    def fits(batch):
        asked.append(batch)
        return batch <= limit

    assert search(fits, guess=guess, most=100) == limit
    assert len(set(asked)) == len(asked)
    assert all(2 <= batch <= 100 for batch in asked)


def test_a_good_guess_saves_tries():
    """A guess that is off by little is found in few tries."""
    asked = []
    search(lambda batch: asked.append(batch) or batch <= 1003, guess=1000, most=4096)
    assert len(asked) < 10
    assert largest(lambda batch: batch * 7 <= 700) == 100


@pytest.mark.parametrize(("text", "size"), [("2GiB", 2**31), ("1.5 MiB", 3 * 2**19), ("7B", 7), (9, 9), (None, None)])
def test_sizes_are_read(text, size):
    """Numbers are bytes; units are binary."""
    assert in_bytes(text) == size


@pytest.mark.parametrize(
    ("field", "bad"),
    [("memory", "lots"), ("memory", "2GB"), ("memory", 0), ("memory", True), ("most", 0), ("try_seconds", 0),
     ("prompt", 0), ("new", [])],
)  # fmt: skip
def test_bad_fields_are_refused(field, bad):
    """One line that names the field and its value."""
    with pytest.raises(ValueError, match=rf"^{field}=.* is not a valid value: ") as caught:
        MaxBatch(name="m", **{field: bad})
    assert "\n" not in str(caught.value)


def test_points_are_the_grid_without_batch():
    """One search for each length, once a replicate."""
    points = MaxBatch(name="m", prompt=[8, 16], new=[1, 4], replicates=2).points()
    assert [(p.prompt, p.new, p.replicate) for p in points[:5]] == [
        (8, 1, 0), (8, 4, 0), (16, 1, 0), (16, 4, 0), (8, 1, 1),
    ]  # fmt: skip


@pytest.mark.slow
def test_a_search_in_real_processes():
    """Within a bound that holds more rows than `most`, the search ends there and says so; all tries are told."""
    probe = MaxBatch(name="m", prompt=8, new=2, memory="1GiB", most=3)
    outcome = probe.run(unloaded(), quiet)
    found = {m.metric: m for m in outcome.measurements}
    assert found["max_batch"].value == 3
    assert found["predicted_max_batch"].value > 3
    assert any("max_batch is at least 3" in warning for warning in outcome.warnings)
    assert [try_["batch"] for try_ in outcome.facts["tried"]] == [1, 3]
    assert {try_["ended"] for try_ in outcome.facts["tried"]} == {"fits"}
    assert (outcome.facts["prompt"], outcome.facts["new"], outcome.facts["subject"]["context"]) == (8, 2, 256)


def test_nothing_fits_into_too_little():
    """Not even one sequence: out of memory, whatever way the process ended; the machine goes on."""
    with pytest.raises(OutOfMemory, match=r"batch 1, prompt 8, new 2 does not fit into 262144 B: ."):
        MaxBatch(name="m", prompt=8, new=2, memory="256KiB", try_seconds=10.0).run(unloaded(), quiet)


def test_lengths_beyond_the_context_are_unsupported():
    """As for every probe."""
    with pytest.raises(Unsupported, match=r"^clipped: prompt 250 \+ new 7 tokens exceed the model's context 256$"):
        MaxBatch(name="m", prompt=250, new=7, memory="1GiB").run(unloaded(), quiet)


def test_a_process_that_dies_does_not_fit(monkeypatch):
    """Its batch counts as too large, and the fact says how it ended."""

    class Endings:
        """Children that are killed from three rows on."""

        preload = staticmethod(max_batch.children.preload)
        run = staticmethod(lambda _, __, shape, ___, **____: _ended(shape.batch))

    real = max_batch.children
    monkeypatch.setattr(max_batch, "children", Endings)
    monkeypatch.setattr("harness.probes.looks.children", real)
    outcome = MaxBatch(name="m", prompt=8, new=2, memory="1GiB", most=8).run(unloaded(), quiet)
    assert outcome.measurements[0].value == 2
    told = {try_["batch"]: try_["ended"] for try_ in outcome.facts["tried"]}
    assert told[3] == "does not fit: its process was ended by SIGKILL, as the system does when memory runs out"
    slope = next(m for m in outcome.measurements if m.metric == "bytes_per_sequence")
    assert (slope.value, slope.unit) == (50.0, "B")


def _ended(batch):
    from harness.probes.children import Ending, describe_death

    if batch > 2:
        return Ending(death=describe_death(-9))
    return Ending(value=Tried(batch=batch, peak_bytes=50 * batch, predicted=5, guess=4, bound=1, subject={}))


def test_the_config_constructs():
    """The YAML constructs the probe it is named for."""
    path = CONF / "max-batch.yaml"
    probe = construct(yaml.safe_load(path.read_text()), where=path.stem)
    assert (type(probe), probe.name, bool(probe.about), probe.loads_itself) == (MaxBatch, "max-batch", True, True)


@pytest.mark.gpu
def test_a_bound_on_the_device_holds():
    """A fraction of the device's memory bounds the search as it does on the host."""
    outcome = functools.partial(MaxBatch, name="m", prompt=64, new=4, memory="256MiB", most=100_000)().run(
        unloaded("cuda"), quiet
    )
    value = {m.metric: m.value for m in outcome.measurements}
    assert 1 <= value["max_batch"] < 100_000
    assert value["bytes_per_sequence"] > 0
