"""Peak memory above the weights of one contestant on one workload, in a process of its own.

Above the weights: the highest resident size while it scores, less that before it began; by then the model is loaded,
another contestant of the same kind has scored one document (so that code is loaded and weights lie as they will) and is
gone, and what the allocator held back is returned to the system. On a GPU: the same of torch's allocator.

On a CPU the process is forked before torch has computed anything, and waits: importing everything once more takes
longer than most measurements. With CUDA it is started anew.
"""

from __future__ import annotations

import ctypes
import gc
import multiprocessing
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import torch

from benchmarks import shapes
from benchmarks.contestants import Ours, Theirs
from benchmarks.source import Source, context_of
from harness.meters.memory import Peak

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from benchmarks.ask import Ask
    from benchmarks.workloads import Workload

_STATUS = Path("/proc/self/status")


@final
@dataclass(frozen=True, kw_only=True)
class Setting:
    """What a process is to measure.

    Attributes:
        ask: the model, and on what.
        contestant: `ours` or `lm-eval`.
        workload: key of `workloads.TITLES`.
        documents: how many.
        batch: rows of lm-eval's batch.
    """

    ask: Ask
    contestant: str
    workload: str
    documents: int
    batch: int


@final
class Scale:
    """A process that waits until it is asked to measure, once.

    Args:
        ask: the model that it will be asked about.
    """

    def __init__(self, ask: Ask) -> None:
        shapes.preload(ask.model)
        context: Any = multiprocessing.get_context("fork" if ask.device == "cpu" else "spawn")
        self._near, far = context.Pipe()
        self._process = context.Process(target=_serve, args=(far,), daemon=True)
        self._process.start()
        far.close()

    def begin(self, setting: Setting) -> None:
        """Lets it measure; `result` waits for the outcome."""
        self._near.send(setting)

    def result(self) -> int:
        """Bytes above the weights.

        Raises:
            RuntimeError: if the measurement failed.
        """
        try:
            found, problem = self._near.recv()
        except EOFError:
            self._process.join()
            raise RuntimeError(f"measuring peak memory: the process ended with {self._process.exitcode}") from None
        self._process.join()
        if problem:
            raise RuntimeError(f"measuring peak memory: {problem}")
        return found


def _serve(connection: Connection) -> None:
    try:
        connection.send((_here(connection.recv()), ""))
    except (ValueError, RuntimeError, OSError) as error:
        connection.send((0, str(error)))


def _here(setting: Setting) -> int:
    ask = setting.ask
    torch.set_num_threads(ask.threads)
    model = shapes.build(ask.model, dtype=getattr(torch, ask.dtype), device=ask.device)
    source = Source.find(model.config.get_text_config().vocab_size)
    workload = source.load(setting.workload, setting.documents, context=context_of(model))
    _score(_contestant(setting, model, source), workload.first(1))
    contestant = _contestant(setting, model, source)
    _settle()
    cuda = ask.device == "cuda"
    before = torch.cuda.memory_allocated() if cuda else _resident()
    with Peak([torch.cuda.current_device()] if cuda else []) as peak:
        _score(contestant, workload)
    if not cuda and not peak.host_reset:
        raise OSError("the system does not let a process reset its high-water mark of memory (/proc/self/clear_refs)")
    return (peak.host_bytes if peak.device_bytes is None else peak.device_bytes) - before


def _contestant(setting: Setting, model: Any, source: Source) -> Ours | Theirs:
    if setting.contestant == Ours.name:
        return Ours(model, source.tokenizer(), context=context_of(model))
    theirs = Theirs(model, source.tokenizer(), context=context_of(model))
    theirs.batch = setting.batch
    return theirs


def _score(contestant: Ours | Theirs, workload: Workload) -> None:
    if workload.texts:
        contestant.rolling(workload.texts)
    else:
        contestant.score(workload.items)


def _settle() -> None:
    """Returns freed memory to the system, as far as the C library can."""
    gc.collect()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)


def _resident() -> int:
    """Resident bytes of this process."""
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024
