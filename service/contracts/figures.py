"""What jobs come to, counted in Redis: so that what workers do is seen at the gateway, and outlives both.

One hash per installation, whose size depends on nothing but the kinds of jobs. Best effort: no job fails by it, and
what Redis could not take, or has lost, is missing.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, cast

from pydantic import ValidationError
from redis import Redis
from redis.exceptions import RedisError

from model.spec.base import Spec
from service.contracts.jobs import JobRecord
from service.contracts.requests import GenerateRequest

BOUNDS = (1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 4 * 3600, 12 * 3600, 24 * 3600, 72 * 3600)
"""Upper bounds of the buckets of a job's duration, in seconds; a last bucket has no bound."""
VITALS_EXPIRE_SECONDS = 24 * 3600  # so that workers that are no more leave nothing

ModelLoad = Literal["loaded", "warm"]


class Durations(NamedTuple):
    """How long jobs took: how many fall into each bucket, of which there is one more than BOUNDS, and the sum."""

    buckets: tuple[int, ...]
    seconds: float


class Totals(NamedTuple):
    """Everything that has been counted. `durations` by kind of job and the state in which it ended."""

    durations: dict[tuple[str, str], Durations]
    n_stays: int
    models: dict[ModelLoad, int]


class GpuMemory(Spec):
    """Bytes of a GPU's memory: in use by tensors of one process, held by that process, and in all."""

    allocated: int
    reserved: int
    total: int


class Vitals(Spec):
    """What a worker computes on, the bytes of memory that its process has, and of its GPU, if it uses one."""

    device: str
    resident: int
    gpu: GpuMemory | None = None


class Figures:
    """The figures of one installation."""

    def __init__(self, redis: Redis, installation: str) -> None:
        self._redis = redis
        self._prefix = f"cdmt:{installation}:figures"

    def job_ended(self, record: JobRecord) -> None:
        """Count a job, once: whoever has written its last record calls this."""
        seconds = _duration(record)
        stays = record.result.n_stays if record.result and isinstance(record.request, GenerateRequest) else None
        name = f"{record.kind}|{record.status}"
        try:
            with self._redis.pipeline() as pipe:
                pipe.hincrby(self._prefix, f"ended|{name}|{bisect_left(BOUNDS, seconds)}", 1)
                pipe.hincrbyfloat(self._prefix, f"seconds|{name}", seconds)
                pipe.hincrby(self._prefix, "stays", stays or 0)
                pipe.execute()
        except RedisError:
            return

    def model_taken(self, load: ModelLoad) -> None:
        """Count a model that a job needed: read for it, or still loaded."""
        try:
            self._redis.hincrby(self._prefix, f"models|{load}", 1)
        except RedisError:
            return

    def vitals_of(self, worker: str, vitals: Vitals) -> None:
        """Show how a worker is now."""
        try:
            self._redis.set(self._vitals_key(worker), vitals.model_dump_json(), ex=VITALS_EXPIRE_SECONDS)
        except RedisError:
            return

    def totals(self) -> Totals:
        """All counts: one question to Redis. Raises RedisError."""
        raw = cast("Mapping[bytes, bytes]", self._redis.hgetall(self._prefix))
        return _totals({key.decode(): value.decode() for key, value in raw.items()})

    def vitals(self, workers: Sequence[str]) -> list[Vitals | None]:
        """How each of the workers was when it last said so. Raises RedisError.

        None of one that has not worked, or says it in the words of another version.
        """
        texts = cast("list[object]", self._redis.mget([self._vitals_key(name) for name in workers])) if workers else []
        return [_parsed(text) for text in texts]

    def gpus(self, workers: Sequence[str]) -> list[GpuMemory]:
        """What those of the workers use that have a GPU. Raises RedisError."""
        return [vitals.gpu for vitals in self.vitals(workers) if vitals is not None and vitals.gpu is not None]

    def _vitals_key(self, worker: str) -> str:
        return f"{self._prefix}:vitals:{worker}"


def _parsed(text: object) -> Vitals | None:
    try:
        return Vitals.model_validate_json(text) if isinstance(text, bytes | str) else None
    except ValidationError:
        return None


def _duration(record: JobRecord) -> float:
    """From the first start to the end; 0 for a job that never began, and where the clock went back meanwhile."""
    if record.started_at is None or record.finished_at is None:
        return 0.0
    return max(0.0, (record.finished_at - record.started_at).total_seconds())


def _totals(fields: Mapping[str, str]) -> Totals:
    buckets: dict[tuple[str, str], Counter[int]] = {}
    for key, value in fields.items():
        if key.startswith("ended|"):
            _, kind, status, bucket = key.split("|")
            buckets.setdefault((kind, status), Counter())[int(bucket)] += int(value)
    durations = {
        (kind, status): Durations(
            tuple(counts[bucket] for bucket in range(len(BOUNDS) + 1)), float(fields.get(f"seconds|{kind}|{status}", 0))
        )
        for (kind, status), counts in buckets.items()
    }
    models: dict[ModelLoad, int] = {
        "loaded": int(fields.get("models|loaded", 0)),
        "warm": int(fields.get("models|warm", 0)),
    }
    return Totals(durations=durations, n_stays=int(fields.get("stays", 0)), models=models)
