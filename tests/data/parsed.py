"""A page of HTML, taken apart for tests."""

from __future__ import annotations

import re
from collections import Counter
from html.parser import HTMLParser

VOID = {"meta", "br", "wbr", "link", "img", "input", "hr"}


class Parsed(HTMLParser):
    """A page as a list of elements with their parents, and what is wrong with it."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.stack: list[tuple[str, dict[str, str]]] = []
        self.found: list[tuple[str, dict[str, str], tuple[str, ...]]] = []
        self.faults: list[str] = []
        self.feed(page)
        self.faults += [f"open: {tag}" for tag, _ in self.stack]
        ids = Counter(attrs["id"] for _, attrs, _ in self.found if "id" in attrs)
        self.faults += [f"repeated id {name}" for name, number in ids.items() if number > 1]
        for _, attrs, _ in self.found:
            named = [attrs.get(a, "") for a in ("aria-labelledby", "aria-describedby")]
            named += [attrs["href"][1:]] if attrs.get("href", "").startswith("#") else []
            self.faults += [f"no target {name}" for name in named if name and name not in ids]
            self.faults += [f"asset: {v[:40]}" for a, v in attrs.items() if a in {"src", "href", "srcset", "action"}
                            and re.match(r"(\w+:)?//|javascript:|file:", v.strip())]  # fmt: skip
            self.faults += [f"handler {name}" for name in attrs if name.startswith("on")]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Notes the element and its parents."""
        given = {name: value or "" for name, value in attrs}
        self.found.append((tag, given, tuple(name for name, _ in self.stack)))
        if tag not in VOID:
            self.stack.append((tag, given))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Notes an element that closes itself."""
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.stack.pop()

    def handle_endtag(self, tag: str) -> None:
        """Closes the innermost open element."""
        if not self.stack or self.stack.pop()[0] != tag:
            self.faults.append(f"</{tag}> at {self.getpos()} closes nothing")

    def all(self, tag: str) -> list[dict[str, str]]:
        """Attributes of every element of a kind."""
        return [attrs for name, attrs, _ in self.found if name == tag]
