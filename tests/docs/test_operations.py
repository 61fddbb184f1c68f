"""What docs/operations.md and its neighbours point at is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = ["operations.md", "threat-model.md", "data-protection.md", "deployment.md"]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_file_and_heading_that_is_named_is_there(name: str) -> None:
    text = (ROOT / "docs" / name).read_text()
    for target, anchor in re.findall(r"\]\(([^)#:]*)(?:#([^)]*))?\)", text):
        path = ROOT / "docs" / (target or name)
        assert path.exists(), target
        assert not anchor or anchor in anchors(path), (target, anchor)
    for path in re.findall(r"`((?:tests|service|model|docker)/[\w/.-]+)`", text):
        assert (ROOT / path).exists(), path


def anchors(path: Path) -> set[str]:
    """As GitHub makes them of headings."""
    titles = re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).strip().replace(" ", "-") for title in titles}
