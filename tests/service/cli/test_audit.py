"""`cdmt audit`, as an operator and an auditor run it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from service.audit.entries import Event
from service.audit.opening import open_audit
from service.contracts.settings import Settings

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def cdmt(settings: Settings, tmp_path: Path) -> Run:
    """`cdmt audit` over a log of an opening and two trainings."""
    settings.data_dir.mkdir()
    audit = open_audit(settings)
    for number in (2, 3):
        audit.append(Event(action="job.train", object=f"job/{number}", caller="ann"))

    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        env = {"CDMT_DATA_DIR": str(settings.data_dir), "PATH": "/usr/bin:/bin", **variables}
        command = [sys.executable, "-m", "service.cli", "audit", *arguments]
        return subprocess.run(command, check=False, env=env, capture_output=True, text=True, timeout=60)

    return run


def test_an_auditor_at_work(cdmt: Run, settings: Settings) -> None:
    whole = cdmt("verify")
    assert (whole.returncode, whole.stdout.splitlines()[-1][:16]) == (0, "whole: 3 entries")
    noted = cdmt("head").stdout.strip()
    assert noted.startswith("3:")
    assert cdmt("verify", "--expect", noted).returncode == 0
    listed = [json.loads(line) for line in cdmt("list", "--caller", "ann").stdout.splitlines()]
    assert [entry["object"] for entry in listed] == ["job/3", "job/2"]
    path = settings.audit_folder / "audit-000000000001.jsonl"
    path.write_text(path.read_text().replace("ann", "eve", 1))
    found = cdmt("verify")
    assert found.returncode == 1
    assert f"PROBLEM: {path.name}:2: its content is not what its hash says" in found.stdout
    shown = cdmt("list")
    assert len(shown.stdout.splitlines()) == 2
    assert f"{path.name}:2 is no entry as it was written" in shown.stderr


def test_a_key_comes_later(cdmt: Run, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("k" * 40)
    assert "is not signed with the key" in cdmt("verify", CDMT_AUDIT_KEY_FILE=str(key)).stdout
    assert cdmt("sign", CDMT_AUDIT_KEY_FILE=str(key)).returncode == 0
    assert cdmt("verify", CDMT_AUDIT_KEY_FILE=str(key)).returncode == 0
    assert cdmt("sign").returncode == 1
    assert json.loads(cdmt("list", "--action", "log.sign").stdout)["caller"].startswith("local:")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("verify", "--expect", "3"), "--expect wants"),
        (("verify", "--folder", "/absent"), "no audit log in /absent"),
        (("head", "--folder", "/"), "has no head"),
    ],
)
def test_asked_for_wrongly(cdmt: Run, arguments: tuple[str, ...], complaint: str) -> None:
    found = cdmt(*arguments)
    assert (found.returncode, complaint in found.stderr) == (1, True), found.stderr


def test_keys_that_are_made_beside_the_service_are_in_the_log(cdmt: Run, settings: Settings) -> None:
    env = {"CDMT_DATA_DIR": str(settings.data_dir), "PATH": "/usr/bin:/bin"}
    command = [sys.executable, "-m", "service.cli", "keys", "create", "ann", "--scope", "read"]
    made = subprocess.run(command, check=True, env=env, capture_output=True, text=True, timeout=60)
    (entry,) = (json.loads(line) for line in cdmt("list", "--action", "key.create").stdout.splitlines())
    assert entry["object"] == f"key/{made.stdout.split('_')[1]}"
    assert entry["caller"].startswith("local:")
    assert made.stdout.strip() not in (settings.audit_folder / "audit-000000000001.jsonl").read_text()
