"""Checkpoints of jobs that have ended: removed, should a process have died between the record and the tidying-up."""

from __future__ import annotations

import os

from pydantic import ValidationError

from service.contracts.errors import NotFound
from service.contracts.ids import is_id
from service.contracts.job_store import JobStore


def sweep_work(jobs: JobStore) -> int:
    """Remove what jobs kept for an attempt that will not come; returns of how many jobs."""
    kept = [entry.name for entry in os.scandir(jobs.store.root / "work") if is_id(entry.name)]
    left = [job_id for job_id in kept if _has_ended(job_id, jobs)]
    for job_id in left:
        jobs.store.remove_work_dir(job_id)
    return len(left)


def _has_ended(job_id: str, jobs: JobStore) -> bool:
    try:
        return jobs.read(job_id).is_terminal
    except NotFound:
        return True
    except ValidationError:  # of another version: not ours to judge
        return False
