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


@pytest.fixture(scope="session")
def key(port: int) -> str:
    """A key, made as the first one is."""
    made = compose("exec", "-T", "gateway", "cdmt", "keys", "create", "ann", "--scope", "read,generate", port=port)
    assert made.returncode == 0, made.stderr
    return made.stdout.strip()
