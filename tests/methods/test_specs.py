"""The methods as configuration: one YAML each, light to construct, checked in one line."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from harness.config import ConfigError, construct
from harness.methods.trained import Trained
from harness.nodes import build, node

FOLDER = Path(__file__).parents[2] / "conf" / "method"
TRAINED = ("full", "head", "bitfit", "adapter", "lora", "adalora", "ia3", "prefix", "prompt", "article")


def leaf(name, **changes):
    """The YAML of a method, as a node."""
    return {**yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8")), **changes}


def test_every_method_has_a_yaml():
    """And every YAML a test here."""
    assert {path.stem for path in FOLDER.glob("*.yaml")} == {*TRAINED, "none"}


@pytest.mark.parametrize("name", TRAINED)
def test_a_method_survives_its_node(name):
    """Constructed from its YAML, written into a cell and built again, it is the same."""
    method = construct(leaf(name), where=name)
    assert method.name == name
    assert build(node(method), where=name) == dataclasses.replace(method, about="")
    assert method.soft == (method.length if name in {"prefix", "prompt"} else 0)
    with pytest.raises(ConfigError, match=f"method {name} is trained first"):
        method.adapt(object())


def test_specs_import_nothing_heavy():
    """Constructing all of them takes neither torch nor PEFT."""
    code = (
        "import sys, yaml; from pathlib import Path; from harness.config import construct\n"
        "for p in Path(sys.argv[1]).glob('*.yaml'): construct(yaml.safe_load(p.read_text()), where=p.stem)\n"
        "assert not {'torch', 'peft', 'transformers', 'accelerate'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, str(FOLDER)], check=True, timeout=60)


@pytest.mark.parametrize(
    ("name", "changes", "says"),
    [
        ("lora", {"rank": 0}, "rank=0 is not a valid value"),
        ("lora", {"layers": "attn"}, "layers='attn'"),
        ("lora", {"alpha": 0}, "alpha=0"),
        ("lora", {"rnak": 1}, "unknown key 'rnak': did you mean 'rank'"),
        ("adalora", {"initial": 8}, "initial=8 must be above rank=8"),
        ("adalora", {"settle": 0.95}, "must leave steps between them"),
        ("adapter", {"size": 0}, "size=0"),
        ("prefix", {"training": {"gradient_checkpointing": True}}, "does not go with a prefix"),
        ("prompt", {"training": {"objective": "classification"}}, "does not go with a soft prompt"),
        ("article", {"training": {"objective": "language"}}, "must be classification"),
        ("full", {"training": {"epoch": 1}}, "unknown key 'epoch': did you mean 'epochs'"),
        ("full", {"training": 3}, "training=3 is not a valid value"),
    ],
)
def test_a_wrong_value_is_one_line(name, changes, says):
    """It names the field and what would be right."""
    with pytest.raises(ConfigError, match=says) as error:
        construct(leaf(name, **changes), where=f"method.{name}")
    assert "\n" not in str(error.value)


def test_a_trained_method_knows_its_place():
    """The folder of this machine stands beside the name of the adapter, and is asked for where it is missing."""
    method = construct(leaf("lora"), where="lora")
    assert Trained(method=method, address="abc", folder="x").place == Path("x") / "abc"
    assert Trained(method=method, address="abc").name == "lora"
    with pytest.raises(ConfigError, match="folder of the study's adapters is not set"):
        _ = Trained(method=method, address="abc").place
    with pytest.raises(ValueError, match="one that is trained"):
        Trained(method=object(), address="abc")
