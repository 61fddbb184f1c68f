"""Who shall be told of the end of a job, and what became of that: files beside the records.

`<root>/webhooks/<job id>` says that somebody waits to be told; what was tried is in the job's own folder.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, Field, ValidationError

from model.spec.base import Spec
from service.contracts.durable import sync_folder, write_file
from service.contracts.storage import ArtifactStore

DELIVERY = "webhook.json"
"""In the folder of a job: how its webhook fares."""
LEFT_SECONDS = 3600  # after which a mark without a job is no submission under way any more


class Delivery(Spec):
    """How a job's webhook fares. `error` is of the last attempt; a receiver's answer is told by its status alone."""

    status: Literal["waiting", "retrying", "delivered", "failed"] = Field(
        "waiting", description="waiting: for the job's end, or the first attempt; failed: given up"
    )
    attempts: int = 0
    last_attempt_at: AwareDatetime | None = None
    next_attempt_at: AwareDatetime | None = None
    error: str | None = None

    @property
    def is_over(self) -> bool:
        """Whether nothing more will be tried."""
        return self.status in ("delivered", "failed")

    def is_due(self, at: datetime) -> bool:
        """Whether it is time for the next attempt; also where the clock has gone back to before the last one."""
        if self.next_attempt_at is None or self.last_attempt_at is None:
            return True
        return not self.last_attempt_at <= at < self.next_attempt_at


class Outbox:
    """The jobs of whose end somebody waits to be told."""

    def __init__(self, store: ArtifactStore) -> None:
        self._store = store
        self.root = store.root / "webhooks"
        self.root.mkdir(exist_ok=True, mode=0o700)

    def add(self, job_id: str) -> None:
        """Mark a job, before it is created; the mark is on the disk when this returns."""
        (self.root / job_id).touch(mode=0o600)
        sync_folder(self.root)

    def job_ids(self) -> list[str]:
        """The jobs that are marked, oldest first."""
        return sorted(entry.name for entry in os.scandir(self.root))

    def delivery(self, job_id: str) -> Delivery:
        """What has been tried so far."""
        try:
            return Delivery.model_validate_json(self._file(job_id).read_bytes())
        except (FileNotFoundError, ValidationError):
            return Delivery()

    def put_down(self, job_id: str, delivery: Delivery) -> None:
        """Remember what has been tried; the mark goes when it is over."""
        with suppress(FileNotFoundError):  # the job has been deleted
            write_file(self._file(job_id), delivery.model_dump_json().encode())
        if delivery.is_over:
            self.remove(job_id)

    def remove(self, job_id: str) -> None:
        """Take the mark away."""
        (self.root / job_id).unlink(missing_ok=True)

    def remove_left(self, job_id: str) -> None:
        """Take the mark of a job that is not there away, unless the job may only now be being created."""
        with suppress(FileNotFoundError):
            if (self.root / job_id).stat().st_mtime < time.time() - LEFT_SECONDS:
                self.remove(job_id)

    def _file(self, job_id: str) -> Path:
        return self._store.directory("jobs", job_id) / DELIVERY
