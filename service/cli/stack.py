"""The whole stack on one machine: Valkey, the gateway and one worker per queue; started, tended, stopped in order."""

from __future__ import annotations

import ipaddress
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import httpx

from service import process, valkey
from service.contracts.jobs import QUEUES
from service.contracts.redis_url import redis_url
from service.contracts.settings import Settings
from service.process import LaunchError

READY_TIMEOUT = 120.0
SHUTDOWN_SECONDS = 4.0
"""A worker's time for the job that it runs; after half of it, a job that would have to begin anew is put down, too."""
HAND_BACK_AFTER = 5.0
STOP_GRACE = 10.0
HEALTHY_AFTER = 60.0  # a child that ran this long starts its back-off anew
LONGEST_DELAY = 30.0

Notice = Callable[[str], None]


@dataclass
class Child:
    """One process of the stack. After it ended on its own, it waits until `due` to be started again."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    log: Path | None = None
    running: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    failures: int = 0
    due: float | None = None

    def start(self) -> None:
        """Start it, for the first time or again."""
        self.running = process.start(self.argv, env=self.env, log=self.log)
        self.started = time.monotonic()
        self.due = None

    def status(self) -> int | None:
        """Its exit status; None while it runs or before it was started."""
        return None if self.running is None else self.running.poll()

    def tend(self, notice: Notice) -> None:
        """Start it again if it ended: a second later, then two, four ... seconds later if it keeps ending."""
        now = time.monotonic()
        if self.due is None and self.status() is not None:
            self.failures = 0 if now - self.started > HEALTHY_AFTER else self.failures + 1
            delay = min(LONGEST_DELAY, 0.5 * 2**self.failures)
            self.due = now + delay
            notice(f"{self.name} ended with status {self.status()}; it starts again in {delay:g} s")
        elif self.due is not None and now >= self.due:
            self.start()


@dataclass(frozen=True)
class Stack:
    """A running stack. Call `tend` now and then: it starts again what has ended."""

    url: str
    children: tuple[Child, ...]
    notice: Notice

    def tend(self) -> None:
        """Look once after every process."""
        for child in self.children:
            child.tend(self.notice)


@contextmanager
def running(settings: Settings, *, notice: Notice, logs: Path | None = None) -> Iterator[Stack]:
    """The stack, up and answering; stopped in order at the end, whatever ends it.

    With `logs`, each process writes to a file in that folder, else to our own output. LaunchError says what is wrong.
    """
    port = claim_port(settings.host, settings.port)
    if logs is not None:
        logs.mkdir(parents=True, exist_ok=True)
    data_dir = settings.data_dir.absolute()
    with _redis(settings, data_dir, logs) as (url_without_password, server):
        settled = settings.model_copy(update={"port": port, "data_dir": data_dir, "redis_url": url_without_password})
        children = tuple(children_of(settled, logs))
        url = base_url(settings.host, port, tls=settings.tls_cert_file is not None)
        stack = Stack(url, (*server, *children), notice)
        try:
            for child in children:
                child.start()
            _wait_until_ready(stack)
            yield stack
        finally:
            _stop(children)


def serve(settings: Settings, *, notice: Notice, ready: Callable[[Stack], None]) -> None:
    """Keep the stack running until KeyboardInterrupt (see `interruptible`); `ready` is called once it answers."""
    try:
        with running(settings, notice=notice) as stack:
            ready(stack)
            while True:
                stack.tend()
                time.sleep(0.25)
    except KeyboardInterrupt:
        notice("stopped")


@contextmanager
def interruptible() -> Iterator[None]:
    """The first SIGINT, SIGTERM or SIGHUP raises KeyboardInterrupt; further ones do not disturb the orderly stop."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def claim_port(host: str, port: int) -> int:
    """`port` if one can listen there, a free one if it is 0; else LaunchError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            raise LaunchError(
                f"cannot listen on {host} port {port}: {error.strerror or error}. "
                "Stop what uses it, or choose another with CDMT_PORT or --port"
            ) from error
        return int(listener.getsockname()[1])


def base_url(host: str, port: int, *, tls: bool = False) -> str:
    """Where the gateway is reached from this machine, also when it listens on all addresses."""
    scheme = "https" if tls else "http"
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return f"{scheme}://{host}:{port}"
    if address.is_unspecified:
        address = ipaddress.ip_address("::1" if address.version == 6 else "127.0.0.1")
    return f"{scheme}://[{address}]:{port}" if address.version == 6 else f"{scheme}://{address}:{port}"


@contextmanager
def _redis(settings: Settings, data_dir: Path, logs: Path | None) -> Iterator[tuple[str, tuple[Child, ...]]]:
    """The URL of a Redis that answers, without a password that lies in a file; and the child that it is, if ours."""
    if settings.redis_url is not None:
        valkey.wait_until_ready(redis_url(settings) or "")
        yield settings.redis_url, ()
        return
    with valkey.prepared(data_dir) as prepared:
        child = Child("valkey", prepared.argv, log=_log(logs, "valkey"))
        child.start()
        try:
            valkey.wait_until_ready(prepared.url, child=child.running)
            yield prepared.url, (child,)
        finally:
            _stop((child,))


def environment(settings: Settings) -> dict[str, str]:
    """The settings that differ from their defaults, as a child process reads them."""
    chosen = settings.model_dump(mode="json", exclude_unset=True, exclude_none=True)
    return {f"CDMT_{name.upper()}": str(value) for name, value in chosen.items()}


def children_of(settings: Settings, logs: Path | None) -> Iterator[Child]:
    """The gateway and the workers, as many of each kind as the settings say; none is started."""
    env = environment(settings)
    yield Child("gateway", (sys.executable, "-m", "service"), env, _log(logs, "gateway"))
    for queue in QUEUES:
        argv = (sys.executable, "-m", "worker", "--queue", queue, "--shutdown-seconds", str(SHUTDOWN_SECONDS))
        for number in range(1, settings.n_workers(queue) + 1):
            name = f"worker-{queue}" if number == 1 else f"worker-{queue}-{number}"
            yield Child(name, argv, env, _log(logs, name))


def _log(logs: Path | None, name: str) -> Path | None:
    return None if logs is None else logs / f"{name}.log"


def _wait_until_ready(stack: Stack) -> None:
    deadline = time.monotonic() + READY_TIMEOUT
    missing = "no answer"
    # Not verified: the certificate is for the name by which others reach us, and this machine's loopback is ours.
    with httpx.Client(base_url=stack.url, trust_env=False, timeout=10, verify=False) as client:  # noqa: S501
        while time.monotonic() < deadline:
            for child in stack.children:
                if child.status() is not None:
                    raise LaunchError(
                        f"{child.name} ended with status {child.status()} at its start{_last_words(child)}"
                    )
            try:
                answer = client.get("/readyz")
            except httpx.TransportError:
                pass
            else:
                if answer.status_code == httpx.codes.OK:
                    return
                missing = answer.text
            time.sleep(0.1)
    raise LaunchError(f"the service is not ready after {READY_TIMEOUT:g} s: {missing}")


def _last_words(child: Child) -> str:
    """The end of what the child wrote to its log, if it has one."""
    if child.log is None or not child.log.exists():
        return ""
    return ":\n" + "\n".join(child.log.read_text(errors="replace").splitlines()[-10:])


def _stop(children: tuple[Child, ...]) -> None:
    """Ask all to end; after a while ask again, upon which a worker puts its job back; kill who still does not end."""
    alive = [child.running for child in children if child.running is not None]
    for wait in (HAND_BACK_AFTER, 0.0):
        for popen in alive:
            if popen.poll() is None:
                popen.terminate()
        deadline = time.monotonic() + wait
        while any(popen.poll() is None for popen in alive) and time.monotonic() < deadline:
            time.sleep(0.05)
    for popen in alive:
        process.wait(popen, grace=STOP_GRACE)
