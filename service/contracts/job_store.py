"""Job records: JSON files, changed under a lock, never out of a terminal state."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from service.contracts import appending
from service.contracts.errors import IllegalTransition, NotFound
from service.contracts.jobs import TRANSITIONS, JobKind, JobRecord, JobState, PrivacyOverride, now, with_change
from service.contracts.records import OVERRIDES, SYNTHETIC
from service.contracts.storage import ArtifactStore, remove_unfinished, stage_record, write_record


class Ended(NamedTuple):
    """What is remembered of a job that has ended."""

    kind: JobKind
    status: JobState
    expires_at: datetime | None


class JobStore:
    """The records of all jobs. Gateway and workers may use it at the same time, from any number of processes."""

    def __init__(self, store: ArtifactStore, *, retention_seconds: float = 0) -> None:
        """Jobs that end from now on expire after `retention_seconds`; 0: never."""
        self.store = store
        self._retention_seconds = retention_seconds
        self._ended: dict[str, Ended] = {}  # terminal records never change, so they need no second look

    def create(self, record: JobRecord, *, table: Path | None = None) -> None:
        """Make a job known, with the uploaded `table` that it is about; it is on the disk when this returns."""
        with self.store.staging("job") as folder:
            if table is not None:
                table.rename(folder / SYNTHETIC)
            stage_record(folder, record)
            self.store.publish(folder, "jobs", record.id)

    def read(self, job_id: str) -> JobRecord:
        """The record as it is now; NotFound."""
        return self.store.read_record("jobs", job_id, JobRecord)

    def records(self, job_ids: Iterable[str] | None = None) -> Iterator[JobRecord]:
        """The records of these jobs, or of all, newest first; read one by one as they are asked for."""
        return self.store.read_each("jobs", self.store.ids("jobs") if job_ids is None else job_ids, JobRecord)

    def active(self) -> Iterator[JobRecord]:
        """The records of the jobs that have not ended, newest first."""
        ids, known = self.store.ids("jobs"), self._ended.copy()
        self._ended = {job_id: known[job_id] for job_id in ids if job_id in known}  # some may have been removed
        for record in self.records(job_id for job_id in ids if job_id not in known):
            if record.is_terminal:
                self._ended[record.id] = Ended(record.kind, record.status, record.expires_at)
            else:
                yield record

    def ended(self) -> dict[str, Ended]:
        """The jobs that have ended, by id: those that `active` has come upon. Reads no record."""
        return self._ended.copy()

    def expired(self, at: datetime) -> list[str]:
        """Those of them that have expired."""
        return [job_id for job_id, end in self.ended().items() if end.expires_at is not None and end.expires_at <= at]

    def transition(self, job_id: str, change: Callable[[JobRecord], JobRecord]) -> JobRecord:
        """Replace a record by `change(record)` and return it; nobody else changes it meanwhile.

        IllegalTransition if the job is in a terminal state or the new state cannot follow; the record then stays
        as it is, as it does when `change` raises.
        """
        with self._locked(self.store.directory("jobs", job_id)):
            remove_unfinished(self.store.directory("jobs", job_id))
            before = self.read(job_id)
            after = before if before.is_terminal else change(before)
            if after.status not in TRANSITIONS[before.status]:
                raise IllegalTransition(f"job '{job_id}' is {before.status}: it cannot become {after.status}")
            after = self._expiring(with_change(before, after))
            write_record(self.store.directory("jobs", job_id), after)
        return after

    def add_override(self, job_id: str, override: PrivacyOverride) -> None:
        """Put down that the privacy gate was overridden; it is on the disk when this returns. NotFound, OSError."""
        folder = self.store.directory("jobs", job_id)
        with self._locked(folder):
            self.read(job_id)
            appending.append(folder / OVERRIDES, override)

    def overrides(self, job_id: str) -> tuple[PrivacyOverride, ...]:
        """Every time that the privacy gate was overridden for this job, in order."""
        return appending.read(self.store.directory("jobs", job_id) / OVERRIDES, PrivacyOverride)

    def remove(self, job_id: str) -> None:
        """Forget a job; IllegalTransition unless it has ended."""
        with self._locked(self.store.directory("jobs", job_id)):
            check_ended(self.read(job_id))
            self.store.remove("jobs", job_id)
        self._ended.pop(job_id, None)

    def _expiring(self, record: JobRecord) -> JobRecord:
        if not (record.is_terminal and self._retention_seconds):
            return record
        expires_at = (record.finished_at or now()) + timedelta(seconds=self._retention_seconds)
        return record.model_copy(update={"expires_at": expires_at})

    @contextmanager
    def _locked(self, folder: Path) -> Iterator[None]:
        """Alone with a job's folder. The lock is the folder's, so that it goes away with the job."""
        try:
            descriptor = os.open(folder, os.O_RDONLY)
        except FileNotFoundError:
            raise NotFound("job", folder.name) from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def check_ended(record: JobRecord) -> None:
    """IllegalTransition unless the job has ended."""
    if not record.is_terminal:
        raise IllegalTransition(f"job '{record.id}' is {record.status}: cancel it first")
