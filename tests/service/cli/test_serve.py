from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import psutil
import pytest

from service.cli import stack

pytestmark = pytest.mark.e2e


@contextmanager
def serving(data_dir: Path, *, port: int) -> Iterator[subprocess.Popen[str]]:
    """`cdmt serve` in a process of its own, waited for until it says that it is ready."""
    environment = {**os.environ, "CDMT_DATA_DIR": str(data_dir), "CDMT_PORT": str(port), "CDMT_DEVICE": "cpu"}
    environment.pop("REDIS_URL", None)
    with data_dir.with_suffix(".out").open("w") as output, data_dir.with_suffix(".err").open("w") as errors:
        running = subprocess.Popen(
            [sys.executable, "-m", "service.cli", "serve"], env=environment, text=True, stdout=output, stderr=errors
        )
    try:
        wait_for(lambda: "Ready" in data_dir.with_suffix(".err").read_text() or running.poll() is not None)
        yield running
    finally:
        running.terminate()
        running.wait(90)


def wait_for(condition: Callable[[], object], *, seconds: float = 120) -> None:
    """Return as soon as the condition holds; fail if it never does."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)


def child_with(running: subprocess.Popen[str], argument: str) -> psutil.Process | None:
    """The child of `running` that has `argument` in its command line."""
    for child in psutil.Process(running.pid).children():
        with suppress(psutil.NoSuchProcess):  # it has just ended
            if argument in child.cmdline():
                return child
    return None


def test_the_stack_comes_up_heals_itself_and_leaves_nothing_behind(tmp_path: Path) -> None:
    port = stack.claim_port("127.0.0.1", 0)
    with serving(tmp_path / "var", port=port) as running:
        url = f"http://127.0.0.1:{port}"
        assert httpx.get(f"{url}/readyz").status_code == httpx.codes.OK
        family = psutil.Process(running.pid).children(recursive=True)

        killed = child_with(running, "generate")
        assert killed is not None
        killed.kill()
        wait_for(lambda: (child := child_with(running, "generate")) is not None and child.pid != killed.pid)
        family += psutil.Process(running.pid).children(recursive=True)

        running.send_signal(signal.SIGINT)
        assert running.wait(90) == 0
    assert "worker-generate ended with status -9" in (tmp_path / "var.err").read_text()
    assert [process for process in family if process.is_running() and process.status() != psutil.STATUS_ZOMBIE] == []


def test_when_the_supervisor_is_killed_nothing_lives_on(tmp_path: Path) -> None:
    with serving(tmp_path / "var", port=stack.claim_port("127.0.0.1", 0)) as running:
        family = psutil.Process(running.pid).children(recursive=True)
        assert len(family) > 4
        running.kill()
        _, alive = psutil.wait_procs(family, timeout=60)
        assert alive == []


def test_a_port_in_use_is_one_clear_line(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with serving(tmp_path / "var", port=other.getsockname()[1]) as running:
            assert running.wait(90) == 1
    errors = (tmp_path / "var.err").read_text()
    assert errors.startswith("error: cannot listen on 127.0.0.1 port")
    assert "Traceback" not in errors
