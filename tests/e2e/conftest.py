"""The whole stack as `cdmt serve` starts it: an embedded Valkey, the gateway, a worker per queue; and a client."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser

from service.cli import stack
from service.contracts.settings import Settings
from tests.e2e.browser import Watched, chromium, watched
from tests.worker.tables import LENGTH

SCHEMA: dict[str, Any] = {
    "stay_id": "stay",
    "time": "hour",
    "sequence_length": LENGTH,
    "features": [
        {"name": "heart_rate", "type": "numerical", "min": 0, "max": 300},
        {"name": "temp", "type": "numerical"},
        {"name": "ventilated", "type": "categorical", "categories": ["no", "yes"]},
    ],
    "labels": [{"name": "death", "categories": ["0", "1"]}, {"name": "sex", "categories": ["F", "M"]}],
}
"""Of the made-up stays of tests.worker.tables, as one sends it."""
ADMIN_KEY = "an-admin-of-the-tests-" + "0" * 20


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of a running stack; the stack is stopped at the end of the module."""
    folder = tmp_path_factory.mktemp("stack")
    kept = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith(("CDMT_", "REDIS_URL"))}
    (folder / "key").write_text(ADMIN_KEY)
    settings = Settings(
        port=0,
        data_dir=folder / "var",
        device="cpu",
        threads=1,
        reconcile_every_seconds=2,
        admin_key_file=folder / "key",
    )
    with (
        stack.running(settings, notice=_ignore, logs=folder / "logs") as running,
        httpx.Client(base_url=running.url, trust_env=False, timeout=30) as opened,
    ):
        opened.headers["X-Logs"] = str(folder / "logs")
        yield opened
    os.environ.update(kept)


@pytest.fixture(scope="module")
def logs(client: httpx.Client) -> Path:
    """The folder of the stack's logs."""
    return Path(client.headers["X-Logs"])


@pytest.fixture(scope="module")
def data_dir(logs: Path) -> Path:
    """Where the stack keeps its things."""
    return logs.parent / "var"


@pytest.fixture(scope="module")
def admin_key() -> str:
    """The key of the stack's admin."""
    return ADMIN_KEY


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium."""
    with chromium() as opened:
        yield opened


@pytest.fixture
def console(browser: Browser, client: httpx.Client) -> Iterator[Watched]:
    """A page that knows nobody yet."""
    with watched(browser, str(client.base_url).rstrip("/")) as seen:
        yield seen


class Job:
    """A job, seen through HTTP."""

    def __init__(self, client: httpx.Client, path: str, body: dict[str, Any]) -> None:
        answer = client.post(path, json=body)
        assert answer.status_code == 202, answer.text
        self._found(client, answer)

    @classmethod
    def at(cls, client: httpx.Client, answer: httpx.Response) -> Job:
        """The job that an answer speaks of."""
        job = cls.__new__(cls)
        job._found(client, answer)
        return job

    def _found(self, client: httpx.Client, answer: httpx.Response) -> None:
        self.client = client
        self.url = answer.headers["Location"]
        self.id = answer.json()["id"]

    def look(self) -> dict[str, Any]:
        """The job as it is now."""
        found: dict[str, Any] = self.client.get(self.url).raise_for_status().json()
        return found

    def until(self, what: Callable[[dict[str, Any]], Any], *, seconds: float = 120) -> list[dict[str, Any]]:
        """Poll until `what(job)` is true; everything that was seen on the way."""
        deadline = time.monotonic() + seconds
        seen = [self.look()]
        while not what(seen[-1]):
            told = f"{seen[-1]['status']}, {seen[-1]['progress']}, {seen[-1]['error']}"
            assert time.monotonic() < deadline, told
            assert seen[-1]["status"] not in ("succeeded", "failed", "cancelled"), told
            time.sleep(0.05)
            seen.append(self.look())
        return seen


def _ignore(_text: str) -> None:
    """The stack's notices; its logs have them, too."""
