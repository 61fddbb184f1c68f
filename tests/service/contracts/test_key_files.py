from __future__ import annotations

from pathlib import Path

import pytest

from service.contracts.errors import BadKeyFile
from service.contracts.key_files import read_key_file


def test_what_a_file_holds_is_read_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b" \xff\n")
    assert read_key_file(tmp_path / "key", setting="CDMT_KEY_FILE") == b" \xff\n"


def test_the_setting_and_the_file_are_named_where_there_is_none(tmp_path: Path) -> None:
    path = tmp_path / "absent"
    with pytest.raises(BadKeyFile, match=f"^CDMT_KEY_FILE, '{path}': No such file or directory$"):
        read_key_file(path, setting="CDMT_KEY_FILE")
