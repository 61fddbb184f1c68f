"""A way to Valkey that takes its time: `python -m tests.chaos.proxy SOCKET DELAY` says its port and forwards."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).parents[2]
CHUNK = 1 << 16


@contextmanager
def proxied(redis_url: str, *, delay: float) -> Iterator[str]:
    """The URL of a proxy that delivers everything `delay` seconds late, either way."""
    socket = unquote(urlsplit(redis_url).path)
    argv = [sys.executable, "-m", "tests.chaos.proxy", socket, str(delay)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        try:
            yield f"redis://127.0.0.1:{int(process.stdout.readline())}/0"
        finally:
            process.kill()


async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, delay: float) -> None:
    """Deliver late, in order, without holding up what comes behind."""
    waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
    clock = asyncio.get_running_loop().time

    async def deliver() -> None:
        while True:
            due, data = await waiting.get()
            await asyncio.sleep(max(0.0, due - clock()))
            if not data:
                writer.close()
                return
            writer.write(data)
            await writer.drain()

    task = asyncio.create_task(deliver())
    with suppress(OSError):
        while data := await reader.read(CHUNK):
            waiting.put_nowait((clock() + delay, data))
    waiting.put_nowait((clock() + delay, b""))
    with suppress(OSError):
        await task


async def serve(path: str, delay: float) -> None:
    """Listen on a free port until killed."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            far_reader, far_writer = await asyncio.open_unix_connection(path)
            await asyncio.gather(forward(reader, far_writer, delay=delay), forward(far_reader, writer, delay=delay))
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], float(sys.argv[2])))
