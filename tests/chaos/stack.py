"""A stack of real processes, each of which is started again when it ends, as Compose does; made to be ill-treated."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import psutil

from service.cli.stack import base_url, claim_port, environment
from service.contracts.job_store import JobStore
from service.contracts.settings import Settings
from service.contracts.storage import ArtifactStore
from service.valkey import Valkey, prepared, wait_until_ready

ROOT = Path(__file__).parents[2]
WORKERS = ("train", "evaluate", "generate", "generate")
RESTART_SECONDS = 0.5
LEASE_SECONDS = 4
READY_SECONDS = 200.0
STOP_SECONDS = 15.0


class Member:
    """One process of the stack, started again RESTART_SECONDS after its end, or later if `hold` says so."""

    def __init__(self, name: str, argv: list[str], env: dict[str, str], log: Path) -> None:
        self.name, self.argv, self.env, self.log = name, argv, env, log
        self.process: subprocess.Popen[bytes] | None = None
        self.n_starts = 0
        self.up_since = self.down_since = 0.0
        self._due: float | None = None

    @property
    def pid(self) -> int:
        """Its process id; that of the last one while it is down."""
        assert self.process is not None
        return self.process.pid

    @property
    def is_alive(self) -> bool:
        """Whether it runs."""
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        """Start it, for the first time or again."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("CDMT_", "REDIS_URL"))}
        env = {**kept, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **self.env}
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(self.argv, env=env, stdout=output, stderr=output, process_group=0)
        self.n_starts += 1
        self.up_since, self._due = time.monotonic(), None

    def tend(self) -> None:
        """Look after it once."""
        if self.is_alive:
            return
        now = time.monotonic()
        if self._due is None:
            self.down_since, self._due = now, now + RESTART_SECONDS
        if now >= self._due:
            self.start()

    def signal(self, number: int, *, away: float = RESTART_SECONDS) -> None:
        """Send it a signal; if that ends it, it starts again `away` seconds from now."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)
        if number == signal.SIGTERM:
            self.down_since = time.monotonic()  # it takes no more connections, and ends when it is done
        if number == signal.SIGKILL:
            assert self.process is not None
            self.process.wait()
            self.hold(away)

    def hold(self, away: float) -> None:
        """Do not start it before `away` seconds have passed."""
        self.down_since = time.monotonic()
        self._due = self.down_since + away

    def horse(self) -> psutil.Process | None:
        """The child that runs the jobs, if it is a worker and has one."""
        with suppress(psutil.NoSuchProcess):
            for child in psutil.Process(self.pid).children():
                with suppress(psutil.Error):
                    if any("spawn_main" in word for word in child.cmdline()):
                        return child
        return None

    def finish(self) -> None:
        """Ask it to end, and kill what does not."""
        if self.process is None:
            return
        for number, wait in ((signal.SIGTERM, 2.0), (signal.SIGTERM, STOP_SECONDS), (signal.SIGKILL, None)):
            with suppress(ProcessLookupError, subprocess.TimeoutExpired):
                os.kill(self.pid, signal.SIGCONT)
                os.kill(self.pid, number)
                self.process.wait(wait)
                return
        self.process.wait()


class Stack:
    """Valkey, the gateway and the workers over one store. Nothing is looked after but by `wait` and `tend`."""

    def __init__(self, valkey: Member, gateway: Member, workers: list[Member], *, url: str, settings: Settings) -> None:
        self.valkey, self.gateway, self.workers = valkey, gateway, workers
        self.url, self.settings = url, settings
        self.store = ArtifactStore(settings.data_dir)
        self.jobs = JobStore(self.store)
        self.furniture: frozenset[str] = frozenset()
        """Models that were there before any job."""

    @property
    def members(self) -> list[Member]:
        """All processes."""
        return [self.valkey, self.gateway, *self.workers]

    def workers_of(self, queue: str) -> list[Member]:
        """The worker processes of one queue."""
        return [worker for worker in self.workers if worker.argv[-1] == queue]

    def tend(self) -> None:
        """Start what has ended, if it is time."""
        for member in self.members:
            member.tend()

    def wait(self, what: Callable[[], Any], *, seconds: float, told: Callable[[], str] = str) -> None:
        """Look after the processes until `what()` is true; AssertionError after `seconds`."""
        deadline = time.monotonic() + seconds
        while not what():
            assert time.monotonic() < deadline, f"not within {seconds:g} s: {told()}"
            self.tend()
            time.sleep(0.02)

    def pause(self, seconds: float) -> None:
        """Look after the processes for a while."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.tend()
            time.sleep(min(0.02, max(0.0, end - time.monotonic())))

    def is_ready(self) -> bool:
        """Whether all run, and the gateway says that it and a worker of every kind are at work."""
        if not all(member.is_alive for member in self.members):
            return False
        try:
            answer = httpx.get(f"{self.url}/readyz", timeout=10, trust_env=False)
        except httpx.TransportError:
            return False
        return answer.is_success and all(answer.json()["workers"].get(worker.argv[-1]) for worker in self.workers)

    def wait_until_ready(self) -> None:
        """Wait for that."""
        self.wait(self.is_ready, seconds=READY_SECONDS, told=lambda: "the stack is not ready")

    def reroute(self, redis_url: str) -> None:
        """Start the gateway and the workers anew, over another way to the same Valkey."""
        others = [self.gateway, *self.workers]
        for member in others:
            member.env["CDMT_REDIS_URL"] = redis_url
            member.signal(signal.SIGTERM)
        for member in others:
            member.finish()
            member.start()
        self.wait_until_ready()


@contextmanager
def running(folder: Path, *, data_dir: Path, workers: Sequence[str] = WORKERS, **chosen: Any) -> Iterator[Stack]:
    """A stack over `data_dir` with a worker per name of a queue, ready; `chosen` are further settings.

    Its logs go to `folder`/logs.
    """
    port = claim_port("127.0.0.1", 0)
    (folder / "logs").mkdir(parents=True, exist_ok=True)
    with prepared(data_dir) as valkey:
        settings = Settings(
            data_dir=data_dir, port=port, redis_url=valkey.url, device="cpu", threads=1, log_level="info", **chosen
        )
        stack = _stack(settings, valkey, folder / "logs", workers=workers)
        try:
            stack.valkey.start()
            wait_until_ready(valkey.url, child=stack.valkey.process)
            for member in stack.members[1:]:
                member.start()
            stack.wait_until_ready()
            stack.furniture = frozenset(stack.store.ids("models"))
            yield stack
        finally:
            for member in reversed(stack.members):
                member.finish()


def _stack(settings: Settings, valkey: Valkey, logs: Path, *, workers: Sequence[str]) -> Stack:
    env = environment(settings)
    python = [sys.executable, "-m"]
    started = [
        Member(f"{queue}-{number}", [*python, "worker", "--queue", queue], dict(env), logs / f"{queue}-{number}.log")
        for number, queue in enumerate(workers)
    ]
    server = Member("valkey", list(valkey.argv), {}, logs / "valkey.log")
    gateway = Member("gateway", [*python, "service"], dict(env), logs / "gateway.log")
    return Stack(server, gateway, started, url=base_url("127.0.0.1", settings.port), settings=settings)
