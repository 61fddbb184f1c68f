from __future__ import annotations

import os
import signal
import socket
import sys
import time
from pathlib import Path

import pytest

from service import process
from service.cli import stack
from service.cli.stack import Child
from service.contracts.settings import Settings
from service.process import LaunchError


def test_a_port_in_use_is_named_and_says_how_to_choose_another() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(LaunchError, match=rf"port {port}: Address already in use.*CDMT_PORT"):
            stack.claim_port("127.0.0.1", port)


def test_port_0_is_a_free_one() -> None:
    assert stack.claim_port("127.0.0.1", 0) > 0


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:80"),
        ("localhost", "http://localhost:80"),
        ("0.0.0.0", "http://127.0.0.1:80"),
        ("::", "http://[::1]:80"),
    ],
)
def test_where_the_gateway_is_reached(host: str, url: str) -> None:
    assert stack.base_url(host, 80) == url
    assert stack.base_url(host, 80, tls=True) == url.replace("http:", "https:")


def test_a_child_reads_the_settings_that_its_parent_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REDIS_URL", raising=False)
    settings = Settings(data_dir=tmp_path, device="cpu", redis_url="redis://elsewhere:1/2", max_columns=7)
    for name, value in stack.environment(settings).items():
        monkeypatch.setenv(name, value)
    assert Settings() == settings


def test_there_are_as_many_workers_of_each_kind_as_the_settings_say(tmp_path: Path, settings: Settings) -> None:
    settings = settings.model_copy(update={"generate_workers": 3})
    children = {child.name: child for child in stack.children_of(settings, tmp_path)}
    assert list(children) == [
        "gateway", "worker-train", "worker-generate", "worker-generate-2", "worker-generate-3", "worker-evaluate"
    ]  # fmt: skip
    assert children["worker-generate"].argv == children["worker-generate-3"].argv
    assert len({child.log for child in children.values()}) == 6


def test_a_child_that_ended_is_started_again_later_and_later() -> None:
    notices: list[str] = []
    child = Child("sleeper", (sys.executable, "-c", "raise SystemExit(3)"))
    child.start()
    delays = []
    for _ in range(3):
        assert child.running is not None
        child.running.wait()
        child.tend(notices.append)
        assert child.due is not None
        delays.append(round(child.due - time.monotonic(), 1))
        child.due = 0.0
        child.tend(notices.append)
    assert delays == [1.0, 2.0, 4.0]
    assert notices[0] == "sleeper ended with status 3; it starts again in 1 s"
    assert child.running is not None
    child.running.wait()


def test_a_child_that_ran_long_starts_its_back_off_anew() -> None:
    child = Child("sleeper", (sys.executable, "-c", ""), failures=5)
    child.start()
    assert child.running is not None
    child.running.wait()
    child.started -= stack.HEALTHY_AFTER + 1
    child.tend(lambda _: None)
    assert child.failures == 0


def test_a_running_child_is_left_alone() -> None:
    child = Child("sleeper", ("sleep", "60"))
    child.start()
    before = child.running
    assert before is not None
    child.tend(pytest.fail)
    assert child.running is before
    process.stop(before, grace=5)


def test_the_first_signal_interrupts_and_the_second_does_not_disturb() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with stack.interruptible():
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) == before
