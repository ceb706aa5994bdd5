"""The folder of an adapter: `adapter.json`, which is written last, and `adapter.safetensors`.

Layer: training; safetensors. `FOLDER/checkpoints` holds what a training that is broken off goes on from.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from harness.config import ConfigError
from harness.training.report import TrainingReport

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

WEIGHTS, ABOUT, CHECKPOINTS = "adapter.safetensors", "adapter.json", "checkpoints"
SCHEMA = 1


@final
@dataclass(frozen=True, kw_only=True)
class Saved:
    """What `adapter.json` says.

    Attributes:
        method: name of the method.
        objective: `language` or `classification`.
        labels: answers in the order of the classes.
        report: how training went.
    """

    method: str
    objective: str
    labels: tuple[str, ...]
    report: TrainingReport


def write(folder: Path, saved: Saved, state: Mapping[str, Tensor]) -> None:
    """Stores weights that `write_weights` has not yet, then what they are; removes the checkpoints."""
    if not (folder / WEIGHTS).exists():
        write_weights(folder, state)
    about = {
        "schema": SCHEMA,
        "method": saved.method,
        "objective": saved.objective,
        "labels": list(saved.labels),
        "report": saved.report.json(),
    }
    temporary = folder / f"{ABOUT}.tmp"
    temporary.write_text(json.dumps(about, ensure_ascii=False, indent=1), encoding="utf-8")
    temporary.replace(folder / ABOUT)
    shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)


def write_weights(folder: Path, state: Mapping[str, Tensor]) -> int:
    """Stores weights, and returns the bytes of the file."""
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f"{WEIGHTS}.tmp"
    save_file(dict(state), temporary)
    temporary.replace(folder / WEIGHTS)
    return (folder / WEIGHTS).stat().st_size


def read(folder: Path) -> Saved | None:
    """What lies in `folder`; None where training was not finished.

    Raises:
        ConfigError: the file is damaged.
    """
    path = folder / ABOUT
    if not path.is_file():
        return None
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return Saved(
            method=found["method"],
            objective=found["objective"],
            labels=tuple(found["labels"]),
            report=TrainingReport.of(found["report"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{folder.name}/{ABOUT} is damaged ({error}): remove the folder to train again") from None


def weights(folder: Path) -> dict[str, Tensor]:
    """The stored weights.

    Raises:
        ConfigError: the file is missing or damaged.
    """
    try:
        return load_file(folder / WEIGHTS)
    except (OSError, SafetensorError) as error:
        raise ConfigError(
            f"{folder.name}/{WEIGHTS} cannot be read ({error}): remove the folder to train again"
        ) from None
