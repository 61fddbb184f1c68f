from __future__ import annotations

import json
from pathlib import Path

import pytest

from service.contracts.data_folder import FILE, RESTORING, VERSION, claim, served_alone
from service.contracts.errors import UnusableFolder


def test_a_fresh_folder_gets_our_version_and_one_from_before_there_were_any_too(tmp_path: Path) -> None:
    (tmp_path / "old" / "datasets").mkdir(parents=True)
    for root in (tmp_path / "fresh", tmp_path / "old"):
        claim(root)
        assert json.loads((root / FILE).read_text()) == {"version": VERSION}
        claim(root)


def test_a_newer_version_is_refused_whatever_else_it_has_written_and_stays(tmp_path: Path) -> None:
    text = json.dumps({"version": VERSION + 1, "compacted": True})
    (tmp_path / FILE).write_text(text)
    with pytest.raises(UnusableFolder, match=f"storage version {VERSION + 1}.*from before the upgrade"):
        claim(tmp_path)
    assert (tmp_path / FILE).read_text() == text


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"version": "1"}', '{"version": null}'])
def test_a_file_without_a_version_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    with pytest.raises(UnusableFolder, match="holds no version"):
        claim(tmp_path)


def test_half_a_restore_is_refused(tmp_path: Path) -> None:
    (tmp_path / RESTORING).mkdir()
    with pytest.raises(UnusableFolder, match="empty the folder, and restore again"):
        claim(tmp_path)


def test_a_folder_is_served_by_one_at_a_time(tmp_path: Path) -> None:
    for _ in range(2):
        with (
            served_alone(tmp_path),
            pytest.raises(UnusableFolder, match="another gateway serves"),
            served_alone(tmp_path),
        ):
            pass
