"""The shape that keeps the project readable: sizes, and extension without touching anything central."""

from __future__ import annotations

import ast
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
MODULES = sorted([*(REPOSITORY / "harness").rglob("*.py"), *(REPOSITORY / "benchmarks").rglob("*.py")])
MODULE_LINES = 300
FUNCTION_LINES = 50


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(REPOSITORY)))
def test_modules_and_functions_stay_small(path: Path) -> None:
    """No module over 300 lines, no function over 50."""
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MODULE_LINES
    long = [
        f"{node.name} has {node.end_lineno - node.lineno + 1} lines"
        for node in ast.walk(ast.parse(text))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.end_lineno - node.lineno >= FUNCTION_LINES
    ]
    assert not long


def test_no_path_of_a_machine_in_the_tree() -> None:
    """What is committed names no folder of the machine it was made on."""
    marker = f"{REPOSITORY.parent}/".encode()
    if len(marker) <= len(b"/x/"):
        pytest.skip("the checkout lies too near the root for its path to be telling")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("not a git checkout: what is tracked cannot be known")
    files = [REPOSITORY / name for name in listed.stdout.split("\0") if name]
    assert len(files) > len(MODULES)
    assert [str(p) for p in files if p.is_file() and marker in p.read_bytes()] == []


def test_the_map_names_every_part() -> None:
    """The docstring of the package, which is the map, names each package and module in it."""
    docstring = ast.get_docstring(ast.parse((REPOSITORY / "harness/__init__.py").read_text(encoding="utf-8"))) or ""
    parts = {p.name.removesuffix(".py") for p in (REPOSITORY / "harness").iterdir() if p.suffix == ".py" or p.is_dir()}
    missing = {p for p in parts if not p.startswith("__") and p != "conf" and f"    {p} " not in docstring}
    assert not missing
