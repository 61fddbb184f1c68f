"""What Prometheus is told. Labels are kinds, states and templates of routes: never an id, and nothing of a patient.

What the gateway itself does is counted in its memory and begins anew with it. All else is looked up at each scrape: in
Redis, or in what the reconciler has last seen of the records.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from itertools import accumulate, product
from typing import Any, get_args

import structlog
from prometheus_client import CollectorRegistry, Counter, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from redis.exceptions import RedisError

from service.contracts.figures import BOUNDS, Figures, GpuMemory
from service.contracts.jobs import QUEUES, JobState
from service.jobs import JobQueue
from service.reconciler import Reconciler
from service.workload import backlog, workers

STATES: tuple[JobState, ...] = get_args(JobState)
WORKER_STATES = ("idle", "busy", "started", "suspended")
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

log = structlog.get_logger(__name__)


class Meters:
    """All metrics of one gateway. `requests` and `webhooks` are counted as they happen."""

    def __init__(self, queue: JobQueue, reconciler: Reconciler) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "cdmt_http_requests",
            "Requests answered, by template of the route; aborted: the client went away first.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self.webhooks = Counter(
            "cdmt_webhook_attempts",
            "Attempts to tell of the end of a job, by what became of it: delivered, retrying, or failed for good.",
            ("outcome",),
            registry=self.registry,
        )
        self.registry.register(_JobCollector(queue, reconciler))
        ProcessCollector(registry=self.registry)

    def count_request(self, scope: MutableMapping[str, Any], *, method: str, status: int | None) -> None:
        """Count a request that has been answered with `status`, or not at all."""
        route = getattr(scope.get("route"), "path", None) or "unmatched"
        answer = "aborted" if status is None else str(status)
        self.requests.labels(method if method in METHODS else "other", route, answer).inc()


class _JobCollector(Collector):
    """Jobs, queues and workers, looked up when asked for. Where Redis does not answer, what it knows is missing."""

    def __init__(self, queue: JobQueue, reconciler: Reconciler) -> None:
        self._queue = queue
        self._reconciler = reconciler

    def describe(self) -> Iterator[Metric]:
        """Nothing: whoever registers this shall not ask Redis."""
        yield from ()

    def collect(self) -> Iterator[Metric]:
        """The figures as they are now."""
        yield _jobs(self._reconciler)
        found: list[Metric] = []
        try:
            found = [*_queues(self._queue), *_ended(self._queue.figures)]
        except (RedisError, ValueError) as error:  # what it holds may be of another's making
            log.warning(
                "no metrics of queues and workers: the job queue does not answer well", error=type(error).__name__
            )
        yield GaugeMetricFamily("cdmt_redis_up", "Whether Redis answered to this scrape.", value=float(bool(found)))
        yield from found


def _jobs(reconciler: Reconciler) -> Metric:
    family = GaugeMetricFamily(
        "cdmt_jobs", "Jobs there are, by kind and state, as the reconciler last saw them.", labels=("kind", "state")
    )
    if (census := reconciler.census) is not None:
        for kind, state in product(QUEUES, STATES):
            family.add_metric((kind, state), census[kind, state])
    return family


def _queues(queue: JobQueue) -> Iterator[Metric]:
    waiting = GaugeMetricFamily("cdmt_queue_jobs", "Jobs that wait for a worker.", labels=("queue",))
    age = GaugeMetricFamily(
        "cdmt_queue_oldest_seconds", "For how long the next job of the queue has waited.", labels=("queue",)
    )
    alive = GaugeMetricFamily("cdmt_workers", "Workers alive, by their state.", labels=("queue", "state"))
    memory = GaugeMetricFamily(
        "cdmt_gpu_memory_bytes",
        "Memory of GPUs: allocated by the queue's workers, reserved by them, and in all on theirs.",
        labels=("queue", "part"),
    )
    for kind, rq_queue in queue.queues.items():
        now, at_work = backlog(rq_queue), workers(rq_queue)
        waiting.add_metric((kind,), now.n_jobs)
        age.add_metric((kind,), now.oldest_seconds or 0.0)
        for state in WORKER_STATES:
            alive.add_metric((kind, state), at_work.states[state])
        gpus = queue.figures.gpus(at_work.names)
        for part in GpuMemory.model_fields if gpus else ():
            memory.add_metric((kind, part), sum(getattr(gpu, part) for gpu in gpus))
    yield from (waiting, age, alive, memory)


def _ended(figures: Figures) -> Iterator[Metric]:
    totals = figures.totals()
    durations = HistogramMetricFamily(
        "cdmt_job_duration_seconds",
        "From the first start of a job to its end, waits in between included.",
        labels=("kind", "outcome"),
    )
    names = [*(format(bound, "g") for bound in BOUNDS), "+Inf"]
    for (kind, outcome), found in sorted(totals.durations.items()):
        buckets = list(zip(names, map(float, accumulate(found.buckets)), strict=True))
        durations.add_metric((kind, outcome), buckets, found.seconds)
    models = CounterMetricFamily(
        "cdmt_model_cache",
        "Models that generations needed: loaded for it, or warm from an earlier job.",
        labels=("load",),
    )
    for load, n in totals.models.items():
        models.add_metric((load,), n)
    yield durations
    yield CounterMetricFamily(
        "cdmt_stays_generated", "Synthetic stays in cohorts that succeeded.", value=totals.n_stays
    )
    yield models
