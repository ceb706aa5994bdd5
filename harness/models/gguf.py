"""GGUF file -> folder with safetensors and tokenizer, converted once and kept in a cache.

Layer: models. transformers dequantises a GGUF file on every load, which takes tens of seconds, and the model it hands
back refuses a change of dtype; a converted folder loads in under a second like any other checkpoint.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from contextlib import contextmanager, redirect_stderr
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def cache_folder() -> Path:
    """`$HARNESS_CACHE`, or `~/.cache/harness`."""
    return Path(os.environ.get("HARNESS_CACHE") or Path.home() / ".cache" / "harness")


def converted(file: Path, content: str) -> Path:
    """The folder that holds `file` as float32 safetensors with its tokenizer; made on first use.

    The folder is named by the file's content and the version of transformers. Processes that ask at once wait for
    the first; a killed one leaves nothing that the next takes for finished.

    Args:
        file: the GGUF file.
        content: its `sources.fingerprint`.

    Raises:
        OSError: the cache cannot be written.
        ValueError: the file is not a GGUF file that transformers can read.
    """
    import transformers

    name = f"{file.stem}-{content.removeprefix('sha256:')}-transformers-{transformers.__version__}"
    parent = cache_folder() / "gguf"
    folder = parent / name
    if folder.is_dir():
        return folder
    parent.mkdir(parents=True, exist_ok=True)
    with _alone(parent / f".{name}.lock"):
        if not folder.is_dir():
            unfinished = parent / f".{name}.tmp"
            shutil.rmtree(unfinished, ignore_errors=True)
            _convert(file, unfinished)
            unfinished.replace(folder)
    return folder


def _convert(file: Path, folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    place = {"pretrained_model_name_or_path": str(file.parent), "gguf_file": file.name}
    with redirect_stderr(StringIO()):  # transformers' bar for this step cannot be switched off
        tokenizer = AutoTokenizer.from_pretrained(**place)
        model = AutoModelForCausalLM.from_pretrained(**place, dtype=torch.float32)
    # The tensors are plain float32 by now, yet the model still counts as quantised and would refuse to be saved.
    delattr(model.config, "quantization_config")
    vars(model).update(hf_quantizer=None, is_quantized=False)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
