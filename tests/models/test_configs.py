"""Every conf/model/*.yaml constructs, and its architecture builds exactly the published number of parameters."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from harness.config import construct
from harness.models import families

FILES = sorted((Path(__file__).parents[2] / "conf" / "model").glob("*.yaml"))
PUBLISHED = {
    "gpt2": 124_439_808,
    "gpt2-medium": 354_823_168,
    "gpt2-large": 774_030_080,
    "gpt2-xl": 1_557_611_200,
    "gpt-neo-125m": 125_198_592,
    "gpt-neo-1.3b": 1_315_575_808,
    "gpt-neo-2.7b": 2_651_307_520,
    "gpt-j-6b": 6_050_882_784,
    "gpt-neox-20b": 20_554_567_680,
    "pythia-70m": 70_426_624,
    "pythia-160m": 162_322_944,
    "pythia-410m": 405_334_016,
    "pythia-1b": 1_011_781_632,
    "pythia-1.4b": 1_414_647_808,
    "pythia-2.8b": 2_775_208_960,
    "pythia-6.9b": 6_857_302_016,
    "pythia-12b": 11_846_072_320,
}
"""Counts stated outside this project: efficiency notes 1.5 and the model cards of Pythia."""


def read(path: Path):
    """The spec that a file describes."""
    return construct(yaml.safe_load(path.read_text(encoding="utf-8")), where=path.name)


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_config_constructs(path):
    """The file's name is the model's name, it says what it is, and its count follows from its architecture."""
    spec = read(path)
    assert (spec.name, bool(spec.about)) == (path.stem, True)
    assert spec.trust_remote_code is False
    if spec.architecture:
        assert families.parameter_count(spec.family, spec.architecture) == spec.parameters


@pytest.mark.parametrize("name", PUBLISHED)
def test_count_is_the_published_one(name):
    """The count in the YAML is the one the authors state."""
    assert read(next(f for f in FILES if f.stem == name)).parameters == PUBLISHED[name]


@pytest.mark.parametrize("path", [f for f in FILES if "architecture:" in f.read_text()], ids=lambda p: p.stem)
def test_architecture_builds_the_count(path):
    """The true class, built on the meta device, has exactly that many parameters, tied ones counted once."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    from harness.models.subject import parameter_count

    spec = read(path)
    config = AutoConfig.for_model(families.FAMILIES[spec.family].model_type, **spec.architecture)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    assert parameter_count(model) == spec.parameters
    context = getattr(config, "n_positions", None) or config.max_position_embeddings
    assert families.shape(spec.family, spec.architecture).positions == context


def test_the_promised_models_are_there():
    """Every model that the project promises has its file."""
    names = {path.stem for path in FILES}
    assert len([n for n in names if n.startswith("pythia-")]) == 9
    assert len([n for n in names if n.startswith("cerebras-gpt-")]) == 7
    assert len([n for n in names if n.startswith("opt-")]) == 5
    assert {"distilgpt2", "smollm2-135m", *PUBLISHED} <= names
