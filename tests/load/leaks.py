"""What thousands of jobs leave behind: `python -m tests.load.leaks --jobs 3000`.

Memory and open files of every process, keys in Redis and things in the store, after each part of the jobs has been done
and deleted. The figures must not rise from part to part.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import psutil
from redis import Redis

from tests.chaos.furniture import furnish
from tests.chaos.invariants import check_remains
from tests.chaos.stack import Member, Stack, running
from tests.load.run import bombard
from tests.worker.conftest import train_tiny

PARTS = 4
SETTLE_SECONDS = 4.0


def main(argv: Sequence[str] | None = None) -> int:
    """Print a line of figures per part."""
    parser = argparse.ArgumentParser(prog="python -m tests.load.leaks", description=__doc__)
    parser.add_argument("--jobs", type=int, default=3000)
    parser.add_argument("--clients", type=int, default=20)
    wanted = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="leaks-") as folder:
        root = Path(folder)
        furnish(root / "var", train_tiny(root / "tiny"))
        with running(root, data_dir=root / "var", workers=("generate", "generate"), reconcile_every_seconds=1) as stack:
            for part in range(PARTS + 1):
                if part:
                    _do_and_delete(stack, n_jobs=wanted.jobs // PARTS, n_clients=wanted.clients)
                sys.stdout.write(json.dumps({"jobs": part * (wanted.jobs // PARTS), **figures(stack)}) + "\n")
                sys.stdout.flush()
    return 0


def _do_and_delete(stack: Stack, *, n_jobs: int, n_clients: int) -> None:
    tally = asyncio.run(bombard(stack, n_jobs=n_jobs, n_clients=n_clients, n_listeners=10))
    assert tally.ends["succeeded"] == n_jobs, tally.ends
    with httpx.Client(base_url=stack.url, trust_env=False, timeout=30) as client:
        for job_id in tally.ids:
            client.delete(f"/jobs/{job_id}").raise_for_status()
        client.get("/metrics").raise_for_status()
    stack.pause(SETTLE_SECONDS)


def figures(stack: Stack) -> dict[str, Any]:
    """Megabytes and open files by process; keys in Redis; what is left in the store although all jobs are deleted."""
    assert stack.settings.redis_url is not None
    processes = {"gateway": stack.gateway.pid}
    for worker in stack.workers:
        processes |= {worker.name: worker.pid, f"{worker.name} horse": _horse(worker)}
    with Redis.from_url(stack.settings.redis_url) as redis:
        n_keys = redis.dbsize()
    return {
        "mb": {name: round(psutil.Process(pid).memory_info().rss / 1e6, 1) for name, pid in processes.items()},
        "files": {name: psutil.Process(pid).num_fds() for name, pid in processes.items()},
        "threads": {name: psutil.Process(pid).num_threads() for name, pid in processes.items()},
        "redis_keys": n_keys,
        "left": len(check_remains(stack)),
    }


def _horse(worker: Member) -> int:
    horse = worker.horse()
    assert horse is not None
    return horse.pid


if __name__ == "__main__":
    sys.exit(main())
