from __future__ import annotations

import hashlib
import io
import json
import time
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from model.spec.errors import CheckpointError
from service.api.app import create_app
from service.api.archives import archive_download
from service.api.deps import Services
from service.api.downloads import Download
from service.contracts.job_store import JobStore
from service.contracts.records import WEIGHTS, ModelRecord
from service.contracts.storage import RECORD, ArtifactStore, write_record
from service.jobs import JobQueue
from tests.service.making import SCHEMA, add_model, safetensors

Files = dict[str, bytes]


def unzipped(content: bytes) -> Files:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(files: Files, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def send(client: httpx.Client, content: bytes) -> httpx.Response:
    return client.post("/models", files={"file": ("model.zip", content)})


def relisted(files: Files, **changed: bytes) -> Files:
    """The files with some contents changed and a record that lists them as they are now."""
    files = files | {name.replace("_", "."): content for name, content in changed.items()}
    record = json.loads(files[RECORD])
    record["files"] = {
        name: {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
        for name, content in files.items()
        if name != RECORD
    }
    return files | {RECORD: json.dumps(record).encode()}


def test_models_are_listed_described_and_deleted(client: httpx.Client, store: ArtifactStore) -> None:
    record = add_model(store)
    shown = client.get("/models/model-1").json()
    known = {name: value for name, value in shown.items() if name != "dataset"}
    assert (ModelRecord.model_validate(known), shown["dataset"]) == (record, "never_here")
    assert shown["schema"]["labels"][0]["name"] == "death"
    assert client.get("/models").json() == {"items": [shown], "next_cursor": None}
    assert client.delete("/models/model-1").status_code == 204
    assert client.get("/models/model-1").status_code == 404


def test_a_model_is_kept_while_a_job_needs_it(client: httpx.Client, store: ArtifactStore) -> None:
    add_model(store)
    job_id = client.post("/jobs/generate", json={"model_id": "model-1", "n_stays": 1}).json()["id"]
    assert client.delete("/models/model-1").status_code == 409
    client.post(f"/jobs/{job_id}/cancel")
    assert client.delete("/models/model-1").status_code == 204


def test_the_report_of_a_model(client: httpx.Client, store: ArtifactStore) -> None:
    add_model(store)
    assert client.get("/models/model-1/report").json() == {"scores": []}
    assert client.get("/models/model-1/report.html").text.startswith("<!doctype html>")
    assert client.get("/models/model-2/report").status_code == 404


def test_an_archive_holds_the_folder_and_is_the_same_each_time(client: httpx.Client, store: ArtifactStore) -> None:
    add_model(store)
    response = client.get("/models/model-1/archive")
    assert response.headers["content-type"] == "application/zip"
    assert response.headers["etag"] == f'"{hashlib.sha256(response.content).hexdigest()}"'
    assert unzipped(response.content) == {path.name: path.read_bytes() for path in store.model_dir("model-1").iterdir()}
    assert client.get("/models/model-1/archive").content == response.content
    assert client.get("/models/model-1/archive", headers={"If-None-Match": response.headers["etag"]}).status_code == 304
    assert client.head("/models/model-1/archive").headers["content-length"] == str(len(response.content))
    assert client.get("/models/model-1/archive", headers={"Range": "bytes=0-1"}).content == b"PK"
    deadline = time.monotonic() + 60  # what was made for the answer is deleted after it
    while list(store.staging_root.iterdir()):
        assert time.monotonic() < deadline


def test_an_archive_can_be_imported_where_the_model_is_not(client: httpx.Client, store: ArtifactStore) -> None:
    before = add_model(store)
    archive = client.get("/models/model-1/archive").content
    assert send(client, archive).status_code == 409
    store.remove("models", "model-1")
    response = send(client, archive)
    assert response.status_code == 201, response.text
    assert response.headers["location"] == "/models/model-1"
    assert store.model("model-1") == before.model_copy(update={"origin": "imported"})
    assert (store.model_dir("model-1") / WEIGHTS).read_bytes() == safetensors()
    assert list(store.staging_root.iterdir()) == []


def rerecorded(files: Files, **change: object) -> Files:
    """The files with another record."""
    return files | {RECORD: json.dumps({**json.loads(files[RECORD]), **change}).encode()}


def relinked(archive: bytes, **change: object) -> bytes:
    """The archive with another record."""
    return zipped(rerecorded(unzipped(archive), **change))


def test_an_archive_cannot_say_what_its_model_was_trained_on(client: httpx.Client, store: ArtifactStore) -> None:
    """A cohort is judged against those stays: a made-up link would have it judged against strangers, or not at all."""
    model = add_model(store).model_copy(update={"dataset_id": "data-1", "dataset_sha256": "1" * 64})
    write_record(store.model_dir("model-1"), model)
    archive = client.get("/models/model-1/archive").content
    schema = json.loads(SCHEMA.model_dump_json()) | {"patient_id": "patient"}  # by which stays would be split otherwise
    for name, link in (("twin-1", None), ("twin-2", "data-2")):
        assert send(client, relinked(archive, id=name, dataset_id=link, seed=7, schema=schema)).status_code == 201
        twin = store.model(name)
        assert twin == model.model_copy(update={"id": name, "origin": "imported"})
    store.remove("models", "model-1")
    assert send(client, relinked(archive, id="stranger", dataset_id="data-2")).status_code == 201
    assert store.model("stranger").dataset_id is None


def test_a_changed_copy_of_a_model_is_a_stranger(client: httpx.Client, store: ArtifactStore) -> None:
    """Its report says whether its small cohorts pass, which nobody else can tell."""
    model = add_model(store).model_copy(update={"dataset_id": "data-1", "dataset_sha256": "1" * 64})
    write_record(store.model_dir("model-1"), model)
    files = unzipped(relinked(client.get("/models/model-1/archive").content, id="copy-1"))
    assert send(client, zipped(relisted(files, report_json=b'{"privacy": "passed"}'))).status_code == 201
    assert store.model("copy-1").dataset_id is None


def test_the_id_of_a_bundled_model_is_nobody_else_s(client: httpx.Client, store: ArtifactStore) -> None:
    """It comes back at the next start, and earlier cohorts of the other would then count as its own."""
    add_model(store)
    archive = client.get("/models/model-1/archive").content
    response = send(client, relinked(archive, id="challenge2012-v1"))
    assert response.status_code == 409, response.text
    assert store.ids("models") == ["model-1"]


DAMAGES: dict[str, tuple[Callable[[Files], Files], str]] = {
    "a file beside": (lambda f: f | {"weights.pickle": b"x"}, "weights.pickle"),
    "a way out": (lambda f: f | {"../../evil.json": b"{}"}, "evil.json"),
    "an absolute path": (lambda f: f | {"/tmp/evil.json": b"{}"}, "evil.json"),
    "a folder": (lambda f: f | {"inner/": b""}, "inner"),
    "an unlisted file": (lambda f: f | {"more.json": b"{}"}, "list"),
    "a changed file": (lambda f: f | {"model.json": b"[]"}, "list"),
    "no record": (lambda f: {k: v for k, v in f.items() if k != RECORD}, RECORD),
    "a broken record": (lambda f: f | {RECORD: b"{"}, RECORD),
    "a name that turns around what follows": (lambda f: rerecorded(f, name="a\u202eb"), "name"),
    "a long name": (lambda f: rerecorded(f, name="a" * 129), "name"),
    "a time before all times": (lambda f: rerecorded(f, created_at="0001-01-01T00:00:00+23:59"), "time"),
    "an impossible id": (lambda f: f | {RECORD: f[RECORD].replace(b'"model-1"', b'"../x"')}, "id"),
    "no weights": (lambda f: relisted({k: v for k, v in f.items() if k != WEIGHTS}), "list"),
    "weights that are none": (lambda f: relisted(f, weights_safetensors=b"\x80\x04pickle"), "safetensors"),
    "a huge header": (lambda f: relisted(f, weights_safetensors=b"\xff" * 8 + b"{}"), "safetensors"),
}


@pytest.mark.parametrize("what", DAMAGES)
def test_archives_that_are_not_exactly_ours_are_refused(client: httpx.Client, store: ArtifactStore, what: str) -> None:
    add_model(store)
    damage, culprit = DAMAGES[what]
    files = unzipped(client.get("/models/model-1/archive").content)
    store.remove("models", "model-1")
    response = send(client, zipped(damage(files)))
    assert response.status_code == 422, response.text
    assert culprit in response.json()["detail"]
    assert store.ids("models") == []
    assert list(store.staging_root.iterdir()) == []


def test_archives_are_unpacked_one_at_a_time(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Like tables. Else many small ones that unfold to gigabytes take the disk, and the threads that answer others."""
    at_work: list[int] = []

    def unpack(*_: object, **__: object) -> None:
        at_work.append(1)
        time.sleep(0.1)
        assert at_work.pop() == 1
        assert not at_work, "another one is unpacked meanwhile"
        raise CheckpointError("it was unpacked alone")

    monkeypatch.setattr("service.api.routes.models.import_archive", unpack)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: send(client, b"PK"), range(4)))
    assert [answer.json()["detail"] for answer in answers] == 4 * ["it was unpacked alone"]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"no zip at all"])
def test_what_is_no_archive_is_refused(client: httpx.Client, content: bytes) -> None:
    response = send(client, content)
    assert response.status_code == 422
    assert "zip" in response.json()["detail"]


def test_a_damaged_archive_is_refused(client: httpx.Client, store: ArtifactStore) -> None:
    content = bytearray(zipped({"model.json": bytes(range(256)) * 100}))
    start = 30 + len("model.json")  # behind the local header
    content[start : start + 40] = b"\xff" * 40
    response = send(client, bytes(content))
    assert response.status_code == 422, response.text
    assert "damaged" in response.json()["detail"]
    assert list(store.staging_root.iterdir()) == []


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_an_archive_is_packed_as_ours_are(client: httpx.Client, method: int) -> None:
    """What LZMA needs to unpack, its header says: up to 4 GiB."""
    assert "another method" in send(client, zipped({"model.json": b"{}"}, method)).json()["detail"]


def test_an_archive_that_is_being_sent_is_not_swept(store: ArtifactStore, jobs: JobStore, queue: JobQueue) -> None:
    add_model(store)
    services: Services = create_app(queue.settings, redis_url="redis://127.0.0.1:1").state.services
    response = archive_download(store.model("model-1"), services)
    assert isinstance(response, Download)
    assert response.cleanup is not None
    assert store.sweep_staging(max_age_seconds=-60) == 0
    response.cleanup()
    assert list(store.staging_root.iterdir()) == []


def announcing(archive: bytes, n_bytes: int, announced: int) -> bytes:
    """The archive, which says of its one entry that it has other than `n_bytes`."""
    return archive.replace(n_bytes.to_bytes(4, "little"), announced.to_bytes(4, "little"))


def with_flag(archive: bytes, flag: int) -> bytes:
    """The archive, whose directory has a flag for its one entry."""
    place = archive.index(b"PK\x01\x02") + 8
    return archive[:place] + bytes([archive[place] | flag]) + archive[place + 1 :]


def with_link(target: str) -> bytes:
    """An archive with a symbolic link in place of the weights."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        link = zipfile.ZipInfo("weights.safetensors")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, target)
    return buffer.getvalue()


def with_many(n_entries: int) -> bytes:
    """An archive whose directory, all that it has, names so many entries, two kinds by turns."""
    entry = b"PK\x01\x02" + bytes(24) + (1).to_bytes(2, "little") + bytes(16) + b"a"
    directory = entry * n_entries
    end = b"PK\x05\x06" + bytes(4) + b"\xff\xff" * 2 + len(directory).to_bytes(4, "little") + bytes(6)
    return directory + end


BOMBS: dict[str, tuple[Callable[[], bytes], str]] = {
    "too many files": (lambda: zipped({f"a{n}.json": b"" for n in range(33)}), "too many files"),
    "far too many": (lambda: with_many(100_000), "too many files"),
    "all of the disk": (
        lambda: announcing(zipped({WEIGHTS: b"0" * 3_000_000}), 3_000_000, 2**32 - 2),
        "unpacks to more",
    ),
    "all of the memory": (lambda: zipped({"report.json": b" " * (2**24 + 1)}), "report.json unpacks to more"),
    "a record that all lists would hold": (lambda: zipped({RECORD: b" " * (2**21 + 1)}), "record.json unpacks to more"),
    "more than it says": (lambda: announcing(zipped({"record.json": b" " * 3_000_000}), 3_000_000, 7), "damaged"),
    "a secret": (lambda: with_flag(zipped({"record.json": b"{}"}), 1), "encrypted"),
    "names that differ by case": (lambda: zipped({"Record.json": b"{}", "record.json": b"{}"}), "Record.json"),
    "a way out by Windows": (lambda: zipped({"..\\evil.json": b"{}"}), "evil.json"),
    "a torch file": (lambda: zipped({"model/data.pkl": b"\x80\x04."}), "data.pkl"),
    "a pickle": (lambda: zipped({"weights.pt": b"\x80\x04."}), "weights.pt"),
    "a link": (lambda: with_link("/etc/passwd"), RECORD),
}


@pytest.mark.parametrize("what", BOMBS)
def test_an_archive_that_would_do_harm(client: httpx.Client, store: ArtifactStore, what: str) -> None:
    make, culprit = BOMBS[what]
    response = send(client, make())
    assert response.status_code == 422, response.text
    assert culprit in response.json()["detail"]
    assert store.ids("models") == []
    assert list(store.staging_root.iterdir()) == []
    assert client.get("/livez").is_success
