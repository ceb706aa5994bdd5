"""The method that changes nothing."""

from __future__ import annotations

from pathlib import Path

import yaml

from harness.config import construct


def test_the_subject_comes_back_as_it_was():
    """`adapt` hands back the very same object."""
    node = yaml.safe_load((Path(__file__).parents[2] / "conf" / "method" / "none.yaml").read_text(encoding="utf-8"))
    method = construct(node, where="none.yaml")
    subject = object()
    assert method.name == "none"
    assert method.adapt(subject) is subject
