"""The write-ahead file of a cell: its answers so far, so that a killed process costs seconds and not hours.

Layer: beside `store`; stdlib only. An aid, never a condition: a file that cannot be read or written is said
(`Journal.problem`) and done without. Lines are only ever appended, each with its checksum; what follows the first
line that is not whole is dropped. The case provided for is the death of the process, not of the machine: nothing is
synced to the disk.
"""

from __future__ import annotations

import fcntl
import json
import math
import os
import threading
import time
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self, final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from io import FileIO
    from pathlib import Path

FORMAT = "harness journal 1"

FLUSH_SECONDS = 1.0
"""Least time between two writes, and thus about the work that a kill can cost beyond the batch at hand."""

LIMIT_BYTES = 256 * 2**20
"""Size beyond which no further answers are kept: about two million log-likelihoods."""


def _none() -> int:
    return 0


@final
class Journal:
    """Answers of one cell by key, those of earlier processes that were broken off included. A context manager.

    The file is made by the first write, a second after the first answer: short cells have none. Whoever holds it locks
    it; a second process that measures the same cell at the same time goes without.

    Args:
        path: the file.
        subject: digest of everything that gives the answers; a file of another subject is not used, and is replaced.
        computed: tokens that this process has computed so far; what is added while the journal is open is kept too.

    Attributes:
        problem: why answers are not kept, or could not be read, in one line; empty if all is well.
        earlier: answers that earlier processes left.
        seconds: of work that earlier processes spent on these answers, without what they lost.
        tokens: that earlier processes computed for them.
    """

    def __init__(self, path: Path, *, subject: str, computed: Callable[[], int] = _none) -> None:
        self.problem = ""
        self.earlier = 0
        self.seconds = 0.0
        self.tokens = 0
        self._path, self._subject, self._computed = path, subject, computed
        self._scores: dict[str, tuple[float, bool]] = {}
        self._texts: dict[str, tuple[str, int]] = {}
        self._new: set[str] = set()
        self._asked: set[str] = set()
        self._pending: list[bytes] = []
        self._file: FileIO | None = None
        self._size = 0
        self._since: tuple[float, int] | None = None
        self._lock = threading.Lock()
        self._open = False

    def __enter__(self) -> Self:
        """Reads what earlier processes left."""
        self._open = True
        try:
            self._file = _claimed(self._path, make=False)
            if self._file is not None:
                self._read(self._file)
        except OSError as error:
            self._go_without(error)
        return self

    def __exit__(self, *args: object) -> None:
        """Writes what is left to write."""
        with self._lock:
            self._flush()
            self._open = False
            if self._file is not None:
                self._file.close()
                self._file = None

    @property
    def requests(self) -> int:
        """Distinct requests that were looked up."""
        return len(self._asked)

    @property
    def answered(self) -> int:
        """Those of them that an earlier process had answered."""
        return sum(key not in self._new and (key in self._scores or key in self._texts) for key in self._asked)

    def scored(self, key: str) -> tuple[float, bool] | None:
        """The log-likelihood in nats and whether it is greedy, exactly as added, or None."""
        self._ask(key)
        return self._scores.get(key)

    def text(self, key: str) -> tuple[str, int] | None:
        """The generated text and its number of tokens, or None."""
        self._ask(key)
        return self._texts.get(key)

    def add_scored(self, answers: Mapping[str, tuple[float, bool]]) -> None:
        """Keeps log-likelihoods. One that is not finite is not kept: it is to be computed, and to fail, again."""
        with self._lock:
            for key, (logprob, greedy) in answers.items():
                if math.isfinite(logprob) and key not in self._scores:
                    self._scores[key] = (float(logprob), bool(greedy))
                    self._keep("score", key, float(logprob), bool(greedy))
            self._flush_in_time()

    def add_text(self, key: str, text: str, tokens: int) -> None:
        """Keeps a generated text."""
        with self._lock:
            if key not in self._texts:
                self._texts[key] = (text, tokens)
                self._keep("text", key, text, tokens)
            self._flush_in_time()

    def discard(self) -> None:
        """Removes the file: the record is written. Another process's file is left alone."""
        with self._lock:
            self._pending.clear()
            self._open = False
            if self._file is not None:
                with suppress(OSError):  # A file that cannot be removed does no harm: its cell is done.
                    self._path.unlink(missing_ok=True)
                self._file.close()
                self._file = None

    def _ask(self, key: str) -> None:
        with self._lock:
            self._asked.add(key)
            self._start_clock()

    def _start_clock(self) -> None:
        """At the first look-up: what goes before it is done again by every process, and is counted by the last one."""
        if self._since is None:
            self._since = (time.perf_counter(), self._computed())

    def _keep(self, *entry: Any) -> None:
        self._start_clock()
        self._new.add(entry[1])
        self._pending.append(_line(entry))

    def _flush_in_time(self) -> None:
        if self._since is not None and time.perf_counter() - self._since[0] >= FLUSH_SECONDS:
            self._flush()

    def _flush(self) -> None:
        if not self._pending or self._since is None or not self._open or self.problem:
            return
        now = (time.perf_counter(), self._computed())
        work = _line(("work", now[0] - self._since[0], now[1] - self._since[1]))
        try:
            self._append(b"".join([*self._pending, work]))
        except OSError as error:
            self._go_without(error)
        self._pending.clear()
        self._since = now

    def _append(self, data: bytes) -> None:
        if self._file is None:
            self._file = _claimed(self._path, make=True)
            if self._file is None:
                self._open = False  # Another process measures the same cell, and its file serves as well.
                return
        if self._size == 0:
            data = _line((FORMAT, self._subject)) + data
        if self._size + len(data) > LIMIT_BYTES:
            self.problem = f"answers beyond {LIMIT_BYTES >> 20} MiB are not kept"
            return
        self._file.truncate(self._size)
        self._file.seek(self._size)
        left = memoryview(data)
        while left:
            left = left[self._file.write(left) or 0 :]
        self._size += len(data)

    def _go_without(self, error: OSError) -> None:
        """Stops using the file; what is whole in it stays there for the next process."""
        self.problem = f"answers are not kept while the cell runs: {error.strerror or error}"
        if self._file is not None:
            self._file.close()
            self._file = None

    def _read(self, file: FileIO) -> None:
        for entry, end in _entries(file):
            if self._size == 0 and entry != [FORMAT, self._subject]:
                return
            match entry:
                case ["score", str(key), float(logprob), bool(greedy)]:
                    self._scores[key] = (logprob, greedy)
                case ["text", str(key), str(text), int(tokens)]:
                    self._texts[key] = (text, tokens)
                case ["work", float(seconds), int(tokens)]:
                    self.seconds += seconds
                    self.tokens += tokens
                case _:
                    pass
            self._size = end
        self.earlier = len(self._scores) + len(self._texts)


def _line(entry: tuple[Any, ...]) -> bytes:
    """An entry with its checksum; floats as the shortest text that reads back to the same bits."""
    text = json.dumps(entry, separators=(",", ":")).encode()
    return b"%08x %b\n" % (zlib.crc32(text), text)


def _entries(file: FileIO) -> Iterator[tuple[list[Any], int]]:
    """The whole entries from the beginning of a file up to the first damaged one, each with the offset of its end."""
    end = 0
    with open(os.dup(file.fileno()), "rb") as lines:  # noqa: PTH123 - a descriptor, not a path
        for line in lines:
            checksum, _, text = line[:-1].partition(b" ")
            if not line.endswith(b"\n") or checksum != b"%08x" % zlib.crc32(text):
                return
            end += len(line)
            yield json.loads(text), end


def _claimed(path: Path, *, make: bool) -> FileIO | None:
    """The file, locked for this process; None if there is none, or another process has it.

    Raises:
        OSError: it cannot be made or opened.
    """
    if make:
        path.parent.mkdir(parents=True, exist_ok=True)
    elif not path.exists():
        return None
    file = open(os.open(path, os.O_RDWR | (os.O_CREAT if make else 0), 0o666), "r+b", buffering=0)  # noqa: PTH123, SIM115 - kept open
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    if os.fstat(file.fileno()).st_nlink == 0:  # Its owner removed it between our opening and our locking.
        file.close()
        return None
    return file
