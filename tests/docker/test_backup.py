"""The drills of docs/operations.md with Compose: backed up while it works, thrown away with its volumes, restored."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.docker.asking import LONG, SHORT, TABLE, check_cohort, submit, wait
from tests.docker.conftest import ROOT, command, compose, new_key

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]

ENCRYPTION = "docker-compose.encryption.yml"
USER_ID = 10001
NOTHING = Path(os.devnull)


def piped(*arguments: str, port: int, source: Path = NOTHING, target: Path = NOTHING) -> None:
    """`docker compose ... <source >target`."""
    with source.open("rb") as stdin, target.open("wb") as stdout:
        ended = subprocess.run(
            command(*arguments, override=None),
            cwd=ROOT,
            env={**os.environ, "CDMT_PORT": str(port)},
            stdin=stdin,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert ended.returncode == 0, ended.stderr


def test_a_backup_of_the_running_stack_is_all_that_a_new_one_needs(
    port: int, client: httpx.Client, tmp_path: Path
) -> None:
    done = submit(client, SHORT)
    cohort = wait(client, done, "succeeded")["result"]["sha256"]
    running = submit(client, LONG)
    wait(client, running, "running")
    waiting = submit(client, SHORT)

    piped("exec", "-T", "gateway", "cdmt", "backup", "-", port=port, target=tmp_path / "backup.tar")
    gone = compose("down", "--volumes", port=port)  # jobs, keys, passwords and the queue
    assert gone.returncode == 0, gone.stderr
    restore = ("run", "--rm", "-T", "--no-deps", "gateway", "cdmt", "restore", "-")
    piped(*restore, port=port, source=tmp_path / "backup.tar")
    up = compose("up", "--detach", "--wait", "--no-build", port=port)
    assert up.returncode == 0, up.stderr

    assert client.get(f"/jobs/{done}").raise_for_status().json()["result"]["sha256"] == cohort
    for job_id, n_stays in ((done, SHORT), (running, LONG), (waiting, SHORT)):
        check_cohort(client, wait(client, job_id, "succeeded", "failed"), n_stays)
    verified = compose("exec", "-T", "gateway", "cdmt", "audit", "verify", port=port)
    assert verified.stdout.startswith("whole: "), verified.stdout


def test_redis_lost_with_its_volume_and_all_passwords_loses_no_job(port: int, client: httpx.Client) -> None:
    running, waiting = submit(client, LONG), submit(client, SHORT)
    wait(client, running, "running")
    down = compose("down", port=port)
    assert down.returncode == 0, down.stderr
    project = os.environ.get("CDMT_TEST_PROJECT", "cdmt-ehr-test")
    lost = [f"{project}_{name}" for name in ("redis", "secrets-gateway", "secrets-worker", "secrets-redis")]
    subprocess.run(["docker", "volume", "rm", *lost], check=True, capture_output=True)
    up = compose("up", "--detach", "--wait", "--no-build", port=port)
    assert up.returncode == 0, up.stderr
    for job_id, n_stays in ((running, LONG), (waiting, SHORT)):
        check_cohort(client, wait(client, job_id, "succeeded", "failed"), n_stays)


def test_tables_are_encrypted_with_the_keys_in_a_file(
    port: int, client: httpx.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = tmp_path / "keys"
    keys.write_text("ab" * 32)
    keys.chmod(0o400)
    os.chown(keys, USER_ID, USER_ID)
    monkeypatch.setenv("CDMT_ENCRYPTION_KEYS", str(keys))
    headers = {"Authorization": f"Bearer {new_key('bob', 'train', port=port)}"}
    try:
        up = compose("up", "--detach", "--wait", "--no-build", port=port, override=ENCRYPTION)
        assert up.returncode == 0, up.stderr
        made = client.post("/datasets", headers=headers, files={"file": ("a.csv", TABLE)})
        path = f"/datasets/{made.raise_for_status().json()['id']}"
        first = compose("exec", "-T", "worker-train", "head", "-c", "8", f"/data{path}/table.parquet", port=port)
        assert first.stdout == "CDMTENC1"
        client.delete(path, headers=headers).raise_for_status()
    finally:
        back = compose("up", "--detach", "--wait", "--no-build", port=port)
    assert back.returncode == 0, back.stderr
