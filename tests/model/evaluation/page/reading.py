"""Reads a page as a browser does: its tags in order, its words, its plots."""

from __future__ import annotations

import re
from html.parser import HTMLParser

VOID = {"meta", "br", "path", "rect", "circle", "use", "image", "link", "input", "img", "hr"}


class Page(HTMLParser):
    """Collects what is in a page, and fails on tags that do not close in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.headings: list[int] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if re.fullmatch(r"h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.text.append(data)

    def words(self) -> str:
        """All the text, spaces between words single."""
        return " ".join(" ".join(self.text).split())

    def plots(self) -> list[str]:
        """The text alternatives of the plots, "" where one has none; marks that are hidden from a reader are none."""
        return [
            attrs.get("aria-label") or ""
            for tag, attrs in self.tags
            if tag == "svg" and attrs.get("aria-hidden") != "true"
        ]

    def targets(self) -> set[str]:
        """Where the page's links lead."""
        return {attrs["href"] or "" for tag, attrs in self.tags if tag == "a" and "href" in attrs}
