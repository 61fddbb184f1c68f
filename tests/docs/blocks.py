"""The code blocks of the documentation, as they stand in its Markdown."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "client").glob("*.md")))
FENCE = re.compile(
    r"(?:^<!-- (?P<note>tested|is): (?P<named>\S+) -->\n+)?"
    r"^(?P<indent> *)```(?P<language>\w*)[^\n]*\n(?P<text>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)
"""A block, and the comment before it: the test that runs it, or what its JSON is."""


@dataclass(frozen=True)
class Block:
    """A fenced block: its place, language and text, and what the comment before it says."""

    page: Path
    line: int
    language: str
    text: str
    note: Literal["tested", "is"] | None
    named: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks_of(page: Path) -> list[Block]:
    """All fenced blocks of a page, in order."""
    markdown = page.read_text()
    return [_block(page, markdown, found) for found in FENCE.finditer(markdown)]


def indented_blocks(page: Path) -> list[int]:
    """The lines of blocks that are indented by four blanks: nothing says in which language they are."""
    lines = FENCE.sub(lambda found: "\n" * found[0].count("\n"), page.read_text()).splitlines()
    starts = (number for number, line in enumerate(lines) if line.startswith("    ") and line.strip())
    return [number + 1 for number in starts if not lines[number - 1].strip() and not _is_in_list(lines[:number])]


def _block(page: Path, markdown: str, found: re.Match[str]) -> Block:
    text = re.sub(f"^{found['indent']}", "", found["text"], flags=re.MULTILINE)
    line = markdown.count("\n", 0, found.start("language")) + 1
    note: Literal["tested", "is"] | None = found["note"]  # type: ignore[assignment] # the pattern knows these two
    return Block(page, line, found["language"], text, note, found["named"] or "")


def _is_in_list(above: list[str]) -> bool:
    """Whether the nearest text above that is not indented is an item of a list, whose paragraphs are."""
    nearest = next((line for line in reversed(above) if line.strip() and not line.startswith("  ")), "")
    return bool(re.match(r"([-*]|\d+\.) ", nearest))
