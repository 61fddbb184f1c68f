"""A worker whose horse loads nothing: `python -m tests.worker.light_worker REDIS_URL LOST_FILE [SECONDS [QUEUE]]`."""

from __future__ import annotations

import sys
from multiprocessing.connection import Connection
from pathlib import Path

from redis import Redis

from service.contracts.logs import configure_logs
from tests.worker.errands import ErrandJob
from worker.horse import Horse, LeasedWorker, Timing, serve_errands, settle_in, worker_name
from worker.parent import WarmWorker

QUEUE = "light"
JOBS_PER_PROCESS = 4
TIMING = Timing(lease=4, heartbeat=1, worker=17, maintenance=1, patience=2, shutdown=1)


def light_horse(pipe: Connection, parent_pid: int, redis_url: str, name: str, queue: str = QUEUE) -> None:
    """What the child runs."""
    settle_in(parent_pid)
    connection = Redis.from_url(redis_url)
    worker = LeasedWorker(
        queue, connection=connection, name=name, timing=TIMING, prepare_for_work=False, job_class=ErrandJob
    )
    serve_errands(pipe, worker, n_jobs=JOBS_PER_PROCESS)


def main(redis_url: str, lost: Path, shutdown: float = TIMING.shutdown, queue: str = QUEUE) -> int:
    """What the parent runs."""
    configure_logs("info")
    name = worker_name(queue)

    def on_lost(job_id: str, requeued: bool, stopped: bool) -> None:
        with lost.open("a") as file:
            file.write(f"{job_id} {requeued=} {stopped=}\n")

    worker = WarmWorker(
        queue,
        connection=Redis.from_url(redis_url),
        horse=Horse(light_horse, redis_url, name, queue),
        name=name,
        timing=TIMING._replace(shutdown=shutdown),
        on_lost=on_lost,
        job_class=ErrandJob,
    )
    worker.work(logging_level=None)
    return 0 if worker.asked_to_stop else 1


if __name__ == "__main__":
    _, url, lost_file, *chosen = sys.argv
    seconds = float(chosen[0]) if chosen else TIMING.shutdown
    sys.exit(main(url, Path(lost_file), seconds, *chosen[1:]))
