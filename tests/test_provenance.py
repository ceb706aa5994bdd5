"""Records hold no secret, no user's path and no environment."""

from __future__ import annotations

import json

import pytest

from harness.devices import DeviceChoice
from harness.provenance import collect, scrub


@pytest.mark.parametrize(
    ("text", "kept", "gone"),
    [
        ("cannot open /home/ann/models/x/config.json", "config.json", "/home/ann"),
        ("401 for token hf_AbCdEfGhIjKlMnOp", "401 for token", "hf_AbCdEfGh"),
        ("key sk-proj-1234567890abcdef was refused", "was refused", "1234567890"),
        ("line one\nline two", "line one line two", "\n"),
        ("see https://huggingface.co/org/name for help", "https://huggingface.co/org/name", "…"),
    ],
)
def test_scrub_keeps_the_sense_and_drops_the_rest(text: str, kept: str, gone: str) -> None:
    """Paths lose their folders, secrets vanish, lines are joined, addresses stay."""
    assert kept in scrub(text)
    assert gone not in scrub(text)


def test_provenance_has_no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret in the environment is nowhere in the provenance."""
    monkeypatch.setenv("OPENAI_API_KEY", "very-secret-value")
    assert "very-secret-value" not in json.dumps(collect(DeviceChoice(kind="cpu").resolve()))


@pytest.mark.parametrize("text", ["error:/home/ann/x", "file:///home/ann/y.json", "in /home/ann", "~/secret/x.csv"])
def test_scrub_leaves_no_name_of_a_user(text: str) -> None:
    """However a path is glued to its sentence, whose folder it is does not remain."""
    assert "ann" not in scrub(text)
    assert "secret" not in scrub(text)
