"""lm-eval's result files: where they lie, and what they hold.

Layer: below `lm_eval`; stdlib only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, final

from harness.config import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

_SECRET = re.compile(r"token|key|secret|auth|password|header", re.IGNORECASE)
_TRANSFORMERS = frozenset({"hf", "hf-auto", "huggingface"})
_QUANTISED = frozenset({"gptqmodel", "autogptq", "quantization_config", "gguf_file"})
_STAMP = re.compile(r"results_(.+)\.json")


@final
@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of lm-eval.

    Attributes:
        file: its `results_*.json`.
        data: what that holds.
        samples: its `samples_*.jsonl` by task.
    """

    file: Path
    data: Mapping[str, Any]
    samples: Mapping[str, Path]

    @property
    def config(self) -> Mapping[str, Any]:
        """Settings of the run."""
        return mapping(self.data.get("config"))

    @property
    def arguments(self) -> dict[str, str]:
        """Arguments of the model, without anything that may be a secret."""
        given = self.config.get("model_args") or {}
        pairs = given.items() if isinstance(given, Mapping) else (p.partition("=")[::2] for p in str(given).split(","))
        return {str(k).strip(): str(v).strip() for k, v in pairs if str(k).strip() and not _SECRET.search(str(k))}

    @property
    def loading(self) -> dict[str, str]:
        """How a model of transformers was loaded, as far as its arguments say; nothing of other kinds of models."""
        if self.config.get("model") not in _TRANSFORMERS:
            return {}
        given = {key: value.lower() for key, value in self.arguments.items()}
        quantised = "other" if given.keys() & _QUANTISED else "none"
        if given.get("load_in_8bit") == "true":
            quantised = "int8"
        elif given.get("load_in_4bit") == "true":
            quantised = given.get("bnb_4bit_quant_type", "fp4")
        attention = {"attention": given["attn_implementation"]} if "attn_implementation" in given else {}
        return {"weights": "pretrained", "quantisation": quantised, **attention}

    @property
    def started(self) -> str:
        """When it began, ISO 8601 in UTC; empty where the file does not say."""
        date = self.data.get("date")
        if not isinstance(date, int | float):
            return ""
        return datetime.fromtimestamp(date, UTC).isoformat(timespec="seconds")


def runs(path: Path) -> list[Run]:
    """Every run under a file or a folder, oldest first.

    Raises:
        ConfigError: there is none, or a file is not lm-eval's.
    """
    if not path.exists():
        raise ConfigError(f"{path}: no such file or folder; give lm-eval's --output_path, or a results_*.json in it")
    files = sorted(path.rglob("results*.json")) if path.is_dir() else [path]
    if not files:
        raise ConfigError(f"{path}: holds no results_*.json; give the folder that was lm-eval's --output_path")
    found = [Run(file=file, data=_data(file), samples=_samples(file)) for file in files]
    return sorted(found, key=lambda run: (run.started, run.file.name))


def lines(path: Path) -> list[dict[str, Any]]:
    """The documents of a `samples_*.jsonl`.

    Raises:
        ConfigError: a line that is no JSON object (FILE:LINE).
    """
    found: list[dict[str, Any]] = []
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except json.JSONDecodeError as error:
                raise ConfigError(f"{path}:{number}: not JSON ({error.msg}); is the file whole?") from None
            if not isinstance(row, dict) or "doc" not in row:
                raise ConfigError(f"{path}:{number}: not a document of lm-eval's --log_samples")
            found.append(row)
    return found


def mapping(value: Any) -> Mapping[str, Any]:
    """The value where it is a mapping, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def _data(file: Path) -> Mapping[str, Any]:
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ConfigError(f"{file}: cannot be read as JSON ({error})") from None
    if not isinstance(data, dict) or not mapping(data.get("results")):
        raise ConfigError(f"{file}: not a result of lm-eval: it has no `results`")
    return data


def _samples(file: Path) -> dict[str, Path]:
    """Files of documents of the same run, which carry the same time in their names."""
    named = _STAMP.fullmatch(file.name)
    tail = f"_{named[1]}.jsonl" if named else ".jsonl"
    beside = sorted(file.parent.glob("samples_*.jsonl"))
    return {one.name[len("samples_") : -len(tail)]: one for one in beside if one.name.endswith(tail)}
