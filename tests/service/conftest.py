"""Store, records and queue for the tests of the service, over a fresh folder and a real Valkey."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Iterator

import pytest
import structlog
from redis import Redis

from service.contracts.job_store import JobStore
from service.contracts.logs import TALKERS, configure_logs
from service.contracts.settings import Settings
from service.contracts.storage import ArtifactStore
from service.jobs import JobQueue
from service.reconciler import Reconciler


@pytest.fixture
def store(settings: Settings) -> ArtifactStore:
    """The store of the gateway under test."""
    return ArtifactStore(settings.data_dir)


@pytest.fixture
def jobs(store: ArtifactStore) -> JobStore:
    """The job records of the gateway under test."""
    return JobStore(store)


@pytest.fixture
def queue(redis: Redis, jobs: JobStore, settings: Settings) -> JobQueue:
    """The queue of the gateway under test."""
    return JobQueue(redis=redis, jobs=jobs, settings=settings)


@pytest.fixture
def reconciler(queue: JobQueue) -> Reconciler:
    """The repairs of the gateway under test."""
    return Reconciler(queue)


@pytest.fixture
def log_lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What is logged during the test, as the real process writes it."""
    root = logging.getLogger()
    handlers, level, configuration = root.handlers[:], root.level, structlog.get_config()
    lines = io.StringIO()
    monkeypatch.setattr(sys, "stdout", lines)
    configure_logs("info")
    yield lines
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**configuration)
    for name in TALKERS:
        logging.getLogger(name).setLevel(logging.NOTSET)
