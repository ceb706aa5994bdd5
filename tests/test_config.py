"""YAML leaf -> dataclass: unknown keys, missing keys and refused values are one line that names the place."""

from __future__ import annotations

import pytest

from harness.config import ConfigError, construct, nearest
from harness.devices import DeviceChoice

LEAF = {"_target_": "harness.devices.DeviceChoice", "kind": "cpu", "threads": 1}


def test_a_leaf_becomes_its_dataclass() -> None:
    """The constructor is called with the leaf's keys."""
    built = construct(LEAF, where="device")
    assert (built.kind, built.threads) == ("cpu", 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"thread": 2}, r"device: unknown key 'thread': did you mean 'threads'\?"),
        ({"kind": "cdua"}, r"device: kind='cdua' is not a valid value: did you mean 'cuda'\?"),
        ({"products": "tf23"}, r"device: products='tf23' is not a valid value: did you mean 'tf32'\?"),
        ({"threads": 0}, "device: threads=0 must be a whole number of at least 1"),
        ({"_target_": "harness.devices.Devce"}, "device: _target_ harness.devices.Devce cannot be imported"),
        ({"_target_": None}, "device: needs a _target_"),
        ({"_target_": "harness.devices.slug"}, "is not a dataclass"),
    ],
)
def test_faults_are_one_line(change: dict, message: str) -> None:
    """Every fault names where it is and what would be right."""
    with pytest.raises(ConfigError, match=message) as caught:
        construct({**LEAF, **change}, where="device")
    assert "\n" not in str(caught.value)


def test_a_missing_key_is_named() -> None:
    """A required field that the leaf lacks is named."""
    with pytest.raises(ConfigError, match=r"key '(name|family|source)' is missing"):
        construct({"_target_": "harness.models.spec.ModelSpec"}, where="model")


def test_nearest_lists_few_and_counts_many() -> None:
    """Few choices are listed, many are counted."""
    assert nearest("zzz", ["a", "b"]) == "choices: a, b"
    assert nearest("zzz", [f"c{i}" for i in range(40)]) == "40 choices"


def test_tf32_needs_a_gpu_that_has_it():
    """On a CPU it is refused with what would be right."""
    with pytest.raises(ConfigError, match=r"products=tf32 is not supported.*use float32, or model.dtype=bfloat16"):
        DeviceChoice(kind="cpu", products="tf32").resolve()
    assert DeviceChoice(kind="cpu").resolve().node()["products"] == "float32"
