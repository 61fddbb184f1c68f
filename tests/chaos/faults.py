"""What is done to the stack: one function per fault, called with a round whose jobs are under way."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random
from typing import Protocol

import psutil

from tests.chaos.disk import full_disk
from tests.chaos.proxy import proxied
from tests.chaos.stack import LEASE_SECONDS, Member, Stack

MOMENT_SECONDS = 4.0


class Scene(Protocol):
    """What a fault sees of its round."""

    stack: Stack
    rng: Random
    jobs: dict[str, str]

    def submit(self, name: str) -> str:
        """Send one more job."""

    def cancel(self) -> None:
        """Cancel the job that shall be cancelled, if there is one."""

    def end_of(self, job_id: str) -> str | None:
        """The state in which a job has ended."""


Fault = Callable[[Scene], None]


def horse(scene: Scene) -> None:
    """kill -9 of the horse that runs the job, or of any that generates."""
    victim = moment(scene, "long")
    found = holder(scene.stack, victim)
    horses = [found] if found else [worker.horse() for worker in scene.stack.workers_of("generate")]
    kill(scene.rng.choice(horses))


def worker(scene: Scene) -> None:
    """kill -9 of a worker's parent; its horse must die with it."""
    victim = moment(scene, "long")
    found = holder(scene.stack, victim)
    workers = scene.stack.workers_of("generate")
    mine = [member for member in workers if found is not None and found == member.horse()]
    chosen = scene.rng.choice(mine or workers)
    chosen.signal(signal.SIGKILL)


def gateway(scene: Scene) -> None:
    """kill -9 of the gateway, perhaps while it takes a job."""
    moment(scene, "long")
    scene.stack.gateway.signal(signal.SIGKILL)
    scene.submit("small")


def valkey_1(scene: Scene) -> None:
    """kill -9 of Valkey, which is back a second later."""
    moment(scene, "long")
    scene.stack.valkey.signal(signal.SIGKILL, away=1.0)


def valkey_15(scene: Scene) -> None:
    """kill -9 of Valkey, which is away for longer than any lease."""
    moment(scene, "long")
    scene.stack.valkey.signal(signal.SIGKILL, away=15.0)
    scene.stack.pause(15.0)


def sigterm(scene: Scene) -> None:
    """SIGTERM to everything at once, as `docker compose stop` sends it; then a start."""
    scene.submit("training")
    moment(scene, scene.rng.choice(("long", "training")))
    for member in scene.rng.sample(scene.stack.members, len(scene.stack.members)):
        member.signal(signal.SIGTERM)


def disk_full(scene: Scene) -> None:
    """No space left where the store and Valkey's append-only file are, for a while."""
    moment(scene, "long")
    with full_disk(scene.stack):
        scene.stack.pause(scene.rng.uniform(0.5, 6.0))


def checkpoint(scene: Scene) -> None:
    """The horse of a training dies, and its checkpoint is damaged when the next one comes."""
    job_id = scene.submit("training")
    folder = scene.stack.store.root / "work" / job_id
    scene.stack.wait(lambda: files_in(folder) or scene.end_of(job_id), seconds=60)
    scene.stack.pause(scene.rng.uniform(0, 1))
    kill(holder(scene.stack, job_id))
    for path in files_in(folder):
        damage(path, scene.rng)


def poison(scene: Scene) -> None:
    """A job whose horse dies each time that it is tried."""
    job_id = scene.submit("poison")

    def dies() -> bool:
        found = holder(scene.stack, job_id)
        if found is not None:
            scene.stack.pause(scene.rng.uniform(0, 0.3))
            kill(found)
        return scene.end_of(job_id) is not None

    scene.stack.wait(dies, seconds=90)


def race(scene: Scene) -> None:
    """A worker, or its parent alone, is frozen until its lease lapses: two have the same job, and both go on."""
    victim = moment(scene, "long")
    found = holder(scene.stack, victim)
    workers = scene.stack.workers_of("generate")
    mine = [member for member in workers if found is not None and found == member.horse()]
    with frozen(scene.rng.choice(mine or workers), also_horse=scene.rng.random() < 0.5):
        scene.stack.pause(LEASE_SECONDS + scene.rng.uniform(1, 4))


def slow(scene: Scene) -> None:
    """Every answer of Valkey takes 500 ms, while jobs run and one is cancelled."""
    direct = scene.stack.settings.redis_url or ""
    with proxied(direct, delay=0.25) as url:
        try:
            scene.stack.reroute(url)
            for name in ("small", "judged", "doomed"):
                scene.submit(name)
            moment(scene, "doomed")
            scene.cancel()
            scene.stack.wait(lambda: all(map(scene.end_of, scene.jobs.values())), seconds=90)
        finally:
            scene.stack.reroute(direct)


def moment(scene: Scene, name: str) -> str:
    """Wait for a random moment in the life of one of the jobs of this name, and return its id."""
    job_id = scene.rng.choice([job for key, job in scene.jobs.items() if key.startswith(name)])
    root = scene.stack.store.root
    signs: list[Callable[[], object]] = [
        (root / "work" / job_id).exists,
        lambda: any(path.name.startswith(job_id) for path in (root / "staging").iterdir()),
        (root / "cohorts" / job_id).exists,
        lambda: scene.stack.jobs.read(job_id).status == "running",
    ]
    sign = scene.rng.choice([*signs, None, None])
    if sign is not None:
        with suppress(AssertionError):  # it was over too soon to be seen
            scene.stack.wait(lambda: sign() or scene.end_of(job_id), seconds=MOMENT_SECONDS)
    scene.stack.pause(scene.rng.uniform(0, 0.2 if sign else MOMENT_SECONDS))
    return job_id


def holder(stack: Stack, job_id: str) -> psutil.Process | None:
    """The horse that has a file or folder of the job open."""
    for member in stack.workers:
        found = member.horse()
        if found is not None and any(job_id in target for target in open_paths(found.pid)):
            return found
    return None


def open_paths(pid: int) -> Iterator[str]:
    """What the descriptors of a process lead to."""
    with suppress(OSError):
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                yield str(entry.readlink())


def kill(victim: psutil.Process | None) -> None:
    """kill -9, if it is there."""
    if victim is not None:
        with suppress(psutil.NoSuchProcess):
            victim.kill()


@contextmanager
def frozen(member: Member, *, also_horse: bool) -> Iterator[None]:
    """Stopped by SIGSTOP for as long as this lasts."""
    found = member.horse()
    pids = [member.pid] + ([found.pid] if also_horse and found else [])
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def files_in(folder: Path) -> list[Path]:
    """The files that a training keeps for its next attempt."""
    return sorted(folder.rglob("*.safetensors"))


def damage(path: Path, rng: Random) -> None:
    """Cut a file, empty it, or turn some bits."""
    with suppress(FileNotFoundError), path.open("r+b") as file:
        size = path.stat().st_size
        how = rng.choice(("cut", "empty", "bits"))
        if how == "bits":
            file.seek(rng.randrange(size // 2, size - 64))
            spoilt = bytes(byte ^ 0x41 for byte in file.read(64))
            file.seek(-64, os.SEEK_CUR)
            file.write(spoilt)
        else:
            file.truncate(size // 2 if how == "cut" else 0)


FAULTS: dict[str, Fault] = {
    "horse": horse,
    "worker": worker,
    "gateway": gateway,
    "valkey-1s": valkey_1,
    "valkey-15s": valkey_15,
    "sigterm": sigterm,
    "disk-full": disk_full,
    "checkpoint": checkpoint,
    "poison": poison,
    "race": race,
    "slow-redis": slow,
}
