"""`python -m benchmarks.planning`: seconds and memory of planning a large cell, without a model.

Layer: numpy. Requests are synthetic: tasks of few-shot prompts, documents below each, four options below each document.
Each kind is planned in a process of its own, so that its peak of memory is its own.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np

KINDS = {"few-shot": (57, 400), "zero-shot": (1, 0), "nothing shared": (0, 0)}
"""Number of few-shot prompts and their tokens; no prompt at all: every request is a document of its own."""

_OPTIONS = 4
_DOCUMENT, _OPTION = (20, 120), (1, 40)
"""Least and most tokens of a document and of an option."""


def rows(requests: int, *, kind: str, seed: int = 0) -> list[np.ndarray]:
    """Token rows of `requests` requests, int32 `[tokens]` each.

    Raises:
        KeyError: an unknown kind.
    """
    random = np.random.default_rng(seed)
    tasks, shots = KINDS[kind]

    def drawn(least: int, most: int) -> np.ndarray:
        return random.integers(0, 50257, random.integers(least, most), dtype=np.int32)

    if not tasks:
        return [drawn(*_DOCUMENT) for _ in range(requests)]
    prompts = [random.integers(0, 50257, shots, dtype=np.int32) for _ in range(tasks)]
    made: list[np.ndarray] = []
    while len(made) < requests:
        beginning = np.concatenate([prompts[random.integers(tasks)], drawn(*_DOCUMENT)])
        made += [np.concatenate([beginning, drawn(*_OPTION)]) for _ in range(_OPTIONS)]
    return made[:requests]


def measure(requests: int, kind: str) -> tuple[float, float, int, int, int]:
    """Seconds of planning and of the processor, bytes added to the process, tokens given, and tokens computed."""
    from harness.scoring.planner import Cost, plan

    given = rows(requests, kind=kind)
    cost = Cost(tokens=512, overhead=60.0, pair=1e-3, tree=True)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start, busy = time.perf_counter(), time.process_time()
    found = plan(given, cost=cost)
    seconds, busy = time.perf_counter() - start, time.process_time() - busy
    added = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    return seconds, busy, added, sum(len(row) for row in given), found.computed


def main() -> int:
    """Prints one line for each kind."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.planning", description="Planning, without a model.")
    parser.add_argument("--requests", type=int, default=100_000, help="requests of each kind (100000)")
    asked = parser.parse_args()
    if asked.requests < 1:
        parser.error(f"--requests {asked.requests}: a whole number of at least 1")
    for kind in KINDS:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            seconds, busy, added, given, computed = pool.submit(measure, asked.requests, kind).result()
        sys.stdout.write(
            f"{kind:>15}: {asked.requests} requests of {given / 1e6:.1f} M tokens planned in {seconds:.1f} s "
            f"({busy:.1f} s of one processor), {added / 2**20:.0f} MiB more; "
            f"{computed / given:.0%} of the tokens are computed\n"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
