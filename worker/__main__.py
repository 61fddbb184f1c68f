"""One worker process: `python -m worker --queue generate`. The parent, free of torch, and its warm horse."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import structlog
from pydantic import ValidationError
from redis import Redis
from redis.exceptions import RedisError

from model.spec.errors import CDMTError
from service.contracts import live
from service.contracts.data_folder import claim
from service.contracts.errors import BadKeyFile, IllegalTransition, NotFound, UnusableFolder
from service.contracts.figures import Figures
from service.contracts.installation import installation_id
from service.contracts.job_store import JobStore
from service.contracts.jobs import QUEUES, JobKind, parse_rq_id, queue_name
from service.contracts.logs import configure_logs
from service.contracts.memory import no_core_dumps
from service.contracts.products import retract
from service.contracts.sealing import check_key
from service.contracts.settings import Settings, explain
from service.contracts.storage import ArtifactStore
from service.contracts.vault import open_files
from worker import outcomes
from worker.horse import Horse, Timing, redis_of, run_horse, worker_name
from worker.parent import WarmWorker

log = structlog.get_logger("worker")


def main(argv: Sequence[str] | None = None) -> int:
    """Work until SIGTERM (status 0), or until Redis is away for too long (status 1: a supervisor restarts us).

    Status 2 if the settings forbid to begin.
    """
    arguments = _parser().parse_args(argv)
    no_core_dumps()
    try:
        settings = Settings()
    except ValidationError as error:
        sys.stderr.write(f"the worker does not start: {explain(error)}\n")
        return 2
    configure_logs(settings.log_level)
    if settings.redis_url is None:
        log.error("no_redis", hint="set REDIS_URL, or start the whole stack with `cdmt serve`")
        return 2
    try:
        return serve(
            settings,
            kind=arguments.queue,
            shutdown_seconds=arguments.shutdown_seconds,
            heartbeat_file=arguments.heartbeat_file,
        )
    except (BadKeyFile, UnusableFolder) as error:
        sys.stderr.write(f"the worker does not start: {error}\n")
        return 2
    except RedisError as error:
        log.error("redis_away", error=type(error).__name__)
        return 1


def serve(settings: Settings, *, kind: JobKind, shutdown_seconds: float, heartbeat_file: Path | None = None) -> int:
    """Take jobs of a kind until asked to stop; one that still runs `shutdown_seconds` later goes back to its queue.

    `heartbeat_file` is touched with every heartbeat that Redis has taken. BadKeyFile, UnusableFolder.
    """
    claim(settings.data_dir)
    store = ArtifactStore(settings.data_dir, files=open_files(settings.encryption_key_file))
    check_key(store)
    jobs = JobStore(store, retention_seconds=settings.retention_seconds)
    installation, redis = installation_id(jobs.store.root), redis_of(settings)
    queue, name, figures = queue_name(kind, installation), worker_name(kind), Figures(redis, installation)
    heartbeat = max(1, min(Timing().heartbeat, settings.lease_seconds // 3))
    timing = Timing(lease=settings.lease_seconds, heartbeat=heartbeat, shutdown=shutdown_seconds)
    worker = WarmWorker(
        queue,
        connection=redis,
        horse=Horse(run_horse, settings, queue, name, timing),
        name=name,
        timing=timing,
        on_lost=lambda rq_id, requeued, stopped: _record_loss(
            jobs, figures, redis, rq_id, requeued=requeued, stopped=stopped
        ),
        on_unheard=lambda rq_id: _record_pardon(jobs, rq_id),
        on_heartbeat=lambda: None if heartbeat_file is None else heartbeat_file.touch(),
    )
    log.info("worker_started", name=name, queue=queue)
    worker.work(logging_level=None)
    log.info("worker_stopped", name=name, asked=worker.asked_to_stop)
    return 0 if worker.asked_to_stop else 1


def _record_loss(jobs: JobStore, figures: Figures, redis: Redis, rq_id: str, *, requeued: bool, stopped: bool) -> None:
    job_id, stage = parse_rq_id(rq_id)
    try:
        record = jobs.transition(job_id, outcomes.lost(stage, requeued=requeued, stopped=stopped))
        if record.is_terminal:
            jobs.store.remove_work_dir(job_id)
            retract(record, jobs.store)
            figures.job_ended(record)
        live.announce(redis, job_id)
    except (NotFound, IllegalTransition):
        return  # removed, or ended before its horse did
    except (CDMTError, OSError, ValidationError) as error:
        log.error("loss_not_recorded", job_id=job_id, error=type(error).__name__)


def _record_pardon(jobs: JobStore, rq_id: str) -> None:
    job_id, stage = parse_rq_id(rq_id)
    try:
        jobs.transition(job_id, outcomes.pardoned(stage))
    except (NotFound, IllegalTransition):
        return
    except (OSError, ValidationError) as error:
        log.error("pardon_not_recorded", job_id=job_id, error=type(error).__name__)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m worker", description=__doc__)
    parser.add_argument("--queue", choices=QUEUES, required=True, help="the kind of job to take")
    parser.add_argument(
        "--shutdown-seconds", type=float, default=8.0, help="after SIGTERM, before a running job is handed back"
    )
    parser.add_argument(
        "--heartbeat-file", type=Path, help="touched with every heartbeat: by its age one sees how the worker is"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
