"""How long a small job takes: `python -m tests.load.latency --jobs 40`.

One client asks a warm worker for 100 stays of the bundled model, without evaluation, with `Prefer: wait=60`, and takes
the time from the request to the answer that shows the job finished. The parts come from the job's record: the gateway
until the record is made, queue and pick-up until the worker has begun, the drawing, the publication until the record
says that the job has ended, and the way of that news to the client. `worker_cpu` is the processor's time that the
worker's process took for the job: on a busy machine it says more than the clock.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from service.contracts.jobs import JobRecord
from tests.chaos.stack import Stack, running
from tests.load.figures import quantiles
from tests.load.http import Connection
from tests.load.run import n_cores

WARM_UP = 3
WAIT = {"Prefer": "wait=60"}


def main(argv: Sequence[str] | None = None) -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.load.latency", description=__doc__)
    parser.add_argument("--jobs", type=int, default=40)
    parser.add_argument("--stays", type=int, default=100)
    parser.add_argument("--pause", type=float, default=0.1, help="seconds between an answer and the next request")
    wanted = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="latency-") as folder:
        root = Path(folder)
        with running(root, data_dir=root / "var", workers=("generate",)) as stack:
            parts = measure(stack, n_jobs=wanted.jobs, n_stays=wanted.stays, pause=wanted.pause)
    found = {
        "machine": {"cores": n_cores(), "platform": platform.platform(), "load": round(os.getloadavg()[0], 2)},
        "threads": 1,
        "jobs": wanted.jobs,
        "stays": wanted.stays,
        "ms": {name: quantiles(seconds) for name, seconds in parts.items()},
    }
    sys.stdout.write(json.dumps(found, indent=1) + "\n")
    return 0


def measure(stack: Stack, *, n_jobs: int, n_stays: int, pause: float = 0.0) -> dict[str, list[float]]:
    """Part of the way -> seconds, a number per job; `total` is what the client sees."""
    model_id = next(iter(stack.store.ids("models")))
    body = {"model_id": model_id, "n_stays": n_stays, "evaluate": False}
    ways = asyncio.run(_ask(stack, body, n_jobs=n_jobs + WARM_UP, pause=pause))[WARM_UP:]
    return {name: [way[name] for way in ways] for name in ways[0]}


async def _ask(stack: Stack, body: dict[str, Any], *, n_jobs: int, pause: float) -> list[dict[str, float]]:
    parts = urlsplit(stack.url)
    connection = Connection(parts.hostname or "", parts.port or 0)
    horse, ways = stack.workers[0].horse(), []
    assert horse is not None
    for seed in range(n_jobs):
        began, spent = time.time(), sum(horse.cpu_times()[:2])
        answer = await connection.request("POST", "/jobs/generate", {**body, "seed": seed}, headers=WAIT)
        assert answer.status == 200, answer.body
        record = stack.jobs.read(answer.json()["id"])
        way = _way(record, began=began, ended=began + answer.seconds)
        ways.append({**way, "worker_cpu": sum(horse.cpu_times()[:2]) - spent})
        await asyncio.sleep(pause)
    connection.close()
    return ways


def _way(record: JobRecord, *, began: float, ended: float) -> dict[str, float]:
    """The parts of one job's way, from the clock that all processes of this machine share."""
    assert record.started_at is not None
    assert record.finished_at is not None
    assert record.result is not None
    created, started = record.created_at.timestamp(), record.started_at.timestamp()
    finished, drawing = record.finished_at.timestamp(), record.result.timings["sampling"]
    return {
        "total": ended - began,
        "gateway": created - began,
        "queue": started - created,
        "drawing": drawing,
        "publishing": finished - started - drawing,
        "answer": ended - finished,
    }


if __name__ == "__main__":
    sys.exit(main())
