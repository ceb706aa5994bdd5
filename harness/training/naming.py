"""The name of an adapter: equal base, method and data, equal name, so that nothing is trained twice.

Layer: training, light: stdlib only.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

VERSION = 1
"""Raised when the same settings come to stand for another training."""


def address(base: Mapping[str, Any], method: Mapping[str, Any], *, digest: str) -> str:
    """First 16 hex digits of the hash over what a training follows from.

    Args:
        base: node of the model (`harness.nodes.node`), its fingerprint included.
        method: node of the method, its training settings included.
        digest: of the data (`Data.digest`).
    """
    parts = [VERSION, _unnamed(base), _unnamed(method), digest]
    canonical = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def _unnamed(node: Mapping[str, Any]) -> dict[str, Any]:
    """A label changes no weight."""
    return {key: value for key, value in node.items() if key not in {"name", "about"}}
