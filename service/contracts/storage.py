"""The artifact store: the one place that knows where things lie. Its truth is the folder tree.

- `<root>/{datasets,models,cohorts,reports,jobs}/<id>/`: a thing exists exactly when its folder has its final name.
- `<root>/staging/`: half-made or half-deleted folders, on the same file system.
- `<root>/work/<job id>/`: checkpoints of a training, kept for its next attempt.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import ValidationError

from model.spec.base import Spec
from model.spec.files import PLAIN, Files, Source
from service.contracts.durable import sync_folder, sync_tree, write_file
from service.contracts.errors import AlreadyPublished, NotFound
from service.contracts.ids import is_id
from service.contracts.records import CohortRecord, DatasetRecord, FileEntry, ModelRecord, ReportRecord

RECORD = "record.json"
Kind = Literal["datasets", "models", "cohorts", "reports", "jobs"]
KINDS: tuple[Kind, ...] = ("datasets", "models", "cohorts", "reports", "jobs")
AnyRecord = TypeVar("AnyRecord", bound=Spec)

log = logging.getLogger(__name__)


class ArtifactStore:
    """Folders under one root. Methods raise NotFound for an id that is not there or cannot be one.

    `files` reads and writes what shall be encrypted on the disk, if anything shall: tables, weights and checkpoints.
    """

    def __init__(self, root: Path, *, files: Files = PLAIN) -> None:
        self.root = root.absolute()
        self.files = files
        for name in (*KINDS, "staging", "work"):
            (self.root / name).mkdir(parents=True, exist_ok=True, mode=0o700)

    @property
    def staging_root(self) -> Path:
        """The folder of half-made things."""
        return self.root / "staging"

    def directory(self, kind: Kind, thing_id: str) -> Path:
        """The final folder of a thing, whether or not it is there."""
        if not is_id(thing_id):
            raise NotFound(kind[:-1], thing_id)
        return self.root / kind / thing_id

    def exists(self, kind: Kind, thing_id: str) -> bool:
        """Whether the thing has been published (and not removed since)."""
        return is_id(thing_id) and self.directory(kind, thing_id).is_dir()

    def came_at(self, kind: Kind, thing_id: str) -> float:
        """When its record was written here, in seconds since 1970; now, if it is gone."""
        try:
            return (self.directory(kind, thing_id) / RECORD).stat().st_mtime
        except (FileNotFoundError, NotADirectoryError):
            return time.time()

    def ids(self, kind: Kind) -> list[str]:
        """The ids of all things of a kind, newest first (ids of version 7 sort by time)."""
        return sorted((entry.name for entry in os.scandir(self.root / kind) if is_id(entry.name)), reverse=True)

    def dataset_dir(self, dataset_id: str) -> Path:
        """The folder of a dataset, to read from."""
        return self._present("datasets", dataset_id)

    def model_dir(self, model_id: str) -> Path:
        """The folder of a model, to read from."""
        return self._present("models", model_id)

    def cohort_dir(self, job_id: str) -> Path:
        """The folder of the cohort of a generate job, to read from."""
        return self._present("cohorts", job_id)

    def report_dir(self, job_id: str) -> Path:
        """The folder of the report of an evaluate job, to read from."""
        return self._present("reports", job_id)

    def dataset(self, dataset_id: str) -> DatasetRecord:
        """The record of a dataset."""
        return self.read_record("datasets", dataset_id, DatasetRecord)

    def model(self, model_id: str) -> ModelRecord:
        """The record of a model."""
        return self.read_record("models", model_id, ModelRecord)

    def cohort(self, job_id: str) -> CohortRecord:
        """The record of the cohort of a generate job."""
        return self.read_record("cohorts", job_id, CohortRecord)

    def report(self, job_id: str) -> ReportRecord:
        """The record of the report of an evaluate job."""
        return self.read_record("reports", job_id, ReportRecord)

    def datasets(self, ids: Iterable[str]) -> Iterator[DatasetRecord]:
        """The records of those datasets that are there, read one by one."""
        return self.read_each("datasets", ids, DatasetRecord)

    def models(self, ids: Iterable[str]) -> Iterator[ModelRecord]:
        """The records of those models that are there, read one by one."""
        return self.read_each("models", ids, ModelRecord)

    def work_dir(self, job_id: str) -> Path:
        """Where a job keeps what its next attempt can go on from; made if absent."""
        if not is_id(job_id):
            raise NotFound("job", job_id)
        folder = self.root / "work" / job_id
        folder.mkdir(exist_ok=True, mode=0o700)
        return folder

    def remove_work_dir(self, job_id: str) -> None:
        """Forget what a job kept for its next attempt; nothing happens where there is nothing."""
        if is_id(job_id):
            shutil.rmtree(self.root / "work" / job_id, ignore_errors=True)

    @contextmanager
    def staging(self, name: str) -> Iterator[Path]:
        """A fresh private folder to make a thing in; what has not been published from it at the end is deleted."""
        folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.staging_root))
        descriptor = os.open(folder, os.O_RDONLY)
        fcntl.flock(descriptor, fcntl.LOCK_SH)  # says that its maker lives, even if that is a training of two weeks
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(descriptor)

    def publish(self, staged: Path, kind: Kind, thing_id: str) -> Path:
        """Make a staged folder visible under its final name, whole and at once; AlreadyPublished if there is one."""
        final = self.directory(kind, thing_id)
        sync_tree(staged)
        try:
            staged.rename(final)
        except OSError as error:
            if final.exists():
                raise AlreadyPublished(f"there is a {kind[:-1]} '{thing_id}' already") from error
            raise
        sync_folder(final.parent)
        return final

    def remove(self, kind: Kind, thing_id: str) -> None:
        """Make a thing vanish at once, then delete its files. Makes nothing, so that a full disk can be cleared."""
        final = self._present(kind, thing_id)
        removed = self.staging_root / f"removed-{thing_id}-{os.urandom(4).hex()}"
        try:
            final.rename(removed)
        except FileNotFoundError:
            raise NotFound(kind[:-1], thing_id) from None
        sync_folder(final.parent)
        shutil.rmtree(removed, ignore_errors=True)

    def read_record(self, kind: Kind, thing_id: str, record_type: type[AnyRecord]) -> AnyRecord:
        """The record in the folder of a published thing."""
        try:
            text = (self.directory(kind, thing_id) / RECORD).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            raise NotFound(kind[:-1], thing_id) from None
        return record_type.model_validate_json(text)

    def read_each(self, kind: Kind, ids: Iterable[str], record_type: type[AnyRecord]) -> Iterator[AnyRecord]:
        """The records of those things that are there, read one by one. One that cannot be understood is left out."""
        for thing_id in ids:
            try:
                yield self.read_record(kind, thing_id, record_type)
            except NotFound:
                continue  # removed since it was listed
            except ValidationError:  # written by another version, say; its message would quote the record
                log.error("the record of %s '%s' is not valid; it is left out", kind[:-1], thing_id)

    def sweep_staging(self, *, max_age_seconds: float) -> int:
        """Delete what crashed processes left in staging; returns how many folders. What is in use stays."""
        limit = time.time() - max_age_seconds
        left = [path for path in self.staging_root.iterdir() if _is_older(path, limit) and not _is_in_use(path)]
        for folder in left:
            shutil.rmtree(folder, ignore_errors=True)
        return len(left)

    def check_writable(self) -> None:
        """OSError if nothing can be stored now."""
        with self.staging("probe") as folder:
            write_file(folder / "probe", b"probe")

    def _present(self, kind: Kind, thing_id: str) -> Path:
        folder = self.directory(kind, thing_id)
        if not folder.is_dir():
            raise NotFound(kind[:-1], thing_id)
        return folder


def _is_older(path: Path, limit: float) -> bool:
    try:
        return path.stat().st_mtime < limit
    except FileNotFoundError:  # finished since it was listed
        return False


def _is_in_use(folder: Path) -> bool:
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def write_record(folder: Path, record: Spec) -> None:
    """Write `record` into `folder`: durable, and never seen half-written."""
    write_file(folder / RECORD, _as_json(record))


def stage_record(folder: Path, record: Spec) -> None:
    """Write `record` into a folder in staging: `publish` flushes it to the disk with everything else there."""
    (folder / RECORD).write_bytes(_as_json(record))


def _as_json(record: Spec) -> bytes:
    return record.model_dump_json(indent=1).encode()


def manifest(folder: Path, files: Files = PLAIN) -> dict[str, FileEntry]:
    """Name -> checksum and size of every file in `folder` except its record, to be put into the record.

    Of a file that is encrypted, they are those of its content.
    """
    paths = sorted(path for path in folder.iterdir() if path.is_file() and path.name != RECORD)
    return {path.name: _entry(files.source(path)) for path in paths}


def _entry(source: Source) -> FileEntry:
    with source.open("rb") as file:
        return FileEntry(sha256=hashlib.file_digest(file, "sha256").hexdigest(), bytes=file.seek(0, os.SEEK_END))


def file_sha256(source: Source) -> str:
    """SHA-256 of a file's content, in hex."""
    return _entry(source).sha256


def remove_unfinished(folder: Path) -> None:
    """Remove what a process left in `folder` that died while it wrote the record, which nobody else writes now."""
    for beside in folder.glob(f".{RECORD}.*"):
        beside.unlink(missing_ok=True)
