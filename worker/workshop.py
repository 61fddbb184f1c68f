"""What every job of a worker process works with: the store, the records, the loaded models, the device."""

from __future__ import annotations

from dataclasses import dataclass

from redis import Redis

from model.compute import Compute
from service.contracts.job_store import JobStore
from service.contracts.settings import Settings
from service.contracts.storage import ArtifactStore
from worker.models import ModelCache
from worker.progress import impatient_redis


@dataclass(frozen=True)
class Workshop:
    """Made once per process, handed to every job."""

    settings: Settings
    store: ArtifactStore
    jobs: JobStore
    redis: Redis
    models: ModelCache
    compute: Compute


def open_workshop(settings: Settings) -> Workshop:
    """The workshop that `settings` describe; they must name a Redis."""
    assert settings.redis_url is not None
    store = ArtifactStore(settings.data_dir)
    compute = Compute(device=settings.device, precision=settings.precision)
    return Workshop(
        settings=settings,
        store=store,
        jobs=JobStore(store, retention_seconds=settings.retention_seconds),
        redis=impatient_redis(settings.redis_url),
        models=ModelCache(store, size=settings.model_cache_size, compute=compute),
        compute=compute,
    )
