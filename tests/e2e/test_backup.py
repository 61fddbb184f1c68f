"""The drill of docs/operations.md: a stack that works is backed up, all of it is lost, and a new one takes over."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.backup import AUDIT, FILES, PARTS
from service.cli import stack
from service.contracts.data_folder import LOCK
from service.contracts.settings import Settings
from service.contracts.vault import MAGIC
from tests.e2e.conftest import SCHEMA, Job
from tests.worker.tables import FAST_SAMPLER, TINY_NETWORK, TINY_TRAINING, made_up_stays

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]  # two stacks, one after the other

SAMPLER = FAST_SAMPLER.model_dump()
LISTS = ("/datasets", "/models", "/keys")


def settings_over(folder: Path, data_dir: Path) -> Settings:
    """Keys in files lie beside the data folder, as they do on a real machine."""
    return Settings(
        port=0,
        data_dir=data_dir,
        auth="keys",
        device="cpu",
        threads=1,
        reconcile_every_seconds=1,
        encryption_key_file=folder / "keys",
        audit_key_file=folder / "audit-key",
    )


def cdmt(settings: Settings, *arguments: str) -> str:
    """What the program prints, run as a person runs it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CDMT_", "REDIS_URL"))}
    command = [sys.executable, "-m", "service.cli", *arguments]
    ended = subprocess.run(
        command, env={**kept, **stack.environment(settings)}, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr + ended.stdout
    return ended.stdout.strip()


@contextmanager
def running(settings: Settings, key: str, logs: Path) -> Iterator[httpx.Client]:
    """A client, with a key, of a stack over these settings."""
    headers = {"Authorization": f"Bearer {key}"}
    with (
        stack.running(settings, notice=lambda _: None, logs=logs) as up,
        httpx.Client(base_url=up.url, headers=headers, trust_env=False, timeout=30) as client,
    ):
        yield client


def trained(client: httpx.Client) -> str:
    """The model of a training on the made-up stays, which are uploaded for it."""
    csv = made_up_stays().to_csv(index=False).encode()
    dataset = client.post("/datasets", files={"file": ("a.csv", csv)}, data={"schema": json.dumps(SCHEMA)})
    body = {"dataset_id": dataset.raise_for_status().json()["id"], "name": "tiny"}
    recipe = {"training": TINY_TRAINING.model_dump(), "network": TINY_NETWORK.model_dump()}
    done = Job(client, "/jobs/train", {**body, **recipe}).until(succeeded, seconds=200)[-1]
    return str(done["result"]["model_id"])


def succeeded(job: dict[str, Any]) -> bool:
    return bool(job["status"] == "succeeded")


def records(client: httpx.Client, path: str) -> dict[str, Any]:
    return {item["id"]: item for item in client.get(path).raise_for_status().json()["items"]}


def cohort_of(client: httpx.Client, job: dict[str, Any]) -> bytes:
    content = client.get(job["links"]["cohort"]).raise_for_status().content
    assert hashlib.sha256(content).hexdigest() == job["result"]["sha256"]
    return content


def test_a_new_stack_goes_on_where_the_backup_was_made(tmp_path: Path) -> None:
    for name in ("keys", "audit-key"):
        (tmp_path / name).write_text(secrets.token_hex(32))
    old, new = (settings_over(tmp_path, tmp_path / name) for name in ("old", "new"))
    key = cdmt(old, "keys", "create", "ann", "--scope", "admin")
    with running(old, key, tmp_path / "old-logs") as client:
        wanted = {"model_id": trained(client), "n_stays": 60, "sampler": SAMPLER}
        done = Job(client, "/jobs/generate", wanted).until(succeeded, seconds=120)[-1]
        endless = Job(client, "/jobs/generate", {**wanted, "n_stays": 2_000_000, "evaluate": False})
        endless.until(lambda job: job["status"] == "running")
        waiting = Job(client, "/jobs/generate", {**wanted, "evaluate": False})
        lists, cohort = {path: records(client, path) for path in LISTS}, cohort_of(client, done)

        cdmt(old, "backup", str(tmp_path / "backup.tar"))

        n_entries = int(cdmt(old, "audit", "head").partition(":")[0])
        client.post(f"{endless.url}/cancel").raise_for_status()  # to be forgotten: it comes after the backup
        later = Job(client, "/jobs/generate", wanted)
    (tmp_path / "old").rename(tmp_path / "lost")

    cdmt(new, "restore", str(tmp_path / "backup.tar"))
    assert cdmt(new, "audit", "verify").startswith("whole: ")
    assert int(cdmt(new, "audit", "head").partition(":")[0]) == n_entries + 1  # that of the restoring
    with running(new, key, tmp_path / "new-logs") as client:
        assert {path: records(client, path) for path in LISTS} == lists
        assert client.get(later.url).status_code == 404
        again = client.get(f"/jobs/{done['id']}").raise_for_status().json()
        assert (again["result"], again["finished_at"]) == (done["result"], done["finished_at"])
        assert cohort_of(client, again) == cohort
        assert client.get(again["links"]["report"]).is_success
        endless.client = waiting.client = client
        endless.until(lambda job: job["status"] == "running")
        assert waiting.look()["status"] == "queued"
        client.post(f"{endless.url}/cancel").raise_for_status()
        cohort_of(client, waiting.until(succeeded, seconds=120)[-1])  # drawn by a model that had to be decrypted
    assert {path.name for path in new.data_dir.iterdir()} <= {*PARTS, *FILES, AUDIT, LOCK, "staging", "valkey"}
    (table,) = new.data_dir.glob("datasets/*/table.parquet")
    assert table.read_bytes().startswith(MAGIC)
