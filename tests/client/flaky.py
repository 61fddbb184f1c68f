"""A proxy on loopback that spoils connections: one request per connection, and what happens to it is planned before."""

from __future__ import annotations

import re
import socket
import socketserver
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import cast

PART = 1 << 14


@dataclass(frozen=True)
class Cut:
    """The answer is reset after so many bytes of its body; -1: before the request gets through."""

    after: int


@dataclass(frozen=True)
class Lose:
    """The request gets through and is handled; its answer is lost."""


@dataclass(frozen=True)
class Say:
    """An answer of the proxy's own; the request goes no further."""

    answer: str


@dataclass(frozen=True)
class Delay:
    """The request gets through later."""

    seconds: float


@dataclass(frozen=True)
class Flip:
    """One bit of the answer's body is another one."""

    at: int


Fault = Cut | Lose | Say | Delay | Flip

BUSY = Say("HTTP/1.1 503 Service Unavailable\r\nRetry-After: 0\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbusy")


@dataclass
class Proxy:
    """Where the proxy listens, what it shall do next to requests that match, and what it has seen."""

    url: str
    target: tuple[str, int]
    plan: list[tuple[str, Fault]] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def fault(self, head: bytes) -> Fault | None:
        """What is planned for a request, which is then done."""
        line = head.split(b"\r\n", 1)[0].decode()
        with self.lock:
            self.seen.append(line)
            for planned in self.plan:
                if planned[0] in line:
                    self.plan.remove(planned)
                    return planned[1]
        return None

    def count(self, text: str) -> int:
        """How many requests had this in their first line."""
        return sum(text in line for line in self.seen)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 64
    proxy: Proxy


class _Handler(socketserver.BaseRequestHandler):
    """Of one connection, which carries one request."""

    def handle(self) -> None:
        client = cast(socket.socket, self.request)
        proxy = cast(_Server, self.server).proxy
        head, rest = _head(client)
        if not head:
            return
        fault = proxy.fault(head)
        match fault:
            case Say(answer):
                client.sendall(answer.encode())
                return
            case Cut(after) if after < 0:
                _reset(client)
                return
            case Delay(seconds):
                time.sleep(seconds)
        with socket.create_connection(proxy.target) as server:
            server.sendall(re.sub(rb"(?im)^connection:.*\r\n", b"", head) + b"Connection: close\r\n\r\n" + rest)
            pump = threading.Thread(target=_pump, args=(client, server), daemon=True)
            pump.start()
            _answer(server, client, fault)


@contextmanager
def flaky(url: str) -> Iterator[Proxy]:
    """A proxy in front of the server at `url`."""
    host, port = url.removeprefix("http://").split(":")
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.proxy = Proxy(f"http://127.0.0.1:{server.server_address[1]}", (host, int(port)))
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server.proxy
        finally:
            server.shutdown()
            thread.join()


def _head(source: socket.socket) -> tuple[bytes, bytes]:
    """The request up to its empty line, which is left out, and what has come of its body."""
    received = b""
    while b"\r\n\r\n" not in received:
        part = source.recv(PART)
        if not part:
            return b"", b""
        received += part
    head, _, rest = received.partition(b"\r\n\r\n")
    return head + b"\r\n", rest


def _pump(source: socket.socket, target: socket.socket) -> None:
    try:
        while part := source.recv(PART):
            target.sendall(part)
    except OSError:
        pass


def _answer(server: socket.socket, client: socket.socket, fault: Fault | None) -> None:
    """Pass the answer on, or what the fault leaves of it."""
    head, body = _head(server)
    if isinstance(fault, Lose):
        while server.recv(PART):
            pass
        _reset(client)
        return
    client.sendall(head + b"\r\n")
    place = 0
    body = body or server.recv(PART)
    while body:
        if isinstance(fault, Cut) and place + len(body) > fault.after:
            client.sendall(body[: fault.after - place])
            time.sleep(0.05)  # so that the reset does not overtake what was sent
            _reset(client)
            return
        if isinstance(fault, Flip) and place <= fault.at < place + len(body):
            spoilt = bytearray(body)
            spoilt[fault.at - place] ^= 1
            body = bytes(spoilt)
        client.sendall(body)
        place += len(body)
        body = server.recv(PART)
    client.shutdown(socket.SHUT_WR)


def _reset(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RD)  # whoever reads from it in another thread would keep it open
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
