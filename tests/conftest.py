"""What every test may use: the command as a user runs it, and the folder of real data where there is one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ.setdefault("OMP_NUM_THREADS", "1")  # Two test processes on two cores: more threads only wait.

REPOSITORY = Path(__file__).resolve().parent.parent

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def repository() -> Path:
    """The checkout."""
    return REPOSITORY


@pytest.fixture
def harness(tmp_path: Path) -> Command:
    """Runs `harness ARGUMENTS` in an empty folder, as a user would, and returns what it printed and its exit code."""

    def run(*arguments: str, cwd: Path = tmp_path, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "harness", *arguments],
            cwd=cwd,
            env={**os.environ, "COLUMNS": "200", **environment},
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of benchmark slices beside the checkout; tests that need it are skipped where it is absent."""
    folder = Path(os.environ.get("HARNESS_DATA", REPOSITORY.parent / "shared" / "data"))
    if not (folder / "sst2_dev.jsonl").is_file():
        pytest.skip("no benchmark slices: set HARNESS_DATA to a folder that holds sst2_dev.jsonl and the others")
    return folder
