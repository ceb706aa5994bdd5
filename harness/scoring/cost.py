"""How large a forward pass should be: by what it costs beside its tokens, what attention adds, and free memory.

Layer: torch.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from harness.scoring.head import LOGIT_BYTES
from harness.scoring.planner import Cost

if TYPE_CHECKING:
    from harness.forward.body import Body

_RATES = {("cpu", 4): 1.5e11, ("cpu", 2): 3e11, ("cuda", 4): 5e13, ("cuda", 2): 4e14}
"""FLOP/s that matrix products reach, by kind of device and bytes of a weight: only their order of magnitude matters."""

_LAUNCH_SECONDS = {"cpu": 3e-4, "cuda": 4e-4}
"""Of one layer: Python, and on CUDA kernel launches."""

_FILL = {"cpu": 24.0, "cuda": 128.0}
"""Tokens' worth that the matrix products of one pass lose by being small."""

_ATTENTION = 2.0
"""How much slower than a matrix product a FLOP of attention is."""

_LEAST, _MOST = 64, {"cpu": 512, "cuda": 8192}
_SHARE = 0.5
"""Of free memory that a pass may take."""


def cost(body: Body, *, tree: bool, tokens: int | None) -> Cost:
    """The planner's view of a model on its device.

    Args:
        body: of the model.
        tree: whether branches lie in one row under a mask.
        tokens: most tokens of a pass; None: as many as fit into half of the free memory. The planner takes fewer where
            fewer are cheaper: attention over all pairs grows with the square, the overhead is paid by the pass.
    """
    kind = body.device.type if body.device.type in _MOST else "cuda"
    size = 4 if body.dtype.itemsize >= 4 else 2  # noqa: PLR2004 - bytes of fp32
    seconds = _LAUNCH_SECONDS[kind] * body.layers
    overhead = _FILL[kind] + seconds * _RATES[kind, size] / (2 * body.parameters)
    pair = _ATTENTION * 4 * body.width * body.layers / (2 * body.parameters)
    return Cost(tokens=tokens or min(_MOST[kind], _fitting(body)), overhead=overhead, pair=pair, tree=tree)


def _fitting(body: Body) -> int:
    """Tokens whose activations fit: a dozen vectors of the model's width and the feed-forward layer's per token."""
    per_token = (12 + 2 * 4) * body.width * body.dtype.itemsize + 4 * body.context
    return max(_LEAST, int((_free(body.device) * _SHARE - 2 * LOGIT_BYTES) / per_token))


def _free(device: torch.device) -> float:
    if device.type == "cuda":
        return (
            torch.cuda.mem_get_info(device)[0]
            + torch.cuda.memory_reserved(device)
            - torch.cuda.memory_allocated(device)
        )
    try:
        found = re.search(r"^MemAvailable:\s*(\d+) kB", Path("/proc/meminfo").read_text(encoding="ascii"), re.MULTILINE)
    except OSError:
        found = None
    return float(found.group(1)) * 1024 if found else math.inf
