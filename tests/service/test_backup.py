from __future__ import annotations

import fcntl
import io
import os
import tarfile
import threading
import time
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from service import backup
from service.audit.entries import Event
from service.audit.opening import local_caller, open_audit
from service.audit.reading import Filter, entries
from service.audit.verify import verify
from service.backup import END, restore_backup, write_backup
from service.contracts import data_folder
from service.contracts.errors import AuditUnavailable, BadBackup, BadKeyFile, UnusableFolder
from service.contracts.idempotency import KeyStore
from service.contracts.ids import new_id
from service.contracts.installation import installation_id
from service.contracts.job_store import JobStore
from service.contracts.jobs import PrivacyOverride, now
from service.contracts.keys import ApiKeys
from service.contracts.settings import Settings
from service.contracts.storage import RECORD, ArtifactStore, manifest
from service.contracts.webhooks import Outbox
from tests.service.making import add_job, add_model, finish_generate

LEFT_OUT = {"valkey", "staging"}
LOG = "audit/audit-000000000001.jsonl"


@pytest.fixture
def filled(settings: Settings, store: ArtifactStore) -> Settings:
    """A data folder with a bit of everything, some of it as a running service leaves it."""
    root = store.root
    installation_id(root)
    add_model(store)
    add_job(store, "job-1")
    finish_generate(store, "job-1")
    override = PrivacyOverride(at=now(), caller="ann", reason="a vote", request_id="r")
    JobStore(store).add_override("job-1", override)
    add_job(store, "job-2")
    (store.work_dir("job-2") / "training.safetensors").write_bytes(b"state")
    Outbox(store).add("job-2")
    KeyStore(root).hold("a key", caller=None, fingerprint="f").release()
    ApiKeys(root).create("ann", scopes=["read"])
    for _ in range(3):
        open_audit(settings).append(Event(action="job.generate"))
    os.utime(root / "models" / "model-1" / RECORD, (1e9, 1e9))
    (root / "valkey").mkdir()
    (root / "valkey" / "queue.aof").write_bytes(b"jobs")
    (root / "staging" / "dataset-1").mkdir()
    (root / "jobs" / "job-2" / f".{RECORD}.1.half").write_bytes(b"{")
    return settings


def backed_up(settings: Settings) -> bytes:
    target = io.BytesIO()
    write_backup(settings, target)
    return target.getvalue()


def restored(content: bytes, root: Path) -> Settings:
    settings = Settings(data_dir=root)
    restore_backup(settings, io.BytesIO(content))
    return settings


def contents(root: Path) -> dict[str, tuple[bytes, float, int]]:
    """Everything that a backup shall hold: name -> content, time of the last change, mode."""
    paths = {path.relative_to(root): path for path in root.rglob("*") if path.is_file()}
    return {
        str(name): (path.read_bytes(), path.stat().st_mtime, path.stat().st_mode)
        for name, path in paths.items()
        if name.parts[0] not in LEFT_OUT and not path.name.startswith(".")
    }


def test_what_is_restored_is_what_was_there(filled: Settings, tmp_path: Path) -> None:
    there = restored(backed_up(filled), tmp_path / "new").data_dir
    before, after = contents(filled.data_dir), contents(there)
    for changed in ("audit/head.json", LOG):  # the restored log goes on
        before.pop(changed)
        after.pop(changed)
    assert after == before
    assert {"jobs/job-1/record.json", "jobs/job-1/overrides.jsonl", "work/job-2/training.safetensors"} <= set(after)
    assert {path.stat().st_mode & 0o777 for path in there.iterdir() if path.is_dir()} == {0o700}
    assert verify(there / "audit", installation=installation_id(there)).problems == []
    assert list(filled.data_dir.glob("staging/backup*")) == []


def test_what_root_restores_is_the_service_s(filled: Settings, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    (tmp_path / "new").mkdir()
    os.chown(tmp_path / "new", 10001, 10001)
    there = restored(backed_up(filled), tmp_path / "new").data_dir
    assert {(path.stat().st_uid, path.stat().st_gid) for path in there.rglob("*")} == {(10001, 10001)}


def test_the_audit_log_may_lie_elsewhere(filled: Settings, tmp_path: Path) -> None:
    (filled.data_dir / "audit").rename(tmp_path / "log")
    content = backed_up(filled.model_copy(update={"audit_dir": tmp_path / "log"}))
    restore_backup(Settings(data_dir=tmp_path / "new", audit_dir=tmp_path / "new-log"), io.BytesIO(content))
    assert not (tmp_path / "new" / "audit").exists()
    assert verify(tmp_path / "new-log").count == verify(tmp_path / "log").count + 1 > 3


def test_that_the_data_leave_and_come_back_is_in_the_audit_log(filled: Settings, tmp_path: Path) -> None:
    new = restored(backed_up(filled), tmp_path / "new")
    before, after = (list(entries(each.audit_folder, Filter())) for each in (filled, new))
    assert (before[0].action, before[0].outcome, before[0].caller) == ("data.backup", "granted", local_caller())
    assert after[1:] == before
    assert (after[0].action, after[0].caller) == ("data.restore", local_caller())


def test_a_backup_that_breaks_off_is_put_down_as_failed(filled: Settings) -> None:
    target = io.BytesIO()
    target.close()
    with pytest.raises(ValueError, match="closed"):
        write_backup(filled, target)
    last, first, *_ = entries(filled.audit_folder, Filter())
    assert (first.action, first.outcome, last.action, last.outcome) == (
        "data.backup",
        "granted",
        "data.backup",
        "failed",
    )


def test_what_cannot_be_put_down_does_not_leave(filled: Settings) -> None:
    (filled.audit_folder / "head.json").unlink()
    target = io.BytesIO()
    with pytest.raises(AuditUnavailable):
        write_backup(filled, target)
    assert target.getvalue() == b""


def test_a_damaged_log_keeps_no_data_from_being_restored(filled: Settings, tmp_path: Path) -> None:
    content = backed_up(filled)
    key_file = tmp_path / "key"
    key_file.write_bytes(b"k" * 32)
    settings = Settings(data_dir=tmp_path / "new", audit_key_file=key_file)  # the log is not signed
    with capture_logs() as told:
        restore_backup(settings, io.BytesIO(content))
    assert (settings.data_dir / "jobs" / "job-1" / RECORD).exists()
    assert {"event": "not_audited", "action": "data.restore"}.items() <= told[-1].items()


def test_without_the_key_of_the_log_nothing_is_restored(filled: Settings, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "new", audit_key_file=tmp_path / "lost")
    with pytest.raises(BadKeyFile):
        restore_backup(settings, io.BytesIO(backed_up(filled)))
    assert not settings.data_dir.exists()


def test_a_part_of_a_backup_is_refused_and_leaves_nothing(filled: Settings, tmp_path: Path) -> None:
    whole = backed_up(filled)
    end = whole.index(END.encode())  # the header of the last file
    for size in [*range(0, end, 5 * 512), 100, end - 512, end, end + 512 - 1, end + 512]:
        with pytest.raises(BadBackup):
            restored(whole[:size], tmp_path / "new")
        assert not any(path.is_file() for path in (tmp_path / "new").rglob("*"))
    restored(whole, tmp_path / "new")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("../escaped", tarfile.REGTYPE),
        ("/escaped", tarfile.REGTYPE),
        ("jobs/../../escaped", tarfile.REGTYPE),
        ("jobs//escaped", tarfile.REGTYPE),
        ("valkey/escaped", tarfile.REGTYPE),
        ("jobs/a/b/c", tarfile.REGTYPE),
        ("jobs/link", tarfile.SYMTYPE),
        ("jobs/folder", tarfile.DIRTYPE),
    ],
)
def test_what_no_backup_of_ours_holds_is_refused(tmp_path: Path, name: str, kind: bytes) -> None:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as tar:
        member = tarfile.TarInfo(name)
        member.type = kind
        member.linkname = "/etc"
        tar.addfile(member)
    with pytest.raises(BadBackup, match="nothing that a backup of ours holds"):
        restored(target.getvalue(), tmp_path / "new")
    assert not any(path.name == "escaped" for path in tmp_path.rglob("*"))


def test_it_goes_into_an_empty_folder_alone(filled: Settings, tmp_path: Path) -> None:
    content, before = backed_up(filled), contents(filled.data_dir)
    with pytest.raises(UnusableFolder, match="is not empty"):
        restored(content, filled.data_dir)
    assert contents(filled.data_dir) == before


def test_the_backup_of_a_newer_version_is_refused(
    filled: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = backed_up(filled)
    monkeypatch.setattr(data_folder, "VERSION", data_folder.VERSION - 1)
    with pytest.raises(UnusableFolder, match="storage version"):
        restored(content, tmp_path / "new")
    assert not any((tmp_path / "new").rglob("*.json"))


def test_what_is_no_data_folder_is_not_backed_up(tmp_path: Path) -> None:
    with pytest.raises(UnusableFolder, match="not the data folder"):
        backed_up(Settings(data_dir=tmp_path / "typo"))
    assert not (tmp_path / "typo").exists()


def test_a_job_that_ends_meanwhile_is_in_it_as_after_a_crash(
    filled: Settings, store: ArtifactStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def link(path: Path, to: Path) -> None:
        backup_link(path, to)
        if path == store.directory("jobs", "job-2"):
            finish_generate(store, "job-2")

    backup_link = backup._link
    monkeypatch.setattr(backup, "_link", link)
    there = ArtifactStore(restored(backed_up(filled), tmp_path / "new").data_dir)
    assert JobStore(there).read("job-2").status == "queued"
    assert there.exists("cohorts", "job-2")


def test_what_is_removed_meanwhile_is_not_in_it_by_half(
    filled: Settings, store: ArtifactStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def link(path: Path, to: Path) -> None:
        if path == store.directory("cohorts", "job-1") / RECORD:  # its other file is linked already
            store.remove("cohorts", "job-1")
        os_link(path, to)

    os_link = os.link
    monkeypatch.setattr(os, "link", link)
    there = ArtifactStore(restored(backed_up(filled), tmp_path / "new").data_dir)
    assert not there.exists("cohorts", "job-1")
    assert there.exists("reports", "job-1")


def test_nobody_begins_anything_while_it_is_copied(filled: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(path: Path, to: Path) -> None:
        backup_link(path, to)
        descriptor = os.open(filled.audit_folder, os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(descriptor)
        tried.append(path)

    backup_link, tried = backup._link, list[Path]()
    monkeypatch.setattr(backup, "_link", link)
    backed_up(filled)
    assert len(tried) > 5
    open_audit(filled).append(Event(action="job.generate"))


def test_whenever_it_is_made_it_is_whole(filled: Settings, store: ArtifactStore, tmp_path: Path) -> None:
    """Callers submit and delete, a worker publishes, all the while; each with an entry in the audit log first."""
    done = threading.Event()

    def work() -> None:
        audit, jobs = open_audit(filled), JobStore(store)
        while not done.is_set():
            job_id = new_id()
            with audit.recorded(Event(action="job.generate", object=f"job/{job_id}")):
                add_job(store, job_id)
            finish_generate(store, job_id)
            if int(job_id[-1], 16) % 2:
                with audit.recorded(Event(action="job.delete", object=f"job/{job_id}")):
                    jobs.remove(job_id)
                    store.remove("cohorts", job_id)
                    store.remove("reports", job_id)

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    try:
        backups = []
        while len(store.ids("jobs")) < 6:
            time.sleep(0.01)
        for _ in range(4):
            time.sleep(0.05)
            backups.append(backed_up(filled))
    finally:
        done.set()
        for worker in workers:
            worker.join()
    for number, content in enumerate(backups):
        check_whole(restored(content, tmp_path / str(number)))


def check_whole(settings: Settings) -> None:
    """Every record can be read, its files are what it says, the log knows of every job, a success has its cohort."""
    store = ArtifactStore(settings.data_dir)
    begun, deleted = (
        {entry.object for entry in entries(settings.audit_folder, Filter(action=action))}
        for action in ("job.generate", "job.delete")
    )
    for job_id in store.ids("cohorts"):
        assert manifest(store.cohort_dir(job_id)) == store.cohort(job_id).files
    jobs = [JobStore(store).read(job_id) for job_id in store.ids("jobs")]
    assert len(jobs) > 2
    for job in jobs:
        name = f"job/{job.id}"
        assert name in begun or job.id in ("job-1", "job-2")
        assert job.status != "succeeded" or name in deleted or store.exists("cohorts", job.id)
    assert verify(settings.audit_folder).problems == []
