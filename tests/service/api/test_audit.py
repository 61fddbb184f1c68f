"""What goes through the gateway is in the audit log, and nothing goes out that cannot be put down there."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.api.app import create_app
from service.api.attempts import BURST
from service.api.retention import sweep_expired
from service.audit.entries import Entry
from service.audit.reading import Filter, entries
from service.audit.verify import verify
from service.contracts.installation import installation_id
from service.contracts.job_store import JobStore
from service.contracts.jobs import now
from service.contracts.settings import Settings
from service.contracts.storage import ArtifactStore
from tests.service.api.conftest import Gateway, Keyed, serving
from tests.service.making import SCHEMA, SECRET, add_job, add_model, finish_generate, parquet, table

Log = Callable[[], list[Entry]]


@pytest.fixture
def log(settings: Settings) -> Log:
    """The entries since the test began, in order."""
    last = next(entries(settings.audit_folder, Filter()), None) if settings.audit_folder.exists() else None
    first = 0 if last is None else last.number

    def since() -> list[Entry]:
        found = [entry for entry in entries(settings.audit_folder, Filter()) if entry.number > first]
        return [entry for entry in reversed(found) if not entry.action.startswith("log.")]

    return since


@pytest.fixture
def unwritable(settings: Settings) -> Any:
    """A log that cannot go on, until the test ends."""
    head = settings.audit_folder / "head.json"
    kept = head.read_bytes()
    head.write_bytes(b"{}")
    yield
    head.write_bytes(kept)


def upload(client: httpx.Client, **fields: str) -> httpx.Response:
    return client.post("/datasets", files={"file": ("Meier Hans.parquet", parquet(table()))}, data=fields)


def told(found: list[Entry]) -> list[tuple[str, str | None, str]]:
    return [(entry.action, entry.object, entry.outcome) for entry in found]


def test_what_comes_in_and_goes_again(client: httpx.Client, log: Log) -> None:
    dataset = upload(client, name="ward of Hans Meier").json()["id"]
    training = client.post("/jobs/train", json={"dataset_id": dataset, "name": "for Hans Meier"}).json()["id"]
    client.post(f"/jobs/{training}/cancel")
    assert client.delete(f"/jobs/{training}").status_code == 204
    assert client.delete(f"/datasets/{dataset}").status_code == 204
    assert told(log()) == [
        ("dataset.upload", f"dataset/{dataset}", "granted"),
        ("job.train", f"job/{training}", "granted"),
        ("job.cancel", f"job/{training}", "granted"),
        ("job.delete", f"job/{training}", "granted"),
        ("dataset.delete", f"dataset/{dataset}", "granted"),
    ]
    assert {(entry.address, entry.caller) for entry in log()} == {("127.0.0.1", None)}
    assert log()[3].details == {"status": "cancelled"}
    assert "Meier" not in str(log())


def test_a_generation_and_what_it_made(client: httpx.Client, store: ArtifactStore, log: Log) -> None:
    add_model(store)
    answer = client.post(
        "/jobs/generate", json={"model_id": "model-1", "n_stays": 2}, headers={"X-Request-ID": "from-ward-7"}
    )
    job = answer.json()["id"]
    finish_generate(store, job)
    for path in ("cohort", "cohort?format=csv", "report", "report.html"):
        assert client.get(f"/jobs/{job}/{path}").status_code == 200
        assert client.head(f"/jobs/{job}/{path}").status_code == 200
    assert [(entry.action, entry.details) for entry in log()] == [
        ("job.generate", {"model": "model-1", "n_stays": 2}),
        ("cohort.download", {"format": "parquet"}),
        ("cohort.download", {"format": "csv"}),
        ("report.download", {"format": "json"}),
        ("report.download", {"format": "html"}),
    ]
    assert log()[0].request_id == "from-ward-7"
    assert {entry.object for entry in log()} == {f"job/{job}"}


def test_an_evaluation_of_a_table(client: httpx.Client, log: Log) -> None:
    dataset = upload(client).json()["id"]
    files = {"file": ("synthetic.parquet", parquet(table()))}
    job = client.post("/jobs/evaluate", files=files, data={"dataset_id": dataset}).json()["id"]
    assert told(log())[1:] == [("job.evaluate", f"job/{job}", "granted")]
    assert log()[1].details == {"dataset": dataset, "cohort": "uploaded"}


def test_a_model_that_leaves_and_comes_back(client: httpx.Client, store: ArtifactStore, log: Log) -> None:
    add_model(store)
    archive = client.get("/models/model-1/archive").content
    client.get("/models/model-1/report")
    client.delete("/models/model-1")
    client.post("/models", files={"file": ("model.zip", archive)})
    client.post("/models", files={"file": ("model.zip", archive)})
    assert told(log()) == [
        ("model.export", "model/model-1", "granted"),
        ("report.download", "model/model-1", "granted"),
        ("model.delete", "model/model-1", "granted"),
        ("model.import", "model/model-1", "granted"),
        ("model.import", "model/model-1", "granted"),
        ("model.import", "model/model-1", "failed"),
    ]
    assert log()[-1].details["error"] == "AlreadyPublished"
    assert log()[0].details == {"sha256": log()[3].details["sha256"]}


def test_an_archive_that_cannot_be_made_is_put_down_as_failed(
    client: httpx.Client, store: ArtifactStore, log: Log
) -> None:
    add_model(store)
    (store.model_dir("model-1") / "gone.json").symlink_to("nowhere")
    assert client.get("/models/model-1/archive").status_code == 404
    assert told(log()) == [
        ("model.export", "model/model-1", "granted"),
        ("model.export", "model/model-1", "failed"),
    ]


def test_what_is_wrong_makes_no_entry(client: httpx.Client, store: ArtifactStore, log: Log) -> None:
    add_model(store)
    assert client.get("/models/absent-model/archive").status_code == 404
    assert client.delete("/datasets/absent-dataset").status_code == 404
    assert client.post("/jobs/generate", json={"model_id": "model-1", "n_stays": 0}).status_code == 422
    broken = table().assign(heart_rate="no number")
    form = {"schema": SCHEMA.model_dump_json()}
    assert client.post("/datasets", files={"file": ("a.parquet", parquet(broken))}, data=form).status_code == 422
    assert log() == []


def test_a_replayed_request_made_nothing_a_second_time(client: httpx.Client, store: ArtifactStore, log: Log) -> None:
    add_model(store)
    for _ in range(2):
        wanted = {"model_id": "model-1", "n_stays": 2}
        assert client.post("/jobs/generate", json=wanted, headers={"Idempotency-Key": "one"}).status_code == 202
    assert len(log()) == 1


def test_what_the_gate_refuses(client: httpx.Client, store: ArtifactStore, log: Log) -> None:
    add_model(store)
    add_job(store, "job-1")
    finish_generate(store, "job-1", privacy="held")
    assert client.get("/jobs/job-1/cohort").status_code == 403
    (refused,) = log()
    assert told([refused]) == [("access.refused", "job/job-1", "refused")]
    assert refused.details == {
        "method": "GET",
        "route": "/jobs/{job_id}/cohort",
        "status": 403,
        "reason": "privacy-held",
    }


def test_an_expired_job(gateway: Gateway, client: httpx.Client, store: ArtifactStore, log: Log) -> None:
    add_model(store)
    add_job(store, "job-1")
    finish_generate(store, "job-1", retention_seconds=1)
    services = gateway.app.state.services
    list(services.jobs.active())
    later = now() + timedelta(days=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("service.api.retention.now", lambda: later)
        assert sweep_expired(services) == 1
    assert [(entry.action, entry.caller, entry.address) for entry in log()] == [("job.expire", "system", None)]


class TestKeys:
    """Who is known by a key is named with it, and so are the keys that come and go."""

    @pytest.fixture
    def chief(self, keyed: Keyed) -> dict[str, str]:
        return keyed.key("chief", "admin")

    def test_keys_and_sessions(self, keyed: Keyed, chief: dict[str, str]) -> None:
        body = {"name": "ann", "scopes": ["read"]}
        key = keyed.client.post("/keys", json=body, headers=chief).json()
        keyed.client.post(f"/keys/{key['id']}/rotate", json={}, headers=chief)
        keyed.client.delete(f"/keys/{key['id']}", headers=chief)
        session = keyed.client.post("/session", headers=chief).json()
        keyed.client.delete("/session", headers={"X-CSRF-Token": session["csrf_token"]})
        mine = [entry for entry in log_of(keyed.settings) if entry.caller == "chief"]
        assert [entry.action for entry in mine] == [
            "key.create",
            "key.rotate",
            "key.revoke",
            "session.open",
            "session.close",
        ]
        assert {entry.key_id for entry in mine} == {session["key_id"]}
        assert [entry.object for entry in mine[:3]] == [f"key/{key['id']}"] * 3
        assert mine[0].details == {"name": "ann", "scopes": "read"}
        assert key["key"].split("_", 2)[2] not in str(mine)

    def test_who_shows_nothing_does_not_fill_the_log(self, keyed: Keyed) -> None:
        """Nobody need have a key for that, and no entry is ever removed."""
        gone = {"Cookie": "cdmt-session=gone"}
        for headers in ({}, gone) * 15:
            assert keyed.client.get("/jobs", headers=headers).status_code == 401
        ended = keyed.keys.create("ann", scopes=("read",))
        keyed.keys.revoke(ended.record.id)
        for key in (ended.key, "no key of ours"):
            assert keyed.client.get("/jobs", headers={"Authorization": f"Bearer {key}"}).status_code == 401
        found = [entry for entry in log_of(keyed.settings) if entry.action == "access.refused"]
        assert BURST <= len(found) - 2 <= BURST + 2  # a few more, if that took long
        assert {entry.details["reason"] for entry in found[-2:]} == {"ended_credential", "wrong_credential"}

    def test_who_was_refused(self, keyed: Keyed) -> None:
        ann, bob = keyed.key("ann", "read", "generate"), keyed.key("bob", "read")
        add_model(keyed.store)
        job = keyed.client.post("/jobs/generate", json={"model_id": "model-1", "n_stays": 2}, headers=ann).json()["id"]
        key_id = ann["Authorization"].split("_")[1]
        answers = [
            keyed.client.get("/jobs"),
            keyed.client.get("/jobs", headers={"Authorization": f"Bearer cdmt_{key_id}_{'A' * 43}"}),
            keyed.client.post("/jobs/generate", json={"model_id": "model-1", "n_stays": 2}, headers=bob),
            keyed.client.get(f"/jobs/{job}/cohort", headers=bob),
            keyed.client.get("/jobs/absent-job", headers=bob),
        ]
        assert [answer.status_code for answer in answers] == [401, 401, 403, 404, 404]
        found = [entry for entry in log_of(keyed.settings) if entry.action == "access.refused"]
        assert [(entry.caller, entry.details["status"]) for entry in found] == [
            (None, 401),
            (None, 401),
            ("bob", 403),
            ("bob", 404),
        ]
        assert found[1].key_id == key_id
        assert (found[3].object, found[3].details["reason"]) == (f"job/{job}", "not_owner")

    def test_without_a_log_no_key_is_made_but_one_is_revoked(self, keyed: Keyed, chief: dict[str, str]) -> None:
        key = keyed.client.post("/keys", json={"name": "ann", "scopes": ["read"]}, headers=chief).json()
        (keyed.settings.audit_folder / "head.json").write_bytes(b"{}")
        refused = [
            keyed.client.post("/keys", json={"name": "eve", "scopes": ["read"]}, headers=chief),
            keyed.client.post(f"/keys/{key['id']}/rotate", json={}, headers=chief),
            keyed.client.post("/session", headers=chief),
        ]
        assert [answer.status_code for answer in refused] == [503] * 3
        assert sorted(record.name for record in keyed.keys.records()) == ["ann", "chief"]
        assert keyed.client.get("/jobs", headers={"Authorization": f"Bearer {key['key']}"}).is_success
        assert keyed.client.delete(f"/keys/{key['id']}", headers=chief).status_code == 204
        assert keyed.client.get("/jobs", headers={"Authorization": f"Bearer {key['key']}"}).status_code == 401

    def test_an_admin_reads_the_log_in_pages(self, keyed: Keyed, chief: dict[str, str]) -> None:
        for name in ("ann", "bob", "eve"):
            keyed.client.post("/keys", json={"name": name, "scopes": ["read"]}, headers=chief)
        first = keyed.client.get("/audit?limit=2&action=key.create", headers=chief)
        second = keyed.client.get(first.headers["Link"].split(">")[0][1:], headers=chief)
        named = [entry["details"]["name"] for page in (first, second) for entry in page.json()["items"]]
        assert named == ["eve", "bob", "ann"]
        assert second.json()["next_cursor"] is None
        assert keyed.client.get("/audit?cursor=bm90", headers=chief).status_code == 422
        assert first.json()["unreadable"] == 0
        assert keyed.client.get("/audit", headers=keyed.key("ann", "read", "train", "generate")).status_code == 403

    def test_a_line_that_was_changed_is_counted(self, keyed: Keyed, chief: dict[str, str]) -> None:
        keyed.client.post("/keys", json={"name": "ann", "scopes": ["read"]}, headers=chief)
        (path,) = keyed.settings.audit_folder.glob("*.jsonl")
        path.write_text(path.read_text().replace('"key.create"', '"key.revoke"'))
        page = keyed.client.get("/audit", headers=chief).json()
        assert page["unreadable"] == 1
        assert {entry["action"] for entry in page["items"]}.isdisjoint({"key.create", "key.revoke"})


def log_of(settings: Settings) -> list[Entry]:
    return list(reversed(list(entries(settings.audit_folder, Filter()))))


@pytest.mark.usefixtures("unwritable")
class TestUnwritable:
    """Without a log nothing is handed out and nothing begun; deletions, which may make room for it, are done."""

    @pytest.fixture(autouse=True)
    def _things(self, client: httpx.Client, store: ArtifactStore, unwritable: None) -> None:
        add_model(store)
        add_job(store, "job-1")
        finish_generate(store, "job-1")

    @pytest.mark.parametrize("path", ["cohort", "cohort?format=csv", "report", "report.html"])
    def test_nothing_of_a_job_is_handed_out(self, client: httpx.Client, path: str) -> None:
        answer = client.get(f"/jobs/job-1/{path}")
        assert answer.status_code == 503
        assert answer.headers["Retry-After"] == "5"
        assert answer.json()["type"] == "urn:cdmt:problem:audit-unavailable"
        assert "head.json" not in answer.text

    def test_no_model_leaves(self, client: httpx.Client) -> None:
        assert client.get("/models/model-1/archive").status_code == 503
        assert client.get("/models/model-1/report").status_code == 503

    def test_nothing_is_begun(self, client: httpx.Client, store: ArtifactStore) -> None:
        assert upload(client).status_code == 503
        assert client.post("/jobs/generate", json={"model_id": "model-1", "n_stays": 2}).status_code == 503
        assert (store.ids("datasets"), store.ids("jobs")) == ([], ["job-1"])
        assert list(store.staging_root.iterdir()) == []

    def test_deletions_go_on(self, client: httpx.Client, store: ArtifactStore, log_lines: io.StringIO) -> None:
        assert client.delete("/jobs/job-1").status_code == 204
        assert client.delete("/models/model-1").status_code == 204
        assert (store.ids("jobs"), store.ids("models")) == ([], [])
        events = [json.loads(line) for line in log_lines.getvalue().splitlines()]
        assert [line["object"] for line in events if line["event"] == "not_audited"] == ["job/job-1", "model/model-1"]

    def test_the_gateway_is_not_ready(self, client: httpx.Client) -> None:
        assert "audit" in [error["pointer"] for error in client.get("/readyz").json()["errors"]]


def test_a_full_disk_is_told_as_such_and_lets_deletions_through(
    client: httpx.Client, store: ArtifactStore, monkeypatch: pytest.MonkeyPatch, log: Log
) -> None:
    add_model(store)
    add_job(store, "job-1")
    finish_generate(store, "job-1")
    write = os.write

    def full(descriptor: int, content: bytes) -> int:
        if content.startswith(b'{"action"'):
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, content)

    monkeypatch.setattr(os, "write", full)
    answers = [
        client.get("/jobs/job-1/cohort"),
        client.post("/jobs/generate", json={"model_id": "model-1", "n_stays": 2}),
    ]
    assert [answer.status_code for answer in answers] == [507, 507]
    assert client.delete("/jobs/job-1").status_code == 204
    monkeypatch.undo()
    assert client.delete("/models/model-1").status_code == 204
    assert told(log()) == [("model.delete", "model/model-1", "granted")]


def test_the_log_of_all_these_tests_is_whole_and_holds_no_value(settings: Settings, jobs: JobStore) -> None:
    found = verify(settings.audit_folder, installation=installation_id(Path(jobs.store.root)))
    assert found.problems == []
    assert str(SECRET) not in "".join(path.read_text() for path in settings.audit_folder.iterdir())


def test_a_start_tells_what_its_settings_open(tmp_path: Path, valkey_url: str) -> None:
    settings = Settings(
        data_dir=tmp_path / "var",
        auth="off",
        privacy_not_evaluated="release",
        privacy_copies=0.5,
        encryption_key_file=None,
    )
    with serving(create_app(settings, redis_url=valkey_url)):
        pass
    told = [entry for entry in entries(settings.audit_folder, Filter()) if entry.action == "service.start"]
    assert [(entry.caller, dict(entry.details, version="")) for entry in told] == [
        (
            "system",
            {
                "version": "",
                "auth": "off",
                "gate": "with other thresholds",
                "not_evaluated": "release",
                "encrypted": "no",
                "admin_key": "none",
                "oidc_roles": "none",
            },
        )
    ]


def test_a_start_tells_whom_files_and_settings_let_in(tmp_path: Path, valkey_url: str) -> None:
    """A key that comes by a file, and roles of another's tokens, are changed by no request that could be put down."""
    key = tmp_path / "admin"
    given: dict[str, Any] = {"data_dir": tmp_path / "var", "auth": "keys", "admin_key_file": key}
    provider: dict[str, Any] = {"oidc_issuer": "https://id", "oidc_audience": "cdmt", "oidc_jwks": "https://id/keys"}
    roles: list[dict[str, Any]] = [{}, {}, {**provider, "oidc_roles": "chief=admin"}]
    for number, more in enumerate(roles):
        key.write_text(f"{number or 1}" * 32)
        with serving(create_app(Settings(**given, **more), redis_url=valkey_url)):
            pass
    starts = [e.details for e in entries(tmp_path / "var" / "audit", Filter(action="service.start"))][::-1]
    digests = [hashlib.sha256(digit * 32).hexdigest()[:12] for digit in (b"1", b"1", b"2")]
    assert [start["admin_key"] for start in starts] == digests
    assert [start["oidc_roles"] for start in starts] == ["none", "none", "chief=admin"]
