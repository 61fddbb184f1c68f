"""Real patients' tables come in and never go out: every route is tried, whatever it is for."""

from __future__ import annotations

import hashlib
import io
import re
import struct
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from redis import Redis

from model.spec.errors import CDMTError
from service.api.app import create_app
from service.audit.reading import Filter, entries
from service.cli.encryption import encrypt
from service.contracts.errors import BadKeyFile
from service.contracts.jobs import now
from service.contracts.records import WEIGHTS
from service.contracts.settings import Settings
from service.contracts.storage import ArtifactStore, write_record
from service.contracts.vault import MAGIC, Vault, read_vault
from tests.service.api.conftest import Gateway, serving
from tests.service.making import SCHEMA, SECRET, add_job, add_model, finish_generate, parquet, table
from worker.__main__ import serve

PLANTED_STAY = 990_417_733
TRACES = (
    str(SECRET).encode(),
    str(PLANTED_STAY).encode(),
    struct.pack("<f", SECRET),
    struct.pack("<d", SECRET),
    struct.pack("<q", PLANTED_STAY),
)
QUERIES = ("", "?format=parquet", "?format=csv", "?limit=100")
ACCEPTS = ("application/json", "text/html", "text/csv", "application/vnd.apache.parquet", "*/*")


@pytest.fixture
def dataset_id(client: httpx.Client) -> str:
    """A dataset with a planted value and a planted stay."""
    frame = table().astype({"heart_rate": "float64"})
    frame.loc[0, "heart_rate"] = SECRET
    frame.loc[frame["stay"] == 100, "stay"] = PLANTED_STAY
    schema = SCHEMA.model_dump_json().replace("300.0", "1e6")
    answer = client.post("/datasets", files={"file": ("a.parquet", parquet(frame))}, data={"schema": schema})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def paths(app: FastAPI, thing_id: str) -> list[str]:
    """The path of every GET, with the id of the dataset in the place of any id."""
    documented = [path for path, methods in app.openapi()["paths"].items() if "get" in methods]
    found = [re.sub(r"{\w+_id}", thing_id, path) for path in documented]
    assert not any("{" in path for path in found), found
    return [*found, "/", "/docs", "/redoc", "/openapi.json"]


def test_no_route_hands_out_a_dataset(
    gateway: Gateway, client: httpx.Client, store: ArtifactStore, dataset_id: str
) -> None:
    stored = (store.dataset_dir(dataset_id) / "table.parquet").read_bytes()
    assert any(trace in stored for trace in TRACES) or stored[:4] == b"PAR1"
    tried = 0
    for path in paths(gateway.app, dataset_id):
        for query in QUERIES:
            for accept in ACCEPTS:
                answer = client.get(path + query, headers={"Accept": accept})
                body = answer.content
                assert not any(trace in body for trace in TRACES), (path, query, accept)
                assert body[:4] not in (b"PAR1", b"PK\x03\x04"), (path, query, accept)
                assert stored not in body
                tried += 1
    assert tried > 300
    of_datasets = {path: set(methods) for path, methods in gateway.app.openapi()["paths"].items() if "dataset" in path}
    assert of_datasets == {"/datasets": {"get", "post"}, "/datasets/{dataset_id}": {"get", "delete"}}


@pytest.mark.parametrize("path", ["/datasets/{}/table.parquet", "/datasets/{}/../{}/table.parquet", "/static/../{}"])
def test_nor_does_a_path_that_is_no_route(client: httpx.Client, dataset_id: str, path: str) -> None:
    assert client.get(path.replace("{}", dataset_id)).status_code == 404


def test_deletion_leaves_no_file_and_the_model_says_so(
    client: httpx.Client, store: ArtifactStore, dataset_id: str
) -> None:
    record = add_model(store)
    known = store.dataset(dataset_id)
    linked = record.model_copy(update={"dataset_id": dataset_id, "dataset_sha256": known.sha256})
    write_record(store.model_dir("model-1"), linked)
    assert told(client) == ["here"] * 2
    assert client.delete(f"/datasets/{dataset_id}").status_code == 204
    assert told(client) == ["deleted"] * 2
    kept = [path for path in store.root.rglob("*") if path.is_file() and path.stat().st_mtime > now().timestamp() - 60]
    assert [path for path in kept if any(trace in path.read_bytes() for trace in TRACES)] == []
    assert [path for path in kept if path.suffix == ".parquet"] == []
    assert list(store.staging_root.iterdir()) == []


def told(client: httpx.Client) -> list[Any]:
    """What a model says of its dataset, alone and in the list."""
    return [client.get("/models/model-1").json()["dataset"], client.get("/models").json()["items"][0]["dataset"]]


def test_a_model_that_came_from_elsewhere_has_no_dataset_here(client: httpx.Client, store: ArtifactStore) -> None:
    add_model(store)
    archive = client.get("/models/model-1/archive").content
    client.delete("/models/model-1")
    imported = client.post("/models", files={"file": ("a.zip", archive)})
    assert (imported.status_code, imported.json()["dataset"]) == (201, "never_here")


def test_a_cohort_is_synthetic_by_its_name_and_by_its_metadata(
    client: httpx.Client, store: ArtifactStore, tmp_path: Path
) -> None:
    add_model(store)
    add_job(store, "job-1")
    finish_generate(store, "job-1")
    for form in ("parquet", "csv"):
        named = client.get(f"/jobs/job-1/cohort?format={form}").headers["Content-Disposition"]
        assert named == f'attachment; filename="synthetic-cohort-job-1.{form}"'


@pytest.fixture
def sealed(tmp_path: Path, valkey_url: str, redis: Redis) -> Iterator[tuple[httpx.Client, ArtifactStore]]:
    """A gateway that encrypts, and its store."""
    (tmp_path / "keys").write_text("ab" * 32)
    settings = Settings(data_dir=tmp_path / "var", encryption_key_file=tmp_path / "keys", reconcile_every_seconds=1e6)
    app = create_app(settings, redis_url=valkey_url)
    with serving(app) as client:
        yield client, app.state.services.store


def test_a_model_is_encrypted_here_and_plain_in_its_archive(
    sealed: tuple[httpx.Client, ArtifactStore], store: ArtifactStore
) -> None:
    client, encrypting = sealed
    add_model(store)
    plain = (store.model_dir("model-1") / WEIGHTS).read_bytes()
    with store.staging("elsewhere") as folder:
        archive = folder / "a.zip"
        with zipfile.ZipFile(archive, "w") as packed:
            for path in sorted(store.model_dir("model-1").iterdir()):
                packed.write(path, path.name)
        imported = client.post("/models", files={"file": ("a.zip", archive.read_bytes())})
    assert imported.status_code == 201, imported.text
    assert imported.json()["files"] == store.model("model-1").model_dump(mode="json")["files"]
    on_disk = encrypting.model_dir("model-1") / WEIGHTS
    assert on_disk.read_bytes().startswith(MAGIC)
    answers = [client.get("/models/model-1/archive") for _ in range(2)]
    assert answers[0].content == answers[1].content
    assert answers[0].headers["ETag"].strip('"') == hashlib.sha256(answers[0].content).hexdigest()
    with zipfile.ZipFile(io.BytesIO(answers[0].content)) as unpacked:
        assert unpacked.read(WEIGHTS) == plain
    assert client.get("/models/model-1/archive", headers={"Range": "bytes=0-3"}).content == b"PK\x03\x04"
    assert list(encrypting.staging_root.iterdir()) == []


def test_an_archive_takes_no_memory_that_is_not_there(
    sealed: tuple[httpx.Client, ArtifactStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is kept in the memory until it is sent, and whoever fetches it may take their time, many times over."""
    client, store = sealed
    add_model(store)
    monkeypatch.setattr("service.api.archives.available_memory", lambda: 100)
    answer = client.get("/models/model-1/archive")
    assert answer.status_code == 503, answer.text
    assert answer.headers["Retry-After"]


def test_without_the_key_nobody_begins(
    sealed: tuple[httpx.Client, ArtifactStore], valkey_url: str, tmp_path: Path
) -> None:
    """Else what came in from then on would lie there plain, or under another key."""
    client, store = sealed
    assert client.post("/datasets", files={"file": ("t", parquet(table()))}).status_code == 201
    other = tmp_path / "other"
    other.write_text("ef" * 32)
    for key_file in (None, other):
        settings = Settings(data_dir=store.root, encryption_key_file=key_file)
        with pytest.raises(BadKeyFile, match="CDMT_ENCRYPTION_KEY_FILE"):
            create_app(settings, redis_url=valkey_url)
        with pytest.raises(BadKeyFile, match="CDMT_ENCRYPTION_KEY_FILE"):
            serve(settings.model_copy(update={"redis_url": valkey_url}), kind="train", shutdown_seconds=1)
    other.write_text(f"{'ef' * 32}\n{'ab' * 32}")
    create_app(Settings(data_dir=store.root, encryption_key_file=other), redis_url=valkey_url)


def test_a_damaged_file_keeps_no_other_from_its_new_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings, keys = Settings(data_dir=tmp_path / "var"), tmp_path / "keys"
    store = ArtifactStore(settings.data_dir)
    keys.write_text(f"{'cd' * 32}\n{'ab' * 32}\n")
    monkeypatch.setenv("CDMT_DATA_DIR", str(settings.data_dir))
    monkeypatch.setenv("CDMT_ENCRYPTION_KEY_FILE", str(keys))
    for name in ("model-1", "model-2", "model-3"):
        add_model(store, name)
        weights = store.model_dir(name) / WEIGHTS
        Vault.of(bytes.fromhex("ab" * 32)).write(weights, weights.read_bytes())
    damaged = store.model_dir("model-1") / WEIGHTS
    damaged.write_bytes(damaged.read_bytes()[:-1])
    with pytest.raises(CDMTError, match=f"1 of 3 files cannot be read and stay as they are: models/model-1/{WEIGHTS}"):
        encrypt()
    vault = read_vault(keys)
    assert [vault.is_up_to_date(store.model_dir(f"model-{k}") / WEIGHTS) for k in (1, 2, 3)] == [False, True, True]
    outcomes = [entry.outcome for entry in entries(settings.audit_folder, Filter(action="data.encrypt"))]
    assert outcomes == ["failed", "granted"]


def test_what_was_plain_is_encrypted_by_a_command(
    client: httpx.Client, settings: Settings, store: ArtifactStore, dataset_id: str, tmp_path: Path
) -> None:
    add_model(store)
    add_model(store, "came-with-us")
    record = store.model("came-with-us").model_copy(update={"origin": "bundled"})
    write_record(store.model_dir("came-with-us"), record)
    keys = tmp_path / "keys"
    keys.write_text("ab" * 32)
    table_path = store.dataset_dir(dataset_id) / "table.parquet"
    plain = table_path.read_bytes()
    (table_path.parent / ".table.parquet.encrypted").write_bytes(b"of a run that was killed")
    add_model(store, "of-another-version")
    (store.model_dir("of-another-version") / "record.json").write_text("{}")

    def run() -> str:
        env = {"CDMT_DATA_DIR": str(settings.data_dir), "CDMT_ENCRYPTION_KEY_FILE": str(keys), "PATH": "/usr/bin:/bin"}
        command = [sys.executable, "-m", "service.cli", "encrypt"]
        return subprocess.run(command, check=True, env=env, capture_output=True, text=True, timeout=60).stderr

    assert run().startswith("3 files")
    assert run().startswith("0 files")
    keys.write_text(f"{'cd' * 32}\n{'ab' * 32}\n")
    assert run().startswith("3 files")
    keys.write_text("cd" * 32)
    assert not any(trace in table_path.read_bytes() for trace in TRACES)
    with read_vault(keys).source(table_path).open("rb") as file:
        assert file.read() == plain
    assert not (store.model_dir("came-with-us") / WEIGHTS).read_bytes().startswith(MAGIC)
    assert list(table_path.parent.glob(".*")) == []
    put_down = list(entries(settings.audit_folder, Filter(action="data.encrypt")))
    assert [entry.details["files"] for entry in put_down] == [3, 0, 3]
    assert {entry.details["key"] for entry in put_down} == {
        Vault.of(bytes.fromhex(k * 32)).key_id.hex() for k in ("ab", "cd")
    }
