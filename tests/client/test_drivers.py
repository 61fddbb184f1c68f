from __future__ import annotations

import asyncio
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from cdmt_client import AsyncCohortClient, CohortClient, Retries, errors
from tests.service.certificates import certificate_for

PROBLEM = json.dumps({"type": "urn:cdmt:problem:too-large", "status": 413, "detail": "too large"}).encode()
ANSWER = b"HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (
    len(PROBLEM),
    PROBLEM,
)
NEVER = Retries(seconds=0)


@pytest.fixture
def hasty() -> Iterator[str]:
    """The URL of a server that answers from the headers alone, and hangs up on the rest."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(1 << 12)
                    connection.sendall(ANSWER)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A file that no socket takes at once."""
    path = tmp_path / "large.csv"
    path.write_bytes(bytes(32 << 20))
    return path


def test_a_refusal_in_the_middle_of_an_upload_is_heard(hasty: str, large: Path) -> None:
    with CohortClient(hasty, retries=NEVER) as client:
        for _ in range(5):
            with pytest.raises(errors.InvalidRequest, match="413: too large"):
                client.upload(large)


def test_a_refusal_in_the_middle_of_an_upload_is_heard_in_a_task_too(hasty: str, large: Path) -> None:
    async def main() -> None:
        async with AsyncCohortClient(hasty, retries=NEVER) as client:
            for _ in range(5):
                with pytest.raises(errors.InvalidRequest, match="413: too large"):
                    await client.upload(large)

    asyncio.run(main())


def test_a_list_that_broke_is_at_its_end(hasty: str) -> None:
    with CohortClient(hasty, retries=NEVER) as client:
        jobs = client.jobs()
        with pytest.raises(errors.InvalidRequest):
            next(jobs)
        assert list(jobs) == []


def test_a_certificate_is_checked_by_the_authority_that_is_given_and_a_bad_one_told_at_once(tmp_path: Path) -> None:
    made = certificate_for("localhost", tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*made)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            for _ in range(2):
                connection, _ = server.accept()
                with suppress(OSError), context.wrap_socket(connection, server_side=True) as secure:
                    secure.recv(1 << 12)
                    secure.sendall(ANSWER)

        thread = threading.Thread(target=serve)
        thread.start()
        url = f"https://localhost:{server.getsockname()[1]}"
        begin = time.monotonic()
        with CohortClient(url) as client, pytest.raises(errors.Unreachable, match="CERTIFICATE_VERIFY_FAILED"):
            client.models()
        assert time.monotonic() - begin < 20
        with CohortClient(url, verify=made.certificate) as client, pytest.raises(errors.InvalidRequest):
            client.models()
        thread.join()
