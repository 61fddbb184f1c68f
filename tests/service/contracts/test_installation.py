from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from service.contracts.errors import BadInstallation
from service.contracts.installation import FILE, installation_id

SHOW = (
    "import sys, pathlib; from service.contracts.installation import installation_id as i; print(i(pathlib.Path({!r})))"
)


def test_processes_that_start_at_once_agree(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SHOW.format(str(tmp_path))]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(8)]
    found = {process.communicate()[0].strip() for process in started}
    assert found == {installation_id(tmp_path)} == {(tmp_path / FILE).read_text().strip()}
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_two_folders_are_two_installations(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    assert installation_id(tmp_path / "one") != installation_id(tmp_path / "two")


@pytest.mark.parametrize("content", ["", "short", "0123456789AB", "../../../../x"])
def test_a_file_that_holds_no_id_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / FILE).write_text(content)
    with pytest.raises(BadInstallation, match="installation holds no id"):
        installation_id(tmp_path)
