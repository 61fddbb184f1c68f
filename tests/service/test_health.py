from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from service import health
from service.cli import stack
from service.contracts.installation import installation_id
from service.contracts.jobs import queue_name
from service.contracts.settings import Settings
from tests.service.certificates import certificate_for
from tests.service.test_main import gateway


@pytest.fixture(params=["http", "https"])
def running(
    request: pytest.FixtureRequest,
    settings: Settings,
    valkey_url: str,
    redis: Redis,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Iterator[subprocess.Popen[str]]:
    """A gateway that listens everywhere, as the environment says; with TLS under a name that loopback has not."""
    environment = {
        "CDMT_HOST": "0.0.0.0",
        "CDMT_PORT": str(stack.claim_port("127.0.0.1", 0)),
        "CDMT_REDIS_URL": valkey_url,
    }
    if request.param == "https":
        made = certificate_for("icu.example.org", tmp_path)
        environment |= {"CDMT_TLS_CERT_FILE": str(made.certificate), "CDMT_TLS_KEY_FILE": str(made.key)}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with gateway(tmp_path, **environment) as process:
        yield process
        process.kill()


def test_it_is_well_as_soon_as_jobs_would_be_run(
    running: subprocess.Popen[str], redis: Redis, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    deadline = time.monotonic() + 60
    while health.main() == 1 and "none is alive" not in (told := capsys.readouterr().out):
        assert "no answer: " in told
        assert time.monotonic() < deadline
        time.sleep(0.1)
    redis.sadd(f"rq:workers:{queue_name('generate', installation_id(tmp_path))}", "rq:worker:w")
    redis.hset("rq:worker:w", "state", "idle")
    assert health.main() == 0


def test_where_nobody_listens_it_is_not_well(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CDMT_PORT", str(stack.claim_port("127.0.0.1", 0)))
    assert health.main() == 1
    assert "no answer: " in capsys.readouterr().out
