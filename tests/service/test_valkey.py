from __future__ import annotations

import signal
import socket
import stat
import sys
import time
from pathlib import Path

import pytest
import redis

from service import process, valkey
from service.process import LaunchError


def read(url: str, key: str) -> object:
    with redis.Redis.from_url(url) as connection:
        return connection.get(key)


def write(url: str, key: str, value: str) -> None:
    with redis.Redis.from_url(url) as connection:
        connection.set(key, value)


def test_what_was_written_is_there_after_a_stop_and_a_start(tmp_path: Path) -> None:
    with valkey.running(tmp_path) as url:
        write(url, "job", "queued")
    with valkey.running(tmp_path) as url:
        assert read(url, "job") == b"queued"


def test_only_this_user_reaches_it_and_no_port_is_open(tmp_path: Path) -> None:
    with valkey.prepared(tmp_path) as server:
        assert stat.S_IMODE(server.folder.stat().st_mode) == 0o700
        assert server.argv[server.argv.index("--port") + 1] == "0"
        assert server.url.startswith("unix://")


def test_a_killed_server_starts_again_on_its_data(tmp_path: Path) -> None:
    with valkey.prepared(tmp_path) as server:
        first = process.start(server.argv)
        valkey.wait_until_ready(server.url, child=first)
        write(server.url, "job", "queued")
        time.sleep(1.5)  # the append-only file is written out every second
        first.send_signal(signal.SIGKILL)
        first.wait()
        second = process.start(server.argv)
        try:
            valkey.wait_until_ready(server.url, child=second)
            assert read(server.url, "job") == b"queued"
        finally:
            process.stop(second, grace=5)


def test_a_data_directory_with_a_path_too_long_for_a_socket(tmp_path: Path) -> None:
    with valkey.running(tmp_path / ("x" * 120)) as url:
        write(url, "a", "1")
        assert read(url, "a") == b"1"


def test_a_data_directory_with_characters_that_a_url_gives_a_meaning(tmp_path: Path) -> None:
    with valkey.running(tmp_path / "ward #3 100%?") as url:
        write(url, "a", "1")
        assert read(url, "a") == b"1"


def test_a_second_server_on_the_same_data_is_refused(tmp_path: Path) -> None:
    with valkey.prepared(tmp_path), pytest.raises(LaunchError, match="in use by another running stack"):
        valkey.prepared(tmp_path).__enter__()


def test_a_given_url_is_used_as_it_is(tmp_path: Path) -> None:
    with valkey.running(tmp_path) as own, valkey.running(tmp_path, redis_url=own) as url:
        assert url == own


def test_a_url_where_nothing_answers_is_named_without_its_password() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"redis://:hunter2@127.0.0.1:{unused.getsockname()[1]}/0"
    with pytest.raises(LaunchError, match="does not answer") as caught:
        valkey.wait_until_ready(url, timeout=0.2)
    assert "hunter2" not in str(caught.value)


def test_a_server_that_ends_at_once_is_reported_at_once() -> None:
    child = process.start([sys.executable, "-c", "raise SystemExit(3)"])
    child.wait()
    with pytest.raises(LaunchError, match="ended with status 3"):
        valkey.wait_until_ready("unix:///nowhere/valkey.sock", child=child)


def test_a_server_on_the_path_goes_first_unless_it_is_too_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "redis-server"
    program.write_text('#!/bin/sh\necho "Redis server v=7.0.15 sha=00000000"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert valkey.find_server() == program
    program.write_text('#!/bin/sh\necho "Redis server v=6.0.16 sha=00000000"\n')
    assert valkey.find_server() != program


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://user:hunter2@host:1/0?password=hunter2", "redis://host:1/0"),
        ("redis://:hunter2@2@host:1", "redis://host:1"),
        ("unix://user:hunter2@/run/valkey.sock?db=1", "unix:///run/valkey.sock"),
        ("redis://:hunter2/2@host", "redis://..."),
        ("redis://:hunter2#2@host", "redis://..."),
        ("redis://:hunter2?2@host", "redis://..."),
    ],
)
def test_a_url_is_shown_without_its_password(url: str, shown: str) -> None:
    assert valkey._shown(url) == shown
