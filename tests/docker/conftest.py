"""The composed service. CDMT_TEST_COMPOSE names an override file, where one is needed.

Two runs on one engine need a CDMT_TEST_PROJECT and a CDMT_VERSION (the tag of the images) each: else one takes the
other's containers down.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from service.cli import stack

ROOT = Path(__file__).parents[2]


def compose(*arguments: str, port: int, override: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run `docker compose` on a project of its own; `override` is a further file."""
    environment = {**os.environ, "CDMT_PORT": str(port)}
    line = command(*arguments, override=override)
    return subprocess.run(line, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def command(*arguments: str, override: str | None) -> list[str]:
    """The command line."""
    files = ["-f", "docker-compose.yml", *(["-f", override] if override else [])]
    if of_this_machine := os.environ.get("CDMT_TEST_COMPOSE"):
        files += ["-f", of_this_machine]
    project = os.environ.get("CDMT_TEST_PROJECT", "cdmt-ehr-test")
    return ["docker", "compose", "-p", project, *files, *arguments]


def run_in(service: str, *command: str, port: int) -> subprocess.CompletedProcess[str]:
    """Run a command in the container of a service, as the service's own user."""
    return compose("exec", "-T", service, *command, port=port)


def redis(service: str, *command: str, port: int, url: str = "redis_url(Settings())") -> str:
    """What Redis answers, asked from within a container of the service, as its own user unless a `url` is given."""
    program = (
        "import sys; from redis import Redis; from service.contracts.settings import Settings; "
        "from service.contracts.redis_url import redis_url; "
        f"print(Redis.from_url({url}).execute_command(*sys.argv[1:]))"
    )
    answer = run_in(service, "python3", "-c", program, *command, port=port)
    return answer.stdout if answer.returncode == 0 else answer.stderr.splitlines()[-1]


@pytest.fixture(scope="session")
def port() -> Iterator[int]:
    """The port at which the composed service answers."""
    if shutil.which("docker") is None:
        pytest.skip("there is no docker here")
    port = stack.claim_port("127.0.0.1", 0)
    try:
        up = compose("up", "--build", "--detach", "--wait", port=port)
        assert up.returncode == 0, up.stderr
        yield port
    finally:
        compose("down", "--volumes", port=port)


def new_key(name: str, scopes: str, *, port: int) -> str:
    """A key, made as the first one is."""
    made = run_in("gateway", "cdmt", "keys", "create", name, "--scope", scopes, port=port)
    assert made.returncode == 0, made.stderr
    return made.stdout.strip()


def caller(key: str, *, port: int) -> httpx.Client:
    """Whoever asks with this key, from outside."""
    headers = {"Authorization": f"Bearer {key}"}
    return httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, trust_env=False, timeout=60)


@pytest.fixture(scope="session")
def key(port: int) -> str:
    """The key of a caller who may read and generate."""
    return new_key("ann", "read,generate", port=port)


@pytest.fixture
def client(port: int, key: str) -> Iterator[httpx.Client]:
    """A caller who may read and generate."""
    with caller(key, port=port) as client:
        yield client
