from __future__ import annotations

import os
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest

from model.spec.base import Spec
from service.contracts.errors import AlreadyPublished, NotFound
from service.contracts.records import FileEntry
from service.contracts.storage import RECORD, ArtifactStore, file_sha256, manifest, write_record

SHA256_OF_ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


class Note(Spec):
    """A record of a test."""

    text: str


def publish(store: ArtifactStore, text: str, thing_id: str = "note-1") -> None:
    with store.staging("note") as folder:
        (folder / "inner").mkdir()
        (folder / "inner" / "file").write_text(text)
        write_record(folder, Note(text=text))
        store.publish(folder, "reports", thing_id)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def in_staging(store: ArtifactStore) -> list[str]:
    return names(store.staging_root)


def test_a_thing_exists_from_its_publication_to_its_removal(store: ArtifactStore) -> None:
    assert not store.exists("reports", "note-1")
    publish(store, "hello")
    assert store.exists("reports", "note-1")
    assert store.ids("reports") == ["note-1"]
    assert store.read_record("reports", "note-1", Note) == Note(text="hello")
    assert (store.report_dir("note-1") / "inner" / "file").read_text() == "hello"
    store.remove("reports", "note-1")
    assert not store.exists("reports", "note-1")
    assert store.ids("reports") == []
    assert in_staging(store) == []


def test_a_thing_is_removed_from_a_full_disk(tmp_path: Path) -> None:
    tmp_path.joinpath("small").mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "nr_inodes=30", "tmpfs", str(tmp_path / "small")]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting a file system is not allowed here")
    try:
        store = ArtifactStore(tmp_path / "small")
        publish(store, "hello")
        with suppress(OSError):
            for number in range(30):
                (store.root / f"filler-{number}").mkdir()
        with pytest.raises(OSError, match="No space"):
            store.check_writable()
        store.remove("reports", "note-1")
        store.check_writable()
    finally:
        subprocess.run(["umount", str(tmp_path / "small")], check=True)


def test_the_first_publication_wins_and_leaves_nothing_of_the_second(store: ArtifactStore) -> None:
    publish(store, "first")
    with pytest.raises(AlreadyPublished, match="note-1"):
        publish(store, "second")
    assert store.read_record("reports", "note-1", Note).text == "first"
    assert in_staging(store) == []


def test_what_fails_in_staging_leaves_nothing(store: ArtifactStore) -> None:
    def fail() -> None:
        with store.staging("broken") as folder:
            (folder / "half").write_text("half")
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        fail()
    assert in_staging(store) == []


def test_ids_are_newest_first_and_nothing_else_is_listed(store: ArtifactStore) -> None:
    for thing_id in ("aaa-1", "ccc-3", "bbb-2"):
        publish(store, thing_id, thing_id)
    (store.root / "reports" / ".hidden").mkdir()
    assert store.ids("reports") == ["ccc-3", "bbb-2", "aaa-1"]


@pytest.mark.parametrize("thing_id", ["nobody", "../jobs", "..", "", "a/b", "x" * 300])
def test_unknown_and_impossible_ids_are_not_found(store: ArtifactStore, thing_id: str) -> None:
    for call in (store.dataset, store.model, store.cohort, store.report, store.model_dir, store.dataset_dir):
        with pytest.raises(NotFound):
            call(thing_id)
    with pytest.raises(NotFound):
        store.remove("models", thing_id)
    assert not store.exists("models", thing_id)


def test_staging_is_swept_of_what_is_old_and_nobody_works_on(store: ArtifactStore) -> None:
    left_old, left_new = store.staging_root / "left-old", store.staging_root / "left-new"
    left_old.mkdir()
    left_new.mkdir()
    hour_ago = time.time() - 3600
    with store.staging("alive") as alive:
        for folder in (left_old, alive):
            os.utime(folder, (hour_ago, hour_ago))
        assert store.sweep_staging(max_age_seconds=1800) == 1
        assert names(store.staging_root) == [alive.name, "left-new"]


def test_what_vanishes_while_staging_is_swept_is_no_matter(
    store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "iterdir", lambda folder: iter([folder / "gone"]))
    assert store.sweep_staging(max_age_seconds=0) == 0


def test_a_record_of_another_version_is_left_out_of_lists(store: ArtifactStore) -> None:
    for thing_id in ("note-1", "note-2", "note-3"):
        publish(store, "hello", thing_id)
    (store.report_dir("note-2") / RECORD).write_text('{"text": "hello", "more": 1}')
    assert len(list(store.read_each("reports", store.ids("reports"), Note))) == 2


def test_the_manifest_lists_all_files_but_the_record(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b"abc")
    write_record(tmp_path, Note(text="x"))
    assert manifest(tmp_path) == {"a.json": FileEntry(sha256=SHA256_OF_ABC, bytes=3)}
    assert file_sha256(tmp_path / "a.json") == SHA256_OF_ABC


def test_work_folders_last_until_they_are_removed(store: ArtifactStore) -> None:
    (store.work_dir("job-1") / "checkpoint").write_text("x")
    assert (store.work_dir("job-1") / "checkpoint").exists()
    store.remove_work_dir("job-1")
    store.remove_work_dir("job-1")
    assert not (store.root / "work" / "job-1").exists()
    with pytest.raises(NotFound):
        store.work_dir("../models")


def test_the_layout_is_this(store: ArtifactStore) -> None:
    publish(store, "x")
    assert names(store.root) == ["cohorts", "datasets", "jobs", "models", "reports", "staging", "work"]
    assert (store.root / "reports" / "note-1" / RECORD).exists()
    assert (store.root / "reports").stat().st_mode & 0o077 == 0


def test_writable_or_not(store: ArtifactStore) -> None:
    store.check_writable()
    assert in_staging(store) == []
    store.staging_root.rmdir()
    with pytest.raises(OSError, match="No such file"):
        store.check_writable()
