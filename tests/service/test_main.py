from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from service.__main__ import GRACE_SECONDS, check_certificate
from service.cli import stack
from service.contracts import data_folder
from service.contracts.errors import BadKeyFile
from service.contracts.settings import Settings
from service.contracts.storage import ArtifactStore
from tests.service.certificates import certificate_for
from tests.service.making import add_job


def gateway(tmp_path: Path, **env: str) -> subprocess.Popen[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("CDMT_", "REDIS_URL"))}
    return subprocess.Popen(
        [sys.executable, "-m", "service"],
        env={**clean, "CDMT_DATA_DIR": str(tmp_path), **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(
    ("env", "reason"),
    [
        ({"CDMT_HOST": "0.0.0.0", "CDMT_AUTH": "off", "CDMT_REDIS_URL": "redis://x"}, "CDMT_AUTH=off"),
        ({"CDMT_AUTH": "nobody", "CDMT_REDIS_URL": "redis://x"}, "CDMT_AUTH"),
        ({}, "CDMT_REDIS_URL"),
        ({"CDMT_ADMIN_KEY_FILE": "/no/such/key", "CDMT_REDIS_URL": "redis://x"}, "CDMT_ADMIN_KEY_FILE"),
        ({"CDMT_ADMIN_KEY_FILE": "/dev/null", "CDMT_REDIS_URL": "redis://x"}, "at least 32"),
        ({"CDMT_PRIVACY_DCR_SHARE": "0.1", "CDMT_REDIS_URL": "redis://x"}, "CDMT_PRIVACY_DCR_SHARE"),
        ({"CDMT_REDIS_URL": "redis://:Traceback/2@host"}, "CDMT_REDIS_URL"),
        ({"CDMT_REDIS_URL": "redis://x", "CDMT_REDIS_PASSWORD_FILE": "/dev/null"}, "CDMT_REDIS_PASSWORD_FILE"),
        ({"CDMT_REDIS_URL": "redis://x", "CDMT_TLS_CERT_FILE": "/c"}, "CDMT_TLS_KEY_FILE"),
    ],
)
def test_it_refuses_to_start_and_says_why(tmp_path: Path, env: dict[str, str], reason: str) -> None:
    with gateway(tmp_path, **env) as process:
        _, told = process.communicate(timeout=120)
    assert process.returncode == 2
    assert told.startswith("the gateway does not start: ")
    assert reason in told
    assert "Traceback" not in told


def test_it_refuses_the_data_folder_of_a_newer_version(tmp_path: Path) -> None:
    (tmp_path / data_folder.FILE).write_text('{"version": 2}')
    with gateway(tmp_path, CDMT_REDIS_URL="redis://x") as process:
        _, told = process.communicate(timeout=30)
    assert process.returncode == 2
    assert "storage version 2" in told


def test_a_data_folder_has_one_gateway_even_after_kill_9(tmp_path: Path, valkey_url: str) -> None:
    ports = [str(stack.claim_port("127.0.0.1", 0)) for _ in range(3)]
    with gateway(tmp_path, CDMT_REDIS_URL=valkey_url, CDMT_PORT=ports[0]) as first:
        wait_until_alive(int(ports[0]))
        with gateway(tmp_path, CDMT_REDIS_URL=valkey_url, CDMT_PORT=ports[1]) as second:
            _, told = second.communicate(timeout=30)
        assert (second.returncode, first.poll()) == (2, None)
        assert f"another gateway serves {tmp_path}" in told
        first.kill()
    with gateway(tmp_path, CDMT_REDIS_URL=valkey_url, CDMT_PORT=ports[2]) as third:
        wait_until_alive(int(ports[2]))
        third.terminate()


def test_it_refuses_a_certificate_that_it_cannot_use(tmp_path: Path) -> None:
    ours, other = certificate_for("ours", tmp_path), certificate_for("other", tmp_path, password=b"hunter2")
    for certificate, key, reason in [
        (ours.certificate, other.key, "encrypted"),
        (other.certificate, ours.key, "KEY_VALUES_MISMATCH"),
        (ours.key, ours.key, "CDMT_TLS_CERT_FILE"),
        (tmp_path / "none", ours.key, "No such file"),
    ]:
        with pytest.raises(BadKeyFile, match=reason):
            check_certificate(Settings(tls_cert_file=certificate, tls_key_file=key))
    check_certificate(Settings(tls_cert_file=ours.certificate, tls_key_file=ours.key))


def test_with_a_certificate_it_speaks_tls_and_nothing_else(tmp_path: Path, valkey_url: str) -> None:
    made, port = certificate_for("localhost", tmp_path), stack.claim_port("127.0.0.1", 0)
    tls = {"CDMT_TLS_CERT_FILE": str(made.certificate), "CDMT_TLS_KEY_FILE": str(made.key)}
    trust = ssl.create_default_context(cafile=made.certificate)
    with (
        gateway(tmp_path, CDMT_REDIS_URL=valkey_url, CDMT_PORT=str(port), **tls) as process,
        httpx.Client(verify=trust, trust_env=False) as client,
    ):
        deadline, answer = time.monotonic() + 60, None
        while answer is None:
            assert time.monotonic() < deadline
            with suppress(httpx.TransportError):
                answer = client.get(f"https://localhost:{port}/livez")
        with suppress(httpx.TransportError):
            answer = client.get(f"http://localhost:{port}/livez")
        process.terminate()
    assert (answer.url.scheme, answer.json()) == ("https", {"status": "alive"})


def test_it_serves_until_it_is_told_to_stop(tmp_path: Path, valkey_url: str) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with gateway(tmp_path, CDMT_REDIS_URL=valkey_url, CDMT_PORT=str(port)) as process:
        wait_until_alive(port)
        process.send_signal(signal.SIGTERM)
        logs, complaints = process.communicate(timeout=120)
    assert process.returncode in (0, -signal.SIGTERM)
    assert '"path": "/livez"' in logs
    assert complaints == ""


def test_keys_are_made_and_revoked_while_it_runs(tmp_path: Path, valkey_url: str) -> None:
    """By `cdmt keys`, in a process of its own; and whom it believes about addresses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    asks = {"CDMT_AUTH": "keys", "CDMT_TRUSTED_PROXIES": "127.0.0.1", "CDMT_PORT": str(port)}
    with gateway(tmp_path, CDMT_REDIS_URL=valkey_url, **asks) as process:
        wait_until_alive(port)
        key = cdmt_keys(tmp_path, "create", "ann", "--scope", "read")
        proxied = {"Authorization": f"Bearer {key}", "X-Forwarded-For": "203.0.113.9, 192.0.2.7"}
        answers = [httpx.get(f"http://127.0.0.1:{port}/jobs", headers=headers) for headers in ({}, proxied)]
        cdmt_keys(tmp_path, "revoke", key.split("_")[1])
        answers.append(httpx.get(f"http://127.0.0.1:{port}/jobs", headers=proxied))
        process.send_signal(signal.SIGTERM)
        logs, complaints = process.communicate(timeout=120)
    assert [answer.status_code for answer in answers] == [401, 200, 401]
    lines = [json.loads(line) for line in logs.splitlines()]
    assert [line["address"] for line in lines if line["event"] == "access_refused"] == ["127.0.0.1", "192.0.2.7"]
    assert key.split("_", 2)[2] not in logs + complaints


def cdmt_keys(data_dir: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "service.cli", "keys", *arguments, "--data-dir", str(data_dir)]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def test_streams_of_events_do_not_hold_it_up(tmp_path: Path, valkey_url: str) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    add_job(ArtifactStore(tmp_path), "job-1")
    with gateway(tmp_path, CDMT_REDIS_URL=valkey_url, CDMT_PORT=str(port)) as process:
        wait_until_alive(port)
        with httpx.stream("GET", f"http://127.0.0.1:{port}/jobs/job-1/events", timeout=120) as response:
            lines = response.iter_lines()
            assert next(lines) == "event: state"
            start = time.monotonic()
            process.send_signal(signal.SIGTERM)
            assert list(lines)[-1] == ""  # the stream ends as it should, and does not break off
        _, complaints = process.communicate(timeout=120)
    assert time.monotonic() - start < GRACE_SECONDS / 2
    assert process.returncode in (0, -signal.SIGTERM)
    assert complaints == ""


def wait_until_alive(port: int) -> None:
    deadline = time.monotonic() + 60
    while not _alive(port):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _alive(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/livez").is_success
    except httpx.TransportError:
        return False
