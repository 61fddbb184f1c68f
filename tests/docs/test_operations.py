"""What docs/operations.md and its neighbours point at is there."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from service.contracts.errors import BadKeyFile
from service.contracts.records import SYNTHETIC, TABLE, WEIGHTS
from service.contracts.sealing import CHECKPOINT, check_key
from service.contracts.storage import ArtifactStore
from service.contracts.vault import Vault
from tests.docs.blocks import blocks_of

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


def test_without_any_key_what_nobody_can_read_goes_and_the_rest_stays(tmp_path: Path) -> None:
    lost, new = Vault.of(b"l" * 32), Vault.of(b"n" * 32)
    store = ArtifactStore(tmp_path, files=new)
    things = [f"datasets/ward/{TABLE}", f"models/ours/{WEIGHTS}", f"jobs/done/{SYNTHETIC}", f"work/half/{CHECKPOINT}"]
    for path in (tmp_path / thing for thing in things):
        path.parent.mkdir()
        (path.parent / "record.json").write_text("{}")
        lost.write(path, b"content")
    (tmp_path / "models" / "bundled").mkdir()
    (tmp_path / "models" / "bundled" / WEIGHTS).write_bytes(b"plain")
    with pytest.raises(BadKeyFile):
        check_key(store)
    (commands,) = (b.text for b in blocks_of(ROOT / "docs" / "operations.md") if b.named.endswith(Path(__file__).name))
    subprocess.run(["sh", "-ec", commands], cwd=tmp_path, check=True)
    check_key(store)
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {"jobs/done/record.json", "work/half/record.json", f"models/bundled/{WEIGHTS}"}
