"""As little of an HTTP client as will do: whoever measures a service on its own cores should not use them up."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from typing import Any, NamedTuple


class Answer(NamedTuple):
    """Status, headers (names in lower case), body, and the seconds from the request to the last byte."""

    status: int
    headers: dict[str, str]
    body: bytes
    seconds: float

    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)


class Connection:
    """One kept-alive connection; one request at a time."""

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def request(
        self, method: str, path: str, body: dict[str, Any] | None = None, *, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Ask, and read the whole answer. A kept connection that was closed meanwhile is opened anew, once."""
        began = time.perf_counter()
        try:
            answer = await self._request(method, path, body, headers or {})
        except (ConnectionError, asyncio.IncompleteReadError):
            self.close()
            answer = await self._request(method, path, body, headers or {})
        return answer._replace(seconds=time.perf_counter() - began)

    async def events(self, path: str) -> AsyncIterator[str]:
        """The lines of a stream of server-sent events, until it ends."""
        reader = await self._send("GET", path, None, {})
        status, headers = await _head(reader)
        if status != 200:
            raise ConnectionError(f"{path} answered {status}")
        assert headers.get("transfer-encoding") == "chunked"
        rest = b""
        while size := int(await reader.readline(), 16):
            *lines, rest = (rest + await reader.readexactly(size)).split(b"\n")
            await reader.readline()
            for line in lines:
                yield line.decode()

    def close(self) -> None:
        """Close the connection."""
        if self._streams is not None:
            with suppress(OSError):
                self._streams[1].close()
        self._streams = None

    async def _request(self, method: str, path: str, body: dict[str, Any] | None, extra: Mapping[str, str]) -> Answer:
        reader = await self._send(method, path, body, extra)
        status, headers = await _head(reader)
        content = await reader.readexactly(int(headers.get("content-length", "0")))
        if headers.get("connection") == "close":
            self.close()
        return Answer(status, headers, content, 0.0)

    async def _send(
        self, method: str, path: str, body: dict[str, Any] | None, extra: Mapping[str, str]
    ) -> asyncio.StreamReader:
        if self._streams is None:
            self._streams = await asyncio.open_connection(*self._address)
        reader, writer = self._streams
        content = b"" if body is None else json.dumps(body).encode()
        head = f"{method} {path} HTTP/1.1\r\nHost: {self._address[0]}\r\nContent-Length: {len(content)}\r\n"
        kind = {"Content-Type": "application/json"} if content else {}
        fields = "".join(f"{name}: {value}\r\n" for name, value in {**kind, **extra}.items())
        writer.write(f"{head}{fields}\r\n".encode() + content)
        await writer.drain()
        return reader


async def _head(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines[1:] if line)
    return int(lines[0].split(" ", 2)[1]), {name.lower(): value.strip() for name, _, value in pairs}
