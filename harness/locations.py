"""Where config files lie: the user's own folder and the package's.

Layer: beside `config`; stdlib only.
"""

from __future__ import annotations

from pathlib import Path

import harness


def package_conf() -> Path:
    """The configs that ship with the package: inside the wheel, or at the top of a checkout."""
    package = Path(harness.__file__).resolve().parent
    return package / "conf" if (package / "conf").is_dir() else package.parent / "conf"


def folders() -> list[Path]:
    """Folders searched for configs, the user's own first."""
    own, shipped = Path.cwd() / "conf", package_conf()
    return [shipped] if not own.is_dir() or own.resolve() == shipped.resolve() else [own, shipped]
