from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import httpx
import pytest
import uvicorn
from starlette.responses import PlainTextResponse

from service.patience import PatientProtocol

PATIENCE = 0.5


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Where a server listens that waits half a second for the head of a request."""
    monkeypatch.setattr("service.patience.HEAD_SECONDS", PATIENCE)
    config = uvicorn.Config(
        PlainTextResponse("here"), http=PatientProtocol, port=0, log_config=None, timeout_keep_alive=60, lifespan="off"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.005)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join()


def closed_after(connection: socket.socket) -> float:
    """Seconds until the server closes the connection."""
    begin = time.monotonic()
    assert connection.recv(1) == b""
    return time.monotonic() - begin


@pytest.mark.parametrize("said", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: here\r\nX-Slow: "])
def test_who_does_not_say_what_is_wanted_is_left(port: int, said: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(said)
        assert closed_after(connection) > PATIENCE / 2


def test_a_byte_now_and_then_is_not_enough(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.setblocking(False)
        begin, answer = time.monotonic(), None
        while answer is None:
            assert time.monotonic() < begin + 10
            time.sleep(PATIENCE / 10)
            with suppress(BlockingIOError):
                connection.send(b"G")
                answer = connection.recv(1)
        assert answer == b""


def test_a_connection_is_kept_between_requests_and_the_next_head_has_its_time(port: int) -> None:
    with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        for _ in range(2):
            assert client.get("/").text == "here"
            time.sleep(1.5 * PATIENCE)
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
        answer = b""
        while not answer.endswith(b"here"):
            answer += connection.recv(4096)
        time.sleep(1.5 * PATIENCE)
        connection.sendall(b"GET / HT")
        assert closed_after(connection) > PATIENCE / 2
