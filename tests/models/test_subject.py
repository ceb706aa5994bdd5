"""Loading: what is read back is true, and every fault is one line."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys

import pytest
import torch

from harness.config import ConfigError
from harness.devices import Device
from harness.models.checkpoint import check_attention
from harness.models.families import FAMILIES, parameter_count
from harness.models.faults import told
from harness.models.spec import ModelSpec
from harness.models.subject import load
from harness.records import OutOfMemory, Unsupported

SIZE = 12_416
"""Parameters of the small GPT-2."""


def quiet(_phase, _done, _total):
    """A progress that nobody watches."""


@pytest.fixture
def attempt(cpu):
    """Loads a spec of the given fields on the CPU."""

    def run(progress=quiet, **fields):
        return load(ModelSpec(**{"name": "m", "family": "gpt2", **fields}), cpu, progress)

    return run


def refused(attempt, **fields) -> str:
    """The one line that a load which must fail ends in."""
    with pytest.raises(ConfigError) as caught:
        attempt(**fields)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def state(subject) -> dict[str, torch.Tensor]:
    """The weights by name."""
    return dict(subject.model.named_parameters())


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_loads_what_was_saved(attempt, architectures, checkpoints, family):
    """Class, size, context and weights of a saved checkpoint come back; nothing is left to training mode."""
    from safetensors.torch import load_file

    subject = attempt(family=family, source=str(checkpoints[family]))
    saved = load_file(checkpoints[family] / "model.safetensors")
    assert subject.facts["family"] == FAMILIES[family].model_type
    assert subject.facts["parameters"] == parameter_count(family, architectures[family])
    assert subject.facts["context"] == 64
    assert all(torch.equal(tensor, saved[name]) for name, tensor in state(subject).items() if name in saved)
    assert not subject.model.training
    ids = torch.tensor([subject.tokenizer("hello there").input_ids])
    assert torch.isfinite(subject.model(ids).logits).all()


def test_facts_are_read_back(attempt, checkpoints):
    """Dtype, attention, device and tokenizer are those of the loaded model, whatever was asked for."""
    phases = []
    source = str(checkpoints["gpt2"])
    subject = attempt(lambda *step: phases.append(step), source=source, dtype="bfloat16", attention="eager")
    revision = subject.facts["revision"]
    assert revision.startswith("sha256:")
    assert subject.facts == {
        "class": "GPT2LMHeadModel",
        "family": "gpt2",
        "source": source,
        "revision": revision,
        "dtype": "bfloat16",
        "products": "float32",
        "attention": "eager",
        "device": "cpu",
        "device_map": "none",
        "quantisation": "none",
        "weights": "pretrained",
        "parameters": SIZE,
        "context": 64,
        "trust_remote_code": False,
        "tokenizer": subject.facts["tokenizer"],
        "host_before_bytes": subject.facts["host_before_bytes"],
    }
    assert subject.facts["host_before_bytes"] > 0
    assert "257 tokens" in subject.facts["tokenizer"]
    assert phases == [("loading", done, 3) for done in range(4)]
    assert json.loads(json.dumps(subject.facts)) == subject.facts


def test_auto_is_exact_on_a_cpu(attempt, checkpoints):
    """`auto` means float32 here, transformers' own choice of attention, and any family."""
    subject = attempt(family="auto", source=str(checkpoints["gpt_neox"]))
    assert (subject.facts["dtype"], subject.facts["attention"]) == ("float32", "sdpa")


def test_a_padding_token_is_found(attempt, checkpoints):
    """The saved tokenizer has none; end of text stands in."""
    subject = attempt(source=str(checkpoints["gpt2"]))
    assert subject.tokenizer.pad_token == "<|end|>"
    assert subject.lm.score([("a", "b")], quiet)[0].tokens == 1


@pytest.mark.parametrize(
    ("family", "attention"),
    [("gptj", "sdpa"), ("gpt_neo", "sdpa"), ("gpt2", "flex_attention"), ("gpt2", "flash_attention_2")],
)
def test_attention_that_cannot_be_had(attempt, checkpoints, architectures, family, attention):
    """An implementation that the family or the machine lacks is an outcome of its own, not a silent change."""
    fields = {"family": family, "source": str(checkpoints[family]), "attention": attention}
    with pytest.raises(Unsupported, match=f"attention={attention}"):
        attempt(**fields)
    drawn = {"weights": "random", "architecture": architectures[family], "tokenizer": fields["source"]}
    with pytest.raises(Unsupported, match=f"attention={attention}"):
        attempt(**fields, **drawn)


def test_a_package_that_is_missing_is_unsupported(architectures):
    """No silent change of attention, and no failure: the record names the package."""
    from transformers import GPT2Config

    if importlib.util.find_spec("flash_attn") or importlib.util.find_spec("flash_attn_interface"):
        pytest.skip("flash attention is installed here")
    cuda = Device(kind="cuda", slug="gpu", name="test", threads=1, batch=2, memory=2**33)
    for kind, package in (("flash_attention_2", "pip install flash-attn"), ("flash_attention_3", "flash_attn_3")):
        wanted = ModelSpec(name="m", family="gpt2", source="a/b", attention=kind, dtype="bfloat16")
        with pytest.raises(Unsupported, match=f"model m: attention={kind} needs a package .*{package}"):
            check_attention(wanted, cuda, GPT2Config(**architectures["gpt2"]))


def test_a_model_that_does_not_fit_is_out_of_memory(attempt, architectures, tokenizer_folder):
    """An embedding of sixty-four tebibytes; so are the other ways in which memory runs out while loading."""
    large = {**architectures["gpt2"], "n_positions": 2**40}
    with pytest.raises(OutOfMemory, match=r"model m: memory ran out, .*DefaultCPUAllocator") as caught:
        attempt(source="a/b", weights="random", architecture=large, tokenizer=str(tokenizer_folder))
    assert "\n" not in str(caught.value)
    for error in (MemoryError(), torch.OutOfMemoryError("x"), RuntimeError("CUDA error: out of memory\nadvice")):
        with pytest.raises(OutOfMemory, match=r"memory ran out, loading its weights: .+\Z"), told("m", "a", "weights"):
            raise error


def test_what_only_cuda_has(attempt, checkpoints):
    """Placement over GPUs and quantisation are unsupported on a CPU."""
    for field in ({"device_map": "auto"}, {"quantisation": "int8"}):
        with pytest.raises(Unsupported, match="needs CUDA"):
            attempt(source=str(checkpoints["gpt2"]), **field)


def test_random_weights_follow_the_seed(attempt, architectures, tokenizer_folder):
    """One seed, one model; another seed, another model; torch's own generator is left as it was."""
    fields = {
        "source": "org/never-downloaded",
        "weights": "random",
        "architecture": architectures["gpt2"],
        "tokenizer": str(tokenizer_folder),
        "dtype": "bfloat16",
    }
    before = torch.random.get_rng_state()
    first, again, other = attempt(**fields), attempt(**fields), attempt(**fields, seed=1)
    assert torch.equal(before, torch.random.get_rng_state())
    assert all(torch.equal(a, b) for a, b in zip(state(first).values(), state(again).values(), strict=True))
    assert not torch.equal(state(first)["transformer.wte.weight"], state(other)["transformer.wte.weight"])
    assert (first.facts["revision"], other.facts["revision"]) == ("random, seed 0", "random, seed 1")
    assert (first.facts["dtype"], first.facts["weights"], first.facts["parameters"]) == ("bfloat16", "random", SIZE)
    assert str(tokenizer_folder) in first.facts["tokenizer"]


def test_random_weights_take_the_zoo_tokenizer(attempt, architectures):
    """With no tokenizer named, that of the zoo is used, and the facts say so."""
    fields = {"source": "org/name", "weights": "random"}
    subject = attempt(**fields, architecture={**architectures["gpt2"], "vocab_size": 2000})
    assert subject.facts["tokenizer"].startswith("zoo:mini-gpt2-m (")
    assert "needs" in refused(attempt, **fields, architecture=architectures["gpt2"])


def test_a_misspelt_architecture_key(attempt, architectures, tokenizer_folder):
    """Transformers would ignore the key; here it is named with the nearest."""
    message = refused(
        attempt,
        source="a/b",
        weights="random",
        tokenizer=str(tokenizer_folder),
        architecture={**architectures["gpt2"], "n_iner": 4},
    )
    assert "GPT2Config has no key 'n_iner': did you mean 'n_inner'?" in message


def damaged(folder, change) -> str:
    """Rewrites the weights of a checkpoint."""
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return str(folder)


def test_weights_that_are_missing_are_never_drawn(attempt, gpt2_folder):
    """Transformers only warns and draws them at random."""
    source = damaged(gpt2_folder, lambda tensors: tensors.pop("transformer.h.1.mlp.c_fc.weight"))
    message = refused(attempt, source=source)
    assert message.startswith("model m: cannot load the weights of ")
    assert message.endswith(
        "1 of its weights are missing from the checkpoint, the first is transformer.h.1.mlp.c_fc.weight"
    )


def test_weights_of_another_shape(attempt, gpt2_folder):
    """A config that does not belong to the weights is named as such."""
    source = damaged(gpt2_folder, lambda tensors: tensors.update({"transformer.wpe.weight": torch.zeros(3, 16)}))
    assert "the shapes of its weights do not fit its config.json" in refused(attempt, source=source)


@pytest.mark.parametrize("content", ["truncated", "garbage", "empty"])
def test_corrupt_safetensors(attempt, gpt2_folder, content):
    """Cut off in a download, overwritten, or empty."""
    weights = gpt2_folder / "model.safetensors"
    data = weights.read_bytes()
    weights.write_bytes(
        {"truncated": data[: len(data) // 2], "garbage": b"not safetensors" * 99, "empty": b""}[content]
    )
    assert "a safetensors file is corrupt or truncated" in refused(attempt, source=str(gpt2_folder))


def test_pickle_weights_are_only_weights(attempt, gpt2_folder):
    """A `.bin` checkpoint loads; one that would run code does not, and does not run it."""
    from safetensors.torch import load_file

    tensors = load_file(gpt2_folder / "model.safetensors")
    (gpt2_folder / "model.safetensors").unlink()
    torch.save(tensors, gpt2_folder / "pytorch_model.bin")
    assert attempt(source=str(gpt2_folder)).facts["parameters"] == SIZE
    ran = gpt2_folder / "ran"
    torch.save({"a": Payload(str(ran))}, gpt2_folder / "pytorch_model.bin")
    assert "only weights are loaded" in refused(attempt, source=str(gpt2_folder))
    assert not ran.exists()


class Payload:
    """Makes a folder when it is unpickled without care."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("content", ["missing", "garbage", "no vocabulary"])
def test_tokenizer_that_is_missing_or_corrupt(attempt, gpt2_folder, content):
    """Transformers would make an empty tokenizer out of nothing."""
    (gpt2_folder / "tokenizer.json").unlink()
    if content == "garbage":
        (gpt2_folder / "tokenizer.json").write_text("{]")
    if content == "no vocabulary":
        (gpt2_folder / "vocab.json").write_text("{}")
        (gpt2_folder / "merges.txt").write_text("")
        (gpt2_folder / "tokenizer_config.json").unlink()
    message = refused(attempt, source=str(gpt2_folder))
    assert message.startswith(f"model m: cannot load the tokenizer of '{gpt2_folder}': ")


def test_tokenizer_larger_than_the_embedding(attempt, architectures, tokenizer_folder):
    """Ids without a row would crash in the middle of a task."""
    fields = {"weights": "random", "tokenizer": str(tokenizer_folder)}
    message = refused(attempt, source="a/b", architecture={**architectures["gpt2"], "vocab_size": 100}, **fields)
    assert "needs 257 rows, the embedding of the model has 100" in message


def edited(folder, **fields) -> str:
    """Changes the config of a checkpoint."""
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **fields}))
    return str(folder)


def test_another_family_than_the_spec_says(attempt, gpt2_folder):
    """A label on the wrong model would mislead every reader."""
    message = refused(attempt, source=str(gpt2_folder), family="gptj")
    assert message.endswith("family=gptj, but its config.json says model_type=gpt2")


@pytest.mark.parametrize(
    "fields",
    [
        {"model_type": "t5", "architectures": ["T5ForConditionalGeneration"]},
        {"architectures": ["GPT2ForSequenceClassification"]},
        {"model_type": "vit", "architectures": ["ViTModel"]},
    ],
)
def test_not_a_causal_language_model(attempt, gpt2_folder, fields):
    """An encoder-decoder, a classifier, an image model."""
    message = refused(attempt, source=edited(gpt2_folder, **fields), family="auto")
    assert f"{fields['architectures'][0]} is not a causal language model" in message


def test_a_config_that_makes_no_sense(attempt, gpt2_folder):
    """An unknown type, and a size that is text."""
    assert "cannot load the" in refused(attempt, source=edited(gpt2_folder, n_embd="wide"))
    assert "nothing" in refused(attempt, source=edited(gpt2_folder, model_type="nothing"), family="auto")


HUB_CASES = [("org/tiny", "main"), ("org/absent", "main"), ("org/tiny", "v2")]
HUB = f"""
import json
from harness.devices import Device
from harness.models.spec import ModelSpec
from harness.models.subject import load
cpu = Device(kind="cpu", slug="cpu-test", name="test", threads=1, batch=2, memory=2**33)
for source, revision in {HUB_CASES}:
    try:
        spec = ModelSpec(name="m", family="gpt2", source=source, revision=revision)
        print(json.dumps(load(spec, cpu, lambda *_: None).facts))
    except ValueError as error:
        print(json.dumps(str(error)))
"""


COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def hub_cache(checkpoints, tmp_path):
    """The hub's local cache with one commit of org/tiny in it."""
    model = tmp_path / "models--org--tiny"
    shutil.copytree(checkpoints["gpt2"], model / "snapshots" / COMMIT)
    (model / "refs").mkdir()
    (model / "refs" / "main").write_text(COMMIT)
    return tmp_path


def check_cached(facts, absent, revision):
    """The cached model was loaded, another and another revision were refused in one line."""
    assert (facts["source"], facts["revision"], facts["parameters"]) == ("org/tiny", COMMIT, SIZE)
    for message in (absent, revision):
        assert "it is not in the local cache, and the model hub cannot be reached" in message, message
        assert "\n" not in message
    assert "org/absent" in absent


def test_the_hubs_cache_serves_offline(attempt, hub_cache, monkeypatch, capfd):
    """With HF_HUB_OFFLINE in force, which the hub's library reads once into its constants."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(hub_cache))
    facts = dict(attempt(source="org/tiny").facts)
    check_cached(facts, *(refused(attempt, source=source, revision=branch) for source, branch in HUB_CASES[1:]))
    assert capfd.readouterr().err == ""


@pytest.mark.slow
@pytest.mark.parametrize(
    "switch", [{"HF_HUB_OFFLINE": "1"}, {"HF_ENDPOINT": "http://127.0.0.1:9"}], ids=["asked", "unreachable"]
)
def test_the_hubs_cache_serves_without_a_hub(hub_cache, switch):
    """Offline by request or by a hub that does not answer, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", HUB],
        env={**os.environ, "HF_HUB_CACHE": str(hub_cache), "OMP_NUM_THREADS": "1", **switch},
        cwd=hub_cache,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    check_cached(*map(json.loads, done.stdout.splitlines()))
    assert done.stderr == ""


@pytest.mark.gpu
def test_on_a_gpu(checkpoints):
    """The model lies on the GPU in its dtype, pretrained or random, and scores."""
    from harness.devices import DeviceChoice

    device = DeviceChoice(kind="cuda", batch=2).resolve()
    spec = ModelSpec(name="m", family="gpt2", source=str(checkpoints["gpt2"]))
    subject = load(spec, device, quiet)
    assert subject.facts["device"] == "cuda:0"
    assert subject.facts["dtype"] == device.auto_dtype
    assert subject.lm.score([("a", "b")], quiet)[0].tokens == 1
