"""`harness perturb`: what each perturbation makes of a text, with the edits highlighted.

Layer: below `cli`. Reads the leaves of `conf/perturbation`; runs no model.
"""

from __future__ import annotations

import sys
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import yaml
from rich.console import Console
from rich.text import Text

from harness.catalogue import describe
from harness.config import ConfigError, construct, nearest
from harness.locations import folders
from harness.perturbations.edits import Edit
from harness.perturbations.spec import GROUPS, Perturbation

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from harness.perturbations.edits import Perturbed

GROUP = "perturbation"
HELP = """\
usage: harness perturb TEXT [--all] [perturbation=NAME[,NAME ...]] [severity=0.3] [seed=0]

Shows what the perturbations make of a text: all of them, or those that are named.

  harness perturb "The film isn't bad."                              all
  harness perturb "The film isn't bad." perturbation=keyboard_typo severity=1
  harness perturb - < review.txt                                     text from a file

Severity 0 changes nothing, 1 is the full rate. Edits are coloured on a terminal and in brackets elsewhere:
[old→new], [+added], [-removed]. Numbers, URLs, code, format markers such as `Answer:` and negations stay as they are.
"""
SHOWN = 1500
"""So many characters of a long text are printed."""
_NAMES = {"\u200b": "⟨ZWSP⟩", "\u2060": "⟨WJ⟩", "\u00ad": "⟨SHY⟩", "\t": "⟨TAB⟩"}
_SCRIPTS = {"CYRILLIC": "Cyr", "GREEK": "Gr"}
_SPACE = 0x20
_PICTURES = 0x2400


@final
@dataclass(frozen=True, kw_only=True)
class Request:
    """What the command line asks for; None leaves the choice to the leaf.

    Attributes:
        text: the text to perturb.
        names: perturbations by name; empty for all.
        values: fields of the leaves that are overridden.
    """

    text: str
    names: tuple[str, ...]
    values: dict[str, Any]


def main(words: Sequence[str]) -> int:
    """Prints the text after each perturbation that is asked for; the exit code.

    Raises:
        ConfigError: no text, an unknown perturbation or key, or a value its specification refuses.
    """
    if any(word in ("-h", "--help") for word in words):
        sys.stdout.write(HELP)
        return 0
    request = parse(words)
    specs = [spec(name, request.values) for name in request.names or names()]
    specs.sort(key=lambda s: (GROUPS.index(s.group), s.name))
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # pyright: ignore[reportAttributeAccessIssue]
    console = Console(highlight=False, soft_wrap=True)
    results = [(s, _perturbed(s, request.text)) for s in specs]
    for perturbation, result in results:
        if result.edits:
            _show(console, perturbation, request.text, result)
    _list(console, "No edit at this severity", [s.name for s, r in results if r.applicable and not r.edits])
    _list(console, "Nothing to edit in this text", [s.name for s, r in results if not r.applicable])
    return 0


def parse(words: Sequence[str]) -> Request:
    """The command line as a request.

    Raises:
        ConfigError: no text or several, an unknown key or perturbation, a severity or seed that is no number.
    """
    pairs = {k: v for k, found, v in (w.partition("=") for w in words[1:]) if found and k.isidentifier()}
    rest = [w for w in words[:1] if w != "--all"]
    rest += [w for w in words[1:] if w != "--all" and w.partition("=")[0] not in pairs]
    known = ("perturbation", "severity", "seed")
    for key in pairs:
        if key not in known:
            raise ConfigError(f"perturb: unknown key {key!r}: {nearest(key, known)}")
    if len(rest) != 1:
        raise ConfigError(f'perturb takes one text in quotes, has {len(rest)}: harness perturb "The film isn\'t bad."')
    text = sys.stdin.read() if rest[0] == "-" else rest[0]
    if not text.strip():
        raise ConfigError("perturb: the text is empty: give a sentence in quotes, or - to read one")
    names = tuple(name for name in pairs.pop("perturbation", "").split(",") if name and "--all" not in words)
    return Request(text=text, names=names, values={k: _number(v) for k, v in pairs.items()})


def names() -> list[str]:
    """Perturbations of text. Variants of a prompt are in the same group, but a text alone has no prompt."""
    target = f"{Perturbation.__module__}.{Perturbation.__qualname__}"
    return [entry["name"] for entry in describe(GROUP) if entry.get("_target_") == target]


def spec(name: str, values: dict[str, Any]) -> Perturbation:
    """The perturbation of that name, with these fields overridden.

    Raises:
        ConfigError: there is none of that name, or it refuses a value.
    """
    path = next((p for f in folders() if (p := f / GROUP / f"{name}.yaml").is_file()), None)
    if path is None or name not in names():
        raise ConfigError(f"there is no perturbation {name!r} of texts: {nearest(name, names())}")
    leaf = yaml.safe_load(path.read_text(encoding="utf-8"))
    return construct({**leaf, **values}, where=f"{GROUP}.{name}")


def _number(word: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(word)
        except ValueError:
            continue
    return word


def _perturbed(perturbation: Perturbation, text: str) -> Perturbed:
    try:
        return perturbation.apply(text, document="text")
    except FileNotFoundError as error:
        raise ConfigError(f"{GROUP}.{perturbation.name}: {error}") from None


def _show(console: Console, perturbation: Perturbation, text: str, result: Perturbed) -> None:
    count = f"{_counted(len(result.edits), 'edit')} at {_counted(result.sites, 'place')}"
    console.print(Text.assemble((perturbation.name, "bold"), f"  {perturbation.group}, {count}"))
    console.print(highlighted(text, result, colours=console.is_terminal and not console.no_color))
    console.print()


def _list(console: Console, head: str, names: list[str]) -> None:
    if names:
        console.print(Text(f"{head}: {', '.join(names)}", style="dim"))


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def highlighted(text: str, result: Perturbed, *, colours: bool) -> Text:
    """The perturbed text with what was removed and what stands in its place: coloured, or in brackets.

    Neighbouring edits are shown as one; characters that cannot be seen by name; only the beginning of a long text.
    """
    shown, position = Text("  "), 0
    edits = joined(edit for edit in result.edits if edit.end <= SHOWN)
    for start, end, old, new in edits:
        shown.append(visible(text[position:start]))
        gone, came = (visible(t, changed=True) for t in (old, new))
        if colours:
            shown.append(gone, "red strike")
            shown.append(came, "bold green")
        else:
            shown.append(f"[{gone}→{came}]" if old and new else f"[+{came}]" if new else f"[-{gone}]")
        position = end
    shown.append(visible(text[position:SHOWN]))
    if len(text) > SHOWN:
        shown.append(f" … ({len(text) - SHOWN:,} more characters)", "dim")
    return shown


def joined(edits: Iterable[Edit]) -> list[Edit]:
    """The edits, those that touch made one.

    >>> joined([Edit(0, 1, "a", "b"), Edit(1, 2, "c", "d"), Edit(4, 4, "", "e")])
    [Edit(start=0, end=2, old='ac', new='bd'), Edit(start=4, end=4, old='', new='e')]
    """
    found: list[Edit] = []
    for edit in edits:
        if found and found[-1].end == edit.start:
            last = found.pop()
            edit = Edit(last.start, edit.end, last.old + edit.old, last.new + edit.new)  # noqa: PLW2901 - grows
        found.append(edit)
    return found


def visible(text: str, *, changed: bool = False) -> str:
    """`text` with a name for what cannot be seen; in what was changed, for foreign letters and lone spaces too.

    >>> visible("a\u200bb"), visible("  ", changed=True), visible("\u03bd", changed=True)[1:]
    ('a⟨ZWSP⟩b', '␣␣', '⟨Gr⟩')
    """
    blank = changed and not text.strip(" \t")
    return "".join("␣" if blank and letter == " " else _marked(letter, changed=changed) for letter in text)


def _marked(letter: str, *, changed: bool) -> str:
    if letter in _NAMES:
        return _NAMES[letter]
    if letter == "\n":
        return "\n  "
    if ord(letter) < _SPACE:
        return chr(_PICTURES + ord(letter))
    script = _SCRIPTS.get(unicodedata.name(letter, "").split(" ")[0]) if changed and not letter.isascii() else None
    return f"{letter}⟨{script}⟩" if script else letter
