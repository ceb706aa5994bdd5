"""The grid of a probe: what its fields may hold, which points it has, and which a context clips."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from harness.config import construct
from harness.probes import grid
from harness.probes.decode import Decode
from harness.probes.generate import Generate
from harness.probes.prefill import Prefill
from harness.records import Unsupported

CONF = Path(__file__).parents[2] / "conf" / "probe"
KINDS = (Decode, Generate, Prefill)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "bad",
    [
        {"batch": 0},
        {"batch": 1.5},
        {"batch": True},
        {"batch": "8"},
        {"batch": [1, 0]},
        {"prompt": 0},
        {"prompt": []},
        {"prompt": [16, -1]},
        {"repeats": 0},
        {"replicates": 0},
        {"replicate": -1},
        {"seed": "abc"},
        {"warm_calls": 0},
    ],
)
def test_sizes_without_sense_are_refused(kind, bad):
    """On construction, naming the field and what would be right."""
    with pytest.raises(ValueError, match=f"^{next(iter(bad))}=.* is not a valid value: a whole number of at least"):
        kind(name="p", **bad)


@pytest.mark.parametrize(
    ("bad", "line"),
    [
        ({"batch": [1, 8, 1]}, r"batch=\[1, 8, 1\]: 1 stands there twice"),
        ({"batch": list(range(1, 41)), "prompt": list(range(1, 41))}, "a grid of 1600 points"),
        ({"replicates": 1001}, "a grid of 1001 points"),
        ({"kernels": "tocrh"}, "kernels='tocrh' is not a valid value: did you mean 'torch'"),
        ({"cache": "paged"}, "cache='paged' is not a valid value"),
        ({"energy": "on"}, "energy='on' is not a valid value"),
        ({"isolate": "yes"}, "isolate='yes' is not a valid value: true or false"),
        ({"warm_seconds": -1}, "warm_seconds=-1 is not a valid value: seconds"),
        ({"warm_most": float("nan")}, "warm_most=nan is not a valid value: seconds"),
        ({"seed": 2**63}, "seed=.* is not a valid value: a whole number below"),
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_other_faults_are_one_clear_line(kind, bad, line):
    """A size named twice, too many points, a word that the field does not have."""
    with pytest.raises(ValueError, match=line) as raised:
        kind(name="p", **bad)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("kind", [Decode, Prefill])
@pytest.mark.parametrize(
    ("bad", "line"),
    [
        ({"compile": "max"}, "compile='max' is not a valid value"),
        ({"compile": "default", "cache": "dynamic"}, "compile=default needs cache=static"),
        ({"compile": "default", "kernels": "auto"}, "compile=default needs kernels=torch"),
    ],
)
def test_compiling_what_cannot_be_compiled_is_refused(kind, bad, line):
    """A growing cache, kernels put in by hand."""
    with pytest.raises(ValueError, match=line):
        kind(name="p", **bad)


def test_a_bare_off_of_yaml_is_off():
    """YAML reads `compile: off` as false."""
    probe = Decode(name="d", **yaml.safe_load("{compile: off, energy: off}"))
    assert (probe.compile, probe.energy) == ("off", "off")


def test_one_new_token_has_no_gap():
    """Decoding needs two."""
    with pytest.raises(ValueError, match="new=1 is not a valid value: a whole number of at least 2"):
        Decode(name="d", new=[1, 8])


def test_points_are_the_product_with_replicates_outermost():
    """In the order given; a point is of one size on each axis and of one replicate."""
    probe = Decode(name="d", batch=[8, 1], prompt=[16, 4], new=5, replicates=2)
    points = grid.points(probe)
    seen = [(p.replicate, p.batch, p.prompt, p.new) for p in points]
    inside = [(8, 16, 5), (8, 4, 5), (1, 16, 5), (1, 4, 5)]
    assert seen == [(r, *sizes) for r in (0, 1) for sizes in inside]
    assert {p.replicates for p in points} == {1}


def test_a_point_is_its_own_only_point():
    """Whatever its replicate: expanding twice changes nothing."""
    for point in Prefill(name="p", batch=[1, 2], replicates=3).points():
        assert point.points() == (point,)


def test_a_larger_grid_has_the_same_points():
    """What a smaller grid measured need not be measured again."""
    small, large = Decode(name="d", batch=[1, 2]), Decode(name="d", batch=[1, 2, 4], prompt=[128, 256], replicates=3)
    assert set(map(repr, small.points())) <= set(map(repr, large.points()))


def test_a_grid_forecasts_all_its_points():
    """A batch each, timed as often as it says."""
    assert Decode(name="d", batch=[1, 8], prompt=[4, 5], repeats=3).forecast() == {"documents": 18, "requests": 54}


def test_a_point_beyond_the_context_is_clipped():
    """The line says what was asked for and what there is."""
    with pytest.raises(Unsupported) as raised:
        grid.clip(1024, prompt=1024, new=128)
    assert str(raised.value) == "clipped: prompt 1024 + new 128 tokens exceed the model's context 1024"
    with pytest.raises(Unsupported, match="clipped: prompt 65 tokens exceed the model's context 64"):
        grid.clip(64, prompt=65)
    grid.clip(64, prompt=60, new=4)


def test_a_grid_is_no_point():
    """Only points are measured."""
    assert grid.one([7]) == grid.one(7) == 7
    with pytest.raises(ValueError, match=r"\[1, 2\] is a grid, not a point"):
        grid.one([1, 2])


@pytest.mark.parametrize(
    "path", [p for kind in ("prefill", "decode", "generate") for p in sorted(CONF.glob(f"{kind}*.yaml"))], ids=str
)
def test_configs_construct_and_expand(path):
    """Each probe file constructs the probe it is named for, with at least one point."""
    probe = construct(yaml.safe_load(path.read_text()), where=path.stem)
    assert (probe.name, bool(probe.about)) == (path.stem, True)
    assert path.read_text().startswith(f"# @package probe.{path.stem}\n")
    assert probe.points()


def test_construction_imports_no_torch():
    """A plan costs no heavy import: neither constructing nor expanding."""
    code = (
        "import sys, harness.probes.decode as d, harness.probes.prefill as p, harness.probes.generate as g;"
        "[x(name='x', batch=[1, 2]).points() for x in (d.Decode, p.Prefill, g.Generate)];"
        "print({'torch', 'transformers', 'numpy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
