"""What the cells of a job measure: a loaded subject, or the plain word that such a subject cannot be measured so.

Layer: below `worker`. Nothing heavy is imported before something is loaded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.methods.none import NoMethod
from harness.models.api.spec import ApiSpec
from harness.models.unloaded import Unloaded
from harness.nodes import build
from harness.records import Unsupported
from harness.trainings import KIND, is_trained

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from harness.devices import Device
    from harness.records import Cell


def unloaded(cell: Cell, device: Device, *, aside: Mapping[str, Any], folder: Path) -> Unloaded:
    """The subject of `cell` before it is loaded; of a method that is trained, the base without its adapter.

    Args:
        cell: one of those that share it.
        device: where it is loaded to.
        aside: fields of the model that stand in no cell, or are to differ from it.
        folder: of the study.

    Raises:
        Unsupported: a model behind an API that is to be timed, or adapted, here; weights that cannot be trained.
    """
    spec = build({**cell.spec["model"], **aside}, where="model")
    method = build(cell.spec["method"], where="method")
    if isinstance(spec, ApiSpec):
        _check_remote(cell, method.name)
    elif is_trained(method):
        _check_trained(cell, spec)
        method = NoMethod()
    return Unloaded(spec=spec, method=method, device=device, folder=folder)


def check(cell: Cell) -> None:
    """Looks whether a variation of a task can be measured.

    Raises:
        Unsupported: an attack on a model behind an API, or under a protocol that attacks do not know.
    """
    group = cell.spec.get("perturbation", {}).get("group")
    if group == "attack" and cell.spec["device"]["kind"] == "api":
        raise Unsupported(
            f"attack {cell.perturbation}: a search asks thousands of times and needs the model on this machine; attack "
            "a model of this machine, and transfer its examples"
        )
    protocol = cell.spec.get("workload", {}).get("protocol", "likelihood")
    if group in ("attack", "transfer") and protocol != "likelihood":
        raise Unsupported(
            f"attack {cell.perturbation}: attacks change which option is the likeliest, and protocol={protocol} asks "
            "in another way; use protocol=likelihood"
        )


def _check_trained(cell: Cell, spec: Any) -> None:
    if cell.kind == "probe":
        raise Unsupported(
            f"probe {cell.workload} under method {cell.method}: probes measure models as they are loaded; use "
            "method=none, and look at what training took in its own record"
        )
    if cell.kind == KIND and spec.quantisation != "none":
        raise Unsupported(
            f"fine-tuning needs quantisation=none: weights in {spec.quantisation} have no gradients; set "
            "model.quantisation=none"
        )
    if cell.kind == KIND and spec.dtype == "float16":
        raise Unsupported(
            "fine-tuning needs dtype=float32 or bfloat16: in float16 the epsilon of AdamW is 0; set model.dtype"
        )


def _check_remote(cell: Cell, method: str) -> None:
    if cell.kind == "probe":
        raise Unsupported(
            f"probe {cell.workload}: a probe measures a model on this machine; the times of a model behind an API "
            "stand in the facts of its tasks"
        )
    if method != "none":
        raise Unsupported(f"method {method}: it needs the model's weights, which are behind an API; use method=none")
