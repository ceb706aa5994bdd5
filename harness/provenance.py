"""What produced a number: versions, commit, device, time. Never a secret, a user's path or the environment.

Layer: the waist; stdlib only.
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
import platform
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import harness

if TYPE_CHECKING:
    from harness.devices import Device

PACKAGES = ("torch", "transformers", "lm_eval", "tokenizers", "datasets", "safetensors", "numpy", "hydra-core")
"""Packages whose version can change a number or how it came about."""


ERROR_LENGTH = 500


def collect(device: Device) -> dict[str, Any]:
    """The provenance of a record that does not depend on the subject."""
    return {
        "harness": harness.__version__,
        "commit": commit(),
        "versions": {"python": platform.python_version(), **versions()},
        "device": dataclasses.asdict(device),
        "system": f"{platform.system()} {platform.machine()}",
        "started": now(),
    }


def now() -> str:
    """This moment in UTC, as ISO 8601 to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def versions() -> dict[str, str]:
    """Installed version of each of `PACKAGES`."""
    found: dict[str, str] = {}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "absent"
    return found


def commit() -> str:
    """Commit of the checkout this package runs from, with `+` if files differ from it; empty for an installed wheel."""
    root = Path(harness.__file__).resolve().parent.parent
    if not (root / ".git").exists() or not (root / "pyproject.toml").exists():
        return ""
    head = _git(root, "rev-parse", "--short=12", "HEAD")
    return head + ("+" if head and _git(root, "status", "--porcelain", "--untracked-files=no") else "")


def scrub(text: str) -> str:
    """`text` on one line, without folders of this machine, tokens or keys, at most `ERROR_LENGTH` characters.

    >>> scrub("open /home/ann/x/model.bin failed")
    'open …/model.bin failed'
    """
    text = re.sub(r"\b(hf_|sk-|Bearer\s+)[A-Za-z0-9_\-]{8,}", "[secret]", " ".join(text.split()))
    text = re.sub(r"\bfile:/+", "/", text)
    text = re.sub(r"(?<![\w./…])/(?:home|Users)/[^\s'\"/:,;]+(?![^\s'\":,;])", "…", text)
    # A single slash that begins a path: neither the slashes of an address nor those within a word or a relative path.
    text = re.sub(r"(?<![\w./…~])~?/(?!/)(?:[^\s'\"/:,;]+/)+([^\s'\"/:,;]+)", r"…/\1", text)
    return text if len(text) <= ERROR_LENGTH else text[: ERROR_LENGTH - 1] + "…"


def _git(root: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603
            ["git", "-C", str(root), *arguments],  # noqa: S607
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
