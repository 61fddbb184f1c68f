from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from service.audit.entries import Event
from service.audit.opening import open_audit
from service.cli.app import app
from service.contracts.errors import BadBackup
from service.contracts.settings import Settings
from service.contracts.storage import ArtifactStore


@pytest.fixture
def data_dir(settings: Settings) -> Path:
    """A data folder as a gateway leaves it that had nothing to do."""
    ArtifactStore(settings.data_dir)
    open_audit(settings).append(Event(action="session.open"))
    return settings.data_dir


def cdmt(command: str, file: Path | str, data_dir: Path, *, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(app, [command, str(file), "--data-dir", str(data_dir)], input=stdin)


def test_a_backup_goes_to_a_file_for_its_owner_s_eyes_and_back(data_dir: Path, tmp_path: Path) -> None:
    made = cdmt("backup", tmp_path / "b.tar", data_dir)
    assert made.exit_code == 0, made.output
    assert f"4 files of {data_dir} are in the backup." in made.stderr
    assert (tmp_path / "b.tar").stat().st_mode & 0o777 == 0o600
    put_back = cdmt("restore", tmp_path / "b.tar", tmp_path / "new")
    assert put_back.exit_code == 0, put_back.output
    assert (tmp_path / "new" / "installation").read_bytes() == (data_dir / "installation").read_bytes()


def test_it_goes_through_a_pipe(data_dir: Path, tmp_path: Path) -> None:
    made = cdmt("backup", "-", data_dir)
    with tarfile.open(fileobj=io.BytesIO(made.stdout_bytes)) as tar:
        assert tar.getnames()[-1] == "backup.json"
    assert cdmt("restore", "-", tmp_path / "new", stdin=made.stdout_bytes).exit_code == 0


def test_one_that_fails_leaves_the_last_one_as_it_was(data_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "b.tar").write_bytes(b"yesterday's")
    (data_dir / "audit" / "head.json").unlink()
    assert cdmt("backup", tmp_path / "b.tar", data_dir).exit_code != 0
    assert {path.name for path in tmp_path.iterdir()} == {"b.tar", "var"}
    assert (tmp_path / "b.tar").read_bytes() == b"yesterday's"


def test_what_is_no_backup_is_refused(tmp_path: Path, settings: Settings) -> None:
    (tmp_path / "b.tar").write_bytes(b"no tar")
    assert isinstance(cdmt("restore", tmp_path / "b.tar", tmp_path / "new").exception, BadBackup)
