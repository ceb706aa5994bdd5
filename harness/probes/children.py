"""A function in a fresh process: what it returned, what it raised, or how the process died.

Layer: probes; stdlib only. Children are forked from a server process of their own parent that has the heavy imports
behind it, but no CUDA context, no thread pool and no model: memory, page faults and allocators begin anew in each.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
import traceback
from dataclasses import dataclass
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any, final

from harness.config import ConfigError
from harness.models.families import FAMILIES
from harness.records import OutOfMemory, Unsupported

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

PRELOAD = ("harness.preload", "harness.models.subject", "harness.scoring.lm")
"""What the server imports unless told otherwise: all that loading a subject takes but the model's own class."""

_KEPT: tuple[type[Exception], ...] = (ConfigError, Unsupported, OutOfMemory, ValueError)
"""Exceptions that a caller tells apart; the first that fits is raised again, any other becomes a `ChildError`."""


class ChildError(RuntimeError):
    """A function failed in its child process, or the process died; the traceback is where its output goes."""


@final
@dataclass(frozen=True, kw_only=True)
class Ending:
    """How a child process ended.

    Attributes:
        value: what the function returned; None unless it did.
        error: what it raised, one of the exceptions of `harness.records`, a ValueError or a `ChildError`; else None.
        death: how the process died without a word; empty if it did not.
        cpu_seconds: processor time of all its threads; 0 where it died.
    """

    value: Any = None
    error: Exception | None = None
    death: str = ""
    cpu_seconds: float = 0.0

    def result(self) -> Any:
        """What the function returned.

        Raises:
            ChildError: the process died, or the function raised something that is no outcome.
            Unsupported: as the function raised it; so are OutOfMemory, ConfigError and ValueError.
        """
        if self.error is not None:
            raise self.error
        if self.death:
            raise ChildError(f"the child process was {self.death}")
        return self.value


def run(
    function: Callable[..., Any], *arguments: Any, modules: Sequence[str] = PRELOAD, most_seconds: float | None = None
) -> Ending:
    """Calls `function(*arguments)` in a fresh process and waits for its end.

    Args:
        function: of the top level of a module, so that it can be sent.
        arguments: what can be pickled.
        modules: what the server imports before it forks, if it is there; only that of the first call in a
            process counts.
        most_seconds: time after which the process is ended and counts as dead; None waits for as long as it takes.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(modules))
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_serve, args=(theirs, function, arguments), name="harness child")
    process.start()
    theirs.close()
    try:
        if not wait([ours, process.sentinel], timeout=most_seconds):
            return Ending(death=f"ended after {most_seconds:g} s without an answer")
        message = _received(ours)
        process.join()
        return _ending(message, process.exitcode or 0)
    finally:
        _end(process)
        ours.close()


def preload(family: str) -> tuple[str, ...]:
    """What the server is to import for models of `family`: `PRELOAD` and the module of the family's class."""
    if family == "auto":
        return PRELOAD
    kind = FAMILIES[family].model_type
    return (*PRELOAD, f"transformers.models.{kind}.modeling_{kind}")


def describe_death(code: int) -> str:
    """How a process ended whose exit code is `code`.

    >>> describe_death(-9)
    'ended by SIGKILL, as the system does when memory runs out'
    >>> describe_death(3)
    'ended early with exit code 3'
    """
    if code >= 0:
        return f"ended early with exit code {code}"
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    hint = ", as the system does when memory runs out" if name == "SIGKILL" else ""
    return f"ended by {name}{hint}"


def _ending(message: tuple[str, Any, float] | None, code: int) -> Ending:
    if message is None:
        return Ending(death=describe_death(code))
    kind, content, seconds = message
    if kind == "value":
        return Ending(value=content, cpu_seconds=seconds)
    known = {cls.__name__: cls for cls in _KEPT}
    return Ending(error=known.get(kind, ChildError)(content), cpu_seconds=seconds)


def _received(connection: Any) -> tuple[str, Any, float] | None:
    """What the child sent; None if it died before."""
    try:
        return connection.recv() if connection.poll() else None
    except (EOFError, OSError):
        return None


def _serve(connection: Connection, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    """Entry point of the child."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides what it means.
    threading.Thread(target=_die_with_parent, daemon=True).start()
    try:
        connection.send(("value", function(*arguments), time.process_time()))
    except Exception as error:  # noqa: BLE001 - carried over to the parent, which raises it
        traceback.print_exception(error)
        kind = next((cls.__name__ for cls in _KEPT if isinstance(error, cls)), "")
        text = str(error) if kind else f"{type(error).__name__}: {error}"
        connection.send((kind or "ChildError", text, time.process_time()))


def _die_with_parent() -> None:
    """Ends this process when its parent is gone: nobody would read its answer, and it may hold all memory."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
    os._exit(1)


def _end(process: BaseProcess) -> None:
    if process.is_alive():
        process.kill()
    process.join()
