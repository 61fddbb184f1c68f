"""Whoever can write into Redis plants pickles, calls of their own and hooks of RQ's: nothing of it is run."""

from __future__ import annotations

import base64
import json
import pickle
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from rq import Callback, Queue
from rq.job import JobStatus
from rq.webhook import Webhook

from tests.worker.errands import ErrandJob
from tests.worker.light_worker import QUEUE
from tests.worker.test_horse import ended, until


class Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.fixture
def trap(tmp_path: Path) -> Path:
    """A file that is there as soon as anything planted has been run."""
    return tmp_path / "trap"


@pytest.fixture
def worker(valkey_url: str, redis: Redis, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A real worker, whose horse loads nothing."""
    command = [sys.executable, "-m", "tests.worker.light_worker", valkey_url, str(tmp_path / "lost")]
    with subprocess.Popen(command) as process:
        yield process
        process.kill()


def plant(queue: Queue, job_id: str, **fields: str | bytes) -> ErrandJob:
    """A job as ours are, some fields of which somebody has replaced in Redis."""
    job = queue.enqueue("tests.worker.errands.note", "/dev/null", job_id=job_id)
    queue.connection.hset(job.key, mapping=fields)  # type: ignore[arg-type]
    assert isinstance(job, ErrandJob)
    return job


def call(*data: object) -> bytes:
    """What RQ keeps of a call: function, instance, arguments, named arguments."""
    return json.dumps(data).encode()


def test_nothing_that_somebody_has_planted_is_run(worker: subprocess.Popen[bytes], redis: Redis, trap: Path) -> None:
    queue = Queue(QUEUE, connection=redis, serializer="json", job_class=ErrandJob)
    bomb, touch = pickle.dumps(Bomb(trap)), f"import pathlib; pathlib.Path({str(trap)!r}).touch()"
    shell = [sys.executable, "-c", touch]
    planted = [
        plant(queue, "a-pickle", data=bomb),
        plant(queue, "a-call", data=call("subprocess.run", None, [shell], {})),
        plant(queue, "another-call", data=call("builtins.exec", None, [touch], {})),
        plant(queue, "a-method", data=call("touch", str(trap), [], {})),
        plant(queue, "no-call", data=call("note")),
    ]
    result = plant(queue, "a-result", result=bomb)
    redis.xadd("rq:results:a-result", {"type": "1", "return_value": base64.b64encode(bomb), "created_at": "0"})
    last = queue.enqueue("tests.worker.errands.note", str(trap.parent / "notes"))
    until(ended(last, JobStatus.FINISHED))
    assert [job.get_status() for job in planted] == [JobStatus.FAILED] * len(planted)
    assert result.get_status() == JobStatus.FINISHED
    assert not trap.exists()
    assert worker.poll() is None


def test_no_hook_of_rqs_is_called(worker: subprocess.Popen[bytes], redis: Redis, trap: Path, hooks: HTTPServer) -> None:
    queue = Queue(QUEUE, connection=redis, serializer="json", job_class=ErrandJob)
    hook = Callback("tests.worker.errands.hook")
    url = f"http://127.0.0.1:{hooks.server_port}/"
    for name in ("note", "fail"):
        asked = [Webhook(url, "finished"), Webhook(url, "failed")]
        queue.enqueue(
            f"tests.worker.errands.{name}",
            str(trap.parent / "notes"),
            on_success=hook,
            on_failure=hook,
            webhooks=asked,
        )
    last = queue.enqueue("tests.worker.errands.note", str(trap.parent / "notes"))
    until(ended(last, JobStatus.FINISHED))
    assert "hook" not in (trap.parent / "notes").read_text()
    assert worker.poll() is None


class Asked(HTTPServer):
    """Somebody's web server, which remembers who has asked it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), BaseHTTPRequestHandler)
        self.timeout = 0
        self.asked: list[object] = []

    def process_request(self, request: object, client_address: object) -> None:
        """Answer nothing."""
        self.asked.append(client_address)


@pytest.fixture
def hooks() -> Iterator[HTTPServer]:
    """A web server that fails the test if it is asked."""
    with Asked() as server:
        yield server
        server.handle_request()
        assert server.asked == []
