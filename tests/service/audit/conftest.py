"""A log of which every test knows what is in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from service.audit.entries import Event
from service.audit.log import AuditLog
from service.audit.verify import Verification, verify

INSTALLATION = "0123456789ab"
KEY = b"k" * 32


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "audit"


@pytest.fixture
def audit(folder: Path) -> AuditLog:
    return AuditLog(folder, installation=INSTALLATION)


@pytest.fixture
def written(audit: AuditLog, folder: Path) -> Path:
    """The one file of a log with entries 1 (its opening) to 10."""
    for number in range(2, 11):
        audit.append(training(number))
    return folder / "audit-000000000001.jsonl"


@pytest.fixture
def found(folder: Path) -> Callable[[], Verification]:
    return lambda: verify(folder, installation=INSTALLATION)


def training(number: int) -> Event:
    return Event(action="job.train", object=f"job/{number:03d}")
