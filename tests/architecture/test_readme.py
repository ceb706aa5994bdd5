"""The README's recipes are run, in order, in one empty folder: what it promises is what happens."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).resolve().parents[2] / "README.md"


def _recipes() -> list[str]:
    section = README.read_text(encoding="utf-8").split("## Recipes")[1].split("\n## ")[0]
    return re.findall(r"```sh\n(.*?)```", section, flags=re.DOTALL)


def test_the_recipes_work(tmp_path: Path) -> None:
    """Each of the recipes ends with exit code 0."""
    recipes = _recipes()
    assert len(recipes) == 7
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    outputs = []
    for recipe in recipes:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", recipe],
            cwd=tmp_path,
            env={**os.environ, "PATH": path, "COLUMNS": "160"},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, f"{recipe}\n{done.stdout}\n{done.stderr}"
        outputs.append(done.stdout)
    assert "6 cells, 4 done, 2 to do" in outputs[1]
    assert "mini-neox" in outputs[0]
    assert "zoo-sentiment" in outputs[5]
    assert "mini-neox" in outputs[6]


def test_the_pictures_exist() -> None:
    """Every picture and file the README points to is in the checkout."""
    links = re.findall(r"\]\((?!http)([^)]+)\)", README.read_text(encoding="utf-8"))
    assert links
    assert [link for link in links if not (README.parent / link).is_file()] == []


def test_the_two_commands_exist() -> None:
    """`make quickstart` and `make test` are targets of the Makefile."""
    makefile = (README.parent / "Makefile").read_text(encoding="utf-8")
    assert re.search(r"^quickstart:", makefile, flags=re.MULTILINE)
    assert re.search(r"^test:", makefile, flags=re.MULTILINE)
